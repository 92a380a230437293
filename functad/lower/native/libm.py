"""Where the functions of the C math library are, for the few operations that have no vector code of functad's own."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools

__all__ = ["libm_address"]


@functools.cache
def libm_address(name: str) -> int:
    """The address of a libm function in this process, to be imported under its name into linked code."""
    for library in _libraries():
        function = getattr(library, name, None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    raise OSError(
        f"the C math library of this platform has no function {name!r}, which compiled code calls; "
        "set FUNCTAD_BACKEND=evaluator to run without native code"
    )


@functools.cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    path = ctypes.util.find_library("m")
    libraries = [] if path is None else [ctypes.CDLL(path)]
    try:
        libraries.append(ctypes.CDLL(None))
    except TypeError:
        # Windows has no handle of the whole process; its math functions are in the C runtime.
        libraries.append(ctypes.CDLL("ucrtbase"))
    return tuple(libraries)
