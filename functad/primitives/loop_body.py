"""What is shared by all that runs a ``loop`` equation: how to bind it, and the types of elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.core.primitive import REGISTRY
from functad.core.seq import Seq
from functad.ir.program import Program
from functad.ir.types import ArrayType, SeqType, seq_type

__all__ = ["bind_loop", "element_type", "stacked", "stacked_type", "storage"]


def bind_loop(
    body: Program,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    *,
    length: int | None,
    steps: Sequence[Any] = (),
    reverse: bool = False,
    unroll: int = 1,
) -> tuple[list[Any], list[Any]]:
    """Run a body: the last carry, and what was written step by step."""
    loop = REGISTRY["loop"]
    counts = {"consts": len(consts), "carry": len(carry)}
    outs = loop.bind(*steps, *consts, *carry, *xs, body=body, length=length, reverse=reverse, unroll=unroll, **counts)
    return list(outs[: len(carry)]), list(outs[len(carry) :])


def element_type(x: ArrayType) -> ArrayType:
    """What one step reads."""
    return x.element if isinstance(x, SeqType) else x.with_shape(x.shape[1:])


def stacked_type(element: ArrayType, length: int | None) -> ArrayType:
    """What all steps write."""
    if length is None or isinstance(element, SeqType):
        return seq_type(element)
    return element.with_shape((length, *element.shape))


def storage(element: ArrayType, n: int, length: int | None) -> Any:
    """What an evaluator fills with what n steps write."""
    if isinstance(stacked_type(element, length), SeqType):
        return [None] * n
    return np.empty((n, *element.shape), element.dtype)


def stacked(values: Any, element: ArrayType, length: int | None) -> Any:
    """What it has filled, as a result."""
    return Seq(seq_type(element), values) if isinstance(values, list) else values
