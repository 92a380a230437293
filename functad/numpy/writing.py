"""Writing to traced arrays in place: assignment to an index, augmented assignment, ``out=``, and NumPy's functions and
methods that write.

Each computes the new value of the whole array and lets its handle, and all that shares its memory, stand for that
(``core.handles``). Values are converted as NumPy does: assignment converts to the array's dtype whatever is lost,
operators and ``out=`` only within a kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.handles import is_read_again, snapshot
from functad.core.tracer import ARRAY, Tracer, Varying
from functad.errors import DtypeError, ShapeError, UnsupportedError
from functad.numpy import ufuncs
from functad.numpy.dispatch import implements
from functad.numpy.indexing import where
from functad.numpy.indices import parse_index
from functad.numpy.items import item, updated
from functad.numpy.memory import assign, check_array, into
from functad.numpy.operands import as_array, cast, check_mask, depends_on, dtype_of, operand, shape_of
from functad.numpy.shapes import ravel
from functad.numpy.traced import here
from functad.numpy.updates import fitted

__all__ = ["at_indices", "copyto", "fill", "fill_diagonal", "into", "place", "put", "putmask", "set_item"]


def set_item(x: Tracer, index: Any, value: Any) -> None:
    """``x[index] = value``."""
    check_array(x)
    if is_read_again(x, index, value):
        return
    v = stored(value, x.dtype)
    update(x, index, "set", v)


def stored(value: Any, dtype: np.dtype) -> Any:
    """A value as an array of this dtype holds it."""
    v = operand(value, "ndarray.__setitem__")
    if dtype_of(v).kind == "c" and dtype.kind != "c":
        raise DtypeError(
            f"complex values would lose their imaginary parts{here()} in an array of dtype {dtype}; store v.real, or "
            "make the array with dtype=complex"
        )
    return cast(v, dtype)


def update(x: Tracer, index: Any, op: str, v: Any) -> None:
    """Combine what is at an index with values of the array's dtype, by an op of ``scatter``."""
    parsed = parse_index(index, x.shape)
    assign(x, updated(snapshot(x), parsed, op, fitted(v, parsed.shape, "x[index] = v")))


# -- operators and out= ------------------------------------------------------------------------------------------------


def in_place(symbol: str, f: Callable[..., Any]) -> Callable[[Tracer, Any], Any]:
    """The method of ``x += y``."""

    def method(x: Tracer, y: Any) -> Any:
        if x._kind != ARRAY:
            return NotImplemented
        value = y.reflected(symbol, x) if isinstance(y, Varying) else f(x, y)
        return value if value is NotImplemented else into(x, value, f"x {symbol}= y")

    return method


_UPDATES: dict[np.ufunc, str] = {
    np.add: "add",
    np.multiply: "mul",
    np.minimum: "min",
    np.maximum: "max",
}


def at_indices(ufunc: np.ufunc, x: Any, index: Any, *operands: Any) -> None:
    """``ufunc.at``: where an index array names an element several times, it is changed as often."""
    name = f"np.{ufunc.__name__}.at"
    if type(x) is not Tracer:
        into(x, None, name)
    check_array(x)
    if ufunc is np.subtract:
        ufunc, operands = np.add, (ufuncs.negative(*operands),)
    if ufunc not in _UPDATES:
        raise UnsupportedError(
            f"{name}{here()} is not available for traced values; where no index comes twice, write x[index] = "
            f"np.{ufunc.__name__}(x[index], ...)"
        )
    v = as_array(operands[0], name)
    if not np.can_cast(v.dtype, x.dtype, "same_kind"):
        raise DtypeError(f"{name}{here()}: values of dtype {v.dtype} cannot be combined into dtype {x.dtype}")
    update(x, index, _UPDATES[ufunc], cast(v, x.dtype))


# -- functions that write ----------------------------------------------------------------------------------------------


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """``numpy.copyto``."""
    v = as_array(src, "copyto")
    if type(dst) is Tracer and not np.can_cast(v.dtype, dst.dtype, casting):  # type: ignore[arg-type]
        raise DtypeError(f"np.copyto{here()}: cannot cast {v.dtype} to {dst.dtype} by the rule {casting!r}")
    if where is not True:
        check_mask(where, "where", "copyto")
        v = _choose(where, v, dst)
    into(dst, cast(v, dtype_of(dst)), "np.copyto")


def _choose(mask: Any, v: Any, x: Any) -> Any:
    return where(mask, v, snapshot(x) if type(x) is Tracer else x)


def fill(x: Tracer, value: Any) -> None:
    """``ndarray.fill``."""
    set_item(x, ..., value)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """``numpy.fill_diagonal``."""
    x = _target(a, "fill_diagonal")
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ShapeError(f"np.fill_diagonal{here()}: an array of two axes, or of equal ones; got shape {x.shape}")
    step = x.shape[1] + 1 if x.ndim == 2 else 1 + int(np.cumprod(x.shape[:-1]).sum())
    end = None if wrap or x.ndim > 2 else x.shape[1] * x.shape[1]
    at = np.arange(x.size)[:end:step]
    v = ravel(as_array(val, "fill_diagonal"))
    _set_flat(x, at, v)


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """``numpy.put``: values at indices of the array as if it had one axis."""
    x = _target(a, "put")
    if mode != "raise":
        raise UnsupportedError(f"np.put{here()}: mode={mode!r} is not available for traced values; use np.clip or %")
    index = ravel(as_array(ind, "put"))
    if shape_of(index)[0]:
        _set_flat(x, index, ravel(as_array(v, "put")))


def _set_flat(x: Tracer, index: Any, v: Any) -> None:
    """Store values, repeated as often as needed, at indices of the array's elements in order."""
    count, given = shape_of(index)[0], shape_of(v)[0]
    if count and not given:
        raise ShapeError(f"no values{here()} for {count} elements")
    if given not in (1, count):
        v = item(v, parse_index(np.arange(count) % given, (given,)))
    flat = ravel(snapshot(x))
    parsed = parse_index(index, (x.size,))
    new = updated(flat, parsed, "set", fitted(stored(v, x.dtype), parsed.shape, "x[index] = v"))
    assign(x, new.reshape(x.shape))


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """``numpy.putmask``: ``a.flat[i] = values[i]`` where the mask holds, the values repeated."""
    x = _target(a, "putmask")
    v = ravel(as_array(values, "putmask"))
    v = item(v, parse_index(np.arange(x.size) % shape_of(v)[0], shape_of(v))).reshape(x.shape)
    assign(x, _choose(operand(mask, "putmask"), stored(v, x.dtype), x))


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """``numpy.place``: the values one after the other where the mask holds, which must be known while tracing."""
    x = _target(arr, "place")
    depends_on(mask)
    known = mask._owner.force(mask._variable, "np.place") if type(mask) is Tracer else mask
    _set_flat(x, np.flatnonzero(known), ravel(as_array(vals, "place")))


def _target(x: Any, name: str) -> Tracer:
    if type(x) is not Tracer:
        into(x, None, f"np.{name}")
    check_array(x)
    return x  # type: ignore[no-any-return]
