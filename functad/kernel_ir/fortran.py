"""BLAS and LAPACK: the routines that SciPy's ``cython_blas`` and ``cython_lapack`` export to C, under names of
functad's own.

They are Fortran routines: every argument by address, matrices in column-major order, 32-bit counts.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType

from functad.errors import InternalError
from functad.kernel_ir.native import Address, NativeFunction, family

__all__ = ["fortran_routine", "routine_address"]


@family
def fortran_routine(library: str, name: str, arguments: int) -> NativeFunction:
    """``functad_dgemm`` and the like: ``library`` is "blas" or "lapack"."""
    return NativeFunction(
        f"functad_{name}",
        Address(lambda: routine_address(library, name, arguments)),
        signature=f"void ({', '.join(['ptr'] * arguments)})",
    )


@functools.cache
def _extension(library: str) -> ModuleType:
    """SciPy's extension module alone: importing the whole of ``scipy.linalg`` takes five times as long."""
    name = f"scipy.linalg.cython_{library}"
    package = importlib.util.find_spec("scipy")
    if package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0], "linalg")
        spec = importlib.machinery.PathFinder.find_spec(name, [str(folder)])
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise InternalError(f"SciPy has no module {name}, which compiled linear algebra calls")


def routine_address(library: str, name: str, arguments: int) -> int:
    """The pointer in the capsule of a routine, whose name is its C signature."""
    capsule = _extension(library).__pyx_capi__.get(name)
    if capsule is None:
        raise InternalError(f"SciPy's cython_{library} has no {name}, which compiled linear algebra calls")
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    signature = get_name(capsule)
    fits = signature.startswith(b"void (") and signature.count(b",") + 1 == arguments
    if not fits or not re.search(rb"[( ]int \*", signature):
        raise InternalError(
            f"SciPy's {name} has the signature {signature.decode()}; functad calls it with {arguments} pointers, to "
            "32-bit integers among others"
        )
    address = get_pointer(capsule, signature)
    assert address is not None
    return int(address)
