"""BLAS: the routines that SciPy's ``cython_blas`` exports to C, under names of functad's own.

They are Fortran routines: every argument by address, matrices in column-major order, 32-bit counts.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType

from functad.errors import InternalError
from functad.kernel_ir.native import Address, NativeFunction, family

__all__ = ["blas_routine"]

ARGUMENTS = {"gemm": 13, "gemv": 11}


@family
def blas_routine(kind: str, name: str) -> NativeFunction:
    """``functad_dgemm`` and the like: ``kind`` is the letter with which the name of the routine begins."""
    routine = kind + name
    return NativeFunction(
        f"functad_{routine}",
        Address(lambda: _address(routine, _cython_blas().__pyx_capi__[routine])),
        signature=f"void ({', '.join(['ptr'] * ARGUMENTS[name])})",
    )


@functools.cache
def _cython_blas() -> ModuleType:
    """SciPy's extension module alone: importing the whole of ``scipy.linalg`` takes five times as long."""
    package = importlib.util.find_spec("scipy")
    if package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0], "linalg")
        spec = importlib.machinery.PathFinder.find_spec("scipy.linalg.cython_blas", [str(folder)])
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise InternalError("SciPy has no module scipy.linalg.cython_blas, which compiled matrix products call")


def _address(routine: str, capsule: object) -> int:
    """The pointer in a capsule, whose name is the C signature."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = get_name(capsule)
    if b" int *" not in signature or not signature.startswith(b"void ("):
        raise InternalError(
            f"SciPy's {routine} has the signature {signature.decode()}; functad calls it with pointers to 32-bit "
            "integers"
        )
    address = get_pointer(capsule, signature)
    assert address is not None
    return int(address)
