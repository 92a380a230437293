"""Types of the IR: what a variable holds, known at trace time."""

from __future__ import annotations

import operator
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.caches import on_clearing, remember

__all__ = [
    "ArrayType",
    "SeqType",
    "ShapeDtypeStruct",
    "Size",
    "Symbol",
    "array_type",
    "dtype_name",
    "scalar_type",
    "seq_type",
]


class Symbol:
    """A size that is run-time data: only equality is defined on it, so no decision can depend on its value."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Symbol) and other.index == self.index

    def __hash__(self) -> int:
        return hash(("Symbol", self.index))

    def __repr__(self) -> str:
        return f"n{self.index}"


Size = int | Symbol


NATIVE = frozenset(["b1", *[f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)], "f2", "f4", "f8", "c8", "c16"])
"""The dtypes, by kind and size, that native code has: not extended precision."""


class ArrayType:
    """The shape and dtype of an array; interned, so equal types are identical objects."""

    __slots__ = ("__weakref__", "dtype", "inexact", "native", "ndim", "shape")

    shape: tuple[int, ...]
    dtype: np.dtype
    ndim: int
    inexact: bool  # whether values have tangents: real and complex floating point
    native: bool  # whether native code has the dtype

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = dtype
        self.ndim = len(shape)
        self.inexact = dtype.kind in "fc"
        self.native = f"{dtype.kind}{dtype.itemsize}" in NATIVE

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    def with_shape(self, shape: tuple[int, ...]) -> ArrayType:
        """The same dtype with another shape."""
        return array_type(shape, self.dtype)

    def with_dtype(self, dtype: np.dtype) -> ArrayType:
        """The same shape with another dtype."""
        return array_type(self.shape, dtype)

    def __repr__(self) -> str:
        return f"{dtype_name(self.dtype)}[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[object, ...]:
        return array_type, (self.shape, self.dtype)


class _Reference(weakref.ref[ArrayType]):
    """One to a type, which knows by what the type is found."""

    __slots__ = ("key",)

    key: Any


_all: dict[Any, _Reference] = {}  # all types that there are
_recent: dict[tuple[tuple[int, ...], np.dtype], ArrayType] = {}  # some of them, for a quick look
_lock = threading.RLock()  # the collector may run while it is held, and what it collects may want it
on_clearing(_recent.clear)


def _interned(key: Any, made: ArrayType) -> ArrayType:
    """The one type that there is for a key: ``made``, unless there is one."""
    reference = _Reference(made, _forget)
    reference.key = key
    while True:
        with _lock:
            standing = _all.setdefault(key, reference)
        found = standing()
        if found is not None:
            return found
        _forget(standing)


def _forget(gone: _Reference, types: dict[Any, _Reference] = _all, lock: threading.RLock = _lock) -> None:
    with lock:
        if types.get(gone.key) is gone:
            del types[gone.key]


def array_type(shape: tuple[int, ...], dtype: np.dtype | type) -> ArrayType:
    """The one ``ArrayType`` of this shape and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> array_type((3, 4), np.float64)
    f64[3,4]
    """
    found = _recent.get((shape, dtype))  # type: ignore[arg-type]
    if found is None:
        exact = np.dtype(
            np.dtype(dtype).newbyteorder("=").str
        )  # the one object of its kind and size, in native byte order
        found = _interned((shape, exact), ArrayType(shape, exact))
        remember(_recent, (shape, exact), found, times=4)
    return found


class _Types(type):
    def __instancecheck__(cls, x: object) -> bool:
        return type(x) is ArrayType


class ShapeDtypeStruct(metaclass=_Types):
    """A shape and a dtype, for whatever looks at these alone: `eval_shape`, `make_ir`, ``fd.jit(f).lower``,
    ``result_types`` of callbacks. What `eval_shape` returns is made of such.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> x = fd.ShapeDtypeStruct((1000, 3), np.float32)
    >>> x, x.shape, x.dtype
    (f32[1000,3], (1000, 3), dtype('float32'))
    >>> fd.eval_shape(lambda x: x @ x.T, x) == fd.ShapeDtypeStruct((1000, 1000), np.float32)
    True
    """

    def __new__(cls, shape: Sequence[int], dtype: Any) -> ArrayType:  # type: ignore[misc]
        return array_type(tuple([operator.index(n) for n in shape]), np.dtype(dtype))


class SeqType(ArrayType):
    """A sequence of run-time length, all elements of one type; interned. Its ``shape`` and ``dtype`` are its elements'.

    What a loop of unknown length leaves behind for its reverse pass: written once a step, read by step in any order.
    """

    __slots__ = ("element",)

    def __init__(self, element: ArrayType) -> None:
        super().__init__(element.shape, element.dtype)
        self.element = element
        self.ndim = -1  # no array: only loops take it

    def __repr__(self) -> str:
        return f"seq<{self.element!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        return seq_type, (self.element,)


def seq_type(element: ArrayType) -> SeqType:
    """The one ``SeqType`` of these elements."""
    found: Any = _interned(element, SeqType(element))
    return found  # type: ignore[no-any-return]


def scalar_type(dtype: np.dtype | type) -> ArrayType:
    """The rank-0 type of a dtype."""
    return array_type((), dtype)


def dtype_name(dtype: np.dtype) -> str:
    """The short name of a dtype: ``f64``, ``i32``, ``u8``, ``c128``, ``bool``.

    Examples
    --------
    >>> import numpy as np
    >>> dtype_name(np.dtype(np.float32))
    'f32'
    """
    if dtype.kind == "b":
        return "bool"
    return f"{dtype.kind}{dtype.itemsize * 8}"
