"""``Lanes``: what its instructions compute, at several widths."""

from __future__ import annotations

import itertools
import math
import platform

import numpy as np
import pytest

from functad.kernel_ir.lines import Lines
from functad.lower.llvm.lanes import Lanes
from tests.tools.array_function import ArrayFunction

NAMES = {
    "f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8, "bool": np.bool_,
}  # fmt: skip


def chain(*dtypes: str, width: int) -> ArrayFunction:
    """Casts from each dtype to the next, from f64 and back to it."""

    def body(lanes: Lanes, dtype: str, x: str) -> str:
        for source, target in itertools.pairwise(("f64", *dtypes, "f64")):
            x = lanes.cast(source, target, x)
        return x

    return ArrayFunction(body, "f64", 1, width)


@pytest.mark.parametrize("first", NAMES)
def test_casts_are_numpys(first: str) -> None:
    x = np.array(
        [
            0.0,
            -0.0,
            1.0,
            2.5,
            100.9,
            126.0,
            200.7,
            254.0,
            3e4,
            6e4,
            2e9,
            4e9,
            2.0**40 + 1.5,
            2.0**62,
            2.0**63,
            1.5 * 2.0**63,
        ]
    )
    with np.errstate(all="ignore"):
        fits = (x >= 0) if NAMES[first] in (np.float64, np.float32, np.bool_) else x < float(np.iinfo(NAMES[first]).max)
        x = x[fits]
        x = np.append(x, -x) if first[0] != "u" else x
        for second in NAMES:
            between = x.astype(NAMES[first]).astype(NAMES[second])
            # A float that the second dtype cannot hold is another test's subject.
            held = np.ones(x.shape, bool)
            if first[0] == "f" and second[0] in "iu":
                info = np.iinfo(NAMES[second])
                held = (x >= info.min) & (x < float(info.max))
            for width in (1, 4):
                got = chain(first, second, width=width)(x)
                np.testing.assert_array_equal(
                    got[held], between.astype(np.float64)[held], err_msg=f"{first} to {second}"
                )


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="C leaves it undefined, and CPUs differ"
)
@pytest.mark.parametrize("dtype", ["i64", "i32", "i16", "i8", "u32", "u16", "u8"])
def test_floats_that_no_int_holds_wrap_as_in_numpy_on_x86(dtype: str) -> None:
    x = np.array(
        [
            math.nan,
            math.inf,
            -math.inf,
            1e300,
            -1e300,
            2.0**63,
            -(2.0**63),
            2.0**31,
            -(2.0**31) - 1,
            300.7,
            -1.0,
            -129.5,
            70000.0,
        ]
    )
    with np.errstate(invalid="ignore"):
        expected = np.array([np.float64(v).astype(NAMES[dtype]) for v in x]).astype(np.float64)
    for width in (1, 4):
        np.testing.assert_array_equal(chain(dtype, width=width)(x), expected)


def test_constants_are_exact() -> None:
    lanes = Lanes(Lines(), 4)
    assert lanes.const("f64", 0.1) == "splat (double 0x3FB999999999999A)"
    assert lanes.const("f32", 0.1) == "splat (float 0x3FB99999A0000000)"
    assert lanes.const("f64", -0.0) == "splat (double 0x8000000000000000)"
    assert lanes.const("f32", 1e300) == "splat (float 0x7FF0000000000000)"
    assert lanes.const("u8", np.uint8(255)) == "splat (i8 255)"
    assert lanes.const("bool", True) == "splat (i1 true)"
    assert Lanes(Lines(), 1).const("f64", math.nan) == "0x7FF8000000000000"


@pytest.mark.parametrize("width", [1, 2, 8])
def test_libm_functions_apply_lane_by_lane(width: int) -> None:
    x = np.linspace(0.5, 9.0, 41)

    def body(lanes: Lanes, dtype: str, x: str, y: str) -> str:
        return lanes.call_libm(dtype, "atan2", [x, lanes.call_libm(dtype, "lgamma", [y])])

    expected = [math.atan2(a, math.lgamma(b)) for a, b in zip(x, x[::-1], strict=True)]
    np.testing.assert_allclose(ArrayFunction(body, "f64", 2, width)(x, x[::-1]), expected, rtol=1e-13)


@pytest.mark.parametrize("width", [1, 4])
def test_rare_code_runs_only_where_some_lane_needs_it(width: int) -> None:
    """The rare value replaces the usual one in the lanes of the condition alone, and blocks join up inside a loop."""

    def body(lanes: Lanes, dtype: str, x: str) -> str:
        large = lanes.fcmp("ogt", dtype, x, lanes.const(dtype, 10.0))
        return lanes.rarely(dtype, large, lanes.fneg(dtype, x), lambda: lanes.fmul(dtype, x, lanes.const(dtype, 2.0)))

    x = np.arange(22.0)
    np.testing.assert_array_equal(ArrayFunction(body, "f64", 1, width)(x), np.where(x > 10, 2 * x, -x))


def test_what_is_known_is_reused_after_a_rare_path_but_not_in_other_code() -> None:
    lanes = Lanes(Lines(), 2)
    computed: list[str] = []

    def compute() -> str:
        computed.append(lanes.text.block)
        return "%x"

    lanes.once("key", compute)
    lanes.rarely("f64", "%p", "%x", lambda: lanes.once("key", compute))
    lanes.once("key", compute)
    assert computed == ["entry"]
    lanes.text.begin("body")
    lanes.once("key", compute)
    assert computed == ["entry", "body"]
