"""Native functions: each of those that modules share is compiled once; the addresses of all are found."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from functad.kernel_ir.native import NativeFunction
from functad.lower.llvm.target import Target
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


def test_threads_get_the_same_function() -> None:
    target = dataclasses.replace(Target.host(), vector_bits=64, opt_level=1)
    with ThreadPoolExecutor(8) as pool:
        addresses = set(pool.map(lambda _: address(matvec_function(True, "s"), target), range(32)))
    assert len(addresses) == 1
