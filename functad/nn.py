"""Functions of neural networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.errors import DtypeError
from functad.numpy.axes import normal_axes
from functad.numpy.indexing import where
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import reduced
from functad.numpy.traced import here, is_traced
from functad.numpy.ufuncs import add, divide, exp, log, multiply, subtract
from functad.primitives import exponential
from functad.primitives import softmax as sums
from functad.primitives.arithmetic import mul
from functad.primitives.broadcasting import broadcast, reduce_sum
from functad.primitives.comparison import eq, gt, isfinite, le
from functad.primitives.complex import real
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.powers import integer_power
from functad.primitives.reductions import reduce_max
from functad.primitives.rounding import absolute
from functad.primitives.selection import select
from functad.primitives.shapes import reshape
from functad.primitives.special import erfc
from functad.primitives.stops import stop_gradient

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
]


def floating(x: Any, name: str) -> Any:
    """An argument as a floating-point or complex array."""
    y = as_array(x, name)
    return cast(y, result_dtype([y, 1.0]))


def real_floating(x: Any, name: str) -> Any:
    """An argument as a floating-point array; complex ones are refused."""
    y = floating(x, name)
    if y.dtype.kind == "c":
        raise DtypeError(f"nn.{name}{here()} is of real numbers, got {y.dtype}; take .real or np.abs of it first")
    return y


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


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope * x`` elsewhere.

    Examples
    --------
    >>> from functad import nn
    >>> nn.leaky_relu([-1.0, 2.0])
    array([-0.01,  2.  ])
    """
    y = floating(x, "leaky_relu")
    return select(le(y, 0), mul(y, slope), y)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Examples
    --------
    >>> from functad import nn
    >>> nn.elu([-1.0, 2.0])
    array([-0.63212056,  2.        ])
    """
    y = floating(x, "elu")
    positive = gt(y, 0)
    return select(positive, y, mul(exponential.expm1(select(positive, 0, y)), alpha))


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow.

    Examples
    --------
    >>> from functad import nn
    >>> nn.sigmoid([-1000.0, 0.0])
    array([0. , 0.5])
    """
    return exponential.sigmoid(real_floating(x, "sigmoid"))


def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow.

    Examples
    --------
    >>> from functad import nn
    >>> nn.softplus([0.0, 1000.0])
    array([6.93147181e-01, 1.00000000e+03])
    """
    return exponential.softplus(real_floating(x, "softplus"))


def _gated(y: Any, far: float, gate: Callable[[Any], Any]) -> Any:
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
    >>> nn.silu([-1.0, 2.0])
    array([-0.26894142,  1.76159416])
    """
    return _gated(real_floating(x, "silu"), 800, exponential.sigmoid)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the normal distribution function of x; ``approximate`` by a tanh, in the form of a sigmoid.

    Examples
    --------
    >>> from functad import nn
    >>> nn.gelu([-1.0, 2.0])
    array([-0.15865525,  1.95449974])
    """
    y = real_floating(x, "gelu")
    if approximate:
        return _gated(y, 30, _by_tanh)
    return _gated(y, 60, lambda y: mul(erfc(mul(y, -math.sqrt(0.5))), 0.5))


def _by_tanh(y: Any) -> Any:
    inner = mul(add(y, mul(integer_power(y, 3), 0.044715)), math.sqrt(2 / math.pi))
    return exponential.sigmoid(mul(inner, 2))  # (1 + tanh u) / 2, without its cancellation


def one_hot(x: Any, num_classes: int, dtype: Any = float) -> Any:
    """An axis more, the last, with 1 at the index that x holds and 0 elsewhere; all 0 for an index that is out of
    range.

    Examples
    --------
    >>> from functad import nn
    >>> nn.one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    index = cast(as_array(x, "one_hot"), np.dtype(np.int64))
    shape = (*shape_of(index), num_classes)
    return convert(
        eq(broadcast(index, shape, range(len(shape) - 1)), iota(shape, np.int64, len(shape) - 1)), np.dtype(dtype)
    )


# -- sums of exponentials: the largest exponent is taken out; values first, as constants, then derivatives as a whole


def _exponentials(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """x less its largest element over axes (0 where that is not finite), the exponentials of that, their sum, the
    largest element.
    """
    top = reduced(reduce_max, real(x) if x.dtype.kind == "c" else x, axes, True)
    top = select(isfinite(top), top, 0)
    shifted = subtract(x, top)
    terms = exp(shifted)
    return shifted, terms, reduced(reduce_sum, terms, axes, True), top


def softmax(x: Any, axis: Any = -1) -> Any:
    """Exponentials divided by their sum over axes.

    Examples
    --------
    >>> from functad import nn
    >>> nn.softmax([0.0, 0.0, 1000.0])
    array([0., 0., 1.])
    """
    y = floating(x, "softmax")
    axes = normal_axes(axis, len(shape_of(y)), "softmax")
    _, terms, total, _ = _exponentials(stop_gradient(y), axes)
    return sums.softmax_of(divide(terms, total), y, axes=axes)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """The logarithm of ``softmax``, without its overflow.

    Examples
    --------
    >>> from functad import nn
    >>> nn.log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    y = floating(x, "log_softmax")
    axes = normal_axes(axis, len(shape_of(y)), "log_softmax")
    shifted, terms, total, _ = _exponentials(stop_gradient(y), axes)
    weights = sums.softmax_of(divide(terms, total), y, axes=axes)
    return sums.log_softmax_of(subtract(shifted, log(total)), weights, y, axes=axes)


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """The logarithm of a sum of exponentials over axes, without overflow; ``b`` are the factors of the exponentials.

    Examples
    --------
    >>> from functad import nn
    >>> nn.logsumexp([1000.0, 1000.0])
    np.float64(1000.693147180...)
    """
    x = floating(a, "logsumexp")
    axes = normal_axes(axis, len(shape_of(x)), "logsumexp")
    if b is not None:
        return _weighted_logsumexp(x, b, axes, keepdims)
    if not all([shape_of(x)[a] for a in axes]):
        return add(reduced(reduce_sum, x, axes, keepdims), -math.inf)  # of no exponentials
    _, terms, total, top = _exponentials(stop_gradient(x), axes)
    weights = sums.softmax_of(divide(terms, total), x, axes=axes)
    y = _kept(add(log(total), top), axes, False)
    y = sums.logsumexp_of(y, weights, x, axes=axes)
    return reshape(y, shape_of(top)) if keepdims else y


def _weighted_logsumexp(x: Any, b: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not is_traced((b,)):
        x = where(eq(as_array(b, "logsumexp"), 0), -math.inf, x)  # a factor 0 hides its exponent, even the largest
    top = reduced(reduce_max, stop_gradient(real(x) if x.dtype.kind == "c" else x), axes, True)
    top = select(isfinite(top), top, 0)
    y = add(log(reduced(reduce_sum, multiply(exp(subtract(x, top)), b), axes, True)), top)
    return _kept(y, axes, keepdims)


def _kept(y: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return y if keepdims else reshape(y, [n for i, n in enumerate(shape_of(y)) if i not in axes])
