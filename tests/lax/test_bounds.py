"""Loops whose indices are affine in the step: in bounds, out by one, negative, at the ends of int64, in empty loops.

Native code knows from the first and the last index that none is out of bounds, and then checks none. Whatever it is
given, it does what NumPy does, element by element: the same array, or an error that names the first index out of
bounds.
"""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import IndexOutOfBoundsError
from functad.kernel_ir.bounds import bounded
from functad.kernel_ir.control import Loop
from functad.kernel_ir.nodes import Check, Compute, Kernel
from functad.lower.abstract.abstract import abstract
from functad.lower.emit.module import emit_module
from functad.lower.fuse import fuse
from functad.lower.llvm.target import PIPELINE, Target, _emitted
from functad.passes.pipeline import optimize

N = 20
LEAST, GREATEST = -(2**63), 2**63 - 1


def wrapped(k):
    """An integer as int64 has it."""
    return (k + 2**63) % 2**64 - 2**63


def walk(v, start, stride, steps):
    """Each element that is visited becomes a function of itself and the one before."""

    def step(k, state):
        v, i, last = state
        last = 0.5 * last + v[i]
        return fd.at(v)[i].set(last + k), i + STRIDES[stride], last

    return fd.lax.fori_loop(0, steps, step, (v, start, 0.0))[0]


STRIDES = (0, 1, -1, 2, -3, 2**20, 2**21, 2**62)


def by_hand(v, start, stride, steps):
    """The same in Python; the first index out of bounds."""
    v, i, last = v.copy(), start, 0.0
    for k in range(steps):
        if not -len(v) <= i < len(v):
            return i
        last = 0.5 * last + v[i]
        v[i] = last + k
        i = wrapped(i + STRIDES[stride])
    return v


JITTED = [fd.jit(walk, static_argnums=2) for _ in STRIDES]


@pytest.mark.parametrize("stride", range(len(STRIDES)), ids=map(str, STRIDES))
@pytest.mark.parametrize("size", [N, 1])
def test_every_start_and_number_of_steps(stride, size):
    f = JITTED[stride]
    v = np.arange(1.0, size + 1)
    starts = [*range(-size - 2, size + 2), LEAST, LEAST + 1, GREATEST, GREATEST - 1, 2**62, -(2**62), 2**40]
    for start, steps in itertools.product(starts, (0, 1, 2, 3, size - 1, size, size + 1, 2 * size + 1, -5, LEAST)):
        expected = by_hand(v, start, stride, steps)
        given = v, np.int64(start), stride, np.int64(steps)
        if isinstance(expected, int):
            with pytest.raises(IndexOutOfBoundsError, match=re.escape(f"index {expected} is out of bounds for axis 0")):
                f(*given)
        else:
            np.testing.assert_array_equal(f(*given), expected)


def test_an_array_without_elements():
    f = fd.jit(lambda v, i, n: fd.lax.fori_loop(0, n, lambda k, s: (s[0] + v[s[1]], s[1] + 1), (0.0, i))[0])
    for size, start, steps in itertools.product((0, 3), (-4, -1, 0, 1, 3), (0, 1, 2)):
        v = np.ones(size)
        if steps == 0 or (size and -size <= start and start + steps <= size):
            assert f(v, start, steps) == steps
        else:
            with pytest.raises(IndexOutOfBoundsError):
                f(v, start, steps)


def around(x, a, n):
    """Neighbours in a ring: the indices of the first steps count from the end."""
    return fd.lax.fori_loop(
        0, n, lambda i, s: (fd.at(s[0])[i].set(x[i] - x[i - a] * s[0][i - 1] + s[1]), s[1] + x[i - 2]), (x, 0.0)
    )[0]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 30])
def test_first_steps_that_count_from_the_end(size):
    f, x = fd.jit(around), np.linspace(1.0, 2.0, size)
    for a, n in itertools.product((0, 1, 2, 3, -1), range(size + 2)):
        v, total = x.copy(), 0.0
        try:
            for i in range(n):
                v[i], total = x[i] - x[i - a] * v[i - 1] + total, total + x[i - 2]
        except IndexError:
            with pytest.raises(IndexOutOfBoundsError):
                f(x, a, n)
        else:
            np.testing.assert_array_equal(f(x, a, n), v)


def table(x, i, j, n):
    """A row and a column of a table at once."""
    return fd.lax.fori_loop(
        0, n, lambda k, s: (fd.at(s[0])[i, s[1]].set(s[0][s[1], j] - s[0][i, s[1] - 1]), s[1] + 1), (x, 1)
    )[0]


def table_by_hand(x, i, j, n):
    x = x.copy()
    for k in range(1, n + 1):
        x[i, k] = x[k, j] - x[i, k - 1]
    return x


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (9, 6), (6, 9), (1, 3)])
def test_several_axes(rows, columns):
    f = fd.jit(table)
    x = np.arange(1.0, rows * columns + 1).reshape(rows, columns) ** 0.5
    for i, j, n in itertools.product((-rows - 1, -rows, -1, 0, rows - 1, rows), (-1, 0, columns), (0, 1, 5, 6, 8, 9)):
        try:
            expected = table_by_hand(x, i, j, n)
        except IndexError as error:
            (index,) = re.findall(r"index (-?\d+) is out of bounds", str(error))
            with pytest.raises(IndexOutOfBoundsError, match=r"index -?\d+ is out of bounds for axis") as found:
                f(x, i, j, n)
            assert index in str(found.value) or n > 1  # NumPy reads in another order
        else:
            np.testing.assert_array_equal(f(x, i, j, n), expected)


def clipped(v, n):
    """Indices that are not affine, beside ones that are."""

    def step(k, s):
        i = np.minimum(k + 1, v.shape[0] - 1)
        return fd.at(s)[k].set(v[i] + v[k] + v[(k * k) % 7])

    return fd.lax.fori_loop(0, n, step, v)


def test_indices_that_are_not_affine():
    f, v = fd.jit(clipped), np.arange(12.0)
    k = np.arange(12)
    np.testing.assert_array_equal(f(v, 12), v[np.minimum(k + 1, 11)] + v + v[(k * k) % 7])
    with pytest.raises(IndexOutOfBoundsError, match="index 12 is"):
        f(v, 13)


def guarded(v, n):
    """An index that is out of bounds only where it is not used."""

    def step(k, s):
        return fd.lax.cond(k > 0, lambda s: fd.at(s)[k].add(s[k - 30]), lambda s: fd.at(s)[k].set(7.0), s)

    return fd.lax.fori_loop(0, n, step, v)


def test_an_index_in_a_branch():
    f, v = fd.jit(guarded), np.arange(30.0)
    expected = v.copy()
    for k in range(30):
        expected[k] = expected[k] + expected[k - 30] if k > 0 else 7.0
    np.testing.assert_array_equal(f(v, 30), expected)
    with pytest.raises(IndexOutOfBoundsError, match="index 30 is"):
        f(v, 31)


def test_of_two_failures_the_first_is_named():
    def f(v, w, i, n):
        return fd.lax.fori_loop(0, n, lambda k, s: s + v[i + k] + w[i - k], 0.0)

    jitted = fd.jit(f)
    v, w = np.ones(10), np.ones(10)
    assert jitted(v, w, 4, 5) == 10
    for backend in ("native", "kernel", "evaluator"):
        with config.backend(backend):
            with pytest.raises(IndexOutOfBoundsError, match="index 10 is"):
                jitted(v, w, 9, 3)
            with pytest.raises(IndexOutOfBoundsError, match="index -11 is"):
                jitted(v, w, -9, 3)


def histogram(counts, where, other):
    """Indices that are data: of one array, and of another that is shorter or longer."""

    def step(k, s):
        i = where[k]
        return fd.at(s)[i].add(other[i] + other[k])

    return fd.lax.fori_loop(0, where.shape[0], step, counts)


@pytest.mark.parametrize(("size", "others"), [(7, 9), (9, 7), (1, 7), (7, 7)])
def test_indices_that_are_data(size, others):
    f = fd.jit(histogram)
    other = np.arange(1.0, others + 1)
    least = min(size, others)
    good = np.arange(6) % (2 * least) - least
    expected = np.zeros(size)
    for k, i in enumerate(good):
        expected[i] += other[i] + other[k]
    np.testing.assert_array_equal(f(np.zeros(size), good, other), expected)
    for place, bad in itertools.product((0, 3, 5), (least, -least - 1, LEAST, GREATEST, -(2**62), 2**60, -(2**60))):
        where = good.copy()
        where[place] = bad
        with pytest.raises(IndexOutOfBoundsError, match=f"index {bad} is out of bounds for axis 0"):
            f(np.zeros(size), where, other)


def sifted(x, i):
    """Moves x[i] down to its place: the condition reads elements, too."""
    v = x[i]

    def goes_on(s):
        x, j = s
        return fd.lax.cond(j >= 0, lambda x: x[j] > v, lambda x: False, x)

    x, j = fd.lax.while_loop(goes_on, lambda s: (fd.at(s[0])[s[1] + 1].set(s[0][s[1]]), s[1] - 1), (x, i - 1))
    return fd.at(x)[j + 1].set(v)


def test_a_condition_that_reads_elements():
    f, x = fd.jit(sifted), np.array([1.0, 3.0, 4.0, 6.0, 2.0, 9.0])
    np.testing.assert_array_equal(f(x, 4), [1, 2, 3, 4, 6, 9])
    np.testing.assert_array_equal(f(x[::-1].copy(), 5), [1, 9, 2, 6, 4, 3])
    with pytest.raises(IndexOutOfBoundsError, match="index 6 is"):
        f(x, 6)
    with pytest.raises(IndexOutOfBoundsError, match="index -7 is"):
        f(x, -7)


def test_a_check_in_one_branch_says_nothing_of_the_other():
    def f(x, y, c, i, n):
        def step(k, s):
            return s + fd.lax.cond(c[k] > 0, lambda j: x[j], lambda j: y[j], i + c[k] - 1)

        return fd.lax.fori_loop(0, n, step, 0.0)

    jitted, x, y = fd.jit(f), np.ones(50), np.ones(5)
    c = np.array([1, 0, 1, 0, 1, 1])
    assert jitted(x, y, c, 5, 6) == 6
    assert jitted(x, y, np.ones(6, int), 49, 6) == 6
    with pytest.raises(IndexOutOfBoundsError, match="index 39 is out of bounds for axis 0 with size 5"):
        jitted(x, y, c, 40, 6)
    with pytest.raises(IndexOutOfBoundsError, match="index 50 is out of bounds for axis 0 with size 50"):
        jitted(x, y, c, 50, 6)


def test_arrays_that_change_places():
    """Each step reads what the step before has written, in the other array."""

    def f(u, v, n):
        def outer(t, s):
            u, v, total = s
            total = total + v[0]
            v, c = fd.lax.fori_loop(
                0, 40, lambda i, s: (fd.at(s[0])[i].set(u[0] / 2 + u[i] / 4 + s[1]), s[1] + u[0]), (v, total)
            )
            return v, u, total

        return fd.lax.fori_loop(0, n, outer, (u, v, 0.0))

    u, v, total = np.linspace(0, 1, 40), np.linspace(2, 3, 40), 0.0
    found = fd.jit(f)(u, v, 5)
    for _ in range(5):
        total = c = total + v[0]
        w = v.copy()
        for i in range(40):
            w[i] = u[0] / 2 + u[i] / 4 + c
            c += u[0]
        u, v = w, u
    for got, want in zip(found, (u, v, total), strict=True):
        np.testing.assert_array_equal(got, want)


# -- what the code is --------------------------------------------------------------------------------------------------


def loops(program):
    """The loops of a kernel program, at any depth."""
    for s in program.body:
        if isinstance(s, Loop):
            yield s
        for inner in getattr(s, "programs", ()):
            yield from loops(inner)


def lowered(f, *args):
    found = abstract(optimize(fd.make_ir(f)(*args)))
    return fuse(found.program, len(found.symbols)).program


def instructions(program):
    return [i for s in program.body if isinstance(s, Kernel) for i in s.body]


def test_a_body_in_bounds_has_no_check_and_no_choice():
    recurrence = lambda v: fd.lax.fori_loop(1, 40, lambda i, v: fd.at(v)[i].set(v[i - 1] * v[i]), v)
    (loop,) = loops(lowered(recurrence, np.ones(40)))
    assert any(isinstance(i, Check) for i in instructions(loop.body))
    found = bounded(loop)
    assert found is not None
    (r,) = found.ranges
    assert (r.slope, r.low, r.high) == (1, -1, 0)
    left = instructions(found.body)
    assert not any(isinstance(i, Check) for i in left)
    assert {i.op for i in left if isinstance(i, Compute)} == {"add", "sub", "mul"}


def test_a_body_with_other_indices_keeps_their_checks():
    gathered = lambda v, p: fd.lax.fori_loop(0, 40, lambda i, s: s + v[p[i]], 0.0)
    (loop,) = loops(lowered(gathered, np.ones(40), np.arange(40)))
    found = bounded(loop)
    assert found is not None
    assert sum(isinstance(i, Check) for i in instructions(found.body)) == 1


def emitted(f, *args):
    return emit_module(lowered(f, *args), Target.host())


def test_loops_over_scalars_are_optimised_but_not_kernels(monkeypatch):
    recurrence = lambda v: fd.lax.fori_loop(1, 40, lambda i, v: fd.at(v)[i].set(v[i - 1] * v[i]), np.sin(v))
    module = emitted(recurrence, np.ones(40))
    assert PIPELINE in module.passes
    assert "declare void @sin" in module.text
    assert "define hidden void @sin" in module.apart
    module = emitted(lambda v: fd.lax.fori_loop(0, 40, lambda i, v: np.sin(v), v), np.ones(40))
    assert PIPELINE not in module.passes
    assert not module.apart
    monkeypatch.setattr("functad.lower.emit.module.LARGE", 10)
    assert PIPELINE not in emitted(recurrence, np.ones(40)).passes


def test_a_step_in_bounds_is_code_without_branches():
    recurrence = lambda v: fd.lax.fori_loop(1, 40, lambda i, v: fd.at(v)[i].set(v[i - 1] * v[i]), v)
    checked, bounded = re.findall(r"define internal i32 @body.*?^}", emitted(recurrence, np.ones(40)).text, re.S | re.M)
    assert "br i1" in checked
    assert "br " not in bounded
    assert "llvm.smin" not in bounded


def test_only_the_first_steps_are_checked_where_those_count_from_the_end():
    ring = lambda v: fd.lax.fori_loop(0, 40, lambda i, w: fd.at(w)[i].set(v[i] - v[i - 1]), v)
    assert re.search(r"= select i1 %v\d+, i64 2, i64 ", emitted(ring, np.ones(40)).text)


def test_what_is_read_behind_a_check_is_not_clamped():
    gathered = lambda v, p: fd.lax.fori_loop(0, 40, lambda i, s: s + v[p[i]], 0.0)
    text = emitted(gathered, np.ones(40), np.arange(40)).text
    for body in re.findall(r"define internal i32 @body.*?^}", text, re.S | re.M):
        assert "llvm.smin" not in body
        last = body.rindex("load double")
        assert body.count("functad_note", 0, last) == body.count("functad_note")  # every check is before the access


def test_the_machine_code_forwards_what_it_has_stored():
    """The loop that runs in bounds loads one element a step, not the one that it has just stored."""
    recurrence = lambda v, w: fd.lax.fori_loop(1, 40, lambda i, v: fd.at(v)[i].set(v[i - 1] * w[i]), v)
    module = emitted(recurrence, np.ones(40), np.ones(40))
    optimised = _emitted(module.text, Target.host(), module.passes, module.apart, lambda _, optimised: str(optimised))
    blocks = re.split(r"\n\n", optimised)
    (step,) = [b for b in blocks if "fmul double" in b and "phi double" in b]
    assert step.count("load double") == 1
