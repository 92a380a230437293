"""Series of ``numpy.polynomial``, the lowest degree first: values by Clenshaw's recurrence, derivatives, integrals.

Its functions know no traced values: functions under a transform call these in their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre, polynomial
from numpy.polynomial.polyutils import mapparms

import functad.numpy as fnp
from functad.numpy.axes import normal_axis
from functad.numpy.dispatch import called_for, implements, stands_for
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.traced import is_traced

__all__: list[str] = []

_plain_call = polynomial.Polynomial.__call__

Step = Callable[[Any, Any, Any, int, Any], tuple[Any, Any]]
Last = Callable[[Any, Any, Any], Any]

# -- values: ``step(c, c0, c1, n, x)`` takes in the coefficient c of degree n - 2, ``last(c0, c1, x)`` gives the value


def _linear(c0: Any, c1: Any, x: Any) -> Any:
    return c0 + c1 * x


def _value(numpy_function: Any, step: Step, last: Last = _linear) -> Any:
    name = f"{numpy_function.__module__}.{numpy_function.__name__}".removeprefix("numpy.")

    def value(x: Any, c: Any, tensor: bool = True) -> Any:
        at, terms = as_array(x, name), fnp.atleast_1d(as_array(c, name))
        terms = cast(terms, np.dtype(np.float64)) if terms.dtype.kind in "iub" else terms
        if tensor:
            terms = fnp.reshape(terms, (*shape_of(terms), *[1] * len(shape_of(at))))
        n = shape_of(terms)[0]
        c0, c1 = (terms[0], 0.0) if n == 1 else (terms[n - 2], terms[n - 1])
        for k in range(n - 1, 1, -1):
            c0, c1 = step(terms[k - 2], c0, c1, k, at)
        return last(c0, c1, at)

    return _named(value, numpy_function, "the value of a series at points")


def _named(f: Any, numpy_function: Any, what: str) -> Any:
    f.__name__ = f.__qualname__ = numpy_function.__name__
    f.__doc__ = f"``{numpy_function.__module__}.{f.__name__}``: {what}."
    return implements(numpy_function)(f)


polyval = _value(polynomial.polyval, lambda c, c0, c1, n, x: (c, c0 + c1 * x))
chebval = _value(chebyshev.chebval, lambda c, c0, c1, n, x: (c - c1, c0 + c1 * (2 * x)))
legval = _value(legendre.legval, lambda c, c0, c1, n, x: (c - c1 * ((n - 1) / n), c0 + c1 * x * ((2 * n - 1) / n)))
hermval = _value(
    hermite.hermval,
    lambda c, c0, c1, n, x: (c - c1 * (2 * (n - 1)), c0 + c1 * (2 * x)),
    lambda c0, c1, x: c0 + c1 * (2 * x),
)
hermeval = _value(hermite_e.hermeval, lambda c, c0, c1, n, x: (c - c1 * (n - 1), c0 + c1 * x))
lagval = _value(
    laguerre.lagval,
    lambda c, c0, c1, n, x: (c - c1 * ((n - 1) / n), c0 + c1 * ((2 * n - 1) - x) / n),
    lambda c0, c1, x: c0 + c1 * (1 - x),
)


@stands_for(_plain_call)
def of_points(series: Any, arg: Any) -> Any:
    """The value of a series that is an object, at traced points of its domain."""
    if not is_traced((arg,)):
        return _plain_call(series, arg)
    offset, scale = mapparms(series.domain, series.window)
    return called_for(series._val)(offset + scale * as_array(arg, "polynomial"), series.coef)


# -- derivatives and integrals: matrices, what NumPy's functions make of unit vectors --------------------------


def _through(matrix: Any, c: Any, axis: int, name: str) -> Any:
    axis = normal_axis(axis, len(shape_of(c)), name)
    return fnp.moveaxis(fnp.tensordot(matrix, c, (1, axis)), 0, axis)


def _derivative(numpy_function: Any) -> Any:
    name = numpy_function.__name__

    def derivative(c: Any, m: int = 1, scl: float = 1, axis: int = 0) -> Any:
        terms = fnp.atleast_1d(as_array(c, name))
        matrix = numpy_function(np.eye(shape_of(terms)[axis]), m, scl)
        return _through(matrix, terms, axis, name)

    return _named(derivative, numpy_function, "the coefficients of the m-th derivative")


def _integral(numpy_function: Any) -> Any:
    name = numpy_function.__name__

    def integral(c: Any, m: int = 1, k: Any = (), lbnd: float = 0, scl: float = 1, axis: int = 0) -> Any:
        terms = fnp.atleast_1d(as_array(c, name))
        n = shape_of(terms)[axis]
        matrix = numpy_function(np.eye(n), m, 0 if m else (), lbnd, scl)
        constants = numpy_function(np.zeros(n), m, k, lbnd, scl)
        y = _through(matrix, terms, axis, name)
        return y + fnp.expand_dims(constants, tuple(a for a in range(y.ndim) if a != axis % y.ndim))

    return _named(integral, numpy_function, "the coefficients of the m-th antiderivative")


polyder, polyint = _derivative(polynomial.polyder), _integral(polynomial.polyint)
chebder, chebint = _derivative(chebyshev.chebder), _integral(chebyshev.chebint)
legder, legint = _derivative(legendre.legder), _integral(legendre.legint)
hermder, hermint = _derivative(hermite.hermder), _integral(hermite.hermint)
hermeder, hermeint = _derivative(hermite_e.hermeder), _integral(hermite_e.hermeint)
lagder, lagint = _derivative(laguerre.lagder), _integral(laguerre.lagint)
