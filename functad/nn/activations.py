"""Activation functions that are used most, and ``one_hot``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.nn.operands import floating, real_floating
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.ufuncs import add
from functad.primitives import exponential
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq, gt, le
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.powers import integer_power
from functad.primitives.rounding import absolute
from functad.primitives.selection import select
from functad.primitives.special import erfc

__all__ = ["elu", "gated", "gelu", "leaky_relu", "one_hot", "relu", "sigmoid", "silu", "softplus"]


def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> from functad import nn
    >>> fd.grad(lambda x: np.sum(nn.relu(x)))(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 1.])
    """
    y = as_array(x, "relu")
    return select(le(y, 0), 0, y)


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """x where it is positive, ``negative_slope * x`` elsewhere.

    Examples
    --------
    >>> from functad import nn
    >>> nn.leaky_relu([-1.0, 0.5, 4.0])
    array([-0.01,  0.5 ,  4.  ])
    """
    y = floating(x, "leaky_relu")
    return select(le(y, 0), mul(y, negative_slope), y)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Examples
    --------
    >>> from functad import nn
    >>> nn.elu([-1.0, 0.5, 4.0])
    array([-0.63212056,  0.5       ,  4.        ])
    """
    y = floating(x, "elu")
    positive = gt(y, 0)
    return select(positive, y, mul(exponential.expm1(select(positive, 0, y)), alpha))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow.

    Examples
    --------
    >>> from functad import nn
    >>> nn.sigmoid([-1.0, 0.5, 4.0])
    array([0.26894142, 0.62245933, 0.98201379])
    """
    return exponential.sigmoid(real_floating(x, "sigmoid"))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow.

    Examples
    --------
    >>> from functad import nn
    >>> nn.softplus([-1.0, 0.5, 4.0])
    array([0.31326169, 0.97407698, 4.01814993])
    """
    return exponential.softplus(real_floating(x, "softplus"))


def gated(y: Any, far: float, gate: Callable[[Any], Any]) -> Any:
    """y times a gate that goes from 0 to 1, and has got there, to the last bit, where ``|y|`` exceeds ``far``: not inf
    * 0 there.
    """
    done = gt(absolute(y), far)
    near = select(done, 0, y)
    return select(done, relu(y), mul(near, gate(near)))


def silu(x: Any) -> Any:
    """x * sigmoid(x).

    Examples
    --------
    >>> from functad import nn
    >>> nn.silu([-1.0, 0.5, 4.0])
    array([-0.26894142,  0.31122967,  3.92805516])
    """
    return gated(real_floating(x, "silu"), 800, exponential.sigmoid)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x; ``approximate`` by a tanh, in the form of a sigmoid, which is
    what JAX does by default.

    Examples
    --------
    >>> from functad import nn
    >>> nn.gelu([-1.0, 0.5, 4.0])
    array([-0.15865525,  0.34573123,  3.99987332])
    """
    y = real_floating(x, "gelu")
    if approximate:
        return gated(y, 30, _by_tanh)
    return gated(y, 60, lambda y: mul(erfc(mul(y, -math.sqrt(0.5))), 0.5))


def _by_tanh(y: Any) -> Any:
    inner = mul(add(y, mul(integer_power(y, 3), 0.044715)), math.sqrt(2 / math.pi))
    return exponential.sigmoid(mul(inner, 2))  # (1 + tanh u) / 2, without its cancellation


def one_hot(x: Any, num_classes: int, *, dtype: Any = float, axis: int = -1) -> Any:
    """An axis more, the last or ``axis``, with 1 at the index that x holds and 0 elsewhere; all 0 for an index that is
    out of range.

    Examples
    --------
    >>> from functad import nn
    >>> nn.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    index = cast(as_array(x, "one_hot"), np.dtype(np.int64))
    shape = list(shape_of(index))
    place = normal_axis(axis, len(shape) + 1, "one_hot")
    shape.insert(place, num_classes)
    others = [a for a in range(len(shape)) if a != place]
    return convert(eq(broadcast(index, shape, others), iota(shape, np.int64, place)), np.dtype(dtype))
