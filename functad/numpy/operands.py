"""What a NumPy function does with its arguments before a strict primitive sees them: convert, promote, broadcast.

Plain arrays that are closed over are handed to primitives as they are, and converted by equations, so that the trace
knows the very array that the Program depends on. Under ``jit`` they are tracers from here on: a later call reads what
they hold then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from functad.core.capture import from_outside, taken_over
from functad.core.foreign import conversion, is_foreign
from functad.core.subclasses import plain_array, refuse_foreign
from functad.core.trace import current_trace, type_name
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import DtypeError, ShapeError, StructureError, message_of
from functad.ir.program import frozen
from functad.numpy.promotion import PYTHON_NUMBERS, result_dtype
from functad.numpy.rows import all_rows, runs
from functad.numpy.traced import here, is_traced
from functad.primitives.broadcasting import broadcast, broadcast_p
from functad.primitives.convert import convert
from functad.primitives.joining import concatenate
from functad.primitives.selection import minimum
from functad.primitives.shapes import reshape

__all__ = [
    "as_array", "as_python", "cast", "check_mask", "common_shape", "depends_on", "dtype_of", "fresh", "fresh_array",
    "operand", "promote", "shape_of", "spread", "stack_list", "whole",
]  # fmt: skip

INT64, UINT64 = np.dtype(np.int64), np.dtype(np.uint64)

LARGEST = np.iinfo(np.int64).max


def operand(x: Any, name: str) -> Any:
    """An argument as a tracer, a plain array, a NumPy scalar, or a Python number; lists become arrays."""
    given, cls = x, type(x)
    if cls is Tracer or cls in PYTHON_NUMBERS:
        return x
    if cls is bool:
        return np.bool_(x)
    if (cls is list or cls is tuple) and (is_traced(x) or holds_operands(x)):
        return stack_list(x, name)
    if cls is not np.ndarray and isinstance(x, np.ndarray):
        x = plain_array(x, f"an operand of np.{name}{here()}")
    elif not isinstance(x, (np.ndarray, np.generic)):
        if is_foreign(cls):
            x = taken_over(x, f"an operand of np.{name}{here()}")
        else:
            refuse_foreign(x, f"an operand of np.{name}{here()}")
            try:
                x = np.asarray(x)
            except ValueError as e:
                raise StructureError(f"np.{name}{here()} expects an array or a number: {message_of(e)}") from None
    if x.dtype.kind not in "fciub":
        instead = f"; {conversion(given)}" if hasattr(cls, "shape") and cls is not np.ndarray else ""
        raise DtypeError(
            f"np.{name}{here()} expects numbers or booleans, got {type_name(given)} of dtype {x.dtype}{instead}"
        )
    if isinstance(x, np.ndarray):
        if cls is list or cls is tuple:
            return frozen(x)  # nobody else has it
        x = from_outside(x)
        if type(x) is Tracer:
            return x
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    return x


def holds_operands(xs: Sequence[Any]) -> bool:
    """Whether a (nested) list holds arrays of other libraries, or plain ones that a later call is to read anew."""
    trace = current_trace()
    outside = trace is not None and trace.outside is not None
    for x in xs:
        cls = type(x)
        if cls in PYTHON_NUMBERS:
            continue
        if is_foreign(cls) or (outside and isinstance(x, np.ndarray)):
            return True
        if isinstance(x, list | tuple) and holds_operands(x):
            return True
    return False


def as_array(x: Any, name: str) -> Any:
    """As ``operand``, with Python numbers as NumPy scalars."""
    x = operand(x, name)
    return np.asarray(x)[()] if type(x) in PYTHON_NUMBERS else x


def stack_list(xs: Sequence[Any], name: str) -> Any:
    """The array of a (nested) list with tracers in it."""
    whole = all_rows(xs)
    if whole is not None:
        return whole
    parts = [(operand(x, name), count) for x, count in runs(xs) or [(x, 0) for x in xs]]
    shapes = [shape_of(p)[1:] if count else shape_of(p) for p, count in parts]
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(
            f"np.{name}{here()}: the parts of a list have different shapes, "
            f"{' and '.join(str(s) for s in dict.fromkeys(shapes))}"
        )
    dtype = result_dtype([p for p, _ in parts])
    return concatenate([reshape(cast(p, dtype), (count or 1, *shapes[0])) for p, count in parts], 0)


def check_mask(x: Any, argument: str, name: str) -> None:
    """Refuse an array of numbers where NumPy takes booleans: ``~m`` of integers is true nearly everywhere."""
    if dtype_of(x).kind != "b":
        raise DtypeError(
            f"np.{name}{here()}: {argument} must be boolean, got "
            f"{'a number' if type(x) in PYTHON_NUMBERS else 'an array'} of dtype {dtype_of(x)}; "
            "write x != 0"
        )


def depends_on(x: Any) -> None:
    """Tell the trace that what it records depends on the contents of a plain array that is not itself an operand."""
    trace = current_trace()
    if trace is not None and trace.outside is not None and isinstance(x, np.ndarray):
        trace.outside.depends_on(x)


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an operand."""
    cls = type(x)
    if cls is Tracer:
        return x._variable.type.shape  # type: ignore[no-any-return]
    return () if cls in PYTHON_NUMBERS else x.shape  # type: ignore[no-any-return]


def dtype_of(x: Any) -> np.dtype:
    """The dtype of an operand."""
    return np.result_type(x) if type(x) in PYTHON_NUMBERS else x.dtype  # type: ignore[no-any-return]


def cast(x: Any, dtype: np.dtype) -> Any:
    """An operand in another dtype."""
    cls = type(x)
    if cls is Tracer:
        return x if x._variable.type.dtype == dtype else convert(x, dtype)
    if cls in PYTHON_NUMBERS:
        return dtype.type(x)
    if x.dtype == dtype:
        return x
    return convert(x, dtype) if x.ndim else x.astype(dtype)[()]


def whole(x: Any) -> Any:
    """An integer as int64: an unsigned one that is larger than the largest becomes that, which is no index either."""
    dtype = dtype_of(x)
    return cast(minimum(x, dtype.type(LARGEST)) if dtype == UINT64 else x, INT64)


def common_shape(shapes: Iterable[tuple[int, ...]], name: str) -> tuple[int, ...]:
    """The shape that shapes broadcast to."""
    shapes = list(shapes)
    out: tuple[int, ...] = ()
    for s in shapes:
        if s and s != out:
            if out:
                break
            out = s
    else:
        return out
    out = max(shapes, key=len)
    if all(s == out or not s for s in shapes):
        return out
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        given = " ".join(str(s) for s in shapes)
        raise ShapeError(f"np.{name}{here()}: operands could not be broadcast together with shapes {given}") from None


def spread(x: Any, shape: tuple[int, ...]) -> Any:
    """An operand broadcast to a shape; a rank-0 one stays, as strict primitives take it."""
    own = shape_of(x)
    return x if own == shape or not own else broadcast(x, shape, range(len(shape) - len(own), len(shape)))


def promote(name: str, *xs: Any) -> list[Any]:
    """Operands in their common dtype and, rank-0 ones apart, their common shape."""
    dtype, shape = result_dtype(xs), common_shape([shape_of(x) for x in xs], name)
    return [spread(cast(x, dtype), shape) for x in xs]


def fresh(result: Any, *operands: Any) -> Any:
    """A handle of its own for the result of an operation that makes a new array, even where nothing was computed."""
    if type(result) is Tracer and any(result is x for x in operands):
        return _another(result) if result._variable.type.ndim else Tracer(result._variable, result._owner, SCALAR)
    return result


def _another(x: Tracer) -> Tracer:
    """Another handle of an array, to be written to by the function that runs now: if the array is one of a function
    around, a handle of a copy that is recorded here.
    """
    if x._owner is not current_trace():
        shape = x._variable.type.shape
        x = broadcast_p.bind(x, shape=shape, axes=tuple(range(len(shape))))
    return Tracer(x._variable, x._owner, ARRAY)


def fresh_array(result: Any, *operands: Any) -> Any:
    """``fresh`` for results that NumPy gives as arrays also where they have no axes."""
    if type(result) is not Tracer:
        return result
    if any(result is x for x in operands):
        return _another(result)
    result._kind = ARRAY
    return result


def as_python(x: Any) -> Any:
    """A result marked as what would be a Python number."""
    if type(x) is Tracer:
        x._kind = PYTHON
    return x
