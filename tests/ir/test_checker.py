"""The checker names what is malformed, where, and which pass made it."""

from __future__ import annotations

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY
from functad.errors import InternalError, message_of
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.program import Eqn, Literal, Location, Program, Var
from functad.ir.types import array_type, scalar_type

F64 = np.dtype(np.float64)
VECTOR = array_type((3,), F64)
ADD, NEG = REGISTRY["add"], REGISTRY["neg"]


def var():
    return Var(VECTOR)


def message(program):
    with pytest.raises(InternalError) as caught:
        check_program(program, "simplify")
    return message_of(caught.value)


def test_a_well_formed_program_passes():
    b = ProgramBuilder()
    x, y = b.input(VECTOR), b.input(scalar_type(F64))
    z = b.emit(ADD, b.emit(REGISTRY["mul"], x, y), np.arange(3.0))
    check_program(b.build(z, x, Literal(np.int32(1))), "test")


def test_use_before_definition():
    x, y, z = var(), var(), var()
    program = Program([x], [Eqn(ADD, (x, y), {}, (z,), None), Eqn(NEG, (x,), {}, (y,), None)], [z])
    assert message(program) == (
        "malformed Program after simplify: a variable of type f64[3] is used but not defined before in the equation "
        "`b:f64[3] = add a ?0`"
    )
    assert "is used but not defined" in message(Program([x], [], [y]))


def test_double_definition():
    x, y = var(), var()
    assert "is defined twice" in message(Program([x, x], [], [x]))
    assert "is defined twice in the equation `c:f64[3] = neg a`" in message(
        Program([x], [Eqn(NEG, (x,), {}, (y,), None), Eqn(NEG, (x,), {}, (y,), None)], [y])
    )


def test_wrong_result_type_names_the_users_line():
    x, y = var(), Var(array_type((4,), F64))
    loc = Location(test_wrong_result_type_names_the_users_line.__code__, 0)
    text = message(Program([x], [Eqn(NEG, (x,), {}, (y,), loc)], [y]))
    assert "its results have types (f64[4]), but the type rule gives (f64[3])" in text
    assert text.endswith(f"from {loc}")


def test_operands_that_the_type_rule_refuses():
    x, y, z = var(), Var(array_type((4,), F64)), var()
    text = message(Program([x, y], [Eqn(ADD, (x, y), {}, (z,), None)], [z]))
    assert "the type rule of add refuses it: ShapeError: add takes operands of one shape" in text
    unhashable = Eqn(REGISTRY["sum"], (x,), {"axes": [0]}, (Var(scalar_type(F64)),), None)
    assert "the type rule of sum refuses it: TypeError" in message(Program([x], [unhashable], []))


def test_literals():
    assert "claims to be f64[3]" in message(Program([], [], [Literal(np.float64(1), VECTOR)]))
    assert "can be written to" in message(Program([], [], [Literal(np.zeros(3))]))
    assert "must be a NumPy scalar or an array of rank 1" in message(Program([], [], [Literal(1.0, scalar_type(F64))]))
    assert "must be a NumPy scalar or an array of rank 1" in message(Program([], [], [Literal(np.zeros(()))]))


def test_what_is_no_atom():
    x, y = var(), var()
    text = message(Program([x], [Eqn(ADD, (x, np.zeros(3)), {}, (y,), None)], [y]))
    assert "is used as an operand of add; it is neither a variable nor a literal" in text
    assert "is defined but is not a typed variable" in message(Program([Var((3,))], [], []))


def test_sub_programs_are_checked_and_see_only_their_own_variables(with_call):
    x, y = var(), var()
    inner_result = var()
    leaking = Program([], [Eqn(NEG, (x,), {}, (inner_result,), None)], [inner_result])
    program = Program([x], [Eqn(with_call, (x,), {"program": leaking}, (y,), None)], [y])
    assert (
        "malformed Program after simplify, in checker_test_call: a variable of type f64[3] is used but not defined"
        in message(program)
    )


@pytest.fixture
def with_call():
    """A primitive with a sub-Program."""
    from functad.core.primitive import Primitive

    name = "checker_test_call"
    try:
        yield Primitive(name, type_rule=lambda x, *, program: x, evaluate=lambda x, *, program: x)
    finally:
        del REGISTRY[name]
