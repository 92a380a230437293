"""The pipeline from Programs to running code: what is compiled, how often, and what it raises."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import assume, given, settings

from functad import config
from functad.core.evaluator import run_program
from functad.errors import IndexOutOfBoundsError, ShapeError
from functad.ir.program import Eqn, Location, Program
from functad.ir.types import array_type
from functad.kernel_ir.codes import OUT_OF_MEMORY, SIZE_OVERFLOW
from functad.lower.cache import Cache
from functad.lower.compile import compile_count, compile_program, compiled_of
from functad.lower.direct import run
from functad.lower.kernels import run_kernels
from functad.lower.llvm.target import Target
from functad.testing.programs import assert_same, examples
from tests.lower.fusing import Maker, values_for


def norm(n, factor=0.1):
    """A reduction, a scalar and a loop that reads it; no other test has this structure."""
    m = Maker()
    x = m.real(n)
    total = m.total(m.mul(m.cos(x), m.mul(x, np.float64(factor))))
    return m.build(m.div(x, m.along(m.sqrt(m.exp(total)), (n,))), total)


def assert_runs(program):
    args = values_for(program.in_types)
    for got, want in zip(run(compile_program(program), args), run_program(program, args), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)


def compiles(action):
    before = compile_count()
    action()
    return compile_count() - before


def test_one_compilation_serves_all_sizes_and_constants():
    assert compiles(lambda: assert_runs(norm(100))) <= 1
    assert compiles(lambda: assert_runs(norm(100))) == 0
    assert compiles(lambda: assert_runs(norm(1000, 0.7))) == 0
    assert compiles(lambda: assert_runs(norm(17))) == 0
    assert compiles(lambda: assert_runs(norm(5))) == 1


def test_each_target_has_its_own_code():
    program = norm(100)
    target = Target.host()
    other = Target(target.triple, target.cpu, target.features, target.vector_bits, opt_level=0)
    compile_program(program, target)
    assert compiles(lambda: compile_program(program, other)) == 1
    assert compiles(lambda: compile_program(program, other)) == 0


def test_traced_program_is_compiled_once():
    program = norm(100)
    first = compiled_of(program)
    assert compiled_of(program) is first
    assert "kernel" in first.kernel_ir and "define" in first.llvm and "ret" in first.assembly()
    with config.vector_bits(128):
        assert compiled_of(program) is not first


def test_threads_share_one_compilation():
    programs = [sharing(n) for n in range(20, 28)]
    barrier = threading.Barrier(len(programs))

    def compile_at_once(program):
        barrier.wait()
        return compile_program(program)

    before = compile_count()
    with ThreadPoolExecutor(len(programs)) as pool:
        found = list(pool.map(compile_at_once, programs))
    assert len({id(c.code) for c in found}) == 1
    assert compile_count() - before == 1


def sharing(n):
    m = Maker()
    x = m.real(n)
    return m.build(m.sinh(m.cosh(m.sinh(m.cosh(x)))))


class Thing:
    def __init__(self, name):
        self.name = name


def test_cache_forgets_the_least_recently_used_and_what_raises():
    cache = Cache()
    made = []

    def get(key, keep=True):
        return cache.get(key, lambda: made.append(key) or Thing(key), keep)

    with config.cache_size(2):
        for key in "abacab":
            get(key)
        assert made == ["a", "b", "c", "b"]
        held = get("a")
        get("c")
        get("d")
        assert get("a") is held and made == ["a", "b", "c", "b", "c", "d"]  # let go, but there
        get("e", keep=False)
        get("e", keep=False)
        assert made[-2:] == ["e", "e"]

    def fail():
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            cache.get("f", fail)
    assert cache.get("f", lambda: Thing(1)).name == 1
    cache.clear()
    assert cache.get("f", lambda: Thing(2)).name == 2


def test_a_thread_that_wants_what_it_is_making_does_not_wait_for_itself():
    cache = Cache()
    outer = cache.get("a", lambda: (cache.get("a", lambda: Thing("inner")), Thing("outer"))[1])
    assert outer.name == "outer" and cache.get("a", lambda: Thing("again")) is outer


def test_waiting_threads_get_the_error():
    cache = Cache()
    started, release = threading.Event(), threading.Event()

    def fail():
        started.set()
        release.wait(10)
        raise ValueError("made once")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", fail)
        started.wait(10)
        second = pool.submit(cache.get, "a", fail)
        release.set()
        for future in (first, second):
            with pytest.raises(ValueError, match="made once"):
                future.result(10)


# -- errors ------------------------------------------------------------------------------------------------------------


def look_up(n, line):
    """x[i] at a place of the user's code."""
    m = Maker()
    x, i = m.real(n), m.input(array_type((30,), np.int64))
    program = m.build(m.gather(x, m.check_index(i, axis=0, length=n), batch=0))
    code = compile("\n" * (line - 1) + "x[i]", "users_file.py", "eval")
    loc = Location(code, max(start for start, _, number in code.co_lines() if number == line))
    eqns = [Eqn(e.primitive, e.inputs, e.params, e.outputs, loc) for e in program.eqns]
    return Program(program.inputs, eqns, program.outputs)


def test_errors_name_the_sizes_and_the_place_of_each_program():
    for n, line in ((50, 7), (70, 9)):
        program = look_up(n, line)
        args = [np.arange(float(n)), np.arange(30)]
        native = compile_program(program)
        np.testing.assert_array_equal(run(native, args)[0], args[0][:30])
        args[1][17] = n
        for action in (lambda: run(native, args), lambda: run_kernels(program, args)):
            with pytest.raises(
                IndexOutOfBoundsError,
                match=rf"out of bounds for axis 0 with size {n}: .*, at users_file.py:{line} \[functad E10\]$",
            ):
                action()
    assert compiles(lambda: compile_program(look_up(90, 3))) == 0


def test_errors_of_the_driver():
    native = compile_program(norm(100))
    with pytest.raises(MemoryError, match="no memory for the temporary arrays of function"):
        native.raise_error(OUT_OF_MEMORY)
    with pytest.raises(ShapeError, match=re.escape("BLAS can count (2**31 - 1)")):
        native.raise_error(SIZE_OVERFLOW)


def test_stages_are_printed_on_demand(capsys):
    m = Maker()
    program = m.build(m.tanh(m.tanh(m.arctan(m.real(30)))))
    with config.dump(frozenset({"kernel", "llvm", "asm"})):
        compile_program(program)
    text = capsys.readouterr().err
    assert [line for line in text.splitlines() if line.startswith("-- ")] == ["-- kernel", "-- llvm", "-- asm"]


# -- random Programs ---------------------------------------------------------------------------------------------------


def assert_matches(example, backend):
    assume(all(e.primitive.kernel is not None for e in example.program.eqns))
    with np.errstate(all="ignore"):
        assert_same(example, backend(example), backend.__name__)


def by_kernels(example):
    return run_kernels(example.program, example.args)


def natively(example):
    return run(compiled_of(example.program), example.args)


@pytest.mark.deep
@settings(max_examples=100)
@given(examples(most=20))
def test_kernels_of_random_programs(example):
    assert_matches(example, by_kernels)


@pytest.mark.deep
@settings(max_examples=40)
@given(examples(most=20))
def test_native_code_of_random_programs(example):
    assert_matches(example, natively)
