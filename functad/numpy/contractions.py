"""Products of vectors, matrices and higher arrays.

All are one operation on arrays whose axes have labels, ``contract``: multiply, and sum over the labels that the result
lacks. It is what one step of ``einsum`` does, and becomes one ``dot_general``.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import ShapeError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.elementwise import declare
from functad.numpy.operands import as_array, cast, fresh, fresh_array, promote, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.numpy.shapes import moveaxis
from functad.numpy.traced import here
from functad.numpy.ufuncs import conjugate, multiply
from functad.primitives.arithmetic import mul, sub
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.contractions import dot_general, dot_p
from functad.primitives.convert import convert
from functad.primitives.shapes import reshape, transpose

__all__ = ["cross", "dot", "inner", "kron", "matmul", "outer", "tensordot", "vdot", "vecdot"]

BOOL, INT64 = np.dtype(np.bool_), np.dtype(np.int64)
Labels = Sequence[Any]
Shape = tuple[int, ...]


def contract(x: Any, x_labels: Labels, y: Any, y_labels: Labels, out_labels: Labels) -> Any:
    """The products of elements of x and y, summed over the labels that are not in ``out_labels``, its axes in that
    order.

    A label occurs once an operand. Axes of one label have equal lengths, or length 1 in one of the operands.
    """
    steps = contraction(shape_of(x), tuple(x_labels), shape_of(y), tuple(y_labels), tuple(out_labels))
    return contracted(x, y, steps)


def contracted(x: Any, y: Any, steps: Contraction) -> Any:
    """A contraction of two operands."""
    dtype = result_dtype([x, y])
    if dtype == BOOL:  # whether any of the products holds
        return convert(contracted(cast(x, INT64), cast(y, INT64), steps), BOOL)
    (x_shape, x_axes), (y_shape, y_axes) = steps.operands
    x, y = reshape(cast(x, dtype), x_shape), reshape(cast(y, dtype), y_shape)
    if x_axes or y_axes:
        x, y = reduce_sum(x, x_axes), reduce_sum(y, y_axes)
    z = dot_p.bind(x, y, **steps.params)
    return z if steps.order is None else transpose(z, steps.order)


class Contraction(NamedTuple):
    """What a contraction does with two operands."""

    operands: tuple[tuple[Shape, Shape], tuple[Shape, Shape]]  # of each the shape, and the axes to sum it over
    params: dict[str, Any]  # of their product
    order: Shape | None  # of the axes of the product; None: as it is


@lru_cache(maxsize=1024)
def contraction(x: Shape, x_labels: Labels, y: Shape, y_labels: Labels, out_labels: Labels) -> Contraction:
    """How operands of these shapes and labels are contracted."""
    (x, x_labels), (y, y_labels) = _squeezed(x, x_labels, y, y_labels), _squeezed(y, y_labels, x, x_labels)
    x_axes = tuple([i for i, a in enumerate(x_labels) if a not in (*y_labels, *out_labels)])
    x_labels = [a for i, a in enumerate(x_labels) if i not in x_axes]
    y_axes = tuple([i for i, a in enumerate(y_labels) if a not in (*x_labels, *out_labels)])
    y_labels = [a for i, a in enumerate(y_labels) if i not in y_axes]
    shared = [a for a in x_labels if a in y_labels]
    batch, contracted = [a for a in shared if a in out_labels], [a for a in shared if a not in out_labels]
    contract, batched = (
        (tuple([x_labels.index(a) for a in labels]), tuple([y_labels.index(a) for a in labels]))
        for labels in (contracted, batch)
    )
    z_labels = batch + [a for a in (*x_labels, *y_labels) if a not in shared]
    order = tuple([z_labels.index(a) for a in out_labels])
    return Contraction(
        ((x, x_axes), (y, y_axes)),
        {"contract": contract, "batch": batched},
        None if order == tuple(range(len(order))) else order,
    )


def _squeezed(x: Shape, labels: Labels, other: Shape, other_labels: Labels) -> tuple[Shape, Labels]:
    """The shape and labels of x without the axes of length 1 that are longer in the other operand."""
    lengths = dict(zip(other_labels, other, strict=True))
    kept = [(a, n) for a, n in zip(labels, x, strict=True) if n != 1 or lengths.get(a, 1) == 1]
    return tuple([n for _, n in kept]), [a for a, _ in kept]


def _check_core(name: str, x: Any, y: Any, i: int, j: int) -> None:
    """Refuse contracted axes of different lengths."""
    m, n = shape_of(x)[i], shape_of(y)[j]
    if m != n:
        axes = f"{m} (axis {i % len(shape_of(x))}) != {n} (axis {j % len(shape_of(y))})"
        raise ShapeError(f"np.{name}{here()}: shapes {shape_of(x)} and {shape_of(y)} not aligned: {axes}")


# -- dot and its relatives ---------------------------------------------------------------------------------------------


@implements(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """``numpy.dot``: the last axis of a with the last but one of b."""
    if out is None and _are_strict(a, b):
        params = _dot_params(a.shape, b.shape)
        if params is not None:
            return dot_p.bind(a, b, **params)
    refuse_out(out, "dot")
    x, y = as_array(a, "dot"), as_array(b, "dot")
    nx, ny = len(shape_of(x)), len(shape_of(y))
    if not nx or not ny:
        return multiply(x, y)
    axis = max(ny - 2, 0)
    _check_core("dot", x, y, nx - 1, axis)
    return _tensordot(x, y, [nx - 1], [axis])


def _are_strict(x: Any, y: Any) -> bool:
    """Whether two operands are traced or plain arrays of one inexact dtype."""
    if not (type(x) is Tracer or type(x) is np.ndarray) or not (type(y) is Tracer or type(y) is np.ndarray):
        return False
    return x.dtype is y.dtype and x.dtype.kind in "fc"


@lru_cache(maxsize=1024)
def _dot_params(x: tuple[int, ...], y: tuple[int, ...]) -> dict[str, Any] | None:
    """The params of the equation for ``dot`` of arrays of these shapes; None where they have no axes, or do not fit."""
    if not x or not y or x[-1] != y[max(len(y) - 2, 0)]:
        return None
    return {"contract": ((len(x) - 1,), (max(len(y) - 2, 0),)), "batch": ((), ())}


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """``numpy.inner``: the last axis of both."""
    x, y = as_array(a, "inner"), as_array(b, "inner")
    nx, ny = len(shape_of(x)), len(shape_of(y))
    if not nx or not ny:
        return multiply(x, y)
    _check_core("inner", x, y, nx - 1, ny - 1)
    return _tensordot(x, y, [nx - 1], [ny - 1])


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """``numpy.vdot``: the inner product of all elements, the first operand conjugated."""
    x, y = (reshape(v, (prod(shape_of(v)),)) for v in (as_array(a, "vdot"), as_array(b, "vdot")))
    _check_core("vdot", x, y, 0, 0)
    return _tensordot(conjugate(x) if x.dtype.kind == "c" else x, y, [0], [0])


@implements(np.outer, np.linalg.outer)
def outer(a: Any, b: Any, out: None = None) -> Any:
    """``numpy.outer``: the products of all pairs of elements."""
    refuse_out(out, "outer")
    x, y = as_array(a, "outer"), as_array(b, "outer")
    return multiply(reshape(x, (prod(shape_of(x)), 1)), reshape(y, (1, prod(shape_of(y)))))


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """``numpy.tensordot``: over pairs of axes, or over the last ``axes`` of a and the first of b."""
    x, y = as_array(a, "tensordot"), as_array(b, "tensordot")
    nx, ny = len(shape_of(x)), len(shape_of(y))
    try:
        of_x, of_y = axes
    except TypeError:
        count = operator.index(axes)
        of_x, of_y = list(range(nx - count, nx)), list(range(count))
    ax, ay = normal_axes(of_x, nx, "tensordot"), normal_axes(of_y, ny, "tensordot")
    if len(ax) != len(ay):
        raise ShapeError(f"np.tensordot{here()}: axes {axes} name {len(ax)} axes of a and {len(ay)} of b")
    for i, j in zip(ax, ay, strict=True):
        _check_core("tensordot", x, y, i, j)
    return fresh_array(_tensordot(x, y, ax, ay))


def _tensordot(x: Any, y: Any, ax: Sequence[int], ay: Sequence[int]) -> Any:
    """The sum over pairs of axes; of bools, whether any of the products holds."""
    dtype = result_dtype([x, y])
    if dtype == BOOL:
        return convert(_tensordot(cast(x, INT64), cast(y, INT64), ax, ay), BOOL)
    return dot_general(cast(x, dtype), cast(y, dtype), (ax, ay))


# -- matrix products: the axes before the last one or two are broadcast ------------------------------------------------


def _product(ufunc: np.ufunc, x_core: str, y_core: str, out_core: str) -> Any:
    """Declare a matrix product by the labels of its core axes; a matrix axis that a vector lacks is left out of the
    result.
    """
    name = ufunc.__name__

    def f(a: Any, b: Any, /, out: None = None) -> Any:
        refuse_out(out, name)
        x, y = as_array(a, name), as_array(b, name)
        xc, yc = x_core, y_core
        if name == "matmul":
            xc, yc = xc[-len(shape_of(x)) :], yc[: len(shape_of(y))]
        for v, core in ((x, xc), (y, yc)):
            if len(shape_of(v)) < max(len(core), 1):
                raise ShapeError(
                    f"np.{name}{here()}: operands of shapes {shape_of(x)} and {shape_of(y)} need at least "
                    f"{max(len(core), 1)} axes; use * for scalars"
                )
        _check_core(name, x, y, xc.index("k") - len(xc), yc.index("k") - len(yc))
        lead_x, lead_y = len(shape_of(x)) - len(xc), len(shape_of(y)) - len(yc)
        if name == "matmul" and not lead_x and not lead_y:
            return _tensordot(x, y, [len(xc) - 1], [0])
        _check_lead(name, x, y, lead_x, lead_y)
        x_labels, y_labels = [*range(-lead_x, 0), *xc], [*range(-lead_y, 0), *yc]
        labels = [*range(-max(lead_x, lead_y), 0), *[c for c in out_core if c in xc + yc]]
        if name in ("vecdot", "vecmat") and x.dtype.kind == "c":
            x = conjugate(x)
        return contract(x, x_labels, y, y_labels, labels)

    return declare(ufunc, f)


def _check_lead(name: str, x: Any, y: Any, lead_x: int, lead_y: int) -> None:
    try:
        np.broadcast_shapes(shape_of(x)[:lead_x], shape_of(y)[:lead_y])
    except ValueError:
        raise ShapeError(
            f"np.{name}{here()}: operands of shapes {shape_of(x)} and {shape_of(y)}: axes {shape_of(x)[:lead_x]} and "
            f"{shape_of(y)[:lead_y]} "
            "before the matrices could not be broadcast together"
        ) from None


matmul = _product(np.matmul, "nk", "km", "nm")
vecdot = _product(np.vecdot, "k", "k", "")
if hasattr(np, "matvec"):  # NumPy 2.2
    __all__ += ["matvec", "vecmat"]
    matvec, vecmat = _product(np.matvec, "nk", "k", "n"), _product(np.vecmat, "k", "km", "m")


# -- others ------------------------------------------------------------------------------------------------------------


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """``numpy.kron``: the Kronecker product."""
    x, y = as_array(a, "kron"), as_array(b, "kron")
    ndim = max(len(shape_of(x)), len(shape_of(y)))
    sx, sy = ((1,) * (ndim - len(shape_of(v))) + shape_of(v) for v in (x, y))
    x = reshape(x, [n for m in sx for n in (m, 1)])
    y = reshape(y, [n for m in sy for n in (1, m)])
    return fresh(reshape(multiply(x, y), [m * n for m, n in zip(sx, sy, strict=True)]), x, y)


@implements(np.cross)
def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """``numpy.cross`` of vectors of length 3."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = as_array(a, "cross"), as_array(b, "cross")
    x, y = moveaxis(x, axisa, -1), moveaxis(y, axisb, -1)
    if shape_of(x)[-1] != 3 or shape_of(y)[-1] != 3:
        raise ShapeError(
            f"np.cross{here()} of vectors of lengths {shape_of(x)[-1]} and {shape_of(y)[-1]}; both must be 3"
        )
    x, y = promote("cross", x, y)
    left = mul(x[..., np.array([1, 2, 0])], y[..., np.array([2, 0, 1])])
    right = mul(x[..., np.array([2, 0, 1])], y[..., np.array([1, 2, 0])])
    z = sub(left, right)
    return moveaxis(z, -1, normal_axis(axisc, len(shape_of(z)), "cross"))


@implements(np.linalg.cross)
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``numpy.linalg.cross`` of vectors of length 3."""
    return cross(x1, x2, axis=axis)


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    """``numpy.linalg.matmul``."""
    return matmul(x1, x2)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """``numpy.linalg.vecdot``: over one axis of both."""
    x, y = as_array(x1, "linalg.vecdot"), as_array(x2, "linalg.vecdot")
    return vecdot(moveaxis(x, axis, -1), moveaxis(y, axis, -1))
