"""A kernel's body where some of its comparisons are known: masks that hold go, choices are made, and what nobody reads
any more is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from functad.kernel_ir.nodes import Check, Compute, Const, Instr, Load, Reduce, Scan, Scatter, Store, Value
from functad.kernel_ir.rewrite import operands, with_operands

__all__ = ["assume"]

NOTHING: Mapping[Value, int] = {}


def assume(
    body: Sequence[Instr], facts: Mapping[Value, bool], chosen: Mapping[Value, int] = NOTHING
) -> list[tuple[Instr, Instr]]:
    """The instructions that are left where ``facts`` hold, and results are equal to the operand that is ``chosen`` for
    them, each with the one that it comes from; every value keeps its name.
    """
    return _without_unused(_Simplified(facts, chosen).run(body))


class _Simplified:
    """A walk over a body: what is ``known``, and values that are ``same`` as others."""

    def __init__(self, facts: Mapping[Value, bool], chosen: Mapping[Value, int]) -> None:
        self.known = dict(facts)
        self.chosen = chosen
        self.same: dict[Value, Value] = {}

    def run(self, body: Sequence[Instr]) -> list[tuple[Instr, Instr]]:
        result: list[tuple[Instr, Instr]] = []
        for instr in body:
            renamed = any(v in self.same for v in operands(instr))
            new = self._instruction(with_operands(instr, lambda v: self.same.get(v, v)) if renamed else instr)
            if new is not None:
                result.append((new, instr))
        return result

    def _instruction(self, instr: Instr) -> Instr | None:
        """What an instruction becomes, if anything."""
        if isinstance(instr, Load | Store) and instr.mask in self.known:
            if self.known[instr.mask]:
                return replace(instr, mask=None)
            return Const(instr.out, instr.fill) if isinstance(instr, Load) else None
        if isinstance(instr, Compute):
            return self._compute(instr)
        if isinstance(instr, Check) and self.known.get(instr.ok):
            return None
        return instr

    def _compute(self, instr: Compute) -> Instr | None:
        if instr.out in self.known:
            return Const(instr.out, self.known[instr.out])
        same: Value | None = None
        if instr.out in self.chosen:
            same = instr.args[self.chosen[instr.out]]
        elif instr.op == "select" and instr.args[0] in self.known:
            same = instr.args[1 if self.known[instr.args[0]] else 2]
        elif instr.op in ("bit_and", "bit_or") and instr.out.dtype.kind == "b":
            same = self._connective(instr)
        if same is None:
            return instr
        self.same[instr.out] = same
        if same in self.known:
            self.known[instr.out] = self.known[same]
        return None

    def _connective(self, instr: Compute) -> Value | None:
        """The operand that a conjunction, or a disjunction, equals, if one is known."""
        decisive = instr.op == "bit_or"
        for one, other in (instr.args, instr.args[::-1]):
            if one in self.known:
                return one if self.known[one] == decisive else other
        return None


def _without_unused(pairs: Sequence[tuple[Instr, Instr]]) -> list[tuple[Instr, Instr]]:
    needed: set[Value] = set()
    kept = []
    for instr, origin in reversed(pairs):
        if isinstance(instr, Store | Reduce | Scatter | Scan | Check) or instr.out in needed:  # type: ignore[attr-defined]
            kept.append((instr, origin))
            needed.update(operands(instr))
    return kept[::-1]
