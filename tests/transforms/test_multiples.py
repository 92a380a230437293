"""Linear Programs as sums of multiples: fewer products in a row, and the same map."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.evaluator import run_program
from functad.ir.program import Program
from functad.primitives.arithmetic import strong_mul
from functad.transforms.multiples import collect_multiples

F32 = np.float32


def made(f, *args, known=1) -> tuple[Program, Program]:
    program = fd.make_ir(f)(*args)
    return program, collect_multiples(program, tuple([k >= known for k in range(len(program.inputs))]))


def longest_path(program: Program, known: int) -> int:
    """How many arithmetic equations an output waits for, after the linear inputs are there."""
    depth = dict.fromkeys(program.inputs[known:], 0)
    for e in program.eqns:
        found = [depth[a] for a in e.inputs if a in depth]
        if found:
            depth.update(dict.fromkeys(e.outputs, max(found) + (e.primitive.name in ("add", "sub", "mul", "neg"))))
    return max([depth.get(a, 0) for a in program.outputs])


CASES = {
    "one coefficient": (lambda r, t: 0.1 * (r * t) + 2.0 * t, 1),
    "with another": (lambda r, t, u: u - (0.1 * (r * t) + t), 2),
    "past a sum": (lambda r, t: r * np.sum(0.1 * np.stack([t, t])[0] * 3.0), None),
    "negated": (lambda r, t, u: -(u + 2.0 * (r * t)), 2),
    "twice": (lambda r, t, u: np.negative(-t) - (t - 3.0 * u) * 0.5, None),
    "nothing is left": (lambda r, t: t - t, 1),
    "used twice": (lambda r, t: (lambda v: v * r + np.sum(v))(0.5 * t + r * t), None),
    "spread": (lambda r, t: np.sum(np.broadcast_to(0.1 * t, (4, 3)) * r + 0.1 * np.broadcast_to(t, (4, 3)), 0), None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_map_stays_the_same(name, dtype):
    f, path = CASES[name]
    rng = np.random.default_rng(1)
    args = [rng.normal(size=3).astype(dtype) for _ in range(f.__code__.co_argcount)]
    before, after = made(f, *args)
    assert after.out_types == before.out_types and after.in_types == before.in_types
    np.testing.assert_allclose(
        run_program(after, args)[0],
        run_program(before, args)[0],
        rtol=30 * np.finfo(dtype).eps,
        atol=np.finfo(dtype).eps,
    )
    assert longest_path(after, 1) <= (longest_path(before, 1) if path is None else path)


def test_numbers_spread_over_arrays_are_numbers():
    program, after = made(lambda r, t: (fd.numpy.full(3, 0.5) * -1.0) * (r * t) + t, np.ones(3), np.ones(3))
    assert longest_path(after, 1) == 1 < longest_path(program, 1)


def test_residuals_are_not_multiplied():
    """Their product would be infinite, and 0 times that NaN."""
    _, after = made(lambda r, t: (t * r) * r * 0.5, np.ones(2), np.ones(2))
    assert run_program(after, (np.full(2, 1e200), np.zeros(2)))[0].tolist() == [0.0, 0.0]


def test_nor_are_huge_numbers():
    """A mask's -1e30, in single precision."""
    _, after = made(lambda r, t: r * (t * F32(-1e30)), np.ones(2, F32), np.ones(2, F32))
    assert run_program(after, (np.full(2, F32(1e10)), np.zeros(2, F32)))[0].tolist() == [0.0, 0.0]


def test_nor_numbers_that_overflow():
    _, after = made(lambda r, t: (t * 1e200) * 1e200 * 1e-300, 1.0, 1.0)
    np.testing.assert_allclose(run_program(after, (np.float64(1), np.float64(1e-300)))[0], 1e-200)


def test_work_does_not_grow():
    """A number that moved past a spread would have to multiply every element."""
    program, after = made(lambda r, t: np.broadcast_to(0.1 * t, (100, 3)) + r, np.ones((100, 3)), np.ones(3), known=0)
    assert after is program


def test_complex_and_nonlinear_operations_are_left_alone():
    program, after = made(lambda r, t: (t * 2.0) * r * (1j), np.ones(2) * 1j, np.ones(2) * 1j)
    x = np.array([1 + 2j, 3 - 1j])
    np.testing.assert_array_equal(run_program(after, (x, x))[0], run_program(program, (x, x))[0])


def test_a_step_of_gradient_descent_waits_for_two_operations():
    """The reverse of y -> y - 0.2 g(y), g(y) = 0.4 y^3 + 2 y: one product with a coefficient that does not wait, and
    one sum.
    """

    def f(y):
        gradient = fd.grad(lambda v: np.sum(v * v) + 0.1 * np.sum(v**4))
        return np.sum(fd.lax.scan(lambda v, _: (v - 0.2 * gradient(v), None), y, None, length=5)[0])

    loop = [e for e in fd.make_ir(fd.grad(f))(np.ones(2)).eqns if e.primitive.name == "loop"][-1]
    body = loop.params["body"]
    residuals = loop.params["consts"] + len(body.inputs) - loop.params["consts"] - loop.params["carry"]
    order = [*body.inputs[: loop.params["consts"]], *body.inputs[loop.params["consts"] + loop.params["carry"] :]]
    turned = Program([*order, *body.inputs[loop.params["consts"] :][: loop.params["carry"]]], body.eqns, body.outputs)
    assert longest_path(turned, residuals) <= 2
    y = np.array([0.3, -0.8])
    by_hand, factor = y.copy(), 1.0
    for _ in range(5):
        factor = factor * (1 - 0.2 * (2 + 1.2 * by_hand**2))
        by_hand = by_hand - 0.2 * (2 * by_hand + 0.4 * by_hand**3)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(y), factor, rtol=1e-13)


def of_a_sum(r, t, u):
    """A multiple of a sum that is needed, too."""
    v = u + r * t
    return v, -0.2 * v


@pytest.mark.parametrize(("size", "path"), [(2, 2), (100, 3)])
def test_multiples_of_a_sum_wait_for_its_terms_where_that_is_faster(size, path):
    """In small steps; large ones take as long as all they have to do."""
    args = np.random.default_rng(1).normal(size=(3, size))
    program, after = made(of_a_sum, *args)
    assert longest_path(program, 1) == 3 and longest_path(after, 1) == path
    for found, expected in zip(run_program(after, args), run_program(program, args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


def test_nor_huge_numbers_in_multiples_of_a_sum():
    _, after = made(lambda r, t, u: (lambda v: (v, v * F32(-1e30)))(u + r * t), *np.ones((3, 2), F32))
    huge, zero = np.full(2, F32(1e10)), np.zeros(2, F32)
    assert run_program(after, (huge, zero, zero))[1].tolist() == [0.0, 0.0]


def test_zero_wins_in_multiples_too():
    """However numbers move, 0 times an infinite residual stays 0; and there is still one product to wait for."""
    program, after = made(
        lambda r, s, t: 0.5 * strong_mul(t, r) + strong_mul(t, s) - 2.0 * t, np.ones(2), np.ones(2), np.ones(2), known=2
    )
    assert longest_path(after, 2) < longest_path(program, 2)
    assert {e.primitive.name for e in after.eqns if after.inputs[2] in e.inputs} == {"strong_mul"}
    for residuals in (np.array([np.inf, 2.0]), np.array([np.nan, -np.inf])):
        found, plain = (run_program(p, (residuals, np.ones(2), np.array([0.0, 3.0])))[0] for p in (after, program))
        assert found[0] == plain[0] == 0
        np.testing.assert_allclose(found[1], plain[1])
