"""Random Programs are well typed, varied, and compared with tolerances that fit them."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.errors import MissingExtraError
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.program import Literal
from functad.ir.types import array_type
from functad.primitives import ALWAYS
from functad.testing.fuzz import check_transposed
from functad.testing.numerics import assert_paired, random_like
from functad.testing.programs import JUMPS, ROUNDLESS, Example, assert_same, by_the_evaluator, examples, tolerances
from functad.testing.reduction import check_example, reduce_example


def test_named_primitives_exist():
    assert set(REGISTRY) >= ROUNDLESS | JUMPS
    assert not ROUNDLESS & JUMPS


@pytest.mark.deep
def test_programs_are_well_typed_and_varied():
    programs: list[Example] = []

    @settings(max_examples=200)
    @given(examples())
    def collect(example):
        check_program(example.program, "the strategy")
        with by_the_evaluator():
            assert_same(example, run_program(example.program, example.args), "the evaluator")
        programs.append(example)

    collect()
    eqns = [e for p in programs for e in p.program.eqns]
    types = {v.type for e in eqns for v in e.outputs}
    used = [Counter(a for e in p.program.eqns for a in e.inputs if not isinstance(a, Literal)) for p in programs]
    assert len({e.primitive.name for e in eqns}) > len(ALWAYS) / 2
    assert {t.dtype.name for t in types} >= {"float64", "float32", "complex128", "int64", "int32", "uint8", "bool"}
    assert {t.ndim for t in types} >= {0, 1, 2, 3}
    assert {0, 1} <= {t.size for t in types}
    assert any(len(p.program.outputs) > 2 for p in programs)
    assert any(count > 1 for c in used for count in c.values())
    assert any(len(p.program.eqns) >= 10 for p in programs)
    assert any(v in p.program.inputs for p in programs for v in p.program.outputs)


def sum_of_squares(scale: float) -> Example:
    b = ProgramBuilder()
    x = b.input(array_type((100,), np.float64))
    square = b.emit(REGISTRY["mul"], x, x)
    total = b.emit(REGISTRY["sum"], square, axes=(0,))
    program = b.build(b.emit(REGISTRY["sub"], total, np.float64(scale)))
    args = [np.linspace(0.0, 1.0, 100)]
    return Example(program, args, run_program(program, args))


def test_tolerances_follow_conditioning():
    (well,) = tolerances(*fields(sum_of_squares(0.0)))
    exact = float(np.sum(np.linspace(0.0, 1.0, 100) ** 2))
    (ill,) = tolerances(*fields(sum_of_squares(exact)))
    assert well < 1e-11
    assert ill > 1e-15  # the result is about 0, what it is made of is about 33


def fields(example: Example):
    return example.program, example.args, example.results


def test_differences_above_rounding_are_found():
    example = sum_of_squares(0.0)
    assert_same(example, [example.results[0] * (1 + 1e-15)], "x")
    message = r"result 0 by a test is 33\.\d+, expected 33\.\d+ \(allowed: .*\), in\n\{ lambda a:f64\[100\]"
    with pytest.raises(AssertionError, match=message):
        assert_same(example, [example.results[0] * (1 + 1e-9)], "a test")
    with pytest.raises(AssertionError, match=r"gives \[f32\[\]\], expected \[f64\[\]\]"):
        assert_same(example, [np.float32(example.results[0])], "a test")


@pytest.mark.deep
def test_what_jumps_is_applied_to_exact_values_only():
    """floor(exp(x)) could differ by 1 between two right ways of running it; floor(x) cannot."""

    @settings(max_examples=200)
    @given(examples(most=6))
    def check(example):
        rounded = set()
        for e in example.program.eqns:
            if e.primitive.name in ("floor", "ceil", "lt", "argmax", "remainder"):
                assert rounded.isdisjoint(e.inputs), example
            if e.outputs[0].type.inexact and (e.primitive.name not in ROUNDLESS or not rounded.isdisjoint(e.inputs)):
                rounded.update(e.outputs)

    check()


def test_smooth_programs_have_no_jumps():
    @settings(max_examples=100)
    @given(examples(smooth=True))
    def check(example):
        for e in example.program.eqns:
            if any(a.type.inexact for a in e.inputs) and e.primitive.name != "stop_gradient":
                assert e.primitive.jvp is not None or e.primitive.jvp_call is not None, example

    check()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_rounding_of_terms_that_cancel_is_no_disagreement(dtype):
    """The derivative of a / a is 1 / a - a / a^2."""
    b = ProgramBuilder()
    x = b.input(array_type((1030,), dtype))
    program = b.build(b.emit(REGISTRY["div"], x, x))
    args = [random_like(program.in_types[0], np.random.default_rng(0), 0.5, 2.0)]
    check_transposed(Example(program, args, run_program(program, args)))
    with pytest.raises(AssertionError, match="forward mode gives"):
        assert_paired([dtype(1)], [dtype(1e-3)], [dtype(0)], [dtype(1)], "a rule", 1e-2, 1e-4)


def test_failures_are_reduced_to_what_matters():
    rng = np.random.default_rng(3)
    b = ProgramBuilder()
    x, y = b.input(array_type((4,), np.float64)), b.input(array_type((4,), np.float64))
    first = x
    for name in ("sin", "neg", "exp", "tanh", "cos", "neg", "sin"):
        first = b.emit(REGISTRY["add"], b.emit(REGISTRY[name], first), y)
    program = b.build(first, y, x)
    args = [rng.uniform(size=4), rng.uniform(size=4)]
    example = Example(program, args, run_program(program, args))

    def fails(candidate):
        names = [e.primitive.name for e in candidate.program.eqns]
        return any(pair == ("cos", "add") for pair in pairwise(names))

    small = reduce_example(example, fails)
    check_program(small.program, "reduction")
    assert (
        str(small.program) == "{ lambda a:f64[4] b:f64[4] .\n    c:f64[4] = cos a\n    d:f64[4] = add c b\n  in (d) }"
    )
    assert_same(small, run_program(small.program, small.args), "the evaluator")


def test_a_wrong_way_of_running_is_shown_on_its_cause():
    b = ProgramBuilder()
    x = b.input(array_type((4,), np.float64))
    y = b.emit(REGISTRY["exp"], b.emit(REGISTRY["sin"], x))
    program = b.build(b.emit(REGISTRY["neg"], b.emit(REGISTRY["square"], y)))
    example = Example(program, [np.arange(4.0)], run_program(program, [np.arange(4.0)]))

    def run(program, args):
        outs = run_program(program, args)
        return [-y for y in outs] if any(e.primitive.name == "exp" for e in program.eqns) else outs

    def crash(program, args):
        if any(e.primitive.name == "square" for e in program.eqns):
            raise ZeroDivisionError("a defect")
        return run_program(program, args)

    check_example(example, run_program, "the evaluator")
    with pytest.raises(ZeroDivisionError) as crashed:
        check_example(example, crash, "a wrong backend")
    assert (
        "while running, by a wrong backend, { lambda a:f64[4] .\n    b:f64[4] = square a\n  in (b) }"
        in crashed.value.__notes__[0]
    )
    with pytest.raises(AssertionError, match=r"result 0 by a wrong backend") as caught:
        check_example(example, run, "a wrong backend")
    assert "{ lambda a:f64[4] .\n    b:f64[4] = exp a\n  in (b) }" in str(caught.value)


def test_hypothesis_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "functad.testing.programs")
    with pytest.raises(MissingExtraError, match=r"draws with hypothesis; install functad\[test\]"):
        importlib.import_module("functad.testing.programs")
