"""Passes over loops and branches: what is dropped, what moves out, and that results stay the same."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.evaluator import run_program
from functad.ir.program import Program
from functad.passes.pipeline import optimize
from tests.lax.pairs import PAIRS

lax = fd.lax
A = np.arange(9.0).reshape(3, 3) / 10


def ir(f, *args):
    return optimize(fd.make_ir(f)(*args))


def names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.eqns]


def only(program: Program, name: str):
    (eqn,) = [e for e in program.eqns if e.primitive.name == name]
    return eqn


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("make", [lambda f: f, fd.grad])
def test_results_stay_the_same(name, make):
    f = make(PAIRS[name][0])
    for x in (0.7, 0.3):
        program = fd.make_ir(f)(x)
        np.testing.assert_allclose(
            run_program(optimize(program), (np.float64(x),)), run_program(program, (np.float64(x),)), rtol=1e-13
        )


def test_calls_inside_of_loops_are_inlined():
    g = fd.jit(lambda c: np.sin(c) * 2)
    body = only(ir(lambda x: lax.fori_loop(0, 20, lambda i, c: g(c), x), 1.0), "loop").params["body"]
    assert "jit" not in names(body)


def test_carry_and_results_that_nobody_reads_are_dropped():
    def f(x, y):
        (a, _), (ys, _) = lax.scan(lambda s, v: ((s[0] * v, s[1] + np.exp(v)), (s[0], s[1])), (x, y), np.ones(4))
        return a + ys[0]

    loop = only(ir(f, 1.0, 2.0), "loop")
    assert loop.params["carry"] == 1 and len(loop.outputs) == 2 and "exp" not in names(loop.params["body"])


def test_a_carry_that_the_condition_reads_is_kept():
    loop = only(
        ir(lambda x: lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * 2, s[2] * 3), (0, x, x))[1], 1.0),
        "while",
    )
    assert len(loop.params["body"].outputs) == 2


def test_unread_results_of_branches_are_dropped():
    cond = only(
        ir(lambda p, x, y: lax.cond(p, lambda x, y: (x, np.exp(y)), lambda x, y: (-x, y), x, y)[0], True, 1.0, 2.0),
        "cond",
    )
    assert len(cond.outputs) == 1 and len(cond.inputs) == 2
    assert all("exp" not in names(b) for b in cond.params["branches"])


def test_an_index_check_in_a_loop_is_kept():
    def f(x, i):
        lax.fori_loop(0, 3, lambda k, c: c + np.take(x, i + k), 0.0)
        return x

    assert "loop" in names(ir(f, np.ones(3), 1))


def test_invariant_code_moves_out_of_nested_loops():
    def f(x, a):
        def outer(c, _):
            return lax.fori_loop(0, 3, lambda i, t: np.tanh(a @ a @ t) + np.exp(x), c), None

        return lax.scan(outer, np.ones(3), None, length=4)[0]

    program = ir(f, 0.3, A)
    loop = only(program, "loop")
    assert names(program).count("dot_general") == 1 and "exp" in names(program)
    inner = only(loop.params["body"], "loop").params["body"]
    assert "exp" not in names(inner) and names(inner).count("dot_general") == 1


def test_what_may_raise_or_grow_stays():
    def f(x, i, v):
        def step(c, _):
            return c + np.take(x, i) + np.sum(np.sin(v[:, None] * v[None, :]) * c), None

        return lax.scan(step, 0.0, None, length=0)[0]

    program = ir(f, np.ones(3), 7, np.arange(30.0))
    assert fd.jit(f)(np.ones(3), 7, np.arange(30.0)) == 0.0
    assert not {"sin", "gather", "check_index"}.intersection(names(program)) and "sin" in names(
        only(program, "loop").params["body"]
    )
