"""Making Programs equation by equation."""

from __future__ import annotations

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.errors import ShapeError
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.types import array_type


def test_a_built_program_runs():
    b = ProgramBuilder()
    x = b.input(array_type((2, 3), np.float64))
    y = b.emit(REGISTRY["sum"], b.emit(REGISTRY["mul"], x, np.float64(3)), axes=(1,))
    program = b.build(y, x, name="f")
    check_program(program, "test")
    value = np.arange(6.0).reshape(2, 3)
    total, same = run_program(program, [value])
    np.testing.assert_array_equal(total, (3 * value).sum(1))
    assert same is value


def test_operands_are_checked_when_they_are_emitted():
    b = ProgramBuilder()
    x, y = b.input(array_type((2,), np.float64)), b.input(array_type((3,), np.float64))
    with pytest.raises(ShapeError, match="one shape, got f64\\[2\\] and f64\\[3\\]"):
        b.emit(REGISTRY["add"], x, y)
    assert b.eqns == []
