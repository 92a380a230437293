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
from functad.ir.types import ArrayType, SeqType
from functad.primitives.loop_body import Layout

__all__ = ["unroll"]


def unroll(program: Program) -> Program:
    """The Program with its loops unrolled as their param ``unroll`` says."""
    if not any(_is_asked(e) for e in program.eqns):
        return program
    made = Unrolling()
    outputs = made.run(program, program.inputs)
    return Program(program.inputs, made.eqns, outputs, program.name)


def _is_asked(eqn: Eqn) -> bool:
    """Whether an equation is a loop to be unrolled: one of a static number of steps, which moves no sequences."""
    if eqn.primitive.name != "loop" or eqn.params["unroll"] == 1 or not eqn.params["length"]:
        return False
    body, carry = eqn.params["body"], eqn.params["carry"]
    moved = (*body.in_types[eqn.params["consts"] + carry :], *body.out_types[carry:])
    return not any(isinstance(t, SeqType) for t in moved)


@dataclass(frozen=True)
class Column:
    """The rows of an array: those of each turn of a loop as one element of ``turns`` (None if there are no turns), and
    the ``rest``, one by one.
    """

    turns: Atom | None
    rest: list[Atom]


class Unrolling:
    """Equations of which loops to be unrolled are none; calls on the way are expanded."""

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.columns: dict[tuple[Atom, int], Column] = {}  # what loops with so many steps in a turn wrote

    def run(self, program: Program, operands: Sequence[Atom]) -> list[Atom]:
        """The equations of a Program under new variables; its outputs."""
        made: dict[Atom, Atom] = dict(zip(program.inputs, operands, strict=True))
        for e in program.eqns:
            outputs = self.equation(e, tuple([made.get(a, a) for a in e.inputs]))
            made.update(zip(e.outputs, outputs, strict=True))
        return [made.get(a, a) for a in program.outputs]

    def equation(self, eqn: Eqn, inputs: tuple[Atom, ...]) -> Sequence[Atom]:
        """The results of an equation of these inputs."""
        if _is_asked(eqn):
            return self.loop(eqn, inputs)
        if eqn.primitive.expands:
            return self.run(eqn.params["program"], inputs)
        outputs = tuple([Var(v.type) for v in eqn.outputs])
        self.eqns.append(Eqn(eqn.primitive, inputs, eqn.params, outputs, eqn.loc))
        return outputs

    def emit(self, loc: Location | None, name: str, *operands: Atom, **params: Any) -> Atom:
        """The result of a new equation."""
        primitive = REGISTRY[name]
        (type,) = primitive.out_types(tuple([a.type for a in operands]), params)
        out = Var(type)
        self.eqns.append(Eqn(primitive, operands, params, (out,), loc))
        return out

    # ---- loops

    def loop(self, eqn: Eqn, inputs: Sequence[Atom]) -> list[Atom]:
        """The last carry, and what all steps wrote, of a loop: the turns over its first rows, and the steps over the
        rest.
        """
        p, loc = eqn.params, eqn.loc
        _, consts, carry, xs = Layout.of(p).split(inputs)
        n, k = p["length"], min(p["unroll"], p["length"])
        turns = n // k if k < n else 0
        columns = [self.read(loc, x, k, turns) for x in xs]
        state, written = list(carry), [Column(None, []) for _ in eqn.outputs[len(carry) :]]
        for part in ("rest", "turns") if p["reverse"] else ("turns", "rest"):
            if part == "rest":
                rows = [c.rest for c in columns]
                state, ys = self.steps(p["body"], consts, state, rows, n - k * turns, p["reverse"])
                written = [Column(w.turns, y) for w, y in zip(written, ys, strict=True)]
            elif turns:
                blocks = [c.turns for c in columns if c.turns is not None]
                state, whole = self.turns(eqn, k, turns, consts, state, blocks)
                written = [Column(w, c.rest) for w, c in zip(whole, written, strict=True)]
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

    def turns(
        self, eqn: Eqn, k: int, count: int, consts: Sequence[Atom], carry: Sequence[Atom], blocks: Sequence[Atom]
    ) -> tuple[list[Atom], list[Atom]]:
        """A loop with k steps in a turn: the last carry, and for all that it writes an array of its turns."""
        made, body, loc = Unrolling(), eqn.params["body"], eqn.loc
        _, fixed, state, xs = Layout(False, len(consts), len(carry)).split([Var(t) for t in body.in_types])
        xs = [Var(_stacked(v.type, k)) for v in xs]
        rows = [[made.row(loc, x, i) for i in range(k)] for x in xs]
        last, ys = made.steps(body, fixed, state, rows, k, eqn.params["reverse"])
        outputs = [*last, *[made.stack(loc, y) for y in ys]]
        params = {
            **eqn.params,
            "body": Program((*fixed, *state, *xs), made.eqns, outputs, body.name),
            "length": count,
            "unroll": 1,
        }
        results = [*[a.type for a in carry], *[_stacked(a.type, count) for a in outputs[len(carry) :]]]
        outs = [Var(t) for t in results]
        self.eqns.append(Eqn(eqn.primitive, (*consts, *carry, *blocks), params, tuple(outs), loc))
        return list(outs[: len(carry)]), list(outs[len(carry) :])

    # ---- columns

    def read(self, loc: Location | None, x: Atom, k: int, turns: int) -> Column:
        """An array as a column with k rows in a turn."""
        if (x, k) in self.columns:
            return self.columns[x, k]
        n, *shape = x.type.shape
        first = None
        if turns:
            whole = self.cut(loc, x, 0, k * turns)
            first = self.emit(loc, "reshape", whole, shape=(turns, k, *shape))
        return Column(first, [self.row(loc, x, i) for i in range(k * turns, n)])

    def put_together(self, loc: Location | None, column: Column, k: int) -> Atom:
        """The array of a column, remembered as such."""
        if column.turns is None:
            out = self.stack(loc, column.rest)
        else:
            turns, k, *shape = column.turns.type.shape
            out = self.emit(loc, "reshape", column.turns, shape=(turns * k, *shape))
            if column.rest:
                out = self.emit(loc, "concatenate", out, self.stack(loc, column.rest), axis=0)
        self.columns[out, k] = column
        return out

    def cut(self, loc: Location | None, x: Atom, start: int, stop: int) -> Atom:
        """Some rows of an array."""
        n, *shape = x.type.shape
        if (start, stop) == (0, n):
            return x
        return self.emit(
            loc, "slice", x, starts=(start, *[0] * len(shape)), stops=(stop, *shape), steps=(1,) * x.type.ndim
        )

    def row(self, loc: Location | None, x: Atom, i: int) -> Atom:
        """One row of an array."""
        return self.emit(loc, "reshape", self.cut(loc, x, i, i + 1), shape=x.type.shape[1:])

    def stack(self, loc: Location | None, rows: Sequence[Atom]) -> Atom:
        """The array of these rows."""
        parts = [self.emit(loc, "reshape", y, shape=(1, *y.type.shape)) for y in rows]
        return parts[0] if len(parts) == 1 else self.emit(loc, "concatenate", *parts, axis=0)


def _stacked(type: ArrayType, n: int) -> ArrayType:
    return type.with_shape((n, *type.shape))
