"""Random numbers from explicit keys: what a key gives depends on nothing else, so draws can be compiled, mapped and
differentiated.

>>> import functad as fd, numpy as np
>>> key = fd.random.key(0)
>>> np.round(fd.random.normal(key, (3,)), 6)
array([-0.205842, -0.784766,  1.816087])
>>> first, second = fd.random.split(key)
>>> fd.jit(fd.grad(lambda scale: np.mean((scale * fd.random.normal(first, (1000,))) ** 2)))(1.0)
np.float64(...)
"""

from functad.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    normal,
    truncated_normal,
    uniform,
)
from functad.random.counts import binomial, multinomial, negative_binomial, poisson
from functad.random.discrete import bernoulli, categorical, integers, rademacher, randint
from functad.random.gamma import beta, chisquare, dirichlet, f, gamma, loggamma, t
from functad.random.keys import bits, fold_in, key, split
from functad.random.order import choice, permutation, shuffle
from functad.random.transformed import (
    double_sided_maxwell,
    geometric,
    lognormal,
    maxwell,
    pareto,
    rayleigh,
    triangular,
    wald,
    weibull_min,
)
from functad.random.vectors import ball, generalized_normal, multivariate_normal, orthogonal

__all__ = [
    "ball",
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "dirichlet",
    "double_sided_maxwell",
    "exponential",
    "f",
    "fold_in",
    "gamma",
    "generalized_normal",
    "geometric",
    "gumbel",
    "integers",
    "key",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "maxwell",
    "multinomial",
    "multivariate_normal",
    "negative_binomial",
    "normal",
    "orthogonal",
    "pareto",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "rayleigh",
    "shuffle",
    "split",
    "t",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
]


def __dir__() -> list[str]:
    return sorted(__all__)
