"""The incomplete gamma and beta functions and their inverses, and the distribution functions that are made of them."""

from __future__ import annotations

from typing import Any

import scipy.special as sp

from functad.primitives.arithmetic import add, div, mul, sub
from functad.primitives.comparison import lt
from functad.primitives.rounding import floor
from functad.primitives.scipy_special.incomplete_beta import betainc as _betainc
from functad.primitives.scipy_special.incomplete_beta import betaincc as _betaincc
from functad.primitives.scipy_special.incomplete_beta import betainccinv as _betainccinv
from functad.primitives.scipy_special.incomplete_beta import betaincinv as _betaincinv
from functad.primitives.scipy_special.incomplete_gamma import gammainc as _gammainc
from functad.primitives.scipy_special.incomplete_gamma import gammaincc as _gammaincc
from functad.primitives.scipy_special.incomplete_gamma import gammainccinv as _gammainccinv
from functad.primitives.scipy_special.incomplete_gamma import gammaincinv as _gammaincinv
from functad.primitives.selection import select
from functad.scipy.special.declaring import real

__all__ = [
    "bdtr", "bdtrc", "betainc", "betaincc", "betainccinv", "betaincinv", "chdtr", "chdtrc", "chdtri", "fdtr", "fdtrc",
    "gammainc", "gammaincc", "gammainccinv", "gammaincinv", "gdtr", "gdtrc", "nbdtr", "nbdtrc", "pdtr", "pdtrc",
]  # fmt: skip

gammainc = real(sp.gammainc, _gammainc)
gammaincc = real(sp.gammaincc, _gammaincc)
gammaincinv = real(sp.gammaincinv, _gammaincinv)
gammainccinv = real(sp.gammainccinv, _gammainccinv)
betainc = real(sp.betainc, _betainc)
betaincc = real(sp.betaincc, _betaincc)
betaincinv = real(sp.betaincinv, _betaincinv)
betainccinv = real(sp.betainccinv, _betainccinv)

# -- the gamma, chi-squared and Poisson distributions ------------------------------------------------------------------

chdtr = real(sp.chdtr, lambda v, x: _gammainc(mul(v, 0.5), mul(select(lt(x, 0), 0, x), 0.5)))
chdtrc = real(sp.chdtrc, lambda v, x: _gammaincc(mul(v, 0.5), mul(select(lt(x, 0), 0, x), 0.5)))
chdtri = real(sp.chdtri, lambda v, p: mul(_gammainccinv(mul(v, 0.5), p), 2))
gdtr = real(sp.gdtr, lambda a, b, x: _gammainc(b, mul(a, x)))
gdtrc = real(sp.gdtrc, lambda a, b, x: _gammaincc(b, mul(a, x)))
pdtr = real(sp.pdtr, lambda k, m: _gammaincc(add(floor(k), 1), m))
pdtrc = real(sp.pdtrc, lambda k, m: _gammainc(add(floor(k), 1), m))

# -- the F, binomial and negative binomial distributions ---------------------------------------------------------------


def _share(n: Any, d: Any, x: Any) -> Any:
    """What of 1 the numerator n x is beside d."""
    return div(mul(n, x), add(mul(n, x), d))


fdtr = real(sp.fdtr, lambda n, d, x: _betainc(mul(n, 0.5), mul(d, 0.5), _share(n, d, x)))
fdtrc = real(sp.fdtrc, lambda n, d, x: _betainc(mul(d, 0.5), mul(n, 0.5), div(d, add(mul(n, x), d))))
bdtr = real(sp.bdtr, lambda k, n, p: _betaincc(add(floor(k), 1), sub(n, floor(k)), p))
bdtrc = real(sp.bdtrc, lambda k, n, p: _betainc(add(floor(k), 1), sub(n, floor(k)), p))
nbdtr = real(sp.nbdtr, lambda k, n, p: _betainc(n, add(k, 1), p))
nbdtrc = real(sp.nbdtrc, lambda k, n, p: _betaincc(n, add(k, 1), p))
