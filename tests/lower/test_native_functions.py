"""Native functions: each of those that modules share is compiled once; the addresses of all are found."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import functad.lower.native
from functad.kernel_ir.native import NATIVE_FUNCTIONS, Address, NativeFunction, Text, family
from functad.lower.llvm.target import Target
from functad.lower.native.blas import blas_routine
from functad.lower.native.blocks import BLOCKS, accumulation
from functad.lower.native.machine import machine_code
from functad.lower.native.matvec import matvec_function


def address(function: NativeFunction, target: Target) -> int:
    return machine_code(function, target)[0]


@pytest.mark.parametrize(
    "function",
    [BLOCKS, accumulation("sum", np.dtype(np.float64)), matvec_function(True, "d"), matvec_function(False, "c")],
    ids=lambda f: f.symbol,
)
def test_text_is_compiled_once_a_target(function: NativeFunction) -> None:
    target = Target.host()
    assert address(function, dataclasses.replace(target, fastmath="nnan")) == address(function, target)
    assert address(function, dataclasses.replace(target, opt_level=0)) != address(function, target)


def test_the_code_of_all_functions_is_found() -> None:
    package = functad.lower.native
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    for kind in "sdcz":
        assert blas_routine(kind, "gemm") and blas_routine(kind, "gemv")
    found = [f for f in NATIVE_FUNCTIONS.values() if isinstance(f.code, Address | Text) and "test" not in f.symbol]
    assert {"malloc", "functad_dgemm", "functad_blocks", "functad_sequence_reserve"} <= {f.symbol for f in found}
    for function in found:
        assert address(function, Target.host()), function.symbol


def test_threads_get_the_same_function() -> None:
    target = dataclasses.replace(Target.host(), vector_bits=64, opt_level=1)
    with ThreadPoolExecutor(8) as pool:
        addresses = set(pool.map(lambda _: address(matvec_function(True, "s"), target), range(32)))
    assert len(addresses) == 1


def test_threads_get_the_same_member_of_a_family() -> None:
    @family
    def member(number: int) -> NativeFunction:
        time.sleep(0.001)  # another thread may run between the look into the table and the declaration
        return NativeFunction(f"test_member_{number}", signature="void ()")

    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            assert len(set(pool.map(member, [number] * 8))) == 1
