"""Native functions that Numba compiles: Python code over the operands as arrays."""

from __future__ import annotations

from typing import Any

from functad.errors import InternalError
from functad.kernel_ir.native import NativeFunction, Python

__all__ = ["numba_function"]


def numba_function(function: NativeFunction, note_exception: int) -> Any:
    """The code of a function as a C function of buffers and sizes (a Numba ``CFunc``, which keeps the code alive); what
    it raises is noted by the C function at an address.
    """
    import numba
    from numba import types
    from numba.core.errors import NumbaError

    from functad.lower.native.guarded import guarded, readonly

    code = function.code
    assert isinstance(code, Python)
    scope: dict[str, Any] = {
        "numba": numba,
        "readonly": readonly,
        "function": numba.njit(error_model="numpy")(code.function),
        **{f"dtype{k}": operand.dtype for k, operand in enumerate(function.operands)},
    }
    pointers: Any = types.CPointer
    signature = types.int32(pointers(types.voidptr), pointers(types.int64))
    # what writes to what it should only read gets copies
    forms = ["readonly({})", "{}.copy()"] if code.foreign else ["{}"]
    for number, form in enumerate(forms):
        exec(_source(function, form), scope)
        scope["guarded"] = guarded(numba.njit(scope["body"]), note_exception)
        exec("def call(buffers, sizes):\n    return guarded(buffers, sizes)\n", scope)
        try:
            return numba.cfunc(signature)(scope["call"])
        except NumbaError as error:
            if number == len(forms) - 1:
                raise InternalError(
                    f"native function {function.symbol!r} cannot be compiled by Numba: {error}"
                ) from None
    return None


def _source(function: NativeFunction, form: str) -> str:
    """The text of ``body(buffers, sizes)``: arrays over the buffers, for the function; what it reads in a form."""
    position, arrays = 0, []
    for number, operand in enumerate(function.operands):
        shape = "".join([f"sizes[{position + axis}], " for axis in range(operand.rank)])
        array = f"numba.carray(buffers[{number}], ({shape}), dtype{number})"
        arrays.append(form.format(array) if operand.effect == "read" else array)
        position += operand.rank
    return f"""def body(buffers, sizes):
    return numba.int32(function({", ".join(arrays)}))
"""
