"""What the code of a call does that Python cannot say: memory by its address, C functions, Python with the GIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["address_of", "calling_python", "invoke", "load", "loaded", "value_at"]

WORD = ir.IntType(64)


@intrinsic  # type: ignore[untyped-decorator]
def address_of(typing_context: Any, value: Any) -> Any:
    """The address of a copy of a number, on the stack of the caller."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        stored = context.data_model_manager[value].as_data(builder, args[0])
        slot = cgutils.alloca_once(builder, stored.type)
        builder.store(stored, slot)
        return builder.ptrtoint(slot, WORD)

    return types.intp(value), code


@intrinsic  # type: ignore[untyped-decorator]
def value_at(typing_context: Any, address: Any, like: Any) -> Any:
    """The number of the type of ``like`` at an address."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        model = context.data_model_manager[like]
        pointer = builder.inttoptr(args[0], model.get_data_type().as_pointer())
        return model.from_data(builder, builder.load(pointer))

    return like(types.intp, like), code


@intrinsic  # type: ignore[untyped-decorator]
def load(typing_context: Any, address: Any) -> Any:
    """The int64 at an address."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], WORD.as_pointer()))

    return types.intp(types.intp), code


@intrinsic  # type: ignore[untyped-decorator]
def invoke(typing_context: Any, function: Any, given: Any, results: Any, sizes: Any) -> Any:
    """Call ``int32 function(void **given, void **results, int64 *sizes)``; all are addresses."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [WORD] * 3)
        return builder.sext(builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:]), WORD)

    return types.intp(types.intp, types.intp, types.intp, types.intp), code


def loaded(address: int) -> Any:
    """A function that reads the int64 at an address of this process, after what was written before it was."""

    @intrinsic  # type: ignore[untyped-decorator]
    def read(typing_context: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            # a dynamic address: Numba refuses to write code with such ones to a file
            pointer = context.add_dynamic_addr(builder, address, info="functad")
            return builder.load_atomic(builder.bitcast(pointer, WORD.as_pointer()), "acquire", 8)

        return types.intp(), code

    return read


def calling_python(function: Callable[..., int]) -> Any:
    """A Python function of ints as Numba code calls it: with the GIL; what it raises is raised. It must be kept."""

    @intrinsic  # type: ignore[untyped-decorator]
    def call(typing_context: Any, arguments: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            python = context.get_python_api(builder)
            state = python.gil_ensure()
            pointer = context.add_dynamic_addr(builder, id(function), info="functad")
            called = builder.bitcast(pointer, python.pyobj)
            given = [python.long_from_longlong(x) for x in cgutils.unpack_tuple(builder, args[0], len(arguments))]
            result = python.call_function_objargs(called, given)
            for x in given:
                python.decref(x)
            with builder.if_then(cgutils.is_null(builder, result), likely=False):
                python.gil_release(state)
                context.call_conv.return_exc(builder)
            value = python.long_as_longlong(result)
            python.decref(result)
            python.gil_release(state)
            return value

        return types.intp(arguments), code

    return call
