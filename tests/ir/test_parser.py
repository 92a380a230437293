"""The text of Programs read back: the grammar of ``ir/printer.py``, and what is no Program."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import functad as fd
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY, type_of
from functad.errors import ArgumentError, ParseError, StructureError, UnsupportedError
from functad.ir.builder import ProgramBuilder
from functad.ir.checker import check_program
from functad.ir.key import structural_key
from functad.ir.occurrences import MOST_NESTED
from functad.ir.program import Eqn, Literal, Program, Var
from functad.ir.scalars import format_scalar, scalar_of
from functad.ir.types import ArrayType, array_type
from functad.lax import checkpoint_policies as policies
from functad.lower.abstract.abstract import abstract
from functad.primitives import ALWAYS
from functad.primitives.calls import jit_p
from functad.testing.programs import by_the_evaluator, examples
from tests.corpus import CORPUS

TRACEABLE = [e for e in CORPUS if e.traceable]


def assert_reads_back(program: Program) -> Program:
    """The Program that the text of another gives: the same one."""
    text = program.text()
    again = fd.parse_ir(text)
    check_program(again, "parse_ir")
    assert structural_key(again) == structural_key(program) or structural_key(program).objects
    assert structural_key(again).digest == structural_key(program).digest
    assert again.text() == text
    assert str(again) == str(program).replace("PythonJvp", "TracedJvp")
    return again


@pytest.mark.parametrize("entry", TRACEABLE, ids=str)
def test_the_corpus_and_its_derivatives_read_back(entry):
    program = fd.make_ir(entry.function)(*entry.args)
    values = [v.type.dtype.type(1) if not v.type.ndim else np.ones(v.type.shape, v.type.dtype) for v in program.inputs]
    again = assert_reads_back(program)
    for found, expected in zip(run_program(again, values), run_program(program, values), strict=True):
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()
    assert_reads_back(fd.make_ir(lambda *args: fd.vjp(entry.function, *args)[0])(*entry.args))


@settings(max_examples=30, deadline=None)
@given(examples(most=12))
def test_random_programs_read_back(example):
    if any(e.primitive.of_python for e in example.program.eqns):
        with pytest.raises(UnsupportedError, match="callback holds _sample_function, which is Python's"):
            example.program.text()
        return
    again = assert_reads_back(example.program)
    with by_the_evaluator():
        for found, expected in zip(run_program(again, example.args), example.results, strict=True):
            assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u8", "i8", "f2", "f4", "f8", "c8", "c16", np.longdouble, np.clongdouble], ids=str
)
def test_numbers_read_back_to_the_bit(dtype):
    rng, dtype = np.random.default_rng(0), np.dtype(dtype)
    values = [dtype.type(x) for x in (0, 1)]
    if dtype.kind in "fc":
        values += [dtype.type(x) for x in ("-0.0", "0.1", "inf", "-inf", "nan", "1e-7")]
        values += (
            [-dtype.type("nan"), *np.frombuffer(rng.bytes(100 * dtype.itemsize), dtype)] if dtype.itemsize <= 8 else []
        )
    if dtype.kind == "c":
        values += [dtype.type(complex(a, b)) for a in (0.0, -0.0, 2.5) for b in (-0.0, np.inf, -1.0)]
    for value in values:
        again = scalar_of(format_scalar(value))
        assert again.dtype == value.dtype
        if dtype.itemsize <= 8 or dtype == np.complex128:  # there is padding in extended precision
            assert again.tobytes() == value.tobytes(), format_scalar(value)
        else:
            assert format_scalar(again) == format_scalar(value) and (again == value or again != again)


def test_an_equation_of_each_primitive_reads_back():
    for primitive in [REGISTRY[name] for name in sorted(ALWAYS)]:
        for sample in [] if primitive.of_python else primitive.samples():
            inputs = [Var(x if isinstance(x, ArrayType) else type_of(x)) for x in sample.operands]
            outputs = [Var(t) for t in primitive.out_types(tuple([v.type for v in inputs]), sample.params)]
            assert_reads_back(
                Program(inputs, [Eqn(primitive, tuple(inputs), sample.params, tuple(outputs), None)], outputs)
            )


def test_arrays_are_written_or_given():
    program = fd.make_ir(lambda x: x * np.array([1.0, 2.0]) + np.array([1.0, 2.0]))(np.zeros(2))
    text = program.text(locations=False)
    assert "array(f64[2], [1.0, 2.0])" in text
    with pytest.raises(ParseError, match=r"line 2, column \d+: the elements of an f64\[2\] are left out; program.text"):
        fd.parse_ir(str(program))
    arrays: list[np.ndarray] = []
    assert "array(f64[2])" in program.text(arrays=arrays)
    again = fd.parse_ir(str(program), arrays)
    assert again.text() == program.text(locations=False)
    for wrong, error, message in (
        ([arrays[0]], ParseError, "are left out"),
        ([np.zeros(3)] * 2, ParseError, r"is no f64\[2\]"),
        (arrays * 2, ArgumentError, "more arrays are given"),
    ):
        with pytest.raises(error, match=message):
            fd.parse_ir(str(program), wrong)


def test_what_occurs_twice_has_a_label():
    weights = np.arange(3.0)
    weights.flags.writeable = False
    inner = fd.jit(lambda v: np.sin(v) * 2.0)
    program = fd.make_ir(lambda x: inner(x) + inner(x + 1.0))(weights)
    text = program.text(locations=False)
    assert text.count("sin") == 1 and "program=@0\n" in text
    again = assert_reads_back(program)
    first, second = (e.params["program"] for e in again.eqns if e.primitive.name == "jit")
    assert first is second


def assert_symbolic(program: Program) -> str:
    """The text of a Program with run-time sizes, of which type rules know nothing."""
    text = str(Program(program.inputs, (), program.inputs))
    assert str(fd.parse_ir(text)) == text
    return text


def test_lines_names_doubts_sizes_and_sequences_read_back():
    program = fd.make_ir(fd.grad(lambda x: np.sum(fd.jit(lambda v: np.sqrt(v))(x) * x)))(np.ones(100))
    again = assert_reads_back(program)
    assert [str(e.loc) for e in again.eqns] == [str(e.loc) for e in program.eqns]
    assert any(__file__ in str(e.loc) for e in again.eqns)
    sized = abstract(fd.make_ir(lambda x: np.sin(x) * 2.0)(np.ones(100))).program
    assert "f64[n0]" in assert_symbolic(sized)
    x = Var(array_type((3,), np.float64))
    named = Program([x], [], [x], "größe")
    named.doubtful = frozenset([x])
    assert named.text() == "'gr\\xf6\\xdfe' { lambda a:f64[3]? .\n  in (a) }"
    again = fd.parse_ir(named.text())
    assert again.name == "größe" and again.doubtful == frozenset(again.inputs)
    assert fd.parse_ir("{ lambda a:seq<f64[n0,3]> .\n  in (a) }").in_types[0].element.shape[1] == 3


@fd.custom_jvp
def tripled(x):
    return np.sin(x)


@tripled.defjvp
def slope_of_tripled(primals, tangents):
    return tripled(primals[0]), 3.0 * tangents[0] * tripled(primals[0])


@fd.custom_vjp
def looking(x):
    return x * 2.0


looking.defvjp(lambda x: (x * 2.0, np.flatnonzero(x)), lambda x, ct: (ct * x,))


def test_policies_and_rules_read_back():
    policy = policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names("a"))
    program = fd.make_ir(lambda x: tripled(x) * fd.checkpoint(np.cos, policy=policy)(x))(1.0)
    text = program.text()
    assert "rule=@0: jvp_rule((f64[],), (f64[],), 0, " in text and "rule=@0" in text.partition("rule=@0:")[2]
    assert "policy=Either(dots_saveable, Names(('a',), True, False, False))" in text
    again = assert_reads_back(program)
    run = lambda p: fd.grad(fd.grad(lambda x: run_program(p, [x])[0]))
    assert run(again)(0.5) == run(program)(0.5)


def test_a_rule_that_looks_at_values_is_refused():
    with pytest.raises(fd.errors.FunctadError, match=r"nonzero.*test_parser.py"):
        fd.make_ir(looking)(1.0).text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1, column 1: expected `\{`; found ``"),
        ("{ lambda a:f64[] .\n  in (b) }", "line 2, column 8: the variable b is not defined before"),
        ("{ lambda a:f64[] a:f64[] .\n  in (a) }", "the variable a is defined twice"),
        ("{ lambda a:f64[] .\n    b:f64[] = add b a\n  in (b) }", "the variable b is not defined before"),
        ("{ lambda a:f64[] .\n    b:f64[] = fly a\n  in (b) }", "there is no primitive `fly`"),
        ("{ lambda a:f64[2] .\n    b:f64[3] = sin a\n  in (b) }", r"line 2, column 5: sin gives \(f64\[2\],\), but"),
        ("{ lambda a:f64[2] .\n    b:f64[2] = add a\n  in (b) }", "add refuses .* params: it takes 2 operands"),
        ("{ lambda a:f64[2] .\n    b:f64[2] = select a a\n  in (b) }", "select refuses its operands or params"),
        ("{ lambda a:f64[2] .\n    b:f64[] = sum a\n  in (b) }", "sum refuses .* missing a required argument: 'axes'"),
        ("{ lambda a:f64[2] .\n    b:f64[] = sum[axes=(7,)] a\n  in (b) }", "sum refuses its operands or params"),
        ("{ lambda a:f64[2] .\n    b:f64[] = sum[axes=('x',)] a\n  in (b) }", r"no axes is \('x',\)"),
        ("{ lambda a:f64[2] .\n    b:f64[] = sum[axes=(0,), axes=(0,)] a\n  in (b) }", "the param axes is given twice"),
        ("{ lambda a:f64[-1] .\n  in (a) }", "`-1` is no size"),
        ("{ lambda a:f64[99999999999999999999] .\n  in (a) }", "is no size"),
        ("{ lambda a:f64[9999999999,9999999999] .\n  in (a) }", "no array has the sizes"),
        ("{ lambda a:f63[] .\n  in (a) }", "there is no dtype `f63`"),
        ("{ lambda .\n  in (300:u8) }", "300 does not fit uint8"),
        ("{ lambda .\n  in (nan(0x01):f32) }", "is no NaN of float32"),
        ("{ lambda .\n  in (array(f64[3], [1.0])) }", "cannot reshape"),
        ("{ lambda .\n  in (@3) }", "the label @3 stands for nothing yet"),
        ("{ lambda .\n  in () } 7", "expected the end of the text"),
        ("{ lambda a:f64[] .\n    b:f64[] = jit[name='f', program=@0: { lambda a:f64[] .\n"
         "        b:f64[] = jit[name='f', program=@0] a\n      in (b) }] a\n  in (b) }", "@0 stands for nothing yet"),
        ("{ lambda a:f64[] .\n    b:f64[] = jit[fastmath='x', name='f', program={ lambda a:f64[] .\n      in (a) }] a\n"
         "  in (b) }", "fastmath"),
        ("{ lambda a:f64[2] .\n    b:f64[] = jit[name='f', program={ lambda a:f64[] .\n      in (a) }] a\n  in (b) }",
         "a call of a Program of"),
        ("{ lambda a:f64[] .\n    b:f64[] = pure_callback[callback=<f>] a\n  in (b) }", "what is Python's is in"),
        ("os.system { lambda .\n  in () }", "expected `{`"),
        ("'a b' { lambda .\n  in () }", "'a b' is no name of a Program"),
        ("{ lambda .\n  in (" + "9" * 5000 + ") }", "Exceeds the limit|too large"),
        ("{ lambda a:f64[] .\n    b:f64[] = sin[x=" + "(" * 200 + ")" * 200 + "] a\n  in (b) }", "in one another"),
    ],
)  # fmt: skip
def test_what_is_no_program(text, message):
    with pytest.raises(ParseError, match=message):
        fd.parse_ir(text)


def test_labels_cannot_multiply_without_end():
    lines = [
        "{ lambda a:f64[] .",
        "    b:f64[] = jit[name='f', program=@0: { lambda a:f64[] .",
        "        b:f64[] = sin a",
    ]
    lines.append("      in (b) }] a")
    for k in range(40):
        lines.append(f"    {'cdefg'[k % 5] * (k + 2)}:f64[] = jit[name='f', program=@{k + 1}: {{ lambda a:f64[] .")
        lines += [f"        {x}:f64[] = jit[name='f', program=@{k}] a" for x in "bc"] + ["      in (c) }] a"]
    with pytest.raises(ParseError, match="labels make more than 10000000 equations of it"):
        fd.parse_ir("\n".join([*lines, "  in (a) }"]))


def test_programs_too_deep_in_one_another_are_refused():
    b = ProgramBuilder()
    x = b.input(array_type((), np.float64))
    program = b.build(x)
    for _ in range(MOST_NESTED + 1):
        b = ProgramBuilder()
        program = b.build(b.emit(jit_p, b.input(array_type((), np.float64)), program=program, name="f"))
    with pytest.raises(StructureError, match="Programs in one another are too many to be written"):
        program.text()


def test_reading_takes_linear_time():
    b = ProgramBuilder()
    x = b.input(array_type((), np.float64))
    for _ in range(20_000):
        x = b.emit(REGISTRY["neg"], x)
    assert len(fd.parse_ir(str(b.build(x, Literal(np.float64(2))))).eqns) == 20_000
