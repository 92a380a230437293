"""Looking inside: what functad makes of a function, what that costs, and what memory it needs.

Each is called as ``inspect.cost(f)(*args)``, with the arguments that ``f`` would be given.
"""

from functad.inspect.cost import cost as cost
from functad.inspect.graph import graph as graph
from functad.inspect.memory import memory as memory
from functad.inspect.profile import profile as profile
from functad.inspect.readable import readable as readable
from functad.inspect.stages import stages as stages

__all__ = ["cost", "graph", "memory", "profile", "readable", "stages"]


def __dir__() -> list[str]:
    return sorted(__all__)
