"""What loops over elements become: loops that copy no arrays, in the value and in the gradient; none is made twice."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from benchmarks.plain_kernels import KERNELS
from functad.kernel_ir.control import Branch, Control, Loop, SequenceBuffer, While
from functad.kernel_ir.in_place import copied
from functad.kernel_ir.nodes import Kernel, Load, Scatter
from tests.lower.fusing import lowered

BY_ELEMENTS = {
    "Seidel": 3, "Cholesky": 4, "LU": 5, "triangular solve": 2, "Floyd-Warshall": 3, "recursive filter": 2,
    "n bodies": 3, "vertical advection": 2, "sparse product": 2,
}  # fmt: skip
"""Kernels, and how many loops there are in them (those of three steps are unrolled)."""

AT_ONCE = {"heat, loops": 1, "convolution": 0}
"""Kernels of loops all of whose steps are made at once, and how many others there are."""


def statements(program):
    """All statements, at any depth, each with that around it."""
    for s in program.body:
        yield s, None
        for inner in s.programs if isinstance(s, Control) else ():
            yield from [(t, around or s) for t, around in statements(inner)]


def kernels_of(name, transform=lambda f: f):
    kernel = KERNELS[name]
    f, numbers = transform(kernel.f), [a for a in kernel.args if isinstance(a, int)]  # the last ones
    arrays = kernel.args[: len(kernel.args) - len(numbers)]
    return lowered(fd.make_ir(lambda *xs: f(*xs, *numbers), optimized=True)(*arrays))


def moves_arrays(statement, around):
    """Whether a statement copies whole arrays, or fills them, in each step of a loop."""
    if isinstance(statement, Kernel):
        fills = bool(statement.axes) and not any(isinstance(i, Load | Scatter) for i in statement.body)
        return around is not None and (fills or (copied(statement) is not None and len(statement.axes) > 1))
    if isinstance(statement, Loop | While | Branch):
        moved = [c for c in statement.carry if c.last.shape and not (c.in_place and c.first is c.last)]
        return bool(moved) and (around is not None or any(not c.in_place for c in moved))
    return False


@pytest.mark.parametrize("name", BY_ELEMENTS)
def test_values(name):
    found = list(statements(kernels_of(name)))
    assert len([s for s, _ in found if isinstance(s, Loop | While)]) == BY_ELEMENTS[name]
    assert not [s for s, around in found if moves_arrays(s, around)]


@pytest.mark.parametrize("name", AT_ONCE)
def test_loops_that_are_equations_of_arrays(name):
    for transform in (lambda f: f, squares):
        found = [s for s, _ in statements(kernels_of(name, transform))]
        loops = [s for s in found if isinstance(s, Loop | While)]
        assert len(loops) == AT_ONCE[name] * (2 if transform is squares else 1)
        assert not [i for s in found if isinstance(s, Kernel) for i in s.body if isinstance(i, Scatter)]


def squares(f):
    return fd.grad(lambda x, *rest: np.sum(f(x, *rest) ** 2))


@pytest.mark.parametrize("name", BY_ELEMENTS)
def test_gradients(name):
    found = list(statements(kernels_of(name, squares)))
    assert not [s for s, around in found if moves_arrays(s, around)]


def sequences(program):
    """The types of what the elements of sequences are, at any depth."""
    for s, _ in statements(program):
        for b in s.writes if isinstance(s, Control) else ():
            while isinstance(b, SequenceBuffer):
                b = b.element
                if not isinstance(b, SequenceBuffer):
                    yield b.dtype


@pytest.mark.parametrize("name", ["Cholesky", "LU", "triangular solve"])
def test_no_index_is_kept_for_the_way_back(name):
    assert set(sequences(kernels_of(name, squares))) == {np.dtype(float)}


def row_by_row(p):
    p = p.copy()
    for j in range(1, p.shape[0]):
        if p[j, 0] > 0:
            p[j] = p[j - 1] * 0.5 + p[j]
        p[j, 1:-1] += p[j, 2:]
        p[0:3, j] = p[0:3, j - 1]
    return p


def test_rows_that_are_written_of_rows_that_are_read():
    p = np.random.default_rng(2).normal(size=(25, 25))
    found = list(statements(lowered(fd.make_ir(row_by_row, optimized=True)(p))))
    assert not [s for s, around in found if moves_arrays(s, around)]
    inside = [s for s, around in found if around is not None and isinstance(s, Kernel)]
    assert max(len(s.axes) for s in inside) == 1
    np.testing.assert_array_equal(fd.jit(row_by_row)(p), row_by_row(p))
    gradient = fd.grad(lambda p: np.sum(np.sin(row_by_row(p))))
    found = list(statements(lowered(fd.make_ir(gradient, optimized=True)(p))))
    assert not [s for s, around in found if moves_arrays(s, around)]
    fd.testing.check_grads(row_by_row, (p[:10, :10],), order=1, rtol=1e-5, atol=1e-6)


@pytest.mark.deep
def test_what_is_inlined_often_is_told_little_of_its_arrays():
    """LLVM's inliner takes time and memory with the square of the arrays that are said to lie apart."""

    def quadrature(a, lo=0.0, hi=2.0, tolerance=1e-8, depth=4):
        def f(x):
            return np.exp(-a * x * x)

        middle, width = (lo + hi) / 2, hi - lo
        coarse = width / 6 * (f(lo) + 4 * f(middle) + f(hi))
        fine = coarse / 2 + width / 12 * (4 * f(lo + width / 4) + 4 * f(hi - width / 4) - 2 * f(middle))
        if depth == 0 or abs(fine - coarse) < tolerance:
            return fine
        half = tolerance / 2
        return quadrature(a, lo, middle, half, depth - 1) + quadrature(a, middle, hi, half, depth - 1)

    compiled = fd.jit(fd.grad(lambda a: quadrature(a))).lower(1.0).compile()
    headers = [line for line in compiled.llvm.splitlines() if line.startswith("define internal i32 @body")]
    assert max(h.count("ptr ") for h in headers) > 100
    assert max(h.count("noalias %in") + h.count("noalias %out") for h in headers) <= 64
    assert compiled(1.0) == pytest.approx(fd.grad(lambda a: quadrature(a))(1.0), rel=1e-12)
