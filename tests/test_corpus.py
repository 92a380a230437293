"""Every function of the corpus under every transform, natively and in the evaluator, against NumPy and finite
differences.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.testing import check_grads
from functad.testing.numerics import assert_close
from functad.tree.containers import flatten, flatten_with_paths, unflatten
from tests.corpus import CORPUS

TRACEABLE = [e for e in CORPUS if e.traceable]
BACKENDS = ("evaluator", "native")


@pytest.fixture(params=BACKENDS)
def backend(request):
    """What runs jitted functions."""
    with config.backend(request.param):
        yield request.param


def names(entries):
    """The entries as parameters of a test."""
    return pytest.mark.parametrize("entry", entries, ids=str)


def assert_same(found, expected, what, entry):
    """Equal structures, shapes, dtypes, and values up to rounding."""
    tolerance = 2e-5 if any(np.asarray(x).dtype == np.float32 for x in flatten(entry.args)[0]) else 1e-11
    found_leaves, found_tree = flatten_with_paths(found)
    leaves, tree = flatten_with_paths(expected)
    assert found_tree == tree, f"{what} has structure {found_tree}, expected {tree}"
    for (path, value), (_, other) in zip(found_leaves, leaves, strict=True):
        dtypes = np.asarray(value).dtype, np.asarray(other).dtype
        assert dtypes[0] == dtypes[1], f"{what}{path} is {dtypes[0]}, expected {dtypes[1]}"
        assert_close(value, other, f"{what}{path}", rtol=tolerance, atol=tolerance)


def is_smooth(x):
    """Whether a leaf has a derivative."""
    return np.asarray(x).dtype.kind in "fc"


def of_floats(entry):
    """The function of the floating-point leaves of its arguments alone, with those: what integers are is closed
    over.
    """
    leaves, structure = flatten(entry.args)
    smooth = [is_smooth(x) for x in leaves]

    def f(*values):
        given = iter(values)
        return entry.function(
            *unflatten(structure, [next(given) if s else x for x, s in zip(leaves, smooth, strict=True)])
        )

    return f, [x for x, s in zip(leaves, smooth, strict=True) if s]


def scalar(f):
    """A real scalar function made of all results: their sum, unevenly weighted."""

    def total(*values):
        result = 0.0
        for i, leaf in enumerate(x for x in flatten(f(*values))[0] if is_smooth_type(x)):
            result = result + (1.0 + 0.3 * i) * np.sum(
                np.real(leaf) * 1.5 + np.imag(leaf) if leaf_kind(leaf) == "c" else np.sin(leaf)
            )
        return result

    return total


def leaf_kind(x):
    """The kind of dtype of a leaf, traced or not."""
    return x.dtype.kind if hasattr(x, "dtype") else np.asarray(x).dtype.kind


def is_smooth_type(x):
    """Whether a leaf, traced or not, is of floating point."""
    return leaf_kind(x) in "fc"


def lanes(values, count=3):
    """Several values in place of each, in the neighbourhood."""
    return [[np.asarray(v) * (1 + 0.03 * i) for v in values] for i in range(count)]


def cast(values, like):
    """Values with the dtypes of others; rank 0 as NumPy scalars."""
    return [np.asarray(v, np.asarray(x).dtype)[()] for v, x in zip(values, like, strict=True)]


@names(TRACEABLE)
def test_jit_equals_numpy(entry, backend):
    compiled = fd.jit(entry.function)
    for _ in range(2):  # the first call compiles
        assert_same(compiled(*entry.args), entry.function(*entry.args), "jit", entry)


@pytest.mark.one_in(2)
@names(CORPUS)
def test_derivatives(entry):
    check_grads(entry.function, entry.args, order=2)


@pytest.mark.one_in(3)
@names(TRACEABLE)
def test_derivatives_of_the_jitted_function(entry, backend):
    check_grads(fd.jit(entry.function), entry.args, order=1)


@pytest.mark.one_in(3)
@names(TRACEABLE)
def test_jitted_gradient(entry, backend):
    f, values = of_floats(entry)
    argnums = tuple(range(len(values)))
    plain = fd.grad(scalar(f), argnums)(*values)
    assert_same(fd.jit(fd.grad(scalar(f), argnums))(*values), plain, "jit(grad)", entry)
    assert_same(fd.grad(fd.jit(scalar(f)), argnums)(*values), plain, "grad(jit)", entry)


@names(CORPUS)
def test_linearize_and_vjp_are_jvp(entry):
    f, values = of_floats(entry)
    rng = np.random.default_rng(0)
    value, derivative = fd.linearize(f, *values)
    for _ in range(2):
        tangents = cast([rng.uniform(-1, 1, np.shape(v)) for v in values], values)
        same, expected = fd.jvp(f, tuple(values), tuple(tangents))
        assert_same(value, same, "value", entry)
        assert_same(derivative(*tangents), expected, "linearize", entry)


@pytest.mark.one_in(2)
@names(TRACEABLE)
def test_vmap_is_a_loop(entry, backend):
    f, values = of_floats(entry)
    rows = [cast(lane, values) for lane in lanes(values)]
    stacked = [np.stack([row[k] for row in rows]) for k in range(len(values))]
    results = [flatten(f(*row)) for row in rows]
    expected = unflatten(results[0][1], [np.stack(leaves) for leaves in zip(*[r[0] for r in results], strict=True)])
    assert_same(fd.vmap(f)(*stacked), expected, "vmap", entry)
    assert_same(fd.jit(fd.vmap(f))(*stacked), expected, "jit(vmap)", entry)


@pytest.mark.one_in(3)
@names(TRACEABLE)
def test_vmap_and_grad_commute(entry, backend):
    f, values = of_floats(entry)
    argnums = tuple(range(len(values)))
    rows = [cast(lane, values) for lane in lanes(values)]
    stacked = [np.stack([row[k] for row in rows]) for k in range(len(values))]
    gradients = [fd.grad(scalar(f), argnums)(*row) for row in rows]
    expected = tuple(np.stack([g[k] for g in gradients]) for k in argnums)
    assert_same(fd.vmap(fd.grad(scalar(f), argnums))(*stacked), expected, "vmap(grad)", entry)
    assert_same(fd.grad(lambda *xs: np.sum(fd.vmap(scalar(f))(*xs)), argnums)(*stacked), expected, "grad(vmap)", entry)
    assert_same(fd.jit(fd.vmap(fd.jit(fd.grad(scalar(f), argnums))))(*stacked), expected, "jit(vmap(jit(grad)))", entry)


@pytest.mark.one_in(3)
@names([e for e in TRACEABLE if not any(np.asarray(x).dtype.kind == "c" for x in flatten(e.args)[0])])
def test_hessians(entry, backend):
    """The Hessian in the last argument: forward over reverse, reverse over reverse, natively, and as the derivative of
    the gradient.
    """
    f, values = of_floats(entry)
    last = len(values) - 1
    g = scalar(f)
    if not flatten(f(*values))[0] or np.size(values[last]) == 0:
        return
    hessian = fd.hessian(g, last)(*values)
    tangents = [np.zeros_like(v)[()] for v in values]
    tangents[last] = cast([np.random.default_rng(1).uniform(-1, 1, np.shape(values[last]))], [values[last]])[0]
    expected = fd.jvp(fd.grad(g, last), tuple(values), tuple(tangents))[1]
    product = (
        np.tensordot(hessian, tangents[last], axes=np.ndim(tangents[last]))
        if np.ndim(tangents[last])
        else hessian * tangents[last]
    )
    assert_same(np.asarray(product)[()], expected, "hessian @ v", entry)
    assert_same(fd.jacrev(fd.jacrev(g, last), last)(*values), hessian, "jacrev(jacrev)", entry)
    assert_same(fd.jit(fd.hessian(g, last))(*values), hessian, "jit(hessian)", entry)
