"""Functions and their derivatives as files that need no functad."""

from functad.export.c_library import Exported as Exported
from functad.export.c_library import c as c
from functad.export.numba_module import numba as numba

__all__ = ["Exported", "c", "numba"]


def __dir__() -> list[str]:
    return sorted(__all__)
