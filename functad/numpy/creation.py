"""New arrays. Inside a trace they are traced; outside they are NumPy's own."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from functad.core.handles import borrowed
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, Tracer, Varying
from functad.errors import ArgumentError
from functad.numpy.axes import as_shape, normal_axis
from functad.numpy.diagonals import below
from functad.numpy.dispatch import call_declared, register, stands_for
from functad.numpy.memory import as_new, lifted
from functad.numpy.operands import as_array, cast, dtype_of, fresh_array, operand, promote, shape_of
from functad.numpy.shapes import broadcast_to, moveaxis
from functad.numpy.traced import here, is_traced
from functad.numpy.ufuncs import divide, floor, log10, power, sign
from functad.primitives.arithmetic import add, div, mul, sub
from functad.primitives.broadcasting import broadcast_p
from functad.primitives.comparison import eq
from functad.primitives.convert import convert
from functad.primitives.generate import iota
from functad.primitives.selection import select
from functad.primitives.shapes import reshape

__all__ = [
    "arange", "array", "asarray", "empty", "empty_like", "eye", "full", "full_like", "geomspace", "identity",
    "linspace", "logspace", "meshgrid", "ones", "ones_like", "zeros", "zeros_like",
]  # fmt: skip

INT64 = np.dtype(np.int64)


def creates(numpy_function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare what a NumPy function that has no array argument does inside a trace; NumPy calls it where ``like=`` is a
    tracer.
    """

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        def public(*args: Any, **kwargs: Any) -> Any:
            if current_trace() is None and not is_traced(args):
                return numpy_function(*args, **kwargs)
            return call_declared(f, args, kwargs, f.__name__)

        public.__name__, public.__qualname__, public.__doc__ = f.__name__, f.__qualname__, f.__doc__
        register(numpy_function, f)
        return stands_for(numpy_function)(public)

    return declare


def constant(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """A traced array with one value everywhere."""
    return as_new(broadcast_p.bind(cast(value, dtype), shape=shape, axes=()))


# -- one value ---------------------------------------------------------------------------------------------------------


@creates(np.zeros)
def zeros(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """``numpy.zeros``."""
    return constant(0, as_shape(shape, "zeros"), np.dtype(dtype))


@creates(np.ones)
def ones(shape: Any, dtype: Any = None, order: str = "C") -> Any:
    """``numpy.ones``."""
    return constant(1, as_shape(shape, "ones"), np.dtype(dtype))


@creates(np.empty)
def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """``numpy.empty``; inside a trace, zeros."""
    return constant(0, as_shape(shape, "empty"), np.dtype(dtype))


@creates(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """``numpy.full``; the value may be traced."""
    return _filled(as_shape(shape, "full"), fill_value, dtype, "full")


def _filled(shape: tuple[int, ...], fill_value: Any, dtype: Any, name: str) -> Any:
    value = as_array(fill_value, name)
    value = cast(value, np.dtype(dtype) if dtype is not None else dtype_of(value))
    if not shape_of(value):
        return constant(value, shape, value.dtype)
    spread = broadcast_to(value, shape)
    return fresh_array(spread, value) if type(spread) is Tracer else lifted(spread)


def _like(name: str, value: Any) -> Any:
    def f(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None) -> Any:
        if isinstance(a, Varying) and shape is None:
            return a.like(value, dtype)
        x = as_array(a, name)
        return constant(
            value,
            shape_of(x) if shape is None else as_shape(shape, name),
            np.dtype(dtype) if dtype is not None else x.dtype,
        )

    f.__name__ = name
    f.__doc__ = f"``numpy.{name}``."
    return creates(getattr(np, name))(f)


zeros_like, ones_like, empty_like = _like("zeros_like", 0), _like("ones_like", 1), _like("empty_like", 0)


@creates(np.full_like)
def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """``numpy.full_like``; the value may be traced."""
    if isinstance(a, Varying) and shape is None:
        return a.like(fill_value, dtype)
    x = as_array(a, "full_like")
    return _filled(
        shape_of(x) if shape is None else as_shape(shape, "full_like"),
        fill_value,
        x.dtype if dtype is None else dtype,
        "full_like",
    )


# -- given elements ----------------------------------------------------------------------------------------------------


@creates(np.array)
def array(object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0) -> Any:
    """``numpy.array``; of tracers, and of nested lists with tracers in them, too."""
    x = as_array(object, "array")
    x = cast(x, np.dtype(dtype) if dtype is not None else x.dtype)
    if len(shape_of(x)) < ndmin:
        x = reshape(x, (1,) * (ndmin - len(shape_of(x))) + shape_of(x))
    return fresh_array(x, x) if type(x) is Tracer else lifted(x)


@creates(np.asarray)
def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None) -> Any:
    """``numpy.asarray``; of tracers, and of nested lists with tracers in them, too."""
    if copy:
        return array(a, dtype)
    if type(a) is Tracer and a._kind == ARRAY and (dtype is None or a.dtype == np.dtype(dtype)):
        return a
    x = array(a, dtype)
    if isinstance(a, np.ndarray) and x.dtype == a.dtype:
        return borrowed(x, "what np.asarray made of a plain array, whose memory it shares; make a copy with np.array")
    return x


# -- sequences ---------------------------------------------------------------------------------------------------------


@creates(np.arange)
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """``numpy.arange``; the bounds must be plain numbers, or have values that are known while tracing."""
    first, last = (0, start) if stop is None else (start, stop)
    first, last, step = _known(first), _known(last), 1 if step is None else _known(step)
    values = np.arange(first, last, step, dtype=dtype)
    if values.dtype.kind in "iu" and first == 0 and step == 1:
        return iota(values.shape, values.dtype, 0)
    return lifted(values)


def _known(bound: Any) -> Any:
    """A bound that decides a shape, as a plain number."""
    if type(bound) is Tracer:
        return bound._owner.force(bound._variable, "np.arange, whose length depends on the value,")
    return bound


@creates(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    """``numpy.linspace``; the ends may be traced."""
    num = operator.index(num)
    if num < 0:
        raise ArgumentError(f"np.linspace{here()}: the number of samples must not be negative, got {num}")
    xs = [operand(start, "linspace"), operand(stop, "linspace")]
    low, high, _ = promote("linspace", *[as_array(x, "linspace") if shape_of(x) else x for x in xs], 1.0)
    parts = num - 1 if endpoint else num
    shape = (num, *(shape_of(low) or shape_of(high)))
    low, high = (broadcast_to(v, shape) for v in (low, high))
    index = iota(shape, low.dtype, 0)
    step = div(sub(high, low), max(parts, 1))
    y = add(mul(index, step), low)
    if endpoint and num > 1:
        y = select(eq(index, num - 1), high, y)
    if dtype is not None:
        y = cast(
            floor(y) if np.dtype(dtype).kind in "iu" else y, np.dtype(dtype)
        )  # NumPy rounds down, not towards zero
    y = moveaxis(y, 0, normal_axis(axis, len(shape), "linspace"))
    return (y, step[0]) if retstep else y


@creates(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """``numpy.logspace``: powers of a base with equally spaced exponents."""
    y = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return cast(y, np.dtype(dtype)) if dtype is not None else y


@creates(np.geomspace)
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """``numpy.geomspace``: each element the one before times a factor; the ends may be traced."""
    low, high, _ = promote("geomspace", operand(start, "geomspace"), operand(stop, "geomspace"), np.float64(0))
    sign_ = sign(low)
    low, high = divide(low, sign_), divide(high, sign_)
    y = logspace(log10(low), log10(high), num, endpoint)
    shape, ends = shape_of(y), iota(shape_of(y), INT64, 0)
    low, high, sign_ = (broadcast_to(v, shape) for v in (low, high, sign_))
    y = select(eq(ends, 0), low, y)
    if endpoint and num > 1:
        y = select(eq(ends, num - 1), high, y)
    y = moveaxis(mul(y, sign_), 0, normal_axis(axis, len(shape), "geomspace"))
    return y if dtype is None else cast(y, np.dtype(dtype))


# -- grids -------------------------------------------------------------------------------------------------------------


@creates(np.eye)
def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C") -> Any:
    """``numpy.eye``."""
    return convert(eq(below(N, N if M is None else M), -k), np.dtype(dtype))


@creates(np.identity)
def identity(n: int, dtype: Any = None) -> Any:
    """``numpy.identity``."""
    return eye(n, dtype=float if dtype is None else dtype)


@creates(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """``numpy.meshgrid``."""
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"np.meshgrid{here()}: indexing must be 'xy' or 'ij', got {indexing!r}")
    xs = [as_array(x, "meshgrid") for x in xi]
    lengths = [prod(shape_of(x)) for x in xs]
    axes = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        axes[:2] = [1, 0]
    shape = [lengths[axes.index(i)] for i in range(len(xs))]
    columns = [
        reshape(x, [n if i == axis else 1 for i in range(len(xs))])
        for x, n, axis in zip(xs, lengths, axes, strict=True)
    ]
    grids = [c if sparse else broadcast_to(c, shape) for c in columns]
    return tuple([fresh_array(g, x) if type(g) is Tracer else lifted(g) for g, x in zip(grids, xs, strict=True)])
