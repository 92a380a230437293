"""Zeros and sums of sequences of run-time length, which loops leave for their reverse pass."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Linear, Primitive, type_of
from functad.core.seq import Seq
from functad.core.zeros import SPACES, Space
from functad.core.zeros import add as add_or_none
from functad.ir.program import Eqn, Var
from functad.ir.types import SeqType
from functad.primitives.arithmetic import add
from functad.primitives.broadcasting import broadcast
from functad.primitives.lanes import map_over_lanes, seq_length_p, seq_samples
from functad.primitives.loop_body import bind_loop, element_type
from functad.transforms.programs import trace_program

__all__ = ["map_sequences", "seq_add_p", "seq_zeros_p"]


def map_sequences(f: Callable[..., Any], *seqs: Any) -> Any:
    """Apply a strict function element by element to sequences of one length."""
    body = trace_program(lambda *xs: [f(*xs)], [element_type(type_of(s)) for s in seqs])
    _, (result,) = bind_loop(body, (), (), seqs, length=None, steps=[seq_length_p.bind(seqs[0])])
    return result


def _zero_elements(x: Any) -> Any:
    return zero_sequence(x) if isinstance(x, Seq) else np.zeros_like(x)[()]


def zero_sequence(x: Seq) -> Seq:
    """A sequence of zeros as long as another."""
    return Seq(x.type, [_zero_elements(a) for a in x.elements])


seq_zeros_p: Primitive = Primitive(
    "seq_zeros",
    type_rule=lambda seq: seq,
    evaluate=zero_sequence,
    batch=lambda size, batched, seq: (seq_zeros_p.bind(seq), batched[0]),
    samples=lambda: seq_samples(1),
)


def _add_elements(x: Any, y: Any) -> Any:
    return add_sequences(x, y) if isinstance(x, Seq) else np.add(x, y)


def add_sequences(x: Seq, y: Seq) -> Seq:
    """The sum of two sequences, element by element."""
    return Seq(x.type, [_add_elements(a, b) for a, b in zip(x.elements, y.elements, strict=True)])


def _add_batch(size: int, batched: Sequence[Any], x: Any, y: Any) -> tuple[Any, Any]:
    if "lanes" in batched:
        (total,), (flag,) = map_over_lanes(seq_add_p, size, batched, (x, y), {})
        return total, flag

    def aligned(v: Any, flag: Any) -> Any:
        return v if flag else broadcast(v, (size, *type_of(v).shape), range(1, type_of(v).ndim + 1))

    return map_sequences(lambda a, b: add(aligned(a, batched[0]), aligned(b, batched[1])), x, y), "elements"


class SumRule:
    """The linear rule of a sum: it is there without one of its terms, which would need zeros of its length."""

    active = True

    def __init__(self, mask: Sequence[bool]) -> None:
        self.count = sum(mask)

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        return [seq_add_p.bind(*ins)], []

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        return [functools.reduce(add_or_none, tangents)]

    def backward(self, residuals: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        return list(cotangents) * self.count


seq_add_p: Primitive = Primitive(
    "seq_add",
    type_rule=lambda x, y: x,
    evaluate=add_sequences,
    jvp_call=lambda xs, ts: ([seq_add_p.bind(*xs)], [add_or_none(*ts)]),
    linearize=lambda types, params, mask: SumRule(mask),
    linear="jointly",
    transpose=lambda ct, x, y: (ct if isinstance(x, Linear) else None, ct if isinstance(y, Linear) else None),
    batch=_add_batch,
    samples=lambda: seq_samples(2),
)

SPACES[SeqType] = Space(seq_add_p.bind, seq_zeros_p.bind)
