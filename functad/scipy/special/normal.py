"""The error function's family, and the normal distribution."""

from __future__ import annotations

import math

import scipy.special as sp

from functad.numpy.elementwise import unary
from functad.primitives import inverse_error, special
from functad.primitives.arithmetic import mul
from functad.primitives.scipy_special import complex_error
from functad.primitives.scipy_special import normal as family
from functad.scipy.special.declaring import of_complex, real

__all__ = [
    "dawsn", "erf", "erfc", "erfcinv", "erfcx", "erfi", "erfinv", "log_ndtr", "ndtr", "ndtri", "ndtri_exp", "wofz",
]  # fmt: skip

erf = unary(sp.erf, special.erf, "f", complex_error.erf)
erfc = unary(sp.erfc, special.erfc, "f", complex_error.erfc)
erfinv = unary(sp.erfinv, inverse_error.erfinv, "f")
erfcinv = unary(sp.erfcinv, inverse_error.erfcinv, "f")
erfcx = real(sp.erfcx, family.erfcx, complex_error.erfcx)
erfi = real(sp.erfi, family.erfi, complex_error.erfi)
dawsn = real(sp.dawsn, family.dawsn, complex_error.dawsn)
ndtr = real(sp.ndtr, lambda x: mul(special.erfc(mul(x, -math.sqrt(0.5))), 0.5), complex_error.ndtr)
ndtri = real(sp.ndtri, family.ndtri)
log_ndtr = real(sp.log_ndtr, family.log_ndtr, complex_error.log_ndtr)
ndtri_exp = real(sp.ndtri_exp, family.ndtri_exp)
wofz = of_complex(sp.wofz, complex_error.wofz)
