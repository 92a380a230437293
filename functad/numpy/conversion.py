"""Dtypes and parts: ``astype``, real and imaginary parts, rounding to decimals, replacing NaN."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from functad.core.handles import borrowed
from functad.core.tracer import PYTHON, Tracer
from functad.numpy.dispatch import implements
from functad.numpy.memory import same_memory, view
from functad.numpy.operands import as_array, as_python, cast, dtype_of, fresh, operand, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.numpy.ufuncs import trunc
from functad.primitives import complex
from functad.primitives.arithmetic import div, mul
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq, isnan
from functad.primitives.rounding import rint
from functad.primitives.selection import select
from functad.primitives.trigonometric import arctan2

__all__ = [
    "angle",
    "around",
    "astype",
    "can_cast",
    "fix",
    "imag",
    "iscomplexobj",
    "isrealobj",
    "nan_to_num",
    "real",
    "result_type",
    "round",
]


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """``numpy.astype``. A complex array does not become a real one: take ``x.real`` or ``np.abs(x)``."""
    y = cast(x, np.dtype(dtype))
    return fresh(y, x) if copy else y


@implements(np.real)
def real(val: Any) -> Any:
    """``numpy.real``."""
    x = operand(val, "real")
    if dtype_of(x).kind == "c":
        return _part_of(x, complex.real, lambda p, v: complex.make_complex(v, complex.imag(p)), np.real)
    return same_memory(x) if shape_of(x) else _number_like(x, fresh(x, x))


@implements(np.imag)
def imag(val: Any) -> Any:
    """``numpy.imag``."""
    x = operand(val, "imag")
    if dtype_of(x).kind == "c":
        return _part_of(x, complex.imag, lambda p, v: complex.make_complex(complex.real(p), v), np.imag)
    zero = x.dtype.type(0)
    if not shape_of(x):
        return zero if x._kind else zero.item()
    y = broadcast(zero, shape_of(x), ())
    return borrowed(y, "the imaginary part of real numbers, which they have no memory for") if type(y) is Tracer else y


def _part_of(x: Any, part: Any, put: Any, layout: Any) -> Any:
    """A view of one part of complex numbers."""
    y = part(x)
    return view(y, x, part, put, layout) if shape_of(x) else _number_like(x, y)


def _number_like(x: Any, part: Any) -> Any:
    """A part of a Python number is one."""
    return as_python(part) if type(x) is Tracer and x._kind == PYTHON else part


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """``numpy.angle``: the argument of complex numbers. At 0, where it jumps in every direction, its derivative is
    NaN.
    """
    x = as_array(z, "angle")
    x = cast(x, result_dtype([x, 1.0]))
    y = arctan2(complex.imag(x), complex.real(x)) if x.dtype.kind == "c" else arctan2(x.dtype.type(0), x)
    return mul(y, 180 / math.pi) if deg else y


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: None = None) -> Any:
    """``numpy.round``: to decimals, halves to even; its derivative is 0."""
    refuse_out(out, "round")
    x, decimals = as_array(a, "round"), operator.index(decimals)
    if x.dtype.kind in "iub":
        x = cast(x, np.dtype(np.float16)) if x.dtype.kind == "b" else x
        if decimals >= 0 and x.dtype.kind in "iu":
            return fresh(x, x)
    y = cast(x, np.dtype(np.float64)) if x.dtype.kind in "iu" else x
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        y = div(rint(mul(y, scale)), scale)
    elif decimals < 0:
        y = mul(rint(div(y, scale)), scale)
    else:
        y = rint(y)
    return cast(y, x.dtype)


around = round


@implements(np.fix)
def fix(x: Any, out: None = None) -> Any:
    """``numpy.fix``: rounded towards zero."""
    refuse_out(out, "fix")
    return trunc(x)


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """``numpy.nan_to_num``: NaN and infinities replaced; what is replaced has derivative 0."""
    y = as_array(x, "nan_to_num")
    if y.dtype.kind == "c":
        return complex.make_complex(*[_finite(part(y), nan, posinf, neginf) for part in (complex.real, complex.imag)])
    return fresh(_finite(y, nan, posinf, neginf) if y.dtype.kind == "f" else y, y)


def _finite(x: Any, nan: float, posinf: Any, neginf: Any) -> Any:
    limits = np.finfo(x.dtype)
    y = select(isnan(x), x.dtype.type(nan), x)
    y = select(eq(x, np.inf), x.dtype.type(limits.max if posinf is None else posinf), y)
    return select(eq(x, -np.inf), x.dtype.type(limits.min if neginf is None else neginf), y)


# -- questions about dtypes --------------------------------------------------------------------------------------------


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """``numpy.result_type``."""
    plain = [x for x in arrays_and_dtypes if not isinstance(x, Tracer)]
    traced = [x.dtype if x._kind else dtype_like(x) for x in arrays_and_dtypes if isinstance(x, Tracer)]
    return np.result_type(*plain, *traced)


def dtype_like(x: Tracer) -> Any:
    """A Python number of the type of a traced one."""
    return x.dtype.type(0).item()


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """``numpy.can_cast``."""
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """``numpy.iscomplexobj``."""
    return dtype_of(operand(x, "iscomplexobj")).kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """``numpy.isrealobj``."""
    return not iscomplexobj(x)
