"""The inverses of the error function and of its complement.

With w = -log(1 - x^2), y = erfinv(x) is x p(w) near 0, and nearly sqrt(w) in the tail; the polynomials p are minimax
fits to 7 digits or more, in the variables that M. Giles found (*Approximating the erfinv function*, GPU Computing Gems,
2012), with a third range for arguments of erfcinv down to the smallest number. One step of Halley's method triples the
digits: with f(y) = erf(y) - x, f'' / f' = -2 y and u = f / f',

    y - u / (1 + y u)

where f comes from whichever of erf and erfc has all its digits. Where erfc comes near the smallest normal number its
logarithm is taken instead, in one step of Newton's: log erfc(y) = -y^2 - log(y sqrt(pi)) + log s(y), with the
asymptotic series s(y) = 1 - v + 3 v^2 - 15 v^3 + ... of v = 1 / 2 y^2, and -2 y / s(y) as its derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from functad.kernel_ir.ops import in_single
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import mul, neg
from functad.primitives.elementwise import Op, elementwise, single_rounding
from functad.primitives.exponential import exp

__all__ = ["erfcinv", "erfinv"]

# y / x, in w - 2.5, for w < 5
CENTER = (
    1.50140942, 0.246640727, -0.0041777094, -0.00125370726, 0.000218602564, -4.39704003e-06, -3.52891184e-06,
    3.43761688e-07, 2.85399961e-08,
)  # fmt: skip

# y, in sqrt(w) - 4.218034, for sqrt(w) < 6.1, where q = 1 - x is at least 2^-53
TAIL = (
    4.059939, 1.00992247, 0.000770534893, -0.000610909082, 0.000217526985, -7.46238146e-05, 1.62396937e-05,
    -6.82688337e-07,
)  # fmt: skip

# y / sqrt(w), in 1 / sqrt(w) - 0.1015815085, beyond
FAR = (
    0.988792644, -0.170181919, -0.342182403, 1.61351568, -3.98474884, 14.3673053, -109.730117, 727.157275,
)  # fmt: skip


SERIES = (1, -1, 3, -15, 105, -945, 10395, -135135)


def _polynomial(b: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    *others, value = coefficients
    value = b.const(value, x.dtype)
    for c in reversed(others):
        value = b.add(b.mul(value, x), c)
    return value


def _magnitude(b: Any, x: Any, q: Any) -> Any:
    """The inverse at x >= 0, where q = 1 - x is a rounded number: 0 or at least 2^-53."""
    w = b.neg(b.log(b.mul(q, b.sub(2, q))))
    near = b.mul(x, _polynomial(b, b.sub(w, 2.5), CENTER))
    tail = _polynomial(b, b.sub(b.sqrt(w), 4.218034), TAIL)
    return b.select(b.eq(q, 0), math.inf, _improved(b, b.select(b.lt(w, 5), near, tail), x, q))


def _improved(b: Any, y: Any, x: Any, q: Any) -> Any:
    """One step of Halley's."""
    wrong = b.select(b.lt(x, 0.5), b.sub(b.erf(y), x), b.sub(q, b.erfc(y)))
    u = b.div(b.mul(wrong, math.sqrt(math.pi) / 2), b.exp(b.neg(b.mul(y, y))))
    return b.sub(y, b.div(u, b.add(1, b.mul(y, u))))


def _in_logarithms(b: Any, y: Any, q: Any) -> Any:
    """What y is too large by, for log erfc(y) = log q."""
    series = _polynomial(b, b.div(0.5, b.mul(y, y)), SERIES)
    wrong = b.sub(b.sub(b.log(b.div(series, b.mul(y, math.sqrt(math.pi)))), b.log(q)), b.mul(y, y))
    return b.neg(b.div(b.mul(wrong, series), b.mul(y, 2)))


def _erfinv_kernel(b: Any, x: Any) -> Any:
    a = b.abs(x)
    return b.copysign(_magnitude(b, a, b.sub(1, a)), x)


def _erfcinv_kernel(b: Any, x: Any) -> Any:
    q = b.minimum(x, b.sub(2, x))
    s = b.sqrt(b.neg(b.log(b.mul(q, b.sub(2, q)))))
    far = b.mul(s, _polynomial(b, b.sub(b.div(1, s), 0.1015815085), FAR))
    improved = b.select(b.lt(s, 20), _improved(b, far, b.sub(1, q), q), b.sub(far, _in_logarithms(b, far, q)))
    y = b.select(b.lt(s, 6), _magnitude(b, b.sub(1, q), q), b.select(b.eq(q, 0), math.inf, improved))
    return b.select(b.ge(x, 1), b.neg(y), y)


@in_single
def _erfinv(x: Any) -> Any:
    from scipy.special import erfinv

    return np.copysign(erfinv(x), x)  # SciPy's gives 0 at -0


@in_single
def _erfcinv(x: Any) -> Any:
    from scipy.special import erfcinv

    return erfcinv(x)


def _steepness(y: Any) -> Any:
    """1 / erf'(y)."""
    return mul(exp(mul(y, y)), math.sqrt(math.pi) / 2)


# y = erfinv x, dx = erf'(y) dy
erfinv: Op = elementwise(
    "erfinv", _erfinv, kinds="f", low=-0.9, high=0.9, singular=True,
    jvp=lambda t, y, x: mul(t, _steepness(y)),
    kernel=Pointwise(single_rounding(_erfinv_kernel)),
    doc="The inverse of the error function.",
)  # fmt: skip

erfcinv: Op = elementwise(
    "erfcinv", _erfcinv, kinds="f", low=0.1, high=1.9, singular=True,
    jvp=lambda t, y, x: neg(mul(t, _steepness(y))),
    kernel=Pointwise(single_rounding(_erfcinv_kernel)),
    doc="The inverse of ``erfc``, precise where its argument is small.",
)  # fmt: skip
