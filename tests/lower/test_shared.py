"""Native code that all modules share."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from functad.lower.llvm.target import Target
from functad.lower.native.shared import is_shared, shared_symbol


@pytest.mark.parametrize(
    "name", ["functad_blocks", "functad_blocks_sum_f64", "functad_matvec_rows_d", "functad_matvec_columns_c"]
)
def test_a_function_is_compiled_once_a_target(name: str) -> None:
    assert is_shared(name)
    target = Target.host()
    address = shared_symbol(name, target)
    assert shared_symbol(name, dataclasses.replace(target)) == address
    assert shared_symbol(name, dataclasses.replace(target, opt_level=0)) != address


def test_other_functions_are_not_shared() -> None:
    assert not any(map(is_shared, ("functad_dgemm", "lgamma", "functad_parallel")))


def test_threads_get_the_same_function() -> None:
    target = dataclasses.replace(Target.host(), vector_bits=64, opt_level=1)
    with ThreadPoolExecutor(8) as pool:
        addresses = set(pool.map(lambda _: shared_symbol("functad_matvec_rows_s", target), range(32)))
    assert len(addresses) == 1
