"""Abstraction: what is part of the code, and what is given at run time."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.ir.key import structural_key
from functad.ir.program import literal
from functad.ir.types import Symbol, array_type
from functad.lower.abstract.abstract import abstract
from functad.lower.abstract.constants import is_embedded
from functad.passes.pipeline import optimize
from tests.lower.fusing import Maker, agrees

N, M = Symbol(0), Symbol(1)


def key(program):
    return structural_key(abstract(program).program)


def padded(n, low):
    m = Maker()
    x = m.real(n)
    return m.build(m.pad(m.exp(x), np.float64(0), widths=((low, 0, 0),)))


def test_sizes_become_symbols_in_order_and_equal_ones_the_same():
    m = Maker()
    x, y = m.real(100, 3), m.real(50, 100)
    found = abstract(m.build(m.along(m.sum(x, axes=(1,)), (50, 100), 1), y))
    assert found.symbols == (100, 50)
    assert [v.type.shape for v in found.program.inputs] == [(N, 3), (M, N)]
    assert found.program.eqns[1].params["shape"] == (M, N)


def test_sizes_up_to_16_are_part_of_the_code():
    assert key(padded(16, 1)) != key(padded(15, 1))
    assert abstract(padded(15, 1)).symbols == ()
    assert abstract(padded(16, 1)).symbols == (17,)


def test_one_key_for_all_sizes():
    assert key(padded(100, 20)) == key(padded(1000, 30))
    assert key(padded(100, 20)) != key(padded(100, 3))
    assert key(padded(100, 20)) != key(padded(20, 20))  # a coincidence: other code, that is right too
    for n, low in ((100, 20), (20, 20), (20, 3)):
        agrees(padded(n, low))


def test_axes_and_what_rules_call_static_stay():
    m = Maker()
    x = m.real(*[1] * 17, 20)
    found = abstract(m.build(m.sum(x, axes=(17,))))
    assert found.program.eqns[0].params["axes"] == (17,)
    agrees(m.build(m.exp(m.sum(x, axes=(17,)))))


def scaled(factor, array=None):
    m = Maker()
    x = m.real(20)
    y = m.mul(x, np.float64(factor))
    return m.build(y if array is None else m.add(y, literal(array)))


def test_numbers_are_inputs_but_for_a_few():
    assert key(scaled(0.1)) == key(scaled(0.3))
    assert key(scaled(0.1)) != key(scaled(2.0))
    assert key(scaled(2.0)) != key(scaled(3.0))
    found = abstract(scaled(0.1))
    assert len(found.program.inputs) == 2
    assert found.constants == (np.array(0.1),)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, True, False, 3, -16, 1j, complex(0, np.nan)]
)
def test_embedded_numbers(value):
    assert is_embedded(np.asarray(value)[()])


@pytest.mark.parametrize("value", [0.1, np.pi, 17, -17, 1e300, 0.1j, 1 + 0.3j])
def test_numbers_given_at_run_time(value):
    assert not is_embedded(np.asarray(value)[()])


@pytest.mark.parametrize("divide", [np.floor_divide, np.remainder, np.fmod])
def test_what_integers_are_divided_by_is_part_of_the_code(divide):
    def f(x):
        return fd.lax.fori_loop(0, 3, lambda i, x: divide(x, 1000) + divide(x + 2000, 3000), x)

    for x in (np.arange(20), np.int64(7)):
        assert [int(c) for c in abstract(optimize(fd.make_ir(f)(x))).constants] == [2000]
    assert [float(c) for c in abstract(fd.make_ir(lambda x: divide(x, 1000.0))(0.5)).constants] == [1000.0]


def test_equal_constants_are_one_input():
    m = Maker()
    x = m.real(20)
    c = literal(np.arange(20.0))
    y = m.add(m.mul(x, np.float64(0.1)), m.mul(x, np.float32(0.1).astype(np.float64)))
    program = m.build(m.add(m.add(m.sub(y, np.float64(0.1)), c), m.mul(x, c)))
    assert [np.shape(v) for v in abstract(program).constants] == [(), (), (20,)]
    agrees(program)


def test_constant_arrays_are_contiguous():
    array = np.asfortranarray(np.arange(40.0).reshape(20, 2))
    array.flags.writeable = False
    m = Maker()
    x = m.real(20, 2)
    program = m.build(m.add(x, literal(array)))
    assert abstract(program).constants[0].flags.c_contiguous
    agrees(program)
    assert key(scaled(0.1, np.arange(20.0))) == key(scaled(0.1, np.ones(20)))


def test_dtypes_are_part_of_the_code():
    def program(dtype):
        m = Maker()
        return m.build(m.add(m.input(array_type((20,), dtype)), literal(dtype(0.1))))

    assert key(program(np.float64)) != key(program(np.float32))
