"""The loop over equations that passes share."""

from __future__ import annotations

import numpy as np

import functad as fd
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.checker import check_program
from functad.ir.program import Eqn, Literal, Program
from functad.ir.rewrite import Rewriting, rewrite

X = np.float64(0.5)


def sines() -> Program:
    return fd.make_ir(lambda x: np.sin(np.sin(x) * 2.0) + x)(X)


def test_an_equation_that_is_kept_is_the_same_object():
    program = sines()
    made = rewrite(program, lambda eqn, _: eqn)
    assert all(a is b for a, b in zip(made.eqns, program.eqns, strict=True)) and made.outputs == program.outputs


def test_what_stands_for_a_result_is_read_from_there_on():
    program = sines()
    made = rewrite(program, lambda eqn, _: [Literal(np.float64(3.0))] if eqn.primitive.name == "mul" else eqn)
    check_program(made, "rewrite")
    np.testing.assert_allclose(run_program(made, [X]), [np.sin(3.0) + X])


def test_a_rule_appends_what_it_needs():
    def rule(eqn: Eqn, made: Rewriting):
        return (
            made.emit(REGISTRY["neg"], made.again(eqn, eqn.inputs), {}, eqn.loc) if eqn.primitive.name == "sin" else eqn
        )

    made = rewrite(sines(), rule)
    check_program(made, "rewrite")
    np.testing.assert_allclose(run_program(made, [X]), [-np.sin(-np.sin(X) * 2.0) + X])


def test_outputs_are_replaced_too():
    program = fd.make_ir(lambda x: x * 1.0)(X)
    made = rewrite(program, lambda eqn, _: eqn.inputs[:1])
    assert made.outputs == made.inputs and not made.eqns


def test_a_copy_has_variables_of_its_own():
    program, made = sines(), Rewriting()
    (x,) = program.inputs
    twice = [made.copy(program, made.copy(program, [x]))[0], x]
    whole = Program([x], made.eqns, twice)
    check_program(whole, "copy")
    once = np.sin(np.sin(X) * 2.0) + X
    np.testing.assert_allclose(run_program(whole, [X]), [np.sin(np.sin(once) * 2.0) + once, X])
