"""The evaluator of the kernel IR, against NumPy written by hand; it refuses what native code could not survive."""

from __future__ import annotations

import numpy as np
import pytest

from functad.errors import InternalError
from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.native import NativeFunction, reads, writes
from functad.kernel_ir.nodes import Affine, Buffer, Call, CheckInfo, KernelProgram, Product, Statement
from functad.kernel_ir.ops import OPS
from functad.kernel_ir.sizes import poly

F64, I64 = np.dtype("f8"), np.dtype("i8")
N, M = Symbol(0), Symbol(1)
i, j = Affine.axis(0), Affine.axis(1)
X, WHERE = Buffer((N, M), F64, "input"), Buffer((N,), I64, "input")
A = np.arange(12.0).reshape(3, 4) - 5


def program(inputs: tuple[Buffer, ...], outputs: tuple[Buffer, ...], *body: Statement) -> KernelProgram:
    return KernelProgram(inputs, outputs, body, 2, (CheckInfo("E", "one"), CheckInfo("E", "two")))


def test_map_and_reductions() -> None:
    total, rows, columns, out = (
        Buffer((), F64, "output"),
        Buffer((N,), F64, "output"),
        Buffer((M,), F64, "output"),
        Buffer((M, N), F64, "output"),
    )
    b = Builder()
    v = b.load(X, (i, j))
    b.reduce(total, (), "sum", v)
    b.reduce(rows, (i,), "max", v)
    b.reduce(columns, (j,), "prod", v)
    b.store(out, (j, i), b.exp(v))
    (got_total, got_rows, got_columns, got_out), code = evaluate_program(
        program((X,), (total, rows, columns, out), b.finish((N, M))), [A], [3, 4]
    )
    assert code == 0 and got_total == A.sum()
    np.testing.assert_array_equal(got_rows, A.max(axis=1))
    np.testing.assert_array_equal(got_columns, A.prod(axis=0))
    np.testing.assert_array_equal(got_out, np.exp(A).T)


def test_scan_in_both_directions() -> None:
    for reverse in (False, True):
        out = Buffer((N, M), F64, "output")
        b = Builder()
        b.store(out, (i, j), b.scan("sum", b.load(X, (i, j)), reverse))
        ((got,), _) = evaluate_program(program((X,), (out,), b.finish((N, M))), [A], [3, 4])
        np.testing.assert_array_equal(got, A[:, ::-1].cumsum(axis=1)[:, ::-1] if reverse else A.cumsum(axis=1))


def test_scatter_in_order() -> None:
    out = Buffer((2, M), F64, "output")
    fill, b = Builder(), Builder()
    fill.store(out, (i, j), fill.const(0, F64))
    b.scatter(out, (Affine.value(b.load(WHERE, (i,))), j), "set", b.load(X, (i, j)))
    ((got,), _) = evaluate_program(
        program((X, WHERE), (out,), fill.finish((2, M)), b.finish((N, M))), [A, np.array([1, 0, 1])], [3, 4]
    )
    np.testing.assert_array_equal(got, A[[1, 2]])


def test_checks_and_native_functions() -> None:
    def negate(x, out):
        np.negative(x, out=out)
        return x.size if x.size > 5 else 0

    operands, error = (reads(F64, 2), writes(F64, 2)), ("ShapeError", "{value} are too many")
    function = NativeFunction("test_negate", operands=operands, evaluate=negate, error=error)
    out = Buffer((N, M), F64, "output")
    b = Builder()
    b.check(b.lt(b.load(X, (i, j)), 6.0), 1)
    call = Call(function, (X, out), (poly(N), poly(M), poly(N), poly(M)), 2)
    ((got,), code) = evaluate_program(program((X,), (out,), b.finish((N, M)), call), [A], [3, 4])
    np.testing.assert_array_equal(got, -A)
    assert code == 1


def test_complex_product() -> None:
    z = A + 1j * A[::-1]
    x, out = Buffer((N, M, 2), F64, "input"), Buffer((M, M, 2), F64, "output")
    p = Product(out, x, x, poly(1), poly(M), poly(M), poly(N), transpose_lhs=True, complex=True)
    ((got,), _) = evaluate_program(program((x,), (out,), p), [z], [3, 4])
    np.testing.assert_allclose(got.view(complex)[..., 0], z.T @ z)


def test_two_stores_to_one_element() -> None:
    out = Buffer((M,), F64, "output")
    b = Builder()
    b.store(out, (Affine.value(b.load(WHERE, (i,))),), b.const(1, F64))
    with pytest.raises(InternalError, match="two points store to one element"):
        evaluate_program(program((WHERE,), (out,), b.finish((N,))), [np.array([0, 1, 0])], [3, 4])


def test_an_index_out_of_bounds() -> None:
    out = Buffer((N,), F64, "output")
    b = Builder()
    b.store(out, (i,), b.load(X, (i, Affine.value(b.load(WHERE, (i,))))))
    with pytest.raises(InternalError, match="index 0 to 4 of axis 1 of length 4"):
        evaluate_program(program((X, WHERE), (out,), b.finish((N,))), [A, np.array([0, 4, 0])], [3, 4])


def test_an_input_of_another_dtype() -> None:
    with pytest.raises(InternalError, match="an input of dtype float32 for a buffer of float64"):
        evaluate_program(program((X,), ()), [A.astype("f4")], [3, 4])


@pytest.mark.parametrize("shape", [(8193,), (90, 101)])
@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_slope", "tanh_slope", "lgamma", "unit_x", "y_over_square"])
def test_functions_in_blocks_to_the_last_bit(name: str, shape: tuple[int, ...]) -> None:
    """Large arrays, with what is special among the elements, and ones that are not contiguous."""
    op = OPS[name]
    pair = np.random.default_rng(0).normal(scale=5, size=(2, *shape))
    pair[0].flat[:6] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310]
    for x, y in (pair, pair.astype(np.float32), pair.astype(np.float16), [pair[0].T, pair[1].T]):
        args = (x, y)[: op.arity]
        with np.errstate(all="ignore"):
            found, expected = op.function(*args), op.function.__wrapped__(*args)
        assert found.dtype == x.dtype
        assert found.tobytes() == expected.tobytes()
