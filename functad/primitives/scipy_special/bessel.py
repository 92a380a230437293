"""Bessel functions of real order, and Airy functions. Derivatives in the argument are those of neighbouring orders, so
they are right at 0 too:

    J_v' = (J_(v-1) - J_(v+1)) / 2,    I_v' = (I_(v-1) + I_(v+1)) / 2,    K_v' = -(K_(v-1) + K_(v+1)) / 2

and those of Y as those of J.

With a factor e^-|x| (``ive``), or e^x (``kve``), the function itself is taken from that, or added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.primitives.arithmetic import add, mul, neg, sub
from functad.primitives.elementwise import Op
from functad.primitives.rounding import sign
from functad.primitives.scipy_special.library import library, library_result, unknown

__all__ = [
    "ai", "aip", "bi", "bip", "iv", "ive", "j0", "j1", "jv", "k0", "k0e", "k1", "k1e", "kv", "kve", "y0", "y1",
    "yv",
]  # fmt: skip


def _neighbours(f: Callable[[], Any], combine: Any, factor: float) -> Any:
    """``factor`` times the sum or difference of the orders beside v."""
    return lambda t, y, v, x: mul(t, mul(combine(f()(sub(v, 1), x), f()(add(v, 1), x)), factor))


jv: Op = library(
    "jv", (unknown("jv", "v"), _neighbours(lambda: jv, sub, 0.5)), doc="The Bessel function of the first kind."
)
yv: Op = library(
    "yv", (unknown("yv", "v"), _neighbours(lambda: yv, sub, 0.5)), doc="The Bessel function of the second kind."
)
iv: Op = library(
    "iv", (unknown("iv", "v"), _neighbours(lambda: iv, add, 0.5)), doc="The modified Bessel function of the first kind."
)
kv: Op = library(
    "kv",
    (unknown("kv", "v"), _neighbours(lambda: kv, add, -0.5)),
    doc="Macdonald's function.",
)


def _scaled_first(t: Any, y: Any, v: Any, x: Any) -> Any:
    beside = mul(add(ive(sub(v, 1), x), ive(add(v, 1), x)), 0.5)
    return mul(t, sub(beside, mul(sign(x), y)))


def _scaled_second(t: Any, y: Any, v: Any, x: Any) -> Any:
    return mul(t, sub(y, mul(add(kve(sub(v, 1), x), kve(add(v, 1), x)), 0.5)))


ive: Op = library("ive", (unknown("ive", "v"), _scaled_first), doc="exp(-abs(x)) iv(v, x).")
kve: Op = library("kve", (unknown("kve", "v"), _scaled_second), doc="exp(x) kv(v, x).")

# -- orders 0 and 1, which are faster by themselves --------------------------------------------------------------------


def _order(n: int, like: Any) -> Any:
    return like.dtype.type(n)


j0: Op = library("j0", lambda t, y, x: neg(mul(t, j1(x))), singular=False, low=-3.0, high=3.0)
j1: Op = library(
    "j1", lambda t, y, x: mul(t, mul(sub(j0(x), jv(_order(2, x), x)), 0.5)), singular=False, low=-3.0, high=3.0
)
y0: Op = library("y0", lambda t, y, x: neg(mul(t, y1(x))))
y1: Op = library("y1", lambda t, y, x: mul(t, mul(sub(y0(x), yv(_order(2, x), x)), 0.5)))
k0: Op = library("k0", lambda t, y, x: neg(mul(t, k1(x))))
k1: Op = library("k1", lambda t, y, x: mul(t, mul(add(k0(x), kv(_order(2, x), x)), -0.5)))
k0e: Op = library("k0e", lambda t, y, x: mul(t, sub(y, k1e(x))))
k1e: Op = library("k1e", lambda t, y, x: mul(t, sub(y, mul(add(k0e(x), kve(_order(2, x), x)), 0.5))))

# -- Airy functions: Ai'' = x Ai ---------------------------------------------------------------------------------------

ai: Op = library_result("airy", 4, 0, "airy_ai", lambda t, y, x: mul(t, aip(x)), low=-2.0)
aip: Op = library_result("airy", 4, 1, "airy_aip", lambda t, y, x: mul(t, mul(x, ai(x))), low=-2.0)
bi: Op = library_result("airy", 4, 2, "airy_bi", lambda t, y, x: mul(t, bip(x)), low=-2.0)
bip: Op = library_result("airy", 4, 3, "airy_bip", lambda t, y, x: mul(t, mul(x, bi(x))), low=-2.0)
