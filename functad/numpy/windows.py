"""``sinc``, the modified Bessel function ``i0``, and the window that it makes."""

from __future__ import annotations

import operator
from math import pi
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh
from functad.primitives.bessel import modified_bessel, spherical_bessel

__all__: list[str] = []

FLOAT64 = np.dtype(np.float64)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """``numpy.sinc``: ``sin(pi x) / (pi x)``; its derivatives of any order are right at 0, too."""
    v = as_array(x, "sinc")
    y = pi * (v if v.dtype.kind in "fc" else cast(v, FLOAT64))
    if y.dtype.kind == "c":
        zero = y == 0
        return fresh(fnp.where(zero, 1, fnp.sin(y) / fnp.where(zero, 1, y)).astype(y.dtype))
    return fresh(spherical_bessel(y, 0))


@implements(np.i0)
def i0(x: Any) -> Any:
    """``numpy.i0``: the modified Bessel function of order 0."""
    v = as_array(x, "i0")
    return fresh(modified_bessel(v if v.dtype.kind == "f" else cast(v, FLOAT64), 0))


@implements(np.kaiser)
def kaiser(M: int, beta: Any) -> Any:
    """``numpy.kaiser``: the parameter of the window may be traced."""
    n = operator.index(M)
    if n <= 1:
        return np.ones(max(n, 0))
    half = (n - 1) / 2
    width = np.sqrt(np.maximum(1 - ((np.arange(n) - half) / half) ** 2, 0))
    parameter = cast(as_array(beta, "kaiser"), FLOAT64)
    return i0(parameter * width) / i0(parameter)
