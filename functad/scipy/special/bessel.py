"""Bessel and Airy functions; in the order of a Bessel function no derivative is known."""

from __future__ import annotations

import operator
from typing import Any

import scipy.special as sp

from functad.core.trace import type_name
from functad.errors import ArgumentError
from functad.numpy.dispatch import implements
from functad.numpy.traced import here
from functad.primitives.arithmetic import mul, sub
from functad.primitives.bessel import modified_bessel, spherical_bessel
from functad.primitives.scipy_special import bessel as family
from functad.primitives.scipy_special import complex_bessel
from functad.scipy.special.declaring import of_complex, plain, real, real_floating

__all__ = [
    "airy", "hankel1", "hankel1e", "hankel2", "hankel2e", "i0", "i0e", "i1", "i1e", "iv", "ive", "j0", "j1", "jn", "jv",
    "k0", "k0e", "k1", "k1e", "kn", "kv", "kve", "spherical_jn", "y0", "y1", "yn", "yv",
]  # fmt: skip

j0 = real(sp.j0, family.j0)
j1 = real(sp.j1, family.j1)
jv = jn = real(sp.jv, family.jv, complex_bessel.jv)
y0 = real(sp.y0, family.y0)
y1 = real(sp.y1, family.y1)
yv = real(sp.yv, family.yv, complex_bessel.yv)
yn = real(sp.yn, family.yv)
i0 = real(sp.i0, lambda x: modified_bessel(x, 0))
i1 = real(sp.i1, lambda x: modified_bessel(x, 1))
i0e = real(sp.i0e, lambda x: modified_bessel(x, 0, scaled=True))
i1e = real(sp.i1e, lambda x: modified_bessel(x, 1, scaled=True))
iv = real(sp.iv, family.iv, complex_bessel.iv)
ive = real(sp.ive, family.ive)
k0 = real(sp.k0, family.k0)
k0e = real(sp.k0e, family.k0e)
k1 = real(sp.k1, family.k1)
k1e = real(sp.k1e, family.k1e)
kv = real(sp.kv, family.kv, complex_bessel.kv)
kn = real(sp.kn, family.kv)
kve = real(sp.kve, family.kve, complex_bessel.kve)
airy = real(
    sp.airy,
    lambda x: (family.ai(x), family.aip(x), family.bi(x), family.bip(x)),
    lambda z: (complex_bessel.ai(z), complex_bessel.aip(z), complex_bessel.bi(z), complex_bessel.bip(z)),
)
hankel1 = of_complex(sp.hankel1, complex_bessel.hankel1)
hankel2 = of_complex(sp.hankel2, complex_bessel.hankel2)
hankel1e = of_complex(sp.hankel1e, complex_bessel.hankel1e)
hankel2e = of_complex(sp.hankel2e, complex_bessel.hankel2e)


@implements(sp.spherical_jn)
def spherical_jn(n: Any, z: Any, derivative: bool = False) -> Any:
    """``scipy.special.spherical_jn``; the order is a plain integer."""
    try:
        order = operator.index(n)
    except TypeError:
        raise ArgumentError(
            f"scipy.special.spherical_jn{here()}: the order must be a plain integer, got {type_name(n)}"
        ) from None
    x = real_floating(z, "spherical_jn")
    if not plain("spherical_jn", "derivative", derivative, bool):
        return spherical_bessel(x, order)
    lower = spherical_bessel(x, order - 1) if order else 0.0
    return sub(mul(lower, order / (2 * order + 1)), mul(spherical_bessel(x, order + 1), (order + 1) / (2 * order + 1)))
