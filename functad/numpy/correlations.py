"""Covariances and correlation coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

import functad.numpy as fnp
from functad.core.trace import ABSENT
from functad.core.tracer import Tracer
from functad.errors import ArgumentError, ShapeError
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh_array, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.traced import here

__all__: list[str] = []


def _variables(x: Any, rowvar: bool, first: bool) -> Any:
    """The variables as rows."""
    if len(shape_of(x)) > 2:
        raise ShapeError(f"np.cov{here()} is of at most two axes, got shape {shape_of(x)}")
    rows = fnp.atleast_2d(x)
    return rows.T if not rowvar and (len(shape_of(x)) != 1 if first else shape_of(rows)[0] != 1) else rows


def _of_observations(w: Any, n: int, name: str) -> Any:
    w = cast(as_array(w, "cov"), np.dtype(np.float64))
    if shape_of(w) != (n,):
        raise ShapeError(f"np.cov{here()}: {name} must have shape {(n,)}, one an observation, got {shape_of(w)}")
    value = w._owner.ask(w._variable) if type(w) is Tracer else w
    if value is not ABSENT and (value < 0).any():
        raise ArgumentError(f"np.cov{here()}: {name} must not be negative")
    return w


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """``numpy.cov``: the covariances of variables, each a row (or column) of observations."""
    given = [as_array(v, "cov") for v in (m, y) if v is not None]
    dtype = result_dtype([*given, np.float64(0)]) if dtype is None else np.dtype(dtype)
    rows = [_variables(x, rowvar, k == 0) for k, x in enumerate(given)]
    if not shape_of(rows[0])[0]:
        return np.zeros((0, 0))
    x = fnp.concatenate([cast(r, dtype) for r in rows], 0)
    lost = (0 if bias else 1) if ddof is None else ddof
    n = shape_of(x)[1]
    frequencies = None if fweights is None else _of_observations(fweights, n, "fweights")
    weights = None if aweights is None else _of_observations(aweights, n, "aweights")
    w = frequencies if weights is None else weights if frequencies is None else frequencies * weights
    center, total = fnp.average(x, 1, w, returned=True)
    if w is None:
        divisor: Any = n - lost
    else:
        total = fnp.real(total[0])
        share = lost if weights is None or not lost else lost * fnp.sum(w * weights) / total
        divisor = total - share
    divisor = fnp.maximum(divisor, 0.0)
    x = x - center[:, None]
    products = fnp.dot(x, fnp.conj((x if w is None else x * w).T))
    return fresh_array(
        fnp.squeeze(products * cast(fnp.divide(1.0, divisor), np.dtype(np.float64))).astype(products.dtype)
    )


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """``numpy.corrcoef``: covariances divided by standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    deviation = fnp.sqrt(fnp.real(fnp.diag(c)))
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind != "c":
        return fnp.clip(c, -1, 1)
    return fnp.clip(fnp.real(c), -1, 1) + 1j * fnp.clip(fnp.imag(c), -1, 1)
