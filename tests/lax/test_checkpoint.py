"""Rematerialisation: the same derivatives, from fewer residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import functad as fd
from functad.errors import StructureError
from functad.lax.segments import scan_blocks

XS = np.linspace(-1.0, 1.0, 23)


def run(checkpoint, reverse, a):
    c, ys = fd.lax.scan(lambda c, x: (np.sin(c) * a + x, c * x), a * 0.1, XS, reverse=reverse, checkpoint=checkpoint)
    return c + np.sum(ys**2)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", ["sqrt", "binomial", 1, 5, 23, 100])
def test_checkpointed_scan(checkpoint, reverse: bool) -> None:
    def f(a):
        return run(checkpoint, reverse, a)

    def plain(a):
        return run(None, reverse, a)

    assert f(0.7) == plain(0.7)
    np.testing.assert_allclose(fd.grad(f)(0.7), fd.grad(plain)(0.7), rtol=1e-13)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(0.7), fd.grad(fd.grad(plain))(0.7), rtol=1e-12)
    np.testing.assert_allclose(fd.jvp(f, (0.7,), (1.0,))[1], fd.grad(plain)(0.7), rtol=1e-13)
    points = np.array([0.1, 0.7])
    np.testing.assert_allclose(fd.vmap(fd.grad(f))(points), [fd.grad(plain)(p) for p in points], rtol=1e-13)


def test_residuals_are_the_arguments_alone() -> None:
    def f(x):
        for _ in range(10):
            x = np.sin(x) + 0.1 * np.exp(x)
        return x

    x = np.linspace(0.0, 0.5, 5)
    assert len(fd.vjp(f, x)[1].linear.residuals) > 20
    (residual,) = fd.vjp(fd.checkpoint(f), x)[1].linear.residuals
    np.testing.assert_array_equal(residual, x)
    np.testing.assert_allclose(fd.vjp(fd.checkpoint(f), x)[1](x)[0], fd.vjp(f, x)[1](x)[0], rtol=1e-13)
    jitted = fd.jit(fd.grad(lambda x: np.sum(fd.checkpoint(f)(x))))
    np.testing.assert_allclose(jitted(x), fd.grad(lambda x: np.sum(f(x)))(x), rtol=1e-12)


def test_closed_over_values_are_differentiated() -> None:
    def f(a, x):
        return fd.checkpoint(lambda x: np.sin(a * x))(x)

    np.testing.assert_allclose(fd.grad(f)(2.0, 0.3), 0.3 * np.cos(0.6))


def test_bad_arguments() -> None:
    for bad in ("binary", 0):
        with pytest.raises(
            StructureError, match="scan: .*expected 'sqrt', 'binomial' or a positive number of segments"
        ):
            fd.lax.scan(lambda c, x: (c, x), 0.0, XS, checkpoint=bad)


# -- binomial ----------------------------------------------------------------------------------------------------------


def test_blocks_are_the_digits() -> None:
    for n in (0, 1, 15, 16, 17, 255, 256, 4097, 1_000_000):
        blocks = scan_blocks("binomial", n)
        assert sum(count * math.prod(radices) for count, radices in blocks) == n
        assert all(count < 16 for count, _ in blocks)
        assert len(blocks) <= 1 + math.log(max(n, 1), 16)
        assert max([len(radices) for _, radices in blocks]) <= 4


@pytest.mark.one_in(9)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 16, 35, 300])
def test_binomial(n: int, reverse: bool) -> None:
    xs = np.linspace(-1.0, 1.0, n)

    def make(checkpoint):
        def f(a):
            c, ys = fd.lax.scan(
                lambda c, x: (np.sin(c) * a + x, {"y": c * x}), a * 0.1, xs, reverse=reverse, checkpoint=checkpoint
            )
            return c + np.sum(ys["y"] ** 2)

        return f

    f, plain = make("binomial"), make(None)
    assert f(0.7) == plain(0.7)
    expected = fd.grad(plain)(0.7)
    np.testing.assert_allclose(fd.grad(f)(0.7), expected, rtol=1e-12)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(0.7), expected, rtol=1e-12)
    second = fd.grad(fd.grad(plain))(0.7)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(0.7), second, rtol=1e-11)
    np.testing.assert_allclose(fd.jit(fd.jvp, static_argnums=0)(fd.grad(f), (0.7,), (1.0,))[1], second, rtol=1e-11)
    points = np.array([0.1, 0.7])
    np.testing.assert_allclose(fd.jit(fd.vmap(fd.grad(f)))(points), [fd.grad(plain)(p) for p in points], rtol=1e-11)


def saved_carries(checkpoint, n: int) -> int:
    """Elements of the residuals that depend on the number of steps."""
    residuals = fd.vjp(
        lambda a: fd.lax.scan(lambda c, _: (np.sin(c) * a, None), a, length=n, checkpoint=checkpoint)[0], 0.7
    )[1].linear.residuals
    return sum(np.size(r) for r in residuals)


def test_binomial_saves_logarithmically_many_carries() -> None:
    assert saved_carries(None, 4095) > 4095
    # three digits 15 base 16: three loops, each with its carries and what a step reads of a
    assert saved_carries("binomial", 4095) < 31 * 3
    assert saved_carries("binomial", 4096) < 10
    assert (
        len(
            fd.make_ir(
                lambda a: fd.lax.scan(lambda c, _: (np.sin(c) * a, None), a, length=10**6, checkpoint="binomial")[0]
            )(0.7).eqns
        )
        <= 5
    )
