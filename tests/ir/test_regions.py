"""What control flow says that it is made of."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.primitive import REGISTRY
from functad.ir.checker import check_program
from functad.ir.program import Eqn, Literal, Program, sub_programs
from functad.ir.regions import Kind, call_of, control_of, has_control, regions_of
from functad.testing.rules import Case

DESCRIBED = [name for name, p in sorted(REGISTRY.items()) if p.control is not None]


def equations(name: str) -> list[Eqn]:
    primitive = REGISTRY[name]
    cases = [Case(primitive, sample, np.random.default_rng(0)) for sample in primitive.samples()]
    return [e for case in cases for e in case.program.eqns if e.primitive is primitive]


def test_all_that_runs_programs_is_described():
    assert {"loop", "while", "cond", "jit", "checkpoint", "custom_jvp", "custom_vjp", "checkpointed_while"} <= {
        *DESCRIBED
    }
    for name, primitive in REGISTRY.items():
        for eqn in equations(name):
            assert (regions_of(eqn) is not None) == bool(sub_programs(eqn)), primitive


@pytest.mark.parametrize("name", DESCRIBED)
def test_roles_are_all_of_an_equation(name):
    for eqn in equations(name):
        form = regions_of(eqn)
        operands, results = form.operands(eqn.inputs), form.results(eqn.outputs)
        assert tuple(operands.all) == eqn.inputs and tuple(results.all) == eqn.outputs
        assert {*form.programs} == {*sub_programs(eqn)}
        for region in form.regions:
            given, found = form.given(region, operands), form.outputs(region, region.program.outputs)
            assert len(given) == len(region.program.inputs) and len(found.tests) == region.tests
            assert not region.step or len(found.written) == len(results.written)


@pytest.mark.parametrize("name", DESCRIBED)
def test_an_equation_rebuilt_of_its_parts_is_the_same(name):
    for eqn in equations(name):
        form = regions_of(eqn)
        made = form.rebuilt(eqn, form.programs, form.operands(eqn.inputs), form.results(eqn.outputs))
        assert (made.primitive, made.inputs, made.outputs, made.loc) == (
            eqn.primitive,
            eqn.inputs,
            eqn.outputs,
            eqn.loc,
        )
        assert dict(made.params) == dict(eqn.params)


@pytest.mark.parametrize("name", ["loop", "while", "cond"])
def test_more_constants_come_first_and_others_ignore_them(name):
    for eqn in equations(name):
        form = regions_of(eqn)
        more = [[Literal(np.float64(k)) for k in range(j)] for j, _ in enumerate(form.regions)]
        closed = [
            Program([*[type(p.inputs[0])(a.type) for a in own], *p.inputs], p.eqns, p.outputs)
            for p, own in zip(form.programs, more, strict=True)
        ]
        made = form.rebuilt(eqn, *form.with_constants(closed, more, form.operands(eqn.inputs)))
        check_program(Program(eqn.inputs, [made], made.outputs), "with_constants")
        assert len(made.inputs) == len(eqn.inputs) + sum(map(len, more))


def test_calls_decide_nothing():
    (call,) = fd.make_ir(lambda x: fd.jit(np.sin)(x))(0.5).eqns
    assert control_of(call) is None and call_of(call) is call.params["program"]
    assert regions_of(call).kind is Kind.CALL and not Kind.CALL.repeats
    (choice,) = equations("cond")[:1]
    assert call_of(choice) is None and control_of(choice).kind is Kind.CHOICE
    assert not has_control(fd.make_ir(np.sin)(0.5))
