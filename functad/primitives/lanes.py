"""Batching of equations that take another course for each element of the mapped axis: a loop over lanes, each with real
branches of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functad.core.primitive import Primitive, type_of
from functad.ir.masks import expand, select
from functad.ir.types import SeqType
from functad.primitives.loop_body import bind_loop, element_type
from functad.transforms.programs import trace_program

__all__ = ["map_over_lanes"]


def map_over_lanes(
    primitive: Primitive, size: int, batched: Sequence[Any], operands: Sequence[Any], params: Mapping[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Run an equation once a lane. Mapped sequences come as sequences of lanes, and so leave."""
    from functad.primitives.sequences import lanes_of

    mask = tuple([bool(flag) for flag in batched])
    split = [lanes_of(x, size) if flag == "elements" else x for x, flag in zip(operands, batched, strict=True)]
    consts, xs = select(split, [not m for m in mask]), select(split, mask)

    def step(*args: Any) -> Sequence[Any]:
        fixed = expand(args[: len(consts)], [not m for m in mask])
        lane = expand(args[len(consts) :], mask)
        return primitive.bind(*[a if m else b for a, b, m in zip(lane, fixed, mask, strict=True)], **params)  # type: ignore[no-any-return]

    body = trace_program(step, (*[type_of(c) for c in consts], *[element_type(type_of(x)) for x in xs]))
    _, outs = bind_loop(body, consts, (), xs, length=size)
    return outs, ["lanes" if isinstance(type_of(o), SeqType) else True for o in outs]
