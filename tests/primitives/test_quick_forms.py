"""What primitives declare for speed without jit is what ``evaluate`` does, to the last bit: Python's operators on
numbers, ufuncs that write to an array, which may be an operand, and that results share no memory with operands."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import functad  # noqa: F401
from functad.core.primitive import REGISTRY
from functad.ir.types import SeqType
from functad.testing.bits import assert_same_bits

VALUES = np.array([0.0, -0.0, 1.0, -1.5, 3.0, 1e-310, 1e300, -np.inf, np.inf, np.nan])

WITH_OPERATOR = sorted(name for name, p in REGISTRY.items() if p.infix is not None)
WITH_UFUNC = sorted(name for name, p in REGISTRY.items() if p.ufunc is not None)
COPYING = sorted(name for name, p in REGISTRY.items() if p.copies or isinstance(p.evaluate, np.ufunc))


def count(primitive):
    """How many operands it takes."""
    return len(next(iter(primitive.samples())).operands)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", WITH_OPERATOR)
def test_operators_of_numbers(name, dtype):
    primitive = REGISTRY[name]
    with np.errstate(all="ignore"):
        for xs in itertools.product([dtype(v) for v in VALUES], repeat=count(primitive)):
            expected = primitive.evaluate(*xs)
            for found in (primitive.infix(*xs), primitive.infix(*map(np.asarray, xs))):
                assert found.dtype == dtype
                assert_same_bits([np.asarray(found)], [np.asarray(expected)], f"{name}{xs}")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", WITH_UFUNC)
def test_ufuncs_that_write(name, dtype):
    primitive = REGISTRY[name]
    n = count(primitive)
    with np.errstate(all="ignore"):
        columns = np.array(list(itertools.product(VALUES.astype(dtype), repeat=n))).T
        for size in (len(columns[0]), 7):
            xs = [np.array(c[:size]) for c in columns]
            try:
                expected = primitive.evaluate(*xs)
            except TypeError:  # of integers or booleans
                return
            if expected.dtype != dtype:
                return  # tells numbers, and is written nowhere
            assert_same_bits([primitive.ufunc(*xs)], [expected], name)
            for out in range(n):
                ys = [x.copy() for x in xs]
                found = primitive.ufunc(*ys, out=ys[out])
                assert found is ys[out]
                assert_same_bits([found], [expected], f"{name} into operand {out}")


def made(operand, rng):
    if isinstance(operand, np.ndarray | np.generic):
        return operand
    if operand.dtype.kind == "b":
        return rng.random(operand.shape) < 0.5
    return np.asarray(rng.uniform(0.5, 2.0, operand.shape)).astype(operand.dtype)


@pytest.mark.parametrize("name", COPYING)
def test_results_share_no_memory(name):
    primitive, rng = REGISTRY[name], np.random.default_rng(0)
    for sample in primitive.samples():
        if any(isinstance(t, SeqType) for t in sample.operands):
            continue
        xs = [made(t, rng) for t in sample.operands]
        with np.errstate(all="ignore"):
            results = primitive.evaluate(*xs, **sample.params)
        for y in results if primitive.multiple_results else (results,):
            assert not any(np.shares_memory(y, x) for x in xs)
