"""What loops keep for their reverse pass: not what costs less to compute again."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.ir.program import Program
from functad.transforms.programs import linearized
from functad.transforms.residuals import without_cheap_residuals

lax = fd.lax


def forward_loop(f, *args):
    """The loop that writes residuals, in the gradient of a function."""
    program = fd.make_ir(fd.grad(f))(*args)
    return next(e for e in program.eqns if e.primitive.name in ("loop", "while"))


def kept(f, *args) -> list[str]:
    """The types of what each step writes for the reverse pass."""
    loop = forward_loop(f, *args)
    carry = (
        loop.params["carry"]
        if "carry" in loop.params
        else len(loop.inputs) - loop.params["cond_consts"] - loop.params["body_consts"]
    )
    return [str(t) for t in loop.params["body"].out_types[carry:]]


def after(step, length=4):
    return lambda x: np.sum(lax.scan(lambda c, _: (step(c), None), x, None, length=length)[0])


STEPS = {
    "a polynomial": (lambda c: c - 0.1 * c**3 + 0.2 * c * c, ["f64[3]"]),
    "a sine of a product": (lambda c: np.sin(c * c), ["f64[3]", "f64[3]"]),
    "an exponential": (lambda c: 0.1 * np.exp(c) + c * c, ["f64[3]", "f64[3]"]),
    "a choice": (lambda c: np.where(c > 0, c * c, -c), ["f64[3]"]),
    "a spread sum": (lambda c: c * np.sum(c), ["f64[3]", "f64[]"]),
    "linear": (lambda c: c * 3.0 + 1.0, []),
}


@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_keeps(name):
    step, expected = STEPS[name]
    f, x = after(step), np.array([0.3, -0.2, 0.7])
    assert sorted(kept(f, x)) == sorted(expected)
    by_hand = x.copy()

    def unrolled(x):
        for _ in range(4):
            x = step(x)
        return np.sum(x)

    for made in (fd.grad(f), fd.jit(fd.grad(f)), fd.grad(fd.jit(f))):
        np.testing.assert_allclose(made(by_hand), fd.grad(unrolled)(x), rtol=1e-13)
    np.testing.assert_allclose(fd.jit(fd.hessian(f))(x), fd.jacfwd(fd.grad(unrolled))(x), rtol=1e-11, atol=1e-13)


def test_elements_read_and_constants_are_there_anyway():
    def f(a, xs):
        return np.sum(lax.scan(lambda c, x: (c * (x * x) * (a + x), None), a, xs)[0])

    a, xs = 0.3, np.linspace(0.5, 1.5, 5)
    assert kept(f, a, xs) == ["f64[]"]  # the carry: what multiplies it is made of x and a
    for made in (fd.grad(f, (0, 1)), fd.jit(fd.grad(f, (0, 1)))):
        found = made(a, xs)
        np.testing.assert_allclose(found[0], np.prod(xs**2 * (a + xs)) * (1 + a * np.sum(1 / (a + xs))), rtol=1e-12)


def test_while_loops_do_so_too():
    def f(x):
        return lax.while_loop(lambda s: np.sum(s * s) > 1e-6, lambda s: s - 0.2 * (s + 0.1 * s**3), x)[0]

    assert kept(f, np.ones(2)) == ["f64[2]"]


def test_what_is_costly_is_kept():
    """Equations in a chain longer than a few, and functions that are no products."""

    def chain(c):
        for k in range(6):
            c = (c + k) * (c - k)
        return np.cos(c)

    program = fd.make_ir(chain)(0.3)
    forward, remade = without_cheap_residuals(linearized(program, (True,)).forward, 1)
    assert all(e.primitive.name not in ("sin", "cos") for e in remade.eqns)
    assert isinstance(forward, Program) and len(remade.inputs) > 1


def test_a_residual_of_literals_is_no_residual():
    split = linearized(fd.make_ir(lambda x: np.sum(x * 0.5) * 3.0)(np.ones(4)), (True,))
    assert split.residual_types == ()


@pytest.mark.one_in(2)
@pytest.mark.parametrize("lengths", [(0, 3), (0, 0)])
def test_an_index_is_checked_in_a_step_alone(lengths):
    looked_up = fd.jit(lambda x, i: x[i] * x[0])

    def f(x, i, most, steps):
        s = x[0]
        for k in range(most):
            t = looked_up(x, i)
            for u in range(steps):
                if x[i] > 9:
                    raise ValueError("too much")
                t = t * np.sin(x[i]) + x[u]
            s = s * t + x[k]
        return s

    given = np.int64(7), *map(np.int64, lengths)
    x = np.array([0.3, 0.7, 1.4])
    expected = fd.grad(f)(x, 7, *lengths)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(x, *given), expected)
    np.testing.assert_allclose(fd.jit(fd.hessian(f))(x, *given), fd.hessian(f)(x, 7, *lengths))
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        fd.jit(fd.grad(f))(x, np.int64(7), np.int64(2), np.int64(1))


@pytest.mark.parametrize("made", [fd.grad, lambda f: fd.jit(fd.grad(f)), lambda f: fd.jit(fd.grad(fd.checkpoint(f)))])
def test_what_is_the_same_in_all_steps_raises_only_where_there_is_one(made):
    def f(a, b, steps):
        s = 0.0
        for k in range(steps):
            s = s + np.sum(np.linalg.solve(a, b)) * (k + 1.0)
        return s

    singular, b, none = np.zeros((2, 2)), np.ones(2), np.int64(0)
    np.testing.assert_array_equal(made(f)(singular, b, none), singular)
    np.testing.assert_allclose(made(f)(2.0 * np.eye(2), b, np.int64(3)), np.full((2, 2), -1.5))
    with pytest.raises(np.linalg.LinAlgError, match="the matrix is singular"):
        made(f)(singular, b, np.int64(1))
