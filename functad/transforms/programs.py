"""The transforms as Program to Program: what primitives with sub-Programs do to them. What is made of a Program is kept
on it, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functad.core.capture import Leaf, capture
from functad.core.cotangents import taken_apart
from functad.core.evaluator import run_program
from functad.core.primitive import Linear
from functad.core.trace import within
from functad.core.tracer import ARRAY, SCALAR
from functad.core.zeros import instantiate, repeated, zeros_like
from functad.ir.derived import derived
from functad.ir.masks import Mask, cut, expand, select
from functad.ir.program import Program, Var
from functad.ir.types import ArrayType, SeqType, seq_type
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import LinearMap, linearize_program
from functad.transforms.multiples import collect_multiples
from functad.transforms.residuals import without_cheap_residuals
from functad.transforms.transpose import transpose_program
from functad.transforms.vmap import batch_program

__all__ = [
    "Linearized",
    "batch_of",
    "jvp_of",
    "linearized",
    "trace_program",
    "transpose_call",
    "transpose_of",
]


def trace_program(f: Callable[..., Sequence[Any]], types: Sequence[ArrayType], kind: str = "a transform") -> Program:
    """The Program of a function of strict values, given their types; nothing may be closed over. ``kind`` is what
    traces it, to rules that ask."""
    leaves = [Leaf(None, t, ARRAY if t.ndim else SCALAR) for t in types]
    return within(None, lambda: capture(lambda args: list(f(*args)), leaves, kind, concrete=False)).program


class Present:
    """Collects which results of a traced function are there, and drops the others; ``force`` names those that must be
    (as zeros).

    Zeros of sequences need ``likes``: values that are as long.
    """

    def __init__(self, force: Sequence[bool]) -> None:
        self.force = force
        self.mask: Mask = ()

    def __call__(self, values: Sequence[Any], types: Sequence[ArrayType], likes: Sequence[Any] = ()) -> list[Any]:
        forced = self.force or [False] * len(values)
        if likes:
            full = [
                zeros_like(like) if f and v is None else v for v, like, f in zip(values, likes, forced, strict=True)
            ]
        else:
            full = [instantiate(v, t) if f else v for v, t, f in zip(values, types, forced, strict=True)]
        self.mask = tuple([v is not None for v in full])
        return [v for v in full if v is not None]


@derived
def jvp_of(program: Program, mask: Mask, force: Mask = ()) -> tuple[Program, Mask]:
    """The Program (inputs, tangents of the flagged inputs) -> (outputs, tangents), and which outputs have tangents."""
    present = Present(force)
    n = len(program.inputs)

    def f(*args: Any) -> list[Any]:
        outs, dots = jvp_program(program, args[:n], expand(args[n:], mask))
        return [*outs, *present(dots, program.out_types, outs)]

    return trace_program(f, (*program.in_types, *select(program.in_types, mask))), present.mask


class Linearized:
    """A Program split for its derivative in the flagged inputs.

    ``forward`` maps the inputs to the outputs and the residuals; `tangent` and `cotangent` give the linear Programs,
    residuals first. Of a ``step`` of a loop, the first inputs, as many as its first number says, are constant, the
    last, as many as its second says, are read step by step, and those with the other numbers count steps; its linear
    Programs are sums of multiples. All residuals are kept where it is ``transparent``: then differentiating ``forward``
    and the linear Programs is differentiating one Program that has both.
    """

    def __init__(
        self, program: Program, mask: Mask, step: tuple[int, ...] | None = None, transparent: bool = False
    ) -> None:
        self.step = step
        self.kind = "jit" if transparent else "a transform"
        self.in_types = select(program.in_types, mask)
        self.out_types = program.out_types
        linear: list[LinearMap] = []

        def f(*args: Any) -> list[Any]:
            outs, made = linearize_program(program, args, mask)
            linear.append(made)
            return [*outs, *made.residuals]

        whole = trace_program(f, program.in_types, self.kind)
        if transparent:
            residuals = [Var(t) for t in whole.out_types[len(self.out_types) :]]
            self.forward, self.remade = whole, Program(residuals, [], residuals)
        else:
            consts, elements, *counters = step or (0, 0)
            self.forward, self.remade = without_cheap_residuals(whole, len(self.out_types), consts, elements, counters)
        self.linear = linear[0]
        self.residual_types = self.forward.out_types[len(self.out_types) :]
        self.depends = tuple([v is not None for v in self.linear.outputs])  # outputs that move with the flagged inputs
        self._made: dict[Any, tuple[Program, Any]] = {}

    def tangent(self, given: Mask, force: Mask = ()) -> tuple[Program, Mask]:
        """(residuals, tangents of the given inputs) -> tangents of the outputs, and which of them there are."""

        def apply(linear: LinearMap, values: Sequence[Any]) -> list[Any]:
            return linear.forward(expand(values, given))

        return self._linear(("tangent", given, force), select(self.in_types, given), apply, self.out_types, force)

    def cotangent(self, given: Mask, force: Mask = (), sums: Mask = ()) -> tuple[Program, Mask]:
        """(residuals, cotangents of the given outputs, sums) -> cotangents of the inputs, and which of them there are;
        to those flagged in ``sums``, which are the first ones, the sums are added.
        """
        count = sum(given)

        def apply(linear: LinearMap, values: Sequence[Any]) -> list[Any]:
            return linear.backward(expand(values[:count], given), expand(values[count:], sums))

        types = [*select(self.out_types, given), *select(self.in_types[: len(sums)], sums)]
        return self._linear(("cotangent", given, force, sums), types, apply, self.in_types, force)

    def pullback(self, given: Mask, sums: Mask, unsettled: Mask) -> tuple[Program, list[Any]]:
        """(residuals, cotangents of the given outputs, sums) -> the values of the cotangents of the inputs, and what
        they are (see ``taken_apart``); to those flagged in ``sums`` the sums are added, and those flagged as
        ``unsettled`` may be ``Sum``s."""
        key = "pullback", given, sums, unsettled
        if key not in self._made:
            n, count = len(self.residual_types), sum(given)
            forms: list[Any] = []

            def f(*args: Any) -> list[Any]:
                linear = self.linear.with_residuals(run_program(self.remade, args[:n]))
                cts, start = expand(args[n : n + count], given), expand(args[n + count :], sums)
                values, found = taken_apart(linear.backward(cts, start, unsettled))
                forms.extend(found)
                return values

            types = (*self.residual_types, *select(self.out_types, given), *select(self.in_types, sums))
            self._made[key] = trace_program(f, types, self.kind), forms
        return self._made[key]

    def _linear(
        self,
        key: Any,
        sources: Sequence[ArrayType],
        apply: Callable[[LinearMap, Sequence[Any]], list[Any]],
        targets: Sequence[ArrayType],
        force: Mask,
    ) -> tuple[Program, Mask]:
        if key not in self._made:
            present = Present(force)
            n = len(self.residual_types)

            def f(*args: Any) -> list[Any]:
                residuals = run_program(self.remade, args[:n])
                return present(apply(self.linear.with_residuals(residuals), args[n:]), targets)

            program = trace_program(f, (*self.residual_types, *sources), self.kind)
            if self.step is not None:
                program = collect_multiples(program, [k >= n for k in range(len(program.inputs))])
            self._made[key] = program, present.mask
        return self._made[key]


@derived
def linearized(
    program: Program, mask: Mask, step: tuple[int, ...] | None = None, transparent: bool = False
) -> Linearized:
    """A Program split for its derivative in the flagged inputs; see ``Linearized``."""
    return Linearized(program, mask, step, transparent)


@derived
def transpose_of(program: Program, linear: Mask, given: Mask, sums: Mask = ()) -> tuple[Program, Mask]:
    """(the other inputs, cotangents of the given outputs, sums) -> cotangents of the linear inputs, and which of them
    there are; to those flagged in ``sums`` the sums are added.

    Linear inputs that are sequences are among the other inputs, too: any of their lengths.
    """
    present = Present(())
    taken = [not flag or isinstance(t, SeqType) for t, flag in zip(program.in_types, linear, strict=True)]
    known, linear_types = select(program.in_types, taken), select(program.in_types, linear)

    def f(*args: Any) -> list[Any]:
        values = expand(args[: len(known)], taken)
        cts, start = cut(args[len(known) :], sum(given))
        return present(
            transpose_program(program, linear, values, expand(cts, given), sums=expand(start, sums)), linear_types
        )

    types = (*known, *select(program.out_types, given), *(select(linear_types, sums) if sums else ()))
    return trace_program(f, types), present.mask


def transpose_call(
    call: Callable[[Program, Sequence[Any]], Sequence[Any]],
    program: Program,
    cts: Sequence[Any],
    operands: Sequence[Any],
) -> list[Any]:
    """The transpose rule of an equation that is a call of a Program: the operands' cotangents, which ``call`` of the
    transposed Program gives.
    """
    linear = tuple([type(x) is Linear for x in operands])
    given = tuple([c is not None for c in cts])
    made, present = transpose_of(program, linear, given)
    known = [
        x.like() if type(x) is Linear and x.like else x
        for x in operands
        if type(x) is not Linear or isinstance(x.type, SeqType)
    ]
    return expand(expand(call(made, (*known, *select(cts, given))), present), linear)


def batch_of(program: Program, size: int, batched: Sequence[Any], force: Mask = ()) -> tuple[Program, tuple[Any, ...]]:
    """The Program over a mapped axis of the flagged inputs (axis 0), and which outputs carry it; ``force`` names those
    that must.
    """
    return _batch_of(program, size, tuple(batched), force)


@derived
def _batch_of(program: Program, size: int, batched: tuple[Any, ...], force: Mask) -> tuple[Program, tuple[Any, ...]]:
    flags: list[Any] = []

    def f(*args: Any) -> list[Any]:
        outs, found = batch_program(program, size, args, batched)
        wanted = force or [False] * len(outs)
        flags.extend([flag or want for flag, want in zip(found, wanted, strict=True)])
        return [
            repeated(o, size) if want and not flag else o for o, flag, want in zip(outs, found, wanted, strict=True)
        ]

    types = [mapped_type(t, flag, size) for t, flag in zip(program.in_types, batched, strict=True)]
    return trace_program(f, types), tuple(flags)


def mapped_type(type: ArrayType, flag: Any, size: int) -> ArrayType:
    """The type of a value with the mapped axis; a sequence has it in its elements, or is one of lanes."""
    if not flag:
        return type
    if not isinstance(type, SeqType):
        return type.with_shape((size, *type.shape))
    return seq_type(type) if flag == "lanes" else seq_type(mapped_type(type.element, True, size))
