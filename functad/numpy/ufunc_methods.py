"""Methods of ufuncs of two operands: ``reduce``, ``accumulate``, ``reduceat``, ``outer``, ``at``, with any ufunc that
is there for traced values.

Sums, products, extrema and the like are reductions of their own. Other operations that are associative are applied to
halves of what is reduced, the rest from the first element to the last.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.errors import ArgumentError, UnsupportedError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import call_declared, register, stands_for, traced_form
from functad.numpy.operands import as_array, cast, fresh, operand, shape_of
from functad.numpy.reductions import masked, refuse_out
from functad.numpy.shapes import part
from functad.numpy.traced import here, is_traced
from functad.numpy.writing import at_indices
from functad.primitives.cumulative import cummax, cummin
from functad.primitives.shapes import reshape

__all__: list[str] = []

REDUCE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min, np.logical_and: np.all,
    np.logical_or: np.any,
}  # fmt: skip
ACCUMULATE: dict[np.ufunc, Callable[..., Any]] = {np.add: np.cumsum, np.multiply: np.cumprod}
EXTREMA = {np.maximum: cummax, np.minimum: cummin}

ASSOCIATIVE = frozenset({
    *(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.logical_xor, np.fmax, np.fmin, np.gcd, np.lcm, np.hypot),
    *(np.logaddexp, np.logaddexp2),
})  # fmt: skip

IDEMPOTENT = frozenset({np.fmax, np.fmin})
"""To which an initial value may be given any number of times."""


def declared(ufunc: np.ufunc) -> Callable[..., Any]:
    """What a ufunc does on traced values."""
    f = traced_form(ufunc)
    if f is None:
        raise UnsupportedError(f"the ufunc {ufunc.__name__}{here()} is not available for traced values")
    return f


def method(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of ufuncs: a function of a ufunc and the method's arguments."""
    plain = getattr(np.ufunc, name)

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        register(plain, f)

        @functools.wraps(f)
        def called(ufunc: np.ufunc, *args: Any, **kwargs: Any) -> Any:
            if is_traced(args) and kwargs.get("out") is None:
                return f(ufunc, *args, **kwargs)
            return plain(ufunc, *args, **kwargs)

        return stands_for(plain)(called)

    return declare


def check_binary(ufunc: np.ufunc, name: str) -> None:
    """Refuse ufuncs that are not of two operands."""
    if ufunc.nin != 2 or ufunc.nout != 1 or ufunc.signature is not None:
        raise UnsupportedError(
            f"np.{ufunc.__name__}.{name}{here()}: {name} is of ufuncs of two operands with one result"
        )


# -- reduce ------------------------------------------------------------------------------------------------------------


@method("reduce")
def reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    """``ufunc.reduce``."""
    check_binary(ufunc, "reduce")
    name = f"{ufunc.__name__}.reduce"
    refuse_out(out, name)
    given = {"dtype": dtype, "initial": initial, "where": None if where is True else where}
    if ufunc in REDUCE:
        kwargs = {"axis": axis, "keepdims": keepdims, **{k: v for k, v in given.items() if v is not None}}
        return call_declared(declared(REDUCE[ufunc]), (array,), kwargs, name)  # type: ignore[arg-type]
    x = as_array(array, name)
    x = x if dtype is None else cast(x, np.dtype(dtype))
    if where is not True:
        neutral = initial if ufunc in IDEMPOTENT else ufunc.identity
        if neutral is None:
            raise ArgumentError(f"np.{name}{here()}: where= is not available where no element is neutral")
        x = masked(x, where, neutral, name)
    shape = shape_of(x)
    axes = normal_axes(axis, len(shape), name)
    if len(axes) > 1 and ufunc not in ASSOCIATIVE:
        raise ArgumentError(f"np.{name}{here()}: the operation is not reorderable, so only one axis may be given")
    y: Any = x
    for a in sorted(axes, reverse=True):
        y = _folded(ufunc, y, a, name, initial)
    if initial is not None:
        y = declared(ufunc)(operand(initial, name), y) if shape_of(y) or y is not x else y
    if keepdims:
        y = reshape(y, [1 if a in axes else n for a, n in enumerate(shape)])
    return fresh(y, x)


def _folded(ufunc: np.ufunc, x: Any, axis: int, name: str, initial: Any) -> Any:
    """All parts along an axis combined, from the first to the last, or where the order is free in halves."""
    f, n = declared(ufunc), shape_of(x)[axis]
    rest = shape_of(x)[:axis] + shape_of(x)[axis + 1 :]
    if not n:
        neutral = ufunc.identity if initial is None else initial
        if neutral is None:
            raise ArgumentError(f"np.{name}{here()} of no elements has no value; give it initial=")
        return fnp.full(rest, neutral, x.dtype)
    if initial is not None and ufunc not in ASSOCIATIVE:
        raise UnsupportedError(f"np.{name}{here()}: initial= is not available for operations whose order counts")
    if ufunc not in ASSOCIATIVE:
        parts = [reshape(part(x, axis, k, k + 1), rest) for k in range(n)]
        return functools.reduce(f, parts)
    while n > 1:
        half = n // 2
        y = f(part(x, axis, 0, half), part(x, axis, half, 2 * half))
        x = fnp.concatenate([y, part(x, axis, 2 * half, n)], axis) if n % 2 else y
        n = half + n % 2
    return reshape(x, rest)


# -- accumulate, reduceat ----------------------------------------------------------------------------------------------


@method("accumulate")
def accumulate(ufunc: np.ufunc, array: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    """``ufunc.accumulate``."""
    check_binary(ufunc, "accumulate")
    name = f"{ufunc.__name__}.accumulate"
    refuse_out(out, name)
    if ufunc in ACCUMULATE:
        return declared(ACCUMULATE[ufunc])(array, axis, dtype)  # type: ignore[arg-type]
    x = as_array(array, name)
    x = x if dtype is None else cast(x, np.dtype(dtype))
    axis = normal_axis(axis, len(shape_of(x)), name)
    if ufunc in EXTREMA and x.dtype.kind in "fciu":
        return fresh(EXTREMA[ufunc](x, axis), x)
    f, parts = declared(ufunc), [part(x, axis, k, k + 1) for k in range(shape_of(x)[axis])]
    found = parts[:1]
    for p in parts[1:]:
        found.append(f(found[-1], p))
    return fresh(fnp.concatenate(found, axis), x) if found else fresh(x, x)


@method("reduceat")
def reduceat(ufunc: np.ufunc, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
    """``ufunc.reduceat``: the places where parts begin must be known."""
    check_binary(ufunc, "reduceat")
    name = f"{ufunc.__name__}.reduceat"
    refuse_out(out, name)
    x = as_array(array, name)
    axis = normal_axis(axis, len(shape_of(x)), name)
    n = shape_of(x)[axis]
    starts = [operator.index(i) for i in (indices if isinstance(indices, list | tuple) else list(indices))]
    if any(not 0 <= i < n for i in starts):
        raise ArgumentError(f"np.{name}{here()}: indices must be from 0 to {n - 1}, got {starts}")
    parts = []
    for i, j in zip(starts, [*starts[1:], n], strict=True):
        parts.append(reduce(ufunc, part(x, axis, i, j if j > i else i + 1), axis, dtype, keepdims=True))
    return fresh(fnp.concatenate(parts, axis), x)


# -- outer, at ---------------------------------------------------------------------------------------------------------


@method("outer")
def outer(ufunc: np.ufunc, A: Any, B: Any, /, **kwargs: Any) -> Any:
    """``ufunc.outer``: of all pairs of elements."""
    check_binary(ufunc, "outer")
    x, y = as_array(A, ufunc.__name__), as_array(B, ufunc.__name__)
    dtype = kwargs.pop("dtype", None)
    if kwargs:
        raise UnsupportedError(
            f"np.{ufunc.__name__}.outer{here()}: the arguments {', '.join(kwargs)} are not available"
        )
    if dtype is not None:
        x, y = cast(x, np.dtype(dtype)), cast(y, np.dtype(dtype))
    return declared(ufunc)(reshape(x, (*shape_of(x), *[1] * len(shape_of(y)))), y)


@method("at")
def at(ufunc: np.ufunc, a: Any, indices: Any, *operands: Any) -> None:
    """``ufunc.at``."""
    at_indices(ufunc, a, indices, *operands)
