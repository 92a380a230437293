"""Views and other names of arrays in branches and loops: what is written to one is seen in all, as in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ImmutableError
from functad.testing.plain_code import eager_loops

X = np.array([0.3, -0.7, 1.2, 2.1])


def double_brackets(x):
    y = np.zeros((4, 4))
    for i in range(12):
        y[i % 4][1] += x[i % 4] * i
        y[1:, i % 4][0] = x[1]
    return y


def rows(x):
    y, s = np.zeros((12, 4)), 0.0
    for i in range(12):
        r = y[i]
        r[:] = x * i
        y[i, 1] += x[1]
        s += r[1]
        r *= 2.0
    return y * s


def blocks(x):
    y = np.zeros((12, 4, 2))
    for i in range(12):
        r = y[i, 1:, 0]
        r[1] = x[i % 4]
        r[::-1][0] = 3.0 * x[0]
    return y


def largest(x):
    a = np.outer(x, x)
    row = a[np.argmax(x)]
    row[:] = 0.0
    row[0] = x[1]
    return a


def read_before_the_next_step(x):
    y, r, s = np.zeros(4), np.ones(4)[1:] * 1.0, 0.0
    for i in range(12):
        y[1] = x[i % 4] * i
        s += r[0]
        r = y[1:]
    return s


def rows_one_after_another(x):
    y = np.zeros((12, 4))
    r = y[0]
    for i in range(11):
        n = y[i + 1]
        n[:] = r + x
        r = n
    return y


def sorted_rows(x):
    a = np.outer(x, np.array([1.0, 2.0]))
    for _ in range(4):
        for j in range(3):
            if a[j, 0] > a[j + 1, 0]:
                a[[j, j + 1]] = a[[j + 1, j]]
    return a


def swapped(x):
    u, v, n = np.zeros(4) + x, np.ones(4), abs(x[0])
    while n < 20:
        v[1:] = u[:-1]
        u, v = v, u
        n = n * 2 + 1
    return u * 2 + v


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    "f",
    [double_brackets, rows, blocks, largest, read_before_the_next_step, rows_one_after_another, sorted_rows, swapped],
    ids=lambda f: f.__name__,
)
def test_writes_are_seen_everywhere(f):
    for x in (X, -X):
        jacobian = fd.jacobian(f)(x)
        np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-12)
        with eager_loops():
            np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-12)
            np.testing.assert_allclose(fd.jit(fd.jacobian(f))(x), jacobian, rtol=1e-12)
            np.testing.assert_allclose(fd.vmap(f)(np.stack([x, 2 * x])), np.stack([f(x), f(2 * x)]), rtol=1e-12)


def test_an_index_that_is_an_array_copies():
    def f(x):
        a = np.outer(x, x)
        row = a[np.array(np.argmax(x))]
        row[:] = 0.0
        return a

    np.testing.assert_allclose(fd.jit(f)(X), f(X), rtol=1e-14)


def test_other_names_of_swapped_arrays_have_no_value():
    def two(x):
        u, v, n = np.zeros(4) + x, np.ones(4), abs(x[0])
        first = u
        while n < 20:
            u, v = v, u
            u[0] += 1.0
            n = n * 2 + 1
        return first

    def three(x):
        a, b, c, n = np.zeros(2), np.ones(2), np.ones(2) * 2, abs(x[0])
        first = a
        while n < 20:
            a, b, c = b, c, a
            a[0] += 1
            n = n * 2 + 1
        return first * x[0]

    def written_in_another_loop(x):
        u, v, n = np.zeros(4) + x, np.ones(4), abs(x[0])
        first = u
        while n < 20:
            u, v = v, u
            n = n * 2 + 1
        for _ in np.ones((3, 4)) * x:  # whose body is traced more than once
            u += 1.0
        return first

    for f in (two, three, written_in_another_loop):
        with pytest.raises(ImmutableError, match="may share its memory with this one"):
            fd.jit(f)(X)


def test_views_of_an_array_that_was_chosen_by_a_condition():
    def first(x):
        a, b = np.zeros(3), np.ones(3)
        view = (a if x[0] > 0 else b)[1:]
        a[1] = 5.0
        return view * 1

    def second(x):
        a, b = np.zeros(3), np.ones(3)
        view = (a if x[0] > 0 else b)[1:]
        b[1] = 5.0
        return view * 1

    def written(x):
        a, b = np.zeros(3), np.ones(3)
        view = (a if x[0] > 0 else b)[1:]
        view[0] = 5.0
        return view

    for f in (first, second, written):
        with pytest.raises(ImmutableError, match="chosen at .*test_aliases.* by a traced condition"):
            fd.jit(f)(X)


def first_row(y, x, bound):
    for i in range(len(y)):
        y[i] = x * i
        if np.sum(y[i]) > bound:
            return y[i]
    return y[0]


@pytest.mark.parametrize("bound", [3.0, 90.0])
def test_a_view_of_what_a_loop_writes_to_is_returned_from_it(bound):
    def read(x):
        y = np.zeros((5, 4))
        return first_row(y, x, bound) * 2 + y[1]

    def written(x):
        y = np.zeros((5, 4))
        r = first_row(y, x, bound)
        r[0] = 2.0
        return y

    def read_after_a_write(x):
        y = np.zeros((5, 4))
        r = first_row(y, x, bound)
        y[:, 1] = 8.0
        return r

    np.testing.assert_allclose(fd.jit(read)(X), read(X))
    for f in (written, read_after_a_write):
        with pytest.raises(ImmutableError, match="may share its memory with others, one of which was written to"):
            fd.jit(f)(X)


def test_what_one_of_several_arrays_was_is_not_read_once_any_of_them_is_written_to():
    def read(x, n):
        y, z = x * 2, x * 3
        w, s = x * 1, 0.0
        for i in range(n):
            s += w[0]
            z[0] = i + 10.0
            s += w[0]
            w = y if x[i % 4] > 0.5 else z
        return s

    def behind(x, n):
        y, z = x * 2, x * 3
        w, s = x * 1, 0.0
        for i in range(n):
            s += w[0]
            w = y if x[i % 4] > 0.5 else z
        z[0] = 77.0
        return s + w[0]

    def written(x, n):
        y, z = x * 2, x * 3
        w = y if x[0] > 0.5 else z
        for _ in range(n):
            w[0] = 7.0
            w = x * 1
        return z

    for f in (read, behind, written):
        with pytest.raises(ImmutableError, match="may share its memory with others, one of which was written to"):
            fd.jit(f)(X, np.int64(2))
