"""``scipy.ndimage`` for traced values: correlation along one axis, of which SciPy makes Gaussian filters, gradients and
the filter of Savitzky and Golay. Every name that is not defined here is SciPy's own.

>>> import functad as fd, numpy as np, scipy.ndimage
>>> fd.grad(lambda x: scipy.ndimage.gaussian_filter1d(x, 1.0)[2])(np.zeros(5)).round(3)
array([0.058, 0.242, 0.399, 0.242, 0.058])
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.ndimage as _sp

import functad.numpy as fnp
from functad.convolution.general import conv_general_dilated
from functad.core.tracer import Tracer
from functad.errors import ArgumentError
from functad.numpy.axes import normal_axis
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here
from functad.scipy.routines import choice, routine

PADDING = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap",
    "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant",
}  # fmt: skip
"""What NumPy calls these ways to go on beyond the ends."""


@routine(_sp.correlate1d)
def correlate1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """``scipy.ndimage.correlate1d``."""
    x, w = as_array(input, "scipy.ndimage.correlate1d"), as_array(weights, "scipy.ndimage.correlate1d")
    choice(mode, tuple(PADDING), "correlate1d", "mode", "ndimage")
    if isinstance(output, np.ndarray):
        raise ArgumentError(
            f"scipy.ndimage{here()}: output= is a plain array, which takes no traced values; use the result"
        )
    size = shape_of(w)[0] if len(shape_of(w)) == 1 else 0
    if not size or not -(size // 2) <= origin <= (size - 1) // 2:
        raise ArgumentError(
            f"scipy.ndimage.correlate1d{here()} takes weights with one axis, not empty, and an origin within them, got "
            f"shape {shape_of(w)} and origin {origin}"
        )
    dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)
    x = cast(x, result_dtype([cast(x, dtype), w]))
    axis = normal_axis(axis, len(shape_of(x)), "scipy.ndimage.correlate1d")
    rows = fnp.moveaxis(x, axis, -1)
    lead, n = shape_of(rows)[:-1], shape_of(rows)[-1]
    before = size // 2 + origin
    widths = [(0, 0)] * len(lead) + [(before, size - 1 - before)]
    more = {"constant_values": cval} if PADDING[mode] == "constant" else {}
    around = fnp.reshape(fnp.pad(rows, widths, PADDING[mode], **more), (-1, 1, n + size - 1))
    y = conv_general_dilated(around, cast(w, x.dtype)[None, None], (1,), "VALID")
    made = fnp.moveaxis(fnp.reshape(y, (*lead, n)), -1, axis)
    if type(output) is Tracer:  # SciPy's own, which it made like the input
        output[...] = made  # type: ignore[index]
        return output
    return fresh_array(cast(made, x.dtype if output is None else np.dtype(output)))


@routine(_sp.convolve1d)
def convolve1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: Any = 0.0,
    origin: int = 0,
) -> Any:  # fmt: skip
    """``scipy.ndimage.convolve1d``."""
    w = as_array(weights, "scipy.ndimage.convolve1d")
    return correlate1d(input, fnp.flip(w), axis, output, mode, cval, -origin - (shape_of(w)[0] + 1) % 2)


def __getattr__(name: str) -> Any:
    return getattr(_sp, name)
