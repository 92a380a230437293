"""Where the masks of a nest hold: versions of its innermost loop without them.

A mask is mostly a conjunction of conditions that are affine in the loops' indices (a pad, a slice's transpose, a
shifted read), so it holds in a box. In the box of many of them at once the innermost loop needs neither masks nor
choices between what is inside and what is not: there it is written anew, without them. Everywhere else the body runs as
it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from functad.kernel_ir.assume import assume
from functad.kernel_ir.conditions import Box, Condition, Room, complement, conditions, conjuncts
from functad.kernel_ir.nodes import Compute, Instr, Load, Reduce, Scatter, Store
from functad.lower.emit.body import Body
from functad.lower.emit.nest import Nest
from functad.lower.emit.operations import cost

__all__ = ["Region", "find_regions"]

WORTH = 0.8
"""A version is written if it takes at most this much of the effort of the body with masks."""

MOST = 3
"""At most so many versions of a body: a concatenation of many parts is not worth one for each."""


@dataclass(frozen=True, slots=True)
class Region:
    """The points of a nest at which all ``conditions`` hold, and the body that is enough there."""

    conditions: tuple[Condition, ...]
    body: Body


def find_regions(nest: Nest, body: Body) -> list[Region]:
    """Regions that are worth a version of their own."""
    masked = [i.mask for i in body.levels[-1] if isinstance(i, Load | Store) and i.mask is not None]
    if not masked:
        return []
    axis = len(nest.axes) - 1
    known = {v: c for v, c in conditions(nest.kernel.body).items() if _along(c, axis) in (0, 1, -1)}
    parts = conjuncts(nest.kernel.body, known)
    masks = list(dict.fromkeys(parts[mask] for mask in masked if mask in parts))
    everywhere = Box.of(nest.axes)
    effort = _effort(body.levels[-1])
    found: list[Region] = []
    for box in _boxes(masks, everywhere):
        version = body.innermost(assume(nest.kernel.body, box.facts(known)))
        if _effort(version.levels[-1]) <= WORTH * effort:
            found.append(Region(box.beyond(everywhere), version))
    return found


def _along(condition: Condition, axis: int) -> int | None:
    """How a condition changes along an axis."""
    return next((scale.constant for atom, scale in condition.terms if atom == axis), 0)


Mask = tuple[Condition, ...]


def _boxes(masks: Sequence[Mask], everywhere: Box) -> Iterable[Box]:
    """Boxes in which each mask either holds or, if it does not go together with those that do, does not.

    Each mask holds in one, as long as there are few, unless it holds almost nowhere; if all are of that kind, there is
    a box in which none holds.
    """
    large = [mask for mask in masks if _is_large(mask, everywhere)] or [()]
    left = large
    for _ in range(MOST):
        if not left:
            return
        box, taken = Box(left[0]), {left[0]}
        for mask in large:
            if all(box.room(c) == Room.MANY for c in mask):
                taken.add(mask)
                box.add(*mask)
        for mask in masks:
            if mask not in taken:
                _exclude(mask, box, everywhere)
        left = [mask for mask in left if mask not in taken]
        yield box


def _is_large(mask: Mask, everywhere: Box) -> bool:
    """Whether a mask may hold at more than a few points."""
    own = Box(mask)
    return all(min(own.room(c), everywhere.room(c)) > Room.FEW for c in mask)


def _exclude(mask: Mask, box: Box, everywhere: Box) -> None:
    """Shrink a box so that a mask holds nowhere in it, if that leaves most of it: reading far beside an array takes
    long even where it is masked.
    """
    outside = [complement(c) for c in mask]
    if not any(map(box.implies, outside)):
        box.add(*[c for c in outside if box.room(c) == Room.MANY and everywhere.room(c) > Room.FEW][:1])


def _effort(body: Iterable[Instr]) -> int:
    """About the instructions of a body, where a mask costs some, too."""
    total = 0
    for instr in body:
        if isinstance(instr, Compute):
            total += cost(instr.op, instr.args[-1].dtype)
        elif isinstance(instr, Load | Store):
            total += 1 if instr.mask is None else 3
        elif isinstance(instr, Reduce | Scatter):
            total += 1
    return total
