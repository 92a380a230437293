"""Every operation, on every dtype it takes: native code in vectors and alone, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.types import Symbol, dtype_name
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, Compute, KernelProgram, Store, Value
from functad.kernel_ir.ops import BUILT_IN, Op, evaluate
from functad.lower.llvm.target import Target
from tests.lower.native import Native

DTYPES = [np.dtype(t) for t in ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")]
N = Symbol(0)

# What operations that round may be off by: the math library promises two ulp, and NumPy's functions are themselves
# within four.
ULPS = 8
SCIPY = {"erfc": 1500}  # SciPy rounds x^2 before it takes the exponential: up to 2 x^2 ulp in the tail

# Floats at which comparisons, rounding and limits change.
CORNERS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    np.inf,
    -np.inf,
    np.nan,
    1e-30,
    -1e-30,
    1e30,
    3.0,
    100.25,
    -7.75,
    1e5,
    0.99,
]

CASES = [(op, dtype) for op in BUILT_IN.values() for dtype in DTYPES if dtype.kind in op.kinds and op.name != "cast"]


def one_operation(op: str, dtype: np.dtype, out: np.dtype, arity: int, size: bool) -> KernelProgram:
    """``out[i] = op(in0[i], ...)``, for one element if not ``size``: without the builder, so that nothing is folded."""
    shape = (N,) if size else ()
    index = (Affine.axis(0),) if size else ()
    b = Builder()
    dtypes = [np.dtype(bool) if op == "select" and k == 0 else dtype for k in range(arity)]
    inputs = [Buffer(shape, t, "input") for t in dtypes]
    values = tuple(b.load(x, index) for x in inputs)
    result = Value(out)
    b.body += [Compute(result, op, values), Store(output := Buffer(shape, out, "output"), index, result)]
    return KernelProgram(tuple(inputs), (output,), (b.finish((N,) if size else (), op),), 1)


def samples(dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    if dtype.kind == "f":
        return np.concatenate([CORNERS, rng.normal(size=30) * 3, rng.normal(size=10) * 30]).astype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    info = np.iinfo(dtype)
    corners = [
        info.min,
        info.min + 1,
        info.max,
        info.max - 1,
        0,
        1,
        2,
        3,
        5,
        7,
        *(() if dtype.kind == "u" else (-1, -2, -3, -7)),
    ]
    return np.concatenate([np.array(corners, dtype), rng.integers(info.min, info.max, 20, dtype, endpoint=True)])


def operands(op: Op, dtype: np.dtype) -> list[np.ndarray]:
    """All pairs of samples, in a length that is no multiple of any vector's."""
    rng = np.random.default_rng(sum(map(ord, op.name)))
    if op.name == "power" and dtype.kind in "iu":
        base, exponent = np.meshgrid(
            samples(dtype, rng), np.array([0, 1, 2, 3, 5, 31, 63, *([-1, -2] if dtype.kind == "i" else [])], dtype)
        )
        return [base.ravel(), exponent.ravel()]
    if op.name.startswith("shift"):
        x, count = np.meshgrid(samples(dtype, rng), np.array([0, 1, 3, 7, 8, 15, 31, 32, 63, 64, 100], dtype))
        return [x.ravel(), count.ravel()]
    grids = np.meshgrid(*[samples(dtype, rng)] * min(op.arity, 2))
    arrays = [g.ravel() for g in grids]
    if op.name == "select":
        return [rng.random(arrays[0].size) < 0.5, *arrays]
    return [*arrays, rng.permutation(arrays[0])] if op.arity == 3 else arrays


def assert_same(got: np.ndarray, want: np.ndarray, ulps: int, message: str) -> None:
    assert got.dtype == want.dtype
    if got.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=message)
        return
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=message)
    number = ~np.isnan(want)
    got, want = got[number], want[number]
    zero = (want == 0) & (got == 0)
    assert np.array_equal(np.signbit(got[zero]), np.signbit(want[zero])), f"{message}: the sign of zero"
    infinite = ~np.isfinite(want)
    np.testing.assert_array_equal(got[infinite], want[infinite], err_msg=message)
    finite = np.isfinite(want)
    with np.errstate(over="ignore"):
        off = np.abs(got[finite].astype(np.longdouble) - want[finite]) / np.spacing(np.abs(want[finite]))
    assert off.max(initial=0) <= ulps, f"{message}: {off.max()} ulp"


# Exact, whatever NumPy's own error; the rest is measured in ulps. These cancel, so that their error is relative to
# something else.
EXACT = {
    "sub", "add", "mul", "div", "neg", "abs", "sign", "maximum", "minimum", "floor", "ceil", "trunc", "rint", "sqrt",
    "copysign", "remainder", "fmod", "floor_divide", "nextafter", "select",
}  # fmt: skip
CANCELS = {"fma": 1e-13, "logaddexp": 1e-14, "lgamma": 1e-13, "digamma": 1e-11}


def allowed(op: Op, dtype: np.dtype) -> int:
    return 0 if op.name in EXACT or dtype.kind != "f" else SCIPY.get(op.name, ULPS)


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("op", "dtype"), CASES, ids=[f"{op.name}-{dtype_name(dtype)}" for op, dtype in CASES])
def test_operation(op: Op, dtype: np.dtype) -> None:
    out = np.dtype(bool) if op.result == "bool" else dtype
    arrays = operands(op, dtype)
    want = np.asarray(evaluate(op.name, tuple(arrays), out))
    if op.name == "floor_divide" and dtype.kind == "f":
        # NumPy gives NaN or an infinity for an infinite operand, by version; Python's rule (the floor of the quotient)
        # is not at issue here
        finite = np.isfinite(arrays[0]) & np.isfinite(arrays[1])
        arrays, want = [a[finite] for a in arrays], want[finite]
    if op.name in ("lgamma", "digamma"):  # poles of either sign are the C library's and SciPy's business
        keep = ~((arrays[0] <= 0) & (arrays[0] == np.rint(arrays[0])))
        arrays, want = [a[keep] for a in arrays], want[keep]
    native = Native(one_operation(op.name, dtype, out, op.arity, True))
    ulps = allowed(op, dtype)
    for take in (slice(None), slice(0, 5)):
        ((got,), code) = native([a[take] for a in arrays], [want[take].size])
        assert code == 0
        if op.name in CANCELS:
            eps = np.finfo(dtype).eps / 2.2e-16
            scale = sum(np.abs(a[take].astype("g")) for a in arrays) if op.name == "fma" else 1
            np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want[take]))
            with np.errstate(all="ignore"):
                off = np.abs(got - want[take].astype("g")) / (np.maximum(np.abs(want[take]), 1) + scale)
            assert np.nanmax(np.where(np.isfinite(got), off, 0)) < CANCELS[op.name] * eps
        else:
            assert_same(got, want[take], ulps, op.name)


@pytest.mark.parametrize(
    "op", [op for op in BUILT_IN.values() if op.name not in ("cast", *CANCELS)], ids=lambda op: op.name
)
def test_operation_on_a_register(op: Op) -> None:
    """Without a loop, code is scalar."""
    dtype = next(t for t in DTYPES if t.kind in op.kinds)
    out = np.dtype(bool) if op.result == "bool" else dtype
    native = Native(one_operation(op.name, dtype, out, op.arity, False))
    arrays = operands(op, dtype)
    for k in range(0, arrays[0].size, max(1, arrays[0].size // 40)):
        scalars = [a[k] for a in arrays]
        if op.name == "floor_divide" and not all(map(np.isfinite, scalars)):
            continue
        ((got,), _) = native(scalars, [0])
        want = np.asarray(evaluate(op.name, tuple(scalars), out))
        assert_same(got[None], want[None], allowed(op, dtype), f"{op.name}{scalars}")


@pytest.mark.parametrize("source", DTYPES, ids=dtype_name)
@pytest.mark.parametrize("target", DTYPES, ids=dtype_name)
def test_cast(source: np.dtype, target: np.dtype) -> None:
    x = samples(source, np.random.default_rng(0))
    if source.kind == "f" and target.kind in "iu":  # what no integer can hold is up to the machine, in NumPy as in C
        info = np.iinfo(target)
        x = x[np.isfinite(x)]
        x = x[(x > max(info.min, -(2**31)) - 0.5) & (x < min(info.max, 2**31 - 1))]
    ((got,), _) = Native(one_operation("cast", source, target, 1, True))([x], [x.size])
    assert_same(got, evaluate("cast", (x,), target), 0, "cast")


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_vector_widths(bits: int) -> None:
    """The same operations for machines with other vectors; LLVM splits what this one does not have."""
    host = Target.host()
    target = Target(host.triple, host.cpu, host.features, bits)
    x = np.linspace(0.1, 5, 37)
    for op in ("exp", "sin", "tanh", "floor", "signbit"):
        out = np.dtype(bool) if op == "signbit" else x.dtype
        native = Native(one_operation(op, x.dtype, out, 1, True), target)
        assert (f"<{bits // 64} x double>") in native.module.text
        ((got,), _) = native([x], [x.size])
        assert_same(got, np.asarray(evaluate(op, (x,), out)), ULPS, op)
