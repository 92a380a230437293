"""What elementwise functions refuse, and what they then say."""

from __future__ import annotations

import numpy as np
import pytest

from functad.core.primitive import type_of
from functad.errors import ArgumentError, DtypeError, ShapeError
from functad.primitives.arithmetic import add, div
from functad.primitives.convert import convert
from functad.primitives.powers import integer_power, power
from functad.primitives.selection import select
from functad.primitives.trigonometric import arctan2, sin
from functad.transforms.programs import trace_program


def trace(f, *values):
    return trace_program(lambda *xs: [f(*xs)], [type_of(v) for v in values])


ints, floats = np.arange(3), np.ones(3)


@pytest.mark.parametrize(
    ("f", "values", "error", "message"),
    [
        (sin, (ints,), DtypeError, r"sin takes floating or complex operands, got i64\[3\]; convert with \.astype"),
        (div, (ints, ints), DtypeError, r"div takes floating or complex operands, got i64\[3\]"),
        (arctan2, (floats + 0j, floats + 0j), DtypeError, r"arctan2 takes floating operands, got c128\[3\]"),
        (add, (ints, floats), DtypeError, r"add takes operands of one dtype, got i64\[3\] and f64\[3\]"),
        (add, (floats, floats[:2]), ShapeError, r"add takes operands of one shape, got f64\[3\] and f64\[2\]"),
        (
            select,
            (floats, floats, floats),
            DtypeError,
            r"select takes a bool predicate, got f64\[3\]; compare, as in x != 0",
        ),
        (
            select,
            (floats > 0, floats[:2], floats[:2]),
            ShapeError,
            r"select takes .* one shape, got bool\[3\], f64\[2\] and f64\[2\]",
        ),
        (
            lambda z: convert(z, float),
            (floats + 0j,),
            DtypeError,
            r"cannot convert c128\[3\] to float64: .* use x\.real, or np\.abs\(x\)",
        ),
        (
            lambda x: integer_power(x, -2),
            (ints,),
            ArgumentError,
            r"dtype int64 have no power -2; use x\.astype\(float\) \*\* -2",
        ),
    ],
)
def test_refused_while_tracing(f, values, error, message):
    with pytest.raises(error, match=message):
        trace(f, *values)


def test_negative_powers_of_integers_are_refused():
    with pytest.raises(ArgumentError, match=r"integers have no negative integer powers; use x\.astype\(float\) \*\* y"):
        power(ints, ints - 1)
    assert trace(power, ints, ints).eqns[0].primitive.may_raise
    assert not trace(power, floats, floats).eqns[0].primitive.may_raise


def test_python_numbers_take_the_dtype_of_the_array():
    x = np.ones(3, np.float32)
    assert add(x, 1).dtype == np.float32
    assert select(x > 0, x, 2).dtype == np.float32
    assert select(x > 0, 2, x).dtype == np.float32
