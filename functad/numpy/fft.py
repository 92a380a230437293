"""``numpy.fft`` for traced values. All transforms are linear, so their derivatives and transposes are transforms.

>>> import functad as fd, numpy as np
>>> fd.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2))(np.array([1.0, 2.0, 0.0]))
array([6., 9., 3.])
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.errors import ArgumentError, AxisError
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.reductions import refuse_out
from functad.numpy.traced import here
from functad.primitives import fourier
from functad.primitives.slicing import pad, slice_

__all__: list[str] = []

REAL: dict[str, np.dtype] = {"e": np.dtype(np.float32), "f": np.dtype(np.float32), "F": np.dtype(np.float32)}
"""The real dtype that transforms are computed in, where it is not float64."""

OTHER = {"backward": "forward", "forward": "backward", "ortho": "ortho", None: "forward"}


def _prepared(a: Any, n: Any, axis: Any, name: str, real: bool, half: bool = False) -> tuple[Any, int, int]:
    """The operand in the dtype of the transform, cut or filled with zeros to the length that it takes along the axis;
    with the length of the transform.
    """
    x = as_array(a, name)
    axis = normal_axis(axis, len(shape_of(x)), name)
    if n is None:
        n = 2 * (shape_of(x)[axis] - 1) if half else shape_of(x)[axis]
    n = operator.index(n)
    if n < 1:
        raise ArgumentError(f"np.{name}{here()}: there must be at least one data point, got {n}")
    work = REAL.get(x.dtype.char, np.dtype(np.float64))
    if real and x.dtype.kind == "c":
        raise ArgumentError(f"np.{name}{here()} is of real numbers; take np.real(x), or use np.fft.fft")
    x = cast(x, work if real else np.result_type(work, np.complex64))
    length, own = n // 2 + 1 if half else n, shape_of(x)[axis]
    if own > length:
        stops = [length if k == axis else m for k, m in enumerate(shape_of(x))]
        x = slice_(x, [0] * len(stops), stops)
    elif own < length:
        x = pad(x, x.dtype.type(0), [(0, length - own if k == axis else 0, 0) for k in range(len(shape_of(x)))])
    return x, axis, n


def _scaled(y: Any, a: Any, n: int, norm: Any, inverse: bool, name: str) -> Any:
    """Times the factor, which NumPy rounds to the precision of the operand: to that of float16, too."""
    half = as_array(a, name).dtype.char == "e"
    if norm not in OTHER:
        raise ArgumentError(f"np.{name}{here()}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    if norm == "ortho":
        factor = 1 / sqrt(n)
    else:
        factor = 1 / n if inverse == (norm != "forward") else 1
    y = y if factor == 1 else y * y.dtype.type(np.float16(factor) if half else factor)
    return fresh_array(cast(y, np.dtype(np.float16)) if half and y.dtype.kind == "f" else y)


# -- along one axis ----------------------------------------------------------------------------------------------------


def _complex(numpy_function: Any, inverse: bool) -> Any:
    name = f"fft.{numpy_function.__name__}"

    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
        refuse_out(out, name)
        x, axis, n = _prepared(a, n, axis, name, real=False)
        return _scaled(fourier.fft(x, axis, inverse), a, n, norm, inverse, name)

    return _named(numpy_function, transform)


def _named(numpy_function: Any, f: Any) -> Any:
    f.__name__ = f.__qualname__ = numpy_function.__name__
    f.__doc__ = f"``numpy.fft.{f.__name__}``."
    return implements(numpy_function)(f)


fft, ifft = _complex(np.fft.fft, False), _complex(np.fft.ifft, True)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """``numpy.fft.rfft``."""
    refuse_out(out, "fft.rfft")
    x, axis, n = _prepared(a, n, axis, "fft.rfft", real=True)
    return _scaled(fourier.rfft(x, axis), a, n, norm, False, "fft.rfft")


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """``numpy.fft.irfft``."""
    refuse_out(out, "fft.irfft")
    x, axis, n = _prepared(a, n, axis, "fft.irfft", real=False, half=True)
    return _scaled(fourier.irfft(x, axis, n), a, n, norm, True, "fft.irfft")


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """``numpy.fft.hfft``."""
    return irfft(fnp.conjugate(as_array(a, "fft.hfft")), n, axis, _swapped(norm, "fft.hfft"), out)


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: None = None) -> Any:
    """``numpy.fft.ihfft``."""
    return fnp.conjugate(rfft(as_array(a, "fft.ihfft"), n, axis, _swapped(norm, "fft.ihfft"), out))


def _swapped(norm: Any, name: str) -> str:
    if norm not in OTHER:
        raise ArgumentError(f"np.{name}{here()}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    return OTHER[norm]


# -- along several axes ------------------------------------------------------------------------------------------------


def _lengths(x: Any, s: Any, axes: Any, name: str, half: bool) -> tuple[list[Any], list[int]]:
    """The length along each axis (None: as it is), and the axes."""
    ndim = len(shape_of(x))
    if axes is None:
        axes = list(range(ndim)) if s is None else list(range(-len(s), 0))
    places = [normal_axis(operator.index(a), ndim, name) for a in axes]
    if not places and half:
        raise AxisError(f"np.{name}{here()}: at least one axis must be transformed")
    if s is None:
        return [None] * len(places), places
    lengths = [None if n == -1 or n is None else n for n in s]
    if len(lengths) != len(places):
        raise ArgumentError(f"np.{name}{here()}: {len(lengths)} lengths for {len(places)} axes")
    return lengths, places


def _several(numpy_function: Any, of_one: Callable[..., Any], of_last: Callable[..., Any], last_first: bool) -> Any:
    """A transform along several axes; that along the last one is of another kind."""
    name = f"fft.{numpy_function.__name__}"
    default = (-2, -1) if numpy_function.__name__.endswith("2") else None

    def transform(a: Any, s: Any = None, axes: Any = default, norm: Any = None, out: None = None) -> Any:
        refuse_out(out, name)
        x = as_array(a, name)
        lengths, places = _lengths(x, s, axes, name, of_one is not of_last)
        kinds = [of_one] * (len(places) - 1) + [of_last] * bool(places)
        steps = list(zip(kinds, lengths, places, strict=True))
        for f, n, axis in reversed(steps) if last_first else steps:
            x = f(x, n, axis, norm)
        return fresh_array(x, a)

    return _named(numpy_function, transform)


fftn, fft2 = _several(np.fft.fftn, fft, fft, True), _several(np.fft.fft2, fft, fft, True)
ifftn, ifft2 = _several(np.fft.ifftn, ifft, ifft, True), _several(np.fft.ifft2, ifft, ifft, True)
rfftn, rfft2 = _several(np.fft.rfftn, fft, rfft, True), _several(np.fft.rfft2, fft, rfft, True)
irfftn, irfft2 = _several(np.fft.irfftn, ifft, irfft, False), _several(np.fft.irfft2, ifft, irfft, False)

# -- the order of frequencies ------------------------------------------------------------------------------------------


def _shifted(x: Any, axes: Any, name: str, sign: int) -> Any:
    y = as_array(x, name)
    places: Sequence[int] = normal_axes(axes, len(shape_of(y)), name)
    shifts = [n // 2 if sign > 0 else -(n // 2) for n in (shape_of(y)[a] for a in places)]
    return fnp.roll(y, shifts, places)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """``numpy.fft.fftshift``: the frequency 0 in the middle."""
    return _shifted(x, axes, "fft.fftshift", 1)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """``numpy.fft.ifftshift``: the frequency 0 in front again."""
    return _shifted(x, axes, "fft.ifftshift", -1)


fftfreq, rfftfreq = np.fft.fftfreq, np.fft.rfftfreq
