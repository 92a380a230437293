"""Functions that mean harm: each gives what Python gives, or is refused with a message that names the line."""

import contextlib
import itertools
import linecache

import numpy as np
import pytest

import functad as fd
from functad.errors import (
    EscapedTracerError,
    FunctadError,
    ImmutableError,
    StructureError,
    TracerConversionError,
    UnsupportedError,
)

X = np.array([0.3, -0.7, 1.4, 0.9])


def right(f, x=X):
    """Whether compiled code gives what Python gives, for these arguments and others."""
    run = fd.jit(f)
    for at in (x, -x, x * 3):
        np.testing.assert_allclose(run(at), f(at), rtol=1e-12)


def refused(f, match, error=UnsupportedError, x=X):
    with pytest.raises(error, match=match) as found:
        fd.jit(f)(x)
    assert "test_nasty" in str(found.value)


# -- effects -----------------------------------------------------------------------------------------------------------


def test_a_nonlocal_write_in_a_called_function():
    def f(x):
        n = 0

        def bump():
            nonlocal n
            n += 1

        for v in x:
            bump()
            if v > 1:
                break
        return x[0] + n

    refused(f, "a function that assigns to n, which is nonlocal or global, is called")


def test_a_list_that_a_loop_fills_before_it_ends():
    def f(x):
        out = []
        for v in x:
            out.append(v)
            if v > 1:
                break
        return out[0]

    refused(f, "a list is appended to|out is")


def test_an_iterator_of_the_function_in_a_loop():
    def f(x):
        numbers = iter([1.0, 2.0, 3.0, 4.0])
        s = x[0]
        while s < 3:
            s = s + next(numbers)
            if s > 2.5:
                break
        return s

    refused(f, "a list_iterator that was made before would be advanced")


def test_counting_for_ever():
    def f(x):
        for k in itertools.count():
            if abs(x[0]) * k > 3:
                break
        return x[0] + k

    def g(x):
        numbers, s = itertools.count(), x[0]
        for _ in numbers:
            s = s + 1.0
            if s > 3:
                break
        return s + next(numbers)

    right(f)
    refused(g, "over which a loop went that ended early on a traced condition, is asked for another item")


def test_a_row_of_a_list_of_arrays():
    def f(x):
        rows = [np.zeros(3), np.ones(3)]
        for i in range(2):
            rows[i][1] += x[i]
            if rows[i][1] > 1.2:
                break
        return rows[0] + rows[1]

    right(f)


def test_a_dunder_and_a_property_that_change_something():
    class Counting:
        def __init__(self):
            self.asked = 0

        def __mul__(self, other):
            self.asked += 1
            return other * self.asked

        @property
        def next(self):
            self.asked += 1
            return self.asked

    def multiplied(x):
        c, s = Counting(), x[0]
        while s < 10:
            s = s + c * 2.0
            if s > 9:
                break
        return s

    def read(x):
        c, s = Counting(), x[0]
        while s < 10:
            s = s + c.next
            if s > 9:
                break
        return s

    for f in (multiplied, read):
        refused(f, "an item or an attribute of a Counting is assigned to")


# -- exceptions --------------------------------------------------------------------------------------------------------


def test_every_step_takes_the_handler():
    def f(x):
        s = 0.0
        for i in range(40):
            try:
                s = s + [1.0, 2.0][i]
            except IndexError:
                s = s + x[i % 4]
        return s

    def g(x):
        s, i = x[0], 0
        while s < 3:
            try:
                s = s + [0.1, 0.2][i]
            except IndexError:
                s = s + 1.0
            i += 1
        return s

    right(f)
    refused(g, "the integer value of a traced", TracerConversionError)


def test_an_except_that_catches_everything():
    def f(x):
        s = 0.0
        for i in range(40):
            try:
                if x[i % 4] > 1:
                    s = s + 1.0
                s = s + bool(x[0] > 0)
            except Exception:
                s = -1.0
        return s

    def g(x):
        try:
            while x[0] < 3:
                x = np.concatenate([x, x])
        except BaseException:
            return 1.0
        return x

    refused(f, "test_nasty", FunctadError)
    refused(g, r"x is f64\[4\] before a step", StructureError)


def test_a_manager_that_swallows():
    @contextlib.contextmanager
    def quiet():
        with contextlib.suppress(ValueError):
            yield

    def f(x):
        s = 0.0
        with quiet():
            if x[0] > 0:
                raise ValueError("gone")
            s = 1.0
        return s + x[1]

    refused(f, "caught by a handler of the function")


def test_a_finally_that_returns():
    def f(x):
        y = 1.0
        try:
            if x[0] > 0:
                return 5.0
            y = 2.0
        finally:
            return y  # noqa: B012

    def g(x):
        y = 1.0
        for _ in range(3):
            try:
                if x[0] > 0:
                    raise ValueError("swallowed")
                y = 2.0
            finally:
                break  # noqa: B012
        return y

    refused(f, "it jumps out of a try")
    refused(g, "caught by a handler of the function")


def test_an_assertion_about_itself():
    def f(x):
        assert x.shape == (4,) and x[0] < 100, "too large"
        assert not (x[0] > 50), (x[0], "larger")
        return x[0]

    right(f)


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_functions_own_name_and_that_of_its_class():
    def halved(v, depth):
        if depth == 0 or depth > 9:
            return v
        return halved(v / 2, depth - 1) if v > 1.0 else v

    class Model:
        __scale = 2.0

        def __init__(self, w):
            self.w = w

        def loss(self, x):
            s = 0.0
            for v in x:
                if v > 1:
                    break
                s = s + self.__scaled(v)
            return s

        def __scaled(self, v):
            return __class__.__scale * v * self.w

    right(lambda x: halved(x[2] * 10, 5))
    right(Model(3.0).loss)


def test_one_that_calls_itself_for_ever():
    def grown(v):
        return v if v > 5 else grown(v * v + 1)

    def by_statement(v):
        if v > 5:
            return v
        return by_statement(v * v + 1)

    for f in (grown, by_statement):
        refused(lambda x, f=f: f(x[0]), "branches on traced conditions lie in one another")


def test_names_that_jumps_leave_without_a_value():
    def read(x):
        for v in x:
            if v > 1:
                break
            last = v
        return last

    def of_an_empty_loop(x):
        n = int(x[0])
        for i in range(n):
            y = x[1] * i
        return y

    refused(read, "last is assigned in one branch only of the if", StructureError)
    refused(of_an_empty_loop, "y is assigned in the loop", StructureError)


def test_names_of_its_own_that_look_like_ours():
    def f(x):
        c1 = stop1 = skip = result = 1.0
        for v in x:
            if v < 0:
                continue
            if v > 1:
                result = v + c1 + stop1
                break
            skip += v
        return result + skip

    right(f)


# -- arrays ------------------------------------------------------------------------------------------------------------


def test_an_array_that_a_pass_leaves_half_written():
    def f(x):
        y, last = np.zeros(4), None
        while y[0] < 3:
            y[0] += 1.0
            y[1:] += x[0]
            if last is not None:
                y[3] -= last
            last = y[2] * 0.5
        return y

    def g(x):
        y = np.zeros(7)
        for i in range(7):
            y[i] = x[i % 4]
            if y[i] > 1.0:
                y[:i] *= 2.0
                break
        return y

    right(f)
    right(g)


def test_an_alias_of_what_a_jump_leaves():
    def f(x):
        y = np.zeros(4)
        z = y
        for v in x:
            y[0] += v
            if y[0] > 1.0:
                break
            z[1] += v
        return y + z

    def g(x):
        y = x * 1.0
        for _ in range(5):
            z = y
            if y[0] > 2.0:
                break
            y = y * 1.5
            z[0] = 0.0
        return y

    right(f)
    with pytest.raises((ImmutableError, EscapedTracerError)):
        fd.jit(g)(X)


def test_a_tracer_that_leaves_its_branch():
    kept = {}

    def f(x):
        if x[0] > 0:
            kept["v"] = x[1] * 2
        return kept["v"]

    refused(f, "an item or an attribute of a dict is assigned to")


# -- depth -------------------------------------------------------------------------------------------------------------


@pytest.mark.deep
def test_many_early_returns():
    def few(x):
        if x[0] > 8:
            return x[0]
        if x[0] > 7:
            return x[1]
        if x[0] > 6:
            return x[2]
        if x[0] > 5:
            return x[3]
        if x[0] > 4:
            return x[0] * 2
        if x[0] > 3:
            return x[0] * 3
        return -x[0]

    names: dict = {}
    lines = [f"    if x[0] > {20 - k}: return x[1] * {k}" for k in range(16)]
    source = "\n".join(["def many(x):", *lines, "    return x[0]\n"])
    linecache.cache["<many>"] = len(source), None, source.splitlines(keepends=True), "<many>"
    exec(compile(source, "<many>", "exec"), names)
    right(few, X * 10)
    for scale in (1, 7, 20, 90):
        assert fd.jit(names["many"])(X * scale) == names["many"](X * scale)


@pytest.mark.deep
def test_more_statements_in_one_another_than_python_allows_blocks():
    def loops(x, n):
        s, y, t = 0.0, np.zeros(4), 0
        for a in range(n):
            for b in range(n):
                for c in range(n):
                    for d in range(n):
                        for e in range(n):
                            while s < 40:
                                s = s + x[0] ** 2
                                if x[e] > 0:
                                    for g in range(n):
                                        if x[g] > 1:
                                            break
                                        s, y[g] = s + x[d] * a, y[g] + x[c] * b
                                        t = g
        return s + np.sum(y * x) + t

    assert fd.jit(loops)(X, np.int64(2)) == pytest.approx(loops(X, 2), rel=1e-12)


def test_arrays_that_branches_share():
    def in_a_tuple(x):
        a, b = np.zeros(3) + x[0], np.ones(3) * x[1]
        p = (a, b) if x[0] > 0 else (b, a)
        a[0] = 9.0
        return p[0]

    def views(x):
        a, b = np.zeros(3) + x[0], np.ones(3) * x[1]
        y = a[1:] if x[0] > 0 else b[1:]
        a[1] = 9.0
        return y

    def made_in_the_branch(x):
        if x[0] > 0:
            y = np.zeros(3) * x[0]
            z = y[:2]
        else:
            y = np.ones(3) * x[0]
            z = y[:2]
        y[0] = 5.0
        return z

    def returned(x):
        a = x * 1.0
        try:
            if x[0] > 0:
                return a, 1.0
            a = a * 2
        finally:
            a[0] = 7.0
        return a, 2.0

    def one_and_the_same(x):
        a = np.zeros(3) + x[0]
        p = (a, 1.0) if x[0] > 0 else (a, 2.0)
        a[0] = 9.0
        return p[0] * p[1]

    for f in (in_a_tuple, views, made_in_the_branch, returned):
        refused(f, "may share its memory with others, one of which was written to", ImmutableError)
    right(one_and_the_same)
