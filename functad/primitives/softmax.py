"""Derivatives of sums of exponentials: of softmax, its logarithm, and the logarithm of the sum.

They are computed by other primitives. What is declared here is a result together with the operand that it is a function of: its value is
the first operand, its derivative is that of the function. Differentiated step by step, the derivative of a weight w would be w - w^2, and
of its logarithm 1 - w, which lose their digits where one exponential outweighs the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Pull
from functad.primitives.arithmetic import mul, sub
from functad.primitives.comparison import gt
from functad.primitives.reductions import kept_axes, reduce_sum
from functad.primitives.selection import select
from functad.primitives.shapes import broadcast

__all__ = ["log_softmax_of", "logsumexp_of", "softmax_of"]

Axes = tuple[int, ...]


def _spread(y: Any, like: Any, axes: Axes) -> Any:
    shape = type_of(like).shape
    return broadcast(y, shape, kept_axes(len(shape), axes))


def _deviation(t: Any, w: Any, axes: Axes) -> Any:
    """t less its mean with weights w.

    Where one weight m is more than 1/2, t_m is taken from all t first: then nothing is left of t_m itself, and the mean is over the others.
    """
    if type_of(w).dtype.kind == "c":
        return sub(t, _spread(reduce_sum(mul(w, t), axes), t, axes))
    heavy = gt(w, 0.5)
    others = select(heavy, 0, w)
    t_heavy = reduce_sum(select(heavy, t, 0), axes)
    mean = sub(reduce_sum(mul(others, t), axes), mul(reduce_sum(others, axes), t_heavy))
    return sub(select(heavy, 0, sub(t, _spread(t_heavy, t, axes))), _spread(mean, t, axes))


def _function_of(name: str, operands: int, tangent: Callable[..., Any], reduces: bool) -> Callable[..., Any]:
    """Declare a value, and what its derivative needs, with the operand of the function last."""

    def type_rule(*types: ArrayType, axes: Axes) -> ArrayType:
        return types[0]

    def batch(size: int, batched: Sequence[bool], *xs: Any, axes: Axes) -> tuple[Any, bool]:
        full = [x if flag else broadcast(x, (size, *type_of(x).shape), range(1, 1 + type_of(x).ndim)) for x, flag in zip(xs, batched, strict=True)]
        return primitive.bind(*full, axes=tuple([a + 1 for a in axes])), True

    def samples() -> list[Sample]:
        x = array_type((2, 3), np.float64)
        return [Sample((x.with_shape((2,)) if reduces else x, *[x] * (operands - 1)), {"axes": (1,)}, 0.1, 0.8)]

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=lambda *xs, axes: np.array(xs[0])[()],
        jvp=lambda ts, xs, out, *, axes: None if ts[-1] is None else tangent(ts[-1], xs, out, axes),
        batch=batch,
        kernel=Pull(lambda b, index, reads, in_types, out_type, *, axes: reads[0](index)),
        samples=samples,
    )
    return lambda *xs, axes: primitive.bind(*xs, axes=tuple(axes))


softmax_of = _function_of("softmax_of", 2, lambda t, xs, w, axes: mul(w, _deviation(t, w, axes)), False)

log_softmax_of = _function_of("log_softmax_of", 3, lambda t, xs, y, axes: _deviation(t, xs[1], axes), False)

logsumexp_of = _function_of("logsumexp_of", 3, lambda t, xs, y, axes: reduce_sum(mul(xs[1], t), axes), True)
