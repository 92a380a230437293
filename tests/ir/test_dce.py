"""Dead code goes; what may raise, and what it needs, stays."""

from __future__ import annotations

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY, Primitive
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.dce import dce, kept_equations
from functad.ir.types import array_type

VECTOR = array_type((3,), np.float64)
NEG, MUL = REGISTRY["neg"], REGISTRY["mul"]


@pytest.fixture
def raising():
    name = "dce_test_raising"
    try:
        yield Primitive(name, type_rule=lambda x: x, evaluate=lambda x: x, may_raise=True)
    finally:
        del REGISTRY[name]


def test_unneeded_equations_go_and_inputs_stay():
    b = ProgramBuilder()
    x, unused = b.input(VECTOR), b.input(VECTOR)
    y = b.emit(NEG, x)
    dead = b.emit(MUL, y, unused)
    b.emit(NEG, dead)
    z = b.emit(MUL, y, y)
    program = b.build(z, name="f")
    smaller = dce(program)
    check_program(smaller, "dce")
    assert str(smaller) == "f { lambda a:f64[3] b:f64[3] .\n    c:f64[3] = neg a\n    d:f64[3] = mul c c\n  in (d) }"
    assert dce(smaller) is smaller


def test_what_may_raise_stays_with_what_it_needs(raising):
    b = ProgramBuilder()
    x = b.input(VECTOR)
    needed = b.emit(NEG, x)
    b.emit(NEG, b.emit(raising, needed))
    program = b.build(x)
    assert kept_equations(program) == [True, True, False]
    check_program(dce(program), "dce")


def test_a_call_raises_where_what_it_calls_does(raising):
    def calling(primitive):
        inner = ProgramBuilder()
        x = inner.input(VECTOR)
        body = inner.build(inner.emit(primitive, x))
        middle = ProgramBuilder()
        y = middle.input(VECTOR)
        (out,) = middle.equation(REGISTRY["jit"], [y], {"program": body, "name": "inner"})
        outer = ProgramBuilder()
        z = outer.input(VECTOR)
        outer.equation(REGISTRY["jit"], [z], {"program": middle.build(out), "name": "outer"})
        return outer.build(z)

    assert kept_equations(calling(raising)) == [True]
    assert kept_equations(calling(NEG)) == [False]
