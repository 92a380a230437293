"""The operators of tracers.

What Python numbers alone give stays a Python number (weak in promotion): ``x * x * a`` of a traced Python float x keeps a's float32. The common
cases, operands of one type, or one that is a Python number, go straight to a primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import ARRAY, PYTHON, Tracer
from functad.errors import ImmutableError
from functad.ir.types import scalar_type
from functad.numpy import contractions, logic, ufuncs
from functad.numpy.dispatch import here
from functad.numpy.elementwise import Direct
from functad.numpy.operands import cast
from functad.numpy.promotion import PYTHON_NUMBERS

__all__ = ["BINARY", "UNARY", "binary_methods", "unary_methods"]

FLOAT64, INT64 = np.dtype(np.float64), np.dtype(np.int64)

BINARY: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("+", ufuncs.add),
    "sub": ("-", ufuncs.subtract),
    "mul": ("*", ufuncs.multiply),
    "truediv": ("/", ufuncs.divide),
    "floordiv": ("//", ufuncs.floor_divide),
    "mod": ("%", ufuncs.remainder),
    "pow": ("**", ufuncs.power),
    "matmul": ("@", contractions.matmul),
    "and": ("&", logic.bitwise_and),
    "or": ("|", logic.bitwise_or),
    "xor": ("^", logic.bitwise_xor),
    "lshift": ("<<", logic.left_shift),
    "rshift": (">>", logic.right_shift),
}
"""By the name of their methods: each has a reflected and an in-place form."""

COMPARISONS: dict[str, Callable[..., Any]] = {
    "eq": logic.equal, "ne": logic.not_equal, "lt": logic.less, "le": logic.less_equal, "gt": logic.greater, "ge": logic.greater_equal,
}  # fmt: skip

UNARY: dict[str, Callable[..., Any]] = {"neg": ufuncs.negative, "pos": ufuncs.positive, "abs": ufuncs.absolute, "invert": logic.invert}

_OPERANDS = (np.ndarray, np.generic, bool, list, tuple)


def binary_methods(name: str, symbol: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The methods of an operator: ``__add__``, ``__radd__``, ``__iadd__``."""
    forward, reflected = _infix(name, f)

    def in_place(x: Tracer, y: Any) -> Any:
        if x.kind != ARRAY:
            return NotImplemented
        raise ImmutableError(
            f"x {symbol}= y{here()}: a traced {x.variable.type} cannot be changed in place, functions under {x.owner.kind} are pure; "
            f"write x = x {symbol} y, or x = x.at[index].{_UPDATES.get(symbol, 'set')}(y) for a part of it"
        )

    return {f"__{name}__": forward, f"__r{name}__": reflected, f"__i{name}__": in_place}


_UPDATES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power"}


def comparison_methods(name: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The method of a comparison."""
    return {f"__{name}__": _infix(name, f)[0]}


_FLOAT = np.float64
_PYTHON_FLOAT = scalar_type(np.float64)


def _still_python(x: Tracer) -> Tracer:
    """A fresh result as the Python number that it would be without tracing."""
    x.kind = PYTHON
    return x


def _infix(name: str, f: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    direct: Direct | None = getattr(f, "direct", None)
    bind, kinds = (direct.bind, direct.kinds) if direct is not None else (None, frozenset())

    def forward(x: Tracer, y: Any) -> Any:
        cls = type(y)
        if x.kind:
            type_x = x.variable.type
            if cls is Tracer:
                if type_x is y.variable.type and type_x.dtype.kind in kinds:
                    return bind(x, y)
                return f(x, y)
            if cls is float and type_x.dtype.kind == "f" and "f" in kinds:
                return bind(x, type_x.dtype.type(y))
            if cls in PYTHON_NUMBERS or isinstance(y, _OPERANDS):
                return f(x, y)
            return NotImplemented
        if x.variable.type is _PYTHON_FLOAT and "f" in kinds and (cls is float or (cls is Tracer and not y.kind and y.variable.type is _PYTHON_FLOAT)):
            return _still_python(bind(x, _FLOAT(y) if cls is float else y))
        if cls is bool or cls in PYTHON_NUMBERS or (cls is Tracer and not y.kind):
            return _of_python_numbers(name, f, x, y)
        return f(x, y) if cls is Tracer or isinstance(y, _OPERANDS) else NotImplemented

    def reflected(y: Tracer, x: Any) -> Any:
        cls = type(x)
        if y.kind:
            dtype = y.variable.type.dtype
            if cls is float and dtype.kind == "f" and "f" in kinds:
                return bind(dtype.type(x), y)
            return f(x, y) if cls in PYTHON_NUMBERS or isinstance(x, _OPERANDS) else NotImplemented
        if cls is float and y.variable.type is _PYTHON_FLOAT and "f" in kinds:
            return _still_python(bind(_FLOAT(x), y))
        if cls is bool or cls in PYTHON_NUMBERS:
            return _of_python_numbers(name, f, x, y)
        return f(x, y) if isinstance(x, _OPERANDS) else NotImplemented

    return forward, reflected


# -- Python numbers --------------------------------------------------------------------------------------------------------------------------


def _of_python_numbers(name: str, f: Callable[..., Any], x: Any, y: Any) -> Any:
    """An operator on Python numbers, traced or not, gives one again."""
    if name == "matmul":
        return NotImplemented
    if name not in ("and", "or", "xor"):
        x, y = _bool_as_int(x), _bool_as_int(y)
    if name == "pow" and type(y) is int and y < 0 and x.dtype.kind == "i":
        x = cast(x, FLOAT64)
    return as_python(f(x, y))


def _bool_as_int(x: Any) -> Any:
    if type(x) is bool:
        return int(x)
    return as_python(cast(x, INT64)) if type(x) is Tracer and x.variable.type.dtype.kind == "b" else x


def as_python(x: Any) -> Any:
    """Mark a result as what would be a Python number."""
    if type(x) is Tracer:
        x.kind = PYTHON
    return x


def unary_methods(name: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The method of a unary operator."""

    def method(x: Tracer) -> Any:
        return f(x) if x.kind else as_python(f(_bool_as_int(x)))

    return {f"__{name}__": method}
