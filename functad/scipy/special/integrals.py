"""Exponential, trigonometric and elliptic integrals, and hypergeometric functions; in the parameters of the latter no
derivatives are known.
"""

from __future__ import annotations

import scipy.special as sp

from functad.primitives.scipy_special import complex_bessel, complex_integrals, elliptic, hypergeometric
from functad.primitives.scipy_special import integrals as family
from functad.scipy.special.declaring import real

__all__ = [
    "ellipe", "ellipeinc", "ellipk", "ellipkinc", "ellipkm1", "exp1", "expi", "expn", "fresnel", "hyp0f1", "hyp1f1",
    "hyp2f1", "hyperu", "shichi", "sici", "spence",
]  # fmt: skip

exp1 = real(sp.exp1, family.exp1, complex_integrals.exp1)
expi = real(sp.expi, family.expi, complex_integrals.expi)
expn = real(sp.expn, family.expn)
sici = real(
    sp.sici, lambda x: (family.si(x), family.ci(x)), lambda z: (complex_integrals.si(z), complex_integrals.ci(z))
)
shichi = real(
    sp.shichi, lambda x: (family.shi(x), family.chi(x)), lambda z: (complex_integrals.shi(z), complex_integrals.chi(z))
)
fresnel = real(
    sp.fresnel,
    lambda x: (family.fresnel_s(x), family.fresnel_c(x)),
    lambda z: (complex_integrals.fresnel_s(z), complex_integrals.fresnel_c(z)),
)
spence = real(sp.spence, family.spence, complex_integrals.spence)

ellipk = real(sp.ellipk, elliptic.ellipk)
ellipkm1 = real(sp.ellipkm1, elliptic.ellipkm1)
ellipe = real(sp.ellipe, elliptic.ellipe)
ellipkinc = real(sp.ellipkinc, elliptic.ellipkinc)
ellipeinc = real(sp.ellipeinc, elliptic.ellipeinc)

hyp0f1 = real(sp.hyp0f1, hypergeometric.hyp0f1, complex_bessel.hyp0f1)
hyp1f1 = real(sp.hyp1f1, hypergeometric.hyp1f1, complex_bessel.hyp1f1)
hyp2f1 = real(sp.hyp2f1, hypergeometric.hyp2f1, complex_bessel.hyp2f1)
hyperu = real(sp.hyperu, hypergeometric.hyperu)
