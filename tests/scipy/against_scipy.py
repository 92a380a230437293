"""Comparing what a function gives that is evaluated, or compiled, with what it gives in plain SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np

import functad as fd


def leaves(x: Any) -> list[Any]:
    """The arrays in a result."""
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, tuple | list) else [x]


def same(f: Any, *args: Any, natively: bool = False, tolerance: float = 1e-9) -> None:
    """In dtype, shape and values; ``natively``: compiled, too."""
    expected = leaves(f(*args))
    if all([np.asarray(a).dtype.kind in "fc" for a in args]):
        compare(leaves(fd.jvp(f, args, args)[0]), expected, tolerance)
    if natively:
        compare(leaves(fd.jit(f)(*args)), expected, tolerance)


def compare(found: list[Any], expected: list[Any], tolerance: float) -> None:
    """Compare arrays, scaled by the largest element."""
    for y, e in zip(found, expected, strict=True):
        assert np.shape(y) == np.shape(e) and np.asarray(y).dtype == np.asarray(e).dtype
        wide = tolerance if np.asarray(e).dtype.char in "dD" else 1e-5
        scale = float(np.max(np.abs(np.nan_to_num(e)), initial=0.0))
        np.testing.assert_allclose(y, e, rtol=wide, atol=wide * scale)
