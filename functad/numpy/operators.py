"""The operators of tracers.

What Python numbers alone give stays a Python number (weak in promotion): ``x * x * a`` of a traced Python float x keeps
a's float32. The common cases, operands of one type, or one that is a Python number, go straight to a primitive.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.foreign import is_foreign, is_sparse
from functad.core.trace import ABSENT
from functad.core.tracer import ARRAY, PYTHON, Tracer, Varying
from functad.numpy import contractions, logic, ufuncs
from functad.numpy.elementwise import Direct, suits
from functad.numpy.operands import as_python, cast
from functad.numpy.promotion import PYTHON_NUMBERS
from functad.numpy.sparse import product
from functad.numpy.writing import in_place
from functad.primitives.broadcasting import broadcast

__all__ = ["BINARY", "COMPARISONS", "UNARY", "binary_methods", "comparison_methods", "unary_methods"]

FLOAT64, INT64 = np.dtype(np.float64), np.dtype(np.int64)


def power(x: Any, y: Any) -> Any:
    """``**``: NumPy squares an array by it, so booleans become int8; ``np.power`` makes them integers."""
    if type(y) is int and y == 2 and type(x) is Tracer and x._kind == ARRAY and x.dtype.kind == "b":
        return ufuncs.square(x)
    return ufuncs.power(x, y)


BINARY: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("+", ufuncs.add),
    "sub": ("-", ufuncs.subtract),
    "mul": ("*", ufuncs.multiply),
    "truediv": ("/", ufuncs.divide),
    "floordiv": ("//", ufuncs.floor_divide),
    "mod": ("%", ufuncs.remainder),
    "pow": ("**", power),
    "matmul": ("@", contractions.matmul),
    "and": ("&", logic.bitwise_and),
    "or": ("|", logic.bitwise_or),
    "xor": ("^", logic.bitwise_xor),
    "lshift": ("<<", logic.left_shift),
    "rshift": (">>", logic.right_shift),
}
"""By the name of their methods: each has a reflected and an in-place form."""

COMPARISONS: dict[str, Callable[..., Any]] = {
    "eq": logic.equal, "ne": logic.not_equal, "lt": logic.less, "le": logic.less_equal, "gt": logic.greater,
    "ge": logic.greater_equal,
}  # fmt: skip

UNARY: dict[str, Callable[..., Any]] = {
    "neg": ufuncs.negative,
    "pos": ufuncs.positive,
    "abs": ufuncs.absolute,
    "invert": logic.invert,
}

_OPERANDS = (np.ndarray, np.generic, bool, list, tuple)


def binary_methods(name: str, symbol: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The methods of an operator: ``__add__``, ``__radd__``, ``__iadd__``."""
    forward, reflected = _infix(name, f)

    return {f"__{name}__": forward, f"__r{name}__": reflected, f"__i{name}__": in_place(symbol, forward)}


def comparison_methods(name: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The method of a comparison.

    Scalars whose values are known are compared at once: the result has no derivative, and is asked for as soon as it is
    there (``while x < y``).
    """
    traced, compare = _infix(name, f)[0], getattr(operator, name)

    def method(x: Tracer, y: Any) -> Any:
        if not x._variable.type.ndim and x._owner.open:
            a = x._owner.ask(x._variable)
            b = y if type(y) in PYTHON_NUMBERS or isinstance(y, np.generic) else ABSENT
            if type(y) is Tracer and not y._variable.type.ndim and y._owner.open:
                b = y._owner.ask(y._variable)
            if a is not ABSENT and b is not ABSENT:
                result = compare(_number(x, a), b if type(y) is not Tracer else _number(y, b))
                return result if type(result) is bool or isinstance(result, np.generic) else np.asarray(result)[()]
        result = traced(x, y)
        return _equality(name, f, x, y) if result is NotImplemented and name in ("eq", "ne") else result

    return {f"__{name}__": method}


def _equality(name: str, f: Callable[..., Any], x: Tracer, y: Any) -> Any:
    """``==`` and ``!=`` with what other operators refuse: there Python would compare identities, in silence, where
    NumPy compares elements.
    """
    if hasattr(type(y), "__array_ufunc__"):
        return NotImplemented  # answers for itself
    own: Any = type(y).__eq__
    if y is None or isinstance(y, str | bytes) or own is object.__eq__:  # no number is equal to that
        unequal = name == "ne"
        return unequal if x._kind != ARRAY else broadcast(np.bool_(unequal), x.shape, ())
    return f(x, y)


def _number(x: Tracer, value: Any) -> Any:
    """The value of a scalar tracer as what it stands for: a Python number is weak in promotion."""
    return value if x._kind else value.item()


def _infix(name: str, f: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """An operator with the tracer on the left, and on the right."""
    direct: Direct | None = getattr(f, "direct", None)
    bind, kinds = (direct.bind, direct.kinds) if direct is not None else (f, frozenset())
    floats = "f" in kinds

    def forward(x: Tracer, y: Any) -> Any:
        cls, type_x = type(y), x._variable.type
        if cls is Tracer:
            type_y = y._variable.type
            fits = type_x is type_y or (not (type_x.ndim and type_y.ndim) and type_x.dtype == type_y.dtype)
            if fits and type_x.dtype.kind in kinds:
                z = bind(x, y)
                if not (x._kind or y._kind):
                    z._kind = PYTHON
                return z
        elif (cls is float or cls is int) and floats and type_x.dtype.kind == "f":
            z = bind(x, type_x.dtype.type(y))
            if not x._kind:
                z._kind = PYTHON
            return z
        elif type_x.dtype.kind in kinds and suits(y, type_x):
            return bind(x, y)
        return _general(name, f, x, y, y)

    def reflected(y: Tracer, x: Any) -> Any:
        cls, dtype = type(x), y._variable.type.dtype
        if (cls is float or cls is int) and floats and dtype.kind == "f":
            z = bind(dtype.type(x), y)
            if not y._kind:
                z._kind = PYTHON
            return z
        if dtype.kind in kinds and suits(x, y._variable.type):
            return bind(x, y)
        return _general(name, f, x, y, x)

    return forward, reflected


def _general(name: str, f: Callable[..., Any], x: Any, y: Any, other: Any) -> Any:
    """An operator on any operands; ``other`` is the one that may be of a type that tracers know nothing of."""
    if _is_python_number(x) and _is_python_number(y):
        return _of_python_numbers(name, f, x, y)
    if name == "mul" and isinstance(other, list | tuple) and _repeats(x if other is y else y):
        return NotImplemented
    if isinstance(other, Varying):
        return NotImplemented  # it answers for itself
    if is_sparse(type(other)):
        return product(name, x, y)
    return (
        f(x, y)
        if type(other) is Tracer
        or type(other) in PYTHON_NUMBERS
        or isinstance(other, _OPERANDS)
        or is_foreign(type(other))
        else NotImplemented
    )


def _repeats(x: Tracer) -> bool:
    """Whether ``[y] * x`` is a list of as many as x says: an integer that is no array."""
    return x._kind != ARRAY and x._variable.type.dtype.kind in "iu"


def _is_python_number(x: Any) -> bool:
    cls = type(x)
    return not x._kind if cls is Tracer else cls is bool or cls in PYTHON_NUMBERS


# -- Python numbers ----------------------------------------------------------------------------------------------------


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
    return as_python(cast(x, INT64)) if type(x) is Tracer and x._variable.type.dtype.kind == "b" else x


def unary_methods(name: str, f: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The method of a unary operator."""

    def method(x: Tracer) -> Any:
        return f(x) if x._kind else as_python(f(_bool_as_int(x)))

    return {f"__{name}__": method}
