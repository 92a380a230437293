"""SciPy's functions for traced values, in modules of the same names, each imported when it is first used.

>>> import functad as fd
>>> fd.scipy.special.expit(0.0)
np.float64(0.5)
"""

import importlib as _importlib
from typing import Any as _Any

_MODULES = ("fft", "interpolate", "linalg", "ndimage", "signal", "special", "stats")


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        return _importlib.import_module(f"functad.scipy.{name}")
    raise AttributeError(f"module 'functad.scipy' has no attribute {name!r}; it has {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    return list(_MODULES)
