"""The inverses of the error function and of its complement.

With w = -log(1 - x^2), y = erfinv(x) is x + x p(w) near 0, and sqrt(w) + p(sqrt(w)) in the tail: the variables that
M. Giles found (*Approximating the erfinv function*, GPU Computing Gems, 2012), with polynomials p in Chebyshev's basis
that have all digits, and small values, whose errors hardly count: y is right to 2 ulp.

For arguments of erfcinv down to the smallest number a third polynomial has 7 digits. One step of Halley's method
triples them: with f(y) = q - erfc(y), f'' / f' = -2 y and u = f / f',

    y - u / (1 + y u)

Where erfc comes near the smallest normal number its logarithm is taken instead, in one step of Newton's: log erfc(y) =
-y^2 - log(y sqrt(pi)) + log s(y), with the asymptotic series s(y) = 1 - v + 3 v^2 - 15 v^3 + ... of v = 1 / 2 y^2, and
-2 y / s(y) as its derivative.
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

# y / x - 1, in w - 2.5, for w < 5, to 2^-58
CENTER = (
    0.5014093511107919, 0.246640276744167, -0.004177317724383607, -0.0012527079078110232,
    0.00021825026434395416, -4.996079598880914e-06, -3.4166195962980463e-06, 4.787252185723665e-07,
    1.341680341361307e-08, -1.0861168980361397e-08, 9.073039045025906e-10, 1.1960701013722818e-10,
    -3.110290534475585e-11, 9.1155884801856e-13, 5.356697593657717e-13, -7.612520467890758e-14,
    -2.8879136468547892e-15, 1.896540854369535e-15, -1.3580845591187064e-16, -2.681526668082796e-17,
    4.854792591485421e-18, 1.696837208292994e-19, -6.731949094532125e-20,
)  # fmt: skip

# y - sqrt(w), in sqrt(w) - 4.1875, for sqrt(w) < 6.1, where q = 1 - x is at least 2^-53, to 2^-56
TAIL = (
    -0.15839733160076952, 0.009882244183810762, 0.0008303041016524022, -0.0006596122278095519,
    0.0002264622248240248, -6.347789292634993e-05, 1.5957521417650498e-05, -3.607215798419751e-06,
    6.570623075837093e-07, -3.548854956763085e-08, -5.123415894531013e-08, 3.606659449591587e-08,
    -1.5482444577773034e-08, 4.514945711826123e-09, -6.012132768334993e-10, -2.4160021123979503e-10,
    2.0584039458235854e-10, -7.136578241729718e-11, 8.226347591971237e-12, 2.2052575162201337e-12,
    -7.310018616129853e-13, 5.194439283533531e-13, -3.8342229538449537e-13, 3.26103504827138e-14,
    4.924271816729456e-14, -1.1030808276939113e-14, -1.7930334460780242e-15, 5.457620733155371e-16,
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
    near = b.add(x, b.mul(x, _polynomial(b, b.sub(w, 2.5), CENTER)))
    s = b.sqrt(w)
    tail = b.add(s, _polynomial(b, b.sub(s, 4.1875), TAIL))
    return b.select(b.eq(q, 0), math.inf, b.select(b.lt(w, 5), near, tail))


def _improved(b: Any, y: Any, q: Any) -> Any:
    """One step of Halley's."""
    u = b.div(b.mul(b.sub(q, b.erfc(y)), math.sqrt(math.pi) / 2), b.exp(b.neg(b.mul(y, y))))
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
    improved = b.select(b.lt(s, 20), _improved(b, far, q), b.sub(far, _in_logarithms(b, far, q)))
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
