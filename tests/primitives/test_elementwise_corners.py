"""Derivatives at kinks, ties, singular points and infinities: closed forms, in every mode."""

from __future__ import annotations

from fractions import Fraction
from math import copysign as signed
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from functad.primitives.arithmetic import add, div, mul, reciprocal, square
from functad.primitives.comparison import eq, gt
from functad.primitives.complex import make_complex
from functad.primitives.convert import convert
from functad.primitives.exponential import exp, expm1, log, log1p, logaddexp, sigmoid, softplus
from functad.primitives.hyperbolic import arccosh, arctanh, tanh
from functad.primitives.powers import cbrt, hypot, integer_power, power, sqrt
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
from functad.primitives.selection import clip, maximum, minimum, select
from functad.primitives.special import erf
from functad.primitives.trigonometric import arccos, arcsin, arctan, arctan2
from tests.primitives.strict_derivatives import FORWARD, MODES, REVERSE, derivative, partial


def assert_derivatives(f: Any, point: tuple[float, ...], expected: dict[tuple[int, ...], float]) -> None:
    """The derivatives of f in the operands at given positions, exactly or to the last bits, NaN equal to NaN."""
    for positions, value in expected.items():
        for name, modes in MODES.items():
            found = derivative(f, positions, modes)(*map(np.float64, point))
            assert found == pytest.approx(value, rel=1e-15, abs=0, nan_ok=True), f"{name}, in {positions} at {point}"


def orders(*values: float) -> dict[tuple[int, ...], float]:
    """The value of a function of one operand, then its first, second, ... derivative."""
    return {(0,) * order: value for order, value in enumerate(values)}


# -- kinks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_abs_has_derivative_zero_at_zero(zero):
    assert_derivatives(absolute, (zero,), orders(0, 0, 0, 0))


@pytest.mark.parametrize("x", [-inf, -2.5, 2.5, inf])
def test_abs_away_from_zero(x):
    assert_derivatives(absolute, (x,), orders(abs(x), signed(1, x), 0, 0))


def test_abs_of_complex_zero():
    """The derivative of |z| is 0 at 0, and finite beyond: a gradient does not become NaN when z vanishes."""

    def f(x, y):
        return absolute(make_complex(x, y))

    assert_derivatives(f, (0.0, 0.0), {(0,): 0, (1,): 0, (0, 0): 0, (0, 1): 0, (1, 1): 0})


def test_relu_by_select_has_derivative_zero_at_zero():
    def relu(x):
        return select(gt(x, 0), x, 0)

    assert_derivatives(relu, (0.0,), orders(0, 0, 0))
    assert_derivatives(relu, (2.0,), orders(2, 1, 0))
    assert_derivatives(relu, (-2.0,), orders(0, 0, 0))


@pytest.mark.parametrize("extremum", [maximum, minimum])
@pytest.mark.parametrize("tie", [(2.0, 2.0), (0.0, -0.0), (inf, inf), (-inf, -inf)])
def test_ties_share_equally(extremum, tie):
    assert_derivatives(extremum, tie, {(0,): 0.5, (1,): 0.5, (0, 0): 0, (0, 1): 0, (1, 1): 0})


def test_the_larger_takes_all():
    assert_derivatives(maximum, (3.0, 2.0), {(0,): 1, (1,): 0})
    assert_derivatives(maximum, (-inf, inf), {(0,): 0, (1,): 1})
    assert_derivatives(minimum, (3.0, 2.0), {(0,): 0, (1,): 1})


def test_an_operand_that_ties_with_itself_keeps_its_whole_derivative():
    assert_derivatives(lambda x: maximum(x, x), (3.0,), orders(3, 1, 0))
    assert_derivatives(lambda x: mul(maximum(x, x), x), (3.0,), orders(9, 6, 2, 0))


def test_an_extremum_drops_an_infinite_tangent():
    assert partial(lambda x: maximum(sqrt(x), 1), 0, FORWARD)(np.float64(0)) == 0  # where 0 * inf would be NaN


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0.5, 0.0, 1.0), (1, 0, 0)),
        ((-0.5, 0.0, 1.0), (0, 1, 0)),
        ((1.5, 0.0, 1.0), (0, 0, 1)),
        ((0.0, 0.0, 1.0), (0.5, 0.5, 0)),
        ((1.0, 0.0, 1.0), (0.5, 0, 0.5)),
        ((5.0, 2.0, 1.0), (0, 0, 1)),  # bounds in the wrong order: the upper one, as in NumPy
        ((-inf, 0.0, 1.0), (0, 1, 0)),
    ],
)
def test_clip(point, expected):
    assert_derivatives(
        clip, point, {(): np.clip(*point), **{(i,): value for i, value in enumerate(expected)}, (0, 0): 0, (0, 1): 0}
    )


def test_copysign():
    for x, y in [(2.0, 3.0), (2.0, -0.0), (-2.0, 0.0), (-2.0, -3.0)]:
        assert_derivatives(copysign, (x, y), {(0,): signed(1, x) * signed(1, y), (1,): 0, (0, 0): 0})
    assert_derivatives(copysign, (0.0, -1.0), {(0,): 0, (1,): 0})


@pytest.mark.parametrize("f", [floor, ceil, trunc, rint, sign])
@pytest.mark.parametrize("x", [-1.5, -1.0, 0.0, 0.3, 2.0])
def test_piecewise_constant(f, x):
    assert_derivatives(f, (x,), {(0,): 0, (0, 0): 0})
    assert_derivatives(lambda x: mul(f(x), x), (x,), {(0,): float(f(np.float64(x)))})


# -- singular points ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [(sqrt, 0.0, inf), (cbrt, 0.0, inf), (log, 0.0, inf), (log1p, -1.0, inf), (arcsin, 1.0, inf), (arcsin, -1.0, inf),
        (arccos, 1.0, -inf),
     (arctanh, 1.0, inf), (arctanh, -1.0, inf), (arccosh, 1.0, inf), (reciprocal, 0.0, -inf)],
)  # fmt: skip
def test_infinite_slopes(f, x, slope):
    assert_derivatives(f, (x,), {(0,): slope})


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (0.0, (1, 0, 0, 0)),
        (1.0, (0, 1, 0, 0)),
        (2.0, (0, 0, 2, 0)),
        (3.0, (0, 0, 0, 6)),
        (4.0, (0, 0, 0, 0)),
        (2.5, (0, 0, 0, inf)),
        (1.5, (0, 0, inf, -inf)),
        (0.5, (0, inf, -inf, inf)),
        (-1.0, (inf, -inf, inf, -inf)),
    ],
)
def test_power_of_zero(y, expected):
    assert_derivatives(lambda x: power(x, np.float64(y)), (0.0,), orders(*expected))
    assert_derivatives(power, (0.0, y), orders(*expected))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_integer_power_of_zero(n):
    factorial = {0: 1, 1: 1, 2: 2, 3: 6}.get(n)
    assert_derivatives(lambda x: integer_power(x, n), (0.0,), orders(*[factorial if k == n else 0 for k in range(4)]))


@pytest.mark.parametrize("y", [1.5, 2.0, 3.0])
def test_power_of_zero_does_not_depend_on_a_positive_exponent(y):
    assert_derivatives(power, (0.0, y), {(1,): 0, (1, 1): 0, (0, 1): 0, (1, 0): 0, (1, 1, 1): 0})


def test_zero_to_the_zero_has_finite_derivatives():
    assert_derivatives(power, (0.0, 0.0), {(): 1, (0,): 0, (1,): 0, (0, 0): 0, (0, 1): 0, (1, 0): 0, (1, 1): 0})


def test_mixed_derivative_of_a_power_where_the_exponent_is_zero():
    """d/dy d/dx x^y = x^(y-1) (1 + y log x) is 1 / x at y = 0, although d/dx x^y is 0 there for every x."""
    assert_derivatives(power, (4.0, 0.0), {(0,): 0, (0, 1): 0.25, (1, 0): 0.25})


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 3])
def test_integer_valued_power_of_a_negative_number(n):
    slopes = orders(
        (-2.0) ** n, n * (-2.0) ** (n - 1), n * (n - 1) * (-2.0) ** (n - 2), n * (n - 1) * (n - 2) * (-2.0) ** (n - 3)
    )
    assert_derivatives(lambda x: power(x, np.float64(n)), (-2.0,), slopes)
    assert_derivatives(power, (-2.0, float(n)), slopes)
    assert_derivatives(power, (-2.0, float(n)), {(1,): nan})  # x^y is not real beside an integer y


def test_hypot_at_the_origin_is_a_kink():
    assert_derivatives(hypot, (0.0, 0.0), {(): 0, (0,): 0, (1,): 0, (0, 0): 0, (0, 1): 0, (1, 1): 0, (0, 0, 1): 0})


def test_hypot_on_an_axis():
    assert_derivatives(hypot, (0.0, 4.0), {(0,): 0, (1,): 1, (0, 0): 0.25, (0, 1): 0, (1, 1): 0, (0, 0, 1): -1 / 16})


def test_arctan2_on_the_axes():
    for zero in (0.0, -0.0):
        assert_derivatives(arctan2, (zero, -2.0), {(0,): -0.5, (1,): 0, (0, 0): 0, (0, 1): -0.25, (1, 1): 0})
        assert_derivatives(arctan2, (2.0, zero), {(0,): 0, (1,): -0.5, (1, 1): 0, (1, 0): 0.25})
    assert_derivatives(arctan2, (1e-200, 1e-200), {(0,): 5e199, (1,): -5e199})
    assert_derivatives(arctan2, (1e200, 1e200), {(0,): 5e-201, (1,): -5e-201})


def test_division_stays_finite_where_the_quotient_does():
    assert_derivatives(div, (0.0, 2.0), {(0,): 0.5, (1,): 0, (0, 1): -0.25, (1, 1): 0})
    assert_derivatives(div, (3.0, inf), {(0,): 0, (1,): 0, (1, 1): 0})


# -- saturation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [1000.0, 1e300, inf])
def test_saturation(x):
    for f, left, right in [(sigmoid, 0, 1), (tanh, -1, 1)]:
        assert_derivatives(f, (-x,), orders(left, 0, 0, 0))
        assert_derivatives(f, (x,), orders(right, 0, 0, 0))
    assert_derivatives(erf, (-x,), orders(-1, 0))
    assert_derivatives(erf, (x,), orders(1, 0))
    assert_derivatives(softplus, (x,), orders(x, 1, 0, 0))
    assert_derivatives(softplus, (-x,), orders(0, 0, 0, 0))
    assert_derivatives(exp, (-x,), orders(0, 0, 0, 0))
    assert_derivatives(expm1, (-x,), orders(-1, 0, 0, 0))
    assert_derivatives(arctan, (x,), {(0,): 1 / (1 + x * x)})


@pytest.mark.parametrize(
    ("point", "share"),
    [((1000.0, 0.0), 1), ((0.0, 1000.0), 0), ((-1000.0, -1000.0), 0.5), ((0.0, -inf), 1), ((inf, 0.0), 1),
        ((inf, -inf), 1),
     ((inf, inf), 0.5), ((-inf, -inf), 0.5)],
)  # fmt: skip
def test_logaddexp_saturates(point, share):
    assert_derivatives(logaddexp, point, {(): np.logaddexp(*point), (0,): share, (1,): 1 - share})
    curvature = 0.25 if share == 0.5 and np.isfinite(point[0]) else 0  # both infinite: they share, and nothing moves
    assert_derivatives(
        logaddexp, point, {(0, 0): curvature, (1, 1): curvature, (0, 1): -curvature, (0, 0, 0): 0, (0, 0, 1): 0}
    )


# -- select: nothing leaks out of the branch not taken, if its operand is guarded --------------------------------------


@pytest.mark.parametrize("unsafe", [sqrt, log, reciprocal, arccosh])
@pytest.mark.parametrize("x", [0.0, -1.0])
def test_guarded_branch_does_not_leak(unsafe, x):
    def f(x):
        ok = gt(x, 0)
        return select(ok, unsafe(select(ok, x, 2)), mul(x, 3))

    assert_derivatives(f, (x,), orders(3 * x, 3, 0, 0))


def test_branch_not_taken_gets_no_derivative():
    assert_derivatives(lambda x, y: select(eq(x, x), x, y), (2.0, nan), {(): 2, (0,): 1, (1,): 0})
    assert_derivatives(lambda x, y: select(eq(x, x), y, x), (nan, 2.0), {(): nan, (0,): 1, (1,): 0})


# -- remainders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [5.5, -5.5])
@pytest.mark.parametrize("y", [2.0, -2.0])
def test_remainders(x, y):
    assert_derivatives(remainder, (x, y), {(): x % y, (0,): 1, (1,): -(x // y), (0, 1): 0, (1, 1): 0})
    assert_derivatives(fmod, (x, y), {(): np.fmod(x, y), (0,): 1, (1,): -np.trunc(x / y), (0, 1): 0, (1, 1): 0})
    assert_derivatives(floor_divide, (x, y), {(): x // y, (0,): 0, (1,): 0})


def test_quotient_of_a_remainder_is_exact():
    """The quotient in d(x mod y)/dy is that of the exact numbers, also where x / y rounds up to a whole one."""
    rng = np.random.default_rng(0)
    rounded_up = 0
    for _ in range(200):
        y = np.float64(rng.uniform(0.1, 1))
        x = np.nextafter(rng.integers(3, 1000) * y, 0)
        exact = Fraction(float(x)) // Fraction(float(y))
        rounded_up += int(np.trunc(x / y)) != exact
        assert partial(remainder, 1, REVERSE)(x, y) == -exact
        assert partial(fmod, 1, REVERSE)(x, y) == -exact
    assert rounded_up > 5  # the test would see a quotient that is rounded


# -- dtypes ------------------------------------------------------------------------------------------------------------


def test_convert_moves_tangents_through_precisions():
    def f(x):
        return square(convert(convert(x, np.float32), np.float64))

    assert_derivatives(f, (0.5,), orders(0.25, 1, 2, 0))
    assert partial(f, 0, REVERSE)(np.float64(0.5)).dtype == np.float64


def test_convert_to_integers_has_no_derivative():
    assert_derivatives(lambda x: add(convert(convert(x, np.int64), np.float64), mul(x, 3)), (2.5,), orders(9.5, 3, 0))


def test_convert_from_complex_transposes_to_the_real_part():
    assert partial(lambda x: mul(convert(x, np.complex128), 2 + 3j), 0, REVERSE)(np.float64(0.5)) == 2
