"""Elements of arrays that go round in loops as numbers: where that is possible, and that it changes no bit."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import IndexOutOfBoundsError
from functad.ir.program import sub_programs
from functad.ir.regions import control_of
from functad.passes.integers import Integers, Linear

N = 24
RNG = np.random.default_rng(5)
A, B = RNG.uniform(1, 2, (N, N)), RNG.uniform(-1, 1, (N, N))


def product(a, b):
    c = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            for k in range(N):
                c[i, j] += a[i, k] * b[k, j]
    return c


def below(a, b):
    """Of one array: what is read lies before what is written."""
    a = a.copy()
    for i in range(N):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[k, j] * 0.01
    return a + b


def beside(a, b):
    """Two elements of one array, and a third that is only read."""
    c = a.copy()
    for i in range(N):
        for k in range(N):
            c[i, 0] += b[i, k]
            c[i, 1] = c[i, 0] * 0.5 + c[i, 2]
    return c


def ends(a, b):
    """Indices from the end, and one element in two loops."""
    c = a.copy()
    for i in range(N):
        for k in range(2 * N):
            c[-1, i] += b[i, k // 2]
        c[N - 1, i] *= 0.5
    return c


def meeting(a, b):
    """What is read is what is written in one of the steps."""
    a = a.copy()
    for i in range(N):
        for k in range(2 * N):
            a[i, 3] += a[i, k // 2] * 0.1
    return a + b


def unknown(a, b):
    """Whether it is, depends on data."""
    a, at = a.copy(), (np.abs(b) * N).astype(int)
    for i in range(N):
        for k in range(N):
            a[i, 3] += a[i, at[i, k] % N] * 0.1
    return a


PROMOTED, OTHERS = [product, below, beside, ends], [meeting, unknown]


def innermost(program):
    """The innermost loops of a Program."""
    for e in program.eqns:
        inner = [found for p in sub_programs(e) for found in innermost(p)]
        yield from inner or ([e] if control_of(e) is not None else [])


def carried_arrays(f, *args):
    """How many arrays the innermost loops carry."""
    found = []
    for e in innermost(fd.make_ir(f, optimized=True)(*args)):
        form = control_of(e)
        found += [a for a in form.operands(e.inputs).carry if a.type.ndim]
    return len(found)


@pytest.mark.parametrize("f", PROMOTED + OTHERS)
def test_values_to_the_last_bit(f):
    np.testing.assert_array_equal(fd.jit(f)(A, B), f(A.copy(), B))


@pytest.mark.parametrize("f", [*PROMOTED, meeting])
def test_gradients(f):
    """Along a direction, by differences."""
    value = fd.jit(lambda t: np.sum(np.sin(f(A + t * B, B))))
    np.testing.assert_allclose(fd.jit(fd.grad(value))(0.1), (value(0.1 + 1e-6) - value(0.1 - 1e-6)) / 2e-6, rtol=1e-5)


@pytest.mark.parametrize(("f", "arrays"), [*[(f, 0) for f in PROMOTED], *[(f, 1) for f in OTHERS]])
def test_which(f, arrays):
    assert carried_arrays(f, A, B) == arrays


def test_the_way_back_carries_numbers_too():
    total = fd.grad(lambda a: np.sum(below(a, B) ** 2))
    reverse = [e for e in innermost(fd.make_ir(total, optimized=True)(A)) if control_of(e).reverse]
    scalars = [a for e in reverse for a in control_of(e).operands(e.inputs).carry if a.type.dtype == float]
    assert [a.type.ndim for a in scalars] == [2, 0]  # what is read gets cotangents, what is written is a number


def test_a_loop_that_makes_no_step_may_have_any_index():
    def f(x, i, n):
        y = x.copy()
        for k in range(n):
            y[i] += k
        return y

    x = np.arange(10.0)
    g = fd.jit(f)
    for i in (3, -1, 7, 100, -100):
        np.testing.assert_array_equal(g(x, i, 0), x)
    np.testing.assert_array_equal(g(x, -2, 5), f(x, -2, 5))
    with pytest.raises(IndexOutOfBoundsError, match="index 10 is out of bounds for axis 0 with size 10"):
        g(x, 10, 5)
    np.testing.assert_array_equal(g(np.zeros(0), 3, 0), np.zeros(0))


def test_in_while_loops():
    def f(x, tolerance):
        y, k = np.zeros(3), 0
        while k < 50 and x[k % 10] > tolerance:
            y[1] += x[k % 10]
            y[2] = y[1]
            k += 1
        return y

    x = RNG.uniform(0.1, 1, 10)
    for tolerance in (0.0, 0.3, 2.0):
        np.testing.assert_array_equal(fd.jit(f)(x, tolerance), f(x, tolerance))
    assert carried_arrays(f, x, 0.5) == 0


def test_what_a_condition_reads_goes_round_as_it_is():
    def f(x):
        y = np.zeros(3)
        while y[1] < 10.0:
            y[1] += x
        return y

    np.testing.assert_array_equal(fd.jit(f)(0.7), f(0.7))


@pytest.mark.parametrize("dtype", [np.float32, np.complex128, np.int64])
def test_dtypes(dtype):
    def f(x):
        y = np.zeros(4, dtype)
        for k in range(40):
            y[2] += x[k]
            y[1] = y[2] * x[k]
        return y

    x = (RNG.normal(size=40) * 5).astype(dtype)
    found = fd.jit(f)(x)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, f(x))


def test_integers_that_differ():
    """Below is j - k - 1 for k in range(j), i - j - 1 for j in range(i)."""
    known, (i, j, k) = Integers(), [object() for _ in range(3)]
    form = lambda offset, **terms: Linear(offset, {{"i": i, "j": j, "k": k}[s]: n for s, n in terms.items()})
    known.small |= {i, j, k}
    known.between += [form(-1, j=1, k=-1), form(-1, i=1, j=-1)]
    assert known.differ(form(0, j=1), form(0, k=1)) and known.differ(form(0, k=1), form(0, i=1))
    assert known.differ(form(3), form(4)) and known.differ(form(2, k=1), form(3, k=1))
    assert not known.differ(form(0, k=1), form(0, k=1)) and not known.differ(form(1, k=1), form(0, j=1))
    assert not known.differ(form(2**64), form(0))
    assert known.is_index(form(0, k=1)) and known.is_index(form(-1, j=1, k=-1))
    assert not known.is_index(form(-1, k=1)) and not known.is_index(form(0, k=-1))
