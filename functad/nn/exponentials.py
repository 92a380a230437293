"""Sums of exponentials: ``softmax``, ``log_softmax``, ``logsumexp``, ``logmeanexp``.

The largest exponent is taken out. Values are computed first, as constants, then derivatives as a whole.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.nn.operands import floating
from functad.numpy.axes import normal_axes
from functad.numpy.indexing import where as where_holds
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.reductions import reduced
from functad.numpy.shapes import broadcast_to
from functad.numpy.traced import is_traced
from functad.numpy.ufuncs import absolute, add, divide, exp, log, multiply, sign, subtract
from functad.primitives import softmax as sums
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.comparison import eq, isfinite
from functad.primitives.complex import real
from functad.primitives.reductions import reduce_max
from functad.primitives.selection import select
from functad.primitives.shapes import reshape
from functad.primitives.stops import stop_gradient

__all__ = ["log_softmax", "logmeanexp", "logsumexp", "softmax"]


def _exponentials(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """x less its largest element over axes (0 where that is not finite), the exponentials of that, their sum, the
    largest element.
    """
    top = reduced(reduce_max, real(x) if x.dtype.kind == "c" else x, axes, True)
    top = select(isfinite(top), top, 0)
    shifted = subtract(x, top)
    terms = exp(shifted)
    return shifted, terms, reduced(reduce_sum, terms, axes, True), top


def softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """Exponentials divided by their sum over axes, of the elements that a mask ``where`` takes; 0 for the others.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.softmax(np.array([0.0, 0.0, 100.0]), where=np.array([True, True, False]))
    array([0.5, 0.5, 0. ])
    """
    y = _taken(floating(x, "softmax"), where)
    axes = normal_axes(axis, len(shape_of(y)), "softmax")
    _, terms, total, _ = _exponentials(stop_gradient(y), axes)
    if where is None:
        return sums.softmax_of(divide(terms, total), y, axes=axes)
    total = select(eq(total, 0), 1, total)  # of none, all of them are 0
    return where_holds(where, sums.softmax_of(divide(terms, total), y, axes=axes), 0)


def log_softmax(x: Any, axis: Any = -1, where: Any = None) -> Any:
    """The logarithm of ``softmax``, without its overflow; -inf where a mask ``where`` takes nothing.

    Examples
    --------
    >>> from functad import nn
    >>> nn.log_softmax([-1.0, 0.5, 4.0])
    array([-5.03626957, -3.53626957, -0.03626957])
    """
    y = _taken(floating(x, "log_softmax"), where)
    axes = normal_axes(axis, len(shape_of(y)), "log_softmax")
    shifted, terms, total, _ = _exponentials(stop_gradient(y), axes)
    weights = sums.softmax_of(divide(terms, total), y, axes=axes)
    found = sums.log_softmax_of(subtract(shifted, log(total)), weights, y, axes=axes)
    return found if where is None else where_holds(where, found, -math.inf)


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False, where: Any = None
) -> Any:
    """The logarithm of a sum of exponentials over axes, without overflow; ``b`` are the factors of the exponentials.

    With ``return_sign`` the logarithm of the absolute value of the sum, and its sign. Only elements that a mask
    ``where`` takes are summed.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.logsumexp(np.array([1000.0, 1000.0]), b=np.array([1.0, -3.0]), return_sign=True)
    (np.float64(1000.6931471805599), np.float64(-1.0))
    """
    x = _taken(floating(a, "logsumexp"), where)
    axes = normal_axes(axis, len(shape_of(x)), "logsumexp")
    if b is not None or return_sign:
        return _weighted_logsumexp(x, 1.0 if b is None else b, axes, keepdims, return_sign)
    if not all([shape_of(x)[a] for a in axes]):
        return add(reduced(reduce_sum, x, axes, keepdims), -math.inf)  # of no exponentials
    _, terms, total, top = _exponentials(stop_gradient(x), axes)
    weights = sums.softmax_of(divide(terms, total), x, axes=axes)
    y = _kept(add(log(total), top), axes, False)
    y = sums.logsumexp_of(y, weights, x, axes=axes)
    return reshape(y, shape_of(top)) if keepdims else y


def logmeanexp(x: Any, axis: Any = None, where: Any = None, keepdims: bool = False) -> Any:
    """The logarithm of the mean of exponentials over axes, without overflow; options as of `logsumexp`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.logmeanexp(np.array([1000.0, 1000.0]))
    np.float64(1000.0)
    """
    y = floating(x, "logmeanexp")
    shape, axes = shape_of(y), normal_axes(axis, len(shape_of(y)), "logmeanexp")
    if where is None:
        count: Any = float(math.prod([shape[a] for a in axes]))
    else:
        mask = broadcast_to(as_array(where, "logmeanexp"), shape)
        count = reduced(reduce_sum, cast(mask, y.dtype), axes, keepdims)
    return subtract(logsumexp(y, axis, keepdims=keepdims, where=where), log(count))


def _taken(x: Any, where: Any) -> Any:
    """The exponents with -inf where a mask takes nothing."""
    return x if where is None else where_holds(where, x, -math.inf)


def _weighted_logsumexp(x: Any, b: Any, axes: tuple[int, ...], keepdims: bool, return_sign: bool) -> Any:
    if not is_traced((b,)):
        x = where_holds(
            eq(as_array(b, "logsumexp"), 0), -math.inf, x
        )  # a factor 0 hides its exponent, even the largest
    top = reduced(reduce_max, stop_gradient(real(x) if x.dtype.kind == "c" else x), axes, True)
    top = select(isfinite(top), top, 0)
    total = reduced(reduce_sum, multiply(exp(subtract(x, top)), b), axes, True)
    if return_sign:
        return _kept(add(log(absolute(total)), top), axes, keepdims), _kept(sign(total), axes, keepdims)
    return _kept(add(log(total), top), axes, keepdims)


def _kept(y: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if keepdims:
        return y
    found = reshape(y, [n for i, n in enumerate(shape_of(y)) if i not in axes])
    return found[()] if isinstance(found, np.ndarray) else found
