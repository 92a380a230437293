"""Logistic functions, products with logarithms and entropies, robust losses, Box and Cox's transformations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from functad.numpy.elementwise import declare, prepared, unary
from functad.primitives import entropy, exponential
from functad.primitives.arithmetic import div, mul, neg, sub
from functad.primitives.bitwise import bit_and, bit_not, bit_or
from functad.primitives.comparison import eq, ge, gt, le, lt
from functad.primitives.rounding import absolute
from functad.primitives.scipy_special import losses, relative
from functad.primitives.scipy_special.relative import exprel as _exprel
from functad.primitives.scipy_special.relative import log1prel
from functad.primitives.selection import select
from functad.primitives.trigonometric import sin
from functad.scipy.special.declaring import real

__all__ = [
    "boxcox", "boxcox1p", "cosm1", "entr", "expit", "exprel", "huber", "inv_boxcox", "inv_boxcox1p", "kl_div",
    "log_expit", "logit", "powm1", "pseudo_huber", "rel_entr", "xlog1py", "xlogy",
]  # fmt: skip

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
        if x.dtype.kind == "c":
            corner = bit_and(eq(x, 0), eq(y, y))
            return select(corner, 0, mul(x, logarithm(select(corner, 1, y))))
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

# -- losses ------------------------------------------------------------------------------------------------------------


def _huber(delta: Any, r: Any) -> Any:
    size = absolute(r)
    quadratic = mul(mul(r, r), 0.5)
    linear = mul(delta, sub(size, mul(delta, 0.5)))
    return select(lt(delta, 0), math.inf, select(le(size, delta), quadratic, linear))


def _pseudo_huber(delta: Any, r: Any) -> Any:
    return select(lt(delta, 0), math.inf, losses.pseudo_huber(select(lt(delta, 0), 1, delta), r))


huber = real(sp.huber, _huber)
pseudo_huber = real(sp.pseudo_huber, _pseudo_huber)

# -- Box and Cox: (x^l - 1) / l, and its limit log x where l is 0 ------------------------------------------------------


def _transformed(logarithm: Any, x: Any, power: Any, bound: float) -> Any:
    """``logarithm(x) * exprel(power * logarithm(x))``; -1 / power where x is at the bound."""
    corner = bit_and(eq(x, bound), ge(power, 0))
    log = logarithm(select(corner, 1, x))
    limit = neg(div(1.0, select(bit_and(corner, gt(power, 0)), power, 0.0)))
    return select(corner, limit, mul(log, _exprel(mul(power, log))))


boxcox = real(sp.boxcox, lambda x, power: _transformed(exponential.log, x, power, 0))
boxcox1p = real(sp.boxcox1p, lambda x, power: _transformed(exponential.log1p, x, power, -1))


def _inverse(y: Any, power: Any) -> Any:
    """log(1 + power y) / power."""
    return mul(y, log1prel(mul(power, y)))


inv_boxcox = real(sp.inv_boxcox, lambda y, power: exponential.exp(_inverse(y, power)))
inv_boxcox1p = real(sp.inv_boxcox1p, lambda y, power: exponential.expm1(_inverse(y, power)))

# -- differences from 1 ------------------------------------------------------------------------------------------------

exprel = real(sp.exprel, _exprel)
powm1 = real(sp.powm1, relative.powm1)


def _cosm1(x: Any) -> Any:
    s = sin(mul(x, 0.5))
    return mul(mul(s, s), -2)


cosm1 = real(sp.cosm1, _cosm1)
