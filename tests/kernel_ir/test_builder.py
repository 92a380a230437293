"""The builder: sharing, folding, dtypes, errors, index expressions."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder, Complex
from functad.kernel_ir.checker import check_kernel
from functad.kernel_ir.nodes import Affine, Buffer, Check, Compute, Const, Load, Reduce, Scan, Scatter, Store, Value
from functad.kernel_ir.ops import BUILT_IN, evaluate
from functad.kernel_ir.printer import format_kernel
from functad.primitives.powers import power

F64, F32, I64, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "?"))
N = Symbol(0)
AT = (Affine.axis(0),)


def operand(b: Builder, dtype: np.dtype = F64, name: int = 0) -> Value:
    return b.load(Buffer((N,), dtype, "input"), AT)


def computed(b: Builder) -> list[str]:
    return [i.op for i in b.body if isinstance(i, Compute)]


def test_every_operation_is_a_method() -> None:
    for op in BUILT_IN.values():
        assert callable(getattr(Builder, op.name))


def test_equal_expressions_are_one_value() -> None:
    b = Builder()
    x = Buffer((N,), F64, "input")
    p, q = b.load(x, AT), b.load(x, AT)
    assert p is q
    assert b.mul(b.sin(p), 2) is b.mul(b.sin(q), 2.0)
    assert b.add(p, 1.0) is not b.add(1.0, p)
    assert b.axis(Affine.axis(0) * 3 + 1) is b.axis(Affine.axis(0) * 3 + 1)
    assert b.size(N) is b.size(N)


def test_constants_differ_by_dtype_and_by_the_sign_of_zero() -> None:
    b = Builder()
    assert b.const(0.0, F64) is not b.const(-0.0, F64)
    assert b.const(1, F64) is not b.const(1, F32)
    assert b.const(float("nan"), F64) is b.const(float("nan"), F64)


def test_a_load_is_repeated_after_a_write() -> None:
    b = Builder()
    x = Buffer((N,), F64)
    view = Buffer((N, 1), F64, base=x)
    before = b.load(x, AT)
    b.store(view, (Affine.axis(0), Affine(0)), b.neg(before))
    assert b.load(x, AT) is not before


@pytest.mark.parametrize(
    ("op", "args", "expected"),
    [
        ("mul", ("x", 1), "x"), ("mul", (1.0, "x"), "x"), ("div", ("x", 1), "x"), ("sub", ("x", 0), "x"),
        ("add", ("x", -0.0), "x"), ("select", ("p", "x", "x"), "x"), ("select", (True, "x", "y"), "x"),
        ("select", (False, "x", "y"), "y"), ("power", ("x", 1), "x"), ("bit_and", ("p", True), "p"),
        ("bit_or", ("p", False), "p"), ("bit_or", ("p", "p"), "p"), ("select", ("p", "yes", "no"), "p"),
    ],
)  # fmt: skip
def test_trivial_operations_vanish(op: str, args: tuple[object, ...], expected: str) -> None:
    b = Builder()
    named = {
        "x": operand(b),
        "y": operand(b),
        "p": operand(b, BOOL),
        "yes": b.const(True, BOOL),
        "no": b.const(False, BOOL),
    }
    assert b.compute(op, *[named.get(a, a) if isinstance(a, str) else a for a in args]) is named[expected]
    assert not computed(b)


@pytest.mark.parametrize(
    ("op", "args"), [("add", ("x", 0.0)), ("mul", ("x", 0)), ("sub", ("x", -0.0)), ("sub", ("x", "x"))]
)
def test_what_is_not_exact_stays(op: str, args: tuple[object, ...]) -> None:
    """x + 0 is not x where x is -0, and 0 x is not 0 where x is infinite."""
    b = Builder()
    x = operand(b)
    b.compute(op, *[x if a == "x" else a for a in args])  # type: ignore[misc]
    assert computed(b) == [op]


def test_constants_are_folded_as_numpy_computes_them() -> None:
    b = Builder()
    assert b.constant(b.add(b.const(1, F32), 2)) == np.float32(3)
    assert np.isnan(b.constant(b.maximum(b.const(np.nan, F64), 1)))
    assert b.constant(b.cast(b.const(2.75, F64), I64)) == 2
    assert b.constant(b.lt(b.const(1, F64), 2)) is np.True_
    assert not computed(b)


def test_negation_is_undone() -> None:
    b = Builder()
    x = operand(b)
    assert b.neg(b.neg(x)) is x
    assert b.neg(x) is b.neg(x)


def test_negation_does_not_matter_to_a_test_for_zero() -> None:
    b = Builder()
    x = operand(b)
    assert b.ne(b.neg(x), 0) is b.ne(x, 0) and b.eq(b.neg(x), 0) is b.eq(x, 0)
    assert b.eq(b.neg(x), 1) is not b.eq(x, 1)


@pytest.mark.parametrize("exponent", [-2, -1, 0, 1, 2, 3, 4])
def test_small_powers_are_products(exponent: int) -> None:
    b = Builder()
    b.power(operand(b), exponent)
    assert "power" not in computed(b)


def test_division_by_a_power_of_two_is_a_product() -> None:
    b = Builder()
    x = operand(b)
    b.div(x, 4)
    b.div(x, 3)
    assert computed(b) == ["mul", "div"]


def test_booleans_compute_as_numpy_has_them() -> None:
    b = Builder()
    p, q = operand(b, BOOL), operand(b, BOOL)
    for op in ("add", "mul", "maximum", "minimum"):
        b.compute(op, p, q)
    assert computed(b) == ["bit_or", "bit_and"]


def test_integers_are_already_rounded() -> None:
    b = Builder()
    i = operand(b, I64)
    assert b.floor(i) is i and b.rint(i) is i and b.cast(i, I64) is i
    assert b.constant(b.isnan(i)) is np.False_ and b.constant(b.isfinite(i)) is np.True_


def test_a_cast_to_more_digits_is_undone() -> None:
    b = Builder()
    x, n = operand(b, F32), operand(b, I64, 1)
    wide = b.cast(x, F64)
    assert b.cast(wide, F32) is x
    assert b.cast(b.cast(n, F64), I64) is not n
    assert b.cast(b.cast(wide, np.float16), F64) is not wide


def test_small_powers_of_halves_are_rounded_once() -> None:
    b = Builder()
    x = operand(b, np.dtype(np.float16))
    b.power(x, 3)
    assert computed(b) == ["cast", "mul", "mul", "cast"]


def test_casts_to_bool_are_comparisons() -> None:
    b = Builder()
    b.cast(operand(b), BOOL)
    assert computed(b) == ["ne"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda b: b.add(operand(b), operand(b, F32)), "add takes operands of one dtype, not f64 and f32"),
        (lambda b: b.add(1, 2), "const"),
        (lambda b: b.add(operand(b)), "add takes 2 operands, not 1"),
        (lambda b: b.sqrt(operand(b, I64)), "sqrt takes operands of kind f, not i64"),
        (lambda b: b.bit_and(operand(b), 1), "not f64"),
        (lambda b: b.select(operand(b), 1.0, operand(b)), "select takes a bool first, not f64"),
        (lambda b: b.const(2.5, I64), "2.5 is no i64"),
        (lambda b: b.const(300, np.uint8), "300 is no u8"),
        (lambda b: b.store(Buffer((), F32), (), operand(b)), "a buffer of f32 cannot hold f64"),
        (lambda b: b.floor(b.complex(operand(b), operand(b))), "floor is not defined for complex operands"),
        (
            lambda b: b.reduce_complex(Buffer((2,), F64), (), "max", b.complex(operand(b), operand(b))),
            "a complex reduction is a sum, not max",
        ),
        (
            lambda b: b.scatter_complex(Buffer((2,), F64), (), "max", b.complex(operand(b), operand(b))),
            "a complex scatter is set or sum, not max",
        ),
    ],
)
def test_errors(build: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build(Builder())  # type: ignore[operator]


def test_a_known_mask() -> None:
    b = Builder()
    x = Buffer((N,), F64, "input")
    assert b.constant(b.load(x, AT, b.const(False, BOOL), 3.0)) == 3.0
    assert b.load(x, AT, b.const(True, BOOL), 3.0) is b.load(x, AT)
    b.check(b.const(True, BOOL), 1)
    assert not any(isinstance(i, Check) for i in b.body)


def test_every_kind_of_instruction_passes_the_checker() -> None:
    b = Builder()
    x, where, p = (Buffer((N,), t, "input") for t in (F64, I64, BOOL))
    out, total, table = Buffer((N,), F64), Buffer((), F64), Buffer((5,), F64)
    value = b.load(x, AT, b.load(p, AT), -1)
    scanned = b.scan("sum", b.mul(value, b.cast(b.axis(Affine.axis(0) * 2 + 1), F64)))
    b.store(out, AT, scanned)
    b.reduce(total, (), "max", value)
    b.check(b.lt(b.load(where, AT), b.size(N)), 1)
    b.scatter(table, (Affine.value(b.load(where, AT)),), "sum", value)
    kernel = b.finish((N,), "everything")
    check_kernel(kernel, codes=1)
    assert {type(i) for i in kernel.body} >= {Load, Compute, Const, Scan, Store, Reduce, Check, Scatter}


def test_operations_have_numpy_s_result_dtypes() -> None:
    for op in BUILT_IN.values():
        if op.name in ("cast", "select"):
            continue
        for kind, dtype in (("f", F32), ("i", np.dtype("i4")), ("u", np.dtype("u1")), ("b", BOOL)):
            if kind in op.kinds:
                got = evaluate(op.name, (np.ones(2, dtype),) * op.arity, dtype)
                assert got.dtype == (BOOL if op.result == "bool" else dtype), (op.name, dtype)


def test_complex_operands_stay_real_where_they_can() -> None:
    b = Builder()
    z = b.complex(operand(b), operand(b))
    b.mul(z, 2)
    assert computed(b) == ["mul", "mul"]
    w = b.cast(operand(b), np.complex128)
    assert isinstance(w, Complex) and b.constant(w.im) == 0
    assert b.real(z) is z.re and b.imag(z) is z.im and b.conj(z).re is z.re
    assert z.dtype == np.complex128
    assert isinstance(b.const(1 + 2j, np.complex64), Complex)


def test_text_of_a_small_kernel() -> None:
    b = Builder()
    x, out = Buffer((N, 2), F64, "input"), Buffer((N,), F64, "output")
    b.store(out, AT, b.abs(b.load_complex(x, AT)))
    assert (
        format_kernel(b.finish((N,), "modulus"))
        == """\
in0 = input f64[n0, 2]
out0 = output f64[n0]
kernel modulus [i0 < n0]:
  %0 f64 = load in0[i0, 0]
  %1 f64 = load in0[i0, 1]
  %2 f64 = hypot %0, %1
  store out0[i0] = %2"""
    )


def test_choices_between_conditions_are_conjunctions_and_disjunctions() -> None:
    b = Builder()
    p, q = operand(b, BOOL), b.load(Buffer((N,), BOOL, "input"), AT)
    assert b.select(p, p, False) is p and b.select(p, True, p) is p
    assert b.select(p, q, False) is b.bit_and(p, q)
    assert b.select(p, True, q) is b.bit_or(p, q)
    assert computed(b) == ["bit_and", "bit_or"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("exponent", [-1.5, -0.5, 0.5, 1.5])
def test_half_integer_powers_are_roots(exponent, dtype):
    """Also at zeros, infinities, NaN, negative numbers, and where a factor overflows and the power does not."""
    top = np.finfo(dtype).max
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -3.0, 1.0, 2.0, 1e-30, top**0.667, top, np.finfo(dtype).tiny])
    x = np.concatenate([x, np.geomspace(1e-35, 1e35, 50)]).astype(dtype)
    jitted = fd.jit(lambda x: power(x, dtype(exponent)))
    assert "power" not in jitted.lower(x).kernel_ir.replace("kernel power", "")
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.longdouble), np.full(x.shape, exponent)).astype(dtype)
    found = jitted(x)
    np.testing.assert_allclose(found, expected, rtol=2 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(found[:4]), np.signbit(expected[:4]))
