"""Kernels with slices whose bounds are indices of loops, and with masks: compiled as they stand, they are NumPy's."""

from __future__ import annotations

import random

import numpy as np
import pytest

import functad as fd
from benchmarks.sliced_kernels import SLICED, arguments
from functad.testing.ragged_code import check_ragged_code, draw_ragged_code

QUICK = ("Cholesky", "Levinson", "Mandelbrot")


def check(name, n=12):
    f, names = SLICED[name]
    args = arguments(names, n)
    np.testing.assert_allclose(fd.jit(f)(*args), f(*args), rtol=1e-11, atol=1e-12)


def check_gradient(name, n=12):
    f, names = SLICED[name]
    args = arguments(names, n)
    gradient = fd.grad(lambda *args: np.sum((f(*args) - 0.5) ** 2))
    np.testing.assert_allclose(fd.jit(gradient)(*args), gradient(*args), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_quick_ones(name):
    check(name)


@pytest.mark.deep
@pytest.mark.parametrize("name", SLICED)
def test_kernels(name):
    check(name, 33)
    check_gradient(name)


def test_random_functions():
    rng = random.Random(11)
    for _ in range(4):
        check_ragged_code(draw_ragged_code(rng))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(4))
def test_more_random_functions(seed):
    rng = random.Random(seed)
    for _ in range(25):
        check_ragged_code(draw_ragged_code(rng))
