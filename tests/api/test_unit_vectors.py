"""Forward-mode Jacobians: where elements keep apart, by their coefficients alone; elsewhere by unit vectors. Reverse
mode agrees.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd

X = np.array([[0.3, -0.7, 1.1], [0.2, 0.9, -0.4]])
W = np.linspace(-1.0, 2.0, 6).reshape(2, 3)

APART = {
    "identity": lambda x: x,
    "same_number": lambda x: 3.0 * x,
    "negative": lambda x: -x,
    "elementwise": lambda x: np.sin(x) * W - x / W[0, 0],
    "twice": lambda x: x + x * x,
    "sum": lambda x: np.sum(x),
    "sum_of_products": lambda x: np.sum(np.tanh(x) * W) / 3.0 - np.sum(x**3),
    "reshaped": lambda x: np.sum(x.reshape(6) * np.arange(6.0)) + np.sum(np.cos(x)),
    "reshaped_result": lambda x: np.exp(x).reshape(3, 2),
    "several": lambda x: {"a": np.sum(x * W), "b": x * W, "c": 1.0 * x},
}
MIXED = {
    "row_sums": lambda x: np.sum(x * W, axis=1),
    "product": lambda x: x @ W.T,
    "sum_and_array": lambda x: np.sum(x * W) * x,
    "turned": lambda x: x[::-1] * W,
    "constant": lambda x: (np.sum(x * W), np.ones(2)),
    "branch": lambda x: fd.lax.cond(np.sum(x) > 0, np.sin, np.cos, x),
}


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("f", [*APART.values(), *MIXED.values()], ids=[*APART, *MIXED])
def test_forward_and_reverse_mode_agree(f, wrap):
    found, expected = wrap(fd.jacfwd(f))(X), fd.jacrev(f)(X)
    fd.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15), found, expected)
    assert fd.tree_map(lambda a: (a.shape, a.dtype), found) == fd.tree_map(lambda b: (b.shape, b.dtype), expected)


@pytest.mark.parametrize(
    "x", [np.zeros((0, 3)), np.ones((1, 1)), X.astype(np.float32), X[0]], ids=["empty", "one", "single", "vector"]
)
@pytest.mark.parametrize(
    "f",
    [lambda x: np.sum(np.sin(x)) * 2, lambda x: x, lambda x: np.exp(x) * x - 2.0 * x],
    ids=["sum", "identity", "elements"],
)
def test_other_shapes_and_dtypes(f, x):
    found, expected = fd.jacfwd(f)(x), fd.jacrev(f)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("f", [APART[n] for n in ("elementwise", "sum_of_products", "twice")])
def test_derivatives_of_forward_mode_jacobians(f):
    second = fd.jacrev(fd.jacfwd(f))(X)
    np.testing.assert_allclose(second, fd.jacfwd(fd.jacfwd(f))(X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(second, fd.jit(fd.jacfwd(fd.jacrev(f)))(X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(fd.vmap(fd.jacfwd(f))(np.stack([X, 2 * X]))[1], fd.jacrev(f)(2 * X), rtol=1e-12)


def test_complex_arguments():
    z = X + 0.5j
    f = lambda z: z * z * W
    np.testing.assert_allclose(fd.jacfwd(f, holomorphic=True)(z), fd.jacrev(f, holomorphic=True)(z), rtol=1e-13)


def test_the_gradient_of_a_sum_takes_no_matrix():
    program = fd.make_ir(fd.jacfwd(lambda x: np.sum(np.sin(x) * 2.0)), optimized=True)(np.ones(40))
    assert all(v.type.size <= 40 for e in program.eqns for v in e.outputs)


def test_zeros_of_unit_vectors_meet_no_infinity():
    with np.errstate(divide="ignore"):
        found = fd.jacfwd(np.sqrt)(np.array([0.0, 4.0]))
    np.testing.assert_array_equal(found, [[np.inf, 0.0], [0.0, 0.25]])
