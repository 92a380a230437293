"""What shares memory with what: views, and results that go where an array is.

In the IR are only values; ``core.handles`` says how handles of arrays share them.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from functad.core.handles import Get, Layout, Put, View, link, write
from functad.core.tracer import ARRAY, Tracer
from functad.errors import DtypeError, ImmutableError, ShapeError
from functad.numpy.operands import as_array, cast, shape_of
from functad.numpy.traced import here
from functad.primitives.broadcasting import broadcast, broadcast_p

__all__ = [
    "as_new",
    "assign",
    "check_array",
    "into",
    "into_plain",
    "is_view",
    "lifted",
    "reshaped_view",
    "same_memory",
    "view",
]

# -- views -------------------------------------------------------------------------------------------------------------


def view(result: Any, of: Any, get: Get, put: Put | None, layout: Layout) -> Any:
    """The result of an operation that gives a view of its operand: a handle that shares its memory.

    ``get(x)`` is the view of another x, ``put(x, v)`` is x where v has been written to the view (None: it is
    read-only), and ``layout`` what NumPy's operation is.
    """
    if type(result) is not Tracer or type(of) is not Tracer:
        return result
    if result is of:
        result = Tracer(of._variable, of._owner, ARRAY)
    result._kind = ARRAY
    if of._kind == ARRAY:
        link(result, of, get, put, layout)
    return result


def same_memory(x: Any) -> Any:
    """Another handle of an array: a view of all of it."""
    return view(x, x, lambda p: p, lambda p, v: v, lambda a: a)


def reshaped_view(x: Any) -> Any:
    """The view x, which is one only if the array that owns the memory lies there in the order of its axes."""
    if type(x) is Tracer and type(x._memory) is View:
        x._memory.reshaped = True
    return x


def is_view(x: Tracer, layout: Layout) -> bool:
    """Whether an operation on the memory of x, that NumPy refuses where it would have to copy, gives a view."""
    view = x._memory
    if type(view) is not View:
        return True
    shape, itemsize = view.root.shape, x.itemsize
    strides = [itemsize * prod(shape[i + 1 :]) for i in range(len(shape))]
    memory = np.lib.stride_tricks.as_strided(np.zeros((), x.dtype), shape, strides)  # which nobody reads
    try:
        layout(view.layout(memory))
    except ValueError:
        return False
    return True


# -- writing -----------------------------------------------------------------------------------------------------------


def lifted(x: Any) -> Any:
    """A traced array with the elements of a plain one."""
    return as_new(broadcast_p.bind(x, shape=x.shape, axes=tuple(range(x.ndim))))


def as_new(x: Any) -> Any:
    """The handle of a new array, also where it has no axes."""
    if type(x) is Tracer:
        x._kind = ARRAY
    return x


def assign(x: Tracer, value: Any) -> None:
    """Let an array hold another value of its shape and dtype."""
    write(x, value if type(value) is Tracer else lifted(value))


def check_array(x: Tracer) -> None:
    """Refuse numbers, which nothing can be written to."""
    if x._kind != ARRAY:
        raise ImmutableError(
            f"a traced number ({x._variable.type}) was written to{here()}: numbers cannot be changed; assign to its "
            "name, or make an array of it with np.array(x)"
        )


def into_plain(what: str) -> ImmutableError:
    """The error for what would write a traced value into an array that is not traced."""
    return ImmutableError(
        f"{what} would write a traced value into a plain array, which would lose its derivative; make the array in the "
        "function that is traced (np.zeros, np.empty, np.array), or write to a copy: x = x.copy()"
    )


def into(out: Any, value: Any, name: str) -> Any:
    """Write a result into an array that was given for it, and return that."""
    if type(out) is not Tracer:
        raise into_plain(f"{name}{here()}")
    check_array(out)
    v = as_array(value, name)
    if not np.can_cast(v.dtype, out.dtype, "same_kind"):
        raise DtypeError(
            f"{name}{here()}: values of dtype {v.dtype} cannot be stored in an array of dtype {out.dtype}; convert "
            f"with .astype({str(out.dtype)!r}), or make the array with dtype={str(v.dtype)!r}"
        )
    lead = out.ndim - len(shape_of(v))
    if lead < 0 or any(m not in (1, n) for m, n in zip(shape_of(v), out.shape[lead:], strict=True)):
        raise ShapeError(f"{name}{here()}: a result of shape {shape_of(v)} does not fit an array of shape {out.shape}")
    assign(out, broadcast(cast(v, out.dtype), out.shape, range(lead, out.ndim)))
    return out
