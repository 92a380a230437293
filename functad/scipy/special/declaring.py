"""How functions of ``scipy.special`` are declared: its ufuncs, by the primitive or the function that they are for
traced values, real ones and, where there is another one for these, complex ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.errors import ArgumentError, DtypeError
from functad.nn.operands import floating
from functad.numpy.elementwise import declare, own_loops, prepared
from functad.numpy.operands import cast, common_shape, dtype_of, operand, shape_of, spread
from functad.numpy.promotion import PYTHON_NUMBERS, strength
from functad.numpy.traced import here, is_traced

__all__ = ["complex_operands", "of_complex", "plain", "real", "real_floating", "real_operands"]

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


def _check_real(x: Any, name: str, which: str = "") -> None:
    if np.issubdtype(dtype_of(x), np.complexfloating):
        raise DtypeError(
            f"scipy.special.{name}{here()} takes real numbers{which} where values are traced, got {dtype_of(x)}"
        )


def real(ufunc: np.ufunc, f: Apply, of_complex: Apply | None = None) -> Apply:
    """Declare a ufunc of real numbers: ``f`` of strict operands, all of one floating dtype; ``of_complex`` of complex
    ones.
    """
    chars, single = own_loops(ufunc, "f"), ufunc.nin == 1

    def traced(*args: Any) -> Any:
        x = args[0]
        if single and type(x) is Tracer and x._variable.type.dtype.char in chars:
            return f(x)
        if of_complex is not None and any([dtype_of(operand(a, ufunc.__name__)).kind == "c" for a in args]):
            return of_complex(*complex_operands(ufunc, args))
        return f(*real_operands(ufunc, args))

    public = declare(ufunc, traced)
    public.__doc__ = f"``scipy.special.{ufunc.__name__}``, element by element."
    return public


def of_complex(ufunc: np.ufunc, f: Apply) -> Apply:
    """Declare a ufunc whose values are complex: ``f`` of complex operands, also where real ones are given."""
    public = declare(ufunc, lambda *args: f(*complex_operands(ufunc, args)))
    public.__doc__ = f"``scipy.special.{ufunc.__name__}``, element by element."
    return public


def complex_operands(ufunc: np.ufunc, args: tuple[Any, ...]) -> list[Any]:
    """Operands of a function of a complex number, the last one, and of real orders and parameters, as complex ones."""
    name = ufunc.__name__
    xs = [operand(x, name) for x in args]
    for x in xs[:-1]:
        if not MIXED.isdisjoint(ufunc.types):
            _check_real(x, name, " before the last one")
    *kinds, last = [strength(x) for x in xs]
    if last in PYTHON_NUMBERS:
        last = complex if kinds else np.dtype(complex)
    dtype = ufunc.resolve_dtypes((*kinds, last, *[None] * ufunc.nout))[len(kinds)]
    shape = common_shape([shape_of(x) for x in xs], name)
    return [spread(cast(x, dtype), shape) for x in xs]


MIXED = frozenset(["dD->D", "ddD->D", "dddD->D"])
"""Loops of real orders or parameters and a complex number."""


def plain(name: str, argument: str, value: Any, kind: type) -> Any:
    """An argument that has to be known while a function is traced."""
    if is_traced((value,)) or not isinstance(value, kind):
        raise ArgumentError(
            f"scipy.special.{name}{here()}: the argument {argument!r} must be a plain {kind.__name__}, got "
            f"{type(value).__name__}"
        )
    return value
