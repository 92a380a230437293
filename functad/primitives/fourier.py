"""Discrete Fourier transforms along one axis, without a factor.

    fft      y_k = sum_j x_j w^jk,  w = e^(-2 pi i / n)      (``inverse``: w^-jk)
    rfft     the first n // 2 + 1 of these, of real x
    irfft    y_j = Re sum_k c_k x_k w^-jk, real, of n // 2 + 1 numbers; c_k is 1 for k = 0 and k = n / 2, else 2

They are linear. The first is its own transpose; those of the other two are each other, but for conjugates and factors
c_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import mul
from functad.primitives.axes import check_axes
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq
from functad.primitives.complex import conj
from functad.primitives.generate import iota
from functad.primitives.native_fourier import native_transform, transform
from functad.primitives.selection import select

__all__ = ["fft", "irfft", "rfft"]

COMPLEX = {"f": np.dtype(np.complex64), "d": np.dtype(np.complex128)}
REAL = {"F": np.dtype(np.float32), "D": np.dtype(np.float64)}


def _evaluated(kind: str, x: Any, out: ArrayType, axis: int) -> Any:
    y = np.empty(out.shape, out.dtype)
    transform(kind, x, y, axis)
    return y


def _call(ctx: Any, kind: str, x: ArrayType, out: ArrayType, axis: int) -> None:
    ctx.call(native_transform(kind, x.dtype, out.dtype, x.ndim, axis), ctx.input(0), ctx.output())


def _checked(name: str, x: ArrayType, axis: int, chars: str) -> None:
    check_axes(name, x, (axis,))
    if x.dtype.char not in chars:
        raise DtypeError(f"{name} takes operands of dtype {' or '.join(chars)}, got {x}; convert with .astype")
    if not x.shape[axis]:
        raise ShapeError(f"{name} of {x} along axis {axis}, which is empty")


# -- fft ---------------------------------------------------------------------------------------------------------------


def fft(x: Any, axis: int, inverse: bool = False) -> Any:
    """The Fourier transform of complex numbers along an axis, or its inverse times n."""
    return fft_p.bind(x, axis=axis, inverse=inverse)


def _fft_type(x: ArrayType, *, axis: int, inverse: bool) -> ArrayType:
    _checked("fft", x, axis, "FD")
    return x


SHAPES = (((4,), 0), ((2, 3), 1), ((5, 2), 0), ((2, 20), 1), ((1,), 0), ((0, 3), 1))

fft_p = Primitive(
    "fft",
    type_rule=_fft_type,
    evaluate=lambda x, *, axis, inverse: _evaluated("ifft" if inverse else "fft", x, type_of(x), axis),
    copies=True,
    jvp=lambda ts, xs, y, *, axis, inverse: fft(ts[0], axis, inverse),
    linear="jointly",
    transpose=lambda ct, x, *, axis, inverse: (fft(ct, axis, inverse),),
    batch=lambda size, batched, x, *, axis, inverse: (fft(x, axis + 1, inverse), True),
    kernel=Statements(
        lambda ctx, ins, outs, *, axis, inverse: _call(ctx, "ifft" if inverse else "fft", ins[0], outs[0], axis),
        static=("axis",),
    ),
    samples=lambda: [
        Sample((array_type(shape, t),), {"axis": axis, "inverse": inverse})
        for t, cases in ((np.complex128, SHAPES), (np.complex64, SHAPES[:2]))
        for shape, axis in cases
        for inverse in (False, True)
    ],
)


# -- rfft and irfft ----------------------------------------------------------------------------------------------------


def rfft(x: Any, axis: int) -> Any:
    """The first half of the Fourier transform of real numbers along an axis."""
    return rfft_p.bind(x, axis=axis)


def irfft(x: Any, axis: int, n: int) -> Any:
    """The n real numbers whose Fourier transform has this first half, times n."""
    return irfft_p.bind(x, axis=axis, n=n)


def _with_length(x: ArrayType, axis: int, n: int, dtype: Any) -> ArrayType:
    return array_type((*x.shape[:axis], n, *x.shape[axis + 1 :]), dtype)


def _rfft_type(x: ArrayType, *, axis: int) -> ArrayType:
    _checked("rfft", x, axis, "fd")
    return _with_length(x, axis, x.shape[axis] // 2 + 1, COMPLEX[x.dtype.char])


def _irfft_type(x: ArrayType, *, axis: int, n: int) -> ArrayType:
    _checked("irfft", x, axis, "FD")
    if x.shape[axis] != n // 2 + 1 or n < 1:
        raise ShapeError(f"irfft to length {n} takes {n // 2 + 1} numbers along axis {axis}, got {x}")
    return _with_length(x, axis, n, REAL[x.dtype.char])


def _weighted(x: Any, axis: int, n: int, outer: float, inner: float) -> Any:
    """Times one factor for k = 0 and k = n / 2, and another for the others."""
    t = type_of(x)
    k = iota(t.shape, np.int64, axis)
    ends = eq(k, 0) if n % 2 else bit_or(eq(k, 0), eq(k, n // 2))
    return mul(x, select(ends, broadcast(t.dtype.type(outer), t.shape, ()), t.dtype.type(inner)))


def _rfft_transpose(ct: Any, x: Any, *, axis: int) -> tuple[Any]:
    """ct_x_j = Re sum_k ct_k w^jk."""
    n = x.type.shape[axis]
    return (irfft(_weighted(conj(ct), axis, n, 1.0, 0.5), axis, n),)


def _irfft_transpose(ct: Any, x: Any, *, axis: int, n: int) -> tuple[Any]:
    """ct_x_k = c_k sum_j ct_j w^-jk."""
    return (_weighted(conj(rfft(ct, axis)), axis, n, 1.0, 2.0),)


LENGTHS = (((4,), 0), ((5,), 0), ((2, 6), 1), ((20, 2), 0), ((1,), 0), ((2,), 0), ((0, 3), 1))

rfft_p = Primitive(
    "rfft",
    type_rule=_rfft_type,
    evaluate=lambda x, *, axis: _evaluated("rfft", x, _rfft_type(type_of(x), axis=axis), axis),
    copies=True,
    jvp=lambda ts, xs, y, *, axis: rfft(ts[0], axis),
    linear="jointly",
    transpose=_rfft_transpose,
    batch=lambda size, batched, x, *, axis: (rfft(x, axis + 1), True),
    kernel=Statements(lambda ctx, ins, outs, *, axis: _call(ctx, "rfft", ins[0], outs[0], axis), static=("axis",)),
    samples=lambda: [
        Sample((array_type(shape, t),), {"axis": axis})
        for t, cases in ((np.float64, LENGTHS), (np.float32, LENGTHS[:3]))
        for shape, axis in cases
    ],
)

irfft_p = Primitive(
    "irfft",
    type_rule=_irfft_type,
    evaluate=lambda x, *, axis, n: _evaluated("irfft", x, _irfft_type(type_of(x), axis=axis, n=n), axis),
    copies=True,
    jvp=lambda ts, xs, y, *, axis, n: irfft(ts[0], axis, n),
    linear="jointly",
    transpose=_irfft_transpose,
    batch=lambda size, batched, x, *, axis, n: (irfft(x, axis + 1, n), True),
    kernel=Statements(lambda ctx, ins, outs, *, axis, n: _call(ctx, "irfft", ins[0], outs[0], axis), static=("axis",)),
    samples=lambda: [
        Sample(
            (_with_length(array_type(shape, t), axis, shape[axis] // 2 + 1, np.dtype(t)),),
            {"axis": axis, "n": shape[axis]},
        )
        for t, cases in ((np.complex128, LENGTHS), (np.complex64, LENGTHS[:3]))
        for shape, axis in cases
    ],
)
