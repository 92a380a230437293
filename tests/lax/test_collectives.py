"""Collectives over mapped axes with a name: against NumPy on the whole array, under and around the other transforms."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import lax
from functad.errors import (
    ArgumentError,
    CollectiveError,
    DtypeError,
    FunctadError,
    ShapeError,
    StructureError,
    UnboundAxisError,
)

N = 4
X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [-0.75, 3.0, 1.0], [2.5, -2.0, 0.125]])

CASES = {
    "psum": (lambda x: lax.psum(x, "i"), lambda x: np.broadcast_to(x.sum(0), x.shape)),
    "pmean": (lambda x: lax.pmean(x, "i"), lambda x: np.broadcast_to(x.mean(0), x.shape)),
    "pmax": (lambda x: lax.pmax(x, "i"), lambda x: np.broadcast_to(x.max(0), x.shape)),
    "pmin": (lambda x: lax.pmin(x, "i"), lambda x: np.broadcast_to(x.min(0), x.shape)),
    "axis_index": (lambda x: x * lax.axis_index("i"), lambda x: x * np.arange(N)[:, None]),
    "axis_size": (lambda x: x * lax.axis_size("i"), lambda x: x * N),
    "all_gather": (lambda x: lax.all_gather(x, "i"), lambda x: np.broadcast_to(x, (N, *x.shape))),
    "all_gather last": (lambda x: lax.all_gather(x, "i", axis=-1), lambda x: np.broadcast_to(x.T, (N, *x.T.shape))),
    "all_gather tiled": (
        lambda x: lax.all_gather(x, "i", tiled=True),
        lambda x: np.broadcast_to(x.reshape(-1), (N, x.size)),
    ),
    "ppermute": (
        lambda x: lax.ppermute(x, "i", [(0, 2), (3, 0)]),
        lambda x: np.stack([x[3], 0 * x[0], x[0], 0 * x[0]]),
    ),
    "pshuffle": (lambda x: lax.pshuffle(x, "i", [3, 0, 1, 2]), lambda x: np.roll(x, 1, 0)),
    "psum_scatter": (
        lambda x: lax.psum_scatter(np.outer(np.arange(1.0, N + 1), x), "i"),
        lambda x: np.outer(np.arange(1.0, N + 1), x.sum(0)),
    ),
    "psum_scatter tiled": (
        lambda x: lax.psum_scatter(np.outer(x, np.arange(8.0)), "i", scatter_dimension=1, tiled=True),
        lambda x: np.einsum("j,lk->ljk", x.sum(0), np.arange(8.0).reshape(N, 2)),
    ),
    "all_to_all": (
        lambda x: lax.all_to_all(np.outer(x, np.arange(1.0, 5.0)), "i", 1, 0),
        lambda x: np.einsum("sj,t->tsj", x, np.arange(1.0, 5.0)),
    ),
    "all_to_all tiled": (
        lambda x: lax.all_to_all(np.outer(x, np.arange(8.0)), "i", 1, 0, tiled=True),
        lambda x: np.einsum("sj,tk->tsjk", x, np.arange(8.0).reshape(N, 2)).reshape(N, 12, 2),
    ),
    "pswapaxes": (
        lambda x: lax.pswapaxes(np.outer(x, np.arange(4.0)), "i", 1),
        lambda x: np.einsum("sj,t->tjs", x, np.arange(4.0)),
    ),
}


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_collectives_are_what_numpy_says_of_the_whole(name):
    f, whole = CASES[name]
    mapped = fd.vmap(f, axis_name="i")
    np.testing.assert_array_equal(mapped(X), whole(X))
    np.testing.assert_array_equal(fd.jit(mapped)(X), whole(X))
    np.testing.assert_array_equal(fd.vmap(fd.jit(f), axis_name="i")(X), whole(X))
    np.testing.assert_array_equal(fd.vmap(f, in_axes=1, axis_name="i")(X.T), whole(X))


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_another_mapped_axis_lies_beside(name):
    """Inside of the one with the name, outside of it, and as a value that is the same for all elements."""
    f, whole = CASES[name]
    two = np.stack([X, 2 - X])
    expected = np.stack([whole(x) for x in two])
    outside = fd.vmap(fd.vmap(f, axis_name="i"))
    np.testing.assert_array_equal(outside(two), expected)
    inside = fd.vmap(fd.vmap(f, in_axes=0, out_axes=0), in_axes=1, out_axes=1, axis_name="i")
    np.testing.assert_array_equal(inside(two), expected)
    np.testing.assert_array_equal(fd.jit(inside)(two), expected)
    same = fd.vmap(f, in_axes=None, axis_name="i", axis_size=N)
    np.testing.assert_array_equal(same(X[0]), whole(np.broadcast_to(X[0], X.shape)))


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_derivatives_outside_are_those_of_the_whole(name):
    f, whole = CASES[name]
    weights = np.cos(np.arange(whole(X).size)).reshape(whole(X).shape)
    found = fd.grad(lambda x: np.sum(weights * fd.vmap(f, axis_name="i")(x)))(X)
    expected = fd.grad(lambda x: np.sum(weights * whole(x)))(X)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    compiled = fd.jit(fd.grad(lambda x: np.sum(weights * fd.vmap(f, axis_name="i")(x))))(X)
    np.testing.assert_allclose(compiled, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", CASES)
def test_derivatives_inside_are_those_of_all_elements_together(name):
    """Forward, the tangents of all elements go through the collective; backward is the transpose of that."""
    f, whole = CASES[name]
    t = np.sin(X)
    weights = np.cos(np.arange(whole(X).size)).reshape(whole(X).shape)
    _, dots = fd.vmap(lambda x, t: fd.jvp(f, (x,), (t,)), axis_name="i")(X, t)
    np.testing.assert_allclose(dots, fd.jvp(whole, (X,), (t,))[1], rtol=1e-13, atol=1e-13)
    back = fd.vmap(lambda x, w: fd.vjp(f, x)[1](w)[0], axis_name="i")
    expected = fd.vjp(whole, X)[1](weights)[0]
    np.testing.assert_allclose(back(X, weights), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(fd.jit(back)(X, weights), expected, rtol=1e-13, atol=1e-13)


def test_second_derivatives_inside_and_outside():
    def whole(x):
        return np.sum(np.sin(x) * np.sum(x**2))

    def mapped(x):
        return np.sum(fd.vmap(lambda v: np.sin(v) * lax.psum(v**2, "i"), axis_name="i")(x))

    x = X[:, 0]
    np.testing.assert_allclose(fd.hessian(mapped)(x), fd.hessian(whole)(x), rtol=1e-12)
    slopes = fd.vmap(fd.grad(lambda v: np.sin(v) * lax.psum(v**2, "i")), axis_name="i")
    np.testing.assert_allclose(fd.grad(whole)(x), slopes(x), rtol=1e-13)
    inside = fd.jacobian(slopes)(x)
    np.testing.assert_allclose(inside, fd.hessian(whole)(x), rtol=1e-12)


def test_names_nest():
    def f(x):
        return x - lax.psum(x, "rows") + lax.psum(x, "columns") * lax.pmax(x, ("rows", "columns"))

    mapped = fd.vmap(fd.vmap(f, axis_name="columns"), axis_name="rows")
    expected = X - X.sum(0) + X.sum(1)[:, None] * X.max()
    np.testing.assert_allclose(mapped(X), expected, rtol=1e-14)
    np.testing.assert_allclose(fd.jit(mapped)(X), expected, rtol=1e-14)
    both = ("rows", "columns")
    numbers = fd.vmap(fd.vmap(lambda x: lax.axis_index(both), axis_name="columns"), axis_name="rows")
    np.testing.assert_array_equal(numbers(X), np.arange(12).reshape(4, 3))
    sizes = fd.vmap(
        fd.vmap(lambda x: x * lax.axis_size(both) + lax.psum(1, both), axis_name="columns"), axis_name="rows"
    )
    np.testing.assert_array_equal(sizes(X), 12 * X + 12)
    gathered = fd.vmap(fd.vmap(lambda x: lax.all_gather(x, both), axis_name="columns"), axis_name="rows")
    np.testing.assert_array_equal(gathered(X)[2, 1], X.reshape(-1))


def test_the_innermost_axis_of_a_name_counts():
    mapped = fd.vmap(fd.vmap(lambda x: lax.psum(x, "i"), axis_name="i"), axis_name="i")
    np.testing.assert_array_equal(mapped(X), np.broadcast_to(X.sum(1)[:, None], X.shape))


def test_collectives_in_loops_branches_and_checkpoints():
    def f(x):
        def step(c, t):
            return lax.psum(np.tanh(c * x) * t, "i"), c + lax.axis_index("i")

        last, all_of_them = lax.scan(step, x, np.array([0.5, -1.0]))
        return lax.cond(lax.psum(1.0, "i") > 3, fd.checkpoint(lambda v: lax.pmean(v, "i") * v), lambda v: v, last) + (
            np.sum(all_of_them)
        )

    def whole(x):
        c = x
        total = 0.0 * x
        for t in (0.5, -1.0):
            total = total + c + np.arange(N)
            c = np.broadcast_to(np.sum(np.tanh(c * x) * t), x.shape)
        return c * np.mean(c) + total

    x, weights = X[:, 0], np.array([1.0, -2.0, 0.5, 0.25])
    mapped = fd.vmap(f, axis_name="i")
    np.testing.assert_allclose(mapped(x), whole(x), rtol=1e-14)
    np.testing.assert_allclose(fd.jit(mapped)(x), whole(x), rtol=1e-14)
    expected = fd.grad(lambda x: weights @ whole(x))(x)
    np.testing.assert_allclose(fd.grad(lambda x: weights @ mapped(x))(x), expected, rtol=1e-13)
    back = fd.vmap(lambda x, w: fd.vjp(f, x)[1](w)[0], axis_name="i")
    np.testing.assert_allclose(back(x, weights), expected, rtol=1e-13)
    np.testing.assert_allclose(fd.jit(back)(x, weights), expected, rtol=1e-13)


def test_plain_loops_and_helpers_see_the_axis():
    def helper(x, k):
        return lax.psum(x * k, "i")

    def f(x):
        total = 0.0
        for k in range(100):
            total = total + helper(x, k)
        return total

    np.testing.assert_allclose(fd.jit(fd.vmap(f, axis_name="i"))(X[:, 0]), X[:, 0].sum() * 4950 * np.ones(N))


def test_a_loop_of_another_course_for_other_elements_may_have_them_of_the_axis_around():
    """The loop over the elements of the inner axis has a collective over the outer one in it."""

    def f(x, n):
        return lax.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + lax.psum(x, "i")), (0, 0.0))[1]

    mapped = fd.vmap(fd.vmap(f, in_axes=(0, 0)), in_axes=(0, None), axis_name="i")
    expected = np.broadcast_to(X.sum(0) * np.array([1, 3, 0]), X.shape)
    np.testing.assert_allclose(mapped(X, np.array([1, 3, 0])), expected, rtol=1e-14)
    np.testing.assert_allclose(fd.jit(mapped)(X, np.array([1, 3, 0])), expected, rtol=1e-14)


def test_containers_and_dtypes():
    tree = {"a": np.arange(3), "b": (np.array([True, False, True]), np.array([1, 2, 4], np.int32))}
    sums = fd.vmap(lambda t: lax.psum(t, "i"), axis_name="i")(tree)
    assert [int(v[0]) for v in (sums["a"], *sums["b"])] == [3, 2, 7]
    assert (sums["b"][0].dtype, sums["b"][1].dtype) == (np.int64, np.int32)
    means = fd.vmap(lambda t: lax.pmean(t, "i"), axis_name="i")(tree)
    assert [float(v[0]) for v in (means["a"], *means["b"])] == [1.0, 2 / 3, 7 / 3]
    z = np.array([1 + 2j, 3 - 1j])
    np.testing.assert_array_equal(fd.vmap(lambda v: lax.psum(v, "i"), axis_name="i")(z), np.full(2, z.sum()))


def test_an_axis_of_no_elements_and_of_one():
    np.testing.assert_array_equal(fd.vmap(lambda x: lax.psum(x, "i"), axis_name="i")(np.ones((0, 3))), np.ones((0, 3)))
    one = fd.vmap(
        lambda x: lax.psum(x, "i") + lax.ppermute(x, "i", [(0, 0)]) + lax.all_gather(x, "i")[0], axis_name="i"
    )
    np.testing.assert_array_equal(one(X[:1]), 3 * X[:1])
    np.testing.assert_array_equal(fd.vmap(lambda x: lax.ppermute(x, "i", []), axis_name="i")(X), 0 * X)


def test_ties_share_the_derivative_of_an_extremum():
    x = np.array([2.0, 1.0, 2.0])
    found = fd.grad(lambda x: fd.vmap(lambda v: lax.pmax(v, "i"), axis_name="i")(x)[0])(x)
    np.testing.assert_array_equal(found, [0.5, 0.0, 0.5])
    inside = fd.vmap(fd.grad(lambda v: lax.pmax(v, "i")), axis_name="i")
    np.testing.assert_array_equal(inside(x), [1.5, 0.0, 1.5])


def test_a_jitted_function_inside_is_traced_for_the_axis_that_it_is_in():
    @fd.jit
    def f(x):
        return x / lax.axis_size("i")

    np.testing.assert_array_equal(fd.vmap(f, axis_name="i")(np.ones(2)), np.full(2, 0.5))
    np.testing.assert_array_equal(fd.vmap(f, axis_name="i")(np.ones(4)), np.full(4, 0.25))
    with pytest.raises(UnboundAxisError):
        f(np.ones(2))


def raised(kind, f, *args) -> str:
    """The message of the error that a call raises, plain and jitted."""
    messages = []
    for run in (f, fd.jit(f)):
        with pytest.raises(kind) as error:
            run(*args)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    return messages[0]


def test_errors_name_the_axes_that_there_are():
    with pytest.raises(
        NameError, match=r"psum at .*test_collectives.py:\d+: no mapped axis is named 'i': no axis has a"
    ):
        lax.psum(1.0, "i")
    message = raised(UnboundAxisError, fd.vmap(fd.vmap(lambda x: lax.pmean(x, "k"), axis_name="j"), axis_name="i"), X)
    assert "no mapped axis is named 'k': the axes here are 'j', 'i'." in message
    assert "Name it where it is mapped, fd.vmap(f, axis_name='k')" in message


def test_collectives_where_elements_go_their_own_ways_are_refused():
    def loop(x):
        return lax.while_loop(lambda c: c < 10 * x, lambda c: c + 1 + lax.psum(x, "i"), x)

    def branch(x):
        return lax.cond(x > 0, lambda v: v, lambda v: fd.jit(lambda u: lax.pmax(u, "i"))(v), x)

    for f, name in ((loop, "psum"), (branch, "pmax")):
        message = raised(CollectiveError, fd.vmap(f, axis_name="i"), X[:, 0])
        assert message.startswith(f"{name} over the axis 'i' is in a loop or a branch whose condition differs")
        assert "test_collectives.py:" in message


def test_chunks_cannot_hold_a_collective_but_may_count():
    with pytest.raises(CollectiveError, match=r"psum over the axis 'i' of 4 elements needs them all.*at .*\.py:\d+"):
        fd.vmap(lambda x: lax.psum(x, "i"), axis_name="i", chunk_size=3)(X)
    counted = fd.vmap(lambda x: x + lax.axis_index("i"), axis_name="i", chunk_size=3)(X)
    np.testing.assert_array_equal(counted, X + np.arange(4.0)[:, None])


def test_custom_rules_cannot_hold_a_collective():
    @fd.custom_jvp
    def total(x):
        return lax.psum(x, "i")

    total.defjvp(lambda primals, tangents: (total(*primals), tangents[0]))
    with pytest.raises(StructureError, match="custom_jvp function total uses the mapped axis 'i'"):
        fd.vmap(total, axis_name="i")(X)


@pytest.mark.parametrize(
    ("kind", "f", "message"),
    [
        (ArgumentError, lambda x: lax.ppermute(x, "i", [(0, 1), (0, 2)]), "at most once a source and once a target"),
        (ArgumentError, lambda x: lax.ppermute(x, "i", [(0, 4)]), "pairs (source, target) of numbers below 4"),
        (ArgumentError, lambda x: lax.pshuffle(x, "i", [0, 0, 1, 2]), "must be a permutation of 0 to 3"),
        (ShapeError, lambda x: lax.psum_scatter(x, "i"), "psum_scatter over 4 elements takes as many values"),
        (ShapeError, lambda x: lax.psum_scatter(x, "i", tiled=True), "length 3 cannot be divided among the 4 elements"),
        (ShapeError, lambda x: lax.all_to_all(np.outer(x, np.ones(8)), "i", 1, 0), "tiled=True sends equal parts"),
        (DtypeError, lambda x: lax.pmax(x * 1j, "i"), "pmax at"),
        (FunctadError, lambda x: lax.all_gather(x, "i", axis=2), "axis 2"),
        (StructureError, lambda x: lax.psum("text", "i"), "the argument of psum"),
    ],
)
def test_wrong_arguments(kind, f, message):
    with pytest.raises(kind) as error:
        fd.vmap(f, axis_name="i")(X)
    assert message in str(error.value)


def test_spmd_axis_name_is_refused():
    with pytest.raises(StructureError, match="spmd_axis_name='x' names axes of devices"):
        fd.vmap(np.sin, spmd_axis_name="x")
