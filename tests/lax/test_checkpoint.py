"""Rematerialisation: the same derivatives, from fewer residuals."""

from __future__ import annotations

import math

import numpy as np
import pytest

import functad as fd
from functad.core.seq import Seq
from functad.errors import StructureError
from functad.ir.program import Program
from functad.lax.segments import scan_blocks

XS = np.linspace(-1.0, 1.0, 23)


def run(checkpoint, reverse, a):
    c, ys = fd.lax.scan(lambda c, x: (np.sin(c) * a + x, c * x), a * 0.1, XS, reverse=reverse, checkpoint=checkpoint)
    return c + np.sum(ys**2)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", ["sqrt", "binomial", 1, 5, 23, 100])
def test_checkpointed_scan(checkpoint, reverse: bool) -> None:
    def f(a):
        return run(checkpoint, reverse, a)

    def plain(a):
        return run(None, reverse, a)

    assert f(0.7) == plain(0.7)
    np.testing.assert_allclose(fd.grad(f)(0.7), fd.grad(plain)(0.7), rtol=1e-13)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(0.7), fd.grad(fd.grad(plain))(0.7), rtol=1e-12)
    np.testing.assert_allclose(fd.jvp(f, (0.7,), (1.0,))[1], fd.grad(plain)(0.7), rtol=1e-13)
    points = np.array([0.1, 0.7])
    np.testing.assert_allclose(fd.vmap(fd.grad(f))(points), [fd.grad(plain)(p) for p in points], rtol=1e-13)


def test_residuals_are_the_arguments_alone() -> None:
    def f(x):
        for _ in range(10):
            x = np.sin(x) + 0.1 * np.exp(x)
        return x

    x = np.linspace(0.0, 0.5, 5)
    assert len(fd.vjp(f, x)[1].linear.residuals) > 20
    (residual,) = fd.vjp(fd.checkpoint(f), x)[1].linear.residuals
    np.testing.assert_array_equal(residual, x)
    np.testing.assert_allclose(fd.vjp(fd.checkpoint(f), x)[1](x)[0], fd.vjp(f, x)[1](x)[0], rtol=1e-13)
    jitted = fd.jit(fd.grad(lambda x: np.sum(fd.checkpoint(f)(x))))
    np.testing.assert_allclose(jitted(x), fd.grad(lambda x: np.sum(f(x)))(x), rtol=1e-12)


def test_closed_over_values_are_differentiated() -> None:
    def f(a, x):
        return fd.checkpoint(lambda x: np.sin(a * x))(x)

    np.testing.assert_allclose(fd.grad(f)(2.0, 0.3), 0.3 * np.cos(0.6))


def test_bad_arguments() -> None:
    for bad in ("binary", 0):
        with pytest.raises(StructureError, match="scan: .*expected 'sqrt', 'binomial' or a positive number of segments"):
            fd.lax.scan(lambda c, x: (c, x), 0.0, XS, checkpoint=bad)
    for bad in ("binomial", 0):
        with pytest.raises(StructureError, match="while_loop: .*expected 'sqrt' or a positive number of steps in a segment"):
            fd.lax.while_loop(lambda v: v < 3.0, lambda v: v + 1.0, 0.0, checkpoint=bad)
    with pytest.raises(StructureError, match=r"checkpoint: policy='dots'; expected a function .*dots_saveable"):
        fd.checkpoint(np.sin, policy="dots")


# -- policies ---------------------------------------------------------------------------------------------------------------------------

POLICIES = fd.lax.checkpoint_policies
RNG = np.random.default_rng(3)
W1, W2, X = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 4)), RNG.normal(size=3)


def network(w1, w2, x):
    return np.sum(np.exp(np.tanh(w2 @ np.sin(np.tanh(w1 @ x)))))


def sines(primitive, in_types, params):
    return primitive == "sin" and in_types[0].shape == (4,)


@pytest.mark.parametrize("policy", [None, POLICIES.nothing_saveable, POLICIES.dots_saveable, POLICIES.everything_saveable, sines])
def test_policies_leave_derivatives_alone(policy) -> None:
    f = fd.checkpoint(network, policy=policy)
    expected = fd.grad(network, (0, 1, 2))(W1, W2, X)
    for made in (fd.grad(f, (0, 1, 2)), fd.jit(fd.grad(f, (0, 1, 2))), fd.grad(fd.checkpoint(fd.jit(network), policy=policy), (0, 1, 2))):
        for got, want in zip(made(W1, W2, X), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)
    second = fd.hessian(network, 2)(W1, W2, X)
    np.testing.assert_allclose(fd.hessian(f, 2)(W1, W2, X), second, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(fd.jit(fd.jacrev(fd.grad(f, 2), 2))(W1, W2, X), second, rtol=1e-11, atol=1e-13)
    xs = RNG.normal(size=(3, 3))
    got = fd.jit(fd.vmap(fd.grad(f, 2), (None, None, 0)))(W1, W2, xs)
    np.testing.assert_allclose(got, [fd.grad(network, 2)(W1, W2, x) for x in xs], rtol=1e-12)


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit])
def test_policies_choose_the_residuals(wrap) -> None:
    def residuals(policy):
        made = fd.vjp(fd.checkpoint(wrap(network), policy=policy), W1, W2, X)[1]
        return sorted([r.shape for r in made.linear.residuals])

    arguments = sorted([W1.shape, W2.shape, X.shape])
    assert residuals(None) == residuals(POLICIES.nothing_saveable) == arguments
    assert residuals(POLICIES.dots_saveable) == sorted([*arguments, (2,), (4,)])
    assert residuals(sines) == sorted([*arguments, (4,)])
    assert len(residuals(POLICIES.everything_saveable)) > 5


def primitives_of(program) -> list[str]:
    names = []
    for eqn in program.eqns:
        names.append(eqn.primitive.name)
        names += [n for v in eqn.params.values() if isinstance(v, Program) for n in primitives_of(v)]
    return names


def test_saved_results_are_not_computed_again() -> None:
    def products(policy):
        names = primitives_of(fd.make_ir(fd.value_and_grad(fd.checkpoint(network, policy=policy)))(W1, W2, X))
        return names.count("dot_general"), names.count("tanh")

    dots, tanhs = products(None)
    saved_dots, still = products(POLICIES.dots_saveable)
    assert saved_dots == dots - 2
    assert still == tanhs == 4
    assert products(POLICIES.everything_saveable)[1] == 2


# -- binomial -----------------------------------------------------------------------------------------------------------------------------


def test_blocks_are_the_digits() -> None:
    for n in (0, 1, 15, 16, 17, 255, 256, 4097, 1_000_000):
        blocks = scan_blocks("binomial", n)
        assert sum(count * math.prod(radices) for count, radices in blocks) == n
        assert all(count < 16 for count, _ in blocks)
        assert len(blocks) <= 1 + math.log(max(n, 1), 16)
        assert max([len(radices) for _, radices in blocks]) <= 4


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 16, 35, 300])
def test_binomial(n: int, reverse: bool) -> None:
    xs = np.linspace(-1.0, 1.0, n)

    def make(checkpoint):
        def f(a):
            c, ys = fd.lax.scan(lambda c, x: (np.sin(c) * a + x, {"y": c * x}), a * 0.1, xs, reverse=reverse, checkpoint=checkpoint)
            return c + np.sum(ys["y"] ** 2)

        return f

    f, plain = make("binomial"), make(None)
    assert f(0.7) == plain(0.7)
    expected = fd.grad(plain)(0.7)
    np.testing.assert_allclose(fd.grad(f)(0.7), expected, rtol=1e-12)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(0.7), expected, rtol=1e-12)
    second = fd.grad(fd.grad(plain))(0.7)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(0.7), second, rtol=1e-11)
    np.testing.assert_allclose(fd.jit(fd.jvp, static_argnums=0)(fd.grad(f), (0.7,), (1.0,))[1], second, rtol=1e-11)
    points = np.array([0.1, 0.7])
    np.testing.assert_allclose(fd.jit(fd.vmap(fd.grad(f)))(points), [fd.grad(plain)(p) for p in points], rtol=1e-11)


def saved_carries(checkpoint, n: int) -> int:
    """Elements of the residuals that depend on the number of steps."""
    residuals = fd.vjp(lambda a: fd.lax.scan(lambda c, _: (np.sin(c) * a, None), a, length=n, checkpoint=checkpoint)[0], 0.7)[1].linear.residuals
    return sum(np.size(r) for r in residuals)


def test_binomial_saves_logarithmically_many_carries() -> None:
    assert saved_carries(None, 4095) > 4095
    # three digits 15 base 16: three loops, each with its carries and what a step reads of a
    assert saved_carries("binomial", 4095) < 31 * 3
    assert saved_carries("binomial", 4096) < 10
    assert len(fd.make_ir(lambda a: fd.lax.scan(lambda c, _: (np.sin(c) * a, None), a, length=10**6, checkpoint="binomial")[0])(0.7).eqns) <= 5


# -- while ----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checkpoint", ["sqrt", 1, 4, 1000])
def test_checkpointed_while(checkpoint) -> None:
    def make(checkpoint):
        def f(a, bound):
            def body(v):
                i, x = v
                return i + 1, x + a * np.sin(x) ** 2

            i, x = fd.lax.while_loop(lambda v: v[1] < bound, body, (0, a), checkpoint=checkpoint)
            return x * i

        return f

    f, plain = make(checkpoint), make(None)
    for a, bound in ((0.3, 2.9), (0.05, 2.0), (1.0, 0.5)):  # 30-odd steps, hundreds, none
        assert f(a, bound) == plain(a, bound)
        assert fd.jit(f)(a, bound) == pytest.approx(plain(a, bound), rel=1e-13)
        first, second = fd.grad(plain)(a, bound), fd.grad(fd.grad(plain))(a, bound)
        np.testing.assert_allclose(fd.grad(f)(a, bound), first, rtol=1e-11)
        np.testing.assert_allclose(fd.jit(fd.grad(f))(a, bound), first, rtol=1e-11)
        np.testing.assert_allclose(fd.jvp(lambda a, bound=bound: f(a, bound), (a,), (1.0,))[1], first, rtol=1e-11)
        np.testing.assert_allclose(fd.grad(fd.grad(f))(a, bound), second, rtol=1e-9)
        np.testing.assert_allclose(fd.jit(fd.grad(fd.grad(f)))(a, bound), second, rtol=1e-9)
    points = np.array([0.3, 0.5, 1.0])
    expected = [fd.grad(plain)(p, 2.0) for p in points]
    np.testing.assert_allclose(fd.vmap(lambda p: fd.grad(f)(p, 2.0))(points), expected, rtol=1e-11)
    np.testing.assert_allclose(fd.jit(fd.vmap(lambda p: fd.grad(f)(p, 2.0)))(points), expected, rtol=1e-11)


def test_checkpointed_while_saves_one_carry_a_segment() -> None:
    def longest(checkpoint, n):
        def f(x):
            return fd.lax.while_loop(lambda v: v[0] < n, lambda v: (v[0] + 1, np.sin(v[1])), (0, x), checkpoint=checkpoint)[1]

        residuals = fd.vjp(f, 0.7)[1].linear.residuals
        return max(len(r) for r in residuals if isinstance(r, Seq))

    assert longest(None, 210) == 210
    assert longest("sqrt", 210) == 20  # 1 + 2 + ... + 20 = 210
    assert longest("sqrt", 211) == 21
    assert longest(30, 210) == 7
