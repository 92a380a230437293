"""Kernels as people write them: what the benchmark ``plain`` times, compiled as they stand, is what Python computes."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from benchmarks.plain_kernels import KERNELS

QUICK = ["heat, slices", "triangular solve", "vertical advection", "horizontal diffusion", "softmax", "sparse product"]


def static(kernel):
    return tuple([i for i, a in enumerate(kernel.args) if isinstance(a, int)])


def check_value(name):
    kernel = KERNELS[name]
    value = fd.jit(kernel.f, static_argnums=static(kernel))(*kernel.args)
    np.testing.assert_allclose(value, kernel.f(*kernel.args), rtol=1e-9, atol=1e-11)


def check_gradient(name):
    """Along a random direction, by differences of the compiled value."""
    kernel = KERNELS[name]
    x, *rest = kernel.args
    # (the sum of the squares of orthonormal vectors alone would be constant)
    value = fd.jit(lambda x, *rest: np.sum((kernel.f(x, *rest) - 0.5) ** 2), static_argnums=static(kernel))
    gradient = fd.jit(fd.grad(value), static_argnums=static(kernel))(*kernel.args)
    v = np.random.default_rng(1).normal(size=np.shape(x))
    h = 1e-6
    expected = (value(x + h * v, *rest) - value(x - h * v, *rest)) / (2 * h)
    np.testing.assert_allclose(np.sum(gradient * v), expected, rtol=2e-5)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", QUICK)
def test_quick_ones(name):
    check_value(name)
    check_gradient(name)


@pytest.mark.deep
@pytest.mark.parametrize("name", [n for n in KERNELS if n not in QUICK])
def test_values(name):
    check_value(name)


@pytest.mark.deep
@pytest.mark.parametrize(
    "name", [n for n, k in KERNELS.items() if k.differentiable and n not in (*QUICK, "logistic map")]
)
def test_gradients(name):
    check_gradient(name)
