"""Updates at an index without writing in place: ``fd.at(x)[index].set(v)`` is a copy of x with ``x[index] = v``.

Traced arrays have ``x.at`` besides; plain ones are NumPy's, which have not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import DtypeError, ShapeError
from functad.numpy import ufuncs
from functad.numpy.index_modes import check_options, elsewhere, is_checked, taken
from functad.numpy.indexing import get_item, where
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
    """``fd.at(x)``: index it, then say what to do there."""

    __slots__ = ("_x",)

    def __init__(self, x: Any) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Update:
        return Update(self._x, index)

    def __repr__(self) -> str:
        return f"<updates of {self._x!r}; use fd.at(x)[index].set(value)>"


class Update:
    """``fd.at(x)[index]``: the updates. Where an index array names an element several times, all of its updates count,
    in order.

    A value is broadcast to the shape of ``x[index]`` and takes the dtype of x, unless that would lose something (a
    fraction, an imaginary part).
    """

    __slots__ = ("_index", "_x")

    def __init__(self, x: Any, index: Any) -> None:
        self._x = x
        self._index = index

    def get(
        self,
        *,
        indices_are_sorted: bool = False,
        unique_indices: bool = False,
        mode: str | None = None,
        fill_value: Any = None,
        wrap_negative_indices: bool = True,
    ) -> Any:
        """``x[index]``.

        Parameters
        ----------
        mode
            What an integer that is out of bounds means. None, or ``"promise_in_bounds"``: an error, as in NumPy.
            ``"clip"``: the nearest that is not; ``"wrap"``: its remainder; ``"fill"``, or ``"drop"``: there the result
            is ``fill_value``, and an update is left out.
        fill_value
            By default NaN, the least integer, the greatest unsigned one, or True.
        indices_are_sorted, unique_indices
            Taken for the sake of JAX's signature, here and in updates: nothing rests on them.
        wrap_negative_indices
            Whether negative integers count from the end; if not, they are out of bounds.

        Examples
        --------
        >>> import functad as fd, numpy as np
        >>> fd.at(np.arange(3.0))[[0, 5, -1]].get(mode="fill", fill_value=7.0)
        array([0., 7., 2.])
        >>> fd.at(np.arange(3.0))[[0, 5]].add(10.0, mode="drop")
        array([10.,  1.,  2.])
        """
        x = as_array(self._x, "at")
        if is_checked(mode) and wrap_negative_indices:
            return get_item(x, self._index) if self._traced(x) else np.copy(np.asarray(x)[self._index])[()]
        return taken(x, self._index, mode, fill_value, wrap_negative_indices)

    def set(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] = value``. Options, of this and the other updates, are those of `get` without
        ``fill_value``.
        """
        return self._updated("set", value, options)

    def add(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] += value``."""
        return self._updated("add", value, options)

    def subtract(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] -= value``."""
        x, v = as_array(self._x, "at"), operand(value, "at")
        check_fits(v, x.dtype)
        return self._updated("add", ufuncs.negative(cast(v, x.dtype)), options)

    def multiply(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] *= value``."""
        return self._updated("mul", value, options)

    def mul(self, value: Any, **options: Any) -> Any:
        """`multiply`."""
        return self.multiply(value, **options)

    def divide(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] /= value``."""
        return self._factored(ufuncs.divide, value, options)

    def power(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] **= value``."""
        return self._factored(ufuncs.power, value, options)

    def min(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] = np.minimum(x[index], value)``."""
        return self._updated("min", value, options)

    def max(self, value: Any, **options: Any) -> Any:
        """A copy of x with ``x[index] = np.maximum(x[index], value)``."""
        return self._updated("max", value, options)

    def apply(self, f: Callable[[Any], Any], **options: Any) -> Any:
        """A copy of x with ``x[index] = f(x[index])``."""
        check_options(options)
        return self.set(f(self.get(**options)), **options)

    def _factored(self, f: Callable[..., Any], value: Any, options: dict[str, Any]) -> Any:
        """``f`` of each element and the product of its values, which is 1 where there are none."""
        x = as_array(self._x, "at")
        dtype = result_dtype([x, operand(value, "at")])
        y = f(x, Update(np.ones(shape_of(x), dtype), self._index).multiply(value, **options))
        return fresh_array(y) if type(y) is Tracer else np.asarray(y)

    def _traced(self, *operands: Any) -> bool:
        index = self._index if isinstance(self._index, tuple) else (self._index,)
        return is_traced((*index, *operands))

    def _updated(self, op: str, value: Any, options: dict[str, Any]) -> Any:
        if options:
            mode, wrapping = check_options(options)
            if not (is_checked(mode) and wrapping):
                return elsewhere(
                    self._x, self._index, mode, wrapping, lambda x, i: Update(x, i)._updated(op, value, {})
                )
        x, v = as_array(self._x, "at"), operand(value, "at")
        check_fits(v, x.dtype)
        if not self._traced(x, v):
            return _plain(x, self._index, op, v)
        if type(x) is Tracer and is_unknown_mask(self._index, x) and shape_of(v) in ((), x.shape[self._index.ndim :]):
            return fresh_array(_masked(x, self._index, op, cast(v, x.dtype)), x)
        index = parse_index(self._index, shape_of(x))
        return fresh_array(updated(x, index, op, fitted(cast(v, x.dtype), index.shape, "fd.at(x)[index]")), x)


def is_unknown_mask(index: Any, x: Tracer) -> bool:
    """Whether an index is a boolean mask of x whose value is not known: how many elements it takes is not, either."""
    return (
        type(index) is Tracer
        and index.dtype.kind == "b"
        and index.ndim > 0
        and index.shape == x.shape[: index.ndim]
        and index._owner.ask(index._variable) is ABSENT
    )


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "set": lambda x, v: v,
    "add": ufuncs.add,
    "mul": ufuncs.multiply,
    "min": ufuncs.minimum,
    "max": ufuncs.maximum,
}


def _masked(x: Tracer, mask: Tracer, op: str, v: Any) -> Any:
    """x with one value, of the shape of its trailing axes, combined where a mask holds."""
    return where(broadcast(mask, x.shape, range(mask.ndim)), _ELEMENTWISE[op](x, v), x)


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
            f"fd.at(x)[index]{here()}: {given} would be cut in an array of dtype {dtype}; use "
            f"fd.at(x.astype({str(wider)!r}))[index]"
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
