"""What control flow refuses, with the messages that say what was given and what to write instead."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import AxisError, DtypeError, ShapeError, StructureError

lax = fd.lax


def test_carry_of_another_shape():
    with pytest.raises(
        StructureError, match=r"scan: the carry\['y'\] is f64\[\] before a step and f64\[3\] after it.*np.broadcast_to"
    ):
        lax.scan(
            lambda c, v: ({"x": c["x"], "y": c["y"] + np.ones(3)}, None), {"x": 1.0, "y": np.float64(2.0)}, np.zeros(2)
        )


def test_carry_of_another_dtype():
    with pytest.raises(
        StructureError, match=r"while_loop: the carry\[1\] is f32\[2\] before a step and f64\[2\] after it"
    ):
        lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * np.float64(0.5)), (0, np.ones(2, np.float32)))


def test_carry_of_another_structure():
    with pytest.raises(StructureError, match="scan: the body takes a carry of structure .* they must be the same"):
        lax.scan(lambda c, v: ((c[0],), None), (1.0, 2.0), np.zeros(2))


def test_body_without_a_pair():
    with pytest.raises(StructureError, match=r"must return a pair \(carry, y\), got Tracer; return \(carry, None\)"):
        lax.scan(lambda c, v: c, 1.0, np.zeros(2))


def test_lengths_that_differ():
    with pytest.raises(ShapeError, match=r"must agree, got \[2, 3\]"):
        lax.scan(lambda c, v: (c, None), 1.0, (np.zeros(2), np.zeros(3)))


def test_scan_without_a_length():
    with pytest.raises(StructureError, match="the number of steps must be given: length=n"):
        lax.scan(lambda c, v: (c, None), 1.0)


def test_condition_that_is_no_boolean():
    with pytest.raises(
        DtypeError, match=r"while_loop at .*test_errors.py:\d+: the condition must return a scalar boolean, got f64\[\]"
    ):
        lax.while_loop(lambda c: c, lambda c: c - 1, 3.0)


def test_bounds_that_are_no_integers():
    with pytest.raises(DtypeError, match=r"fori_loop takes integer bounds, got f64\[\]"):
        lax.fori_loop(0, 3.0, lambda i, v: v, 1.0)


def test_predicate_that_is_no_scalar():
    with pytest.raises(
        DtypeError,
        match=r"cond at .*test_errors.py:\d+: the predicate must be a scalar boolean, got bool\[2\]; use np.any",
    ):
        lax.cond(np.array([True, False]), np.sin, np.cos, 1.0)


@pytest.mark.parametrize(
    "predicate, found",
    [(~True, "i64"), (0, "i64"), (np.float32(1), "f32"), (np.array(1j), "c128"), (np.uint8(0), "u8")],
)
def test_predicate_that_is_a_number(predicate, found):
    message = (
        r"cond at .*test_errors.py:\d+: the predicate must be a scalar boolean, got "
        rf"{found}\[\].*np.logical_not\(x\): ~x of a Python bool"
    )
    f = lambda p: lax.cond(p, np.sin, np.cos, 1.0)
    for run in (
        f,
        fd.jit(f),
        lambda p: fd.vmap(f)(np.array([p, p])),
        lambda p: fd.grad(lambda x: lax.cond(p, np.sin, np.cos, x))(1.0),
    ):
        with pytest.raises(DtypeError, match=message):
            run(predicate)


def test_negated_flags_are_no_booleans():
    assert fd.jit(lambda flag: lax.cond(np.logical_not(flag), lambda: 1.0, lambda: 2.0))(True) == 2.0
    for flag in (True, False):
        with pytest.raises(
            DtypeError, match=r"got i64\[\]; compare a number \(x != 0\), and negate a boolean with np.logical_not"
        ):
            fd.jit(lambda flag: lax.cond(~flag, lambda: 1.0, lambda: 2.0))(flag)
    with pytest.raises(
        DtypeError, match=r"while_loop at .*: the condition must return a scalar boolean, got i64\[\]; compare a number"
    ):
        lax.while_loop(lambda c: ~True, lambda c: c - 1, 3.0)
    with pytest.raises(DtypeError, match="the condition must return a scalar boolean, got PyTreeSpec"):
        lax.while_loop(lambda c: None, lambda c: c - 1, 3.0)


def test_branches_that_differ_in_type():
    with pytest.raises(
        StructureError, match=r"cond: the result is .* in false_fun and .* in true_fun; convert one with .astype"
    ):
        lax.cond(True, lambda x: np.zeros(2) + x, lambda x: x, 1.0)


def test_branches_that_differ_in_structure():
    with pytest.raises(StructureError, match="branch 0 returns the structure .*, branch 1 .*; they must be the same"):
        lax.switch(0, [lambda x: (x, x), lambda x: x], 1.0)


def test_switch_without_branches():
    with pytest.raises(StructureError, match="switch needs at least one branch"):
        lax.switch(0, [], 1.0)


def test_python_decisions_in_a_body():
    f = lambda c, v: (c + 1 if v > 0 else c, None)
    with fd.config.front(False), pytest.raises(fd.errors.TracerConversionError, match="while scan traces"):
        lax.scan(f, 1.0, np.ones(2))
    assert lax.scan(f, 1.0, np.array([1.0, -1.0, 2.0]))[0] == 3.0


@pytest.mark.parametrize("length", [-1, 2.5, "3"])
def test_length_that_is_no_number_of_steps(length):
    with pytest.raises(
        StructureError, match="scan: length=.*; expected the number of steps, an integer that is not negative"
    ):
        lax.scan(lambda c, v: (c, None), 1.0, length=length)


def test_condition_in_a_container():
    with pytest.raises(DtypeError, match="must return a scalar boolean, got PyTreeSpec"):
        lax.while_loop(lambda c: (c < 3,), lambda c: c + 1, 0)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5])
def test_batch_size_that_is_no_positive_integer(batch_size):
    with pytest.raises(
        StructureError, match="map: batch_size=.*; expected a positive integer, the number of elements at a time"
    ):
        lax.map(np.sin, np.zeros(3), batch_size=batch_size)


def test_associative_scan_of_what_has_no_such_axis():
    with pytest.raises(
        AxisError, match=r"associative_scan runs along axis 1, but one of the leaves of elems is f64\[3\]"
    ):
        lax.associative_scan(np.add, (np.zeros((3, 2)), np.zeros(3)), axis=1)
    with pytest.raises(ShapeError, match=r"must have one length along axis 0, got \[3, 4\]"):
        lax.associative_scan(lambda a, b: a, (np.zeros((3, 2)), np.zeros(4)))
    with pytest.raises(
        StructureError, match="associative_scan: fn takes two containers of structure .* and returns one of structure"
    ):
        lax.associative_scan(lambda a, b: (a, b), np.zeros(3))


def test_select_of_other_shapes_and_dtypes():
    with pytest.raises(
        ShapeError, match=r"select takes cases of one shape and dtype, got f64\[2\], f64\[3\]; np.where"
    ):
        lax.select(True, np.zeros(3), np.zeros(2))
    with pytest.raises(
        ShapeError, match=r"select chooses from f64\[2,2\] by a scalar or an array of that shape, got bool\[2\]"
    ):
        lax.select(np.array([True, False]), np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(DtypeError, match=r"select takes booleans to choose by, got i64\[2\]"):
        lax.select(np.array([1, 0]), np.zeros(2), np.zeros(2))
    with pytest.raises(DtypeError, match=r"select_n of 3 cases takes integers to choose by, got bool\[\]"):
        lax.select_n(True, 1.0, 2.0, 3.0)
    with pytest.raises(DtypeError, match=r"select_n takes integers to choose by, got f64\[\]"):
        lax.select_n(1.0, 1.0, 2.0, 3.0)
    with pytest.raises(StructureError, match="select_n needs at least one case"):
        lax.select_n(0)
