"""NumPy's ufuncs on traced values: values, dtypes and kinds, over dtypes, shapes and operands of all sorts."""

from __future__ import annotations

import itertools
import operator

import numpy as np
import pytest

import functad.numpy as fnp
from functad.core.tracer import PYTHON
from functad.errors import ArgumentError, DtypeError, ShapeError
from tests.numpy.against_numpy import array, check, tracing

DTYPES = ["?", "i1", "u1", "i4", "i8", "u8", "f4", "f8", "c8", "c16"]

UNARY = {
    "abs": np.abs, "fabs": np.fabs, "sign": np.sign, "negative": np.negative, "positive": np.positive,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "square": np.square, "exp": np.exp,
    "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin,
    "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "arcsinh": np.arcsinh,
    "arccosh": np.arccosh, "arctanh": np.arctanh, "deg2rad": np.deg2rad, "rad2deg": np.rad2deg,
    "conjugate": np.conjugate, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit,
    "logical_not": np.logical_not, "invert": np.invert, "modf": np.modf,
}  # fmt: skip

BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "floor_divide": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod, "divmod": np.divmod, "power": np.power,
    "float_power": np.float_power, "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin,
    "arctan2": np.arctan2, "hypot": np.hypot, "copysign": np.copysign, "logaddexp": np.logaddexp,
    "heaviside": np.heaviside, "equal": np.equal, "not_equal": np.not_equal, "less": np.less,
    "less_equal": np.less_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
    "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor,
    "left_shift": np.left_shift, "right_shift": np.right_shift,
}  # fmt: skip

COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")


def takes(ufunc, *operands):
    """Whether NumPy has a loop for these operands."""
    try:
        with np.errstate(all="ignore"):
            ufunc(*operands)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_unary(name, dtype):
    x = array((2, 3), dtype, low=0.1, high=0.9) if name.startswith("arc") else array((2, 3), dtype)
    if not takes(UNARY[name], x):
        with pytest.raises(DtypeError, match=f"np.{UNARY[name].__name__}.* does not take operands of dtype {x.dtype}"):
            tracing(UNARY[name], x)
        return
    for operand in (x, x[0, 0], x[:0], x[:, :1]):
        check(UNARY[name], operand)


@pytest.mark.parametrize("name", UNARY)
def test_unary_corners(name):
    corners = np.array([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, 1e30, -1e30, np.inf, -np.inf, np.nan])
    if name != "invert":
        check(UNARY[name], corners)
        check(UNARY[name], corners.astype(np.float32))


@pytest.mark.parametrize("name", BINARY)
def test_binary_promotes_as_numpy(name):
    """All pairs of dtypes, traced on both sides, on the left, and on the right."""
    f = BINARY[name]
    low = 0 if name in ("power", "left_shift", "right_shift") else -2
    for left, right in itertools.product(DTYPES, DTYPES):
        x, y = array(3, left, low=low, seed=1), array(3, right, low=max(low, 0), seed=2)
        if not takes(f, x, y):
            with pytest.raises(DtypeError, match="does not take operands of dtype"):
                tracing(f, x, y)
            continue
        check(f, x, y)
        check(lambda v, f=f, y=y: f(v, y), x)
        check(lambda v, f=f, x=x: f(x, v), y)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("number", [2, 2.0, 1j, True], ids=str)
def test_python_numbers_are_weak(name, number):
    f = BINARY[name]
    for dtype in DTYPES:
        for x in (array(3, dtype, low=1), array(3, dtype, low=1)[0]):
            if takes(f, x, number):
                check(lambda v, f=f: f(v, number), x)
                check(f, x, number)
            if takes(f, number, x):
                check(lambda v, f=f: f(number, v), x)
                check(f, number, x)


@pytest.mark.parametrize("name", ["add", "divide", "maximum", "less", "power"])
def test_broadcasting(name):
    f = BINARY[name]
    shapes = [(), (3,), (1,), (2, 1), (2, 3), (4, 1, 3), (0,), (1, 0)]
    for a, b in itertools.product(shapes, shapes):
        x, y = array(a, low=0.5, seed=1), array(b, low=0.5, seed=2)
        if takes(f, x, y):
            check(f, x, y)
        else:
            with pytest.raises(ShapeError):
                tracing(f, x, y)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(
        ShapeError,
        match=r"np.add at .*test_ufuncs.py:\d+: operands could not be broadcast together with shapes \(3,\) \(4,\)",
    ):
        tracing(lambda x, y: x + y, np.zeros(3), np.zeros(4))


@pytest.mark.parametrize("name", COMPARISONS)
def test_integers_compare_as_the_numbers_they_are(name):
    f = BINARY[name]
    signed = np.array([-1, 0, 1, 2**62, -(2**63)], np.int64)
    unsigned = np.array([2**64 - 1, 0, 1, 2**62, 2**63], np.uint64)
    check(f, signed[:, None], unsigned)
    check(f, unsigned[:, None], signed)
    for number in (300, -1, 256, 255, 0):
        check(lambda v, n=number: f(v, n), np.array([0, 7, 255], np.uint8))
        check(lambda v, n=number: f(n, v), np.array([0, 7, 255], np.uint8))
    check(lambda v: f(v, 2**70), signed)


@pytest.mark.parametrize(
    "exponent",
    [0, 1, 2, 3, 5, -1, -2, 0.5, -0.5, 1.5, 2.0, 3.0, -1.0, 40, 100.0, np.float64(2), np.int64(3), np.float32(2)],
    ids=repr,
)
def test_powers_with_a_plain_exponent(exponent):
    for dtype in ("f4", "f8", "c16", "i4", "u1"):
        for x in (array(5, dtype, low=0.5), array(5, dtype, low=0.5)[0]):
            if takes(np.power, x, exponent):
                check(lambda v: v**exponent, x)
                check(lambda v: np.power(v, exponent), x)


@pytest.mark.parametrize("base", [2, 2.0, 3, 0.5, -1.5, np.float64(2), np.array(2.0)], ids=repr)
def test_powers_of_a_plain_base(base):
    for dtype in ("f4", "f8", "c16", "i8"):
        x = array(5, dtype, low=0)
        check(lambda v: base**v, x)
        check(lambda v: base**v, x[0])


def test_integers_have_no_negative_powers():
    with pytest.raises(ArgumentError, match="use x.astype"):
        tracing(lambda x: x**-1, np.arange(1, 4))
    with pytest.raises(DtypeError, match="write 1 / x"):
        tracing(np.reciprocal, np.arange(1, 4))
    check(np.reciprocal, np.array([0.5, 4.0]))


def test_lists_and_tuples_are_arrays():
    check(lambda x: np.add(x, [1, 2, 3]), array(3))
    check(lambda x: x * [1.0, 2.0, 3.0], array(3))
    check(lambda x: (1, 2, 3) - x, array(3))


def test_nested_lists_of_tracers_are_stacked():
    got = tracing(lambda x, y: fnp.add([x, y], 1.0), 1.0, 2.0)
    np.testing.assert_array_equal(got[1], [2.0, 3.0])


def test_what_is_not_a_number_is_refused():
    with pytest.raises(DtypeError, match="expects numbers or booleans, got .* of dtype <U"):
        tracing(lambda x: np.add(x, np.array(["a"])), array(3))
    with pytest.raises(TypeError, match="unsupported operand"):
        tracing(lambda x: x + "a", array(3))
    with pytest.raises(TypeError, match="unsupported operand"):
        tracing(lambda x: None * x, array(3))


def test_arrays_of_foreign_byte_order():
    check(lambda x: x + np.arange(3, dtype=">f8"), array(3))


def test_closeness():
    x = np.array([1.0, 1.0 + 1e-9, np.nan, np.inf, 2.0])
    y = np.array([1.0, 1.0, np.nan, np.inf, 2.1])
    for equal_nan in (False, True):
        check(lambda a, b, e=equal_nan: np.isclose(a, b, equal_nan=e), x, y)
        check(lambda a, b, e=equal_nan: np.isclose(a, b, rtol=np.full(5, 0.1), equal_nan=e), x, y)
    check(lambda a: np.isclose(a, 1), np.array([1, 2]))
    for same in (True, False):
        kind, value = tracing(np.allclose, x[:2], y[:2] if same else y[3:])
        assert kind == PYTHON and value == np.allclose(x[:2], y[:2] if same else y[3:])
    assert tracing(np.array_equal, x[:2], x[:2])[1]
    assert tracing(np.array_equal, x[:2], x[:1]) is False


INTEGERS = {
    d: np.array([0, 1, 3, np.iinfo(d).max, np.iinfo(d).min, 7], d)
    for d in ("int8", "uint8", "int32", "uint32", "int64", "uint64")
}
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("compare", COMPARISONS, ids=lambda f: f.__name__)
def test_integers_are_compared_as_the_numbers_they_are(compare):
    """Also where one dtype does not hold both, and where one is a traced Python integer."""
    for x in INTEGERS.values():
        for y in [*INTEGERS.values(), *[v[3:5] for v in INTEGERS.values()], np.array([True, False] * 3)]:
            check(compare, x, y[::-1].copy() if len(y) == 6 else y[0])
            check(lambda x, y=y: compare(x, y[0]), x)
        for number in (-1, 300, 0, 7, 2**40, -(2**40)):
            check(compare, x, number)
            check(compare, number, x)
            check(compare, x[3], number)
            check(lambda x, number=number: compare(number, x), x)
