"""Operators of traced values: the kinds of what they give (Python number, NumPy scalar, array), reflection, assignment
in place.
"""

from __future__ import annotations

import array as arrays
import itertools
import math
import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import functad as fd
from functad.core.tracer import ARRAY, PYTHON, SCALAR
from functad.errors import DtypeError, ImmutableError, TracerConversionError, UnsupportedError
from tests.numpy.against_numpy import array, check, tracing

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
BITS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]


@pytest.mark.parametrize("f", ARITHMETIC + COMPARISONS, ids=lambda f: f.__name__)
def test_on_arrays_scalars_and_python_numbers(f):
    """Every pair of kinds, one or both traced; dtypes are NumPy's, Python numbers stay Python numbers."""
    operands = [
        1.5,
        3,
        True,
        np.float64(2.5),
        np.float32(1.5),
        np.int64(2),
        array(3, low=0.5),
        array((2, 3), "f4", low=0.5),
        array(3, "i4", low=1),
    ]
    for x, y in itertools.product(operands, operands):
        if f is operator.pow and isinstance(x, bool | int) and isinstance(y, int):
            # a Python int to the power of a traced one is a float in Python if that is negative, which is not known
            y = 2
        check(f, x, y)
        check(lambda v, f=f, y=y: f(v, y), x)
        check(lambda v, f=f, x=x: f(x, v), y)


@pytest.mark.parametrize("f", BITS, ids=lambda f: f.__name__)
def test_bits(f):
    operands = [3, np.int64(2), np.uint8(1), array(3, "i4", low=0), array((2, 3), "u1")] + (
        [True, array(3, "?")] if f in BITS[:3] else []
    )
    for x, y in itertools.product(operands, operands):
        check(f, x, y)
        check(lambda v, f=f, x=x: f(x, v), y)


@pytest.mark.parametrize("f", [operator.neg, operator.pos, abs, operator.invert], ids=lambda f: f.__name__)
def test_unary(f):
    operands = [3, -2, np.int8(-3), array(3, "i4")]
    if f is not operator.invert:
        operands += [True, -1.5, 2.5 + 1j, np.float32(-1), array(3), array(3, "c16")]
    for x in operands:
        check(f, x)


def test_python_floats_stay_weak():
    a = np.ones(3, np.float32)
    kind, value = tracing(lambda x: x * x * a, 0.5)
    assert (kind, value.dtype) == (ARRAY, np.float32)
    kind, value = tracing(lambda x: (2 * x**2 / 3 - 1) * a, 0.5)
    assert (kind, value.dtype) == (ARRAY, np.float32)
    kind, value = tracing(lambda x: np.sin(x) * a, 0.5)
    assert (kind, value.dtype) == (ARRAY, np.float64)


def test_kinds():
    assert tracing(lambda x: x * x + 1, 0.5)[0] == PYTHON
    assert tracing(lambda x: x > 1, 0.5) is False  # a comparison of known scalars is made at once
    assert not tracing(lambda x: x > 1, np.float32(0.5))
    assert tracing(lambda x: x == np.float64(0.1), np.float32(0.1)) == (np.float32(0.1) == np.float64(0.1))
    assert tracing(lambda x: np.sin(x), 0.5)[0] == SCALAR
    assert tracing(lambda x: x * np.float64(2), 0.5)[0] == SCALAR
    assert tracing(lambda x: x * np.array(2.0), 0.5)[0] == SCALAR
    assert tracing(lambda x: x + x, np.array(0.5))[0] == SCALAR
    assert tracing(lambda x: np.array(x.shape) * x, np.ones(1))[0] == ARRAY


def test_matmul_and_divmod():
    check(operator.matmul, array((2, 3)), array((3, 2)))
    check(lambda x: np.ones((3, 3)) @ x, array(3))
    check(divmod, array(3), array(3, low=1))
    check(divmod, 7.5, 2)
    check(lambda x: divmod(7, x), 2)
    check(lambda x: divmod(np.float32(7), x), array(3, low=1))
    with pytest.raises(TypeError, match="unsupported operand"):
        tracing(lambda x: x @ 2.0, 0.5)


IN_PLACE = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv, "//=": operator.ifloordiv,
    "%=": operator.imod, "**=": operator.ipow, "@=": operator.imatmul,
}  # fmt: skip


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_assignment_in_place(symbol):
    f = IN_PLACE[symbol]
    x, y = np.array([[1.5, 2.0], [-3.0, 4.0]]), np.full((2, 2), 2.0)

    def changed(x):
        copy = x.copy()
        other = copy.T
        assert f(copy, y) is copy
        return other

    np.testing.assert_array_equal(tracing(changed, x)[1], f(x.copy(), y).T if symbol != "@=" else (x @ y).T)
    with pytest.raises(ImmutableError, match="an argument of the function under grad; write to a copy"):
        fd.grad(lambda x: np.sum(f(x, y)))(x)
    if symbol != "@=":
        check(lambda x: f(x, 2.0), 3.5)
        check(lambda x: f(x, 2.0), np.float64(3.5))


def test_a_plain_array_cannot_take_a_traced_value_in_place():
    def accumulate(x):
        total = np.zeros(3)
        total += x
        return total

    with pytest.raises(ImmutableError, match="np.add at .* would write a traced value into a plain array"):
        tracing(accumulate, np.ones(3))
    with pytest.raises(TracerConversionError, match="writing it into a plain array"):
        tracing(lambda x: np.zeros(3).__setitem__(slice(0, 2), x[:2]), np.ones(3))
    with pytest.raises(
        ValueError, match="setting an array element"
    ) as found:  # NumPy's words, with functad's as their cause
        tracing(lambda x: np.zeros(3).__setitem__(0, x[0]), np.ones(3))
    assert isinstance(found.value.__cause__, TracerConversionError)


def test_rounding_of_numbers():
    for f in (round, math.floor, math.ceil, math.trunc):
        check(f, 2.5)
        check(f, -1.5)
    check(lambda x: round(x, 1), 2.25)
    kind, value = tracing(lambda x: round(x, 1), np.float64(2.25))
    assert (kind, float(value)) == (SCALAR, 2.2)
    with pytest.raises(UnsupportedError, match="use np.round"):
        tracing(round, np.ones(3))


def test_a_value_can_be_printed_while_tracing():
    texts = []
    tracing(lambda x: texts.append(f"{x:.3f} {x.sum():.2e}") or x, np.float64(1.25))
    assert texts == ["1.250 1.25e+00"]
    tracing(lambda x: texts.append(f"{x}") or x, np.float64(1.25))
    assert texts[1].startswith("Tracer(f64[] under grad = 1.25")


def test_chained_comparison_and_truth():
    assert tracing(lambda x: x if 0 < x < 2 else -x, 1.5)[1] == 1.5
    assert tracing(lambda x: 1.0 in x, np.array([1.0, 2.0])) is True
    assert tracing(lambda x: x == None, 1.0) is False  # noqa: E711
    assert tracing(lambda x: x != "a", 1.0) is True


OTHERS = [
    None,
    "a",
    b"a",
    object(),
    object,
    range(3),
    memoryview(np.arange(3.0)),
    arrays.array("d", [0.0, 5.0, 2.0]),
    [0, 1, 5],
]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("f", [operator.eq, operator.ne], ids=["eq", "ne"])
def test_equality_with_anything(f, other):
    """Elements are compared, as NumPy does: Python by itself would compare identities."""
    for x in (np.arange(3.0), np.arange(6).reshape(2, 3), np.array(2.0)):
        check(lambda x: f(x, other), x)
        if not isinstance(other, memoryview):  # which compares buffers
            check(lambda x: f(other, x), x)
    if np.ndim(other) == 0:
        assert tracing(lambda x: f(x, other), np.float64(2.5)) is (f is operator.ne)


@pytest.mark.parametrize("other", [Decimal(1), Fraction(1, 3), {1: 2}, {1.0}])
def test_equality_that_numpy_leaves_to_python_is_refused(other):
    message = (
        r"np.equal at .*test_operators.py:\d+ expects numbers or booleans, got "
        r"(\w+\.)?(Decimal|Fraction|dict|set) of dtype object"
    )
    with pytest.raises(DtypeError, match=message):
        tracing(lambda x: x == other, np.arange(3.0))


def test_equality_that_others_answer():
    class Answering:
        __array_ufunc__ = None

        def __eq__(self, other):
            return "mine"

    assert tracing(lambda x: x == Answering(), np.ones(2)) == "mine"


@pytest.mark.parametrize("x", [np.array([True, False]), np.array(True), np.True_, True], ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("f", [lambda x: x**2, lambda x: np.power(x, 2), lambda x: x**3, np.conj, np.square])
def test_powers_of_booleans(f, x) -> None:
    """NumPy squares arrays by ``**``: int8."""
    found, expected = fd.jit(f)(x), f(x)
    assert found == pytest.approx(expected) and found.dtype == np.asarray(expected).dtype


def test_conjugates_of_booleans() -> None:
    for x in (np.array([True, False]), np.True_):
        found = fd.jit(lambda x: (x.conj(), x.conjugate(), np.conj(x)))(x)
        assert [y.dtype for y in found] == [y.dtype for y in (x.conj(), x.conjugate(), np.conj(x))]
