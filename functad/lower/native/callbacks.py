"""C functions that native code calls where a Program has a ``pure_callback``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from functad.kernel_ir.evaluator import HELPERS
from functad.kernel_ir.offender import note_offender
from functad.primitives.callback import Site

__all__ = ["function_address", "native_callbacks", "offender_address"]

# ctypes takes the GIL for each call of such a function, whether or not the thread has it already
_Helper = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64))


_note_offender = ctypes.CFUNCTYPE(None, ctypes.c_int64)(note_offender)


def offender_address() -> int:
    """Where the C function is that native code calls with what a failed check found."""
    return function_address(_note_offender)


def native_callbacks(externals: Iterable[str]) -> dict[str, Any]:
    """The C functions of the callbacks among the symbols that a module leaves undefined; they must live as long as its
    code.
    """
    sites = [(name, HELPERS.get(name)) for name in externals]
    return {name: native_callback(site) for name, site in sites if isinstance(site, Site)}


def native_callback(site: Site) -> Any:
    """A site as a C function of the addresses of its arrays and the sizes of their axes."""
    count = sum([rank for _, rank in site.form])

    def call(addresses: Any, sizes: Any) -> int:
        given = sizes[:count]
        shapes = site.shapes(given)
        arrays = [
            _array(addresses[k], shape, dtype)
            for k, (shape, (dtype, _)) in enumerate(zip(shapes, site.form, strict=True))
        ]
        return site(arrays, given)

    return _Helper(call)


def function_address(function: Any) -> int:
    """Where a C function is."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _array(address: int | None, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """The memory of an array; it is the caller's, and gone when the call is over."""
    count = math.prod(shape)
    if not count:
        return np.empty(shape, dtype)
    assert address is not None
    memory = memoryview((ctypes.c_char * (count * dtype.itemsize)).from_address(address))
    return np.frombuffer(memory, dtype).reshape(shape)
