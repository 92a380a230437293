"""``scipy.fft`` for traced values: the transforms of ``numpy.fft`` under SciPy's names, and cosine and sine transforms.

Transforms of real numbers are Fourier transforms of real numbers of the same length, rearranged (J. Makhoul, "A fast
cosine transform in one and two dimensions", IEEE Trans. ASSP 28, 1980), or, of the first and fourth kind, of twice the
length. All are linear, so derivatives and transposes are transforms. Every name that is not defined here is SciPy's
own.

>>> import functad as fd, numpy as np, scipy.fft
>>> fd.grad(lambda x: np.sum(scipy.fft.dct(x, norm="ortho") ** 2))(np.array([1.0, 2.0, 0.0])).round(12)
array([2., 4., 0.])
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft as _sp

import functad.numpy as fnp
from functad.errors import ArgumentError
from functad.numpy import fft as plain
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.traced import here
from functad.scipy.routines import choice, routine

_NORMS = (None, "backward", "ortho", "forward")
_OTHER = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _operand(x: Any, name: str) -> Any:
    """SciPy computes halves in single precision, and gives that."""
    y = as_array(x, f"scipy.fft.{name}")
    return cast(y, np.dtype(np.float32)) if y.dtype == np.float16 else y


# -- the transforms that NumPy has -------------------------------------------------------------------------------------


def _one(name: str) -> Any:
    def transform(x: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
        return getattr(plain, name)(_operand(x, name), n, axis, norm)

    return _named(transform, name)


def _several(name: str, axes_of: Any) -> Any:
    def transform(x: Any, s: Any = None, axes: Any = axes_of, norm: Any = None) -> Any:
        return getattr(plain, name)(_operand(x, name), *_sizes(s, axes), norm)

    return _named(transform, name)


def _sizes(s: Any, axes: Any) -> tuple[Any, Any]:
    """Lengths and axes, of which NumPy wants both."""
    s = [s] if isinstance(s, int) else s
    axes = [axes] if isinstance(axes, int) else axes
    return s, list(range(-len(s), 0)) if axes is None and s is not None else axes


def _named(f: Callable[..., Any], name: str) -> Any:
    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"``scipy.fft.{name}``."
    return routine(getattr(_sp, name))(f)


fft, ifft, rfft, irfft, hfft, ihfft = map(_one, ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"))
fft2, ifft2, rfft2, irfft2 = (_several(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2"))
fftn, ifftn, rfftn, irfftn = (_several(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


def _hermitian(name: str, axes_of: Any, inverse: bool) -> Any:
    """Of several axes, with the roles of the two sides exchanged."""

    def transform(x: Any, s: Any = None, axes: Any = axes_of, norm: Any = None) -> Any:
        choice(norm, _NORMS, name, "norm", "fft")
        y, (lengths, places) = _operand(x, name), _sizes(s, axes)
        if inverse:
            return fnp.conjugate(plain.rfftn(y, lengths, places, _OTHER[norm]))
        return plain.irfftn(fnp.conjugate(y), lengths, places, _OTHER[norm])

    return _named(transform, name)


hfft2, hfftn = _hermitian("hfft2", (-2, -1), False), _hermitian("hfftn", None, False)
ihfft2, ihfftn = _hermitian("ihfft2", (-2, -1), True), _hermitian("ihfftn", None, True)


@routine(_sp.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """``scipy.fft.fftshift``: the frequency 0 in the middle."""
    return plain.fftshift(x, axes)


@routine(_sp.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """``scipy.fft.ifftshift``: the frequency 0 in front again."""
    return plain.ifftshift(x, axes)


# -- cosine transforms of real numbers along the last axis, without a factor -------------------------------------------


def _turn(angles: Any, like: Any) -> Any:
    """``exp(-i angles)`` in the precision of an array."""
    return np.exp(-1j * angles).astype(np.result_type(like.dtype, np.complex64))


def _dct1(x: Any) -> Any:
    n = shape_of(x)[-1]
    if n < 2:
        raise ArgumentError(f"scipy.fft{here()}: a cosine transform of type 1 is of at least 2 numbers, got {n}")
    return fnp.real(plain.rfft(fnp.concatenate([x, x[..., -2:0:-1]], axis=-1)))


def _dct2(x: Any) -> Any:
    """Even elements forwards and odd ones backwards; the second half of the result are imaginary parts."""
    n = shape_of(x)[-1]
    k = np.arange(n // 2 + 1)
    half = plain.rfft(fnp.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1)) * _turn(np.pi * k / (2 * n), x)
    return 2 * fnp.concatenate([fnp.real(half), -fnp.imag(half[..., (n - 1) // 2 : 0 : -1])], axis=-1)


def _dct3(x: Any) -> Any:
    """The way back."""
    n = shape_of(x)[-1]
    k = np.arange(n // 2 + 1)
    mirrored = fnp.concatenate([fnp.zeros_like(x[..., :1]), x[..., :0:-1]], axis=-1)[..., : n // 2 + 1]
    v = plain.irfft((x[..., : n // 2 + 1] - 1j * mirrored) * np.conj(_turn(np.pi * k / (2 * n), x)), n, norm="forward")
    even, odd = v[..., : (n + 1) // 2], v[..., (n + 1) // 2 :][..., ::-1]
    if n % 2:
        odd = fnp.concatenate([odd, fnp.zeros_like(even[..., :1])], axis=-1)
    pairs = fnp.stack([even, odd], axis=-1)
    return fnp.reshape(pairs, (*shape_of(x)[:-1], n + n % 2))[..., :n]


def _dct4(x: Any) -> Any:
    n = shape_of(x)[-1]
    k = np.arange(n)
    z = plain.fft(x * _turn(np.pi * k / (2 * n), x), 2 * n)[..., :n]
    return 2 * fnp.real(z * _turn(np.pi * (2 * k + 1) / (4 * n), x))


def _signs(x: Any) -> Any:
    return (1 - 2 * (np.arange(shape_of(x)[-1]) % 2)).astype(x.dtype)


def _dst1(x: Any) -> Any:
    zero = fnp.zeros_like(x[..., :1])
    odd = fnp.concatenate([zero, x, zero, -x[..., ::-1]], axis=-1)
    return -fnp.imag(plain.rfft(odd)[..., 1 : shape_of(x)[-1] + 1])


COSINES = {1: _dct1, 2: _dct2, 3: _dct3, 4: _dct4}
SINES = {
    1: _dst1,
    2: lambda x: _dct2(x * _signs(x))[..., ::-1],
    3: lambda x: _dct3(x[..., ::-1]) * _signs(x),
    4: lambda x: _dct4(x[..., ::-1]) * _signs(x),
}
INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}


def _orthogonal_ends(x: Any, cosine: bool, type: int, factor: float, output: bool) -> Any:
    """Times a factor where the rows or columns of the matrix have another length than the others."""
    n = shape_of(x)[-1]
    places = {(True, 1): [0, n - 1], (True, 2): [0], (True, 3): [0], (False, 2): [n - 1], (False, 3): [n - 1]}
    found = places.get((cosine, type), [])
    if (type == 2 and not output) or (type == 3 and output) or not found:
        return x
    factors = np.ones(n, x.dtype)
    factors[found] = factor
    return x * factors


def _transformed(x: Any, cosine: bool, type: int, norm: Any, orthogonalize: Any, inverse: bool) -> Any:
    """Along the last axis, of real numbers."""
    n = shape_of(x)[-1]
    period = 2 * (n + {(True, 1): -1, (False, 1): 1}.get((cosine, type), 0))
    kind = INVERSE[type] if inverse else type
    if norm == "ortho" if orthogonalize is None else orthogonalize:
        x = _orthogonal_ends(x, cosine, kind, 2**0.5, False)
        y = _orthogonal_ends((COSINES if cosine else SINES)[kind](x), cosine, kind, 0.5**0.5, True)
    else:
        y = (COSINES if cosine else SINES)[kind](x)
    if norm == "ortho":
        return y * y.dtype.type(period**-0.5)
    return y * y.dtype.type(1 / period) if inverse != (norm == "forward") else y


def _real_transform(x: Any, type: Any, n: Any, axis: Any, norm: Any, orthogonalize: Any, name: str) -> Any:
    choice(type, (1, 2, 3, 4), name, "type", "fft")
    choice(norm, _NORMS, name, "norm", "fft")
    y = _operand(x, name)
    if y.dtype.kind not in "fc":
        y = cast(y, np.dtype(np.float64))
    axis = normal_axis(operator.index(axis), len(shape_of(y)), name)
    own, length = shape_of(y)[axis], shape_of(y)[axis] if n is None else operator.index(n)
    if length < 1:
        raise ArgumentError(f"scipy.fft.{name}{here()}: there must be at least one data point, got {length}")
    y = fnp.moveaxis(y, axis, -1)
    if length < own:
        y = y[..., :length]
    elif length > own:
        y = fnp.pad(y, [(0, 0)] * (len(shape_of(y)) - 1) + [(0, length - own)])
    arguments = "c" in name, type, norm, orthogonalize, name.startswith("i")
    if y.dtype.kind == "c":
        y = _transformed(fnp.real(y), *arguments) + 1j * _transformed(fnp.imag(y), *arguments)
    else:
        y = _transformed(y, *arguments)
    return fnp.moveaxis(y, -1, axis)


def _cosine_or_sine(name: str) -> tuple[Any, Any]:
    """The transform along one axis, and that along several."""

    def one(x: Any, type: int = 2, n: Any = None, axis: int = -1, norm: Any = None, orthogonalize: Any = None) -> Any:
        return fresh_array(_real_transform(x, type, n, axis, norm, orthogonalize, name))

    def several(
        x: Any, type: int = 2, s: Any = None, axes: Any = None, norm: Any = None, orthogonalize: Any = None
    ) -> Any:
        y = _operand(x, name)
        lengths, places = _sizes(s, axes)
        places = range(len(shape_of(y))) if places is None else places
        lengths = [None] * len(places) if lengths is None else lengths
        if len(lengths) != len(places):
            raise ArgumentError(f"scipy.fft.{name}n{here()}: {len(lengths)} lengths for {len(places)} axes")
        for n, axis in zip(lengths, places, strict=True):
            y = _real_transform(y, type, n, axis, norm, orthogonalize, name)
        return fresh_array(y, x)

    return _named(one, name), _named(several, f"{name}n")


dct, dctn = _cosine_or_sine("dct")
idct, idctn = _cosine_or_sine("idct")
dst, dstn = _cosine_or_sine("dst")
idst, idstn = _cosine_or_sine("idst")


def __getattr__(name: str) -> Any:
    return getattr(_sp, name)
