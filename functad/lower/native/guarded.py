"""Calls of Numba's code by native code: what it raises waits, as what Python raises does, and what it reads it cannot
write to.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from functad.kernel_ir.codes import RAISED

__all__ = ["guarded", "readonly"]


def guarded(body: Any, note_exception: int) -> Any:
    """A call of an ``@njit`` function ``int32 body(buffers, sizes)`` that returns ``RAISED`` where it raises; the C
    function at ``note_exception`` notes what.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typing_context: Any, buffers: Any, sizes: Any) -> Any:
        body.compile((buffers, sizes))
        compiled = body.overloads[buffers, sizes]

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            context.active_code_library.add_linking_library(compiled.library)
            status, value = context.call_internal_no_propagate(builder, compiled.fndesc, signature, args)
            result = cgutils.alloca_once_value(builder, value)
            with builder.if_then(status.is_error, likely=False):
                python = context.get_python_api(builder)
                state = python.gil_ensure()
                context.call_conv.raise_error(builder, python, status)
                note = ir.FunctionType(ir.VoidType(), []).as_pointer()
                builder.call(builder.inttoptr(ir.IntType(64)(note_exception), note), [])
                python.gil_release(state)
                builder.store(ir.IntType(32)(RAISED), result)
            return builder.load(result)

        return types.int32(buffers, sizes), code

    return call


@intrinsic  # type: ignore[untyped-decorator]
def readonly(typing_context: Any, array: Any) -> Any:
    """An array over memory of its caller's as one that cannot be written to."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0]

    return array.copy(readonly=True)(array), code
