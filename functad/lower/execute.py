"""Running a Program natively on values: what a ``jit`` equation does where nothing is traced."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from functad import config
from functad.errors import InternalError
from functad.ir.derived import derived
from functad.ir.program import Program
from functad.ir.types import ArrayType
from functad.lower.compile import Compiled, compiled_of, entry_for
from functad.lower.direct import run
from functad.lower.entry.signature import Container, Leaf, Signature
from functad.lower.sequences import has_sequences
from functad.primitives.calls import PLAIN, Options

__all__ = ["NativeCall", "native_call", "normal_value"]


def normal_value(value: Any, type: ArrayType) -> Any:
    """A value as native code takes it: a C-contiguous, aligned array in native byte order, or a NumPy scalar."""
    if not type.ndim:
        return type.dtype.type(value)
    array = np.asarray(value)
    if array.dtype == type.dtype and array.dtype.isnative and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, dtype=type.dtype, order="C", ndmin=type.ndim)


class NativeCall:
    """A compiled Program as a function of its inputs, one after the other, to the tuple of its outputs."""

    def __init__(self, program: Program, options: Options = PLAIN) -> None:
        self.compiled: Compiled = compiled_of(program, options)
        self.in_types = program.in_types
        inputs = tuple([leaf_of(t) for t in program.in_types])
        outputs = Container("tuple", tuple([leaf_of(t) for t in program.out_types]))
        self.entry: Callable[..., Any]
        if has_sequences((*program.in_types, *program.out_types)):
            self.entry = lambda *values: tuple(run(self.compiled, values))
        else:
            slow = weakref.WeakMethod(self._slow)  # alive while this is called, and no cycle
            self.entry = entry_for(self.compiled, Signature(inputs, outputs), lambda *values: slow()(*values))  # type: ignore[misc]

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        return self.entry(*values)  # type: ignore[no-any-return]

    def _slow(self, *values: Any) -> tuple[Any, ...]:
        normal = [normal_value(v, t) for v, t in zip(values, self.in_types, strict=True)]
        if all(a is b for a, b in zip(normal, values, strict=True)):
            raise InternalError(f"native code for {self.in_types} refused values of these types")
        return self.entry(*normal)  # type: ignore[no-any-return]


def leaf_of(type: ArrayType) -> Leaf:
    """The entry's leaf for a value of the IR."""
    return Leaf("array", type.dtype, type.shape) if type.ndim else Leaf("numpy_scalar", type.dtype)


def native_call(program: Program, options: Options = PLAIN) -> NativeCall:
    """The native call of a Program compiled as the options say, made once for the settings in force."""
    return _native_call(program, options, config.settings())


@derived
def _native_call(program: Program, options: Options, settings: config.Settings) -> NativeCall:
    return NativeCall(program, options)
