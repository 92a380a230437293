"""``scipy.signal`` for traced values: convolutions and filters. What SciPy composes of these and of NumPy's functions
(``filtfilt``, ``savgol_filter``, ``hilbert``, ``detrend``, ``resample``) is traced as it stands. Every name that is not
defined here is SciPy's own.

>>> import functad as fd, numpy as np, scipy.signal
>>> fd.grad(lambda a: scipy.signal.lfilter([1.0], [1.0, a], [1.0, 0.0, 0.0])[2])(-0.5)
np.float64(-1.0)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.signal as _sp

import functad.numpy as fnp
from functad.convolution.general import conv_general_dilated
from functad.errors import ArgumentError, ShapeError
from functad.numpy import fft as plain
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.primitives.broadcasting import broadcast
from functad.primitives.recurrences import recurrence
from functad.scipy.ndimage import convolve1d
from functad.scipy.routines import choice, routine

MODES = ("full", "same", "valid")

# -- convolution -------------------------------------------------------------------------------------------------------


def _prepared(in1: Any, in2: Any, mode: Any, name: str) -> tuple[Any, Any]:
    """The two operands, of one dtype and rank; with "valid", the longer one first."""
    choice(mode, MODES, name, "mode", "signal")
    x, y = as_array(in1, f"scipy.signal.{name}"), as_array(in2, f"scipy.signal.{name}")
    if len(shape_of(x)) != len(shape_of(y)):
        raise ShapeError(
            f"scipy.signal.{name}{here()} takes arrays of one rank, got shapes {shape_of(x)} and {shape_of(y)}"
        )
    dtype = result_dtype([x, y])
    return cast(x, dtype), cast(y, dtype)


def _longer_first(x: Any, y: Any, axes: Any, name: str) -> tuple[Any, Any, bool]:
    shapes = [[shape_of(v)[a] for a in axes] for v in (x, y)]
    if all([n >= m for n, m in zip(*shapes, strict=True)]):
        return x, y, False
    if not all([n <= m for n, m in zip(*shapes, strict=True)]):
        raise ShapeError(
            f"scipy.signal.{name}{here()}: with mode 'valid' one array must be at least as long as the other "
            "along every axis, "
            f"got shapes {shape_of(x)} and {shape_of(y)}"
        )
    return y, x, True


def _centred(full: Any, shape: tuple[int, ...]) -> Any:
    """The middle of an array, of a shape."""
    starts = [(n - m) // 2 for n, m in zip(shape_of(full), shape, strict=True)]
    return full[tuple([slice(s, s + m) for s, m in zip(starts, shape, strict=True)])]


def _direct(x: Any, y: Any, full: bool) -> Any:
    """Sums of products, along all axes."""
    turned = fnp.flip(y)[None, None]
    pads = [(n - 1, n - 1) if full else (0, 0) for n in shape_of(y)]
    return conv_general_dilated(x[None, None], turned, [1] * len(pads), pads)[0, 0]


def _by_fourier(x: Any, y: Any, axes: Any) -> Any:
    """All of the convolution along some axes; along others, one array may have length 1."""
    lengths = [shape_of(x)[a] + shape_of(y)[a] - 1 for a in axes]
    real = x.dtype.kind != "c"
    fast = [_next_fast_length(n, real) for n in lengths]
    if real:
        z = plain.irfftn(plain.rfftn(x, fast, axes) * plain.rfftn(y, fast, axes), fast, axes)
    else:
        z = plain.ifftn(plain.fftn(x, fast, axes) * plain.fftn(y, fast, axes), fast, axes)
    index = [slice(None)] * len(shape_of(z))
    for a, n in zip(axes, lengths, strict=True):
        index[a] = slice(0, n)
    return z[tuple(index)]


def _next_fast_length(n: int, real: bool) -> int:
    from scipy.fft import next_fast_len

    return int(next_fast_len(n, real))


def _is_empty(x: Any, y: Any) -> bool:
    return 0 in shape_of(x) or 0 in shape_of(y)


@routine(_sp.convolve)
def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """``scipy.signal.convolve``; with ``method="auto"``, the one that is likely to be faster for these shapes."""
    choice(method, ("auto", "direct", "fft"), "convolve", "method", "signal")
    x, y = _prepared(in1, in2, mode, "convolve")
    if not shape_of(x):
        return x * y
    if _is_empty(x, y):
        return fnp.zeros(0)
    if mode == "valid":
        x, y, _ = _longer_first(x, y, range(len(shape_of(x))), "convolve")
    if method == "auto":
        method = "direct"
        if x.dtype.kind in "fc" and len(shape_of(x)) > 0:
            examples = [np.zeros(shape_of(v), v.dtype) for v in (x, y)]
            method = str(_sp.choose_conv_method(*examples, mode=mode))
    if method == "fft" and x.dtype.kind in "fc":
        full = _by_fourier(x, y, list(range(len(shape_of(x)))))
        if mode == "valid":
            return fresh_array(
                _centred(full, tuple([n - m + 1 for n, m in zip(shape_of(x), shape_of(y), strict=True)]))
            )
    else:
        full = _direct(x, y, mode != "valid") if len(shape_of(x)) > 1 else fnp.convolve(x, y, _numpy_mode(mode))
    return fresh_array(_centred(full, shape_of(x)) if mode == "same" else full)


def _numpy_mode(mode: str) -> str:
    return "valid" if mode == "valid" else "full"


@routine(_sp.correlate)
def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    """``scipy.signal.correlate``."""
    y = as_array(in2, "scipy.signal.correlate")
    return convolve(in1, fnp.conjugate(fnp.flip(y)) if shape_of(y) else fnp.conjugate(y), mode, method)


@routine(_sp.fftconvolve)
def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """``scipy.signal.fftconvolve``: by Fourier transforms along some axes; other axes are broadcast."""
    x, y = _prepared(in1, in2, mode, "fftconvolve")
    if not shape_of(x):
        return x * y
    if _is_empty(x, y):
        return fnp.zeros(0)
    ndim = len(shape_of(x))
    places = list(normal_axes(None if axes is None else axes, ndim, "fftconvolve"))
    if x.dtype.kind not in "fc":
        x, y = (cast(v, np.dtype(np.float64)) for v in (x, y))
    wide = [a for a in range(ndim) if a not in places]
    if any([shape_of(x)[a] != shape_of(y)[a] and 1 not in (shape_of(x)[a], shape_of(y)[a]) for a in wide]):
        raise ShapeError(
            f"scipy.signal.fftconvolve{here()}: axes that are not transformed must have equal lengths or length 1, got "
            f"shapes {shape_of(x)} and {shape_of(y)}"
        )
    if mode == "valid":
        x, y, _ = _longer_first(x, y, places, "fftconvolve")
    moving = [a for a in places if shape_of(x)[a] != 1 and shape_of(y)[a] != 1]
    full = _by_fourier(x, y, moving) if moving else x * y
    if mode == "full":
        return fresh_array(full)
    shape = list(shape_of(full))
    for a in places:
        shape[a] = shape_of(x)[a] if mode == "same" else shape_of(x)[a] - shape_of(y)[a] + 1
    return fresh_array(_centred(full, tuple(shape)))


@routine(_sp.oaconvolve)
def oaconvolve(in1: Any, in2: Any, mode: str = "full", axes: Any = None) -> Any:
    """``scipy.signal.oaconvolve``, whose results are those of ``fftconvolve``."""
    return fftconvolve(in1, in2, mode, axes)


def _two_dimensional(in1: Any, in2: Any, mode: Any, boundary: Any, fillvalue: Any, name: str, corner: int) -> Any:
    choice(boundary, ("fill", "wrap", "symm"), name, "boundary", "signal")
    x, y = _prepared(in1, in2, mode, name)
    if len(shape_of(x)) != 2:
        raise ShapeError(f"scipy.signal.{name}{here()} takes matrices, got shape {shape_of(x)}")
    if mode == "valid":
        x, y, exchanged = _longer_first(x, y, (0, 1), name)
        found = _direct(x, y, False)
        return fresh_array(fnp.conjugate(found) if exchanged and corner else found)  # as SciPy has it
    kernel, shape = shape_of(y), shape_of(x)
    widths = [(n - 1, n - 1) for n in kernel]
    if boundary == "fill":
        around = fnp.pad(x, widths, constant_values=fillvalue)
    else:
        around = fnp.pad(x, widths, {"wrap": "wrap", "symm": "symmetric"}[boundary])
    full = _direct(around, y, False)
    if mode == "full":
        return fresh_array(full)
    starts = [(n - 1 + corner) // 2 if corner else (n - 1) // 2 for n in kernel]
    return fresh_array(full[tuple([slice(s, s + n) for s, n in zip(starts, shape, strict=True)])])


@routine(_sp.convolve2d)
def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """``scipy.signal.convolve2d``."""
    return _two_dimensional(in1, in2, mode, boundary, fillvalue, "convolve2d", 0)


@routine(_sp.correlate2d)
def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    """``scipy.signal.correlate2d``."""
    y = fnp.conjugate(fnp.flip(as_array(in2, "scipy.signal.correlate2d")))
    return _two_dimensional(in1, y, mode, boundary, fillvalue, "correlate2d", 1)


# -- filters -----------------------------------------------------------------------------------------------------------


def _moving_average(x: Any, b: Any, length: int) -> Any:
    """The first elements of the convolution of each row of x with b."""
    k = shape_of(b)[0]
    n = shape_of(x)[1]
    y = conv_general_dilated(x[:, None], fnp.flip(b)[None, None], (1,), [(k - 1, length - n)])
    return y[:, 0]


@routine(_sp.lfilter)
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """``scipy.signal.lfilter``: a moving average, which is a convolution, and a recurrence."""
    given = [as_array(v, "scipy.signal.lfilter") for v in (b, a, x)]
    dtype = result_dtype([*given, *([] if zi is None else [as_array(zi, "scipy.signal.lfilter")])])
    if dtype.kind not in "fc" or dtype == np.float16:
        dtype = np.dtype(np.float64)
    b, a, x = (cast(v, dtype) for v in given)
    b, a = (fnp.atleast_1d(v) for v in (b, a))
    if len(shape_of(b)) != 1 or len(shape_of(a)) != 1 or not shape_of(x):
        raise ShapeError(
            f"scipy.signal.lfilter{here()} takes coefficients with one axis and a signal, got shapes {shape_of(b)}, "
            f"{shape_of(a)} and {shape_of(x)}"
        )
    axis = normal_axis(axis, len(shape_of(x)), "scipy.signal.lfilter")
    b, a = b / a[0], a[1:] / a[0]
    rows = fnp.moveaxis(x, axis, -1)
    lead, n = shape_of(rows)[:-1], shape_of(rows)[-1]
    rows = fnp.reshape(rows, (-1, n)) if rows.size else fnp.zeros((int(np.prod(lead)), n), dtype)
    memory = max(shape_of(b)[0], shape_of(a)[0] + 1) - 1
    u = _moving_average(rows, b, n) if n else rows
    state: Any = None
    if zi is not None:
        state = fnp.moveaxis(cast(as_array(zi, "scipy.signal.lfilter"), dtype), axis, -1)
        if shape_of(state)[-1:] != (memory,) or len(shape_of(state)) != len(lead) + 1:
            raise ShapeError(
                f"scipy.signal.lfilter{here()}: zi must have the shape of x with {memory} elements along axis "
                f"{axis}, got "
                f"{shape_of(state)}"
            )
        state = fnp.reshape(fnp.broadcast_to(state, (*lead, memory)), (-1, memory))
        m = min(n, memory)
        u = fnp.concatenate([u[:, :m] + state[:, :m], u[:, m:]], axis=1)
    y = u if not shape_of(a)[0] else recurrence(u, broadcast(a, (shape_of(u)[0], shape_of(a)[0]), (1,)))
    out = fnp.moveaxis(fnp.reshape(y, (*lead, n)), -1, axis)
    if zi is None:
        return fresh_array(out)
    last = _last_state(rows, y, b, a, state, n, memory)
    return fresh_array(out), fresh_array(fnp.moveaxis(fnp.reshape(last, (*lead, memory)), -1, axis))


def _last_state(x: Any, y: Any, b: Any, a: Any, state: Any, n: int, memory: int) -> Any:
    """What of the convolutions lies behind the end."""
    total = fnp.zeros((shape_of(x)[0], memory), x.dtype)
    kernel = fnp.concatenate([fnp.zeros(1, y.dtype), a])
    for values, weights, sign in ((x, b, 1), (y, kernel, -1)):
        k = shape_of(weights)[0]
        if n and k > 1:
            tail = _moving_average(values, weights, n + k - 1)[:, n:]
            total = total + sign * fnp.pad(tail, [(0, 0), (0, memory - k + 1)])
    if memory > n:
        total = total + fnp.pad(state[:, n:], [(0, 0), (0, n)])
    return total


@routine(_sp.sosfilt)
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """``scipy.signal.sosfilt``: one section after the other."""
    sections = as_array(sos, "scipy.signal.sosfilt")
    if len(shape_of(sections)) != 2 or shape_of(sections)[1] != 6:
        raise ShapeError(f"scipy.signal.sosfilt{here()}: sos must have shape (sections, 6), got {shape_of(sections)}")
    states = []
    for k in range(shape_of(sections)[0]):
        b, a = sections[k, :3], sections[k, 3:]
        if zi is None:
            x = lfilter(b, a, x, axis)
        else:
            x, last = lfilter(b, a, x, axis, as_array(zi, "scipy.signal.sosfilt")[k])
            states.append(last)
    return x if zi is None else (x, fnp.stack(states))


@routine(_sp.lfilter_zi)
def lfilter_zi(b: Any, a: Any) -> Any:
    """``scipy.signal.lfilter_zi``: the state in which a filter goes on from a step."""
    b, a = (fnp.atleast_1d(as_array(v, "scipy.signal.lfilter_zi")) for v in (b, a))
    n = max(shape_of(a)[0], shape_of(b)[0])
    b, a = (fnp.pad(v / a[0], (0, n - shape_of(v)[0])) for v in (b, a))
    rest = b[1:] - a[1:] * b[0]
    first = fnp.sum(rest) / (1 + fnp.sum(a[1:]))
    before = fnp.concatenate([fnp.zeros(1, rest.dtype), fnp.cumsum(rest)[:-1]])
    return fresh_array((1 + fnp.concatenate([fnp.zeros(1, a.dtype), fnp.cumsum(a[1:])[:-1]])) * first - before)


@routine(_sp.upfirdn)
def upfirdn(h: Any, x: Any, up: int = 1, down: int = 1, axis: int = -1, mode: str = "constant", cval: Any = 0) -> Any:
    """``scipy.signal.upfirdn``, with zeros beyond the ends."""
    if mode != "constant" or cval != 0:
        raise ArgumentError(
            f"scipy.signal.upfirdn{here()}: traced signals go on with zeros (mode='constant', cval=0), got "
            f"mode={mode!r}, "
            f"cval={cval!r}; extend the signal before, np.pad(x, ...)"
        )
    x, h = _prepared_pair(x, h)
    axis = normal_axis(axis, len(shape_of(x)), "scipy.signal.upfirdn")
    rows = fnp.moveaxis(x, axis, -1)
    lead, n, k = shape_of(rows)[:-1], shape_of(rows)[-1], shape_of(h)[0]
    flat = fnp.reshape(rows, (-1, 1, n))
    length = -(-((n - 1) * up + k) // down)
    after = (length - 1) * down + 1 - ((n - 1) * up + 1)
    y = conv_general_dilated(flat, fnp.flip(h)[None, None], (down,), [(k - 1, after)], (up,))
    return fresh_array(fnp.moveaxis(fnp.reshape(y, (*lead, length)), -1, axis))


def _prepared_pair(x: Any, h: Any) -> tuple[Any, Any]:
    x, h = as_array(x, "scipy.signal.upfirdn"), as_array(h, "scipy.signal.upfirdn")
    if len(shape_of(h)) != 1 or not shape_of(h)[0]:
        raise ShapeError(f"scipy.signal.upfirdn{here()}: h must have one axis, not empty, got shape {shape_of(h)}")
    dtype = result_dtype([x, h])
    dtype = dtype if dtype.kind in "fc" else np.dtype(np.float64)
    return cast(x, dtype), cast(h, dtype)


@routine(_sp.savgol_filter)
def savgol_filter(
    x: Any, window_length: int, polyorder: int, deriv: int = 0, delta: float = 1.0, axis: int = -1,
    mode: str = "interp", cval: Any = 0.0,
) -> Any:  # fmt: skip
    """``scipy.signal.savgol_filter``: the value of the polynomial that fits each window."""
    choice(mode, ("mirror", "constant", "nearest", "wrap", "interp"), "savgol_filter", "mode", "signal")
    y = as_array(x, "scipy.signal.savgol_filter")
    y = y if y.dtype in (np.float32, np.float64) else cast(y, np.dtype(np.float64))
    axis = normal_axis(axis, len(shape_of(y)), "scipy.signal.savgol_filter")
    fit = window_length, polyorder, deriv, delta
    if mode != "interp":
        return convolve1d(y, _sp.savgol_coeffs(*fit), axis, None, mode, cval)
    n, half = shape_of(y)[axis], window_length // 2
    if window_length > n:
        raise ArgumentError(
            f"scipy.signal.savgol_filter{here()}: with mode 'interp' window_length must not be more than the size "
            "of x, got "
            f"{window_length} for shape {shape_of(y)} along axis {axis}"
        )
    rows = fnp.reshape(fnp.moveaxis(y, axis, -1), (-1, n))

    def fitted(places: list[int]) -> Any:
        """The coefficients of the polynomial's value at places in a window."""
        return np.stack([_sp.savgol_coeffs(*fit, pos=k, use="dot") for k in places]).astype(y.dtype)

    inner = convolve1d(rows, _sp.savgol_coeffs(*fit), 1, None, "constant")
    if half:
        inner = inner[:, half : n - half]
        first = rows[:, :window_length] @ fitted(list(range(half))).T
        last = rows[:, n - window_length :] @ fitted(list(range(window_length - half, window_length))).T
        inner = fnp.concatenate([first, inner, last], axis=1)
    lead = [m for a, m in enumerate(shape_of(y)) if a != axis]
    return fresh_array(fnp.moveaxis(fnp.reshape(inner, (*lead, n)), -1, axis))


def __getattr__(name: str) -> Any:
    return getattr(_sp, name)
