"""What loops over elements become: loops that copy no arrays, in the value and in the gradient; none is made twice."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from benchmarks.plain_kernels import KERNELS
from functad.kernel_ir.control import Branch, Control, Loop, While
from functad.kernel_ir.in_place import copied
from functad.kernel_ir.nodes import Kernel, Load, Scatter
from tests.lower.fusing import lowered

BY_ELEMENTS = {
    "heat, loops": 5, "Seidel": 3, "Cholesky": 4, "LU": 5, "triangular solve": 2, "Floyd-Warshall": 3,
    "recursive filter": 2, "n bodies": 3, "vertical advection": 2, "convolution": 2, "sparse product": 2,
}  # fmt: skip
"""Kernels, and how many loops there are in them (those of three steps are unrolled)."""


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


def squares(f):
    return fd.grad(lambda x, *rest: np.sum(f(x, *rest) ** 2))


@pytest.mark.parametrize("name", BY_ELEMENTS)
def test_gradients(name):
    found = list(statements(kernels_of(name, squares)))
    assert not [s for s, around in found if moves_arrays(s, around)]
