"""Complex operations as real ones, against NumPy: on random numbers, and at zeros, infinities and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder, Complex
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Affine, Buffer, KernelProgram

N = Symbol(0)
AT = (Affine.axis(0),)

UNARY = [
    "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt",
    "arcsin", "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "reciprocal", "square", "sign", "neg", "rint",
    "isnan", "isinf", "isfinite",
]  # fmt: skip
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "power": np.power, "maximum": np.maximum,
    "minimum": np.minimum, "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
NUMPY = {"neg": np.negative}

PARTS = [0.0, -0.0, 1.0, -1.0, 2.0, -0.5, np.inf, -np.inf, np.nan, 1e-300, 1e300, -710.5, 1e-20]


def apply(op: str, *arrays: np.ndarray) -> np.ndarray:
    part = np.dtype(f"f{arrays[0].dtype.itemsize // 2}")
    inputs = [Buffer((N, 2), part, "input") for _ in arrays]
    b = Builder()
    value = getattr(b, op)(*[b.load_complex(x, AT) for x in inputs])
    if isinstance(value, Complex):
        out = Buffer((N, 2), part, "output")
        b.store_complex(out, AT, value)
    else:
        out = Buffer((N,), value.dtype, "output")
        b.store(out, AT, value)
    program = KernelProgram(tuple(inputs), (out,), (b.finish((N,), op),), 1)
    check_program(program)
    ((got,), _) = evaluate_program(program, arrays, [arrays[0].size])
    return got.reshape(-1).view(arrays[0].dtype) if isinstance(value, Complex) else got


def numpy_function(op: str):  # type: ignore[no-untyped-def]
    return NUMPY.get(op) or getattr(np, op)


def ordinary(dtype: type = np.complex128) -> np.ndarray:
    rng = np.random.default_rng(0)
    z = rng.normal(size=2000) + 1j * rng.normal(size=2000)
    scaled = (rng.normal(size=500) + 1j * rng.normal(size=500)) * np.exp(3 * rng.normal(size=500))
    return np.concatenate([z, scaled, np.exp(1j * rng.uniform(-3, 3, 100))]).astype(dtype)


def special() -> np.ndarray:
    re, im = np.meshgrid(PARTS, PARTS)
    z = np.empty(re.size, complex)
    z.real, z.imag = re.ravel(), im.ravel()
    return z


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("op", [op for op in UNARY if not op.startswith("is")])
def test_unary(op: str, dtype: type) -> None:
    z = ordinary(dtype)
    with np.errstate(all="ignore"):
        got, want = apply(op, z), numpy_function(op)(z)
    with np.errstate(all="ignore"):
        error = np.abs(got - want) / np.abs(want)
    if op == "log1p":  # NumPy's own loses digits near 0
        reference = np.log1p(z.astype(np.clongdouble))
        error = np.where(np.abs(z) < 1e-2, 0, np.abs(got - reference) / np.abs(reference))
    assert np.nanmax(np.where(want == 0, 0, error)) < 8 * np.finfo(dtype).eps


def close(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Equal to rounding, signs of zeros included; NaN is NaN."""
    with np.errstate(all="ignore"):
        exact = (got == want) & (np.signbit(got) == np.signbit(want))
        near = np.isfinite(got) & np.isfinite(want) & (want != 0) & (np.abs(got - want) <= 1e-11 * np.abs(want))
    return exact | near | (np.isnan(got) & np.isnan(want))


# Where C99 leaves a sign open, or NumPy departs from it: parts that are NaN, and both parts infinite.
OPEN = {
    "sin",
    "cos",
    "sinh",
    "cosh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "square",
    "sign",
    "reciprocal",
}


@pytest.mark.parametrize("op", UNARY)
def test_special_values(op: str) -> None:
    z = special()
    with np.errstate(all="ignore"):
        got, want = apply(op, z), numpy_function(op)(z)
    if got.dtype == bool:
        np.testing.assert_array_equal(got, want)
        return
    wrong = ~(close(got.real, want.real) & close(got.imag, want.imag))
    if op in OPEN:
        wrong &= ~(np.isnan(z) | np.isinf(z))
    if op == "sign":
        wrong &= z != 0
    if op == "square":
        wrong &= np.abs(z.real) < 1e200
        wrong &= ~((np.abs(z.real) == np.abs(z.imag)) & (np.abs(z.real) > 0))  # NumPy's square rounds in another order
    if op == "log1p":
        wrong &= np.abs(z) > 1e-10
    assert not wrong.any(), [(z[k], got[k], want[k]) for k in np.flatnonzero(wrong)[:5]]


def test_log1p_near_zero_is_better_than_numpy_s() -> None:
    z = np.array([1e-20 + 1e-20j, 1e-300 + 0j, -3e-9 + 2e-9j])
    np.testing.assert_allclose(apply("log1p", z), z - z * z / 2, rtol=1e-14)


@pytest.mark.parametrize("op", BINARY)
def test_binary(op: str) -> None:
    rng = np.random.default_rng(1)
    z, w = ordinary(), rng.permutation(ordinary())
    with np.errstate(all="ignore"):
        got, want = apply(op, z, w), BINARY[op](z, w)
    if got.dtype == bool:
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    # rounding of w log z is magnified by the exponential
    scale = 1 + np.abs(w * np.log(z)) if op == "power" else 1
    scale = np.broadcast_to(scale, want.shape)[finite]
    assert np.all(np.abs(got[finite] - want[finite]) <= 2e-15 * scale * np.abs(want[finite]))


@pytest.mark.parametrize("op", [op for op in BINARY if op != "power"])
def test_special_pairs(op: str) -> None:
    z, w = (a.ravel() for a in np.meshgrid(special(), special()))
    with np.errstate(all="ignore"):
        got, want = apply(op, z, w), BINARY[op](z, w)
    if got.dtype == bool:
        np.testing.assert_array_equal(got, want)
        return
    wrong = ~(close(got.real, want.real) & close(got.imag, want.imag))
    if op == "mul":  # near overflow NumPy's vector code adds products in another order
        wrong &= np.isfinite(want)
        wrong &= ~((np.abs(want.real) < 1e-15 * np.abs(want)) | (np.abs(want.imag) < 1e-15 * np.abs(want)))
    assert not wrong.any(), [(z[k], w[k], got[k], want[k]) for k in np.flatnonzero(wrong)[:5]]


@pytest.mark.parametrize("exponent", [-4, -1, 0, 1, 2, 3, 4])
def test_constant_integer_powers(exponent: int) -> None:
    z = ordinary()
    inputs = Buffer((N, 2), np.dtype("f8"), "input")
    out = Buffer((N, 2), np.dtype("f8"), "output")
    b = Builder()
    b.store_complex(out, AT, b.power(b.load_complex(inputs, AT), exponent))
    ((got,), _) = evaluate_program(KernelProgram((inputs,), (out,), (b.finish((N,)),), 1), [z], [z.size])
    np.testing.assert_allclose(got.reshape(-1).view(complex), z**exponent, rtol=1e-13)


def test_powers_of_zero() -> None:
    z = np.zeros(4, complex)
    w = np.array([0, 2, -1, 1 + 1j], complex)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(apply("power", z, w), np.power(z, w))


def test_select_of_a_real_and_a_complex_value() -> None:
    b = Builder()
    x = b.load(Buffer((N,), np.dtype("f8"), "input"), AT)
    z = b.complex(x, x)
    value = b.select(b.gt(x, 0), z, 0)
    assert isinstance(value, Complex)
