"""Polynomials, the highest power first.

NumPy drops leading coefficients of products, and of remainders, that are 0. Where their values are not known while a
function is traced (under ``jit`` or ``vmap``), they stay.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, ShapeError
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here

__all__: list[str] = []

FLOAT64 = np.dtype(np.float64)


def coefficients(p: Any, name: str) -> Any:
    """Coefficients as an array with one axis."""
    if isinstance(p, np.poly1d):
        p = p.coeffs
    c = as_array(p, name)
    c = fnp.atleast_1d(c)
    if len(shape_of(c)) != 1:
        raise ShapeError(f"np.{name}{here()}: coefficients must have one axis, got shape {shape_of(c)}")
    return c


def known(x: Any) -> Any:
    """The value of an array, where Python may see it; else ABSENT."""
    return x._owner.ask(x._variable) if type(x) is Tracer else x


# -- values, derivatives, integrals ------------------------------------------------------------------------------------


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """``numpy.polyval`` by Horner's rule."""
    c, at = coefficients(p, "polyval"), as_array(x, "polyval")
    y: Any = fnp.zeros_like(at)
    for k in range(shape_of(c)[0]):
        y = y * at + c[k]
    return fresh(y, at)


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    """``numpy.polyder``: the coefficients of the m-th derivative."""
    c = coefficients(p, "polyder")
    if operator.index(m) < 0:
        raise ArgumentError(f"np.polyder{here()}: m must not be negative, got {m}")
    for _ in range(m):
        n = shape_of(c)[0]
        c = c[:-1] * np.arange(n - 1, 0, -1)
    return fresh(c, p)


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """``numpy.polyint``: the coefficients of the m-th antiderivative, with constants of integration k."""
    c = coefficients(p, "polyint")
    if operator.index(m) < 0:
        raise ArgumentError(f"np.polyint{here()}: m must not be negative, got {m}")
    given = fnp.zeros(m) if k is None else fnp.atleast_1d(as_array(k, "polyint"))
    if shape_of(given)[0] == 1 and m > 1:
        given = fnp.broadcast_to(given, (m,))
    if shape_of(given)[0] < m:
        raise ArgumentError(f"np.polyint{here()}: k must be one constant or {m}, got {shape_of(given)[0]}")
    for i in range(m):
        c = fnp.concatenate([fnp.true_divide(c, np.arange(shape_of(c)[0], 0, -1)), given[i : i + 1]])
    return fresh(c, p)


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _aligned(a: Any, b: Any, name: str) -> tuple[Any, Any]:
    a, b = coefficients(a, name), coefficients(b, name)
    n = max(shape_of(a)[0], shape_of(b)[0])
    zeros = [np.zeros(n - shape_of(c)[0], c.dtype) for c in (a, b)]
    return tuple(fnp.concatenate([z, c]) if z.size else c for z, c in zip(zeros, (a, b), strict=True))  # type: ignore[return-value]


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """``numpy.polyadd``."""
    return fnp.add(*_aligned(a1, a2, "polyadd"))


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """``numpy.polysub``."""
    return fnp.subtract(*_aligned(a1, a2, "polysub"))


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """``numpy.polymul``."""
    return fnp.convolve(_trimmed(coefficients(a1, "polymul")), _trimmed(coefficients(a2, "polymul")))


def _trimmed(c: Any) -> Any:
    """Without leading coefficients that are known to be 0."""
    value = known(c)
    if value is ABSENT:
        return c
    nonzero = np.nonzero(value)[0]
    return c[nonzero[0] :] if nonzero.size else c[:1] * 0


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> tuple[Any, Any]:
    """``numpy.polydiv``: quotient and remainder."""
    r, divisor = coefficients(u, "polydiv") + 0.0, coefficients(v, "polydiv") + 0.0
    dtype = result_dtype([r, divisor])
    r, divisor = cast(r, dtype), cast(divisor, dtype)
    m, n = shape_of(r)[0] - 1, shape_of(divisor)[0] - 1
    scale, quotient = 1.0 / divisor[0], []
    for k in range(m - n + 1):
        d = scale * r[k]
        quotient.append(d)
        r = fnp.concatenate([r[:k], r[k : k + n + 1] - d * divisor, r[k + n + 1 :]])
    value = known(r)
    if value is not ABSENT:
        first = 0
        while first < m and np.allclose(value[first], 0, rtol=1e-14):
            first += 1
        r = r[first:]
    return fnp.stack(quotient) if quotient else fnp.zeros(1, dtype), r


# -- roots, fits -------------------------------------------------------------------------------------------------------


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """``numpy.poly``: the coefficients of the polynomial with these roots, or of the characteristic polynomial of a
    matrix.
    """
    zeros = fnp.atleast_1d(as_array(seq_of_zeros, "poly"))
    shape = shape_of(zeros)
    if len(shape) == 2 and shape[0] == shape[1] and shape[0]:
        zeros = fnp.linalg.eigvals(zeros)
    elif len(shape) != 1:
        raise ShapeError(f"np.poly{here()} is of roots or of a square matrix, got shape {shape}")
    if zeros.dtype.kind in "iub":
        zeros = cast(zeros, FLOAT64)
    if not shape_of(zeros)[0]:
        return 1.0
    c: Any = np.ones(1, zeros.dtype)
    for k in range(shape_of(zeros)[0]):
        c = fnp.convolve(c, fnp.stack([zeros.dtype.type(1), -zeros[k]]))
    if zeros.dtype.kind == "c":
        value = known(zeros)
        if value is not ABSENT and np.all(np.sort(value) == np.sort(value.conjugate())):
            c = fnp.real(c)
    return fresh(c)


@implements(np.roots)
def roots(p: Any) -> Any:
    """``numpy.roots``: the eigenvalues of the companion matrix."""
    c, last = coefficients(p, "roots"), 0
    value = known(c)
    if value is not ABSENT:
        nonzero = np.nonzero(value)[0]
        if not nonzero.size:
            return np.zeros(0)
        last = shape_of(c)[0] - nonzero[-1] - 1
        c = c[int(nonzero[0]) : int(nonzero[-1]) + 1]
    c = cast(c, FLOAT64) if c.dtype.kind in "iub" else c
    n = shape_of(c)[0]
    if n < 2:
        return np.zeros(last)
    below = np.eye(n - 2, n - 1, dtype=c.dtype)
    found = fnp.linalg.eigvals(fnp.concatenate([fnp.reshape(-c[1:] / c[0], (1, n - 1)), below]))
    return fnp.concatenate([found, np.zeros(last, found.dtype)]) if last else found


@implements(np.polyfit)
def polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False) -> Any:
    """``numpy.polyfit``: the polynomial of a degree with the least squares of errors at points."""
    order, at, values = operator.index(deg) + 1, as_array(x, "polyfit") + 0.0, as_array(y, "polyfit") + 0.0
    if order < 1 or len(shape_of(at)) != 1 or len(shape_of(values)) not in (1, 2):
        raise ArgumentError(f"np.polyfit{here()} is of x with one axis, y with one or two, and deg >= 0")
    if not shape_of(at)[0] or shape_of(values)[0] != shape_of(at)[0]:
        raise ShapeError(f"np.polyfit{here()}: x and y must have the same length, not 0")
    rcond = shape_of(at)[0] * np.finfo(at.dtype).eps if rcond is None else rcond
    matrix, right = vander(at, order), values
    if w is not None:
        weights = as_array(w, "polyfit") + 0.0
        matrix, right = matrix * weights[:, None], (right.T * weights).T
    scale = fnp.sqrt(fnp.sum(matrix * matrix, axis=0))
    c, residuals, rank, s = fnp.linalg.lstsq(matrix / scale, right, rcond)
    c = (c.T / scale).T
    if full:
        return c, residuals, rank, s, rcond
    if not cov:
        return c
    matrix = matrix / scale
    base = fnp.linalg.inv(fnp.dot(matrix.T, matrix)) / fnp.outer(scale, scale)
    factor = 1 if isinstance(cov, str) and cov == "unscaled" else residuals / (shape_of(at)[0] - order)
    return c, (base if len(shape_of(values)) == 1 else base[:, :, None]) * factor


@implements(np.vander)
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """``numpy.vander``: powers of the elements, as columns."""
    at = as_array(x, "vander")
    if len(shape_of(at)) != 1:
        raise ShapeError(f"np.vander{here()} is of an array with one axis, got shape {shape_of(at)}")
    n = shape_of(at)[0] if N is None else operator.index(N)
    dtype = np.promote_types(at.dtype, int)
    ones = np.ones(shape_of(at), dtype)
    powers = [ones]
    for _ in range(1, n):
        powers.append(powers[-1] * cast(at, dtype))
    powers = powers[:n] if increasing else powers[:n][::-1]
    return fnp.stack(powers, 1) if powers else np.zeros((shape_of(at)[0], 0), dtype)
