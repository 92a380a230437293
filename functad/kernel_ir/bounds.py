"""Indices that go up or down with the steps of a loop: whether all of them are in bounds is seen from the first and the
last one, before the loop.

An integer of a loop's body is affine if it is ``start + slope * k`` in step k, with a start that is the same in all
steps and a constant slope. Where such integers are checked against the size of an axis, the loop has a version for the
case that no check fails (``bounded``): without these checks, without what wraps negative indices around, and without
what keeps indices in bounds all the same. Whoever runs it has to know that all ``ranges`` hold.

Integers are those of int64 and wrap around. That the first and the last value are in [0, n) proves it for those between
nevertheless, if a step is at most 2**20 and there are at most 2**40 of them: n is less than 2**62, so the sequence that
goes on from the first value without wrapping around stays in int64, and ends at the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from functad.kernel_ir.assume import assume
from functad.kernel_ir.checker import accesses
from functad.kernel_ir.conditions import ARITHMETIC, MODERATE, difference
from functad.kernel_ir.control import Branch, Control, Loop, While
from functad.kernel_ir.nodes import (
    Affine,
    Buffer,
    Check,
    Compute,
    Const,
    Instr,
    Kernel,
    KernelProgram,
    Load,
    Reduce,
    Scatter,
    SizeValue,
    Statement,
    Store,
    Value,
)
from functad.kernel_ir.sizes import Poly, never_negative, poly

__all__ = ["LONGEST", "Bounded", "Range", "bounded"]

INT64 = np.dtype(np.int64)

STEP = 0
"""The axis that stands for the number of the step."""

LONGEST = 2**40
"""The steps for which the two ends prove what is between them."""


@dataclass(frozen=True, slots=True)
class Range:
    """``start + slope * k`` plus any number from ``low`` to ``high`` is in [0, size) in all steps k.

    The start is ``offset``, and multiples of inputs of the body as they are before the first step, by their number.
    """

    offset: Poly
    terms: tuple[tuple[int, Poly], ...]
    slope: int
    size: Poly
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Bounded:
    """The body of a loop for the case that some ranges hold."""

    body: KernelProgram
    ranges: tuple[Range, ...]


def bounded(loop: Loop) -> Bounded | None:
    """A loop's body for the case that all its affine indices are in bounds; None if there are none, or if there are
    loops inside it, whose steps are what takes the time.
    """
    if any(_has_loops(s) for s in loop.body.body):
        return None
    numbers = range(len(loop.consts) + len(loop.carry))
    inputs = {b: k for k, b in enumerate(loop.body.inputs) if k in numbers and b.shape == () and b.dtype == INT64}
    starts = {b: Value(INT64) for b in inputs}
    steps = dict(_slopes(loop, starts))
    known = {b: Affine.value(v) for b, v in starts.items() if inputs[b] < len(loop.consts)}
    known |= {b: Affine(0, ((starts[b], 1), (STEP, slope))) for b, slope in steps.items()}
    walk = _Walk(known, {})
    body = walk.program(loop.body)
    if not walk.proven:
        return None
    return Bounded(body, tuple(_ranges(walk.proven, {starts[b]: k for b, k in inputs.items()})))


def _has_loops(statement: Statement) -> bool:
    return isinstance(statement, Loop | While) or (
        isinstance(statement, Control) and any(_has_loops(s) for p in statement.programs for s in p.body)
    )


def _slopes(loop: Loop, starts: Mapping[Buffer, Value]) -> Iterator[tuple[Buffer, int]]:
    """What a step adds to those parts of the carry to which all steps add the same constant."""
    walk = _Walk({b: Affine.value(v) for b, v in starts.items()}, None)
    walk.program(loop.body)
    for before, after in zip(loop.body.inputs[len(loop.consts) :], loop.body.outputs[: len(loop.carry)], strict=False):
        if before in starts and after in walk.buffers:
            slope = difference(walk.buffers[after], Affine.value(starts[before]))
            if not slope.terms and slope.offset.constant is not None and abs(slope.offset.constant) <= MODERATE:
                yield before, slope.offset.constant


Proven = dict[Affine, list[Poly]]
"""Integers, and the sizes below which they are, and not negative."""


class _Walk:
    """A walk over the statements of a body: which scalars in memory are affine (``buffers``), and what is then known of
    integers (``proven``; None: nothing is to be).
    """

    def __init__(self, buffers: Mapping[Buffer, Affine], proven: Proven | None) -> None:
        self.buffers = dict(buffers)
        self.proven = proven

    def program(self, program: KernelProgram) -> KernelProgram:
        """The program where all that is affine and checked is in bounds."""
        return replace(program, body=tuple([self._statement(s) for s in program.body]))

    def _statement(self, statement: Statement) -> Statement:
        if isinstance(statement, Kernel):
            return self._kernel(statement)
        if isinstance(statement, Branch):
            statement = replace(statement, branches=tuple([self._branch(statement, p) for p in statement.branches]))
        self._forget(statement)
        return statement

    def _branch(self, branch: Branch, program: KernelProgram) -> KernelProgram:
        """One of several programs: what it is given is known as it is outside."""
        given = zip(branch.operands, program.inputs, strict=False)
        inner = _Walk({b: self.buffers[a.root] for a, b in given if a.root in self.buffers}, self.proven)
        return inner.program(program)

    def _forget(self, statement: Statement) -> None:
        for b in accesses(statement)[1]:
            self.buffers.pop(b.root, None)

    def _kernel(self, kernel: Kernel) -> Kernel:
        body = _Body(self)
        for instr in kernel.body:
            body.read(instr)
        self._forget(kernel)
        if not kernel.axes:
            self.buffers.update(body.stored)
        if not (body.facts or body.chosen):
            return kernel
        return replace(kernel, body=tuple([i for i, _ in assume(kernel.body, body.facts, body.chosen)]))


class _Body:
    """What is known in a kernel: its affine ``numbers``, the truth of comparisons (``facts``), the operand that a
    minimum or maximum is (``chosen``), and what is ``stored`` in scalars.
    """

    def __init__(self, walk: _Walk) -> None:
        self.proven: Proven | None = walk.proven
        self.buffers = dict(walk.buffers)
        self.numbers: dict[Value, Affine] = {}
        self.facts: dict[Value, bool] = {}
        self.chosen: dict[Value, int] = {}
        self.stored: dict[Buffer, Affine] = {}
        self._compared: dict[Value, tuple[str, Affine, Poly]] = {}  # with sizes
        self._below: dict[Value, list[tuple[Affine, Poly]]] = {}  # what conjunctions say to be less than a size

    def read(self, instr: Instr) -> None:
        """The next instruction."""
        match instr:
            case Const(out, value) if out.dtype == INT64 and abs(value) <= MODERATE:
                self.numbers[out] = Affine(int(value))
            case SizeValue(out, size):
                self.numbers[out] = Affine(size)
            case Load(out, buffer, _, None) if buffer.root in self.buffers:
                self.numbers[out] = self.buffers[buffer.root]
            case Store(buffer, _, value, mask) if buffer.root.shape == ():
                self._store(buffer.root, self.numbers.get(value) if mask is None else None)
            case Compute(out, op, args):
                self._compute(out, op, args)
            case Reduce(buffer) | Scatter(buffer):
                self._store(buffer.root, None)
            case Check(ok):
                for number, size in self._below.get(ok, ()):
                    self._require(number, size)
            case _:
                pass

    def _store(self, buffer: Buffer, number: Affine | None) -> None:
        for known in (self.buffers, self.stored):
            known.pop(buffer, None)
            if number is not None:
                known[buffer] = number

    def _compute(self, out: Value, op: str, args: Sequence[Value]) -> None:
        if op == "bit_and":
            below = [pair for a in args for pair in self._below.get(a, ())]
            if below:
                self._below[out] = below
            return
        if op == "select" and args[0] in self.facts:
            self._same(out, args[1 if self.facts[args[0]] else 2])
        elif op == "select":
            self._wrap(out, *args)
        elif all(a in self.numbers for a in args):
            operands = [self.numbers[a] for a in args]
            if op in ARITHMETIC:
                number = ARITHMETIC[op](*operands)
                if number is not None:
                    self.numbers[out] = number
            elif op in ("lt", "ge") and not operands[1].terms:
                self._compared[out] = op, operands[0], operands[1].offset
                if op == "lt":
                    self._below[out] = [(operands[0], operands[1].offset)]
                self._decide()
            elif op in ("minimum", "maximum"):
                self._extremum(out, op, args)

    def _wrap(self, out: Value, test: Value, raised: Value, value: Value) -> None:
        """What is wrapped around like an index, to n more where it is negative, is expected to be in bounds, whether
        that is checked or not.
        """
        x, y = self.numbers.get(raised), self.numbers.get(value)
        if x is not None and y is not None and self._compared.get(test) == ("lt", y, poly(0)):
            size = difference(x, y)
            if not size.terms and self._require(y, size.offset):
                self.numbers[out] = y

    def _require(self, number: Affine, size: Poly) -> bool:
        """Have a number be in [0, size), if that can be asked for."""
        if self.proven is None or not _is_moderate(number):
            return False
        if size not in self._sizes(number):
            self.proven.setdefault(number, []).append(size)
            self._decide()
        return True

    def _same(self, out: Value, value: Value) -> None:
        if value in self.numbers:
            self.numbers[out] = self.numbers[value]

    def _extremum(self, out: Value, op: str, args: Sequence[Value]) -> None:
        """A number in [0, n) is its minimum with n - 1, and its maximum with 0."""
        for place, (one, other) in enumerate((args, args[::-1])):
            bound = self.numbers[other]
            if bound.terms:
                continue
            if any(
                never_negative(bound.offset - n + 1 if op == "minimum" else -bound.offset)
                for n in self._sizes(self.numbers[one])
            ):
                self.chosen[out] = place
                self._same(out, one)
                return

    def _sizes(self, number: Affine) -> Sequence[Poly]:
        return () if self.proven is None else self.proven.get(number, ())

    def _decide(self) -> None:
        """Note the comparisons whose truth is known by now."""
        for out, (op, number, bound) in self._compared.items():
            for n in self._sizes(number):
                if never_negative(-bound):  # it is not negative
                    self.facts[out] = op == "ge"
                elif op == "lt" and never_negative(bound - n):
                    self.facts[out] = True


def _is_moderate(number: Affine) -> bool:
    """Whether a number's steps and constant are so small that sums with sizes do not wrap around."""
    slope, constant = dict(number.terms).get(STEP, poly(0)).constant, dict(number.offset.terms).get((), 0)
    return slope is not None and abs(slope) <= MODERATE and abs(constant) <= MODERATE


def _ranges(proven: Proven, numbers: Mapping[Value, int]) -> Iterator[Range]:
    """What has to be asked: of numbers that differ by constants, the least and the greatest."""
    found: dict[tuple[Poly, tuple[tuple[int, Poly], ...], int, Poly], list[int]] = {}
    for number, sizes in proven.items():
        constant = dict(number.offset.terms).get((), 0)
        terms = sorted([(numbers[a], scale) for a, scale in number.terms if isinstance(a, Value)], key=itemgetter(0))
        slope = dict(number.terms).get(STEP, poly(0)).constant
        assert slope is not None
        for size in sizes:
            found.setdefault((number.offset - constant, tuple(terms), slope, size), []).append(constant)
    for key, constants in found.items():
        yield Range(*key, min(constants), max(constants))
