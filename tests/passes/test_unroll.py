"""Unrolled loops: what becomes of the equations, and that the results stay the same."""

from __future__ import annotations

import numpy as np
import optree
import pytest

import functad as fd
from functad import config
from functad.core.evaluator import run_program
from functad.errors import StructureError
from functad.passes.pipeline import optimize
from tests.lax.pairs import PAIRS

lax = fd.lax
A = np.array([[0.9, 0.1], [-0.1, 0.8]])
POINTS = np.linspace(-1.0, 1.0, 37)


def names(f, *args):
    return [e.primitive.name for e in optimize(fd.make_ir(f)(*args)).eqns]


def loops(f, *args):
    return [e for e in optimize(fd.make_ir(f)(*args)).eqns if e.primitive.name == "loop"]


# -- results -----------------------------------------------------------------------------------------------------------


def pendulum(state, x):
    q, p = state
    p = p - 0.1 * np.sin(q) + x["push"]
    return (q + 0.1 * p, p), {"energy": p * p - np.cos(q), "nothing": None}


def matrix(v, x):
    v = A @ v * x["push"]
    return v, (v, np.sum(v) * x["push"])


def polynomial(value, x):
    return value * POINTS + x["push"], None


def updates(v, x):
    place = x["at"]
    return v.at[place].set(np.sin(v[place]) + x["push"]).at[0].add(1.0), v[place]


def counting(c, x):
    return c * 3 + x["at"], c % 5


def nested(c, x):
    inner, ys = lax.scan(lambda c, i: (c * 0.5 + i, c), c, np.arange(3.0) * x["push"], unroll=2)
    return inner, ys


STEPS = {
    "pendulum": (pendulum, (0.3, 0.1)),
    "matrix": (matrix, np.array([1.0, -0.5])),
    "polynomial": (polynomial, np.zeros(37)),
    "updates": (updates, np.linspace(0.0, 1.0, 20)),
    "counting": (counting, 1),
    "nested": (nested, 0.7),
}


def arguments(n):
    rng = np.random.default_rng(n)
    return {"push": rng.normal(size=n), "at": rng.integers(0, 20, n)}


def run_of(step, n, reverse, unroll):
    return lambda init, xs: lax.scan(step, init, xs, n, reverse, unroll)


def check(f, once, *args):
    """The unrolled Program computes the same bits step by step; native code may round a product and a sum once or
    twice.
    """
    leaves = [np.asarray(x)[()] for x in optree.tree_leaves(args)]
    found, expected = [run_program(optimize(fd.make_ir(g)(*args)), leaves) for g in (f, once)]
    for x, y in zip(found, expected, strict=True):
        assert (x.dtype, x.tobytes()) == (y.dtype, y.tobytes())
    for x, y in zip(optree.tree_leaves(fd.jit(f)(*args)), expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
@pytest.mark.parametrize("name", STEPS)
def test_results(name, n):
    step, init = STEPS[name]
    for reverse in (False, True):
        for k in (2, 4, True):
            check(run_of(step, n, reverse, k), run_of(step, n, reverse, 1), init, arguments(n))


@pytest.mark.one_in(4)
@pytest.mark.parametrize("n", [1, 5, 8])
@pytest.mark.parametrize("name", [name for name in STEPS if name != "counting"])
def test_derivatives(name, n):
    step, init = STEPS[name]
    xs = arguments(n)

    def backward(f):
        def g(init, push):
            out, pull = fd.vjp(lambda init, push: f(init, {**xs, "push": push}), init, push)
            return pull(out)

        return g

    def forward(f):
        return lambda init, push: fd.jvp(lambda init, push: f(init, {**xs, "push": push}), (init, push), (init, push))[
            1
        ]

    for transformed in (backward, forward):
        for reverse in (False, True):
            for k in (2, True):
                check(
                    transformed(run_of(step, n, reverse, k)), transformed(run_of(step, n, reverse, 1)), init, xs["push"]
                )


def test_vmap():
    xs = arguments(7)

    def f(unroll):
        return fd.vmap(lambda x: lax.scan(pendulum, (x, x * 0.5), xs, unroll=unroll))

    for k in (3, True):
        check(f(k), f(1), np.array([0.1, -0.4, 0.9]))


@pytest.mark.parametrize("name", PAIRS)
def test_optimized_programs_compute_the_same(name, monkeypatch):
    """Loops as users write them, with while loops and branches inside, unrolled."""
    scan = lax.scan
    monkeypatch.setattr(
        lax, "scan", lambda f, init, xs=None, length=None, reverse=False: scan(f, init, xs, length, reverse, 2)
    )
    f, plain = PAIRS[name]
    for make in (lambda f: f, fd.grad):
        program = fd.make_ir(make(f))(0.7)
        np.testing.assert_allclose(run_program(optimize(program), (np.float64(0.7),)), [make(plain)(0.7)], rtol=1e-11)
        with config.debug(True):
            np.testing.assert_allclose(fd.jit(make(f))(0.7), make(plain)(0.7), rtol=1e-11)


# -- what becomes of the equations -------------------------------------------------------------------------------------


def sums(unroll, n=10):
    return lambda x: lax.scan(lambda c, v: (np.sin(c) * v, None), x, np.ones(n), unroll=unroll)[0]


def test_one_step_in_a_turn_changes_nothing():
    assert str(optimize(fd.make_ir(sums(1))(1.0))) == str(optimize(fd.make_ir(sums(False))(1.0)))
    (loop,) = loops(sums(1), 1.0)
    assert loop.params["length"] == 10


def test_steps_in_a_turn_and_a_rest():
    (loop,) = loops(sums(4), 1.0)
    assert loop.params["length"] == 2 and loop.params["unroll"] == 1
    assert [e.primitive.name for e in loop.params["body"].eqns].count("sin") == 4
    assert names(sums(4), 1.0).count("sin") == 2


@pytest.mark.parametrize("unroll", [10, 11, True])
def test_no_loop_is_left(unroll):
    assert "loop" not in names(sums(unroll), 1.0) and names(sums(unroll), 1.0).count("sin") == 10


def test_residuals_are_not_stacked():
    """The reverse loop takes what the forward loop wrote as it is."""
    found = names(fd.grad(sums(True)), 1.0)
    assert not {"loop", "concatenate"}.intersection(found)


def test_a_counter_becomes_constants():
    def f(x):
        return lax.fori_loop(0, 3, lambda i, v: v * x + i, x, unroll=True)

    assert sorted(set(names(f, 1.0))) == ["add", "mul"]
    assert fd.jit(f)(2.0) == f(2.0) == 16 + 0 + 2 + 2


def test_loops_that_move_sequences_stay():
    """What a while loop inside leaves for reverse mode has a length of its own in every step."""

    def f(x):
        return lax.scan(
            lambda c, v: (lax.while_loop(lambda a: a < v, lambda a: a * 1.5 + c, c), None),
            x,
            np.array([2.0, 4.0, 9.0]),
            unroll=True,
        )[0]

    assert "loop" not in names(f, 0.5) and "loop" in names(fd.grad(f), 0.5)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(0.5), fd.grad(f)(0.5), rtol=1e-13)


def test_unrolled_with_checkpoints():
    def f(x, unroll):
        return lax.scan(
            lambda c, v: (np.sin(c) * v, c), x, np.linspace(0.5, 1.5, 11), checkpoint="sqrt", unroll=unroll
        )[0]

    for k in (2, True):
        check(fd.grad(lambda x, k=k: f(x, k)), fd.grad(lambda x: f(x, 1)), 0.7)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unroll", [0, -2, 1.5, "all", None])
def test_unroll_that_is_no_positive_integer(unroll):
    with pytest.raises(
        StructureError,
        match=r"scan: unroll=.*; expected a positive integer, the number of steps in a turn, or True for all of them",
    ):
        lax.scan(lambda c, v: (c, None), 1.0, np.zeros(2), unroll=unroll)


def test_unroll_of_a_traced_number_of_steps():
    with pytest.raises(StructureError, match="fori_loop: unroll=4 needs bounds that are known when it is traced"):
        fd.jit(lambda n: lax.fori_loop(0, n, lambda i, v: v + i, 0, unroll=4))(3)
    assert fd.jit(lambda n: lax.fori_loop(0, n, lambda i, v: v + i, 0, unroll=1))(3) == 3
