"""Comparisons as affine conditions, boxes of them, and bodies under what they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from functad.ir.types import Symbol
from functad.kernel_ir.assume import assume
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.conditions import Box, Room, complement, conditions, conjuncts
from functad.kernel_ir.nodes import Affine, Buffer, Kernel, Value
from functad.kernel_ir.printer import format_kernel
from functad.kernel_ir.sizes import poly

F64, BOOL = np.dtype(float), np.dtype(bool)
N, M = Symbol(0), Symbol(1)
ROW, COLUMN = Affine.axis(0), Affine.axis(1)


def number(affine: Affine, i: int, j: int, sizes: tuple[int, int]) -> int:
    """The value of an affine expression of ROW and COLUMN."""
    return affine.offset.evaluate(sizes) + sum(scale.evaluate(sizes) * (i, j)[atom] for atom, scale in affine.terms)  # type: ignore[index]


@pytest.mark.parametrize("name", ["lt", "le", "gt", "ge"])
def test_comparisons_of_whole_numbers(name: str) -> None:
    b = Builder()
    x, y = b.sub(b.mul(b.axis(ROW), 3), b.size(N)), b.neg(b.add(b.axis(COLUMN), 2))
    p = b.compute(name, x, y)
    found = conditions(b.body)[p]
    for i, j, n in itertools.product(range(4), range(4), range(8)):
        truth = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}[name](
            3 * i - n, -(j + 2)
        )
        assert (number(found, i, j, (n, 0)) >= 0) == truth
        assert (number(complement(found), i, j, (n, 0)) >= 0) != truth


def test_what_depends_on_data_is_no_condition() -> None:
    b = Builder()
    data = b.load(Buffer((N,), np.dtype(np.int64), "input"), (ROW,))
    b.lt(data, b.size(N))
    b.lt(b.mul(b.axis(ROW), b.axis(COLUMN)), 3)
    b.eq(b.axis(ROW), 3)
    assert conditions(b.body) == {}


def test_numbers_that_may_wrap_around_are_left_alone() -> None:
    """2**62 * 2 is negative."""
    b = Builder()
    b.ge(b.mul(b.axis(ROW), 2**62), 0)
    b.ge(b.mul(b.mul(b.axis(ROW), 2**15), 2**15), 0)
    b.ge(b.mul(b.axis(ROW), b.size(N)), 0)
    assert conditions(b.body) == {}


def test_of_long_conjunctions_only_some_parts_are_known() -> None:
    b = Builder()
    mask = b.const(True, BOOL)
    for k in range(100):
        mask = b.bit_and(mask, b.ge(b.axis(ROW), k + 1))
    assert all(len(parts) <= 64 for parts in conjuncts(b.body, conditions(b.body)).values())


def test_conjunctions_keep_what_is_affine() -> None:
    b = Builder()
    data = b.load(Buffer((N,), BOOL, "input"), (ROW,))
    first, second = b.ge(b.axis(ROW), 1), b.lt(b.axis(COLUMN), b.size(M))
    both = b.bit_and(b.bit_and(first, data), second)
    neither = b.bit_or(first, second)
    parts = conjuncts(b.body, conditions(b.body))
    assert set(parts[both]) == {ROW + -1, COLUMN * -1 + (poly(M) - 1)}
    assert neither not in parts and data not in parts


def test_boxes_keep_the_strictest() -> None:
    box = Box([ROW + -1, ROW + -3, ROW + -2, COLUMN * -1 + poly(N), COLUMN * -1 + poly(M)])
    assert set(box.beyond(Box())) == {ROW + -3, COLUMN * -1 + poly(N), COLUMN * -1 + poly(M)}
    assert box.beyond(Box([ROW + -5, COLUMN * -1 + poly(M)])) == (COLUMN * -1 + poly(N),)
    assert (
        box.implies(ROW)
        and box.implies(COLUMN * -1 + (poly(M) + N))
        and not box.implies(ROW + -4)
        and not box.implies(COLUMN)
    )
    assert not box.implies(COLUMN * -1 + (poly(M) - 1)), "a size may be 0"


def test_how_much_room_a_condition_leaves() -> None:
    box = Box([ROW, ROW * -1 + (poly(N) - 1), COLUMN + poly(M) * -1])
    assert box.room(ROW * -1) == box.room(ROW * -1 + 6) == Room.FEW
    assert box.room(ROW * -1 + 7) == box.room(ROW + -1) == box.room(ROW * -1 + poly(M)) == Room.MANY
    assert box.room(ROW + poly(M) * -1) == Room.UNKNOWN, "M may be more than N, or less"
    assert box.room(COLUMN * -1 + 2) == Room.FEW, "M <= j <= 2 is empty for the sizes that symbols mostly are"
    assert box.room(COLUMN * -1 + poly(N)) == Room.UNKNOWN
    assert box.room(COLUMN * -1 + (poly(N) + M)) == Room.MANY
    assert box.room(COLUMN) == box.room(Affine(-1)) == Room.MANY, "nothing is on the other side"


# ---- bodies under assumptions


def choice() -> tuple[Builder, Value, Value]:
    """``out = x[i - 1] + 2 if 1 <= i < m else 7``, and its two conditions."""
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")
    b = Builder()
    low, high = b.ge(b.axis(ROW), 1), b.lt(b.axis(ROW), b.size(M))
    mask = b.bit_and(low, high)
    b.store(out, (ROW,), b.select(mask, b.add(b.load(x, (ROW + -1,), mask), 2.0), 7.0))
    return b, low, high


def printed(b: Builder, facts: dict[Value, bool]) -> str:
    body = tuple(instr for instr, _ in assume(b.body, facts))
    return format_kernel(Kernel((poly(N),), body, "assumed"))


def test_masks_that_hold_go() -> None:
    b, low, high = choice()
    text = printed(b, {low: True, high: True})
    assert "select" not in text and " if " not in text and "axis" not in text and "7.0" not in text
    assert text.count("load") == 1 and text.count("add") == 1


def test_one_condition_leaves_the_other() -> None:
    b, low, high = choice()
    text = printed(b, {low: True})
    assert " if " in text and "lt" in text and "ge" not in text and "bit_and" not in text


def test_choices_that_are_never_made_go() -> None:
    b, low, high = choice()
    text = printed(b, {high: False})
    assert "load" not in text and "select" not in text and "7.0" in text


def test_reads_that_are_masked_everywhere_are_their_fill() -> None:
    x, out = Buffer((N,), F64, "input"), Buffer((N,), F64, "output")
    b = Builder()
    mask = b.ge(b.axis(ROW), 1)
    b.store(out, (ROW,), b.load(x, (ROW,), mask, 5.0))
    b.store(out, (ROW,), b.const(1.0, F64), mask)
    assert "load" in printed(b, {}) and printed(b, {}).count("store") == 2
    text = printed(b, {mask: False})
    assert "load" not in text and "5.0" in text and text.count("store") == 1


def test_conditions_that_are_data_are_constants() -> None:
    out = Buffer((N,), BOOL, "output")
    b = Builder()
    p, q = b.ge(b.axis(ROW), 1), b.lt(b.axis(ROW), b.size(M))
    b.store(out, (ROW,), b.bit_xor(p, b.bit_or(p, q)))
    b.check(b.bit_or(q, p), 1)
    text = printed(b, {p: True})
    assert "const True" in text and "ge" not in text and "check" not in text and "bit_or" not in text
    assert "bit_xor" in text


def test_each_instruction_has_its_origin() -> None:
    b, low, high = choice()
    pairs = assume(b.body, {low: True, high: True})
    assert all(origin in b.body for _, origin in pairs)
    assert [type(new) for new, _ in pairs] == [type(origin) for _, origin in pairs]
