"""Functions and their derivatives as files: C libraries and Numba source, which need no functad, and Programs, which
need no Python code.
"""

from functad.export.c_library import Exported as Exported
from functad.export.c_library import c as c
from functad.export.numba_module import numba as numba
from functad.export.serialized import deserialize as deserialize
from functad.export.serialized import serialize as serialize

__all__ = ["Exported", "c", "deserialize", "numba", "serialize"]


def __dir__() -> list[str]:
    return sorted(__all__)
