"""The text form of Programs."""

from __future__ import annotations

import time

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.printer import format_equation, format_program, variable_names
from functad.ir.program import Eqn, Literal, Location, Program, Var, sub_programs
from functad.ir.scalars import format_scalar
from functad.ir.types import array_type, scalar_type

F64 = np.dtype(np.float64)


class Named:
    """Stands in for a primitive where only the name is read."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_equations_params_and_literals():
    b = ProgramBuilder()
    x, y = b.input(array_type((3,), F64)), b.input(array_type((2, 3), np.float32))
    doubled = b.emit(REGISTRY["mul"], x, np.float64(2))
    total = b.emit(REGISTRY["sum"], y, axes=(0,))
    shifted = b.emit(REGISTRY["add"], total, np.float32(0.5))
    weighted = b.emit(REGISTRY["mul"], doubled, np.ones(3))
    assert str(b.build(weighted, shifted, Literal(np.int32(7)))) == (
        "{ lambda a:f64[3] b:f32[2,3] .\n"
        "    c:f64[3] = mul a 2.0\n"
        "    d:f32[3] = sum[axes=(0,)] b\n"
        "    e:f32[3] = add d 0.5:f32\n"
        "    f:f64[3] = mul c array(f64[3])\n"
        "  in (f e 7:i32) }"
    )


def test_empty_and_named():
    assert str(Program([], [], [])) == "{ lambda .\n  in () }"
    x = Var(scalar_type(F64))
    assert str(Program([x], [], [x, x], "loss")) == "loss { lambda a:f64[] .\n  in (a a) }"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(2), "2.0"), (np.float64(-0.0), "-0.0"), (np.float64("nan"), "nan"), (np.float64("-inf"), "-inf"),
        (np.float64(0.1), "0.1"), (np.int64(-3), "-3"), (np.True_, "True"), (np.complex128(1 - 2j), "(1-2j)"),
        (np.float32(0.5), "0.5:f32"), (np.int32(4), "4:i32"), (np.uint8(255), "255:u8"), (np.complex64(1j), "1j:c64"),
    ],
)  # fmt: skip
def test_scalars(value, text):
    assert format_scalar(value) == text


def test_variable_names_are_short_distinct_and_never_words_of_the_grammar():
    names = [name for name, _ in zip(variable_names(), range(20_000), strict=False)]
    assert names[:3] == ["a", "b", "c"]
    assert names[25:28] == ["z", "aa", "ab"]
    assert len(set(names)) == len(names)
    assert not {"in", "inf", "nan"} & set(names)


def test_sub_programs_are_indented_and_have_names_of_their_own():
    b = ProgramBuilder()
    x = b.input(scalar_type(F64))
    inner = b.build(b.emit(REGISTRY["neg"], x), name="f")
    outer, out = Var(scalar_type(F64)), Var(scalar_type(F64))
    eqn = Eqn(Named("cond"), (outer,), {"branches": (inner, inner), "unit": np.dtype(np.float32)}, (out,), None)
    assert sub_programs(eqn) == [inner, inner]
    assert str(Program([outer], [eqn], [out])) == (
        "{ lambda a:f64[] .\n"
        "    b:f64[] = cond[\n"
        "        branches=(f { lambda a:f64[] .\n"
        "            b:f64[] = neg a\n"
        "          in (b) }, f { lambda a:f64[] .\n"
        "            b:f64[] = neg a\n"
        "          in (b) }),\n"
        "        unit=f32\n"
        "    ] a\n"
        "  in (b) }"
    )


def test_several_results_no_result_and_unusual_params():
    x, y, z = (Var(scalar_type(F64)) for _ in range(3))
    params = {
        "rule": format_scalar,
        "table": {"k": np.float32(1)},
        "data": np.zeros((2, 3)),
        "object": Named(""),
        "text": "a b",
    }
    both = Eqn(Named("split"), (x,), params, (y, z), None)
    none = Eqn(Named("store"), (y,), {}, (), None)
    assert str(Program([x], [both, none], [z])) == (
        "{ lambda a:f64[] .\n"
        "    b:f64[] c:f64[] = split[data=array(f64[2,3]), object=<Named>, rule=format_scalar, table={k: 1.0:f32}, "
        "text='a b'] a\n"
        "    () = store b\n"
        "  in (c) }"
    )


def test_locations_on_request():
    def user_function():
        return None  # the line that instruction 0 and all others belong to

    code = user_function.__code__
    x, y = Var(scalar_type(F64)), Var(scalar_type(F64))
    program = Program([x], [Eqn(REGISTRY["neg"], (x,), {}, (y,), Location(code, len(code.co_code) - 2))], [y])
    assert "#" not in format_program(program)
    assert f"b:f64[] = neg a  # {__file__}:{code.co_firstlineno + 1}\n" in format_program(program, locations=True)


def test_an_undefined_variable_shows_as_such():
    x, stray, y = (Var(scalar_type(F64)) for _ in range(3))
    eqn = Eqn(REGISTRY["add"], (x, stray), {}, (y,), None)
    assert format_equation(eqn, Program([x], [eqn], [y])) == "b:f64[] = add a ?0"


def test_printing_takes_linear_time():
    def seconds(n: int) -> float:
        b = ProgramBuilder()
        x = b.input(scalar_type(F64))
        for _ in range(n):
            x = b.emit(REGISTRY["neg"], x)
        program = b.build(x)
        start = time.perf_counter()
        assert format_program(program).count("\n") == n + 1
        return time.perf_counter() - start

    seconds(1_000)
    assert seconds(32_000) < 30 * seconds(4_000)  # linear: 8 times; quadratic: 64 times
