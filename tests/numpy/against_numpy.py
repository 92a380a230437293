"""Run a function of NumPy code on traced values, and hold what it gives against NumPy: kind, shape, dtype and
values.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import functad as fd
from functad.core.capture import as_leaf
from functad.core.trace import Trace, within
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer

TOLERANCE = {2: 2e-3, 4: 5e-6, 8: 5e-14, 16: 5e-14}
"""A few dozen units in the last place by item size: sums may be in another order, powers made of products."""


def tracing(f: Callable[..., Any], *args: Any, concrete: bool = True) -> Any:
    """``f`` of traced arguments (containers of them as they are); in its result, tracers as (kind, value)."""
    trace = Trace("grad", concrete=concrete)

    def tracer(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)(tracer(v) for v in x)
        leaf = as_leaf(x, lambda: "the argument")
        return Tracer(trace.add_input(leaf.type, leaf.value), trace, leaf.kind)

    return within(trace, lambda: results(f(*[tracer(x) for x in args])))


def results(x: Any) -> Any:
    """Tracers in a result as (kind, value)."""
    if isinstance(x, list | tuple):
        return type(x)(results(v) for v in x)
    if isinstance(x, Tracer):
        value = np.asarray(x._owner.value(x._variable))
        assert value.shape == x.shape and value.dtype == x.dtype, f"the value {value!r} is not {x._variable.type}"
        return x._kind, value
    return x


def assert_same(expected: Any, got: Any, what: str = "") -> None:
    """What tracing gave, against what NumPy gives."""
    if isinstance(expected, list | tuple):
        assert isinstance(got, list | tuple) and len(got) == len(expected), f"{what}: {got} instead of {expected}"
        for e, g in zip(expected, got, strict=True):
            assert_same(e, g, what)
        return
    kind, value = got if isinstance(got, tuple) else (None, got)
    if kind is None:
        assert type(value) is type(expected), f"{what}: {type(value)} instead of {type(expected)}"
        if not isinstance(expected, np.ndarray | np.generic):
            assert value == expected, f"{what}: {value} instead of {expected}"
            return
    else:
        due = ARRAY if isinstance(expected, np.ndarray) else SCALAR if isinstance(expected, np.generic) else PYTHON
        assert kind == due, f"{what}: kind {kind} instead of {due} ({type(expected).__name__})"
    value, reference = np.asarray(value), np.asarray(expected)
    assert value.shape == reference.shape, f"{what}: shape {value.shape} instead of {reference.shape}"
    assert value.dtype == reference.dtype, f"{what}: dtype {value.dtype} instead of {reference.dtype}"
    real_size = reference.dtype.itemsize // (2 if reference.dtype.kind == "c" else 1)
    rtol = TOLERANCE[real_size] if reference.dtype.kind in "fc" else 0
    atol = rtol * float(np.max(np.abs(reference[np.isfinite(reference)]), initial=0)) if rtol else 0
    np.testing.assert_allclose(value, reference, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)


def check(f: Callable[..., Any], *args: Any) -> None:
    """``f`` on traced arguments gives what it gives on plain ones."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = f(*args)
        assert_same(expected, tracing(f, *args), f"{getattr(f, '__name__', f)}{args}")


def check_natively(*cases: tuple[Any, ...]) -> None:
    """Each case is a function and its arguments: all are compiled as one function, and give what NumPy gives."""
    functions, arguments = [c[0] for c in cases], [c[1:] for c in cases]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = [f(*args) for f, args in zip(functions, arguments, strict=True)]
    got = fd.jit(lambda given: [f(*args) for f, args in zip(functions, given, strict=True)])(arguments)
    for k, (e, g) in enumerate(zip(expected, got, strict=True)):
        same_values(e, g, f"case {k}")


def same_values(expected: Any, got: Any, what: str) -> None:
    """Shape, dtype and values, down into containers."""
    if isinstance(expected, list | tuple):
        assert len(expected) == len(got), what
        for e, g in zip(expected, got, strict=True):
            same_values(e, g, what)
        return
    reference, value = np.asarray(expected), np.asarray(got)
    found, due = f"{value.dtype}{value.shape}", f"{reference.dtype}{reference.shape}"
    assert found == due, f"{what}: {found} instead of {due}"
    assert_same(reference, (ARRAY, value), what)


def array(shape: Any = (2, 3), dtype: Any = float, low: float = -2.0, high: float = 2.0, seed: int = 0) -> np.ndarray:
    """Random elements of any dtype."""
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(max(int(low), 0) if dtype.kind == "u" else int(low), int(high) + 1, shape).astype(dtype)
    x = rng.uniform(low, high, shape)
    return (x + 1j * rng.uniform(low, high, shape)).astype(dtype) if dtype.kind == "c" else x.astype(dtype)
