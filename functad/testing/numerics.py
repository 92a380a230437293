"""Random values, finite differences, pairings and comparisons: what all testers are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.ir.types import ArrayType

__all__ = ["assert_close", "assert_paired", "directional_derivative", "is_double", "random_like", "step_size"]


def random_like(type: ArrayType, rng: np.random.Generator, low: float = -1.0, high: float = 1.0) -> Any:
    """Random values of a type between bounds; real and imaginary parts each; integers where the type is one."""
    kind = type.dtype.kind
    value: Any
    if kind == "b":
        value = rng.integers(0, 2, type.shape).astype(np.bool_)
    elif kind in "iu":
        least = max(int(np.ceil(low)), np.iinfo(type.dtype).min)
        value = rng.integers(least, max(int(np.floor(high)), least), type.shape, endpoint=True).astype(type.dtype)
    else:
        value = rng.uniform(low, high, type.shape)
        if kind == "c":
            value = value + 1j * rng.uniform(low, high, type.shape)
        value = np.asarray(value).astype(type.dtype)
    return value if type.ndim else np.asarray(value)[()]


def is_double(dtype: np.dtype) -> bool:
    """Whether a dtype carries double precision: all do but float32, complex64 and smaller."""
    return dtype.kind not in "fc" or dtype.itemsize >= (8 if dtype.kind == "f" else 16)


def step_size(dtypes: Sequence[np.dtype]) -> float:
    """The step at which the five-point difference is most precise: it balances h^4 against eps / h."""
    return 2.0**-11 if all(is_double(d) for d in dtypes) else 2.0**-5


def directional_derivative(
    f: Callable[[list[Any]], Sequence[Any]], values: Sequence[Any], tangents: Sequence[Any], step: float | None = None
) -> list[Any]:
    """The derivative of ``f`` at ``values`` along ``tangents`` (None: held fixed), by differences; None for integer and
    boolean results.

    Five points, (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, have an error of h^4 f'''''/30, so that in double
    precision ten digits are right, where the two-point formula gives six.
    """
    h = step or step_size([np.asarray(v).dtype for v, t in zip(values, tangents, strict=True) if t is not None])
    points = [f([moved(v, s, t) for v, t in zip(values, tangents, strict=True)]) for s in (h, -h, 2 * h, -2 * h)]
    return [_five_points(ys, h) if np.asarray(ys[0]).dtype.kind in "fc" else None for ys in zip(*points, strict=True)]


def moved(value: Any, step: float, tangent: Any) -> Any:
    """The value after a step along a tangent (None: itself), of the same type; a Python number stays one."""
    if tangent is None:
        return value
    if type(value) in (float, complex):
        return type(value)(value + step * tangent)
    return (value + value.dtype.type(step) * tangent).astype(value.dtype)


def _five_points(ys: Sequence[Any], h: float) -> Any:
    near, near_left, far, far_left = ys
    wide = np.complex128 if np.asarray(near).dtype.kind == "c" else np.float64
    one, two = np.asarray(near, wide) - near_left, np.asarray(far, wide) - far_left
    return (8 * one - two) / (12 * h)


def pairing(cotangents: Sequence[Any], tangents: Sequence[Any]) -> tuple[float, float]:
    """The real part of the sum of cotangent times tangent, and the sum of absolute values, which bounds its rounding.

    Nothing is conjugated. Over complex numbers the real part is what every rule preserves: the derivative of ``real``,
    ``conj`` or ``abs`` is linear over the reals only, and with a complex-linear one the tangents t and it together give
    the imaginary part too.
    """
    value = scale = 0.0
    for c, t in zip(cotangents, tangents, strict=True):
        if c is not None and t is not None:
            product = np.real(np.asarray(c, np.complex128) * np.asarray(t, np.complex128))
            value += float(np.sum(product))
            scale += float(np.sum(np.abs(product)))
    return value, scale


def assert_paired(
    out_cotangents: Sequence[Any],
    out_tangents: Sequence[Any],
    cotangents: Sequence[Any],
    tangents: Sequence[Any],
    what: str,
    rtol: float,
    atol: float = 0.0,
) -> None:
    """Reverse and forward mode agree: ``sum(ct * J t)`` equals ``sum(J^T ct * t)``, within ``atol`` for each unit of
    ct.

    Where the terms of a derivative cancel (``a / a``), it is their rounding, of which ``rtol`` knows nothing.
    """
    forward, scale_f = pairing(out_cotangents, out_tangents)
    backward, scale_b = pairing(cotangents, tangents)
    allowed = rtol * max(scale_f, scale_b) + atol * sum(
        [float(np.sum(np.abs(c))) for c in out_cotangents if c is not None]
    )
    if not abs(forward - backward) <= allowed:
        raise AssertionError(
            f"{what}: forward mode gives sum(ct * J t) = {forward!r}, reverse mode sum(J^T ct * t) = {backward!r}"
            f" (difference {abs(forward - backward):.3g}, allowed {allowed:.3g})"
        )


def assert_close(found: Any, expected: Any, what: str, rtol: float, atol: float, reference: str = "expected") -> None:
    """Equal shapes, and elements within ``atol + rtol * abs(expected)``; NaN equals NaN, and infinities must be
    equal.
    """
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        raise AssertionError(f"{what} has shape {found.shape}, expected {expected.shape}")
    good = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    if good.all():
        return
    error = np.where(
        good, -1.0, np.abs(np.subtract(found, expected, dtype=np.result_type(found, expected, np.float64)))
    )
    index = tuple(
        int(i) for i in np.unravel_index(int(np.argmax(np.where(np.isnan(error), np.inf, error))), found.shape)
    )
    place = f"[{', '.join(map(str, index))}]" if index else ""
    count = f" ({int(np.sum(~good))} of {good.size} elements differ)" if good.size > 1 else ""
    raise AssertionError(f"{what}{place} is {found[index].item()!r}, {reference} {expected[index].item()!r}{count}")
