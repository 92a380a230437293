"""Programs of a jitted function for one kind of call, and what they are valid for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from functad import config
from functad.api.world.guards import Guards
from functad.api.world.hidden import HiddenOperand
from functad.core.statics import merged
from functad.core.tracer import Tracer
from functad.ir.derived import derived
from functad.ir.key import structural_key
from functad.ir.program import Program, sub_programs
from functad.lower.entry.places import ABSENT, Fixed, Unwritten
from functad.lower.entry.unchanged import Unchanged
from functad.timing import Record
from functad.tree.containers import TreeDef

__all__ = ["MOST_VERSIONS", "Traced", "valid_one", "with_known_program"]

MOST_VERSIONS = 8
"""Programs for one kind of call that are kept: for worlds that come back."""


@dataclass(eq=False)
class Traced:
    """A Program traced from one kind of call, what it is valid for, and how to call it natively."""

    program: Program  # inputs: captures, then the arguments' leaves, then the hidden operands
    out_tree: TreeDef
    out_static: dict[int, Any]  # the leaves of the result that are static
    captures: list[Tracer]
    hidden: tuple[HiddenOperand, ...]
    guards: Guards
    entries: dict[tuple[config.Settings, bool], Callable[..., Any] | None] = field(
        default_factory=dict
    )  # take the arguments of a call as they are, with out= and without; None where Python has to take them apart
    record: Record = field(default_factory=Record)

    def result(self, outs: Sequence[Any]) -> Any:
        """The result of the function, of those of the Program."""
        return self.out_tree.unflatten(merged(self.out_static, outs))

    def valid(self) -> bool:
        """Whether the world is as the Program takes it to be."""
        return self.guards.holds() and all([h.fits() for h in self.hidden])

    def supersedes(self, other: Traced) -> bool:
        """Whether this reads at each call what the other holds one value of."""
        compared = {id(g.array) for g in self.guards.guards if isinstance(g, Unwritten) and g.content is not None}
        read = {
            h.place.identity for h in self.hidden if not (isinstance(h.place, Fixed) and id(h.place.value) in compared)
        }
        for guard in other.guards.guards:
            if isinstance(guard, Unchanged) and any([guard.held_at(identity) is not ABSENT for identity in read]):
                return True
            if isinstance(guard, Unwritten) and guard.content is not None and Fixed(guard.array).identity in read:
                return True
        return False


def with_known_program(traced: Traced, versions: Sequence[Traced]) -> Traced:
    """A new version with the compiled Program of another, where what has changed made no difference to it."""
    for other in versions:
        if identity_of(other.program) == identity_of(traced.program):
            traced.program = other.program
            break
    return traced


@derived
def identity_of(program: Program) -> Any:
    """What two Programs share exactly if they compute the same, and come from the same lines."""
    return structural_key(program), lines_of(program)


def lines_of(program: Program) -> list[Any]:
    """Where the equations of a Program, and of those in it, come from."""
    found: list[Any] = []
    for eqn in program.eqns:
        found.append(eqn.loc and (eqn.loc.code, eqn.loc.instruction))
        found += [lines_of(p) for p in sub_programs(eqn)]
    return found


def valid_one(versions: list[Traced]) -> Traced | None:
    """The version that fits the world, moved to the front: those used longest ago are dropped first."""
    for traced in versions:
        if traced.valid():
            if versions[0] is not traced:
                versions[:] = [traced, *[v for v in versions if v is not traced]]
            return traced
    return None
