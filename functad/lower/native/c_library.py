"""The C library: memory, time, and the few operations of its math that have no vector code of functad's own."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools

from functad.kernel_ir.native import Address, NativeFunction, Origin, family

__all__ = ["CLOCK_GETTIME", "FREE", "MALLOC", "REALLOC", "libm_function"]

# libm functions may set errno, which nothing reads: to LLVM they are pure.
_PURE = "nounwind willreturn memory(none)"


def _function(name: str, signature: str) -> NativeFunction:
    find = Address(lambda: _address(_process(), name))
    return NativeFunction(name, find, signature=signature, origin=Origin(__name__))


MALLOC = _function("malloc", "noalias ptr (i64)")
REALLOC = _function("realloc", "ptr (ptr, i64)")
FREE = _function("free", "void (ptr)")
CLOCK_GETTIME = _function("clock_gettime", "i32 (i32, ptr)")


@family
def libm_function(name: str, type: str, arity: int) -> NativeFunction:
    """A function of some numbers of an LLVM type: ``erf`` of ``double``, ``erff`` of ``float``."""
    return NativeFunction(
        name, Address(lambda: _math_address(name)), signature=f"{type} ({', '.join([type] * arity)}) {_PURE}"
    )


def _math_address(name: str) -> int:
    for load in (_process, _libm):  # to find the second takes another process, and 10 ms
        if hasattr(library := load(), name):
            return _address(library, name)
    raise OSError(
        f"the C math library of this platform has no function {name!r}, which compiled code calls; "
        "set FUNCTAD_BACKEND=evaluator to run without native code"
    )


def _address(library: ctypes.CDLL | None, name: str) -> int:
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


@functools.cache
def _libm() -> ctypes.CDLL | None:
    path = ctypes.util.find_library("m")
    return None if path is None else ctypes.CDLL(path)


@functools.cache
def _process() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(None)
    except TypeError:
        # Windows has no handle of the whole process; its math functions are in the C runtime.
        return ctypes.CDLL("ucrtbase")
