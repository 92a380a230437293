"""Updates at an index without writing in place: ``x.at[index].set(v)`` is a copy of x with ``x[index] = v``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import DtypeError, ShapeError
from functad.numpy import ufuncs
from functad.numpy.indexing import get_item
from functad.numpy.indices import parse_index
from functad.numpy.items import updated
from functad.numpy.operands import as_array, cast, depends_on, fresh_array, operand, shape_of
from functad.numpy.promotion import PYTHON_NUMBERS, result_dtype, strength
from functad.numpy.traced import here, is_traced
from functad.primitives.broadcasting import broadcast
from functad.primitives.shapes import reshape

__all__ = ["At", "Update", "at"]


def at(x: Any) -> At:
    """Updates of an array at an index, for traced and plain arrays alike; x itself is never changed.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.at(np.zeros(3))[1:].set(5.0)
    array([0., 5., 5.])
    >>> fd.at(np.zeros(3))[[0, 0, 2]].add(1.0)
    array([2., 0., 1.])
    """
    return At(x)


class At:
    """``x.at``: index it, then say what to do there."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Update:
        return Update(self._x, index)

    def __repr__(self) -> str:
        return f"<updates of {self._x!r}; use .at[index].set(value)>"


class Update:
    """``x.at[index]``: the updates. Where an index array names an element several times, all of its updates count, in
    order.

    A value is broadcast to the shape of ``x[index]`` and takes the dtype of x, unless that would lose something (a
    fraction, an imaginary part).
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x = x
        self._index = index

    def get(self) -> Any:
        """``x[index]``."""
        x = as_array(self._x, "at")
        return get_item(x, self._index) if self._traced(x) else np.copy(np.asarray(x)[self._index])[()]

    def set(self, value: Any) -> Any:
        """A copy of x with ``x[index] = value``."""
        return self._updated("set", value)

    def add(self, value: Any) -> Any:
        """A copy of x with ``x[index] += value``."""
        return self._updated("add", value)

    def subtract(self, value: Any) -> Any:
        """A copy of x with ``x[index] -= value``."""
        x, v = as_array(self._x, "at"), operand(value, "at")
        check_fits(v, x.dtype)
        return self._updated("add", ufuncs.negative(cast(v, x.dtype)))

    def multiply(self, value: Any) -> Any:
        """A copy of x with ``x[index] *= value``."""
        return self._updated("mul", value)

    def divide(self, value: Any) -> Any:
        """A copy of x with ``x[index] /= value``."""
        return self._factored(ufuncs.divide, value)

    def power(self, value: Any) -> Any:
        """A copy of x with ``x[index] **= value``."""
        return self._factored(ufuncs.power, value)

    def min(self, value: Any) -> Any:
        """A copy of x with ``x[index] = np.minimum(x[index], value)``."""
        return self._updated("min", value)

    def max(self, value: Any) -> Any:
        """A copy of x with ``x[index] = np.maximum(x[index], value)``."""
        return self._updated("max", value)

    def apply(self, f: Callable[[Any], Any]) -> Any:
        """A copy of x with ``x[index] = f(x[index])``."""
        return self.set(f(self.get()))

    def _factored(self, f: Callable[..., Any], value: Any) -> Any:
        """``f`` of each element and the product of its values, which is 1 where there are none."""
        x = as_array(self._x, "at")
        dtype = result_dtype([x, operand(value, "at")])
        y = f(x, Update(np.ones(shape_of(x), dtype), self._index).multiply(value))
        return fresh_array(y) if type(y) is Tracer else np.asarray(y)

    def _traced(self, *operands: Any) -> bool:
        index = self._index if isinstance(self._index, tuple) else (self._index,)
        return is_traced((*index, *operands))

    def _updated(self, op: str, value: Any) -> Any:
        x, v = as_array(self._x, "at"), operand(value, "at")
        check_fits(v, x.dtype)
        if not self._traced(x, v):
            return _plain(x, self._index, op, v)
        index = parse_index(self._index, shape_of(x))
        return fresh_array(updated(x, index, op, fitted(cast(v, x.dtype), index.shape, "x.at[index]")), x)


def check_fits(v: Any, dtype: np.dtype) -> None:
    """Refuse a value that would lose something in an array of a dtype, as ``np.add.at`` does; a Python number need only
    be of its kind.
    """
    kind = strength(v)
    fits = dtype.kind in _HOLDS[kind] if kind in PYTHON_NUMBERS else np.can_cast(kind, dtype, "same_kind")
    if not fits:
        given = f"a Python {kind.__name__}" if kind in PYTHON_NUMBERS else f"{kind} values"
        wider = result_dtype([v, dtype.type(0)])
        raise DtypeError(
            f"x.at[index]{here()}: {given} would be cut in an array of dtype {dtype}; use "
            f"x.astype({str(wider)!r}).at[index]"
        )


_HOLDS: dict[Any, str] = {int: "iufc", float: "fc", complex: "c"}


def fitted(v: Any, shape: tuple[int, ...], what: str) -> Any:
    """A value broadcast to the shape of ``x[index]``; as in an assignment, it may have more leading axes, of length
    1.
    """
    own = shape_of(v)
    while len(own) > len(shape) and own[0] == 1:
        own = own[1:]
    lead = len(shape) - len(own)
    if lead < 0 or any(m not in (1, n) for m, n in zip(own, shape[lead:], strict=True)):
        raise ShapeError(
            f"{what}{here()}: a value of shape {shape_of(v)} cannot be broadcast to the shape {shape} of x[index]"
        )
    return broadcast(reshape(v, own), shape, range(lead, len(shape)))


_PLAIN = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def _plain(x: np.ndarray, index: Any, op: str, v: Any) -> np.ndarray:
    for value in (x, v, *(index if isinstance(index, tuple) else (index,))):
        depends_on(value)
    out = np.array(x)
    if op == "set":
        out[index] = v
    else:
        _PLAIN[op].at(out, index, v)
    return out
