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
from functad.random.discrete import bernoulli, categorical, integers, rademacher
from functad.random.keys import bits, fold_in, key, split

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "exponential",
    "fold_in",
    "gumbel",
    "integers",
    "key",
    "laplace",
    "logistic",
    "normal",
    "rademacher",
    "split",
    "truncated_normal",
    "uniform",
]
