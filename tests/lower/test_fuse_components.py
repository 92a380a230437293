"""Small static axes: written out as components where that joins loops, and left as loops where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.nodes import Compute, Reduce
from functad.kernel_ir.sizes import poly
from functad.lower.fuse.spaces import Reshape, Spaces, long_axes
from tests.lower.fusing import Maker, agrees, kernel_count, kernels, temporaries

N, M = Symbol(0), Symbol(1)


def own(index):
    return tuple([str(a.offset) if not a.terms else f"i{a.terms[0][0]}" for a in index])


def test_layouts():
    spaces = Spaces({(N, 3)})
    assert (spaces.layout((N, 1)).space, [own(i) for i in spaces.layout((N, 1)).indices]) == ((N,), [("i0", "0")])
    assert [own(i) for i in spaces.layout((N, 1, 3)).indices] == [("i0", "0", "0"), ("i0", "0", "1"), ("i0", "0", "2")]
    assert spaces.layout((N, 2)).space == (N, 2)  # not asked for
    assert spaces.layout((2, 2)).space == ()  # tiny
    assert spaces.layout((0, 3)).space == (0, 3)
    assert spaces.layout((7,)).space == (7,)
    assert Spaces({(7,)}).layout((7,)).space == ()


def test_long_axes():
    assert long_axes((N, 3, M, 1)) == (0, 2)
    assert long_axes((N, 5)) == (0, 1)  # too many components
    assert long_axes((3, 3)) == ()
    assert long_axes((4, 4)) == (0, 1)


def test_reshapes_map_indices():
    from functad.kernel_ir.nodes import Affine

    i, j = Affine.axis(0), Affine.axis(1)
    assert Reshape.of((N, 1), (1, N))((Affine(0), i)) == (i, Affine(0))
    assert Reshape.of((N,), (M, 5))((i, j)) == (i * 5 + j,)
    split = Reshape.of((N, 12), (N, 3, 4))
    assert split.affine
    assert split((Affine.axis(2), i, j)) == (Affine.axis(2), i * 4 + j)
    merge = Reshape.of((2, 3), (6,))
    assert not merge.affine
    assert merge((Affine(4),)) == (Affine(1), Affine(1))
    assert not Reshape.of((N, M), (M, N)).affine
    assert not Reshape.of((0, 3), (0,)).affine


def test_program_on_short_vectors_is_straight_line_code():
    m = Maker()
    x = m.real(3)
    y = m.concatenate(
        m.slice(x, starts=(1,), stops=(3,), steps=(1,)), m.exp(m.slice(x, starts=(0,), stops=(1,), steps=(1,))), axis=0
    )
    s = m.sum(m.mul(x, y), axes=(0,))
    padded = m.pad(m.reshape(s, shape=(1,)), np.float64(2), widths=((1, 1, 0),))
    program = m.build(m.add(padded, y), m.reshape(m.mul(m.along(x, (3, 3), 0), m.along(y, (3, 3), 1)), shape=(9,)))
    (kernel,) = kernels(program)
    assert kernel.axes == ()
    assert temporaries(program) == []
    assert not any(isinstance(i, Compute) and i.op in ("select", "lt", "ge") for i in kernel.body)
    agrees(program)


def test_distances_of_points_are_one_double_loop():
    """forces_i = sum_j (x_i - x_j) / |x_i - x_j|^3, in three dimensions."""
    m = Maker()
    x = m.real(40, 3)
    d = m.sub(m.along(x, (40, 40, 3), 0, 2), m.along(x, (40, 40, 3), 1, 2))
    r2 = m.add(m.sum(m.mul(d, d), axes=(2,)), np.float64(0.1))
    weight = m.reciprocal(m.mul(r2, m.sqrt(r2)))
    force = m.mul(d, m.along(weight, (40, 40, 3), 0, 1))
    program = m.build(m.sum(force, axes=(1,)), m.total(weight), m.sum(force, axes=(0,)))
    (kernel,) = kernels(program)
    assert kernel.axes == (poly(N), poly(N))
    assert sum(isinstance(i, Reduce) for i in kernel.body) == 7
    assert temporaries(program) == []
    agrees(program)


def test_reduction_over_components_and_loop_accumulates_once():
    m = Maker()
    x, w = m.real(50, 2), m.real(50)
    weighted = m.mul(x, m.along(m.exp(w), (50, 2), 0))
    program = m.build(m.total(weighted), m.sum(weighted, axes=(1,)))
    (kernel,) = kernels(program)
    assert sum(isinstance(i, Reduce) for i in kernel.body) == 1
    agrees(program)


def test_elementwise_code_keeps_its_loops():
    m = Maker()
    program = m.build(m.total(m.exp(m.real(50, 3))))
    assert [k.axes for k in kernels(program)] == [(poly(N), poly(3))]
    agrees(program)


def test_medium_arrays_are_loops():
    m = Maker()
    x = m.real(8)
    program = m.build(m.exp(m.sin(x)))
    assert [k.axes for k in kernels(program)] == [(poly(8),)]
    agrees(program)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_small_products_fuse(size):
    """tanh(exp(a) @ b) @ c: no array in memory for the smallest; no BLAS for any."""
    m = Maker()
    a, b, c = m.real(size, size), m.real(size, size), m.real(size)
    axes = {"contract": ((1,), (0,)), "batch": ((), ())}
    program = m.build(m.dot_general(m.tanh(m.dot_general(m.exp(a), b, **axes)), c, **axes))
    if size == 2:
        assert kernel_count(program) == 1
        assert temporaries(program) == []
    agrees(program)


def test_rotations_of_many_points():
    m = Maker()
    x, r = m.real(50, 3), m.real(3, 3)
    turned = m.dot_general(x, r, contract=((1,), (0,)), batch=((), ()))
    program = m.build(m.sum(m.mul(turned, turned), axes=(1,)))
    assert kernel_count(program) == 1
    assert temporaries(program) == []
    agrees(program)


def test_long_programs_on_short_vectors():
    m = Maker()
    x = m.real(3)
    for _ in range(300):
        x = m.flip(m.mul(x, m.exp(m.neg(m.sum(m.mul(x, x), axes=(0,))))), axes=(0,))
    program = m.build(x)
    assert kernel_count(program) <= 5
    agrees(program)
