"""Native functions that Numba compiles: Python code over the operands as arrays."""

from __future__ import annotations

from typing import Any

from functad.errors import InternalError
from functad.kernel_ir.codes import UNFINISHED
from functad.kernel_ir.native import NativeFunction, Python

__all__ = ["numba_function"]


def numba_function(function: NativeFunction) -> Any:
    """The code of a function as a C function of buffers and sizes (a Numba ``CFunc``, which keeps the code alive)."""
    import numba
    from numba import types
    from numba.core.errors import NumbaError

    assert isinstance(function.code, Python)
    scope: dict[str, Any] = {
        "numba": numba,
        "function": numba.njit(error_model="numpy")(function.code.function),
        **{f"dtype{k}": operand.dtype for k, operand in enumerate(function.operands)},
    }
    exec(_source(function), scope)
    pointers: Any = types.CPointer
    signature = types.int32(pointers(types.voidptr), pointers(types.int64))
    try:
        return numba.cfunc(signature)(scope["call"])
    except NumbaError as error:
        raise InternalError(f"native function {function.symbol!r} cannot be compiled by Numba: {error}") from None


def _source(function: NativeFunction) -> str:
    """The text of ``call(buffers, sizes)``: arrays over the buffers, for the function."""
    position, arrays = 0, []
    for number, operand in enumerate(function.operands):
        shape = "".join([f"sizes[{position + axis}], " for axis in range(operand.rank)])
        arrays.append(f"numba.carray(buffers[{number}], ({shape}), dtype{number})")
        position += operand.rank
    return f"""def call(buffers, sizes):
    try:
        return numba.int32(function({", ".join(arrays)}))
    except Exception:
        return numba.int32({UNFINISHED})
"""
