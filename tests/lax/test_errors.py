"""What control flow refuses, with the messages that say what was given and what to write instead."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, ShapeError, StructureError

lax = fd.lax


def test_carry_of_another_shape():
    with pytest.raises(StructureError, match=r"scan: the carry\['y'\] is f64\[\] before a step and f64\[3\] after it.*np.broadcast_to"):
        lax.scan(lambda c, v: ({"x": c["x"], "y": c["y"] + np.ones(3)}, None), {"x": 1.0, "y": np.float64(2.0)}, np.zeros(2))


def test_carry_of_another_dtype():
    with pytest.raises(StructureError, match=r"while_loop: the carry\[1\] is f32\[2\] before a step and f64\[2\] after it"):
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
    with pytest.raises(DtypeError, match=r"must return a scalar boolean, got f64\[\]"):
        lax.while_loop(lambda c: c, lambda c: c - 1, 3.0)


def test_bounds_that_are_no_integers():
    with pytest.raises(DtypeError, match=r"fori_loop takes integer bounds, got f64\[\]"):
        lax.fori_loop(0, 3.0, lambda i, v: v, 1.0)


def test_predicate_that_is_no_scalar():
    with pytest.raises(DtypeError, match=r"cond takes a scalar predicate, got bool\[2\]; use np.any or np.all"):
        lax.cond(np.array([True, False]), np.sin, np.cos, 1.0)


def test_branches_that_differ_in_type():
    with pytest.raises(StructureError, match=r"cond: the result is .* in branch 0 and .* in branch 1; convert one with .astype"):
        lax.cond(True, lambda x: np.zeros(2) + x, lambda x: x, 1.0)


def test_branches_that_differ_in_structure():
    with pytest.raises(StructureError, match="branch 0 returns the structure .*, branch 1 .*; they must be the same"):
        lax.switch(0, [lambda x: (x, x), lambda x: x], 1.0)


def test_switch_without_branches():
    with pytest.raises(StructureError, match="switch needs at least one branch"):
        lax.switch(0, [], 1.0)


def test_python_decisions_in_a_body():
    with pytest.raises(fd.errors.TracerConversionError, match="while scan traces"):
        lax.scan(lambda c, v: (c + 1 if v > 0 else c, None), 1.0, np.ones(2))
