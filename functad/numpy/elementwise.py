"""How a NumPy ufunc runs on traced values: its operands promoted as NumPy would, broadcast, and given to strict
primitives.

Operands that need neither go straight to the primitive: that is the common case, and tracing has to be cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.ir.types import ArrayType
from functad.numpy.dispatch import register, stands_for
from functad.numpy.operands import cast, common_shape, fresh, operand, shape_of, spread
from functad.numpy.promotion import loop_dtype
from functad.numpy.traced import is_traced
from functad.primitives.elementwise import Op

__all__ = ["Direct", "binary", "declare", "prepared", "suits", "unary"]

Apply = Callable[..., Any]

METHODS = ("reduce", "accumulate", "reduceat", "outer", "at", "nin", "nout", "nargs", "identity")
"""What functions of ``functad.numpy`` have of the ufunc that they are."""


class Direct:
    """The primitive that a ufunc is for operands of one dtype whose kind is in ``kinds``; operators use it too."""

    __slots__ = ("bind", "kinds")

    def __init__(self, bind: Apply, kinds: str) -> None:
        self.bind = bind
        self.kinds = frozenset(kinds)


def prepared(ufunc: np.ufunc, args: tuple[Any, ...]) -> list[Any]:
    """Operands of a ufunc as strict primitives take them: of the dtype it computes in, of one shape or rank 0."""
    name = ufunc.__name__
    xs = [operand(x, name) for x in args]
    dtype = loop_dtype(ufunc, xs)
    shape = common_shape([shape_of(x) for x in xs], name)
    return [spread(cast(x, dtype), shape) for x in xs]


def suits(x: Any, type: ArrayType) -> bool:
    """Whether a plain operand goes to a strict primitive with a tracer of this type: of its dtype and shape, or rank
    0.
    """
    cls = x.__class__
    if cls is not np.ndarray and cls is not np.float64:
        return False
    return x.dtype is type.dtype and (not x.ndim or not type.ndim or x.shape == type.shape)


def own_loops(ufunc: np.ufunc, kinds: str) -> frozenset[str]:
    """The dtypes of these kinds that a ufunc computes in, by their characters; SciPy's compute in no float16."""
    return frozenset([loop[0] for loop in ufunc.types if np.dtype(loop[0]).kind in kinds])


def unary(ufunc: np.ufunc, op: Op, kinds: str = "fc", other: Apply | None = None) -> Apply:
    """Declare a ufunc of one operand: a primitive where the dtype's kind is in ``kinds``, elsewhere what ``other``
    makes of the operand.
    """
    bind, direct, chars = op.primitive.bind, frozenset(kinds), own_loops(ufunc, kinds)
    rest = other or bind

    def f(x: Any) -> Any:
        if type(x) is Tracer and x._variable.type.dtype.char in chars:
            return bind(x)
        (x,) = prepared(ufunc, (x,))
        return bind(x) if x.dtype.kind in direct else fresh(rest(x), x)

    return declare(ufunc, f)


def binary(ufunc: np.ufunc, op: Op | Apply, kinds: str = "fc", other: Apply | None = None) -> Apply:
    """Declare a ufunc of two operands: a primitive where the common dtype's kind is in ``kinds``, elsewhere what
    ``other`` makes of them.
    """
    bind, direct, chars = op.primitive.bind if isinstance(op, Op) else op, frozenset(kinds), own_loops(ufunc, kinds)
    rest = other or bind

    def f(x: Any, y: Any) -> Any:
        if type(x) is Tracer:
            own = x._variable.type
            if own.dtype.char in chars and (y._variable.type is own if type(y) is Tracer else suits(y, own)):
                return bind(x, y)
        elif type(y) is Tracer and y._variable.type.dtype.char in chars and suits(x, y._variable.type):
            return bind(x, y)
        x, y = prepared(ufunc, (x, y))
        return bind(x, y) if x.dtype.kind in direct else fresh(rest(x, y), x, y)

    public = declare(ufunc, f)
    public.direct = Direct(bind, kinds)  # type: ignore[attr-defined]
    return public


def declare(ufunc: np.ufunc, f: Apply) -> Apply:
    """Make ``f`` what a ufunc does on traced values; returns the function for ``functad.numpy``."""
    register(ufunc, f)

    def public(*args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) == ufunc.nin and is_traced(args):
            return f(*args)
        return ufunc(*args, **kwargs)  # which asks the traced one among them

    public.__name__ = public.__qualname__ = ufunc.__name__
    public.__doc__ = f"``numpy.{ufunc.__name__}``, element by element."
    for name in METHODS:
        setattr(public, name, getattr(ufunc, name))
    return stands_for(ufunc)(public)
