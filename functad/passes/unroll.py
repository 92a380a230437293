"""Unrolling: a loop that is to make k steps in a turn becomes one of n // k turns over a body of k steps, and the n mod
k steps that remain.

Fusion then sees k steps at once: where a step is elementwise, the carry is read and written once in k steps. A loop
whose n steps fit into one turn is no loop any more. The steps are the same operations in the same order. (Native code
groups the terms of a long sum as suits all that is in a kernel; so the last bits of that can differ.)

What the steps read and write is in ``Column`` s: the k rows of each turn as one element of an array, and the rows that
remain. A loop that reads what another one wrote (as the reverse loop reads residuals) takes its column, not the array
that would be put together and cut again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functad.core.primitive import REGISTRY
from functad.ir.program import Atom, Eqn, Location, Program, Var
from functad.ir.regions import Operands, Regions, Results, call_of, regions_of
from functad.ir.rewrite import Rewriting
from functad.ir.types import ArrayType, SeqType

__all__ = ["unroll"]


def unroll(program: Program) -> Program:
    """The Program with its loops unrolled as they ask for."""
    if not any(_asked(e) for e in program.eqns):
        return program
    made = Unrolling()
    outputs = made.run(program, program.inputs)
    return Program(program.inputs, made.eqns, outputs, program.name)


def _asked(eqn: Eqn) -> Regions | None:
    """The description of a loop to be unrolled: one of a static number of steps, which moves no sequences."""
    form = regions_of(eqn)
    if form is None or form.turn == 1 or not form.count:
        return None
    (region,) = form.regions
    read, written = (
        form.inputs(region, region.program.in_types).elements,
        form.outputs(region, region.program.out_types),
    )
    return None if any(isinstance(t, SeqType) for t in (*read, *written.written)) else form


@dataclass(frozen=True)
class Column:
    """The rows of an array: those of each turn of a loop as one element of ``turns`` (None if there are no turns), and
    the ``rest``, one by one.
    """

    turns: Atom | None
    rest: list[Atom]


class Unrolling(Rewriting):
    """Equations of which loops to be unrolled are none; calls on the way are expanded."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[tuple[Atom, int], Column] = {}  # what loops with so many steps in a turn wrote

    def run(self, program: Program, operands: Sequence[Atom]) -> list[Atom]:
        """The outputs of a Program of these operands."""
        return self.copy(program, operands, self.equation)

    def equation(self, eqn: Eqn, inputs: list[Atom]) -> Sequence[Atom]:
        """The results of an equation of these inputs."""
        form = _asked(eqn)
        if form is not None:
            return self.loop(eqn, form, inputs)
        inner = call_of(eqn)
        return self.again(eqn, inputs) if inner is None else self.run(inner, inputs)

    def result(self, loc: Location | None, name: str, *operands: Atom, **params: Any) -> Atom:
        """The result of a new equation."""
        (out,) = self.emit(REGISTRY[name], operands, params, loc)
        return out

    # ---- loops

    def loop(self, eqn: Eqn, form: Regions, inputs: Sequence[Atom]) -> list[Atom]:
        """The last carry, and what all steps wrote, of a loop: the turns over its first rows, and the steps over the
        rest.
        """
        loc, operands = eqn.loc, form.operands(inputs)
        body, (consts,) = form.programs[0], operands.consts
        n, k = form.count, min(form.turn, form.count)
        turns = n // k if k < n else 0
        columns = [self.read_column(loc, x, k, turns) for x in operands.elements]
        state = operands.carry
        written = [Column(None, []) for _ in form.results(eqn.outputs).written]
        for part in ("rest", "turns") if form.reverse else ("turns", "rest"):
            if part == "rest":
                rows = [c.rest for c in columns]
                state, ys = self.steps(body, consts, state, rows, n - k * turns, form.reverse)
                written = [Column(w.turns, y) for w, y in zip(written, ys, strict=True)]
            elif turns:
                blocks = [c.turns for c in columns if c.turns is not None]
                whole = self.turns(eqn, form, k, turns, operands._replace(carry=state, elements=blocks))
                state = list(whole.carry)
                written = [Column(w, c.rest) for w, c in zip(whole.written, written, strict=True)]
        return [*state, *[self.put_together(loc, c, k) for c in written]]

    def steps(
        self,
        body: Program,
        consts: Sequence[Atom],
        carry: Sequence[Atom],
        rows: Sequence[Sequence[Atom]],
        n: int,
        reverse: bool,
    ) -> tuple[list[Atom], list[list[Atom]]]:
        """The equations of n steps: the last carry, and for all that they write its rows; ``rows`` are those of all
        that they read.
        """
        state = list(carry)
        written: list[list[Atom]] = [[] for _ in body.outputs[len(state) :]]
        for i in range(n - 1, -1, -1) if reverse else range(n):
            outs = self.run(body, [*consts, *state, *[r[i] for r in rows]])
            state = outs[: len(carry)]
            for w, y in zip(written, outs[len(carry) :], strict=True):
                w.append(y)
        return state, [w[::-1] if reverse else w for w in written]

    def turns(self, eqn: Eqn, form: Regions, k: int, count: int, operands: Operands[Atom]) -> Results[Var]:
        """A loop with k steps in a turn; what it writes are arrays of its turns."""
        made, loc = Unrolling(), eqn.loc
        (region,) = form.regions
        body = region.program
        fixed, state, xs = form.inputs(region, [Var(t) for t in body.in_types])
        xs = [Var(_stacked(v.type, k)) for v in xs]
        rows = [[made.row(loc, x, i) for i in range(k)] for x in xs]
        last, ys = made.steps(body, fixed, state, rows, k, form.reverse)
        whole = Program((*fixed, *state, *xs), made.eqns, [*last, *[made.stack(loc, y) for y in ys]], body.name)
        results = Results(
            [Var(a.type) for a in state], [], [Var(_stacked(a.type, count)) for a in whole.outputs[len(state) :]]
        )
        self.eqns.append(form.rebuilt(eqn, [whole], operands, results, count=count, turn=1))
        return results

    # ---- columns

    def read_column(self, loc: Location | None, x: Atom, k: int, turns: int) -> Column:
        """An array as a column with k rows in a turn."""
        if (x, k) in self.columns:
            return self.columns[x, k]
        n, *shape = x.type.shape
        first = None
        if turns:
            whole = self.cut(loc, x, 0, k * turns)
            first = self.result(loc, "reshape", whole, shape=(turns, k, *shape))
        return Column(first, [self.row(loc, x, i) for i in range(k * turns, n)])

    def put_together(self, loc: Location | None, column: Column, k: int) -> Atom:
        """The array of a column, remembered as such."""
        if column.turns is None:
            out = self.stack(loc, column.rest)
        else:
            turns, k, *shape = column.turns.type.shape
            out = self.result(loc, "reshape", column.turns, shape=(turns * k, *shape))
            if column.rest:
                out = self.result(loc, "concatenate", out, self.stack(loc, column.rest), axis=0)
        self.columns[out, k] = column
        return out

    def cut(self, loc: Location | None, x: Atom, start: int, stop: int) -> Atom:
        """Some rows of an array."""
        n, *shape = x.type.shape
        if (start, stop) == (0, n):
            return x
        return self.result(
            loc, "slice", x, starts=(start, *[0] * len(shape)), stops=(stop, *shape), steps=(1,) * x.type.ndim
        )

    def row(self, loc: Location | None, x: Atom, i: int) -> Atom:
        """One row of an array."""
        return self.result(loc, "reshape", self.cut(loc, x, i, i + 1), shape=x.type.shape[1:])

    def stack(self, loc: Location | None, rows: Sequence[Atom]) -> Atom:
        """The array of these rows."""
        parts = [self.result(loc, "reshape", y, shape=(1, *y.type.shape)) for y in rows]
        return parts[0] if len(parts) == 1 else self.result(loc, "concatenate", *parts, axis=0)


def _stacked(type: ArrayType, n: int) -> ArrayType:
    return type.with_shape((n, *type.shape))
