"""The cotangents of a variable are added in one order: un-jitted, under jit, and through jit, derivatives agree to the
last bit."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.testing.bits import assert_same_bits
from functad.tree import flatten
from tests.random_functions import random_block

LOOPS = ("jit", "checkpoint", "scan", "loop", "branch")


def scalar(v):
    """A number that depends on all of a vector."""
    return v[0] * v[1] + v[2] * 0.3


def both(transform):
    return lambda f: transform(f, argnums=(0, 1))


TRANSFORMS = {
    "grad": both(fd.grad),
    "jvp": lambda f: lambda v, s: fd.jvp(f, (v, s), (v * 0.3 + 1.0, s * 0.7)),
    "jacfwd": both(fd.jacfwd),
    "jacrev": both(fd.jacrev),
    "gradients of a batch": lambda f: (
        lambda v, s: fd.vmap(fd.grad(f, argnums=(0, 1)), in_axes=(0, None))(np.stack([v, 2 * v]), s)
    ),
    "reverse over reverse": lambda f: fd.grad(lambda v, s: scalar(fd.grad(f)(v, s) * s), argnums=(0, 1)),
    "reverse over forward": lambda f: fd.grad(
        lambda v, s: fd.jvp(f, (v, s), (v * 0.3 + 1.0, s * 0.7))[1], argnums=(0, 1)
    ),
    "forward over reverse": lambda f: lambda v, s: fd.jvp(fd.grad(f, argnums=(0, 1)), (v, s), (v * 0.3 + 1.0, s * 0.7)),
    "hessian": both(fd.hessian),
    "through jit of the gradient": lambda f: fd.grad(lambda v, s: scalar(fd.jit(fd.grad(f))(v, s) * s), argnums=(0, 1)),
}


def arguments(rng, dtype=np.float64):
    v, s = rng.normal(size=3).astype(dtype), dtype(rng.normal())
    return (v + 1j * rng.normal(size=3)).astype(dtype) if np.iscomplexobj(v) else v, s


def results(f, args):
    with np.errstate(all="ignore"):
        return [np.asarray(x) for x in flatten(f(*args))[0]]


def check_paths(f, transform, args, what):
    """The transform of f without jit, under it, of jitted f, and both."""
    plain = results(transform(f), args)
    assert_same_bits(results(fd.jit(transform(f)), args), plain, f"jit(T(f)), {what}")
    assert_same_bits(results(transform(fd.jit(f)), args), plain, f"T(jit(f)), {what}")
    assert_same_bits(results(fd.jit(transform(fd.jit(f))), args), plain, f"jit(T(jit(f))), {what}")


@pytest.mark.one_in(32)
@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("calls", [(), ("jit", "jit"), LOOPS], ids=["plain", "nested jit", "control flow"])
def test_all_paths_agree(name, calls):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        block = random_block(rng, int(rng.integers(4, 10)), calls)
        check_paths(
            lambda v, s, block=block: scalar(block(v, s)), TRANSFORMS[name], arguments(rng), f"seed {seed}: {block}"
        )


@pytest.mark.one_in(12)
@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.complex64])
def test_other_dtypes_and_widths(dtype, bits):
    of_parts = np.dtype(dtype).kind == "c"
    with config.vector_bits(bits):
        for seed in range(5):
            rng = np.random.default_rng(100 + seed)
            block = random_block(rng, int(rng.integers(4, 12)), ("jit",), complex=of_parts)

            def f(v, s, block=block):
                value = scalar(block(v, s))
                return value.real if of_parts else value

            check_paths(f, TRANSFORMS["grad"], arguments(rng, dtype), f"seed {seed}: {block}")


@pytest.mark.deep
def test_third_derivatives():
    def third(f):
        second = fd.grad(lambda v, s: scalar(fd.grad(f)(v, s) * s))
        return fd.grad(lambda v, s: scalar(second(v, s)), argnums=(0, 1))

    for seed in range(4):
        rng = np.random.default_rng(200 + seed)
        block = random_block(rng, 6, ("jit",), depth=1)
        check_paths(lambda v, s, block=block: scalar(block(v, s)), third, arguments(rng), f"seed {seed}: {block}")


@pytest.mark.one_in(3)
@pytest.mark.parametrize("name", ["grad", "jvp", "hessian", "reverse over reverse", "reverse over forward"])
def test_jit_inside_of_a_function_changes_nothing(name):
    """Sums of cotangents go through a call as if its statements stood there, also where an operand is given twice or
    used outside, too."""
    for seed in range(8):
        rng = np.random.default_rng(300 + seed)
        block, args = random_block(rng, int(rng.integers(4, 10)), ("jit", "jit", "jit")), arguments(rng)
        jitted = TRANSFORMS[name](lambda v, s, block=block: scalar(block(v, s)))
        plain = TRANSFORMS[name](lambda v, s, block=block: scalar(block(v, s, lambda call: "plain")))
        assert_same_bits(results(jitted, args), results(plain, args), f"seed {seed}: {block}")


# -- what made the order differ ----------------------------------------------------------------------------------------


A, B, C = 0.1, 0.2, 0.3  # (A + B) + C is not A + (B + C)


def test_uses_inside_and_outside_of_a_call_are_added_in_one_order():
    def f(x, times):
        inner = times(lambda x: A * x + B * x)
        return C * x + inner(x) + x * 0.7

    expected = fd.grad(lambda x: f(x, lambda g: g))(1.0)
    assert fd.grad(lambda x: f(x, fd.jit))(1.0) == fd.jit(fd.grad(lambda x: f(x, fd.jit)))(1.0) == expected
    assert fd.grad(fd.jit(lambda x: f(x, fd.jit)))(1.0) == expected


def test_an_operand_given_twice():
    def inner(x, y):
        return A * x + B * y * x + C * y

    for call in (inner, fd.jit(inner)):
        assert fd.grad(lambda x: call(x, x) + x * 0.7)(1.1) == fd.grad(lambda x: inner(x, x) + x * 0.7)(1.1)
    np.testing.assert_allclose(fd.grad(lambda x: fd.jit(inner)(x, x))(2.0), A + 2 * B * 2.0 + C, rtol=1e-15)


def test_results_given_twice_and_operands_passed_on():
    @fd.jit
    def inner(x, y):
        z = x * y
        return z, z, x, y * 1.0

    def f(x, y):
        a, b, c, d = inner(x, y)
        return A * a + B * b * c + C * c + d

    np.testing.assert_allclose(
        fd.grad(f, argnums=(0, 1))(2.0, 3.0), (A * 3 + 2 * B * 2 * 3 + C, A * 2 + B * 4 + 1), rtol=1e-14
    )
    np.testing.assert_allclose(fd.jit(fd.grad(fd.grad(f)))(2.0, 3.0), 2 * B * 3, rtol=1e-14)
    np.testing.assert_allclose(fd.grad(fd.grad(f))(2.0, 3.0), 2 * B * 3, rtol=1e-14)
    x = np.arange(3.0)
    same = fd.jit(fd.grad(lambda x: np.sum(fd.jit(lambda x: x)(x) * x)))(x)
    np.testing.assert_array_equal(same, 2 * x)


def test_updates_of_few_elements_inside_and_outside():
    """An index gives back an update, which is added after all dense parts: also where the call is in between."""
    v = np.array([0.3, -0.7, 1.1])

    def inner(v):
        return v[0] * v[1] * A + np.sum(v * B) + v[0] * C

    def f(v, call):
        return v[0] * 0.9 + np.sum(v * v * C) + call(v) + v[1] * v[0] * B + np.sum(v * A)

    plain = fd.grad(lambda v: f(v, inner))(v)
    for g in (
        fd.grad(lambda v: f(v, fd.jit(inner))),
        fd.jit(fd.grad(lambda v: f(v, fd.jit(inner)))),
        fd.grad(fd.jit(lambda v: f(v, fd.jit(inner)))),
    ):
        assert_same_bits([g(v)], [plain], "an index and a call")
    by_hand = 2 * v * C + B + A + np.array([0.9 + v[1] * A + C + v[1] * B, v[0] * A + v[0] * B, 0.0])
    np.testing.assert_allclose(plain, by_hand, rtol=1e-14)


def test_a_call_without_a_derivative_in_what_is_asked_for():
    """Its linear Programs have no results."""
    g = fd.jit(lambda x, n: (x * 2.0, np.floor(x) * n))
    assert fd.grad(lambda x: g(x, 3.0)[1])(1.5) == 0.0
    assert fd.grad(lambda x: fd.grad(lambda x: g(x, x)[1])(x))(1.5) == 0.0
    assert fd.jvp(lambda x: g(x, 2.0)[1], (1.5,), (1.0,))[1] == 0.0
