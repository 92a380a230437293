"""Loops whose steps do not need one another: which become equations of arrays, and that it changes no bit."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.evaluator import run_program
from functad.ir.program import sub_programs
from functad.ir.regions import control_of

N, M = 30, 23
RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(N, M)), RNG.normal(size=(N, M))


def stencil(a, b):
    v = b.copy()
    for i in range(1, N - 1):
        for j in range(1, M - 1):
            v[i, j] = a[i, j] + 0.1 * (a[i + 1, j] + a[i - 1, j] - a[i, j + 1] - a[i, j - 1])
    return v


def turned(a, b):
    """Columns first, backwards, every second element, another order of axes."""
    v = np.zeros((M, N))
    for j in range(M - 1, -1, -1):
        for i in range(0, N, 2):
            v[j, N - 1 - i] = a[i, j] * b[N - 1 - i, j]
    return v


def diagonal(a, b):
    v = a.copy()
    for i in range(M):
        v[i, i] = v[i, i] * b[i, 2]
    return v


def before(a, b):
    """What is read is overwritten in the next step."""
    v = a.copy()
    for i in range(N - 1):
        for j in range(M):
            v[i, j] = v[i + 1, j] * b[i, j]
    return v


def within(a, b):
    """An element is read, added to and read again in one step; rows in one loop, elements in another."""
    v = a.copy()
    for i in range(N):
        v[i, 3] += b[i, 3]
        for j in range(4, M):
            v[i, j] += v[i, 3] * b[i, j]
    return v


def after(a, b):
    """What is read was written in the step before."""
    v = a.copy()
    for i in range(1, N):
        for j in range(M):
            v[i, j] = v[i - 1, j] * b[i, j]
    return v


def seidel(a, b):
    v = a.copy()
    for i in range(1, N - 1):
        for j in range(1, M - 1):
            v[i, j] = (v[i - 1, j] + v[i, j - 1] + v[i, j + 1] + v[i + 1, j]) * b[i, j]
    return v


def last_wins(a, b):
    """Each row writes to the same elements."""
    v = a.copy()
    for i in range(N):
        for j in range(M):
            v[0, j] = b[i, j] * 2.0
    return v


def mirrored(a, b):
    """The second half of the steps reads what the first has written."""
    v = a.copy()
    for i in range(N):
        for j in range(M):
            v[i, j] = v[N - 1 - i, j] * b[i, j]
    return v


def shifted_rows(a, b):
    """Two equations that write, the second what the first overwrites one step later."""
    v = a.copy()
    for i in range(N - 1):
        for j in range(M):
            v[i, j] = b[i, j]
            v[i + 1, j] = a[i, j] * 0.5
    return v


APART, IN_ORDER = [stencil, turned, diagonal, before, within], [after, seidel, last_wins, mirrored, shifted_rows]


def loops(program):
    """How many loops there are in a Program, at any depth."""
    return sum([(control_of(e) is not None) + sum(map(loops, sub_programs(e))) for e in program.eqns])


@pytest.mark.one_in(4)
@pytest.mark.parametrize("f", APART + IN_ORDER)
def test_values_to_the_last_bit(f):
    np.testing.assert_array_equal(fd.jit(f)(A, B), f(A.copy(), B.copy()))


@pytest.mark.one_in(10)
@pytest.mark.parametrize("f", APART + IN_ORDER)
def test_gradients_to_the_last_bit(f):
    """Without the pass, by the NumPy evaluator, which runs the loops as they are traced."""

    def total(a, b):
        return np.sum(f(a, b) ** 2)

    gradient = fd.grad(total, (0, 1))
    with config.backend("evaluator"):
        expected = run_program(fd.make_ir(gradient)(A, B), (A, B))
    for found, value in zip(fd.jit(gradient)(A, B), expected, strict=True):
        np.testing.assert_array_equal(found, value)


@pytest.mark.parametrize("f", APART)
def test_no_loop_is_left(f):
    assert loops(fd.make_ir(f, optimized=True)(A, B)) == 0
    assert loops(fd.make_ir(fd.grad(lambda a, b: np.sum(f(a, b) ** 2)), optimized=True)(A, B)) == 0


@pytest.mark.parametrize("f", IN_ORDER)
def test_steps_in_order_stay_loops(f):
    assert loops(fd.make_ir(f, optimized=True)(A, B)) > 0


def test_updates_at_even_indices_are_slices():
    def f(x, y):
        i, j = np.arange(1, N - 1), np.arange(M)
        return fd.at(x)[i[:, None], j].add(y[i + 1]) * 2.0

    program = fd.make_ir(f, optimized=True)(A, B)
    np.testing.assert_array_equal(fd.jit(f)(A, B), np.concatenate([A[:1], A[1:-1] + B[2:], A[-1:]]) * 2.0)
    assert program.eqns
