"""Making ufuncs of NumPy's, by its C interface."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.lower.ufunc_loops import Loop, inner_loop

__all__ = ["make_ufunc"]

FROM_FUNCTIONS = 1
"""The place of ``PyUFunc_FromFuncAndData`` in NumPy's table ``_UFUNC_API``."""

NO_IDENTITY = -1

_kept: list[Any] = []
"""What ufuncs call: kept for good, since nobody can tell when NumPy gives up a ufunc's loops."""


def make_ufunc(name: str, doc: str, loops: Sequence[Loop]) -> np.ufunc:
    """The ufunc with these inner loops, each for its dtypes, in the order in which NumPy looks for one."""
    umath = importlib.import_module("numpy._core._multiarray_umath")
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = (ctypes.c_void_p * (FROM_FUNCTIONS + 1)).from_address(get(umath._UFUNC_API, None) or 0)
    make = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        *[ctypes.c_void_p] * 3,
        *[ctypes.c_int] * 4,
        *[ctypes.c_char_p] * 2,
        ctypes.c_int,
    )(table[FROM_FUNCTIONS])  # type: ignore[arg-type]
    libraries = [inner_loop(loop) for loop in loops]
    functions = (ctypes.c_void_p * len(loops))(*[library.address("loop") for library in libraries])
    data = (ctypes.c_void_p * len(loops))()
    kinds = [kind.num for loop in loops for kind in (*loop.operands, *loop.results)]
    types = ctypes.create_string_buffer(bytes(kinds))
    named, documented = name.encode(), doc.encode()
    _kept.append((libraries, functions, data, types, named, documented))
    counts = len(loops), len(loops[0].operands), len(loops[0].results)
    at = [ctypes.addressof(x) for x in (functions, data, types)]
    ufunc: np.ufunc = make(*at, *counts, NO_IDENTITY, named, documented, 0)
    return ufunc
