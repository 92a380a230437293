"""Common subexpressions, of operands in either order where that makes no difference."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.core.primitive import REGISTRY
from functad.passes.cse import COMMUTATIVE, cse
from functad.passes.pipeline import optimize


def names(f, *args):
    return [e.primitive.name for e in optimize(fd.make_ir(f)(*args)).eqns]


def test_products_in_either_order_are_one():
    assert names(lambda x, y: np.sin(x * y) + np.cos(y * x), 1.0, 2.0).count("mul") == 1


def test_a_square_is_not_a_product_with_something_else():
    assert names(lambda x, y: (x * y) * (y * y), 1.0, 2.0).count("mul") == 2


@pytest.mark.parametrize("f", [np.maximum, np.subtract, np.copysign])
def test_order_matters_elsewhere(f):
    x, y = 0.0, -0.0
    g = fd.jit(lambda x, y: np.stack([f(x, y), f(y, x)]))
    np.testing.assert_array_equal(np.signbit(g(x, y)), np.signbit([f(x, y), f(y, x)]))


@pytest.mark.parametrize("name", sorted(COMMUTATIVE))
def test_what_is_merged_gives_the_same_bits(name):
    evaluate = REGISTRY[name].evaluate
    dtype = np.int64 if name.startswith("bit") else np.float64
    values = (
        np.array([0, 1, -3, 7])
        if dtype is np.int64
        else np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 1e308, 5e-324])
    )
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        first, second = evaluate(x, y), evaluate(y, x)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(
        np.signbit(first.astype(float)) & (first == first), np.signbit(second.astype(float)) & (second == second)
    )


def test_operands_are_compared_as_values():
    program = fd.make_ir(lambda x: (x + 0.0) * (x + -0.0) * (0.0 + x))(1.0)
    assert [e.primitive.name for e in cse(program).eqns].count("add") == 2
