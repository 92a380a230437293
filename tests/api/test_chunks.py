"""``chunk_size``: the same results, in the memory of one chunk."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import IndexOutOfBoundsError, StructureError
from functad.ir.program import sub_programs

RNG = np.random.default_rng(8)
X = RNG.standard_normal((7, 3))
Y = RNG.standard_normal((3, 7, 2))
V = RNG.standard_normal(5)

CHUNKS = (1, 2, 3, 6, 7, 8)
jitted = pytest.mark.parametrize("jit", [lambda f: f, fd.jit], ids=["plain", "jit"])
chunks = pytest.mark.parametrize("size", CHUNKS)


def elementwise(x, y):
    return {"a": np.sin(x) * y.T, "b": (np.max(x), y[0, 0] > 0)}


def closes_over(x, y):
    return V[:3] * x, np.arange(3), 2.0, x[0]


AXES = {
    "first": (elementwise, (0, 1), 0, (X, Y)),
    "negative": (elementwise, (0, -2), {"a": -1, "b": 0}, (X, Y)),
    "one of two": (lambda x, y: x * y[:, 0, 0], (0, None), 1, (X, Y)),
    "other": (lambda x, y: x + y[:, 0], (None, 2), 2, (X, np.moveaxis(Y, 1, 2))),
    "container": (lambda p: p["x"] @ p["y"], ({"x": 0, "y": 1},), 0, ({"x": X, "y": Y},)),
    "list": (lambda p, z: (p[0] * z, p[1]), [[0, None], None], (0, None), ((X, 2.0), 3.0)),
    "not mapped results": (closes_over, (0, None), (0, 0, None, 0), (X, 1.0)),
    "scalars": (lambda x: x * 2, 0, 0, (np.arange(7),)),
    "empty": (lambda x: x * 2, 0, 0, (np.zeros((0, 3)),)),
    "float32": (lambda x: np.tanh(x) * 2, 0, 0, (X.astype(np.float32),)),
    "complex": (lambda x: np.exp(x) * 2, 0, 0, (X + 1j,)),
    "of no size": (lambda x: x * 2, 0, 0, (np.zeros((7, 0)),)),
}


def bits(tree):
    return [(np.asarray(x).dtype, np.shape(x), np.asarray(x).tobytes()) for x in leaves(tree)]


def leaves(tree):
    found = []
    fd.tree_map(found.append, tree)
    return found


@pytest.mark.one_in(2)
@chunks
@jitted
@pytest.mark.parametrize(("f", "in_axes", "out_axes", "args"), AXES.values(), ids=AXES)
def test_vmap(f, in_axes, out_axes, args, jit, size) -> None:
    whole = jit(fd.vmap(f, in_axes, out_axes))(*args)
    parts = jit(fd.vmap(f, in_axes, out_axes, chunk_size=size))(*args)
    if "@" in str(f.__code__.co_consts) or f.__code__ is AXES["container"][0].__code__:  # sums of products: any order
        np.testing.assert_allclose(parts, whole, rtol=1e-14, atol=1e-15)
    else:
        assert bits(parts) == bits(whole)


def test_axis_size_and_keywords() -> None:
    f = fd.vmap(lambda x, *, k: x * k, in_axes=None, chunk_size=2)
    np.testing.assert_array_equal(f(2.0, k=np.arange(5.0)), 2 * np.arange(5.0))
    g = fd.vmap(lambda x: x + 1.0, in_axes=None, axis_size=5, chunk_size=2)
    np.testing.assert_array_equal(g(1.0), np.full(5, 2.0))


def neighbours(v):
    return np.tanh(np.outer(v, v) @ v) * v[::-1]


JACOBIANS = {
    "jacfwd": fd.jacfwd,
    "jacrev": fd.jacrev,
    "jacobian": fd.jacobian,
    "hessian": lambda f, **options: fd.hessian(lambda *args: np.sum(f(*args) ** 2), **options),
}
jacobians = pytest.mark.parametrize("transform", JACOBIANS.values(), ids=JACOBIANS)


@pytest.mark.parametrize("size", (1, 2, 4, 5, 9))
@jitted
@jacobians
def test_jacobians(transform, jit, size) -> None:
    whole, parts = jit(transform(neighbours))(V), jit(transform(neighbours, chunk_size=size))(V)
    np.testing.assert_allclose(parts, whole, rtol=1e-13, atol=1e-14)


@jacobians
def test_jacobians_of_several_arguments(transform) -> None:
    def f(p, y):
        return neighbours(p["a"] * y[:, 0]) * p["b"]

    args = ({"a": V, "b": 2.0}, RNG.standard_normal((5, 2)))
    whole, parts = transform(f, argnums=(0, 1))(*args), transform(f, argnums=(0, 1), chunk_size=3)(*args)
    for a, b in zip(leaves(parts), leaves(whole), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@jacobians
def test_auxiliary_data_and_complex_values(transform) -> None:
    if transform is not JACOBIANS["hessian"]:
        found, aux = transform(lambda v: (neighbours(v), "aux"), has_aux=True, chunk_size=2)(V)
        np.testing.assert_allclose(found, transform(neighbours)(V), rtol=1e-13)
        assert aux == "aux"
    z = V + 0.5j
    whole = transform(neighbours, holomorphic=True)(z)
    np.testing.assert_allclose(transform(neighbours, holomorphic=True, chunk_size=2)(z), whole, rtol=1e-12)


@pytest.mark.one_in(15)
@jitted
@chunks
def test_nested_and_differentiated(size, jit) -> None:
    def table(x, **options):
        return fd.vmap(lambda a: fd.vmap(lambda b: np.sin(a * b) * np.sum(x[0]), **options)(x[:, 1]), **options)(
            x[:, 0]
        )

    np.testing.assert_array_equal(jit(lambda x: table(x, chunk_size=size))(X), jit(table)(X))

    def loss(x, **options):
        return np.sum(table(x, **options) ** 2)

    for transform in (fd.grad, lambda f: fd.grad(lambda x: np.sum(fd.grad(f)(x) ** 2)), fd.jacfwd):
        parts, whole = jit(transform(lambda x: loss(x, chunk_size=size)))(X), jit(transform(loss))(X)
        np.testing.assert_allclose(parts, whole, rtol=1e-11, atol=1e-12)


@jitted
def test_other_axes_in_the_gradient(jit) -> None:
    def loss(x, y, **options):
        f = fd.vmap(lambda a, b: np.tanh(a @ b), in_axes=(0, 1), out_axes=1, **options)
        return np.sum(f(x, y) ** 2)

    gradient = jit(fd.grad(lambda x, y: loss(x, y, chunk_size=3), argnums=(0, 1)))(X, Y)
    for a, b in zip(gradient, fd.grad(loss, argnums=(0, 1))(X, Y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_gradients_in_chunks() -> None:
    rows = fd.vmap(fd.grad(lambda x: np.prod(np.sin(x))), chunk_size=2)
    np.testing.assert_array_equal(rows(X), fd.vmap(fd.grad(lambda x: np.prod(np.sin(x))))(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fd.vmap(np.sin, chunk_size=2)))(X), np.sin(X))


@jitted
def test_control_flow(jit) -> None:
    def steps(x):
        return fd.lax.while_loop(lambda c: np.sum(c) < 9, lambda c: c * 1.5 + 0.1, np.abs(x))

    np.testing.assert_array_equal(jit(fd.vmap(steps, chunk_size=3))(X), jit(fd.vmap(steps))(X))


@jitted
def test_errors_inside(jit) -> None:
    f = jit(fd.vmap(lambda i: fnp.asarray(V)[i], chunk_size=2))
    np.testing.assert_array_equal(f(np.arange(5)), V)
    with pytest.raises(IndexOutOfBoundsError, match=r"index 5 .*test_chunks.py:\d+"):
        f(np.array([0, 1, 2, 3, 5]))


# -- memory ------------------------------------------------------------------------------------------------------------

WIDTH, ROWS = 1000, 400


def wide(x):
    return np.sum(np.sin(x * np.linspace(0.0, 1.0, WIDTH)) ** 2)


def peak(f, *args):
    """The most memory that a call takes."""
    f(*args)
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


ONE_CHUNK = 10 * WIDTH * 8


def test_memory_of_vmap() -> None:
    x = np.linspace(0.0, 1.0, ROWS)
    assert peak(fd.vmap(wide), x) > 2 * ROWS * WIDTH * 8
    assert peak(fd.vmap(wide, chunk_size=10), x) < 6 * ONE_CHUNK + 100_000
    assert peak(fd.vmap(fd.grad(wide), chunk_size=10), x) < 10 * ONE_CHUNK + 100_000


def test_memory_of_the_results() -> None:
    """Results are written where they stay, also those of a last smaller chunk."""
    x = np.ones((403, 5000))
    assert peak(fd.vmap(lambda r: np.sqrt(r) + 1.0, chunk_size=10), x) < 2.2 * x.nbytes  # with the copy of x


@pytest.mark.parametrize("transform", [fd.jacfwd, fd.jacrev, fd.hessian], ids=["jacfwd", "jacrev", "hessian"])
def test_memory_of_jacobians(transform) -> None:
    def f(v):
        y = np.sum(np.sin(np.outer(v, np.linspace(0.0, 1.0, 30))), axis=1)
        return np.sum(y * v) if transform is fd.hessian else y * np.flip(v)

    v = RNG.standard_normal(300)
    row, result = 300 * 30 * 8, 300 * 300 * 8  # of temporaries, for each element of v
    assert peak(transform(f), v) > 300 * row
    assert peak(transform(f, chunk_size=5), v) < 4 * result + 30 * row


def test_memory_of_gradients_of_checkpoints() -> None:
    x = np.linspace(0.0, 1.0, ROWS)
    gradient = fd.grad(lambda x: np.sum(fd.vmap(fd.checkpoint(wide), chunk_size=10)(x)))
    np.testing.assert_allclose(gradient(x), fd.vmap(fd.grad(wide))(x), rtol=1e-12)
    assert peak(gradient, x) < 10 * ONE_CHUNK + 200_000


def sizes(program):
    """The sizes of all that a Program, and those in it, compute."""
    for eqn in program.eqns:
        yield from [v.type.size for v in eqn.outputs]
        for inner in sub_programs(eqn):
            yield from sizes(inner)


def test_memory_of_native_code() -> None:
    """No variable of the compiled Program is larger than a chunk, or the result."""
    x = np.linspace(0.0, 1.0, ROWS)
    assert max(sizes(fd.jit(fd.vmap(wide)).lower(x).ir)) == ROWS * WIDTH
    assert max(sizes(fd.jit(fd.vmap(wide, chunk_size=7)).lower(x).ir)) == 7 * WIDTH
    mixing, v = np.ones((300, 60)), np.ones(60)
    f = fd.jacrev(lambda v: np.sin(mixing @ v)[:60], chunk_size=5)
    assert max(sizes(fd.jit(f).lower(v).ir)) == 60 * 60


# -- errors ------------------------------------------------------------------------------------------------------------

NAMES = {"vmap": fd.vmap, "jacfwd": fd.jacfwd, "jacrev": fd.jacrev, "jacobian": fd.jacobian, "hessian": fd.hessian}


@pytest.mark.parametrize("given", [0, -1, 2.0, "3", True])
@pytest.mark.parametrize(("name", "transform"), NAMES.items(), ids=NAMES)
def test_what_is_no_size(name, transform, given) -> None:
    expected = rf"{name}: chunk_size={given!r}; expected a positive integer, the number of elements at a time"
    with pytest.raises(StructureError, match=expected):
        transform(np.sin, chunk_size=given)


def test_results_that_depend_on_the_axis() -> None:
    with pytest.raises(StructureError, match="out_axes is None for the result .* depends on the mapped axis"):
        fd.vmap(lambda x: x * 2, out_axes=None, chunk_size=2)(X)
