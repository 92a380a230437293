"""Functions and their derivatives as files that need no functad."""

from functad.export.numba_module import numba as numba

__all__ = ["numba"]


def __dir__() -> list[str]:
    return sorted(__all__)
