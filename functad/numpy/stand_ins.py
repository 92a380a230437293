"""Python's own functions of numbers where a traced value is among their arguments: what user code calls instead.

``float(x)`` of a traced number stays traced; ``isinstance`` and ``type`` answer as for the object that a traced value
stands for; ``min``, ``max`` and ``sum`` do what Python does where values are known, and choose by value where they are
not. Registered in ``dispatch.CALLS``, which ``functad.front`` looks at.
"""

from __future__ import annotations

import builtins
import functools
import statistics
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from functad.core.foreign import as_numpy, is_foreign
from functad.core.trace import ABSENT
from functad.core.tracer import ARRAY, PYTHON, Tracer, Varying
from functad.numpy import conversion, indexing, logic, reductions, shapes
from functad.numpy.creation import asarray
from functad.numpy.dispatch import stands_for
from functad.numpy.memory import is_view, reshaped_view, same_memory
from functad.numpy.operands import as_array, as_python, cast
from functad.numpy.rows import runs
from functad.numpy.statistics import mean as mean_of
from functad.numpy.traced import here, is_traced
from functad.primitives.check import Failure, check
from functad.primitives.comparison import le

__all__ = ["kind_of"]

PYTHON_TYPES: dict[str, type] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def kind_of(x: Tracer) -> type:
    """The type of what a traced value stands for."""
    if x._kind == ARRAY:
        return np.ndarray
    return PYTHON_TYPES[x.dtype.kind] if x._kind == PYTHON else x.dtype.type


@stands_for(type)
def type_(*args: Any, **kwargs: Any) -> Any:
    """``type(x)``."""
    if len(args) == 1 and builtins.type(args[0]) is Tracer:
        return kind_of(args[0])
    if len(args) == 1 and builtins.isinstance(args[0], Varying):
        return np.ndarray
    return builtins.type(*args, **kwargs)


@stands_for(isinstance)
def isinstance_(x: Any, classes: Any) -> bool:
    """``isinstance(x, classes)``."""
    if builtins.type(x) is Tracer:
        return issubclass(kind_of(x), classes) or isinstance(x, classes)
    return isinstance(x, classes) or (isinstance(x, Varying) and issubclass(np.ndarray, classes))


# -- conversions -------------------------------------------------------------------------------------------------------


@stands_for(float)
def float_(*args: Any) -> Any:
    """``float(x)``, which stays traced."""
    if len(args) != 1 or type(args[0]) is not Tracer or args[0].size != 1 or args[0].dtype.kind == "c":
        return float(*args)
    return _number(args[0], np.dtype(np.float64))


@stands_for(complex)
def complex_(*args: Any, **kwargs: Any) -> Any:
    """``complex(x)`` and ``complex(real, imag)``, which stay traced."""
    if kwargs or not is_traced(args):
        return complex(*args, **kwargs)
    real, *imag = [_number(x, np.dtype(np.complex128)) if type(x) is Tracer else x for x in args]
    return real + 1j * imag[0] if imag else real


def _number(x: Tracer, dtype: np.dtype) -> Any:
    """A traced value of one element as a Python number."""
    return as_python(cast(shapes.reshape(shapes.copy(x), ()), dtype))


@stands_for(int)
def int_(*args: Any, **kwargs: Any) -> Any:
    """``int(x)``: an integer, whose derivative is 0; traced where the value is not known."""
    if len(args) != 1 or type(args[0]) is not Tracer or args[0].size != 1:
        return int(*args, **kwargs)
    x = args[0]
    value = x._owner.ask(x._variable)
    if value is not ABSENT:
        return int(np.asarray(value).reshape(())[()])
    whole = shapes.reshape(conversion.fix(x) if x.dtype.kind == "f" else x, ())
    if whole.dtype == UINT64:
        check(le(whole, LARGEST), TOO_LARGE)
    return as_python(cast(whole, np.dtype(np.int64)))


UINT64, LARGEST = np.dtype(np.uint64), np.uint64(np.iinfo(np.int64).max)

TOO_LARGE = Failure(
    lambda: OverflowError("int(x) of an unsigned number is larger than the 64 bits that integers have in compiled code")
)


def _scalar_type(cls: Any) -> None:
    @functools.wraps(cls, updated=())
    def convert(*args: Any) -> Any:
        if len(args) == 1 and is_traced(args):
            x = cast(as_array(args[0], cls.__name__), np.dtype(cls))
            return x if x.ndim else shapes.reshape(x, ())[()]
        return cls(*args)

    stands_for(cls)(convert)


for _cls in (
    *(np.float64, np.float32, np.float16, np.complex128, np.complex64, np.bool_),
    *(np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8),
):
    _scalar_type(_cls)


@stands_for(np.asarray, np.asanyarray, np.asarray_chkfinite)
def as_array_itself(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Any:
    """``numpy.asarray``: of an array, that array, traced or not; of numbers, a new one."""
    if isinstance(a, np.ndarray):
        return np.asarray(a, dtype, order, **kwargs)
    x = as_numpy(a, f"an operand of np.asarray{here()}") if is_foreign(type(a)) else a
    return x if isinstance(x, np.ndarray) and dtype is None else asarray(x, dtype)


@stands_for(np.ascontiguousarray)
def contiguous(a: Any, dtype: Any = None) -> Any:
    """``numpy.ascontiguousarray``: the array itself, if it lies in the order of its axes."""
    x = as_array_itself(a, dtype)
    if type(x) is not Tracer:
        return np.ascontiguousarray(x)

    def layout(m: np.ndarray) -> np.ndarray:
        if not m.flags.c_contiguous:
            raise ValueError("a copy")
        return m

    if not x.ndim:
        return shapes.reshape(x, (1,))
    if not is_view(x, layout):
        return shapes.copy(x)
    return reshaped_view(same_memory(x))


@stands_for(np.isscalar)
def isscalar(element: Any) -> bool:
    """``numpy.isscalar``."""
    return element._kind != ARRAY if type(element) is Tracer else np.isscalar(element)


# -- choices and sums --------------------------------------------------------------------------------------------------


def _extremum(python: Any, better: Callable[[Any, Any], Any], of_array: Callable[..., Any]) -> None:
    """``min`` or ``max``: the first one that no other is better than."""

    @functools.wraps(python)
    def f(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Varying) and not kwargs:
            return of_array(args[0], axis=0)
        if kwargs or not is_traced(args):
            return python(*args, **kwargs)
        items = args
        if len(args) == 1:
            if type(args[0]) is Tracer:
                return of_array(args[0], axis=0)
            items = tuple(args[0])
        if all([_is_known(x) for x in items]):
            return python(items)
        return functools.reduce(lambda x, y: indexing.where(better(y, x), y, x), items)

    stands_for(python)(f)


def _is_known(x: Any) -> bool:
    return type(x) is not Tracer or (x.size == 1 and x._owner.open and x._owner.ask(x._variable) is not ABSENT)


_extremum(min, logic.less, reductions.min)
_extremum(max, logic.greater, reductions.max)


@stands_for(sum)
def sum_(iterable: Any, /, start: Any = 0) -> Any:
    """``sum(xs)``: of an array, over its first axis."""
    if type(iterable) is Tracer or isinstance(iterable, Varying):
        total = reductions.sum(iterable, axis=0)
        return total if type(start) is int and start == 0 else start + total
    if type(iterable) is list and iterable and runs(iterable):
        return sum_(as_array(iterable, "sum"), start)
    return sum(iterable, start)


@stands_for(statistics.mean, statistics.fmean)
def mean(data: Iterable[Any], *weights: Any) -> Any:
    """``statistics.mean``."""
    xs = data if type(data) is Tracer else list(data)
    if not weights and (type(xs) is Tracer or is_traced(xs)):
        return as_python(mean_of(as_array(xs, "mean")))
    return statistics.fmean(xs, *weights) if weights else statistics.mean(xs)
