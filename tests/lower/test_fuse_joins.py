"""Concatenations, rolls and pads: parts are chosen from where they are read, and written one by one where they are
stored.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.kernel_ir.nodes import Load, Store
from tests.lower.fusing import Maker, agrees, kernel_count, kernels, temporaries


def joined(m, *lengths):
    return m.concatenate(*[m.real(n) for n in lengths], axis=0)


def test_what_reads_a_concatenation_chooses_from_its_parts():
    m = Maker()
    program = m.build(m.total(m.exp(joined(m, 50, 30))))
    assert kernel_count(program) == 1
    assert [shape for shape in temporaries(program) if shape] == []
    agrees(program)


def test_a_stored_concatenation_has_a_loop_for_each_part():
    m = Maker()
    joint = joined(m, 50, 30)
    program = m.build(joint, m.exp(joint))
    stores = [i for kernel in kernels(program) for i in kernel.body if isinstance(i, Store)]
    assert all(i.mask is None for i in stores) and len(stores) == 3
    assert all(i.mask is None for kernel in kernels(program) for i in kernel.body if isinstance(i, Load))
    agrees(program)


def test_costly_parts_that_are_read_several_times_are_stored():
    m = Maker()
    joint = m.concatenate(m.exp(m.real(50)), m.sin(m.real(30)), axis=0)
    shifted = [m.slice(joint, starts=(k,), stops=(70 + k,), steps=(1,)) for k in range(3)]
    program = m.build(m.add(m.add(shifted[0], shifted[1]), shifted[2]))
    assert kernel_count(program) == 3 and len(temporaries(program)) == 1
    agrees(program)


def test_many_parts_are_stored():
    m = Maker()
    program = m.build(m.total(joined(m, *[20 + k for k in range(6)])))
    assert kernel_count(program) == 7
    agrees(program)


def test_concatenations_of_concatenations():
    m = Maker()
    first, second = joined(m, 40, 25), joined(m, 30, 17)
    outer = m.concatenate(first, m.neg(second), axis=0)
    program = m.build(m.mul(outer, np.float64(3)), second)
    agrees(program)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("lengths", [(20, 1), (1, 20), (0, 30), (17, 18), (1, 40, 1), (3, 5, 60)])
def test_lengths(axis, lengths):
    """Static and run-time lengths, along the rows and along the columns."""
    m = Maker()
    parts = [m.real(*((n, 21) if axis == 0 else (21, n))) for n in lengths]
    joint = m.concatenate(*parts, axis=axis)
    agrees(m.build(m.mul(joint, joint)))


def test_a_stencil_on_a_padded_array_is_one_kernel():
    """The padded array is not stored, though it is read five times: masks cost nothing where they hold."""
    m = Maker()
    x = m.real(40, 50)
    p = m.pad(x, np.float64(0), widths=((1, 1, 0), (1, 1, 0)))
    at = [
        m.slice(p, starts=(i, j), stops=(40 + i, 50 + j), steps=(1, 1))
        for i, j in [(0, 1), (2, 1), (1, 0), (1, 2), (1, 1)]
    ]
    program = m.build(m.add(m.add(at[0], at[1]), m.add(m.add(at[2], at[3]), m.mul(at[4], np.float64(-4)))))
    assert kernel_count(program) == 1 and temporaries(program) == []
    agrees(program)


def laplacian_by_rolls(u):
    return fnp.roll(u, 1, 0) + fnp.roll(u, -1, 0) + fnp.roll(u, 1, 1) + fnp.roll(u, -1, 1) - 4 * u


def laplacian_by_padding(u):
    p = fnp.pad(u, 1)
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u


def second_difference(u):
    return fnp.pad(u[2:] - 2 * u[1:-1] + u[:-2], ((1, 1), (0, 0)))


@pytest.mark.parametrize("laplacian", [laplacian_by_rolls, laplacian_by_padding, second_difference])
@pytest.mark.parametrize("shape", [(2, 2), (3, 17), (17, 3), (18, 19), (20, 20), (33, 64), (25, 100)])
def test_stencils_and_their_gradients(laplacian, shape):
    """Native code against the evaluator, and gradients of sums of squares of linear maps against the maps: whole
    numbers, so exactly.
    """
    u = np.random.default_rng(0).integers(-20, 20, size=shape).astype(float)
    np.testing.assert_array_equal(fd.jit(laplacian)(u), laplacian(u))
    gradient = fd.grad(lambda u: fnp.sum(laplacian(u) ** 2))
    found = fd.jit(gradient)(u)
    np.testing.assert_array_equal(found, gradient(u))
    if laplacian is not second_difference:  # symmetric
        np.testing.assert_array_equal(found, 2 * laplacian(laplacian(u)))


@pytest.mark.parametrize("n", [17, 18, 24, 31, 100])
@pytest.mark.parametrize("at", [0, 3, -1])
def test_the_gradient_of_one_element(n, at):
    u = np.arange(float(n))
    expected = np.zeros(n)
    expected[at] = 2 * u[at]
    np.testing.assert_array_equal(fd.jit(fd.grad(lambda u: u[at] ** 2))(u), expected)


@pytest.mark.parametrize("shift", [-40, -17, -3, 0, 1, 16, 25, 41])
def test_rolls_and_far_pads(shift):
    u = np.arange(42.0)
    np.testing.assert_array_equal(fd.jit(lambda u: fnp.roll(u, shift) * 2 + u)(u), np.roll(u, shift) * 2 + u)
    width = (abs(shift), 0) if shift > 0 else (0, abs(shift))
    np.testing.assert_array_equal(fd.jit(lambda u: fnp.pad(u, width))(u), np.pad(u, width))
