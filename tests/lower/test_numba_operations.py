"""Every operation as Numba compiles what is printed for it, on every dtype it takes, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.types import Symbol, dtype_name
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, Compute, KernelProgram, Store, Value
from functad.kernel_ir.ops import BUILT_IN, Op, evaluate
from tests.lower.printed import Printed
from tests.lower.test_emit_operations import DTYPES, EXACT, assert_same, operands

N = Symbol(0)

# NumPy's own functions are within four ulp of the C library's, which Numba calls; what functad composes of them, or
# NumPy computes otherwise, loses more.
ULPS = 8
LOSES = {"erfc": 1500, "power": 64, "tanh_slope": 16, "sigmoid_slope": 16, "softplus": 16, "x_over_square": 16,
         "y_over_square": 16, "sigmoid": 16}  # fmt: skip
CANCELS = {"logaddexp": 1e-14, "lgamma": 1e-12, "digamma": 1e-11, "fma": 1e-13}


def operations(dtype: np.dtype) -> list[Op]:
    return [op for op in BUILT_IN.values() if dtype.kind in op.kinds and op.name != "cast"]


def all_operations(dtype: np.dtype) -> tuple[KernelProgram, list[np.ndarray]]:
    """A kernel for each operation: ``out[i] = op(in0[i], ...)``, nothing folded."""
    inputs, outputs, kernels, arrays = [], [], [], []
    for number, op in enumerate(operations(dtype)):
        given = operands(op, dtype)
        n, index = given[0].size, (Affine.axis(0),)
        b = Builder()
        own = [Buffer((n,), x.dtype, "input") for x in given]
        values = tuple(b.load(x, index) for x in own)
        out = np.dtype(bool) if op.result == "bool" else dtype
        result, output = Value(out), Buffer((n,), out, "output")
        b.body += [Compute(result, op.name, values), Store(output, index, result)]
        kernels.append(b.finish((n,), f"{op.name}_{number}"))
        inputs += own
        outputs.append(output)
        arrays += given
    return KernelProgram(tuple(inputs), tuple(outputs), tuple(kernels), 0), arrays


@pytest.mark.parametrize("dtype", DTYPES, ids=dtype_name)
def test_what_is_printed(dtype: np.dtype) -> None:
    check(dtype, compiled=False)


@pytest.mark.deep
@pytest.mark.parametrize("dtype", [t for t in DTYPES if t.kind == "f" or t.itemsize in (1, 8)], ids=dtype_name)
def test_what_is_compiled(dtype: np.dtype) -> None:
    check(dtype, compiled=True)


def check(dtype: np.dtype, compiled: bool) -> None:
    program, arrays = all_operations(dtype)
    outputs, _ = Printed(program, compiled)(arrays)
    for op, got in zip(operations(dtype), outputs, strict=True):
        given = operands(op, dtype)
        want = np.asarray(evaluate(op.name, tuple(given), got.dtype))
        if dtype.kind == "f":
            keep = comparable(op, given)
            got, want = got[keep], want[keep]
        if op.name in CANCELS:
            tolerance = CANCELS[op.name] * np.finfo(dtype).eps / 2.2e-16
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=op.name)
        else:
            exact = op.name in EXACT or dtype.kind != "f"
            assert_same(got, want, 0 if exact else LOSES.get(op.name, ULPS), op.name)


def comparable(op: Op, given: list[np.ndarray]) -> np.ndarray:
    """Where NumPy says the same in all its versions, and of scalars as of arrays."""
    if op.name == "floor_divide":
        return np.isfinite(given[0]) & np.isfinite(given[1])
    if op.name == "power":
        return ~np.isneginf(given[0]) & (given[0] != 0)
    if op.name in ("lgamma", "digamma"):  # at poles
        return ~((given[0] <= 0) & (given[0] == np.rint(given[0])))
    if op.name == "fma":
        return np.isfinite(given[0] * given[1])
    return np.full(given[0].shape, True)


def test_conversions() -> None:
    """Between all dtypes; a float that an integer dtype has not is not asked for."""
    kernels, inputs, outputs, arrays = [], [], [], []
    for source in DTYPES:
        x = np.array([0, 1, 2, 5, 100], source) if source.kind != "b" else np.array([True, False, True, True, False])
        if source.kind in "if":
            x = np.concatenate([x, -x]).astype(source)
        given = Buffer((x.size,), source, "input")
        for target in DTYPES:
            b = Builder()
            result, out = Value(target), Buffer((x.size,), target, "output")
            loaded = b.load(given, (Affine.axis(0),))
            b.body += [Compute(result, "cast", (loaded,)), Store(out, (Affine.axis(0),), result)]
            kernels.append(b.finish((x.size,), "cast"))
            outputs.append(out)
        inputs.append(given)
        arrays.append(x)
    program = KernelProgram(tuple(inputs), tuple(outputs), tuple(kernels), 0)
    found, _ = Printed(program, compiled=False)(arrays)
    wanted = [x.astype(t) for x in arrays for t in DTYPES]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(got, want)
