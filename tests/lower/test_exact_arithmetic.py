"""Native code computes what NumPy computes, to the last bit, at every vector width and level of optimisation."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import functad as fd
from functad import config
from functad.core.evaluator import run_program
from functad.lower.backends import execute
from functad.lower.compile import compile_program
from functad.lower.direct import run
from functad.lower.llvm.target import Target
from functad.lower.native.matvec import matvec_function
from functad.passes.pipeline import optimize
from functad.primitives.powers import integer_power
from functad.testing.bits import assert_same_bits, same_bits
from functad.testing.fuzz import check_bits
from functad.testing.programs import by_the_evaluator, examples
from tests.passes.test_exactness import special_like

REDUCED = (Phase.explicit, Phase.generate)  # failures are reduced by check_bits, not shrunk by hypothesis
WIDTHS = (128, 256, 512)


@pytest.mark.deep
@pytest.mark.one_in(3)
@pytest.mark.parametrize("bits", WIDTHS)
@settings(max_examples=60, phases=REDUCED)
@given(example=examples(most=20, exact=True))
def test_random_programs(bits, example):
    with config.vector_bits(bits):
        check_bits(example)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("level", [0, 1, 3])
@settings(max_examples=25, phases=REDUCED)
@given(example=examples(most=20, exact=True))
def test_random_programs_at_every_level_of_optimisation(level, example):
    host = Target.host()
    target = Target(host.triple, host.cpu, host.features, host.vector_bits, opt_level=level)
    check_bits(example, lambda program, args: run(compile_program(optimize(program), target), args))


@pytest.mark.deep
@settings(max_examples=80, phases=REDUCED)
@given(example=examples(most=10, exact=True), seed=st.integers(0, 2**20))
def test_random_programs_at_special_values(example, seed):
    """But for conversion to integers, of what they cannot hold."""
    if any(e.primitive.name == "convert" and e.outputs[0].type.dtype.kind in "iu" for e in example.program.eqns):
        return
    rng = np.random.default_rng(seed)
    args = [special_like(v, rng) for v in example.args]
    with by_the_evaluator():
        try:
            expected = run_program(example.program, args)
        except (ValueError, ArithmeticError, IndexError):
            return
    assert_same_bits(execute(example.program, args), expected, f"native code at {args} of\n{example.program}")


# -- what contraction would break --------------------------------------------------------------------------------------


DTYPES = (np.float64, np.float32)


def numbers(dtype, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", WIDTHS)
def test_a_difference_of_equal_squares_is_zero(bits, dtype):
    """Fused, it is what was rounded off one of the squares, and in half of all cases negative."""
    x = numbers(dtype, 10_000)
    with config.vector_bits(bits):
        np.testing.assert_array_equal(fd.jit(lambda x, y: np.sqrt(x * x - y * y))(x, x.copy()), np.zeros_like(x))
        scalar = fd.jit(lambda x, y: np.sqrt(x * x - y * y))
        assert all(scalar(v, v) == 0 for v in x[:200])


@pytest.mark.parametrize("dtype", DTYPES)
def test_determinants_of_singular_matrices_are_zero(dtype):
    a, b = numbers(dtype, 2, 1000)
    determinant = fd.jit(lambda a, b, c, d: a * d - b * c)
    np.testing.assert_array_equal(determinant(a, b, 4 * a, 4 * b), np.zeros_like(a))
    by_matrix = fd.jit(lambda m: m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])
    assert all(by_matrix(np.array([[p, q], [2 * p, 2 * q]])) == 0 for p, q in zip(a[:100], b[:100], strict=True))


def test_derivatives_and_loops_and_branches():
    x, y = numbers(np.float64, 2, 500)

    def f(x, y):
        return np.sum(x * x * y - y * y * x)

    assert_same_bits(fd.jit(fd.grad(f, argnums=(0, 1)))(x, y), (2 * x * y - y * y, x * x - 2 * (y * x)), "the gradient")

    def loop(x, y):
        return fd.lax.fori_loop(0, 3, lambda i, s: s * x - y * s, x)

    def by_hand(x, y):
        s = x
        for _ in range(3):
            s = s * x - y * s
        return s

    assert same_bits(fd.jit(loop)(x, y), by_hand(x, y))
    assert same_bits(fd.jit(loop)(x[0], y[0]), by_hand(x[0], y[0]))
    branch = fd.jit(lambda x, y: fd.lax.cond(x[0] > 0, lambda: x * x - y * y, lambda: x * y - y * y))
    for first in (0.3, -0.3):
        x[0] = first
        assert same_bits(branch(x, y), x * x - y * y if first > 0 else x * y - y * y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_terms_of_a_sum_are_numpys(dtype):
    """The order of a sum is free; its terms are what the user has written. Of two terms there is but one order."""
    a, b, c, d = numbers(dtype, 4, 300)
    pairs, others = np.stack([a, -b], 1), np.stack([d, c], 1)
    assert same_bits(fd.jit(lambda p, q: np.sum(p * q, 1))(pairs, others), a * d - b * c)
    x = np.stack([numbers(dtype, 1000), numbers(dtype, 1000, seed=1)])
    assert same_bits(fd.jit(lambda x: np.sum(x * x - x[::-1] * x[::-1], 0))(x), np.zeros(1000, dtype))


def test_multiply_adds_only_where_order_is_free():
    """In the math library and in products of matrices; a product that the user adds up is rounded before."""

    def text(f, *args):
        return fd.jit(f).lower(*args).compile().llvm

    x = np.ones(100)
    for f in (lambda x: x * x + x, lambda x: np.sum(x * x), lambda x: np.cumsum(x * x)):
        assert not re.search(r"fmul\s+contract|fma", text(f, x)), "the user's product may be fused"
    assert "llvm.fma" in text(np.sin, x)
    assert re.search(r"fmul\s+contract", matvec_function(True, "d").code.write(Target.host()))


def test_no_other_flags_are_in_the_text():
    f = fd.jit(fd.hessian(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2) / np.sqrt(x[0])))
    assert not re.findall(r"\b(?:nnan|ninf|nsz|arcp|afn|reassoc|fast)\b", f.lower(np.ones(20)).compile().llvm)


# -- complex numbers: NumPy's loops fuse a product with a sum, its scalars do not --------------------------------------


@pytest.mark.one_in(2)
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_arithmetic(dtype):
    a, b = numbers(np.float64, 2, 501) + 1j * numbers(np.float64, 2, 501, seed=1)
    a, b = a.astype(dtype), b.astype(dtype)
    functions = {
        "product": lambda a, b: a * b, "quotient": lambda a, b: a / b, "reciprocal": lambda a, b: np.reciprocal(b),
        "square": lambda a, b: a**2, "size": lambda a, b: (a * np.conj(a)).imag, "sum": lambda a, b: a * b - b * a,
        "cube": lambda a, b: integer_power(a, 3),
    }  # fmt: skip
    for name, f in functions.items():
        assert same_bits(fd.jit(f)(a, b), f(a, b)), name
        if name != "square":  # NumPy's power of a scalar is another function
            assert all(same_bits(fd.jit(f)(p, q), f(p, q)) for p, q in zip(a[:50], b[:50], strict=True)), (
                f"{name} of scalars"
            )


def test_complex_scalars_and_arrays_of_one_element_round_as_numpys():
    z = np.complex128(1.1 + 2.3j)
    f = fd.jit(lambda z, w: z * w)
    assert f(z, z.conj()).imag == 0 == (z * z.conj()).imag
    assert same_bits(f(np.array([z]), np.array([z.conj()])), np.array([z]) * np.array([z.conj()]))


# -- conversions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 3, 64])
@pytest.mark.parametrize("target", [np.int64, np.int32, np.int16, np.uint8, np.uint32, np.uint64])
def test_conversion_out_of_range_is_some_number_of_the_dtype(width, target):
    """Poison would be another number at each use."""
    x = np.resize([np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**63, -(2.0**63) - 2048, 300.5, -1.5], width)

    def f(x):
        n = x.astype(target)
        return n, n + 0, n == n, np.where(n > 0, n, n)

    first, second, equal, third = fd.jit(f)(x)
    assert np.all(equal) and np.array_equal(first, second) and np.array_equal(first, third)


@pytest.mark.parametrize(("source", "target"), [*itertools.product((np.int64, np.uint64, np.int32), DTYPES)])
def test_integers_are_rounded_once(source, target):
    rng = np.random.default_rng(3)
    info = np.iinfo(source)
    n = np.concatenate(
        [rng.integers(info.min, info.max, 2000, source), np.array([info.max, info.min, info.max // 2 + 1], source)]
    )
    for width in (len(n), 3, 1):
        assert same_bits(fd.jit(lambda n: n.astype(target))(n[:width]), n[:width].astype(target))


def test_signs_of_zeros():
    z = np.array([-0.0, 0.0, -0.0, -0.0])
    for f in (
        lambda z: np.sum(z),
        lambda z: np.cumsum(z),
        lambda z: np.cumsum(z[:, None] + np.zeros((4, 3)) * -1, 0),
        lambda z: np.sum(z[:2] * 1.0),
    ):
        assert same_bits(fd.jit(f)(z), f(z))
