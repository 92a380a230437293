"""Methods of ufuncs of two operands, and functions that call a function for each element."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import ArgumentError, UnsupportedError
from functad.testing import check_grads
from tests.numpy.against_numpy import array, check, check_natively, tracing

X = np.abs(array((3, 4, 5))) + 0.1
N = array((3, 4, 5), "i8", 1, 9)
B = N > 4
OF_FLOATS = [
    *(np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.fmax, np.fmin, np.hypot, np.logaddexp),
    *(np.logaddexp2, np.fmod, np.remainder, np.copysign, np.floor_divide, np.heaviside, np.nextafter),
]
OF_INTEGERS = [
    *(np.add, np.subtract, np.multiply, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.gcd, np.lcm, np.maximum),
    *(np.left_shift, np.floor_divide, np.remainder),
]
OF_BOOLEANS = [np.logical_and, np.logical_or, np.logical_xor]
CASES = [*[(f, X) for f in OF_FLOATS], *[(f, N) for f in OF_INTEGERS], *[(f, B) for f in OF_BOOLEANS]]


@pytest.mark.parametrize("f, x", CASES, ids=lambda v: getattr(v, "__name__", ""))
def test_methods(f, x):
    for axis in (0, -1):
        check(lambda x: f.reduce(x, axis=axis), x)
        check(lambda x: f.accumulate(x, axis=axis), x)
    check(lambda x: f.reduce(x, keepdims=True), x)
    check(lambda x: f.outer(x[0, 0], x[1]), x)
    check(lambda x: f.reduceat(x, [0, 2, 1], axis=1), x)
    if f.identity is not None and f is not np.lcm:
        check(lambda x: f.reduce(x, axis=(0, 2)), x)
        check(lambda x: f.reduce(x[:0]), x)


def test_arguments():
    for f in (np.add, np.maximum, np.hypot, np.fmax):
        check(lambda x, f=f: f.reduce(x, initial=2.0), X)
        check(lambda x, f=f: f.reduce(x, where=B, initial=0.5), X)
    check(lambda x: np.add.reduce(x, dtype="f4"), X)
    assert fd.grad(lambda x: np.add.reduce([x, 2 * x]))(1.0) == 3.0
    assert fnp.add.reduce([1, 2]) == 3 and fnp.sin.nin == 1
    check_natively(*[(lambda x, f=f: f.reduce(x, axis=1), x) for f, x in CASES])
    check_grads(lambda x: np.hypot.reduce(x), (X[0],), order=2)
    with pytest.raises(ArgumentError, match="np.subtract.reduce at .*: the operation is not reorderable"):
        tracing(lambda x: np.subtract.reduce(x, axis=(0, 1)), X)
    with pytest.raises(ArgumentError, match="np.fmod.reduce at .* of no elements has no value; give it initial="):
        tracing(lambda x: np.fmod.reduce(x[:0]), X)
    with pytest.raises(UnsupportedError, match="np.fmod.reduce at .*: initial= is not available for operations whose"):
        tracing(lambda x: np.fmod.reduce(x, initial=1.0), X)
    with pytest.raises(ArgumentError, match="np.fmod.reduce at .*: where= is not available where no element is"):
        tracing(lambda x: np.fmod.reduce(x, where=B), X)
    with pytest.raises(ArgumentError, match="np.add.reduceat at .*: indices must be from 0 to 2"):
        tracing(lambda x: np.add.reduceat(x, [3]), X)


# -- a function for each element, line or place ------------------------------------------------------------------------


def scaled(a, b=2.0):
    return a * b if a > 0 else a - b


vectorized = np.vectorize(scaled)
LINE, ROWS = array(5, seed=3), array((4, 5), seed=4)
MAPPED = [
    (vectorized, LINE), (lambda x: vectorized(x, b=3.0), LINE), (lambda x: np.vectorize(scaled)(x[:, None], x), LINE),
    (lambda x: np.vectorize(scaled, otypes=[np.float32])(x), LINE),
    (lambda y: np.vectorize(lambda a, b: np.dot(a, b), signature="(n),(n)->()")(y, y[0]), ROWS),
    (lambda x: np.vectorize(lambda a, p: a * p[1], excluded={1})(x, [1, 2.0]), LINE),
    (lambda y: np.apply_along_axis(lambda r: np.cumsum(r) * r[0], 1, y), ROWS),
    (lambda y: np.apply_along_axis(lambda r: np.sum(r), 0, y), ROWS),
    (lambda y: np.apply_along_axis(lambda r: np.outer(r, r), 0, y), ROWS),
    (lambda x: np.apply_along_axis(np.sort, 0, x), LINE),
    (lambda y: np.apply_over_axes(np.sum, y, [0, 1]), ROWS),
    (lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v**2, lambda v: np.sqrt(v), 3.0]), LINE),
    (lambda x: np.piecewise(x, [x < 0], [-1, lambda v, p: v * p], 2.0), LINE),
    (lambda x: np.piecewise(x, x > 0, [lambda v: v]), LINE),
    (lambda x: np.fromfunction(lambda i, j: i * x[0] + j, (2, 3)), LINE),
]  # fmt: skip


def test_mapped_functions():
    check_natively(*MAPPED)
    for f, x in MAPPED:
        slopes = fd.jacfwd(f)(x)
        step = 1e-6 * np.cos(np.arange(x.size)).reshape(x.shape)
        expected = (f(x + step) - f(x - step)) / 2
        atol = 1e-7 if expected.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(np.tensordot(slopes, step, step.ndim), expected, atol=atol)
    with pytest.raises(ArgumentError, match="np.piecewise at .*: 1 conditions go with as many functions, or one more"):
        fd.grad(lambda x: np.piecewise(x, [x > 0], [1, 2, 3]).sum())(LINE)
    with pytest.raises(ArgumentError, match="np.vectorize at .*: 1 arguments for the signature"):
        fd.grad(lambda x: np.vectorize(np.dot, signature="(n),(n)->()")(x))(LINE)
