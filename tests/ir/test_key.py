"""Structural keys: equal exactly where Programs are equal up to names."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.key import structural_key
from functad.ir.program import Eqn, Literal, Program, Var, literal
from functad.ir.types import Symbol, array_type, scalar_type

F64 = np.dtype(np.float64)


class Named:
    """Stands in for a primitive where only the name is read."""

    def __init__(self, name: str) -> None:
        self.name = name


def chain(*operations, dtype=F64, shape=(3,)):
    b = ProgramBuilder()
    x = first = b.input(array_type(shape, dtype))
    for name in operations:
        x = b.emit(REGISTRY[name], x) if name == "neg" else b.emit(REGISTRY[name], x, first)
    return b.build(x)


def constant(value):
    return Program([], [], [literal(value)])


def param(value):
    x, y = Var(scalar_type(F64)), Var(scalar_type(F64))
    return Program([x], [Eqn(Named("p"), (x,), {"value": value}, (y,), None)], [y])


def test_names_and_labels_do_not_count():
    one, two = chain("neg", "mul"), chain("neg", "mul")
    two.name = "loss"
    assert structural_key(one) == structural_key(two)
    assert hash(structural_key(one)) == hash(structural_key(two))


def test_structure_counts():
    b = ProgramBuilder()
    x = b.input(array_type((3,), F64))
    y = b.emit(REGISTRY["neg"], x)
    programs = [
        chain("neg", "mul"), chain("mul", "neg"), chain("neg"), chain("neg", shape=(4,)),
        chain("neg", dtype=np.float32), b.build(x), b.build(x, y), b.build(y, x), chain(),
    ]  # fmt: skip
    keys = [structural_key(p) for p in programs]
    assert len(set(keys)) == len(keys)
    assert structural_key(b.build(y)) == keys[2]
    assert keys[5] != keys[8]  # a dead equation is structure


def test_operand_order_counts():
    def difference(swap):
        b = ProgramBuilder()
        x, y = b.input(array_type((3,), F64)), b.input(array_type((3,), F64))
        return b.build(b.emit(REGISTRY["sub"], *((y, x) if swap else (x, y))))

    assert structural_key(difference(True)) != structural_key(difference(False))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.float64(0.0), np.float64(-0.0)), (np.float64(1), np.float32(1)), (np.int64(1), np.bool_(True)),
        (np.float64(1), np.int64(1)), (np.zeros(3), -np.zeros(3)), (np.zeros(3), np.zeros(4)),
        (np.zeros((2, 3)), np.zeros((3, 2))), (np.zeros(1), np.zeros(1, np.int64)), (np.float64(1), np.ones(1)),
        (np.array([1.0, 2.0]), np.array([2.0, 1.0])), (np.complex128(complex(0.0, -0.0)), np.complex128(0)),
    ],
)  # fmt: skip
def test_literals_that_differ(one, two):
    assert structural_key(constant(one)) != structural_key(constant(two))


@pytest.mark.parametrize(
    "value",
    [
        np.float64("nan"), np.array([np.nan, 1.0]), np.float32(0.1), np.arange(12.0).reshape(3, 4).T, np.zeros((0, 2)),
        np.ones(3)[::2],
    ],
)  # fmt: skip
def test_literals_that_are_equal(value):
    assert structural_key(constant(value)) == structural_key(constant(value.copy()))


def test_a_literal_is_not_a_variable():
    x = Var(scalar_type(np.int64))
    assert structural_key(Program([x], [], [x])) != structural_key(Program([x], [], [Literal(np.int64(0))]))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (None, "None"), ((1,), (1, 2)), (((1,), 2), (1, (2,))),
        ((1, 2), "1,2"), ((), None), (np.dtype("f4"), np.dtype("f8")), (np.dtype("f8"), "float64"),
        (slice(1, 2), slice(1, 3)), (np.float64(1), 1.0), ({"a": 1}, {"a": 2}), (1j, 1),
        (array_type((1,), F64), array_type((2,), F64)), (Symbol(0), Symbol(1)), (Symbol(1), "n1"),
        (chain("neg"), chain("mul")), (b"a", "a"), (len, abs), ("a'),'b", ("a", "b")), ((1, 2), [1, 2]),
    ],
)  # fmt: skip
def test_params_that_differ(one, two):
    assert structural_key(param(one)) != structural_key(param(two))
    assert structural_key(param((one, two))) != structural_key(param((two, one)))


@pytest.mark.parametrize("make", [
    lambda: float("nan"), lambda: (1, ("x", None)), lambda: chain("neg"), lambda: (chain("mul"), chain("neg")),
    lambda: array_type((2,), F64), lambda: Symbol(3), lambda: len, lambda: {"b": 1, "a": (2,)},
    lambda: np.float64("nan"),
])  # fmt: skip
def test_params_that_are_equal(make):
    assert structural_key(param(make())) == structural_key(param(make()))


def test_sets_of_equal_numbers_are_not_equal():
    assert structural_key(param(frozenset({1}))) != structural_key(param(frozenset({1.0})))


def test_functions_are_compared_as_objects_and_kept_alive():
    def rule():
        return None

    key = structural_key(param((rule, len, rule)))
    assert [o[-1] for o in key.objects] == [rule, len]
    assert key != structural_key(param((len, rule, len)))
    assert structural_key(param(param(rule))) == structural_key(param(param(rule)))
    assert structural_key(param(param(rule))) != structural_key(param(param(len)))
    assert structural_key(chain("neg")).objects == ()


def test_equal_types_with_run_time_sizes():
    def symbolic(*numbers):
        x = Var(array_type(tuple(Symbol(i) for i in numbers), F64))
        return Program([x], [], [x])

    assert structural_key(symbolic(0, 1)) == structural_key(symbolic(0, 1))
    assert structural_key(symbolic(0, 1)) != structural_key(symbolic(0, 0))


def test_shared_sub_programs_count_once():
    program = chain("neg")
    for _ in range(40):  # walked without memory, 2**40 visits
        program = param((program, program))
    other = chain("neg")
    for _ in range(40):
        other = param((other, other))
    assert structural_key(program) == structural_key(other)


def test_the_digest_is_the_same_in_another_process():
    code = (
        "import numpy as np, functad.primitives\n"
        "from functad.core.primitive import REGISTRY\n"
        "from functad.ir.builder import ProgramBuilder\n"
        "from functad.ir.key import structural_key\n"
        "from functad.ir.types import array_type\n"
        "b = ProgramBuilder(); x = b.input(array_type((3,), np.float64))\n"
        "print(structural_key(b.build(b.emit(REGISTRY['sum'], b.emit(REGISTRY['mul'], x, np.float64(0.1)), "
        "axes=(0,)))).digest)"
    )
    b = ProgramBuilder()
    x = b.input(array_type((3,), F64))
    here = structural_key(b.build(b.emit(REGISTRY["sum"], b.emit(REGISTRY["mul"], x, np.float64(0.1)), axes=(0,))))
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == here.digest
    assert pickle.loads(pickle.dumps(here)) == here
