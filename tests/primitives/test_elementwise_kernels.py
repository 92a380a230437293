"""Elementwise kernel rules at special values, run by the kernel IR's evaluator, against the NumPy evaluation, and
series against mpmath.
"""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest

from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.types import array_type
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import KernelProgram
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse
from functad.primitives.arithmetic import add, div, mul, neg, reciprocal, square, sub
from functad.primitives.comparison import eq, ge, gt, isfinite, isinf, isnan, le, lt, ne, signbit
from functad.primitives.complex import make_complex
from functad.primitives.exponential import exp, exp2, expm1, log, log1p, log2, log10, logaddexp, sigmoid, softplus
from functad.primitives.hyperbolic import arccosh, arcsinh, arctanh, cosh, sinh, tanh
from functad.primitives.powers import cbrt, hypot, sqrt
from functad.primitives.rounding import (
    absolute,
    ceil,
    copysign,
    floor,
    floor_divide,
    fmod,
    remainder,
    rint,
    sign,
    trunc,
)
from functad.primitives.selection import maximum, minimum
from functad.primitives.special import digamma, erf, erfc, lgamma
from functad.primitives.trigonometric import arccos, arcsin, arctan, arctan2, cos, sin, tan

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -1.5, 3.0, 1e-310, 1e-200, -1e200, 1000.0, -1000.0, np.inf, -np.inf, np.nan]

ONE = [op.primitive.name for op in (
    neg, square, reciprocal, exp, exp2, expm1, log, log2, log10, log1p, sigmoid, softplus, sin, cos, tan, arcsin,
    arccos, arctan, sinh, cosh, tanh, arcsinh, arccosh, arctanh, sqrt, cbrt, absolute, sign, floor, ceil, rint, trunc,
    isnan, isinf, isfinite, signbit, erf, erfc, lgamma, digamma,
)]  # fmt: skip

TWO = [op.primitive.name for op in (
    add, sub, mul, div, hypot, arctan2, logaddexp, copysign, remainder, floor_divide, fmod, maximum, minimum, eq, ne,
    lt, le, gt, ge, make_complex,
)]  # fmt: skip


def run_kernel(
    name: str, operands: list[np.ndarray], **params: Any
) -> tuple[np.ndarray, np.ndarray, KernelProgram, int]:
    """The result by NumPy, by the kernel, the kernel itself, and its error code."""
    builder = ProgramBuilder()
    inputs = [builder.input(array_type(x.shape, x.dtype)) for x in operands]
    program = builder.build(*builder.equation(REGISTRY[name], inputs, params))
    found = abstract(program)
    fused = fuse(found.program, len(found.symbols)).program
    (out,), error = evaluate_program(fused, [*operands, *found.constants], found.symbols)
    with np.errstate(all="ignore"):
        (expected,) = run_program(program, operands)
    return expected, out.view(expected.dtype)[..., 0] if expected.dtype.kind == "c" else out, fused, error


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_functions_of_special_values(name, dtype):
    with np.errstate(over="ignore"):
        expected, found, _, _ = run_kernel(name, [np.array(SPECIAL).astype(dtype)])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.parametrize("name", [*TWO, "power"])
def test_pairs_of_special_values(name):
    x, y = np.array(list(itertools.product(SPECIAL, repeat=2))).T.copy()
    expected, found, _, _ = run_kernel(name, [x, y])
    if found.dtype.kind == "c":
        found, expected = found.view(np.float64), expected.view(np.float64)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.uint8])
@pytest.mark.parametrize("exponent", [0, 3, 7, 12])
@pytest.mark.parametrize("coefficient", [1, 6])
def test_integer_power(dtype, exponent, coefficient):
    x = np.array([0, 1, 2, 3, 5]).astype(dtype)
    expected, found, _, _ = run_kernel("integer_power", [x], exponent=exponent, coefficient=coefficient)
    np.testing.assert_array_equal(found, expected)
    whole = [coefficient * v**exponent for v in (0, 1, 2, 3, 5)]
    np.testing.assert_array_equal(expected, np.array([v % 256 for v in whole] if dtype is np.uint8 else whole, dtype))


@pytest.mark.parametrize("exponent", [-1, -2, -5])
def test_negative_integer_power(exponent):
    x = np.array([0.0, -0.0, 2.0, -4.0, 1e200, np.inf, -np.inf, np.nan])
    for coefficient in (1, -4):
        expected, found, _, _ = run_kernel("integer_power", [x], exponent=exponent, coefficient=coefficient)
        np.testing.assert_array_equal(found, expected)
        with np.errstate(divide="ignore"):
            np.testing.assert_array_equal(expected, coefficient * np.power(x, float(exponent)))


@pytest.mark.parametrize("order", [1, 2, 3, 4, 7])
def test_polygamma(order):
    """From far left, over the poles, the half-integers (where the cotangent of the reflection is 0) to far right."""
    x = np.array([-1000.3, -20.4, -2.7, -1.5, -0.5, -1e-3, 1e-5, 0.01, 0.5, 1.0, 3.7, 10.0, 50.0, 1e3, 1e30])
    _, found, _, _ = run_kernel("polygamma", [x], order=order)
    with mpmath.workdps(40):
        expected = np.array([float(mpmath.polygamma(order, mpmath.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(found, expected, rtol=2e-15)
    poles = np.array([0.0, -1.0, -30.0, np.inf, np.nan])
    expected, found, _, _ = run_kernel("polygamma", [poles], order=order)
    np.testing.assert_array_equal(found, expected)


def test_negative_integer_power_of_an_integer_raises():
    x, y = np.array([2, 3, 4]), np.array([3, -1, 0])
    with pytest.raises(ValueError, match=r"integers have no negative integer powers; use x\.astype\(float\)"):
        run_kernel("signed_power", [x, y])
    expected, found, _, error = run_kernel("signed_power", [x, np.abs(y)])
    np.testing.assert_array_equal(found, expected)
    assert error == 0
    builder = ProgramBuilder()
    program = builder.build(
        *builder.equation(REGISTRY["signed_power"], [builder.input(array_type((3,), np.int64)) for _ in "xy"], {})
    )
    fused = fuse(program).program
    (_,), error = evaluate_program(fused, [x, y])
    assert fused.checks[error - 1].error == "ArgumentError"
    assert "astype(float)" in fused.checks[error - 1].message


@pytest.mark.parametrize("target", [np.float32, np.complex64, np.complex128, np.bool_, np.int64, np.int32])
def test_convert(target):
    x = np.array([0.0, -0.0, 1.5, -2.5, 100.0])
    expected, found, _, _ = run_kernel("convert", [x], dtype=np.dtype(target))
    np.testing.assert_array_equal(found, expected)


def test_select_keeps_what_it_does_not_take_out():
    pred, x = np.array([True, False] * 2), np.array([1.0, np.nan, np.inf, 2.0])
    expected, found, _, _ = run_kernel("select", [pred, x, x[::-1].copy()])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(expected, [1.0, np.inf, np.inf, 1.0])
