"""``scipy.interpolate`` for traced values: splines and interpolants whose points, values or arguments are traced.

Objects are SciPy's own, with traced coefficients: what SciPy composes of these is traced as it stands. Every name that
is not defined here is SciPy's own.

>>> import functad as fd, numpy as np
>>> from scipy.interpolate import CubicSpline
>>> x = np.array([0.0, 1.0, 2.0, 3.0])
>>> fd.grad(lambda t: CubicSpline(x, x**3)(t))(1.5)
np.float64(6.75...)
>>> fd.grad(lambda y: CubicSpline(x, y)(1.5))(x**3)
array([-0.0625,  0.5625,  0.5625, -0.0625])
"""

from typing import Any as _Any

import scipy.interpolate as _sp

from functad.numpy.dispatch import named_after as _named_after
from functad.scipy.interpolation.cubic import *
from functad.scipy.interpolation.grids import *
from functad.scipy.interpolation.polynomials import *
from functad.scipy.interpolation.splines import *

_named_after(globals())


def __getattr__(name: str) -> _Any:
    return getattr(_sp, name)
