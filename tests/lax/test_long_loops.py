"""Loops of many steps without ``jit``: they run as native code, and are otherwise what they are in NumPy."""

from __future__ import annotations

import gc
import itertools
import tracemalloc

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import IndexOutOfBoundsError
from functad.ir.interned import interned
from functad.lower.compile import compile_count

STEPS = 400
TABLE = np.linspace(0.1, 0.2, STEPS)


def pendulum(w):
    def step(y, h):
        return y + 0.01 * np.stack([y[1], -w * np.sin(y[0])]), h * y[0]

    y, written = fd.lax.scan(step, np.array([1.0, 0.0]), TABLE)
    return y[0] + np.sum(written)


def sine_map(x):
    return fd.lax.fori_loop(0, STEPS, lambda i, v: v + 0.01 * np.sin(v * x + i), x)


def halving(x):
    return fd.lax.while_loop(lambda v: np.abs(v) > 1e-3, lambda v: v * 0.99 + 1e-4 * np.sin(v), x)


def nested(x):
    inner = lambda v: fd.lax.fori_loop(0, 20, lambda i, u: u + 0.01 * np.cos(u * x), v)
    return fd.lax.scan(lambda v, h: (inner(v) * (1 - h), None), x, TABLE[:20])[0]


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": fd.grad,
    "second derivative": lambda f: fd.grad(fd.grad(f)),
    "forward mode": lambda f: lambda x: fd.jvp(f, (x,), (1.0,)),
    "mapped": lambda f: lambda x: fd.vmap(fd.grad(f))(np.array([x, x + 0.1])),
}


@pytest.mark.one_in(3)
@pytest.mark.parametrize(("f", "transform"), [*itertools.product([pendulum, sine_map, halving, nested], TRANSFORMS)])
def test_native_loops_are_those_of_numpy(f, transform: str) -> None:
    g = TRANSFORMS[transform](f)
    first = g(1.3)
    count = compile_count()
    again = g(1.3)
    assert compile_count() == count  # what is compiled is kept, though the body is traced again
    np.testing.assert_array_equal(first, again)
    with config.backend("evaluator"):
        expected = g(1.3)
        assert compile_count() == count
    np.testing.assert_allclose(first, expected, rtol=1e-11)


def test_a_number_that_is_closed_over_is_no_part_of_the_code() -> None:
    def gradient(rate):
        return fd.grad(lambda x: fd.lax.fori_loop(0, STEPS, lambda i, v: v - rate * np.sin(v), x))(1.0)

    gradient(0.011)
    count = compile_count()
    values = [gradient(rate) for rate in (0.012, 0.013)]
    assert compile_count() == count
    with config.backend("evaluator"):
        np.testing.assert_allclose(values, [gradient(rate) for rate in (0.012, 0.013)], rtol=1e-12)


def test_short_loops_run_in_numpy() -> None:
    def f(x):
        return fd.lax.fori_loop(0, 7, lambda i, v: np.sin(v), x)

    count = compile_count()
    x = np.linspace(0.0, 1.0, 50)
    expected = x
    for _ in range(7):
        expected = np.sin(expected)
    np.testing.assert_array_equal(f(x), expected)
    assert compile_count() == count


def test_what_numpy_raises_of_floats_is_raised() -> None:
    def f(x):
        return fd.lax.fori_loop(0, STEPS, lambda i, v: v * x * 1.5, 1.0)

    with np.errstate(over="ignore"):
        assert f(1e3) == np.inf
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="overflow"):
        f(1e3)


def test_functions_of_python_are_called_in_order() -> None:
    seen = []

    def note(i):
        seen.append(int(i))
        return i

    def step(i, v):
        return v + fd.pure_callback(note, np.int64(0), i) * 1e-3

    assert fd.lax.fori_loop(0, 1200, step, 0.0) == pytest.approx(1e-3 * sum(range(1200)))
    assert seen == list(range(1200))


def test_an_index_that_is_out_of_bounds_is_named_with_its_line() -> None:
    def f(x):
        return fd.lax.fori_loop(0, 1000, lambda i, v: v + x[i], 0.0)

    messages = []
    for backend in ("native", "evaluator"):
        with config.backend(backend), pytest.raises(IndexOutOfBoundsError) as raised:
            fd.grad(f)(np.ones(900))
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    assert "900" in messages[0] and f"{__file__}:{f.__code__.co_firstlineno + 1}" in messages[0]


@pytest.mark.deep
def test_no_array_that_is_closed_over_is_kept() -> None:
    def gradient(data):
        step = lambda i, v: v + 1e-3 * np.sum(np.sin(v * data))
        return fd.grad(lambda x: fd.lax.fori_loop(0, 300, step, x))(1.0)

    size = 20_000
    gradient(np.zeros(size))
    tracemalloc.start()
    try:
        for k in range(5):
            gradient(np.full(size, 0.1 * k))
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 8 * size
    finally:
        tracemalloc.stop()


# -- interned Programs -------------------------------------------------------------------------------------------------


def traced(f, *args):
    return interned(fd.make_ir(f)(*args))


def test_equal_programs_are_one() -> None:
    def make(scale):
        return lambda x: np.sin(x) * scale

    first, again, other = [traced(make(scale), 0.5)[0] for scale in (2.0, 2.0, 3.0)]
    assert first is again
    assert first is not other


def test_programs_of_other_lines_are_others() -> None:
    f = lambda x: np.sin(x)
    g = lambda x: np.sin(x)
    assert traced(f, 0.5)[0] is not traced(g, 0.5)[0]


def test_arrays_become_operands_but_for_those_that_derivatives_depend_on() -> None:
    data, infinite, indices = np.arange(3.0), np.array([0.0, np.inf, 1.0]), np.array([2, 0, 1])
    program, arrays = traced(lambda x: (x * data + infinite)[indices], np.ones(3))
    assert [a.tolist() for a in arrays] == [data.tolist()]
    assert program.in_types[0].shape == (3,)


def test_programs_with_functions_of_python_are_their_own() -> None:
    def f(x):
        return fd.pure_callback(lambda x: x, x, x)

    program = fd.make_ir(f)(0.5)
    assert interned(program) == (program, [])
