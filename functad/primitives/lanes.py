"""Batching of equations that take another course for each element of the mapped axis: a loop over lanes, each with real
branches of its own; and the length of a sequence, by which its lanes are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import FunctadError
from functad.ir.masks import expand, select
from functad.ir.regions import Regions, regions_of
from functad.ir.types import SeqType, array_type, seq_type
from functad.primitives.control_native import SEQ_LENGTH
from functad.primitives.gather import gather
from functad.primitives.generate import iota
from functad.primitives.loop_body import bind_loop, element_type
from functad.transforms.programs import trace_program

__all__ = ["COLLECTIVES", "lanes_of", "map_over_lanes", "seq_length_p", "seq_samples"]

COLLECTIVES: dict[Primitive, Callable[..., FunctadError]] = {}
"""Primitives that need all elements of a mapped axis together, if their last operand has it, and the error where each
takes its own course. (They are declared when they are first used.)
"""


def map_over_lanes(
    primitive: Primitive, size: int, batched: Sequence[Any], operands: Sequence[Any], params: Mapping[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Run an equation once a lane. Mapped sequences come as sequences of lanes, and so leave."""
    mask = tuple([bool(flag) for flag in batched])
    if COLLECTIVES and primitive.control is not None:
        check_collectives(primitive.control.regions(params), mask)
    split = [lanes_of(x, size) if flag == "elements" else x for x, flag in zip(operands, batched, strict=True)]
    consts, xs = select(split, [not m for m in mask]), select(split, mask)

    def step(*args: Any) -> Sequence[Any]:
        fixed = expand(args[: len(consts)], [not m for m in mask])
        lane = expand(args[len(consts) :], mask)
        return primitive.bind(*[a if m else b for a, b, m in zip(lane, fixed, mask, strict=True)], **params)  # type: ignore[no-any-return]

    body = trace_program(step, (*[type_of(c) for c in consts], *[element_type(type_of(x)) for x in xs]))
    _, outs = bind_loop(body, consts, (), xs, length=size)
    return outs, ["lanes" if isinstance(type_of(o), SeqType) else True for o in outs]


def check_collectives(form: Regions, mapped: Sequence[bool]) -> None:
    """Refuse what needs all elements of the axis that these operands carry."""
    operands = form.operands(list(mapped))
    for region in form.regions:
        flags = dict(zip(region.program.inputs, form.given(region, operands), strict=True))
        for eqn in region.program.eqns:
            given = [flags.get(a, False) for a in eqn.inputs]  # type: ignore[call-overload]
            if eqn.primitive in COLLECTIVES and given[-1]:
                raise COLLECTIVES[eqn.primitive](**eqn.params).at(eqn.loc)
            inside = regions_of(eqn)
            if inside is not None:
                check_collectives(inside, given)


# -- sequences ---------------------------------------------------------------------------------------------------------


def lanes_of(seq: Any, size: int) -> Any:
    """A sequence of mapped elements as a sequence of lanes."""
    index = array_type((), np.int64)
    body = trace_program(lambda s, lane: [_lane(s, lane)], (type_of(seq), index))
    _, (result,) = bind_loop(body, [seq], (), [iota((size,), index.dtype, 0)], length=size)
    return result


def _lane(x: Any, lane: Any) -> Any:
    """One lane of a mapped array, or of a sequence of mapped elements."""
    if not isinstance(type_of(x), SeqType):
        return gather(x, lane)
    body = trace_program(lambda lane, element: [_lane(element, lane)], (type_of(lane), element_type(type_of(x))))
    _, (result,) = bind_loop(body, [lane], (), [x], length=None, steps=[seq_length_p.bind(x)])
    return result


def seq_samples(count: int) -> list[Sample]:
    """Samples of a primitive that takes so many sequences of one type."""
    elements = (
        array_type((), np.float64),
        array_type((2,), np.float64),
        array_type((17,), np.float32),
        array_type((), np.complex128),
    )
    return [Sample((seq_type(t),) * count, {}) for t in elements]


def _length_batch(size: int, batched: Sequence[Any], seq: Any) -> tuple[Any, Any]:
    if batched[0] == "elements":
        return seq_length_p.bind(seq), False
    (lengths,), (flag,) = map_over_lanes(seq_length_p, size, batched, (seq,), {})
    return lengths, flag


seq_length_p = Primitive(
    "seq_length",
    type_rule=lambda seq: array_type((), np.int64),
    evaluate=lambda seq: np.int64(len(seq)),
    batch=_length_batch,
    kernel=SEQ_LENGTH,
    samples=lambda: seq_samples(1),
)
