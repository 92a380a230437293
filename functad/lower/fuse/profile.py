"""Dry runs of rules: what a rule reads and at which indices, what it needs in memory, and what it costs an element."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.caches import cached
from functad.errors import InternalError
from functad.ir.program import Program
from functad.ir.types import ArrayType, Size
from functad.kernel_ir.complex import Complex
from functad.kernel_ir.conditions import bookkeeping
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.nodes import Affine, Buffer, Compute, Index, KernelProgram, Statement, Value
from functad.kernel_ir.ops import BUILT_IN
from functad.kernel_ir.rules import Pointwise, Pull, Statements
from functad.kernel_ir.sizes import Extent, poly
from functad.lower.fuse.body import Body, Checks, Element, buffer, buffer_of
from functad.lower.fuse.forms import Folding, Form, View
from functad.lower.fuse.spaces import ZERO, Shape

__all__ = ["Profile", "Read", "profile"]

# About the time of an operation in additions; an element of memory costs one, too.
COST = {
    **dict.fromkeys(("div", "sqrt", "floor_divide", "remainder", "fmod"), 4),
    **dict.fromkeys(("exp", "exp2", "expm1", "expm1_slope", "log", "log2", "log10", "log1p"), 20),
    **dict.fromkeys(("sin", "cos", "tanh", "tanh_slope", "sigmoid", "sigmoid_slope", "tanh_half", "cbrt"), 20),
    **dict.fromkeys(("hypot", "unit_x", "unit_y", "x_over_square", "y_over_square"), 20),
    **dict.fromkeys(("tan", "arcsin", "arccos", "arctan", "arctan2", "softplus", "erf"), 30),
    **dict.fromkeys(("sinh", "cosh", "arcsinh", "arccosh", "arctanh"), 30),
    **dict.fromkeys(("power", "logaddexp", "erfc", "lgamma", "digamma"), 60),
}
DECLARED = 200
"""That of a function of a library, or of a loop over a table."""


@dataclass(frozen=True, slots=True)
class Read:
    """One operand read at one index: ``axes`` is the shape that the reader runs over, and axis k of the index that of
    ``axes``.
    """

    operand: int
    axes: Shape
    index: Index


@dataclass(frozen=True, slots=True)
class Profile:
    """What a form reads (``memory``: which operands must be in memory), and its cost an element without that of its
    operands.

    A pointwise form has no reads listed: it reads all its operands at its own index.
    """

    reads: tuple[Read, ...]
    cost: int
    memory: frozenset[int] = frozenset()


def profile(
    form: Form, in_types: tuple[ArrayType, ...], out_types: tuple[ArrayType, ...], params: Mapping[str, Any]
) -> Profile:
    """The profile of a form."""
    if isinstance(form, Pointwise):
        return _pointwise(form, tuple([t.dtype for t in in_types]), tuple(params.items()))
    if isinstance(form, Pull):
        return _pull(form, in_types, out_types[0], tuple(params.items()))
    if isinstance(form, Folding):
        return _folding(form, in_types)
    if isinstance(form, View):
        shape = out_types[0].shape
        return Profile((Read(0, shape, form.map(own_index(shape))),) if form.map.affine else (), 0)
    if isinstance(form, Statements):
        return _statements(form, in_types, out_types, params)
    return Profile((), 0, frozenset((0, 1)))


def own_index(shape: Shape) -> Index:
    """The index at which a reader that runs over a shape stands."""
    return tuple([ZERO if n == 1 else Affine.axis(k) for k, n in enumerate(shape)])


@cached(4096)
def _pointwise(form: Pointwise, dtypes: tuple[np.dtype, ...], params: tuple[tuple[str, Any], ...]) -> Profile:
    b = Body(Checks())
    form.fn(b, *[_anything(dtype) for dtype in dtypes], **dict(params))
    return Profile((), _cost(b))


@cached(4096)
def _pull(
    form: Pull, in_types: tuple[ArrayType, ...], out_type: ArrayType, params: tuple[tuple[str, Any], ...]
) -> Profile:
    b, recorder = Body(Checks()), Recorder(in_types, out_type.shape)
    form.fn(b, own_index(out_type.shape), recorder.reads, in_types, out_type, **dict(params))
    return Profile(recorder.found(), _cost(b), frozenset((0,)) if form.random_access else frozenset())


def _folding(form: Folding, in_types: tuple[ArrayType, ...]) -> Profile:
    b, recorder = Body(Checks()), Recorder(in_types, form.shape)
    form.element(b, own_index(form.shape), recorder.reads)
    return Profile(recorder.found(), _cost(b))


def _statements(
    form: Statements, in_types: tuple[ArrayType, ...], out_types: tuple[ArrayType, ...], params: Mapping[str, Any]
) -> Profile:
    """Not remembered: among the params are Programs and Python functions."""
    context = _DryContext(in_types, out_types)
    form.fn(context, in_types, out_types, **params)
    return Profile(tuple(context.found), 0, frozenset(context.inputs))


def _anything(dtype: np.dtype) -> Element:
    """A value that stands for any."""
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        return Complex(Value(part), Value(part))
    return Value(dtype)


def _cost(b: Body) -> int:
    """Masks count for nothing: in most of a loop they are known to hold."""
    computed = [i for i in b.body if type(i) is Compute]
    free = bookkeeping(b.body) if computed else set()
    return sum([COST.get(i.op, 1 if i.op in BUILT_IN else DECLARED) for i in computed if i.out not in free])


class Recorder:
    """Operands whose reads are noted."""

    def __init__(self, in_types: Sequence[ArrayType], axes: Shape) -> None:
        self._types = in_types
        self._axes = axes
        self._found: dict[Read, None] = {}
        self.reads = [self._reader(k, t) for k, t in enumerate(in_types)]

    def _reader(self, operand: int, type: ArrayType) -> Callable[..., Element]:
        def read(index: Index, mask: Value | None = None, fill: Any = 0) -> Element:
            if len(index) != type.ndim:
                raise InternalError(f"a kernel rule reads operand {operand}, {type}, with {len(index)} indices")
            self._found[Read(operand, self._axes, tuple(index))] = None
            return _anything(type.dtype)

        return read

    def found(self) -> tuple[Read, ...]:
        """What was read, each index once."""
        return tuple(self._found)


class _DryContext:
    """The context of a ``Statements`` rule that only notes what the rule reads; see ``statements.Context``."""

    def __init__(self, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType]) -> None:
        self._in_types = in_types
        self._buffers = [buffer_of(t) for t in in_types]
        self._outputs = [buffer_of(t) for t in out_types]
        self._recorder: Recorder | None = None
        self.found: list[Read] = []
        self.inputs: set[int] = set()

    def kernel(self, axes: Sequence[Size], fn: Callable[[Body, Index], None], name: str = "") -> None:
        self._recorder = Recorder(self._in_types, tuple(axes))
        fn(Body(Checks()), tuple([Affine.axis(i) for i in range(len(axes))]))
        self.found += self._recorder.found()
        self._recorder = None

    def read(self, operand: int) -> Callable[..., Element]:
        def read(index: Index, mask: Value | None = None, fill: Any = 0) -> Element:
            assert self._recorder is not None, "ctx.read is for use inside a kernel"
            return self._recorder.reads[operand](index, mask, fill)

        return read

    def input(self, operand: int) -> Buffer:
        self.inputs.add(operand)
        return self._buffers[operand]

    def output(self, result: int = 0) -> Buffer:
        return self._outputs[result]

    def temp(self, shape: Sequence[Extent], dtype: np.dtype) -> Buffer:
        return buffer([poly(n) for n in shape], np.dtype(dtype))

    def spare(self, result: int) -> Buffer:
        return self._outputs[result]

    def program(self, number: int, program: Program) -> KernelProgram:
        return KernelProgram((), (), (), 0)

    def call(self, function: NativeFunction, *buffers: Buffer) -> None:
        pass

    def append(self, statement: Statement) -> None:
        pass

    def check(self, error: str, message: str, *sizes: Extent) -> int:
        return 1
