"""Passes change no result at all: not the sign of a zero, not where a NaN or an infinity appears."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.types import array_type
from functad.passes.pipeline import PIPELINE, optimize
from functad.testing.programs import by_the_evaluator, examples

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, 1e300, -1e300, 1e-310, np.pi)


def special_like(value, rng):
    """A floating-point argument made of zeros of both signs, infinities, NaN, huge and tiny numbers; another one as it
    is.
    """
    dtype = np.asarray(value).dtype
    if dtype.kind not in "fc":
        return value
    result = np.empty(np.shape(value), dtype)
    with np.errstate(over="ignore"):
        for part in (result.real, result.imag) if dtype.kind == "c" else (result,):
            part[...] = rng.choice(SPECIAL, np.shape(value))
    return result[()]


def bits(value):
    """What counts of a result: values, signs of zeros, and where it is NaN (but not which NaN)."""
    value = np.asarray(value)
    if value.dtype.kind not in "fc":
        return value.tolist()
    parts = [value.real, value.imag] if value.dtype.kind == "c" else [value]
    return [[(x, np.signbit(x)) if x == x else "nan" for x in part.ravel()] for part in parts]


def check_at_special_values(example, seed):
    rng = np.random.default_rng(seed)
    args = [special_like(v, rng) for v in example.args]
    for step in dict.fromkeys(PIPELINE):
        with by_the_evaluator():
            assert_exact(example.program, step(example.program), args)


@pytest.mark.deep
@settings(max_examples=80)
@given(examples(most=6), st.integers(0, 2**20))
def test_random_programs_at_special_values(example, seed):
    check_at_special_values(example, seed)


@pytest.mark.deep
@settings(max_examples=400)
@given(examples(most=6), st.integers(0, 2**20))
def test_more_random_programs_at_special_values(example, seed):
    check_at_special_values(example, seed)


def assert_exact(program, rewritten, args):
    for plain, found in zip(run_program(program, args), run_program(rewritten, args), strict=True):
        assert bits(plain) == bits(found), f"rewriting makes {found!r} of {plain!r} at {args}:\n{program}\n{rewritten}"


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "strong_mul", "strong_div", "strong_product", "tangent_mul"]
)
def test_arithmetic_with_constants_that_rules_look_for(name, dtype):
    rng = np.random.default_rng(0)
    if name not in ("add", "sub", "mul") and dtype is np.int64:
        return
    kind = np.dtype(dtype).kind
    zeros = (0, complex(-0.0, -0.0), complex(0, -0.0))
    constants = {"f": (0.0, -0.0, 1.0, -1.0, 2.0, 0.5), "c": (*zeros, 1, -1, 1j), "i": (0, 1, -1, 2)}[kind]
    for constant, shape, first, negated in itertools.product(
        constants, ((), (len(SPECIAL) ** 2,)), (True, False), (True, False)
    ):
        b = ProgramBuilder()
        x = b.input(array_type(shape, dtype))
        operand = b.emit(REGISTRY["neg"], x) if negated else x
        pair = (operand, dtype(constant)) if first else (dtype(constant), operand)
        program = b.build(b.emit(REGISTRY[name], *pair))
        rewritten = optimize(program)
        for value in itertools.product(SPECIAL, SPECIAL) if shape == () else [None]:
            with np.errstate(all="ignore"):
                if kind == "i":
                    arg = np.asarray(rng.integers(-3, 3, shape), dtype)[()]
                elif shape == ():
                    arg = dtype(complex(*value)) if kind == "c" else dtype(value[0])
                else:
                    arg = special_like(np.zeros(shape, dtype), rng)
                assert_exact(program, rewritten, [arg])
