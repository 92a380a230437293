"""``scipy.special`` for traced values.

SciPy's ufuncs (``scipy.special.erf(x)``) work on traced values as they are; its other functions (``logsumexp``,
``softmax``, ``log_softmax``, ``polygamma``) are to be taken from here. Every name that is not defined here is SciPy's
own.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import scipy.special as sp

from functad import nn
from functad.core.trace import type_name
from functad.errors import ArgumentError
from functad.numpy.dispatch import TABLE, implements, named_after, register
from functad.numpy.elementwise import binary, declare, prepared, unary
from functad.numpy.traced import here
from functad.primitives import beta, entropy, exponential, inverse_error, special
from functad.primitives.arithmetic import mul, neg, sub
from functad.primitives.bitwise import bit_and, bit_not, bit_or
from functad.primitives.comparison import eq, ge, gt, le
from functad.primitives.selection import select

__all__ = [
    "betaln", "digamma", "entr", "erf", "erfc", "erfcinv", "erfinv", "expit", "gammaln", "kl_div", "log_expit",
    "log_softmax", "logit", "logsumexp", "ndtr", "ndtri", "polygamma", "psi", "rel_entr", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

# -- error function, gamma function ------------------------------------------------------------------------------------

erf = unary(sp.erf, special.erf, "f")
erfc = unary(sp.erfc, special.erfc, "f")
erfinv = unary(sp.erfinv, inverse_error.erfinv, "f")
erfcinv = unary(sp.erfcinv, inverse_error.erfcinv, "f")
gammaln = unary(sp.gammaln, special.lgamma, "f")
digamma = psi = unary(sp.psi, special.digamma, "f")
ndtr = declare(sp.ndtr, lambda x: mul(special.erfc(mul(*prepared(sp.ndtr, (x,)), -math.sqrt(0.5))), 0.5))


ndtri = declare(sp.ndtri, lambda x: mul(inverse_error.erfcinv(mul(*prepared(sp.ndtri, (x,)), 2)), -math.sqrt(2)))

betaln = binary(sp.betaln, beta.betaln, "f")


@implements(sp.polygamma)
def polygamma(n: Any, x: Any) -> Any:
    """``scipy.special.polygamma``; the order is a plain integer."""
    try:
        order = operator.index(n)
    except TypeError:
        raise ArgumentError(
            f"scipy.special.polygamma{here()}: the order must be a plain integer, got {type_name(n)}"
        ) from None
    return special.polygamma(nn.floating(x, "polygamma"), order)


# -- logistic function -------------------------------------------------------------------------------------------------

expit = unary(sp.expit, exponential.sigmoid, "f")
log_expit = declare(sp.log_expit, lambda x: neg(exponential.softplus(neg(*prepared(sp.log_expit, (x,))))))


def _logit(x: Any) -> Any:
    (x,) = prepared(sp.logit, (x,))
    return sub(exponential.log(x), exponential.log1p(neg(x)))


logit = declare(sp.logit, _logit)

# -- x log y and entropies: 0 log 0 is 0, and so are its derivatives ---------------------------------------------------


def _times_log(ufunc: np.ufunc, logarithm: Any, lowest: float) -> Any:
    """``x * logarithm(y)``, and 0 where x is 0 and y not within (lowest, inf): no logarithm is taken there, no infinity
    reaches a derivative.
    """

    def f(x: Any, y: Any) -> Any:
        x, y = prepared(ufunc, (x, y))
        corner = bit_and(eq(x, 0), bit_or(le(y, lowest), eq(y, math.inf)))
        return select(corner, 0, mul(x, logarithm(select(corner, 1, y))))

    return declare(ufunc, f)


xlogy = _times_log(sp.xlogy, exponential.log, 0)
xlog1py = _times_log(sp.xlog1py, exponential.log1p, -1)


def _entr(x: Any) -> Any:
    (x,) = prepared(sp.entr, (x,))
    inside = bit_not(ge(0, x))
    value = neg(mul(x, exponential.log(select(inside, x, 1))))
    return select(inside, value, select(eq(x, 0), x.dtype.type(0), -math.inf))


def _relative(ufunc: np.ufunc, difference: bool) -> Any:
    """``x log(x / y)``, with ``- x + y`` for the Kullback-Leibler divergence; infinite where x or y is negative."""

    def f(x: Any, y: Any) -> Any:
        x, y = prepared(ufunc, (x, y))
        inside = bit_and(gt(x, 0), gt(y, 0))
        p, q = select(inside, x, 1), select(inside, y, 1)
        value = entropy.relative_entropy(p, q) if difference else mul(p, entropy.log_ratio(p, q))
        boundary = select(bit_and(eq(x, 0), ge(y, 0)), y if difference else x.dtype.type(0), math.inf)
        unknown = bit_not(bit_and(eq(x, x), eq(y, y)))
        return select(inside, value, select(unknown, math.nan, boundary))

    return declare(ufunc, f)


entr = declare(sp.entr, _entr)
rel_entr, kl_div = _relative(sp.rel_entr, False), _relative(sp.kl_div, True)

# -- sums of exponentials ----------------------------------------------------------------------------------------------

logsumexp = implements(sp.logsumexp)(nn.logsumexp)


@implements(sp.softmax)
def softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.softmax``: exponentials divided by their sum."""
    return nn.softmax(x, axis)


@implements(sp.log_softmax)
def log_softmax(x: Any, axis: Any = None) -> Any:
    """``scipy.special.log_softmax``: the logarithm of ``softmax``, without its overflow."""
    return nn.log_softmax(x, axis)


# -- functions that NumPy has too --------------------------------------------------------------------------------------

for _name in ("cbrt", "exp2", "expm1", "log1p"):
    register(getattr(sp, _name), TABLE[getattr(np, _name)])

named_after({"__name__": __name__, **{name: globals()[name] for name in __all__}})


def __getattr__(name: str) -> Any:
    return getattr(sp, name)
