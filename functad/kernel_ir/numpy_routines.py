"""Routines of NumPy's that its C interface gives addresses of: what sorts numbers, and the loops of ufuncs.

They are C functions that need no GIL for numbers. Where an interface is not the one known here (NumPy 2's), there is no
address, and native code calls Python in its place.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.kernel_ir.native import Address, NativeFunction, Operand, Text, family

__all__ = ["Routine", "routine", "sort_address", "ufunc_loop"]

ABI = 0x2000000
"""What NumPy 2 says its binary interface is."""

GET_ABI, GET_ARRAY_FUNCTIONS = 0, 365
"""Places of functions in the table of NumPy's C interface (``numpy/__multiarray_api.h``)."""

WORD = ctypes.sizeof(ctypes.c_void_p)
SORT, ARGSORT = 33 * WORD, 36 * WORD
"""Where ``PyArray_ArrFuncs`` (``numpy/ndarraytypes.h``) has three sorts, behind 21 casts and 12 others, and three
argsorts.
"""
QUICK, STABLE = 0, 2

NIN, FUNCTIONS, DATA, NTYPES = 2 * WORD, 2 * WORD + 16, 3 * WORD + 16, 4 * WORD + 16
"""Where ``PyUFuncObject`` (``numpy/ufuncobject.h``) has the numbers of operands, its loops and their data."""


@functools.cache
def _interface() -> Any:
    """The table of NumPy's C interface; None where that is another one."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    multiarray = importlib.import_module("numpy._core._multiarray_umath")
    address = get(multiarray._ARRAY_API, None)
    table = ctypes.cast(address, ctypes.POINTER(ctypes.c_void_p))
    abi = ctypes.CFUNCTYPE(ctypes.c_uint)(table[GET_ABI] or 0)
    return table if WORD == 8 and abi() == ABI else None


def sort_address(dtype: np.dtype, argsort: bool, stable: bool = False) -> int | None:
    """``int sort(void *start, intp n, void *)``, or ``int argsort(void *values, intp *order, intp n, void *)``; None
    where there is none.
    """
    table = _interface()
    if table is None:
        return None
    find = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(table[GET_ARRAY_FUNCTIONS])
    functions = find(dtype)
    if not functions:
        return None
    place = (ARGSORT if argsort else SORT) + (STABLE if stable else QUICK) * WORD
    return ctypes.c_void_p.from_address(functions + place).value


def ufunc_loop(ufunc: np.ufunc, types: str) -> tuple[int, int] | None:
    """The address of the loop of a ufunc for these types, ``void loop(char **args, intp *n, intp *steps, void *data)``,
    and that of its data; None where they are not known.
    """
    word, place = ctypes.c_int.from_address, id(ufunc)
    counts = [word(place + NIN + 4 * k).value for k in range(3)]
    if WORD != 8 or counts != [ufunc.nin, ufunc.nout, ufunc.nargs] or word(place + NTYPES).value != ufunc.ntypes:
        return None
    if _interface() is None or types not in ufunc.types:
        return None
    k = ufunc.types.index(types)
    loops, data = (ctypes.c_void_p.from_address(place + at).value for at in (FUNCTIONS, DATA))
    loop, own = (ctypes.c_void_p.from_address(t + k * WORD).value if t else 0 for t in (loops, data))
    return (loop, own or 0) if loop else None


@family
def _at(symbol: str, address: int, signature: str) -> NativeFunction:
    return NativeFunction(symbol, Address(lambda: address), signature=signature)


@dataclass(frozen=True, slots=True)
class Routine:
    """A C function of NumPy's: where it is, None if that is not known, and its LLVM signature."""

    address: int | None
    signature: str


def routine(
    symbol: str,
    operands: tuple[Operand, ...],
    evaluate: Callable[..., int | None],
    called: dict[str, Routine],
    body: str,
    variables: dict[str, int] | None = None,
) -> NativeFunction:
    """A native function whose ``body``, LLVM text, calls routines by the names that they are given (behind the symbol
    and a dot), and reads external variables; where the address of one is not known, one that calls ``evaluate``.
    """
    if any([r.address is None for r in called.values()]):
        return NativeFunction(symbol, operands=operands, evaluate=evaluate)
    found = [_at(f"{symbol}.{name}", r.address or 0, r.signature) for name, r in called.items()]
    declared = [f.declaration for f in found] + [f"@{name} = external global i8" for name in variables or ()]
    text = "\n".join([*declared, f"define i32 @{symbol}(ptr %buffers, ptr %sizes) {{", body, "}", ""])
    return NativeFunction(symbol, Text(text, lambda: variables or {}), operands, evaluate)
