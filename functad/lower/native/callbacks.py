"""Native functions without code of their own: native code calls Python, with arrays over the memory of the operands."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from functad.kernel_ir.native import NativeFunction, Operand
from functad.lower.native.python import CALL_PYTHON

__all__ = ["callback_text", "python_function"]


def python_function(function: NativeFunction) -> Callable[[int, int], int]:
    """The evaluation of a native function as a Python function of the addresses of buffers and sizes."""
    run, operands = function.run, function.operands
    rank = sum([operand.rank for operand in operands])
    addresses_type, sizes_type = ctypes.c_void_p * len(operands), ctypes.c_int64 * rank

    def call(buffers: int, sizes: int) -> int:
        addresses, lengths = addresses_type.from_address(buffers), sizes_type.from_address(sizes)
        memory, position = [], 0
        for number, operand in enumerate(operands):
            memory.append(_array(addresses[number], lengths[position : position + operand.rank], operand))
            position += operand.rank
        try:
            return run(memory)
        except BaseException as error:
            while memory:  # no frame of the traceback may show memory that is gone
                array = memory.pop()
                if operands[len(memory)].effect == "written":  # what runs before the call ends reads it
                    array[...] = 0
                del array
            raise error.with_traceback(_of_user(error.__traceback__)) from error.__cause__

    return call


def callback_text(symbol: str, function: object) -> str:
    """The module of a native function that calls this Python function, which must live as long."""
    return f"""{CALL_PYTHON.declaration}

define i32 @{symbol}(ptr %buffers, ptr %sizes) {{
  %error = call i32 @{CALL_PYTHON.symbol}(ptr inttoptr (i64 {id(function)} to ptr), ptr %buffers, ptr %sizes)
  ret i32 %error
}}"""


def _of_user(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback from where functad's own frames end."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("functad."):
        traceback = traceback.tb_next
    return traceback


def _array(address: int | None, shape: list[int], operand: Operand) -> Any:
    """The memory of an array; it is the caller's, and gone when the call is over."""
    count = math.prod(shape)
    if not count:
        return np.empty(shape, operand.dtype)
    assert address is not None
    memory = memoryview((ctypes.c_char * (count * operand.dtype.itemsize)).from_address(address))
    return np.frombuffer(memory, operand.dtype).reshape(shape)
