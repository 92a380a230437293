"""What a branch or a loop on a traced condition must not do is refused, and nobody's ``except`` hides that."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytest

import functad as fd
from functad.errors import FunctadError, ImmutableError, StructureError, TracerConversionError, UnsupportedError

X = np.array([0.3, -0.7, 1.2, 2.1])
TABLE = np.arange(4.0)


def refused(f, match, error=UnsupportedError):
    with pytest.raises(error, match=match):
        fd.jit(f)(X)


def test_iterators_that_were_made_before_are_not_advanced():
    def in_a_branch(x):
        numbers = iter([1.0, 2.0])
        if x[0] > 0:
            x = x * next(numbers)
        return x * next(numbers)

    def summed(x):
        squares = (v * v for v in (1.0, 2.0))
        if x[0] > 0:
            x = x * sum(squares)
        return x * sum(squares)

    def gone_over(x):
        numbers = iter([1.0, 2.0])
        s = x[1]
        while s < 10:
            for v in numbers:
                s = s + v
            s = s * 2 + 3
        return s

    for f in (in_a_branch, summed, gone_over):
        refused(f, r"that was made before would be advanced at .*test_effects")


def test_iterators_of_the_body_are_fine_and_loops_that_advance_others_are_made_step_by_step():
    def own(x):
        if x[0] > 0:
            x = x * sum(a * b for a, b in zip([1.0, 2.0], (3.0, 4.0), strict=True)) + next(iter([1.0]))
        return x

    def shared(x):
        numbers, s = iter([1.0, 2.0, 3.0] * 100), 0.0
        for i in range(300):
            s = s + next(numbers) * x[i % 4]
        return s

    np.testing.assert_array_equal(fd.jit(own)(X), own(X))
    np.testing.assert_allclose(fd.jit(shared)(X), shared(X), rtol=1e-12)


CALLS = 0


def counted(v):
    global CALLS
    CALLS += 1
    return v * CALLS


def test_variables_of_functions_around_are_not_assigned_to_in_a_body():
    def nonlocal_one(x):
        total = 0.0

        def add(v):
            nonlocal total
            total = total + v

        if x[0] > 0:
            add(x[1])
        return total

    def global_one(x):
        s = x[0]
        while s < 10:
            s = s + counted(2.0)
        return s

    refused(nonlocal_one, "assigns to total, which is nonlocal or global, is called at .*test_effects")
    refused(global_one, "assigns to CALLS")

    def every_step(x):
        total = 0.0

        def add(v):
            nonlocal total
            total = total + v

        for i in range(300):
            add(x[i % 4])
        return total

    np.testing.assert_allclose(fd.jit(every_step)(X), every_step(X), rtol=1e-12)


@pytest.mark.parametrize("value", [[1.0], {1}, {1: 2.0}, np.ones(2)], ids=["list", "set", "dict", "plain array"])
def test_operators_that_change_an_object_in_place(value):
    def f(x):
        held = value
        if x[0] > 0:
            held |= {2: 3.0} if isinstance(held, dict) else held
        return x

    def g(x):
        held = value
        if x[0] > 0:
            held += held
        return x

    refused(f if isinstance(value, dict | set) else g, f"of a {type(value).__name__} is assigned to at .*test_effects")


def test_plain_arrays_are_not_written_to_in_a_body():
    def out(x):
        if x[0] > 0:
            np.add(TABLE, 1.0, out=TABLE)
        return x * TABLE

    def positional(x):
        if x[0] > 0:
            np.add(TABLE, 1.0, TABLE)
        return x * TABLE

    def copied(x):
        if x[0] > 0:
            np.copyto(TABLE, 5.0)
        return x * TABLE

    def at(x):
        if x[0] > 0:
            np.add.at(TABLE, [1], 5.0)
        return x * TABLE

    for f in (out, positional, copied, at):
        refused(f, "of a ndarray is assigned to")
    np.testing.assert_array_equal(TABLE, np.arange(4.0))


def test_traced_arrays_are():
    def f(x):
        y, n = np.zeros(4), abs(x[0])
        while n < 30:
            np.add.at(y, [0, 0, 1], x[1])
            np.multiply(y, 0.5, out=y)
            np.copyto(y[2:], x[:2], where=np.array([True, False]))
            n = n * 2 + 1
        return y

    np.testing.assert_allclose(fd.jit(f)(X), f(X), rtol=1e-14)


def test_functions_that_are_passed_to_pythons_are_looked_at_too():
    seen = []

    def note(v):
        seen.append(v)
        return v

    def mapped(x):
        if x[0] > 0:
            x = x * sum(map(note, [1.0, 2.0]))
        return x

    def bound(x):
        if x[0] > 0:
            list(map(seen.append, [1.0, 2.0]))
        return x

    def partial(x):
        append = functools.partial(seen.append, 1.0)
        if x[0] > 0:
            append()
        return x

    for f in (mapped, bound, partial):
        refused(f, "a list is appended to")
    assert seen == []


# -- except ------------------------------------------------------------------------------------------------------------


def test_no_handler_takes_an_error_of_tracing_for_numpys():
    def truth(x):
        try:
            if bool(x[0] > 0):
                return x[1]
        except Exception:
            return x[2] * 100
        return x[3]

    def bare(x):
        try:
            return x[1] if bool(x[0] > 0) else x[2]
        except:  # noqa: E722
            return x[3]

    def suppressed(x):
        y = x[2]
        with contextlib.suppress(Exception):
            y = x[1] if bool(x[0] > 0) else x[3]
        return y

    def argument(x):
        try:
            x[0] = 1.0
        except TypeError:
            return x * 2
        return x

    for f in (truth, bare, suppressed):
        refused(f, "the truth value of a traced bool", TracerConversionError)
    refused(argument, "was written to in place", ImmutableError)
    with pytest.raises(ImmutableError, match="was written to in place"):
        fd.jacobian(argument)(X)


def test_what_a_branch_raises_is_not_caught():
    def f(x):
        try:
            if x[0] > 0:
                y = x[1]
            else:
                y = x[7]
        except IndexError:
            y = 0.0
        return y

    with pytest.raises(UnsupportedError, match=r"an IndexOutOfBoundsError is raised in a branch .* write if and else"):
        fd.jit(f)(X)


def test_pythons_own_errors_are_caught_and_those_that_are_asked_for():
    def own(x):
        s = 0.0
        for i in range(300):
            try:
                s = s + x[i]
            except IndexError:
                s = s + 1.0
        try:
            s = s + len(x[0])
        except TypeError:
            s = s + 10.0
        return s

    def asked(x):
        try:
            return x[1] if bool(x[0] > 0) else x[2]
        except FunctadError:
            return np.where(x[0] > 0, x[1], x[2])

    assert fd.jit(own)(X) == own(X)
    assert fd.jit(asked)(X) == X[1]


# -- names without a value ---------------------------------------------------------------------------------------------


def test_a_name_without_a_value_raises_wherever_it_is_read():
    def compared(x):
        m = None
        if x[0] > 0:
            m = 1.0
        return x[1] if m is None else x[2]

    def asked(x):
        m = None
        if x[0] > 0:
            m = "s"
        return x[1] if isinstance(m, str) else x[2]

    def typed(x):
        m = None
        if x[0] > 0:
            m = "s"
        return x[1] if type(m) is str else x[2]

    def kept(x):
        m = None
        if x[0] > 0:
            m = 5.0
        return len([m]) * x[0]

    def expression(x):
        return x[1] if (x if x[0] > 0 else None) is None else x[2]

    def closed_over(x):
        m = None
        if x[0] > 0:
            m = 1.0
        return (lambda: x[1] if m is None else x[2])()

    for f in (compared, asked, typed, kept, expression, closed_over):
        refused(f, r"in one branch and .* in the other of the if at .*test_effects|the value is", StructureError)


def test_real_and_complex_branches():
    def f(x):
        z = x[0] * 1j
        if x[0] > 0:
            z = z.real
        return np.sqrt(z)

    refused(f, r"z is f64\[\] in one branch and c128\[\] in the other", StructureError)


# -- others ------------------------------------------------------------------------------------------------------------


def test_names_bound_in_the_condition_of_a_loop():
    def f(x):
        y = abs(x[0]) + 0.01
        while (z := y * y) < 100:
            y = y * 2
        return y + z

    assert fd.jit(f)(X) == pytest.approx(f(X), rel=1e-14)


def test_variables_of_comprehensions_are_their_own():
    v = 2.0

    def f(x):
        if x[0] > 0:
            y = sum([v * 2 for v in x])
        else:
            y = x[1]
        return y * v

    assert fd.jit(f)(X) == pytest.approx(f(X), rel=1e-14)


def test_a_function_that_calls_itself_until_a_traced_condition_holds():
    def grown(v):
        if v < 5:
            return grown(v * 2 + 1)
        return v

    refused(lambda x: grown(x[0]), r"branches on traced conditions lie in one another at .*test_effects")


def test_a_match_on_classes():
    def f(x):
        match x[0]:
            case float(v):
                return v
            case _:
                return x[1]

    refused(f, "is matched at .*test_effects.* with a class or a truth value")


def test_pythons_integers_do_not_wrap_around():
    def for_ever(x):
        n, a, b = 1, 0, 1
        for i in range(300):
            n = n * 2
            a, b = b, a + b + i
        return float(n) * x[0] + a / b

    def until(x):
        n, y = 1, abs(x[0])
        while y < 1e9:
            n, y = n * 3, y * 1.5
        return float(n)

    def counted(x):
        n, k, y, last = 0, 100, abs(x[0]), 12345
        while y < 1e9:
            n = n + k if y > 5 else n + 1
            k, last, y = k - 2, (last * 1103515245 + 12345) & 0x7FFFFFFF, y * 1.5
        return n * 1.0 + k + last

    assert fd.jit(for_ever)(X) == pytest.approx(for_ever(X), rel=1e-14)
    with pytest.raises(
        OverflowError, match=r"n is a Python integer that a step of the loop at .*test_effects.* multip"
    ):
        fd.jit(until)(X)
    assert fd.jit(counted)(X) == counted(X)
