"""Functions and their derivatives as files: Numba source, which needs no functad, and Programs, which need no Python
code.
"""

from functad.export.numba_module import numba as numba
from functad.export.serialized import deserialize as deserialize
from functad.export.serialized import serialize as serialize

__all__ = ["deserialize", "numba", "serialize"]
