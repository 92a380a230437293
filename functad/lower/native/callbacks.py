"""Python that native code calls, through ctypes, which takes the GIL whether or not the thread has it already."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from functad.core.raised import RAISED, keep_raised
from functad.kernel_ir.native import Address, NativeFunction, Operand
from functad.kernel_ir.offender import note_offender

__all__ = ["NOTE_OFFENDER", "c_function", "function_address"]

_Function = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64))

_note_offender = ctypes.CFUNCTYPE(None, ctypes.c_int64)(note_offender)

NOTE_OFFENDER = NativeFunction(
    "functad_offender", Address(lambda: function_address(_note_offender)), signature="void (i64)"
)
"""What a driver calls with the value that a check found, before it returns the code."""


def c_function(function: NativeFunction) -> Any:
    """A C function that runs the evaluation of a native function; it must live as long as code that calls it."""
    run, operands = function.run, function.operands

    def call(addresses: Any, sizes: Any) -> int:
        memory, position = [], 0
        for number, operand in enumerate(operands):
            memory.append(_array(addresses[number], sizes[position : position + operand.rank], operand))
            position += operand.rank
        try:
            return run(memory)
        except BaseException as error:  # native code cannot be unwound: KeyboardInterrupt, too, waits until it is back
            keep_raised(error)
            for array, operand in zip(memory, operands, strict=True):
                if operand.effect == "written":
                    array[...] = 0
            return RAISED

    return _Function(call)


def function_address(function: Any) -> int:
    """Where a C function is."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _array(address: int | None, shape: list[int], operand: Operand) -> Any:
    """The memory of an array; it is the caller's, and gone when the call is over."""
    count = math.prod(shape)
    if not count:
        return np.empty(shape, operand.dtype)
    assert address is not None
    memory = memoryview((ctypes.c_char * (count * operand.dtype.itemsize)).from_address(address))
    return np.frombuffer(memory, operand.dtype).reshape(shape)
