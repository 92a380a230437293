"""Checkpointed while loops: the same derivatives, within the promised memory and the promised number of evaluations of
the body.
"""

from __future__ import annotations

import functools
from collections import Counter
from math import ceil, comb

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.seq import Seq
from functad.errors import LinearityError, StructureError
from functad.primitives.checkpointed_while import BLOCK, kept_slots
from functad.primitives.checkpointed_while import split as split_of

KINDS = ["sqrt", "binomial", 1, 2, 3, 4, 7]


def make(checkpoint):
    """A loop over a container with integers, booleans and a sum, which stops when its state says so."""

    def f(a, bound=2.0):
        def body(v):
            i, (total, seen) = v["i"], v["rest"]
            x = v["x"] + a * np.sin(v["x"]) ** 2
            return {"i": i + 1, "x": x, "rest": (total + a * np.sum(x), seen.at[i % 3].set(True))}

        first = {"i": 0, "x": a * np.array([1.0, 2.0]), "rest": (0.0, np.zeros(3, bool))}
        v = fd.lax.while_loop(lambda v: v["x"][0] < bound * a / a, body, first, checkpoint=checkpoint)
        total, seen = v["rest"]
        return np.sum(v["x"]) * v["i"] + total + np.sum(seen)

    return f


plain = make(None)
POINTS = [0.4, 0.05, 2.5]  # a few steps, hundreds, none


@pytest.mark.one_in(8)
@pytest.mark.parametrize("checkpoint", KINDS)
def test_gradients_are_those_of_the_plain_loop(checkpoint) -> None:
    f = make(checkpoint)
    for a in POINTS:
        assert f(a) == plain(a)
        # the same operations; a segment's linear steps may add the terms of a sum in another order
        np.testing.assert_allclose(fd.grad(f)(a), fd.grad(plain)(a), rtol=1e-14)
        assert fd.jit(f)(a) == pytest.approx(plain(a), rel=1e-13)
        np.testing.assert_allclose(fd.jit(fd.grad(f))(a), fd.grad(plain)(a), rtol=1e-12)


def tangent(f):
    return lambda a: fd.jvp(f, (a,), (1.0,))[1]


def pushed(f):
    return lambda a: fd.linearize(f, a)[1](1.0)


NESTED = {
    "jvp": (tangent, tangent),
    "linearize": (pushed, tangent),
    "grad of grad": (lambda f: fd.grad(fd.grad(f)), lambda f: tangent(fd.grad(f))),
    "jvp of grad": (lambda f: tangent(fd.grad(f)), lambda f: fd.grad(fd.grad(f))),
    "grad of jvp": (lambda f: fd.grad(tangent(f)), lambda f: fd.grad(fd.grad(f))),
    "grad of linearize": (lambda f: fd.grad(pushed(f)), lambda f: fd.grad(fd.grad(f))),
    "jvp of jvp": (lambda f: tangent(tangent(f)), lambda f: fd.grad(fd.grad(f))),
}


@pytest.mark.one_in(24)
@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("checkpoint", ["binomial", 2, 5])
def test_nested_transforms(checkpoint, name: str) -> None:
    transform, reference = NESTED[name]
    f = transform(make(checkpoint))
    for a in (0.4, 0.15, 2.5):
        expected = reference(plain)(a)
        np.testing.assert_allclose(f(a), expected, rtol=1e-11)
        np.testing.assert_allclose(fd.jit(f)(a), expected, rtol=1e-11)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("checkpoint", ["sqrt", "binomial", 1, 5])
def test_mapped_over_different_numbers_of_steps(checkpoint) -> None:
    f = make(checkpoint)
    points = np.array([0.4, 0.1, 2.5, 0.2])
    expected = [fd.grad(plain)(a) for a in points]
    for made in (fd.vmap(fd.grad(f)), fd.grad(lambda a: np.sum(fd.vmap(f)(a)))):
        np.testing.assert_allclose(made(points), expected, rtol=1e-12)
        np.testing.assert_allclose(fd.jit(made)(points), expected, rtol=1e-12)
    second = [fd.grad(fd.grad(plain))(a) for a in points]
    np.testing.assert_allclose(fd.jit(fd.vmap(fd.grad(fd.grad(f))))(points), second, rtol=1e-11)


def counted(checkpoint):
    """A loop of a given number of steps, the same for all elements of a mapped axis."""

    def f(x, n):
        return fd.lax.while_loop(
            lambda v: v[0] < n, lambda v: (v[0] + 1, np.sin(v[1]) * v[1] + 0.1), (0, x), checkpoint=checkpoint
        )[1]

    return f


@pytest.mark.one_in(3)
@pytest.mark.parametrize("checkpoint", ["sqrt", "binomial", 1, 2, 4, 9])
def test_any_number_of_steps(checkpoint) -> None:
    gradient, plain_gradient = fd.grad(counted(checkpoint)), fd.grad(counted(None))
    native = fd.jit(gradient)
    for n in (0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 3, 200):
        with config.backend("evaluator"):  # else long loops are native, and the segments of others are not
            assert gradient(0.7, n) == plain_gradient(0.7, n)
        np.testing.assert_allclose(native(0.7, n), plain_gradient(0.7, n), rtol=1e-12)
    xs = np.linspace(-1.0, 1.0, 3)
    mapped = fd.vmap(gradient, (0, None))
    np.testing.assert_array_equal(mapped(xs, 40), [plain_gradient(x, 40) for x in xs])
    np.testing.assert_allclose(fd.jit(mapped)(xs, 40), mapped(xs, 40), rtol=1e-12)


@pytest.mark.deep
@pytest.mark.one_in(3)
@pytest.mark.parametrize("inner", ["binomial", 2, None])
def test_loop_in_loop(inner) -> None:
    def make(outer, inner):
        def f(a):
            def body(v):
                x = fd.lax.while_loop(
                    lambda w: w[0] < v[0] % 5, lambda w: (w[0] + 1, np.sin(w[1]) + a), (0, v[1]), checkpoint=inner
                )[1]
                return v[0] + 1, x * 0.9

            return fd.lax.while_loop(lambda v: v[0] < 60, body, (0, a), checkpoint=outer)[1]

        return f

    reference, f = make(None, None), make(3, inner)
    assert fd.grad(f)(0.6) == fd.grad(reference)(0.6)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(0.6), fd.grad(reference)(0.6), rtol=1e-12)
    np.testing.assert_allclose(fd.jit(tangent(fd.grad(f)))(0.6), fd.grad(fd.grad(reference))(0.6), rtol=1e-11)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(0.6), fd.grad(fd.grad(reference))(0.6), rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_other_dtypes(dtype) -> None:
    def f(checkpoint, x):
        v = fd.lax.while_loop(
            lambda v: v[0] < 50,
            lambda v: (v[0] + np.int32(1), v[1] * x + dtype(0.1)),
            (np.int32(0), x),
            checkpoint=checkpoint,
        )
        return np.sum(np.abs(v[1]) ** 2)

    x = np.array([0.3, 0.9, -0.5]).astype(dtype)
    expected = fd.grad(lambda x: f(None, x))(x)
    for made in (fd.grad(lambda x: f(2, x)), fd.jit(fd.grad(lambda x: f(2, x)))):
        got = made(x)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype is np.float32 else 1e-12)


def test_a_pullback_is_linear() -> None:
    x = np.array([0.1, 0.7])
    back = fd.vjp(lambda x: counted(3)(x, 40), x)[1]
    for wrap in (lambda f: f, fd.jit):
        (got,) = wrap(fd.linear_transpose(lambda c: back(c)[0], x))(x)
        np.testing.assert_allclose(got, fd.jvp(lambda x: counted(None)(x, 40), (x,), (x,))[1], rtol=1e-11)
    with pytest.raises(LinearityError):
        fd.linear_transpose(lambda x: counted(3)(x, 40), x)(x)


@pytest.mark.deep
def test_second_derivatives_of_mapped_loops() -> None:
    f = make(5)
    points = np.array([0.4, 0.1, 2.5])

    def penalty(f):
        return lambda a: np.sum(fd.vmap(fd.grad(f))(a) ** 2) + np.sum(fd.vmap(f)(a))

    expected = [fd.grad(lambda a: fd.grad(plain)(a) ** 2 + plain(a))(a) for a in points]
    np.testing.assert_allclose(fd.grad(penalty(f))(points), expected, rtol=1e-10)
    np.testing.assert_allclose(fd.jit(fd.grad(penalty(f)))(points), expected, rtol=1e-10)
    xs = np.array([0.3, 0.9])
    for outer, inner in ((fd.jacrev, fd.jacrev), (fd.jacrev, fd.jacfwd), (fd.jacfwd, fd.jacrev)):
        jacobians = [outer(inner(lambda x, c=c: counted(c)(x, 40))) for c in (5, None)]
        np.testing.assert_allclose(jacobians[0](xs), jacobians[1](xs), rtol=1e-10, atol=1e-300)
        np.testing.assert_allclose(fd.jit(jacobians[0])(xs), jacobians[1](xs), rtol=1e-10, atol=1e-300)


def test_empty_state() -> None:
    def f(x):
        return np.sum(
            fd.lax.while_loop(lambda v: v[0] < 40, lambda v: (v[0] + 1, np.sin(v[1])), (0, x), checkpoint=2)[1]
        )

    for made in (fd.grad(f), fd.jit(fd.grad(f))):
        assert made(np.zeros((0, 3))).shape == (0, 3)


def test_what_the_body_raises_comes_out() -> None:
    def f(x, n):
        return fd.lax.while_loop(
            lambda v: v[0] < n, lambda v: (v[0] + 1, np.sin(v[1]) * x[v[0]]), (0, x[0]), checkpoint=2
        )[1]

    x = np.linspace(0.5, 1.0, 40)
    for gradient in (fd.grad(f), fd.jit(fd.grad(f))):
        assert np.all(np.isfinite(gradient(x, 40)))
        with pytest.raises(IndexError, match="out of bounds for axis 0 with size 40"):
            gradient(x, 41)


def test_bad_arguments() -> None:
    for bad in ("binary", 0, -3):
        expected = (
            rf"while_loop: checkpoint={bad!r}; expected 'sqrt', 'binomial' or a positive number of carries to hold"
        )
        with pytest.raises(StructureError, match=expected):
            fd.lax.while_loop(lambda v: v < 3.0, lambda v: v + 1.0, 0.0, checkpoint=bad)


# -- memory ------------------------------------------------------------------------------------------------------------


def residuals_of(f, *args):
    return fd.vjp(f, *args)[1].linear.residuals


def test_sqrt_saves_one_carry_a_segment() -> None:
    def longest(checkpoint, n):
        return max(len(r) for r in residuals_of(lambda x: counted(checkpoint)(x, n), 0.7) if isinstance(r, Seq))

    assert longest(None, 210) == 210
    assert longest("sqrt", 210) == 20  # 1 + 2 + ... + 20 = 210
    assert longest("sqrt", 211) == 21


def test_residuals_do_not_grow_with_the_number_of_steps() -> None:
    for slots in (1, 4, 10):
        sizes = set()
        for n in (0, 1, 100, 5000):
            residuals = residuals_of(lambda x, n=n: counted(slots)(x, n), 0.7)
            assert not any(isinstance(r, Seq) for r in residuals)
            sizes.add(tuple([np.shape(r) for r in residuals]))
        (shapes,) = sizes
        rows = [s for s in shapes if s]
        assert rows == [(kept_slots(slots),)] * len(rows)
        assert 2 * kept_slots(slots) <= max(slots, 2)


def test_only_what_steps_are_recomputed_from_is_held() -> None:
    def f(x):
        def body(v):
            i, x, total, path = v
            return i + 1, np.sin(x), total + np.sum(x), path.at[i].set(x[0])

        _, x, total, path = fd.lax.while_loop(lambda v: v[0] < 1000, body, (0, x, 0.0, np.zeros(1000)), checkpoint=8)
        return np.sum(x) + total + np.sum(path**2)

    shapes = sorted([np.shape(r) for r in residuals_of(f, np.ones(3)) if np.ndim(r)])
    # rows of i and x; the first carry; and the derivative of the square needs the path itself
    assert shapes == sorted([(4,), (4, 3), (3,), (1000,), (1000,)])
    gradient = fd.grad(f)(np.ones(3))
    np.testing.assert_allclose(fd.jit(fd.grad(f))(np.ones(3)), gradient, rtol=1e-12)


@pytest.mark.deep
def test_second_derivatives_hold_no_more() -> None:
    def gradient(checkpoint, n):
        return fd.grad(lambda x: np.sum(counted(checkpoint)(x, n) ** 2))

    x = np.linspace(0.1, 0.9, 3)
    for transform in (lambda f: f, lambda f: fd.grad(lambda x: np.sum(f(x)))):  # second and third derivatives
        sizes = set()
        for n in (100, 3000):
            residuals = residuals_of(transform(gradient(5, n)), x)
            assert not any(isinstance(r, Seq) for r in residuals)
            sizes.add(tuple([np.shape(r) for r in residuals]))
        assert len(sizes) == 1
    for product in (fd.vhp, fd.hvp):
        for wrap in (lambda f: f, fd.jit):
            got, expected = [
                wrap(lambda x, c=c: product(lambda x: np.sum(counted(c)(x, 300) ** 2), (x,), (x,)))(x)
                for c in (5, None)
            ]
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-300)


def test_a_linear_body_needs_no_carries() -> None:
    def f(x):
        return fd.lax.while_loop(lambda v: v[0] < 100, lambda v: (v[0] + 1, v[1] * 1.01 + 1.0), (0, x), checkpoint=4)[1]

    assert not [r for r in residuals_of(f, 0.5) if np.ndim(r)]
    np.testing.assert_allclose([fd.grad(f)(0.5), fd.jit(fd.grad(f))(0.5)], 1.01**100, rtol=1e-12)


# -- how often the body runs -------------------------------------------------------------------------------------------


@functools.cache
def fewest(blocks: int, slots: int) -> int:
    """The fewest blocks to advance over, to run that many blocks backwards with carries in that many slots, the first
    being there.
    """
    if blocks == 1:
        return 0
    if slots == 1:
        return blocks * (blocks - 1) // 2
    return min([m + fewest(blocks - m, slots - 1) + fewest(m, slots) for m in range(1, blocks)])


def test_splits_are_optimal() -> None:
    for slots in range(2, 7):
        for blocks in range(2, 90):
            m = int(split_of(np.int64(blocks), np.int64(slots)))
            assert 1 <= m < blocks
            assert m + fewest(blocks - m, slots - 1) + fewest(m, slots) == fewest(blocks, slots)


def runs(checkpoint, n: int, wrap) -> Counter[int]:
    """How often each step's body runs in a gradient."""
    seen: list[int] = []

    def tick(i):
        seen.append(int(i))
        return np.int64(1)

    def f(x):
        def body(v):
            i, x = v
            one = fd.pure_callback(tick, np.int64(0), i)
            return i + one, np.sin(x * one) + 0.1

        return fd.lax.while_loop(lambda v: v[0] < n, body, (0, x), checkpoint=checkpoint)[1]

    gradient = wrap(fd.grad(f))
    assert gradient(0.5) == pytest.approx(fd.grad(lambda x: counted_sines(x, n))(0.5), rel=1e-11)
    return Counter(seen)


def counted_sines(x, n: int):
    return fd.lax.while_loop(lambda v: v[0] < n, lambda v: (v[0] + 1, np.sin(v[1]) + 0.1), (0, x))[1]


def forward_positions(n: int, slots: int) -> list[int]:
    """Where the sweep forward leaves carries."""
    kept = kept_slots(slots)
    stride = BLOCK if kept > 1 else max(n, 1)
    while kept * stride < n:
        stride *= 2
    return list(range(0, n, stride))


@pytest.mark.one_in(5)
@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit])
@pytest.mark.parametrize("slots", [1, 2, 4, 5, 8, 13])
def test_each_step_runs_as_often_as_promised(slots: int, wrap) -> None:
    for n in (1, BLOCK + 1, 700):
        seen = runs(slots, n, wrap)
        starts = forward_positions(n, slots)
        assert len(starts) <= kept_slots(slots)
        lengths = np.diff([*starts, n])
        blocks = [ceil(length / BLOCK) for length in lengths]
        # forward, with residuals, and what revolve's optimal schedule advances over between carries, with the slots
        # that are free by then
        assert sum(seen.values()) == 2 * n + BLOCK * sum([fewest(b, slots - k) for k, b in enumerate(blocks)])
        if kept_slots(slots) > 1:
            free = slots - kept_slots(slots) + 1
            repeats = next(
                t for t in range(100) if comb(free + t, t) >= ceil(max(BLOCK, 2 * n / kept_slots(slots)) / BLOCK)
            )
            assert max(seen.values()) <= 2 + repeats
        assert sorted(seen) == list(range(n))


@pytest.mark.deep
def test_the_promise_of_the_documentation() -> None:
    for n, repeats in ((800, 0), (20_000, 1), (30_000, 2)):
        assert max(runs("binomial", n, fd.jit).values()) <= 2 + repeats
    for n, repeats in ((20_800, 1), (551_200, 2), (9_921_600, 3), (136_422_000, 4)):
        assert comb(51 + repeats, repeats) >= 2 * n / 50 / BLOCK > comb(51 + repeats, repeats) - 1


def test_sqrt_runs_each_step_twice() -> None:
    assert set(runs("sqrt", 100, fd.jit).values()) == {2}
