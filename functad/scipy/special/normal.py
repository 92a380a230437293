"""The error function's family, and the normal distribution."""

from __future__ import annotations

import math

import scipy.special as sp

from functad.numpy.elementwise import declare, prepared, unary
from functad.primitives import inverse_error, special
from functad.primitives.arithmetic import mul
from functad.primitives.scipy_special import normal as family
from functad.scipy.special.declaring import real

__all__ = [
    "dawsn", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv", "log_ndtr", "ndtr", "ndtri", "ndtri_exp",
]  # fmt: skip

erf = unary(sp.erf, special.erf, "f")
erfc = unary(sp.erfc, special.erfc, "f")
erfinv = unary(sp.erfinv, inverse_error.erfinv, "f")
erfcinv = unary(sp.erfcinv, inverse_error.erfcinv, "f")
erfcx = real(sp.erfcx, family.erfcx)
erfi = real(sp.erfi, family.erfi)
dawsn = real(sp.dawsn, family.dawsn)
ndtr = declare(sp.ndtr, lambda x: mul(special.erfc(mul(*prepared(sp.ndtr, (x,)), -math.sqrt(0.5))), 0.5))
ndtri = real(sp.ndtri, family.ndtri)
log_ndtr = real(sp.log_ndtr, family.log_ndtr)
ndtri_exp = real(sp.ndtri_exp, family.ndtri_exp)
