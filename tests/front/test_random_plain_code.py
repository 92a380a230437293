"""Random plain functions of arrays, views and writes are what NumPy makes of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from functad.testing.jumping_code import check_jumping_code, draw_jumping_code
from functad.testing.plain_code import PlainCode, check_plain_code, draw_plain_code, shortest


@pytest.mark.parametrize("seed", range(8))
def test_random_functions(seed):
    rng = random.Random(seed)
    for number in range(6):
        check_plain_code(draw_plain_code(rng), compiled=number == 0)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 106))
def test_many_random_functions(seed):
    rng = random.Random(seed)
    for number in range(25):
        check_plain_code(draw_plain_code(rng), compiled=number < 5)


@pytest.mark.parametrize("seed", range(2))
def test_random_jumps(seed):
    rng = random.Random(seed)
    for _ in range(3):
        check_jumping_code(draw_jumping_code(rng))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 106))
def test_many_random_jumps(seed):
    rng = random.Random(seed)
    for _ in range(25):
        check_jumping_code(draw_jumping_code(rng))


def test_a_failure_is_reduced_to_the_lines_that_matter():
    lines = ("a = np.zeros(3)", "b = a * 2", "c = a[1:]", "c[0] = x[0]", "b[0] = 1.0")
    code = PlainCode(lines, ("a", "b", "c"))

    def check(code):
        assert code.function()(np.ones(4))[0][1] == 0.0

    assert shortest(code, check).lines == ("a = np.zeros(3)", "c = a[1:]", "c[0] = x[0]")
