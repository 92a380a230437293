"""What loops and branches are not given as operands, because they make it themselves or it never changes."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.evaluator import run_program
from functad.ir.program import Literal, Program, sub_programs
from functad.ir.regions import regions_of
from functad.passes.pipeline import optimize

lax = fd.lax
fnp = fd.numpy


def ir(f, *args):
    return optimize(fd.make_ir(f)(*args))


def only(program: Program, name: str):
    (eqn,) = [e for e in program.eqns if e.primitive.name == name]
    return eqn


def constants(loop):
    (group,) = regions_of(loop).operands(loop.inputs).consts
    return group


def same_result(f, *args):
    program = fd.make_ir(f)(*args)
    values = [np.asarray(a, float)[()] for a in args]
    expected = run_program(program, values)
    for found in (run_program(optimize(program), values), [fd.jit(f)(*args)]):
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_a_carry_that_no_step_changes_is_a_constant():
    def f(x):
        return lax.while_loop(lambda s: s[0] < s[1], lambda s: (s[0] * s[2], s[1], s[2]), (x, 10.0, x))

    loop = only(ir(f, 1.5), "while")
    assert len(loop.params["body"].outputs) == 1 and len(loop.params["cond"].inputs) == 1
    assert not any(isinstance(a, Literal) for a in loop.inputs)
    same_result(lambda x: sum(f(x)), 1.5)


@pytest.mark.parametrize("length", [0, 3])
def test_it_comes_out_as_it_went_in(length):
    def f(x, y):
        (a, b), ys = lax.scan(lambda s, _: ((s[0] * s[1], s[1]), s[1] + s[0]), (x, y), None, length=length)
        return a + 3 * b + np.sum(ys)

    loop = only(ir(f, 1.5, 0.3), "loop")
    assert loop.params["carry"] == 1 and loop.params["consts"] == 1
    same_result(f, 1.5, 0.3)


def test_literals_and_masks_of_indices_are_made_inside():
    def f(x):
        def step(c, _):
            return c - 0.1 * np.sum(fd.jacfwd(lambda v: np.sin(v) * v)(c), 1), None

        return np.sum(lax.scan(step, x, None, length=5)[0])

    loops = [e for e in ir(fd.grad(f), np.ones(3)).eqns if e.primitive.name == "loop"]
    assert len(loops) == 2
    for loop in loops:
        assert not constants(loop)
        assert "iota" in [e.primitive.name for e in loop.params["body"].eqns]
    same_result(lambda x: np.sum(fd.grad(f)(x)), np.ones(3))


def test_what_a_matrix_product_reads_is_an_array():
    def f(read):
        return lambda x, y: lax.scan(lambda c, _: (read(np.broadcast_to(x, (20, 20)), c), None), y, None, length=3)[0]

    def outside(read):
        def g(x, y):
            spread = np.broadcast_to(x, (20, 20))
            return lax.scan(lambda c, _: (read(spread, c), None), y, None, length=3)[0]

        return g

    x, y = 0.1, np.ones(20)
    (array,) = constants(only(ir(outside(lambda m, c: m @ c), x, y), "loop"))
    assert array.type.shape == (20, 20)
    (scalar,) = constants(only(ir(outside(lambda m, c: np.sum(m * c, 1)), x, y), "loop"))
    assert scalar.type.shape == ()
    for read in (lambda m, c: m @ c, lambda m, c: np.sum(m * c, 1)):
        np.testing.assert_allclose(fd.jit(outside(read))(x, y), f(read)(x, y), rtol=1e-14)


def test_equal_constants_are_one():
    def f(x, y):
        a, b = np.sin(x), np.sin(x)
        return lax.scan(lambda c, _: (a * c + b, None), y, None, length=3)[0]

    assert len(constants(only(ir(f, 0.3, 0.4), "loop"))) == 1
    same_result(f, 0.3, 0.4)


def test_branches_get_literals_too():
    def f(p, x):
        return lax.cond(p, lambda x, c: x * c, lambda x, c: x + c, x, 1.0)

    cond = only(ir(f, True, 3.0), "cond")
    assert len(cond.inputs) == 2
    assert not cond.params["branches"][1].eqns  # x * 1
    assert fd.jit(f)(True, 3.0) == 3.0 and fd.jit(f)(False, 3.0) == 4.0


def test_literals_reach_the_innermost_loop():
    def f(x):
        def outer(s, _):
            return lax.fori_loop(0, 3, lambda i, t: (t[0] * t[1], t[1]), s), None

        return lax.scan(outer, (x, 0.5), None, length=2)[0][0]

    def operands(program: Program):
        for e in program.eqns:
            for inner in sub_programs(e):
                yield from e.inputs
                yield from operands(inner)

    numbers = [a.value for a in operands(ir(f, 1.5)) if isinstance(a, Literal)]
    assert 0.5 not in numbers
    same_result(f, 1.5)


def descent(gradient, start):
    """Gradient descent until the gradient is small."""

    def step(state):
        place = state[0] - 0.2 * state[1]
        return place, gradient(place)

    return lax.while_loop(lambda s: np.sum(s[1] ** 2) > 1e-12, step, (start, gradient(start)))[0]


@pytest.mark.parametrize(("outer", "equations"), [(fd.grad, 10), (fd.jacfwd, 7)])
def test_descent_in_descent(outer, equations):
    """The linear loop in the outer loop's body: all it is given is what it needs, and it computes no more than by hand.

    In reverse mode it computes two products more, which the next step does not wait for (``transforms.multiples``).
    """

    def worst(x):
        def cost(y):
            return np.sum(y * y) + 0.1 * np.sum(y**4) - np.sum(np.sin(x) * y)

        y = descent(fd.grad(cost), np.zeros(2))
        return np.sum((x - 1) ** 2) - cost(y)

    def f(x):
        return descent(outer(worst), x)

    x = np.array([2.0, 0.5])
    outermost = [e for e in ir(f, x).eqns if e.primitive.name == "while"][-1]
    loop = only(outermost.params["body"], "loop")
    body = loop.params["body"]
    assert len(constants(loop)) == 1 and len(body.eqns) <= equations
    (tape,) = [v for v in loop.inputs if v.type.__class__.__name__ == "SeqType"]
    assert str(tape.type) == "seq<f64[2]>"
    np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-12)


def test_a_constant_that_is_an_array_for_one_reader_and_elements_for_another():
    """The spread scalar stays an operand for the product; the mask that is made of it is made inside."""

    def f(n, y):
        rows = np.broadcast_to(n, (20, 20))
        mask = fnp.arange(20) < 7

        def step(c, _):
            return (rows @ c) * mask + np.where(mask, c, rows[0]), None

        return lax.scan(step, y, None, length=3)[0]

    y = np.linspace(0.0, 1.0, 20)
    (array,) = constants(only(ir(f, 0.01, y), "loop"))
    assert array.type.shape == (20, 20)
    expected = y
    for _ in range(3):
        keep = np.arange(20) < 7
        expected = np.full((20, 20), 0.01) @ expected * keep + np.where(keep, expected, 0.01)
    np.testing.assert_allclose(fd.jit(f)(0.01, y), expected, rtol=1e-13)


def test_long_chains_on_indices_stay_outside():
    def f(y):
        index = fnp.arange(30)
        for k in range(20):
            index = (index * 3 + k) % 31
        return lax.scan(lambda c, _: (c * index, None), y, None, length=2)[0]

    loop = only(ir(f, np.ones(30)), "loop")
    assert len(constants(loop)) == 1 and len(loop.params["body"].eqns) < 5
    same_result(lambda y: np.sum(f(y)), np.ones(30))
