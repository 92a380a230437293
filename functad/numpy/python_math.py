"""``math`` and ``cmath`` of traced numbers: NumPy's functions, whose results are Python numbers again."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.numpy import conversion, logic, ufuncs
from functad.numpy.creation import asarray
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import as_array, as_python, cast
from functad.numpy.reductions import prod, sum
from functad.numpy.traced import is_traced

__all__ = ["install"]


def _log(x: Any, base: Any = None) -> Any:
    return ufuncs.log(x) if base is None else ufuncs.log(x) / ufuncs.log(base)


def _hypot(*coordinates: Any) -> Any:
    return functools.reduce(ufuncs.hypot, coordinates, 0.0)


def _dist(p: Any, q: Any) -> Any:
    return ufuncs.sqrt(sum(ufuncs.square(asarray(p) - asarray(q))))


def _polar(z: Any) -> Any:
    return ufuncs.absolute(z), conversion.angle(z)


def _rect(r: Any, phi: Any) -> Any:
    return r * ufuncs.exp(1j * phi)


def _special(name: str) -> Callable[..., Any]:
    """A function of ``scipy.special``, which is imported when it is called."""

    def f(x: Any) -> Any:
        import functad.scipy.special

        return getattr(functad.scipy.special, name)(x)

    return f


def _gamma(x: Any) -> Any:
    import functad.scipy.special as special

    # below 0 the sign alternates from one pole to the next
    sign = 1.0 - 2.0 * ufuncs.remainder(ufuncs.floor(x), 2.0) * (x < 0)
    return sign * ufuncs.exp(special.gammaln(x))


REAL: dict[str, Callable[..., Any]] = {
    "acos": ufuncs.arccos,
    "acosh": ufuncs.arccosh,
    "asin": ufuncs.arcsin,
    "asinh": ufuncs.arcsinh,
    "atan": ufuncs.arctan,
    "atan2": ufuncs.arctan2,
    "atanh": ufuncs.arctanh,
    "cbrt": ufuncs.cbrt,
    "copysign": ufuncs.copysign,
    "degrees": ufuncs.degrees,
    "dist": _dist,
    "erf": _special("erf"),
    "erfc": _special("erfc"),
    "exp2": ufuncs.exp2,
    "fabs": ufuncs.fabs,
    "fmod": ufuncs.fmod,
    "fsum": lambda xs: sum(asarray(xs)),
    "gamma": _gamma,
    "hypot": _hypot,
    "lgamma": _special("gammaln"),
    "log1p": ufuncs.log1p,
    "log2": ufuncs.log2,
    "expm1": ufuncs.expm1,
    "pow": ufuncs.power,
    "prod": lambda xs, *, start=1: prod(asarray(xs)) * start,
    "radians": ufuncs.radians,
}
"""Functions of ``math`` alone."""

BOTH: dict[str, Callable[..., Any]] = {
    "cos": ufuncs.cos,
    "cosh": ufuncs.cosh,
    "exp": ufuncs.exp,
    "isfinite": logic.isfinite,
    "isinf": logic.isinf,
    "isnan": logic.isnan,
    "isclose": lambda a, b, *, rel_tol=1e-9, abs_tol=0.0: (
        ufuncs.absolute(a - b)
        <= ufuncs.maximum(rel_tol * ufuncs.maximum(ufuncs.absolute(a), ufuncs.absolute(b)), abs_tol)
    ),
    "log": _log,
    "log10": ufuncs.log10,
    "sin": ufuncs.sin,
    "sinh": ufuncs.sinh,
    "sqrt": ufuncs.sqrt,
    "tan": ufuncs.tan,
    "tanh": ufuncs.tanh,
}
"""Functions of ``math`` and of ``cmath``."""

COMPLEX: dict[str, Callable[..., Any]] = {
    "acos": ufuncs.arccos,
    "acosh": ufuncs.arccosh,
    "asin": ufuncs.arcsin,
    "asinh": ufuncs.arcsinh,
    "atan": ufuncs.arctan,
    "atanh": ufuncs.arctanh,
    "phase": conversion.angle,
    "polar": _polar,
    "rect": _rect,
}
"""Functions of ``cmath`` alone."""


def install() -> None:
    """Declare the functions that this Python has."""
    for module, dtype, table in ((math, np.float64, REAL | BOTH), (cmath, np.complex128, COMPLEX | BOTH)):
        for name, f in table.items():
            if hasattr(module, name):
                _declare(getattr(module, name), f, np.dtype(dtype))


def _declare(plain: Callable[..., Any], f: Callable[..., Any], dtype: np.dtype) -> None:
    @functools.wraps(plain)
    def of_numbers(*args: Any, **kwargs: Any) -> Any:
        if not is_traced(args):
            return plain(*args, **kwargs)
        return _python(f(*[_as_number(x, dtype) for x in args], **kwargs))

    stands_for(plain)(of_numbers)


def _as_number(x: Any, dtype: np.dtype) -> Any:
    """A number in the precision in which Python computes; a list of numbers as it is."""
    if isinstance(x, list | tuple):
        return x
    return cast(as_array(x, "math"), dtype)


def _python(result: Any) -> Any:
    return tuple([as_python(r) for r in result]) if isinstance(result, tuple) else as_python(result)


install()
