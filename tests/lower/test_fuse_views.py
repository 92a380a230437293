"""Views of results that take a kernel of their own to complete: whoever reads the view waits for that kernel."""

from __future__ import annotations

import numpy as np

from functad.ir.types import array_type
from tests.lower.fusing import Maker, agrees, kernels


def test_copied_view_of_a_reduction_waits_for_it():
    """The exponentials open a straight-line kernel that runs before the sum is complete; the copy cannot join that
    one.
    """
    m = Maker()
    early = m.exp(m.real(2))
    total = m.total(m.real(5, 37))
    program = m.build(early, total, m.reshape(total, shape=(1,)))
    assert [len(k.axes) for k in kernels(program)] == [0, 2, 0]
    agrees(program)


def test_copied_view_of_a_view_waits():
    m = Maker()
    early = m.exp(m.real(2))
    sums = m.sum(m.real(37, 4), axes=(0,))
    square = m.reshape(sums, shape=(2, 2))
    program = m.build(early, square, m.reshape(square, shape=(4, 1)), m.reshape(square, shape=(4,)))
    agrees(program)


def test_view_returned_twice():
    m = Maker()
    early = m.exp(m.real(2))
    row = m.reshape(m.sum(m.real(37, 2), axes=(0,)), shape=(1, 2))
    agrees(m.build(early, row, row))


def test_copied_view_of_a_stored_array_waits():
    """Merging axes takes the array in memory: (240,) can share neither the loop over (40, 6) nor the earlier one over
    (240,).
    """
    m = Maker()
    early = m.exp(m.real(240))
    grid = m.exp(m.real(40, 6))
    merged = m.reshape(grid, shape=(240,))
    program = m.build(early, grid, merged)
    assert [len(k.axes) for k in kernels(program)] == [1, 2, 1]
    agrees(program)


def test_lookup_in_a_view_of_a_reduction_waits_for_it():
    """The view is read from memory only, at indices that nothing else tells."""
    m = Maker()
    x, i, y = m.real(37, 20, 3), m.input(array_type((30,), np.int64)), m.real(30)
    early = m.exp(y)
    flat = m.reshape(m.sum(x, axes=(0,)), shape=(60,))
    found = m.gather(flat, m.check_index(i, axis=0, length=60), batch=0)
    program = m.build(early, m.mul(y, found))
    agrees(program, [np.random.default_rng(0).normal(size=(37, 20, 3)), np.arange(30) * 2 - 30, np.linspace(-1, 1, 30)])


def test_reading_a_view_of_a_view_waits_for_what_it_views():
    m = Maker()
    early = m.exp(m.real(2))
    sums = m.sum(m.real(37, 20, 3), axes=(0,))
    flat = m.reshape(m.reshape(sums, shape=(4, 15)), shape=(60,))  # neither reshape can be read through
    last = m.slice(flat, starts=(59,), stops=(60,), steps=(1,))
    agrees(m.build(early, m.exp(last)))
