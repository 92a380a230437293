"""How functions of ``scipy.special`` are declared: its ufuncs, of real numbers alone, by the primitive or the function
that they are for traced values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError
from functad.nn.operands import floating
from functad.numpy.elementwise import declare, own_loops, prepared
from functad.numpy.operands import dtype_of, operand
from functad.numpy.traced import here, is_traced

__all__ = ["plain", "real", "real_floating", "real_operands"]

Apply = Callable[..., Any]


def real_operands(ufunc: np.ufunc, args: tuple[Any, ...]) -> list[Any]:
    """Operands of a ufunc of real numbers as strict primitives take them."""
    name = ufunc.__name__
    xs = [operand(x, name) for x in args]
    for x in xs:
        _check_real(x, name)
    return prepared(ufunc, tuple(xs))


def real_floating(x: Any, name: str) -> Any:
    """An operand of a function that is no ufunc, as a floating-point array."""
    y = floating(x, name)
    _check_real(y, name)
    return y


def _check_real(x: Any, name: str) -> None:
    if np.issubdtype(dtype_of(x), np.complexfloating):
        raise DtypeError(f"scipy.special.{name}{here()} takes real numbers where values are traced, got {dtype_of(x)}")


def real(ufunc: np.ufunc, f: Apply) -> Apply:
    """Declare a ufunc of real numbers: ``f`` of strict operands, all of one floating dtype."""
    chars, single = own_loops(ufunc, "f"), ufunc.nin == 1

    def traced(*args: Any) -> Any:
        x = args[0]
        if single and type(x) is Tracer and x._variable.type.dtype.char in chars:
            return f(x)
        return f(*real_operands(ufunc, args))

    public = declare(ufunc, traced)
    public.__doc__ = f"``scipy.special.{ufunc.__name__}``, element by element."
    return public


def plain(name: str, argument: str, value: Any, kind: type) -> Any:
    """An argument that has to be known while a function is traced."""
    if is_traced((value,)) or not isinstance(value, kind):
        raise ArgumentError(
            f"scipy.special.{name}{here()}: the argument {argument!r} must be a plain {kind.__name__}, got "
            f"{type(value).__name__}"
        )
    return value
