"""functad's scalar math against mpmath, in ulps over the whole range, and exactly where IEEE 754 and C99 say what the
result is.
"""

from __future__ import annotations

import functools
import importlib
import math
import pkgutil
import platform
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
import pytest

import functad.lower.math as library
from functad import config
from functad.kernel_ir.lines import Lines
from functad.lower.llvm.lanes import Lanes
from functad.lower.llvm.target import Target
from functad.lower.math import MATH
from functad.lower.native.c_library import libm_function
from functad.lower.native.machine import machine_code
from tests.tools.array_function import ArrayFunction
from tools import minimax

DTYPES = {"f64": np.dtype(np.float64), "f32": np.dtype(np.float32)}
LARGEST_ERROR = 2.0  # ulp, what the library promises
LARGEST_ERROR_OF_SLOPES = 4.0

mp.mp.prec = 200

Reference = Callable[..., mp.mpf]


@functools.cache
def compiled(name: str, dtype: str, arity: int = 1, width: int | None = None) -> ArrayFunction:
    return ArrayFunction(MATH[name], dtype, arity, width)


def apply(name: str, dtype: str, *arrays: np.ndarray, width: int | None = None) -> np.ndarray:
    return compiled(name, dtype, len(arrays), width)(*(np.asarray(x, DTYPES[dtype]) for x in arrays))


@dataclass(frozen=True)
class Case:
    """A function's exact value, where it is interesting, and beyond what |x| only its limits are of interest."""

    exact: Reference
    intervals: tuple[tuple[float, float], ...]
    points: tuple[float, ...] = ()
    far: float = math.inf


def softplus(x: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(x)) if x < 200 else x + mp.exp(-x)


CASES = {
    "exp": Case(
        mp.exp, ((-20, 20), (-1, 1)), (709.782712893384, -708.396, -745.1332, 88.72284, -87.336, -103.97), far=1e4
    ),
    "exp2": Case(
        lambda x: mp.mpf(2) ** x,
        ((-20, 20), (-1, 1)),
        (1024.0, -1022.0, -1075.0, 128.0, -126.0, -150.0, 0.5, -0.5),
        far=1e4,
    ),
    "expm1": Case(
        mp.expm1,
        ((-20, 20), (-1, 1), (0.34, 0.45)),
        (709.782712893384, 88.72284, -37.4, -17.3, 0.34657, 1e-16, 1e-7),
        far=1e4,
    ),
    "sigmoid": Case(
        lambda x: 1 / (1 + mp.exp(-x)), ((-20, 20), (-5, -4)), (-709.78, -745.1, 36.7, -88.7, -103.97, 16.6), far=1e4
    ),
    "log": Case(mp.log, ((0, 4), (0.6, 1.5)), (1.0, 2.0**0.5, 0.5**0.5, 2.2250738585072014e-308, 1.1754944e-38)),
    "log2": Case(
        lambda x: mp.log(x, 2), ((0, 4), (0.6, 1.5)), (1.0, 2.0**0.5, 0.5**0.5, 2.2250738585072014e-308, 1.1754944e-38)
    ),
    "log10": Case(mp.log10, ((0, 4), (0.6, 1.5)), (1.0, 2.0**0.5, 0.5**0.5, 2.2250738585072014e-308, 1.1754944e-38)),
    "log1p": Case(mp.log1p, ((-1, 3), (-0.3, 0.5), (0.3, 0.5)), (0.0, 2.0**0.5 - 1, 0.5**0.5 - 1, -1.0, 1e16, 1e8)),
    "softplus": Case(softplus, ((-20, 20), (-1, 1)), (0.0, -745.1, -103.9, 36.7)),
    "sin": Case(
        mp.sin, ((-4, 4), (-100, 100)), (*(k * math.pi / 4 for k in range(1, 9)), 1e5, 2.0**40, 2.0**17, 22.0, 1e15)
    ),
    "cos": Case(
        mp.cos, ((-4, 4), (-100, 100)), (*(k * math.pi / 4 for k in range(9)), 1e5, 2.0**40, 2.0**17, 11.0, 1e15)
    ),
    "tan": Case(
        mp.tan, ((-4, 4), (-100, 100)), (*(k * math.pi / 4 for k in range(1, 9)), 1e5, 2.0**40, 2.0**17, 11.0, 1e15)
    ),
    "arcsin": Case(mp.asin, ((-1, 1), (0.4, 0.6)), (0.5, 1.0)),
    "arccos": Case(mp.acos, ((-1, 1), (0.4, 0.6)), (0.5, -0.5, 0.0, 1.0, -1.0)),
    "arctan": Case(mp.atan, ((-10, 10), (0.8, 1.2)), (1.0,)),
    "sinh": Case(
        mp.sinh, ((-20, 20), (-1, 1), (18, 19), (7, 9)), (710.4758, 89.41598, 0.34657, 2.2250738585072014e-308), far=1e4
    ),
    "cosh": Case(mp.cosh, ((-20, 20), (-1, 1), (18, 19), (7, 9)), (710.4758, 89.41598, 0.34657), far=1e4),
    "tanh": Case(mp.tanh, ((-10, 10), (-1, 1), (0.1, 0.3)), (0.55, 19.06, 9.01, 22.0, 10.0), far=1e4),
    "arcsinh": Case(mp.asinh, ((-10, 10), (0.2, 0.5)), (2.0**60, 2.0**30, 1e-8)),
    "arccosh": Case(mp.acosh, ((1, 10), (1, 1.1)), (1.0, 2.0**60, 2.0**30)),
    "arctanh": Case(mp.atanh, ((-1, 1), (0.05, 0.3)), (0.5, 1.0)),
    "cbrt": Case(lambda x: mp.sign(x) * mp.cbrt(abs(x)), ((-10, 10), (0.7, 1.5)), (8.0, 27.0, 1e-300, 1e-40)),
    "erf": Case(mp.erf, ((-6, 6), (0.9, 1.3)), (1.0, 5.86, 3.83), far=30),
    "erfc": Case(mp.erfc, ((-6, 6), (0.4, 1.0), (6, 28)), (0.75, 26.54, 27.2, 9.19, 10.05, -5.86), far=30),
}


SLOPES = {
    "expm1_slope": Case(
        mp.exp, ((-20, 20), (-1, 1)), (709.78, -708.396, -745.1332, 88.72284, -87.336, -103.97), far=1e4
    ),
    "sigmoid_slope": Case(
        lambda x: 1 / (2 + mp.exp(x) + mp.exp(-x)),
        ((-20, 20), (-5, -4)),
        (-709.78, -745.1, 36.7, -88.7, -103.97),
        far=1e4,
    ),
    "tanh_slope": Case(
        lambda x: 1 / mp.cosh(x) ** 2, ((-10, 10), (-1, 1), (0.5, 0.6)), (0.55, 19.06, 9.01, 354.0, 43.5), far=1e4
    ),
    "tanh_half": Case(lambda x: mp.tanh(x / 2), ((-10, 10), (-1, 1), (0.5, 0.6)), (0.5, 38.0, 9.01), far=1e4),
}
"""Derivatives that are functions of their own, and what they are made of; beyond what |x| is subnormal they may be 0.
"""


def samples(case: Case, dtype: str) -> np.ndarray:
    """Uniform on the intervals, uniform in the bits of the number, and the neighbours of special points and their
    negatives.
    """
    rng = np.random.default_rng(7)
    like = DTYPES[dtype]
    uniform = [rng.uniform(low, high, 800) for low, high in case.intervals]
    bits = any_bits(rng, 1500, dtype)
    near = []
    for point in (*case.points, 0.0):
        for sign in (1, -1):
            at = np.asarray(sign * point, like)
            for toward in (-np.inf, np.inf):
                x = at
                for _ in range(4):
                    near.append(float(x))
                    x = np.nextafter(x, like.type(toward))
    x = np.concatenate([*(u.astype(like) for u in uniform), bits, np.array(near, like)])
    return x[np.isfinite(x) & (np.abs(x) < case.far)]


def any_bits(rng: np.random.Generator, n: int, dtype: str) -> np.ndarray:
    """Finite numbers, uniform in their bits."""
    like = DTYPES[dtype]
    x = rng.integers(0, 2 ** (8 * like.itemsize), n, dtype=f"u{like.itemsize}").view(like)
    return x[np.isfinite(x)]


def ulps(got: float, exact: mp.mpf, dtype: str) -> float:
    """The error in units of the last place that the exact value has in the format; overflow counts as the next number
    after the largest.
    """
    info = np.finfo(DTYPES[dtype])
    digits, overflow = info.nmant, mp.mpf(2) ** int(info.maxexp)
    if mp.isnan(exact):
        return 0.0 if math.isnan(got) else math.inf
    if math.isnan(got):
        return math.inf
    value = mp.sign(got) * overflow if math.isinf(got) else mp.mpf(got)
    target = mp.sign(exact) * min(abs(exact), overflow)
    exponent = mp.frexp(target)[1] - 1 if target else info.minexp
    last_place = mp.mpf(2) ** (max(min(exponent, int(info.maxexp) - 1), int(info.minexp)) - digits)
    return float(abs(value - target) / last_place)


def exactly(reference: Reference, *operands: float) -> mp.mpf:
    """The real value, or NaN where there is none."""
    try:
        value = reference(*(mp.mpf(x) for x in operands))
    except ZeroDivisionError:
        return mp.nan
    return mp.nan if isinstance(value, mp.mpc) else value


def assert_accurate(name: str, dtype: str, reference: Reference, *operands: np.ndarray) -> None:
    got = apply(name, dtype, *operands)
    for value, *point in zip(got.tolist(), *(x.tolist() for x in operands), strict=True):
        exact = exactly(reference, *point)
        error = ulps(value, exact, dtype)
        assert error <= LARGEST_ERROR, (
            f"{name}{tuple(point)} in {dtype} is {value!r}, not {mp.nstr(exact, 20)}: {error:.2f} ulp"
        )


@pytest.mark.one_in(4)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_unary_functions_are_within_two_ulp(name: str, dtype: str) -> None:
    assert_accurate(name, dtype, CASES[name].exact, samples(CASES[name], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SLOPES)
def test_slopes_are_nearly_as_accurate(name: str, dtype: str) -> None:
    """A product of a few factors; subnormal results may be 0."""
    x, tiny = samples(SLOPES[name], dtype), mp.mpf(float(np.finfo(DTYPES[dtype]).tiny))
    for value, point in zip(apply(name, dtype, x).tolist(), x.tolist(), strict=True):
        exact = SLOPES[name].exact(mp.mpf(point))
        right = ulps(value, exact, dtype) <= LARGEST_ERROR_OF_SLOPES or abs(exact - value) < tiny
        assert right, f"{name}({point}) in {dtype} is {value!r}, not {mp.nstr(exact, 20)}"


PARTS = {"unit_x": (1, 0), "unit_y": (1, 1), "x_over_square": (2, 0), "y_over_square": (2, 1)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_vector_over_its_length_are_within_four_ulp(name: str, dtype: str) -> None:
    power, part = PARTS[name]
    operands = pairs(dtype, ((-5, 5), (-5, 5)), ((0.9, 1.1), (0.9, 1.1)), ((-1e-30, 1e-30), (-5, 5)))
    for value, *point in zip(apply(name, dtype, *operands).tolist(), *(x.tolist() for x in operands), strict=True):
        exact = exactly(lambda x, y: (x, y)[part] / mp.hypot(x, y) ** power, *point)
        assert ulps(value, exact, dtype) <= LARGEST_ERROR_OF_SLOPES, (
            f"{name}{tuple(point)} in {dtype} is {value!r}, not {mp.nstr(exact, 20)}"
        )


def pairs(
    dtype: str, *boxes: tuple[tuple[float, float], tuple[float, float]], bits: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform on boxes, and uniform in the bits."""
    rng = np.random.default_rng(11)
    like = DTYPES[dtype]
    xs = [rng.uniform(*x, 600).astype(like) for x, _ in boxes]
    ys = [rng.uniform(*y, 600).astype(like) for _, y in boxes]
    raw = any_bits(rng, 2 * bits, dtype)
    half = raw.size // 2
    return np.concatenate([*xs, raw[:half]]), np.concatenate([*ys, raw[half : 2 * half]])


def exact_power(x: mp.mpf, y: mp.mpf) -> mp.mpf:
    if x >= 0:
        return mp.power(x, y) if x or y > 0 else mp.inf
    if y != mp.floor(y):
        return mp.nan
    magnitude = mp.power(-x, y)
    return -magnitude if int(y) % 2 else magnitude


@pytest.mark.parametrize("dtype", DTYPES)
def test_power_is_within_two_ulp(dtype: str) -> None:
    far = 150.0 if dtype == "f64" else 20.0
    box = (((0, 5), (-5, 5)), ((0, 100), (-far, far)), ((0.99, 1.01), (-1e4, 1e4)))
    x, y = pairs(dtype, *box, bits=0)
    assert_accurate("power", dtype, exact_power, x, y)
    # Whole exponents of negative numbers; results that are subnormal.
    whole = np.round(y)
    assert_accurate("power", dtype, exact_power, -x, whole)
    least = 2.0 ** np.linspace(-1074, -1020, 60) if dtype == "f64" else 2.0 ** np.linspace(-149, -120, 60)
    base = np.full(60, 0.37, DTYPES[dtype])
    assert_accurate("power", dtype, exact_power, base, np.asarray(np.log(least) / np.log(0.37), DTYPES[dtype]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arctan2_and_hypot_are_within_two_ulp(dtype: str) -> None:
    x, y = pairs(dtype, ((-5, 5), (-5, 5)), ((0.9, 1.1), (0.9, 1.1)), ((-1e-30, 1e-30), (-5, 5)))
    assert_accurate("arctan2", dtype, mp.atan2, x, y)
    assert_accurate("hypot", dtype, mp.hypot, x, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logaddexp_is_as_accurate_as_its_terms(dtype: str) -> None:
    """Where the two terms of max + log1p(exp(-|x - y|)) cancel, the error is within 2 ulp of the larger of them."""
    x, y = pairs(dtype, ((0, 50), (0, 50)), ((-1, 1), (-1, 1)), ((-1000, 1000), (-1000, 1000)), bits=0)
    got = apply("logaddexp", dtype, x, y)
    for value, a, b in zip(got.tolist(), x.tolist(), y.tolist(), strict=True):
        larger, smaller = mp.mpf(max(a, b)), mp.mpf(min(a, b))
        exact = larger + mp.log1p(mp.exp(smaller - larger))
        scale = max(abs(exact), abs(larger), mp.log1p(mp.exp(smaller - larger)))
        assert abs(value - exact) <= LARGEST_ERROR * np.spacing(DTYPES[dtype].type(float(scale)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_fmod_is_exact(dtype: str) -> None:
    x, y = pairs(dtype, ((-50, 50), (-5, 5)), ((-1e6, 1e6), (0, 1e-3)), ((0, 9), (1, 3)))
    x, y = np.append(x, np.arange(-9.0, 9.0)), np.append(y, np.repeat([0.1, 3.0], 9))
    x, y = x.astype(DTYPES[dtype]), y.astype(DTYPES[dtype])
    np.testing.assert_array_equal(apply("fmod", dtype, x, y), np.fmod(x, y))


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 1.5, 1e30, -1e30, math.inf, -math.inf, math.nan)
IN_NUMPY = [name for name in MATH if hasattr(np, name)]


def assert_same_where_special(got: np.ndarray, expected: np.ndarray, *operands: np.ndarray) -> None:
    """Equal where the expected value is 0 (with its sign), infinite or NaN, and nowhere else."""
    special = ~np.isfinite(expected) | (expected == 0)
    same = (np.isnan(got) & np.isnan(expected)) | ((got == expected) & (np.signbit(got) == np.signbit(expected)))
    wrong = ~np.where(special, same, np.isfinite(got) & (got != 0))
    assert not wrong.any(), (
        f"at {[x[wrong].tolist() for x in operands]}: {got[wrong].tolist()}, not {expected[wrong].tolist()}"
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", IN_NUMPY)
def test_zeros_infinities_and_nan_come_out_as_in_numpy(name: str, dtype: str) -> None:
    like = DTYPES[dtype]
    info = np.finfo(like)
    x = np.array([*SPECIAL, info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal], like)
    operands = (x,) if getattr(np, name).nin == 1 else tuple(a.ravel() for a in np.meshgrid(x, x))
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(*operands)
    assert_same_where_special(apply(name, dtype, *operands), expected, *operands)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("sigmoid", {-math.inf: 0.0, math.inf: 1.0, 0.0: 0.5, math.nan: math.nan}),
        ("softplus", {-math.inf: 0.0, math.inf: math.inf, math.nan: math.nan}),
        ("erf", {-math.inf: -1.0, math.inf: 1.0, 0.0: 0.0, math.nan: math.nan}),
        ("erfc", {-math.inf: 2.0, math.inf: 0.0, 0.0: 1.0, math.nan: math.nan}),
    ],
)
def test_limits_of_functions_that_numpy_lacks(name: str, points: dict[float, float], dtype: str) -> None:
    np.testing.assert_array_equal(apply(name, dtype, list(points)), np.array(list(points.values()), DTYPES[dtype]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_odd_functions_are_odd_to_the_last_bit(dtype: str) -> None:
    for name in ("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cbrt", "erf"):
        x = np.append(samples(CASES[name], dtype), 0.0)
        got, mirrored = apply(name, dtype, x), apply(name, dtype, -x)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(mirrored), err_msg=name)
        finite = ~np.isnan(got)
        np.testing.assert_array_equal(got[finite], -mirrored[finite], err_msg=name)
        np.testing.assert_array_equal(np.signbit(got[finite]), ~np.signbit(mirrored[finite]), err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_results_are_exact(dtype: str) -> None:
    like = DTYPES[dtype]
    info = np.finfo(like)
    k = np.arange(info.minexp - info.nmant, info.maxexp)
    powers = np.ldexp(like.type(1), k)
    np.testing.assert_array_equal(apply("exp2", dtype, k), powers)
    np.testing.assert_array_equal(apply("log2", dtype, powers), k)
    tens = 10.0 ** np.arange(23 if dtype == "f64" else 11)
    np.testing.assert_array_equal(apply("log10", dtype, tens), np.arange(tens.size))
    whole = np.arange(-60.0, 60.0)
    np.testing.assert_array_equal(apply("cbrt", dtype, whole**3), whole)
    np.testing.assert_array_equal(apply("power", dtype, whole, np.full(whole.size, 3.0)), whole**3)
    np.testing.assert_array_equal(apply("hypot", dtype, 3 * whole, 4 * whole), 5 * np.abs(whole))
    assert apply("cos", dtype, [0.0, 1e-30]).tolist() == [1.0, 1.0]
    assert apply("exp", dtype, [0.0, -0.0]).tolist() == [1.0, 1.0]
    assert apply("power", dtype, [7.3, -7.3], [0.0, 1.0]).tolist() == [1.0, float(like.type(-7.3))]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sine_and_cosine_stay_within_one(dtype: str) -> None:
    x = (np.arange(-400, 400) * (math.pi / 2)).astype(DTYPES[dtype])
    for name in ("sin", "cos"):
        assert np.abs(apply(name, dtype, x)).max() == 1.0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_arguments_among_small_ones(name: str, dtype: str) -> None:
    """The rare path replaces the lanes that need it and no others, whichever they are."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-3, 3, 512).astype(DTYPES[dtype])
    huge = rng.random(512) < 0.1
    x[huge] *= 1e25
    assert_accurate(name, dtype, CASES[name].exact, x)
    small = np.where(huge, 0, x)
    np.testing.assert_array_equal(apply(name, dtype, x)[~huge], apply(name, dtype, small)[~huge])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "log", "sin", "tanh", "erfc", "cbrt"])
def test_every_width_gives_the_same_bits(name: str, dtype: str) -> None:
    x = samples(CASES[name], dtype)
    native = Target.host().lanes(DTYPES[dtype].itemsize)
    expected = apply(name, dtype, x, width=1)
    for width in (native, 2 * native, 3):
        np.testing.assert_array_equal(apply(name, dtype, x, width=width), expected)


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names a CPU of x86-64")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "sin", "tan", "tanh", "sigmoid", "arctan", "erfc"])
def test_a_cpu_without_fused_multiply_add_is_as_accurate(name: str, dtype: str) -> None:
    case = CASES[name]
    x = np.concatenate([np.random.default_rng(5).uniform(low, high, 300) for low, high in case.intervals]).astype(
        DTYPES[dtype]
    )
    with config.cpu("x86-64"):
        got = ArrayFunction(MATH[name], dtype)(x)
    for value, point in zip(got.tolist(), x.tolist(), strict=True):
        assert ulps(value, exactly(case.exact, point), dtype) <= LARGEST_ERROR


def test_functions_of_one_operand_share_their_common_part() -> None:
    def text(*names: str) -> str:
        lanes = Lanes(Lines(), 4)
        for name in names:
            MATH[name](lanes, "f64", "%x")
        return "\n".join(lanes.text.lines)

    slopes = [("expm1", "expm1_slope"), ("sigmoid", "sigmoid_slope"), ("tanh", "tanh_slope")]
    shared = (("sin", "cos"), ("sinh", "cosh"), ("softplus", "sigmoid"), *slopes)
    for first, second in shared:
        common = text(first, second).count("llvm.fma")
        assert common <= max(text(first).count("llvm.fma"), text(second).count("llvm.fma")) + 1
    # What one branch of the code has computed, another may not use.
    lanes = Lanes(Lines(), 4)
    MATH["sin"](lanes, "f64", "%x")
    lanes.text.begin("elsewhere")
    before = len(lanes.text.lines)
    MATH["sin"](lanes, "f64", "%x")
    assert "\n".join(lanes.text.lines[before:]).count("llvm.fma") == text("sin").count("llvm.fma")


@pytest.mark.one_in(4)
@pytest.mark.parametrize("table", minimax.APPROXIMATIONS)
def test_coefficients_are_those_that_the_tool_derives(table: str) -> None:
    modules = [
        importlib.import_module(f"{library.__name__}.{module.name}")
        for module in pkgutil.iter_modules(library.__path__)
    ]
    source = next(vars(module)[table] for module in modules if table in vars(module))
    for dtype, rounded in minimax.rounded_coefficients(table).items():
        assert [DTYPES[dtype].type(c) for c in source[dtype]] == [DTYPES[dtype].type(c) for c in rounded]


def test_a_missing_libm_function_is_named() -> None:
    function = libm_function.__wrapped__("no_such_function", "double", 1)  # one that does not live for good
    with pytest.raises(
        OSError, match="has no function 'no_such_function', which compiled code calls; set FUNCTAD_BACKEND=evaluator"
    ):
        machine_code(function, Target.host())
