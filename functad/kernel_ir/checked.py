"""Indices that have been checked: what runs only where no check has failed need not keep them in bounds once more.

An index i is checked against the size n of an axis, ``-n <= i < n``, then n is added where it is negative, and the
result is clamped to [0, n - 1] where an element is accessed: what runs on after a failed check must not leave the
array. Straight code does not run on, so there the clamps go (``without_clamps``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from functad.kernel_ir.assume import assume
from functad.kernel_ir.checker import accesses
from functad.kernel_ir.control import Branch
from functad.kernel_ir.nodes import (
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
from functad.kernel_ir.sizes import Poly, poly

__all__ = ["without_clamps"]

INT64 = np.dtype(np.int64)

NOTHING: Mapping[Buffer, Poly] = {}


def without_clamps(statements: Iterable[Statement], inside: Mapping[Buffer, Poly] = NOTHING) -> list[Statement]:
    """Statements in order, each of which runs only if no check of those before has failed, and which access an element
    at an index that is data only if none in the kernel before that has. ``inside`` are the scalars that are in [0, n)
    from the start, with n.
    """
    known = dict(inside)
    found = []
    for statement in statements:
        stored: dict[Buffer, Poly] = {}
        if isinstance(statement, Kernel):
            body = _Body(known, trusted=not statement.axes)
            for instr in statement.body:
                body.read(instr)
            if body.chosen:
                statement = replace(statement, body=tuple([i for i, _ in assume(statement.body, {}, body.chosen)]))
            stored = body.stored
        elif isinstance(statement, Branch):
            statement = replace(statement, branches=tuple([_branch(statement, p, known) for p in statement.branches]))
        for b in accesses(statement)[1]:
            known.pop(b.root, None)
        known.update(stored)
        found.append(statement)
    return found


def _branch(branch: Branch, program: KernelProgram, known: Mapping[Buffer, Poly]) -> KernelProgram:
    """One of several programs: what it is given is known as it is outside."""
    given = zip(branch.operands, program.inputs, strict=False)
    inside = {x: known[b.root] for b, x in given if b.root in known}
    return replace(program, body=tuple(without_clamps(program.body, inside)))


class _Body:
    """What is known of the integers of a kernel; ``trusted``: whether its checks have held where they are behind."""

    def __init__(self, known: Mapping[Buffer, Poly], trusted: bool) -> None:
        self.known = dict(known)
        self.trusted = trusted
        self.stored: dict[Buffer, Poly] = {}
        self.chosen: dict[Value, int] = {}
        self._sizes: dict[Value, Poly] = {}
        self._bounds: dict[Value, dict[str, tuple[Value, Poly]]] = {}  # what comparisons and conjunctions say
        self._checked: dict[Value, Poly] = {}  # in [-n, n)
        self._raised: dict[Value, tuple[Value, Poly]] = {}  # values plus n
        self._inside: dict[Value, Poly] = {}  # in [0, n)

    def read(self, instr: Instr) -> None:
        """The next instruction."""
        match instr:
            case Const(out, value) if out.dtype == INT64:
                self._sizes[out] = poly(int(value))
            case SizeValue(out, size):
                self._sizes[out] = size
            case Load(out, buffer, _, None) if buffer.root in self.known:
                self._inside[out] = self.known[buffer.root]
            case Store(buffer, _, value, mask):
                for known in (self.known, self.stored):
                    known.pop(buffer.root, None)
                    if value in self._inside and mask is None and self.trusted and buffer.root.shape == ():
                        known[buffer.root] = self._inside[value]
            case Reduce(buffer) | Scatter(buffer):
                self.known.pop(buffer.root, None)
                self.stored.pop(buffer.root, None)
            case Compute(out, op, args):
                self._compute(out, op, args)
            case Check(ok) if self.trusted:
                bounds = self._bounds.get(ok, {})
                if len(bounds) == 2 and bounds["lt"] == bounds["ge"]:
                    value, size = bounds["lt"]
                    self._checked[value] = size
            case _:
                pass

    def _compute(self, out: Value, op: str, args: Sequence[Value]) -> None:
        x, y = args[0], args[-1]
        match op:
            case "neg" if x in self._sizes:
                self._sizes[out] = -self._sizes[x]
            case "lt" if y in self._sizes:
                self._bounds[out] = {"lt": (x, self._sizes[y])}
            case "ge" if y in self._sizes:
                self._bounds[out] = {"ge": (x, -self._sizes[y])}
            case "bit_and":
                self._bounds[out] = self._bounds.get(x, {}) | self._bounds.get(y, {})
            case "add" if y in self._sizes:
                self._raised[out] = x, self._sizes[y]
            case "select" if y in self._checked:
                negative = self._bounds.get(x, {}).get("lt") == (y, poly(0))
                if negative and self._raised.get(args[1]) == (y, self._checked[y]):
                    self._inside[out] = self._checked[y]
            case "minimum" | "maximum" if x in self._inside and y in self._sizes:
                if self._sizes[y] == (self._inside[x] - 1 if op == "minimum" else poly(0)):
                    self.chosen[out] = 0
                    self._inside[out] = self._inside[x]
            case _:
                pass
