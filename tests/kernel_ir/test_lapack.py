"""Functions that call LAPACK for each item of a batch, by themselves."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import functad.lower.emit.driver  # noqa: F401  (declares what the functions call)
from functad.errors import InternalError
from functad.kernel_ir.codes import SIZE_OVERFLOW
from functad.kernel_ir.fortran import routine_address
from functad.kernel_ir.native import NativeFunction
from functad.lower.llvm.target import Target
from functad.lower.native.machine import machine_code
from functad.primitives.linalg.hermitian import syevd
from functad.primitives.linalg.lu import getrf

DOUBLE = np.dtype(np.float64)


def call(function: NativeFunction, *arrays: np.ndarray, sizes: tuple[int, ...] = ()) -> int:
    """What a function returns for arrays, or for sizes that they do not have."""
    address, keep = machine_code(function, Target.host())
    kind: Any = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
    buffers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
    lengths = sizes or tuple([n for a in arrays for n in a.shape])
    result: int = kind(address)(buffers, (ctypes.c_int64 * len(lengths))(*lengths))
    del keep
    return result


def test_each_item_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 2, 4, 4))
    a += a.swapaxes(-1, -2)
    w, v = np.empty((3, 2, 4)), a.copy()
    assert call(syevd(DOUBLE, 2, True, True), v, w) == 0
    np.testing.assert_allclose(w, np.linalg.eigvalsh(a), atol=1e-12)
    np.testing.assert_allclose(np.einsum("...ji,...j,...jk->...ik", v, w, v), a, atol=1e-12)  # vectors are rows here


def test_a_failure_in_any_item() -> None:
    a = np.stack([np.eye(3)] * 5)
    a[3] = np.nan
    expected = syevd(DOUBLE, 1, True, False).run([a.copy(), np.empty((5, 3))])
    assert call(syevd(DOUBLE, 1, True, False), a.copy(), np.empty((5, 3))) == expected


def test_lengths_that_32_bits_do_not_hold() -> None:
    """No item is looked at, and no memory asked for by a length that was cut off."""
    nothing = np.empty((0, 2, 2)), np.empty((0, 2), np.int32)
    assert call(getrf(DOUBLE, 1), *nothing, sizes=(1, 2**31, 2, 1, 2)) == SIZE_OVERFLOW
    assert call(getrf(DOUBLE, 1), *nothing) == 0


def test_the_signature_of_a_routine_is_looked_at() -> None:
    with pytest.raises(
        InternalError, match="SciPy's dgetri has the signature void .*; functad calls it with 2 pointers"
    ):
        routine_address("lapack", "dgetri", 2)
    with pytest.raises(InternalError, match="SciPy's cython_lapack has no dnothing"):
        routine_address("lapack", "dnothing", 3)
