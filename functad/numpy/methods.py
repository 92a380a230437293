"""The operators, methods and properties that tracers share with arrays: installed on ``Tracer`` here and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from functad.core.demand import demand
from functad.core.handles import refresh
from functad.core.tracer import ARRAY, PYTHON, Tracer
from functad.errors import DtypeError, ImmutableError, UnsupportedError
from functad.numpy import (
    contractions,
    conversion,
    diagonals,
    indexing,
    operators,
    protocols,
    reductions,
    shapes,
    statistics,
    ufuncs,
    writing,
)
from functad.numpy.dispatch import public
from functad.numpy.memory import assign, check_array
from functad.numpy.operands import as_python, cast, fresh, fresh_array
from functad.numpy.ragged import items
from functad.numpy.traced import here
from functad.numpy.updates import At

__all__ = ["install"]

INT64 = np.dtype(np.int64)


def conjugate(x: Tracer) -> Any:
    """``ndarray.conj``: booleans stay booleans, which ``np.conj`` makes int8."""
    return fresh(x, x) if x.dtype.kind == "b" and x._kind else ufuncs.conjugate(x)


METHODS: dict[str, Callable[..., Any]] = {
    "all": reductions.all, "any": reductions.any, "argmax": reductions.argmax, "argmin": reductions.argmin,
    "clip": indexing.clip,
    "compress": indexing.compress, "conj": conjugate, "conjugate": conjugate,
    "cumprod": reductions.cumprod,
    "cumsum": reductions.cumsum, "diagonal": diagonals.diagonal, "dot": contractions.dot, "max": reductions.max,
    "mean": statistics.mean,
    "min": reductions.min, "nonzero": indexing.nonzero, "prod": reductions.prod, "ravel": shapes.ravel,
    "repeat": shapes.repeat,
    "round": conversion.round, "squeeze": shapes.squeeze, "std": statistics.std, "sum": reductions.sum,
    "swapaxes": shapes.swapaxes,
    "take": indexing.take, "trace": diagonals.trace, "var": statistics.var,
}  # fmt: skip
"""Methods that are functions of the same name."""

LATER = ("argpartition", "argsort", "choose", "searchsorted")
"""Methods that are functions of the same name, imported when they are first used."""

IN_PLACE = ("resize", "setfield", "setflags")
"""Methods of arrays that write to them, and that are not there yet."""

MEMORY = {"byteswap", "ctypes", "data", "dump", "dumps", "flags", "getfield", "strides", "tobytes", "tofile", "view"}
"""What an array has because it is memory, which a traced value is not."""

NDARRAY = {name for name in dir(np.ndarray) if not name.startswith("_")}
"""The public attributes of arrays: a tracer has these, ``at``, and no others."""

ITEM: dict[str, Callable[..., Any]] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def later(name: str) -> Callable[..., Any]:
    """A method that is a function of ``functad.numpy`` which is imported when it is first used."""

    def method(x: Tracer, *args: Any, **kwargs: Any) -> Any:
        return public(name)(x, *args, **kwargs)

    method.__name__ = name
    return method


def sorts(name: str) -> Callable[..., None]:
    """A method that puts the result of a function of the same name in the place of the array."""

    def method(x: Tracer, *args: Any, **kwargs: Any) -> None:
        check_array(x)
        assign(x, public(name)(x, *args, **kwargs))

    method.__name__ = name
    return method


def astype(
    x: Tracer, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """``ndarray.astype``."""
    if not np.can_cast(x.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DtypeError(
            f"x.astype{here()}: a traced {x._variable.type} cannot be cast to {np.dtype(dtype)} by the rule {casting!r}"
        )
    return conversion.astype(x, dtype, copy=copy)


def reshape(x: Tracer, *shape: Any, order: str = "C") -> Any:
    """``ndarray.reshape``: the shape as one argument or several."""
    return shapes.reshape(x, shape[0] if len(shape) == 1 else shape, order)


def transpose(x: Tracer, *axes: Any) -> Any:
    """``ndarray.transpose``: the axes as one argument or several."""
    return shapes.transpose(x, None if not axes else axes[0] if len(axes) == 1 else axes)


def flatten(x: Tracer, order: str = "C") -> Any:
    """``ndarray.flatten``: ``ravel`` that copies."""
    return shapes.reshape(x, (-1,), order, copy=True)


def copy(x: Tracer, *_: Any, order: str = "C") -> Any:
    """``ndarray.copy``, ``copy.copy`` and ``copy.deepcopy``."""
    return fresh_array(x, x) if x._kind == ARRAY else Tracer(x._variable, x._owner, x._kind)


def item(x: Tracer, *index: Any) -> Any:
    """``ndarray.item``: a Python number, which stays traced where it has a derivative."""
    if len(index) == 1 and type(index[0]) is int and x.ndim != 1:
        x = shapes.reshape(x, (-1,))
    element = x[index[0] if len(index) == 1 else index] if index else x  # type: ignore[index]
    if element.dtype.kind not in "fc" or element.size != 1:
        return ITEM[x.dtype.kind](element)
    number = cast(
        shapes.reshape(shapes.copy(element), ()), np.dtype(np.float64 if element.dtype.kind == "f" else np.complex128)
    )
    return as_python(number)


def tolist(x: Tracer) -> Any:
    """``ndarray.tolist``: nested lists of traced scalars."""
    return [tolist(part) for part in x] if x.shape else x


def contains(x: Tracer, value: Any) -> bool:
    """``value in x``."""
    return bool(reductions.any(x == value))


def format_value(x: Tracer, spec: str) -> str:
    """Formatting, as in ``f"{loss:.3f}"``, shows the value; without a specification it shows the tracer."""
    return format(x._scalar(f"formatting as {spec!r}"), spec) if spec else show(x)


def show(x: Tracer) -> str:
    """``str(x)``: that of a Python integer that a jitted function was given is its own, since it may be a key."""
    if x._kind == PYTHON and x._owner.open:
        demand(x._owner, x._variable)
    return repr(x)


def round_number(x: Tracer, ndigits: int | None = None) -> Any:
    """``round(x)`` of a number: an integer, unless digits are asked for."""
    if x._kind == ARRAY:
        raise UnsupportedError(f"round(){here()} is of numbers; of a traced array {x._variable.type} use np.round")
    if ndigits is None:
        return as_python(cast(conversion.round(x), INT64))
    y = conversion.round(x, ndigits)
    return y if x._kind else as_python(y)


def whole(f: Callable[[Any], Any]) -> Callable[[Tracer], Any]:
    """``math.floor`` and its relatives: integers."""
    return lambda x: as_python(fresh(cast(f(x), INT64), x))


def writes(name: str) -> Callable[..., Any]:
    """A method that would change an array in place."""

    def method(x: Tracer, *args: Any, **kwargs: Any) -> Any:
        raise ImmutableError(
            f"x.{name}(){here()} of a traced {x._variable.type} is not available; use a function that returns a new "
            "array, or assign: x[index] = value"
        )

    return method


def set_flat(x: Tracer, value: Any) -> None:
    """``x.flat = value``: the values one after the other, repeated."""
    writing.put(x, np.arange(x.size), value)


def to_device(x: Tracer, device: str, /, *, stream: Any = None) -> Any:
    """``ndarray.to_device``: there is one."""
    if device != "cpu" or stream is not None:
        raise UnsupportedError(f"x.to_device{here()}: the only device is 'cpu', without streams; got {device!r}")
    return x


def missing(x: Tracer, name: str) -> Any:
    """``__getattr__``: only for what is not found, which is also how a view is read after what it shows was written
    to.
    """
    if name == "_variable":
        return refresh(x)
    if x._kind == PYTHON and hasattr(int, name) and not hasattr(np.ndarray, name):
        demand(x._owner, x._variable)
    constant = x._constant() if name in MEMORY else None
    if constant is not None:
        return getattr(np.array(constant), name)
    if name in MEMORY:
        hint = (
            "; arrays have it, traced values, which have no memory, do not: leave the function to ask for it, or use "
            "x.astype for another dtype and x.copy for another array"
        )
    elif hasattr(np.ndarray, name):
        hint = f"; arrays have it, traced values do not: look in functad.numpy for a function instead of x.{name}"
    else:
        hint = ""
    raise AttributeError(f"a traced {x._variable.type} has no attribute {name!r}{hint}", name=name, obj=x)


def install(namespace: ModuleType) -> None:
    """Give ``Tracer`` the operators, methods, properties and protocols of an array, with the namespace that the array
    API standard asks for.
    """
    members: dict[str, Any] = {
        **METHODS,
        **{name: later(name) for name in LATER},
        **{name: writes(name) for name in IN_PLACE},
        "T": property(shapes.transpose),
        "astype": astype,
        "at": property(At),
        "copy": copy,
        "device": "cpu",
        "flat": property(shapes.ravel, set_flat),
        "fill": writing.fill,
        "flatten": flatten,
        "imag": property(conversion.imag, lambda x, v: writing.set_item(conversion.imag(x), ..., v)),
        "item": item,
        "partition": sorts("partition"),
        "sort": sorts("sort"),
        "mT": property(shapes.matrix_transpose),
        "put": lambda x, indices, values, mode="raise": writing.put(x, indices, values, mode),
        "real": property(conversion.real, lambda x, v: writing.set_item(conversion.real(x), ..., v)),
        "reshape": reshape,
        "to_device": to_device,
        "tolist": tolist,
        "transpose": transpose,
        "__array_function__": protocols.array_function,
        "__array_namespace__": lambda x, *, api_version=None: namespace,
        "__array_ufunc__": protocols.array_ufunc,
        "__ceil__": whole(ufuncs.ceil),
        "__contains__": contains,
        "__copy__": copy,
        "__deepcopy__": copy,
        "__divmod__": lambda x, y: (x // y, x % y),
        "__floor__": whole(ufuncs.floor),
        "__format__": format_value,
        "__getattr__": missing,
        "__getitem__": items.get_item,
        "__setitem__": items.set_item,
        "__rdivmod__": lambda x, y: (y // x, y % x),
        "__round__": round_number,
        "__str__": show,
        "__trunc__": whole(ufuncs.trunc),
    }
    for name, (symbol, f) in operators.BINARY.items():
        members |= operators.binary_methods(name, symbol, f)
    for name, f in operators.COMPARISONS.items():
        members |= operators.comparison_methods(name, f)
    for name, f in operators.UNARY.items():
        members |= operators.unary_methods(name, f)
    # what else arrays have is found by dir(), and gives an error that says so
    members |= {name: property(partial(missing, name=name)) for name in NDARRAY - members.keys() - set(dir(Tracer))}
    for name, member in members.items():
        setattr(Tracer, name, member)
