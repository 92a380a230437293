"""Activation functions that are used less. At a joint of two pieces, the derivative is that of the piece which is named
last in what a function says of itself.
"""

from __future__ import annotations

import math
from typing import Any

from functad.errors import ShapeError
from functad.nn.activations import elu, gated, sigmoid
from functad.nn.operands import floating, real_floating
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, shape_of
from functad.numpy.shapes import part
from functad.numpy.traced import here
from functad.numpy.ufuncs import add, divide, hypot, multiply, negative, sqrt, subtract
from functad.primitives import exponential
from functad.primitives.arithmetic import mul
from functad.primitives.comparison import ge, gt, isinf, le
from functad.primitives.hyperbolic import tanh as strict_tanh
from functad.primitives.rounding import absolute, sign
from functad.primitives.selection import select

__all__ = [
    "celu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity", "log1mexp", "log_sigmoid",
    "mish", "relu6", "selu", "soft_sign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh",
]  # fmt: skip


def identity(x: Any) -> Any:
    """x.

    Examples
    --------
    >>> from functad import nn
    >>> nn.identity([-1.0, 0.5, 4.0])
    array([-1. ,  0.5,  4. ])
    """
    return as_array(x, "identity")


def tanh(x: Any) -> Any:
    """The hyperbolic tangent.

    Examples
    --------
    >>> from functad import nn
    >>> nn.tanh([-1.0, 0.5, 4.0])
    array([-0.76159416,  0.46211716,  0.9993293 ])
    """
    return strict_tanh(floating(x, "tanh"))


# -- pieces of lines ---------------------------------------------------------------------------------------------------


def _between(y: Any, low: float, high: float, inside: Any, below: Any, above: Any) -> Any:
    """Three pieces; ``inside`` is evaluated between its ends alone."""
    first, last = le(y, low), ge(y, high)
    return select(first, below, select(last, above, inside(select(first, low, select(last, high, y)))))


def relu6(x: Any) -> Any:
    """x between 0 and 6, 0 below, and 6 above.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.relu6(np.array([-1.0, 2.0, 7.0]))
    array([0., 2., 6.])
    """
    y = real_floating(x, "relu6")
    return _between(y, 0, 6, lambda y: y, 0, 6)


def hard_tanh(x: Any) -> Any:
    """x between -1 and 1, -1 below, and 1 above.

    Examples
    --------
    >>> from functad import nn
    >>> nn.hard_tanh([-1.0, 0.5, 4.0])
    array([-1. ,  0.5,  1. ])
    """
    y = real_floating(x, "hard_tanh")
    return _between(y, -1, 1, lambda y: y, -1, 1)


def hard_sigmoid(x: Any) -> Any:
    """(x + 3) / 6 between -3 and 3, 0 below, and 1 above.

    Examples
    --------
    >>> from functad import nn
    >>> nn.hard_sigmoid([-1.0, 0.5, 4.0])
    array([0.33333333, 0.58333333, 1.        ])
    """
    y = real_floating(x, "hard_sigmoid")
    return _between(y, -3, 3, lambda y: divide(add(y, 3), 6), 0, 1)


def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.hard_silu(np.array([-np.inf, 0.0, 3.0, np.inf]))
    array([ 0.,  0.,  3., inf])
    """
    y = real_floating(x, "hard_silu")
    return _between(y, -3, 3, lambda y: mul(y, divide(add(y, 3), 6)), 0, y)


hard_swish = hard_silu


def sparse_sigmoid(x: Any) -> Any:
    """(x + 1) / 2 between -1 and 1, 0 below, and 1 above: the derivative of `sparse_plus`.

    Examples
    --------
    >>> from functad import nn
    >>> nn.sparse_sigmoid([-1.0, 0.5, 4.0])
    array([0.  , 0.75, 1.  ])
    """
    y = real_floating(x, "sparse_sigmoid")
    return _between(y, -1, 1, lambda y: mul(add(y, 1), 0.5), 0, 1)


def sparse_plus(x: Any) -> Any:
    """(x + 1)² / 4 between -1 and 1, 0 below, and x above.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.sparse_plus(np.array([-2.0, 0.0, 1.0, 3.0]))
    array([0.  , 0.25, 1.  , 3.  ])
    """
    y = real_floating(x, "sparse_plus")
    return _between(y, -1, 1, lambda y: mul(mul(add(y, 1), add(y, 1)), 0.25), 0, y)


# -- smooth ones -------------------------------------------------------------------------------------------------------


def log1mexp(x: Any) -> Any:
    """log(1 - exp(-x)), with all digits where x is small or large.

    Examples
    --------
    >>> from functad import nn
    >>> nn.log1mexp(50.0)
    np.float64(-1.9287498479639...e-22)
    """
    return exponential.log1mexp(negative(real_floating(x, "log1mexp")))


def log_sigmoid(x: Any) -> Any:
    """The logarithm of `sigmoid`, without overflow.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.log_sigmoid(-1000.0)
    np.float64(-1000.0)
    """
    return negative(exponential.softplus(negative(real_floating(x, "log_sigmoid"))))


def soft_sign(x: Any) -> Any:
    """x / (1 + abs(x)).

    Examples
    --------
    >>> from functad import nn
    >>> nn.soft_sign([-1.0, 0.5, 4.0])
    array([-0.5       ,  0.33333333,  0.8       ])
    """
    y = real_floating(x, "soft_sign")
    far = isinf(y)
    near = select(far, 0, y)
    return select(far, sign(y), divide(near, add(absolute(near), 1)))


def celu(x: Any, alpha: Any = 1.0) -> Any:
    """x where it is positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Examples
    --------
    >>> from functad import nn
    >>> nn.celu([-1.0, 0.5, 4.0])
    array([-0.63212056,  0.5       ,  4.        ])
    """
    y = floating(x, "celu")
    positive = gt(y, 0)
    return select(positive, y, multiply(exponential.expm1(divide(select(positive, 0, y), alpha)), alpha))


ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
"""Those at which means of 0 and variances of 1 are kept (Klambauer and others, "Self-Normalizing Neural Networks",
2017).
"""


def selu(x: Any) -> Any:
    """`elu`, scaled such that means of 0 and variances of 1 are kept.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.selu(1.0)
    np.float64(1.0507009873554805)
    """
    return mul(elu(floating(x, "selu"), ALPHA), SCALE)


def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))``.

    Examples
    --------
    >>> from functad import nn
    >>> nn.mish([-1.0, 0.5, 4.0])
    array([-0.30340146,  0.37524521,  3.99741281])
    """
    return gated(real_floating(x, "mish"), 800, lambda y: strict_tanh(exponential.softplus(y)))


def squareplus(x: Any, b: Any = 4) -> Any:
    """(x + sqrt(x² + b)) / 2, without overflow or cancellation.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.squareplus(0.0), fd.nn.squareplus(-1e9)
    (np.float64(1.0), np.float64(1e-09))
    """
    y = real_floating(x, "squareplus")
    root = math.sqrt(b) if type(b) in (int, float) else sqrt(b)
    first = le(y, 0)
    below, above = select(first, y, -1), select(first, 0, y)
    small = divide(b, multiply(subtract(hypot(below, root), below), 2))  # (sqrt(x^2 + b) - x) (sqrt(x^2 + b) + x) = b
    return select(first, small, multiply(add(above, hypot(above, root)), 0.5))


def glu(x: Any, axis: int = -1) -> Any:
    """The first half of x along an axis times `sigmoid` of the second.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.nn.glu(np.array([1.0, 2.0, 0.0, 100.0]))
    array([0.5, 2. ])
    """
    y = real_floating(x, "glu")
    axis = normal_axis(axis, len(shape_of(y)), "glu")
    n = shape_of(y)[axis]
    if n % 2:
        raise ShapeError(f"nn.glu{here()}: the axis {axis} has {n} elements, and cannot be halved")
    return multiply(part(y, axis, 0, n // 2), sigmoid(part(y, axis, n // 2, n)))
