"""Linear systems, inverses, determinants, Cholesky factors."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from functad.errors import ArgumentError, LinAlgError
from functad.numpy.axes import normal_axes
from functad.numpy.dispatch import implements
from functad.numpy.linear.operands import one_batch, same_dtype, side_by_side, square
from functad.numpy.operands import as_array, shape_of
from functad.numpy.shapes import moveaxis
from functad.numpy.traced import here
from functad.primitives.arithmetic import mul
from functad.primitives.complex import imag, make_complex, real
from functad.primitives.exponential import exp
from functad.primitives.linalg.cholesky import cholesky as factor
from functad.primitives.linalg.determinants import determinant, log_determinant
from functad.primitives.linalg.matrices import adjoint, eye_like
from functad.primitives.linalg.solving import lu_solve, nonsingular_factors
from functad.primitives.shapes import reshape

__all__ = ["cholesky", "det", "inv", "slogdet", "solve", "tensorinv", "tensorsolve"]

SlogdetResult: Any = type(np.linalg.slogdet(np.eye(1)))


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """``numpy.linalg.solve``: of ``a x = b``; a is factored once, for the gradient, too."""
    a, b = square(a, "linalg.solve"), as_array(b, "linalg.solve")
    is_vector = len(shape_of(b)) == 1
    if not shape_of(b):
        raise LinAlgError(f"np.linalg.solve{here()}: right-hand sides need at least one axis, got a number")
    if is_vector:
        b = reshape(b, (*shape_of(b), 1))
    if shape_of(a)[-1] != shape_of(b)[-2]:
        raise LinAlgError(
            f"np.linalg.solve{here()}: right-hand sides of shape {shape_of(b)[: -1 if is_vector else None]} do not fit "
            f"matrices of shape {shape_of(a)}: the systems have {shape_of(a)[-1]} rows"
        )
    x = solved(*same_dtype(a, b), "linalg.solve")
    return reshape(x, shape_of(x)[:-1]) if is_vector else x


def solved(a: Any, b: Any, name: str) -> Any:
    """The solutions of systems; LinAlgError where one is singular."""
    undo = None
    if len(shape_of(a)) == 2 and len(shape_of(b)) > 2:
        b, undo = side_by_side(b)
    elif shape_of(a)[:-2] != shape_of(b)[:-2]:
        a, b = one_batch(a, b, name)
    x = lu_solve(nonsingular_factors(a), b)
    return x if undo is None else undo(x)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """``numpy.linalg.inv``."""
    a = square(a, "linalg.inv")
    return lu_solve(nonsingular_factors(a), eye_like(a))


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """``numpy.linalg.det``; its derivative is that of the polynomial, where a is singular, too."""
    return determinant(square(a, "linalg.det"))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """``numpy.linalg.slogdet``: the sign (of complex matrices, the direction) of determinants, and the logarithm of
    their size.
    """
    sign, size = log_determinant(square(a, "linalg.slogdet"))
    if size.dtype.kind == "c":
        sign = mul(sign, exp(make_complex(mul(real(size), 0), imag(size))))
        size = real(size)
    return SlogdetResult(sign, size)


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """``numpy.linalg.cholesky``; one triangle is read, and has a derivative."""
    a = square(a, "linalg.cholesky")
    return adjoint(factor(adjoint(a))) if upper else factor(a)


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """``numpy.linalg.tensorsolve``: of ``tensordot(a, x, x.ndim) = b``."""
    x, y = as_array(a, "linalg.tensorsolve"), as_array(b, "linalg.tensorsolve")
    ndim = len(shape_of(x))
    if axes is not None:
        moved = normal_axes(axes, ndim, "linalg.tensorsolve")
        x = moveaxis(x, moved, tuple(range(ndim - len(moved), ndim)))
    unknown = shape_of(x)[len(shape_of(y)) - ndim :] if ndim > len(shape_of(y)) else ()
    if prod(shape_of(x)) != prod(unknown) ** 2 or prod(shape_of(y)) != prod(unknown):
        raise LinAlgError(
            f"np.linalg.tensorsolve{here()}: a of shape {shape_of(x)} and b of shape {shape_of(y)} are no square "
            "system: the first axes of a must be those of b, and the others as many elements"
        )
    n = prod(unknown)
    return reshape(solve(reshape(x, (n, n)), reshape(y, (n,))), unknown)


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """``numpy.linalg.tensorinv``: the inverse with respect to a tensor product over the first ``ind`` axes."""
    x = as_array(a, "linalg.tensorinv")
    if ind <= 0:
        raise ArgumentError(f"np.linalg.tensorinv{here()}: ind must be positive, got {ind}")
    first, last = shape_of(x)[:ind], shape_of(x)[ind:]
    if prod(first) != prod(last):
        raise LinAlgError(
            f"np.linalg.tensorinv{here()}: the first {ind} axes of shape {shape_of(x)} must have as many "
            "elements as the others"
        )
    return reshape(inv(reshape(x, (prod(first), prod(last)))), (*last, *first))
