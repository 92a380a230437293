"""The gamma function and its relatives, and what counts with them: binomial coefficients, factorials."""

from __future__ import annotations

import math
import operator
from typing import Any

import scipy.special as sp

from functad import nn
from functad.core.trace import type_name
from functad.errors import ArgumentError
from functad.numpy.dispatch import implements
from functad.numpy.elementwise import binary, unary
from functad.numpy.operands import promote
from functad.numpy.traced import here
from functad.primitives import beta as beta_family
from functad.primitives import special
from functad.primitives.arithmetic import add, sub
from functad.primitives.bitwise import bit_and
from functad.primitives.comparison import eq, ge, lt
from functad.primitives.scipy_special import complex_gamma
from functad.primitives.scipy_special import gamma as family
from functad.primitives.scipy_special import zeta as zetas
from functad.primitives.selection import select
from functad.scipy.special.declaring import plain, real

__all__ = [
    "beta", "betaln", "binom", "comb", "digamma", "factorial", "gamma", "gammaln", "gammasgn", "loggamma",
    "multigammaln", "perm", "poch", "polygamma", "psi", "rgamma", "zeta",
]  # fmt: skip

gamma = real(sp.gamma, family.gamma, complex_gamma.gamma)
gammaln = unary(sp.gammaln, special.lgamma, "f")
gammasgn = real(sp.gammasgn, family.gammasgn)
rgamma = real(sp.rgamma, family.rgamma, complex_gamma.rgamma)
digamma = psi = unary(sp.psi, special.digamma, "f", complex_gamma.digamma)
poch = real(sp.poch, family.poch)
beta = real(sp.beta, family.beta)
betaln = binary(sp.betaln, beta_family.betaln, "f")
binom = real(sp.binom, family.binom)


# real below 0 only as a complex number, which SciPy gives to complex arguments alone
loggamma = real(sp.loggamma, lambda x: special.lgamma(select(lt(x, 0), math.nan, x)), complex_gamma.loggamma)


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


@implements(sp.multigammaln)
def multigammaln(a: Any, d: Any) -> Any:
    """``scipy.special.multigammaln``; the dimension is a plain integer."""
    dimension = plain("multigammaln", "d", d, int)
    x = nn.floating(a, "multigammaln")
    total: Any = dimension * (dimension - 1) * 0.25 * math.log(math.pi)
    for j in range(dimension):
        total = add(special.lgamma(sub(x, j / 2)), total)
    return total


@implements(sp.zeta)
def zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    """``scipy.special.zeta``: Riemann's function, or Hurwitz's, which has a derivative in q."""
    if q is None:
        return zetas.riemann_zeta(nn.floating(x, "zeta"))
    return zetas.hurwitz_zeta(*promote("zeta", nn.floating(x, "zeta"), q))


# -- counting ----------------------------------------------------------------------------------------------------------


def _inexact(name: str, exact: Any) -> None:
    if plain(name, "exact", exact, bool):
        raise ArgumentError(
            f"scipy.special.{name}{here()}: exact=True is of Python's integers, and these are traced; leave it out"
        )


@implements(sp.comb)
def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    """``scipy.special.comb``: a number of combinations, as ``binom`` but 0 where there are none."""
    _inexact("comb", exact)
    n, m = promote("comb", nn.floating(N, "comb"), k)
    if plain("comb", "repetition", repetition, bool):
        return select(bit_and(ge(n, 0), eq(m, 0)), 1, family.binom(sub(add(n, m), 1), m))
    possible = bit_and(bit_and(ge(n, m), ge(n, 0)), ge(m, 0))
    return select(possible, family.binom(select(possible, n, 1), select(possible, m, 1)), 0)


@implements(sp.perm)
def perm(N: Any, k: Any, exact: bool = False) -> Any:
    """``scipy.special.perm``: a number of arrangements of k things of N."""
    _inexact("perm", exact)
    n, m = promote("perm", nn.floating(N, "perm"), k)
    possible = bit_and(bit_and(ge(n, m), ge(n, 0)), ge(m, 0))
    n, m = select(possible, n, 1), select(possible, m, 1)
    return select(possible, family.poch(add(sub(n, m), 1), m), 0)


@implements(sp.factorial)
def factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    """``scipy.special.factorial``: gamma(n + 1), and 0 where n is negative."""
    _inexact("factorial", exact)
    if plain("factorial", "extend", extend, str) != "zero":
        raise ArgumentError(f"scipy.special.factorial{here()}: extend={extend!r} is not available for traced values")
    x = nn.floating(n, "factorial")
    inside = ge(x, 0)
    value = family.gamma(add(select(inside, x, 0), 1))
    return select(inside, value, select(lt(x, 0), 0, x))
