"""Initial weights of neural networks, from explicit keys: ``fd.nn.initializers``, under JAX's names and with its draws.

>>> import functad as fd, numpy as np
>>> weights = fd.nn.initializers.he_normal()(fd.random.key(0), (784, 100))
>>> weights.shape, bool(abs(np.var(weights) - 2 / 784) < 1e-4)
((784, 100), True)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

import functad.numpy as fnp
from functad.errors import ArgumentError, ShapeError
from functad.numpy.traced import here
from functad.numpy.updates import at
from functad.random import continuous, vectors

__all__ = [
    "Initializer", "constant", "delta_orthogonal", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform",
    "kaiming_normal", "kaiming_uniform", "lecun_normal", "lecun_uniform", "normal", "ones", "orthogonal",
    "truncated_normal", "uniform", "variance_scaling", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Initializer = Callable[..., Any]
"""``init(key, shape, dtype=float64)``."""

Axes = int | Sequence[int]

# -- values ------------------------------------------------------------------------------------------------------------


def zeros(key: Any, shape: Sequence[int], dtype: Any = np.float64) -> Any:
    """Zeros; the key is not used.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.initializers.zeros(fd.random.key(0), (3,))
    array([0., 0., 0.])
    """
    return fnp.zeros(tuple(shape), dtype)


def ones(key: Any, shape: Sequence[int], dtype: Any = np.float64) -> Any:
    """Ones; the key is not used.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.initializers.ones(fd.random.key(0), (3,))
    array([1., 1., 1.])
    """
    return fnp.ones(tuple(shape), dtype)


def constant(value: Any, dtype: Any = np.float64) -> Initializer:
    """One value everywhere.

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.initializers.constant(0.5)(fd.random.key(0), (3,))
    array([0.5, 0.5, 0.5])
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        return fnp.full(tuple(shape), value, dtype)

    return init


# -- draws -------------------------------------------------------------------------------------------------------------


def uniform(scale: Any = 1e-2, dtype: Any = np.float64) -> Initializer:
    """Equally likely from 0 up to ``scale``.

    Examples
    --------
    >>> import functad as fd
    >>> weights = fd.nn.initializers.uniform(0.1)(fd.random.key(0), (784, 100))
    >>> round(float(weights.mean()), 3)
    0.05
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        return fnp.multiply(continuous.uniform(key, tuple(shape), dtype), _number(scale, dtype))

    return init


def normal(stddev: Any = 1e-2, dtype: Any = np.float64) -> Initializer:
    """Normal, of this standard deviation.

    Examples
    --------
    >>> import functad as fd
    >>> weights = fd.nn.initializers.normal(0.1)(fd.random.key(0), (784, 100))
    >>> round(float(weights.std()), 3)
    0.1
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        return fnp.multiply(continuous.normal(key, tuple(shape), dtype), _number(stddev, dtype))

    return init


def truncated_normal(stddev: Any = 1e-2, dtype: Any = np.float64, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """Normal between ``lower`` and ``upper`` standard deviations.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> weights = fd.nn.initializers.truncated_normal(0.1)(fd.random.key(0), (784, 100))
    >>> bool(np.abs(weights).max() <= 0.2)
    True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        return fnp.multiply(continuous.truncated_normal(key, lower, upper, tuple(shape), dtype), _number(stddev, dtype))

    return init


def _number(value: Any, dtype: Any) -> Any:
    return fnp.asarray(value).astype(np.dtype(dtype))


# -- scaled by the numbers of what goes in and comes out ---------------------------------------------------------------

TRUNCATED = 0.87962566103423978
"""The standard deviation of a standard normal number between -2 and 2."""


def variance_scaling(
    scale: float,
    mode: Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"],
    distribution: Literal["truncated_normal", "normal", "uniform"],
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: Any = np.float64,
) -> Initializer:
    """Draws whose variance is ``scale``, divided by how many numbers go into, or come out of, a unit.

    Parameters
    ----------
    scale
        A positive number.
    mode
        Divided by the number of inputs, of outputs, or by the arithmetic or geometric mean of both.
    distribution
        Of the draws.
    in_axis, out_axis, batch_axis
        The axes of inputs, of outputs, and those that are neither; all others are counted with both, as the places of a
        convolution are.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> init = fd.nn.initializers.variance_scaling(1.0, "fan_out", "uniform")
    >>> weights = init(fd.random.key(0), (500, 300))
    >>> bool(np.abs(weights).max() <= np.sqrt(3 / 300))
    True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        fan_in, fan_out = _fans(tuple(shape), in_axis, out_axis, batch_axis)
        divisors = {
            "fan_in": fan_in,
            "fan_out": fan_out,
            "fan_avg": (fan_in + fan_out) / 2,
            "fan_geo_avg": (fan_in * fan_out) ** 0.5,
        }
        kind = continuous.real_dtype(dtype, "initializers").type
        deviation = np.sqrt(kind(scale / _chosen(divisors, mode, "mode")))
        draws: dict[str, Callable[[], Any]] = {
            "truncated_normal": lambda: fnp.multiply(
                continuous.truncated_normal(key, -2, 2, tuple(shape), dtype), deviation / kind(TRUNCATED)
            ),
            "normal": lambda: fnp.multiply(continuous.normal(key, tuple(shape), dtype), deviation),
            "uniform": lambda: fnp.multiply(
                continuous.uniform(key, tuple(shape), dtype, -1), np.sqrt(3 * kind(scale / divisors[mode]))
            ),
        }
        return _chosen(draws, distribution, "distribution")()

    return init


def _chosen(among: dict[str, Any], name: str, what: str) -> Any:
    if name not in among:
        raise ArgumentError(f"variance_scaling{here()}: {what}={name!r}; expected one of {', '.join(among)}")
    return among[name]


def _fans(shape: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """How many numbers go into a unit, and how many come out of one."""

    def count(axes: Axes) -> int:
        return math.prod([shape[a] for a in ((axes,) if isinstance(axes, int) else axes)])

    try:
        into, out, apart = count(in_axis), count(out_axis), count(batch_axis)
    except IndexError:
        raise ShapeError(
            f"initializers{here()}: weights of the shape {shape} lack one of the axes in_axis={in_axis}, "
            f"out_axis={out_axis}, batch_axis={batch_axis}"
        ) from None
    places = math.prod(shape) / (into * out * apart)
    return into * places, out * places


def _scaled(name: str, scale: float, mode: Any, distribution: Any, source: str) -> Callable[..., Initializer]:
    def made(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: Any = np.float64) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"""``variance_scaling({scale}, {mode!r}, {distribution!r})`` ({source}).

    Examples
    --------
    >>> import functad as fd
    >>> fd.nn.initializers.{name}()(fd.random.key(0), (784, 100)).shape
    (784, 100)
    """
    return made


GLOROT = 'Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010'
HE = 'He and others, "Delving Deep into Rectifiers", 2015'
LECUN = 'LeCun and others, "Efficient BackProp", 1998'

glorot_uniform = xavier_uniform = _scaled("glorot_uniform", 1.0, "fan_avg", "uniform", GLOROT)
glorot_normal = xavier_normal = _scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal", GLOROT)
he_uniform = kaiming_uniform = _scaled("he_uniform", 2.0, "fan_in", "uniform", HE)
he_normal = kaiming_normal = _scaled("he_normal", 2.0, "fan_in", "truncated_normal", HE)
lecun_uniform = _scaled("lecun_uniform", 1.0, "fan_in", "uniform", LECUN)
lecun_normal = _scaled("lecun_normal", 1.0, "fan_in", "truncated_normal", LECUN)


# -- orthogonal matrices -----------------------------------------------------------------------------------------------


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = np.float64) -> Initializer:
    """Matrices with orthonormal rows or columns, whichever there are fewer of, times ``scale``; all orientations are
    equally likely.

    All axes but ``column_axis`` count as one (Saxe and others, "Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks", 2014).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> q = fd.nn.initializers.orthogonal()(fd.random.key(0), (5, 3))
    >>> np.allclose(q.T @ q, np.eye(3))
    True
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        if len(shape) < 2:
            raise ShapeError(f"initializers.orthogonal{here()} takes a shape of two axes or more, got {tuple(shape)}")
        if not math.prod(shape):
            return fnp.zeros(tuple(shape), dtype)
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        rest = [n for a, n in enumerate(shape) if a != column_axis % len(shape)]
        q = fnp.reshape(vectors.orthogonal(key, rows, (), dtype, columns), (*rest, columns))
        return fnp.multiply(fnp.moveaxis(q, -1, column_axis), _number(scale, dtype))

    return init


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = np.float64) -> Initializer:
    """Filters of a convolution, of shape (..., inputs, outputs), that are an orthogonal matrix in the middle and zero
    elsewhere (Xiao and others, "Dynamical Isometry and a Mean Field Theory of CNNs", 2018).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> w = fd.nn.initializers.delta_orthogonal()(fd.random.key(0), (3, 3, 2, 2))
    >>> np.allclose(w[1, 1] @ w[1, 1].T, np.eye(2)), int(np.count_nonzero(w))
    (True, 4)
    """

    def init(key: Any, shape: Sequence[int], dtype: Any = dtype) -> Any:
        if len(shape) not in (3, 4, 5) or shape[-1] < shape[-2]:
            raise ShapeError(
                f"initializers.delta_orthogonal{here()} takes a shape of three to five axes (..., inputs, outputs) "
                f"with no fewer outputs than inputs, got {tuple(shape)}"
            )
        matrix = orthogonal(scale, column_axis, dtype)(key, shape[-2:])
        middle = tuple([(n - 1) // 2 for n in shape[:-2]])
        return at(fnp.zeros(tuple(shape), dtype))[middle].set(matrix)

    return init
