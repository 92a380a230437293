"""SciPy's functions for traced values, in modules of the same names."""

import importlib as _importlib
from typing import Any as _Any

__all__ = ["fft", "interpolate", "linalg", "ndimage", "signal", "special", "stats"]


def __getattr__(name: str) -> _Any:
    if name in __all__:  # each imports SciPy, and so is imported when used
        return _importlib.import_module(f"functad.scipy.{name}")
    raise AttributeError(f"module 'functad.scipy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
