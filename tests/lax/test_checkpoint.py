"""Rematerialisation: the same derivatives, from fewer residuals."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import StructureError

XS = np.linspace(-1.0, 1.0, 23)


def run(checkpoint, reverse, a):
    c, ys = fd.lax.scan(lambda c, x: (np.sin(c) * a + x, c * x), a * 0.1, XS, reverse=reverse, checkpoint=checkpoint)
    return c + np.sum(ys**2)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", ["sqrt", 1, 5, 23, 100])
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
        with pytest.raises(StructureError, match="expected 'sqrt' or a positive number of segments"):
            fd.lax.scan(lambda c, x: (c, x), 0.0, XS, checkpoint=bad)
