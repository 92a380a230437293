"""JAX's names for operations that NumPy has under others, or in a less general form."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.tracer import Tracer
from functad.errors import DtypeError, ShapeError
from functad.lax.loops import associative_scan
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives import contractions, cumulative, slicing, sorting
from functad.primitives.arithmetic import div, sub
from functad.primitives.broadcasting import broadcast as strict_broadcast
from functad.primitives.gather import along
from functad.primitives.generate import iota as strict_iota
from functad.primitives.powers import sqrt
from functad.primitives.shapes import flip

__all__ = [
    "broadcast", "broadcast_in_dim", "broadcasted_iota", "clamp", "collapse", "concatenate", "cumlogsumexp", "cummax",
    "cummin", "cumprod", "cumsum", "dot_general", "expand_dims", "iota", "pad", "rev", "rsqrt", "sort_key_val",
    "squeeze", "top_k",
]  # fmt: skip

# -- order -------------------------------------------------------------------------------------------------------------


def top_k(operand: Any, k: int, *, axis: int = -1) -> tuple[Any, Any]:
    """The k largest elements along an axis, in descending order, and their indices; of equal ones the first come first.

    NaN is larger than everything. Derivatives go to the elements that are taken.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.top_k(np.array([2.0, 7.0, 1.0, 7.0]), 3)
    (array([7., 7., 2.]), array([1, 3, 0]))
    >>> fd.grad(lambda x: np.sum(fd.lax.top_k(x, 2)[0] ** 2))(np.array([2.0, 7.0, 1.0]))
    array([ 4., 14.,  0.])
    """
    x = as_array(operand, "top_k")
    axis, count = normal_axis(axis, len(shape_of(x)), "top_k"), operator.index(k)
    n = shape_of(x)[axis]
    if not 0 <= count <= n:
        raise ShapeError(f"top_k{here()}: there are no {count} largest of {n} elements; k lies between 0 and {n}")
    order = flip(sorting.argsort(flip(x, (axis,)), axis), (axis,))  # of equal ones the last, backwards, come first
    index = fnp.take(sub(np.int64(n - 1), order), np.arange(count), axis)
    return along(x, index, axis), index


def sort_key_val(keys: Any, values: Any, dimension: int = -1, is_stable: bool = True) -> tuple[Any, Any]:
    """Keys in ascending order along an axis, and the values that belong to them; equal keys keep their order.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.sort_key_val(np.array([3, 1, 2]), np.array([0.3, 0.1, 0.2]))
    (array([1, 2, 3]), array([0.1, 0.2, 0.3]))
    """
    k, v = as_array(keys, "sort_key_val"), as_array(values, "sort_key_val")
    if shape_of(k) != shape_of(v):
        raise ShapeError(f"sort_key_val{here()}: keys have the shape {shape_of(k)}, values {shape_of(v)}")
    axis = normal_axis(dimension, len(shape_of(k)), "sort_key_val")
    order = sorting.argsort(k, axis)
    return along(k, order, axis), along(v, order, axis)


def clamp(min: Any, x: Any, max: Any) -> Any:
    """x, but ``min`` where it is smaller and ``max`` where it is larger.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.clamp(0.0, np.array([-1.0, 0.5, 3.0]), 1.0)
    array([0. , 0.5, 1. ])
    """
    return fnp.clip(x, min, max)


# -- sums along an axis ------------------------------------------------------------------------------------------------


def _cumulative(name: str, primitive: Callable[..., Any], what: str, example: str) -> Callable[..., Any]:
    def f(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
        x = as_array(operand, name)
        return fresh_array(primitive(x, normal_axis(axis, len(shape_of(x)), name), bool(reverse)), x)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""The {what} of all elements up to each along an axis; ``reverse``: from each on.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.{name}(np.array([1.0, 3.0, 2.0]), reverse=True)
    {example}
    """
    return f


cumsum = _cumulative("cumsum", cumulative.cumsum, "sum", "array([6., 5., 2.])")
cumprod = _cumulative("cumprod", cumulative.cumprod, "product", "array([6., 6., 2.])")
cummax = _cumulative("cummax", cumulative.cummax, "maximum", "array([3., 3., 2.])")
cummin = _cumulative("cummin", cumulative.cummin, "minimum", "array([1., 2., 2.])")


def cumlogsumexp(operand: Any, axis: int = 0, reverse: bool = False) -> Any:
    """The logarithm of the sum of the exponentials of all elements up to each along an axis; ``reverse``: from each on.
    Neither overflows.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.cumlogsumexp(np.array([1000.0, 1000.0, 1000.0])) - 1000
    array([0.        , 0.69314718, 1.09861229])
    """
    x = as_array(operand, "cumlogsumexp")
    axis = normal_axis(axis, len(shape_of(x)), "cumlogsumexp")
    if x.dtype.kind == "c":
        raise DtypeError(f"cumlogsumexp{here()} is of real numbers, got {x.dtype}")
    return associative_scan(fnp.logaddexp, cast(x, result_dtype([x, 1.0])), reverse=reverse, axis=axis)


# -- elements ----------------------------------------------------------------------------------------------------------


def rsqrt(x: Any) -> Any:
    """1 / sqrt(x).

    Examples
    --------
    >>> import functad as fd
    >>> fd.lax.rsqrt(4.0)
    np.float64(0.5)
    """
    y = as_array(x, "rsqrt")
    dtype = result_dtype([y, 1.0])
    return div(dtype.type(1), sqrt(cast(y, dtype)))


def dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]],
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """Products of elements, summed over pairs of axes.

    Parameters
    ----------
    lhs, rhs
        Arrays, which are promoted to a common dtype.
    dimension_numbers
        ``((contracted axes of lhs, of rhs), (batch axes of lhs, of rhs))``, paired by position. The result has the
        batch axes, then the other axes of ``lhs``, then those of ``rhs``.
    precision
        Taken for the sake of JAX's signature: products are in the precision of the dtype.
    preferred_element_type
        The dtype to compute in, and of the result.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x, y = np.ones((5, 2, 3)), np.ones((5, 3, 4))
    >>> fd.lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))).shape
    (5, 2, 4)
    """
    x, y = as_array(lhs, "dot_general"), as_array(rhs, "dot_general")
    dtype = result_dtype([x, y]) if preferred_element_type is None else np.dtype(preferred_element_type)
    (cx, cy), (bx, by) = dimension_numbers
    contract, batch = (_axes(cx, x), _axes(cy, y)), (_axes(bx, x), _axes(by, y))
    return contractions.dot_general(cast(x, dtype), cast(y, dtype), contract, batch)


def _axes(axes: Sequence[int], x: Any) -> tuple[int, ...]:
    return tuple([normal_axis(a, len(shape_of(x)), "dot_general") for a in axes])


# -- shapes ------------------------------------------------------------------------------------------------------------


def expand_dims(array: Any, dimensions: Sequence[int]) -> Any:
    """New axes of length 1, at these places of the result.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.expand_dims(np.zeros(3), (0, 2)).shape
    (1, 3, 1)
    """
    return fnp.expand_dims(array, tuple(dimensions))


def squeeze(array: Any, dimensions: Sequence[int]) -> Any:
    """Without these axes, which have length 1.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.squeeze(np.ones((1, 3)), (0,))
    array([1., 1., 1.])
    """
    return fnp.squeeze(array, tuple(dimensions))


def collapse(operand: Any, start_dimension: int, stop_dimension: int | None = None) -> Any:
    """The axes from ``start_dimension`` up to, and without, ``stop_dimension`` as one.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.collapse(np.zeros((2, 3, 4)), 1).shape
    (2, 12)
    """
    x = as_array(operand, "collapse")
    shape = shape_of(x)
    first, last, _ = np.s_[start_dimension:stop_dimension].indices(len(shape))
    return fnp.reshape(x, (*shape[:first], int(np.prod(shape[first:last])), *shape[last:]))


def rev(operand: Any, dimensions: Sequence[int]) -> Any:
    """The elements in reverse order along these axes.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.rev(np.arange(3.0), (0,))
    array([2., 1., 0.])
    """
    return fnp.flip(operand, tuple(dimensions))


def broadcast(operand: Any, sizes: Sequence[int]) -> Any:
    """New axes of these lengths in front, along which the elements are repeated.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.broadcast(np.zeros(3), (5, 2)).shape
    (5, 2, 3)
    """
    x = as_array(operand, "broadcast")
    return fnp.broadcast_to(x, (*sizes, *shape_of(x)))


def broadcast_in_dim(operand: Any, shape: Sequence[int], broadcast_dimensions: Sequence[int]) -> Any:
    """An array of a shape, whose axes ``broadcast_dimensions`` are those of the operand, in order; along all others the
    elements are repeated, and along those where the operand has length 1.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.broadcast_in_dim(np.array([1, 2]), (2, 3), (0,))
    array([[1, 1, 1],
           [2, 2, 2]])
    """
    x = as_array(operand, "broadcast_in_dim")
    axes, full = tuple(broadcast_dimensions), tuple(shape)
    own = shape_of(x)
    fits = len(axes) == len(own) and list(axes) == sorted(set(axes)) and all([0 <= a < len(full) for a in axes])
    if not fits or any([n not in (1, full[a]) for n, a in zip(own, axes, strict=True)]):
        raise ShapeError(
            f"broadcast_in_dim{here()}: an array of the shape {own} does not fit the axes {axes} of the shape {full}; "
            "it needs an ascending axis for each of its own, of its length or 1"
        )
    kept = [a for n, a in zip(own, axes, strict=True) if n == full[a]]
    y = fnp.reshape(x, [full[a] for a in kept])
    return (
        fresh_array(strict_broadcast(y, full, kept)) if type(y) is Tracer else np.array(strict_broadcast(y, full, kept))
    )


def concatenate(operands: Sequence[Any], dimension: int) -> Any:
    """Arrays one after the other along an axis.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.concatenate([np.zeros(2), np.ones(1)], 0)
    array([0., 0., 1.])
    """
    return fnp.concatenate(operands, dimension)


def pad(operand: Any, padding_value: Any, padding_config: Sequence[tuple[int, int, int]]) -> Any:
    """An array with a value around, and between, its elements.

    Parameters
    ----------
    operand
        An array.
    padding_value
        A number.
    padding_config
        For each axis ``(before, after, between)``: how many of the value come before the first element, after the last
        and between any two. Negative ones before and after cut elements off.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.pad(np.array([1.0, 2.0, 3.0]), 0.0, [(2, -1, 1)])
    array([0., 0., 1., 0., 2., 0.])
    """
    x, value = as_array(operand, "pad"), as_array(padding_value, "pad")
    config = [tuple(map(operator.index, c)) for c in padding_config]
    if len(config) != len(shape_of(x)) or any([len(c) != 3 or c[2] < 0 for c in config]):
        raise ShapeError(
            f"pad{here()}: an array of {len(shape_of(x))} axes takes (before, after, between) for each, with nothing "
            f"negative between, got {padding_config}"
        )
    padded = slicing.pad(x, cast(value, x.dtype), [(max(a, 0), max(b, 0), between) for a, b, between in config])
    lengths = shape_of(padded)
    starts = [max(-a, 0) for a, _, _ in config]
    stops = [max(n + min(b, 0), s) for n, (_, b, _), s in zip(lengths, config, starts, strict=True)]
    found = slicing.slice_(padded, starts, stops)
    return fresh_array(found, x) if type(found) is Tracer else np.array(found)


# -- numbers -----------------------------------------------------------------------------------------------------------


def iota(dtype: Any, size: int) -> Any:
    """0, 1, 2, ... of a dtype.

    Examples
    --------
    >>> import functad as fd
    >>> fd.lax.iota(float, 3)
    array([0., 1., 2.])
    """
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype: Any, shape: Sequence[int], dimension: int) -> Any:
    """An array whose elements are their own index along an axis.

    Examples
    --------
    >>> import functad as fd
    >>> fd.lax.broadcasted_iota(int, (2, 3), 1)
    array([[0, 1, 2],
           [0, 1, 2]])
    """
    axis = normal_axis(dimension, len(shape), "broadcasted_iota")
    made = strict_iota(shape, np.dtype(dtype), axis)
    return fresh_array(made) if type(made) is Tracer else np.array(made)
