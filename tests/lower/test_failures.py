"""What an index out of bounds says: the same text, index and line, wherever it is noticed."""

from __future__ import annotations

import dataclasses
import inspect
import os
import threading

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad import config
from functad.errors import IndexOutOfBoundsError
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Affine, Buffer, CheckInfo, KernelProgram
from functad.kernel_ir.pending import take_offender
from functad.kernel_ir.sizes import Poly
from functad.lower.llvm.target import Target
from functad.lower.native import threads
from tests.lower.native import Native

HERE = os.path.abspath(__file__)
X = np.arange(5.0)
BACKENDS = ["native", "kernel", "evaluator"]


def message(index: int, axis: int, size: int, function: object) -> str:
    """The whole text for an index in the one line of a function."""
    _, line = inspect.getsourcelines(function)  # type: ignore[arg-type]
    valid = f"valid are {-size} to {size - 1}, and np.clip keeps an index between bounds"
    said = f"index {index} is out of bounds for axis {axis} with size {size}: {valid}"
    return f"{said}, at {HERE}:{line + 1} [functad E10]"


def fails(f: object, *args: object) -> str:
    with pytest.raises(IndexOutOfBoundsError) as found:
        f(*args)  # type: ignore[operator]
    return str(found.value)


array = fnp.asarray


def read(x, i):
    return np.sin(fnp.asarray(x)[i])


def total(x, i):
    return np.sum(np.sin(fnp.asarray(x)[i]))


def write(x, i):
    return fnp.asarray(x * 2).at[i].add(3.0)


def pairs(x, i):
    return fnp.asarray(x)[np.clip(i, 0, 1), i]


def turns(x, i):
    return fd.lax.fori_loop(0, 3, lambda k, c: c * fnp.asarray(x)[fnp.asarray(i)[k]], 1.0)


def until(x, i):
    return fd.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + array(x)[array(i)[c[0]]]), (0, 0.0))[1]


def chosen(x, i):
    return fd.lax.cond(i[0] < 100, lambda: np.sum(fnp.asarray(x)[i]), lambda: 0.0)


FUNCTIONS = [read, total, write, turns, until, chosen]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("indices, bad", [([0, 7, 9], 7), ([1, 2, -6], -6), ([0, 5, -9], 5)])
def test_jitted(backend, indices, bad):
    i = np.array(indices)
    with config.backend(backend):
        for f in FUNCTIONS:
            assert fails(fd.jit(lambda x, i, f=f: f(x, i)), X, i) == message(bad, 0, 5, f)
        assert fails(fd.jit(pairs), np.ones((2, 5)), i) == message(bad, 1, 5, pairs)


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_transformed(wrap):
    i = np.array([0, 7, 9])
    for f in (total, turns, until, chosen):
        assert fails(wrap(fd.grad(f)), X, i) == message(7, 0, 5, f)
        assert fails(wrap(lambda x, f=f: fd.hessian(f)(x, i)), X) == message(7, 0, 5, f)
    for f in FUNCTIONS:
        assert fails(wrap(fd.vmap(f, in_axes=(None, 0))), X, np.stack([i % 5, i])) == message(7, 0, 5, f)
        assert fails(wrap(fd.vmap(lambda x, f=f: f(x, i))), np.ones((2, 5))) == message(7, 0, 5, f)


def test_a_program_that_runs_often_knows_its_lines_too():
    """It has become a Python function."""
    with config.backend("evaluator"):
        f = fd.jit(read)
        for _ in range(5):
            f(X, np.array([0, 1]))
        assert fails(f, X, np.array([0, 8])) == message(8, 0, 5, read)


def test_a_scalar_index_and_an_axis_without_elements():
    assert fails(fd.jit(read), X, np.int64(-6)) == message(-6, 0, 5, read)
    assert "index 0 is out of bounds for axis 0 with size 0: it has no elements, at " in fails(
        fd.jit(read), np.zeros(0), np.array([0])
    )
    assert fails(fd.jit(read), X, np.array([0, np.iinfo(np.int64).min])).startswith(
        "index -9223372036854775808 is out of bounds"
    )


def test_threads_make_no_difference():
    """The first index in each of several blocks is wrong."""
    n = 3_000_000
    f = fd.jit(total)
    i = np.zeros(n, np.int64)
    i[n // 3 :] = np.arange(n - n // 3) % 7 + 11
    try:
        for count in (1, 2):
            with config.threads(count):
                threads.configure()
                for _ in range(3):
                    assert fails(f, X, i) == message(11, 0, 5, total)
    finally:
        threads.configure()


def test_calls_at_the_same_time_do_not_mix():
    f = fd.jit(total)
    f(X, np.zeros(50, np.int64))
    wrong = []

    def work(bad):
        i = np.zeros(200_000, np.int64)
        i[-1] = bad
        for _ in range(30):
            if fails(f, X, i) != message(bad, 0, 5, total):
                wrong.append(bad)

    workers = [threading.Thread(target=work, args=(bad,)) for bad in (50, -60)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_the_next_call_is_right_again():
    f = fd.jit(read)
    fails(f, X, np.array([9]))
    np.testing.assert_array_equal(f(X, np.array([-1, 2])), np.sin(X[[-1, 2]]))


# -- kernels -----------------------------------------------------------------------------------------------------------

INT64 = np.dtype(np.int64)
N = Poly({(0,): 1})


def two_checks() -> KernelProgram:
    """``x < 100`` with code 2 and ``-x < 100`` with code 1, wherever x is not 7."""
    x, out = Buffer((N,), INT64, "input"), Buffer((N,), INT64, "output")
    b = Builder()
    place = (Affine.axis(0),)
    v = b.load(x, place)
    free = b.eq(v, 7)
    b.check(b.bit_or(free, b.lt(v, 100)), 2, v)
    b.check(b.bit_or(free, b.lt(b.neg(v), 100)), 1, b.mul(v, 10))
    b.store(out, place, v)
    infos = tuple([CheckInfo("IndexOutOfBoundsError", "{value}")] * 2)
    return KernelProgram((x,), (out,), (b.finish((N,)),), 1, infos)


@pytest.mark.parametrize("bits", [64, 128, 256, 512])
def test_the_first_point_that_fails(bits):
    """At every place of whole and partial vectors, and of those that take one branch."""
    program = two_checks()
    native = Native(program, dataclasses.replace(Target.host(), vector_bits=bits))
    rng = np.random.default_rng(bits)
    for size in (1, 3, 8, 37, 80, 150):
        for _ in range(12):
            x = rng.integers(-5, 8, size)
            wrong = rng.choice(size, min(size, rng.integers(0, 4)), replace=False)
            x[wrong] = rng.integers(100, 200, len(wrong)) * rng.choice([-1, 1], len(wrong))
            _, expected = evaluate_program(program, [x], [size])
            offender = take_offender()
            low, high = x[x <= -100], x[x >= 100]
            assert (expected, offender) == ((1, low[0] * 10) if len(low) else (2, high[0]) if len(high) else (0, None))
            assert native([x], [size])[1] == expected
            assert take_offender() == offender
