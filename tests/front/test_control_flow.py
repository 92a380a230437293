"""Python's branches and loops on traced values, under jit, vmap and in bodies of loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

import functad as fd
from functad.errors import ImmutableError, StructureError, UnsupportedError

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(6, 4))


def branches(x):
    if x[0] > 0:
        y, s = np.sin(x), 1
    elif x[1] > 0:
        y, s = x * 2, 2.5
    else:
        y, s = x, 3
    return np.sum(y) * s


def early(x):
    if (x[0] > 0 and x[1] > 0) or not x[2] < 0:
        return x[0]
    z = x[1] if 0 < x[2] + 2 < 2 else -x[1]
    if z > 0.3:
        return z * 2
    return z * math.exp(z)


def written(x):
    y = np.zeros(4)
    w = y[1:]
    if x[0] > 0:
        y[1] = x[0]
        w[1:] += 2.0
    else:
        y[:] = x[1]
    return y * 2 + np.sum(w)


def larger(a, b):
    if a > b:
        return a
    return b


def helpers(x):
    total = 0.0
    for v in x:
        if v > 0:
            total += larger(v, 0.5)
        else:
            total -= v * v
    return total


def newton(x):
    a = abs(x[0]) + 0.1
    y = 1.0
    while abs(y * y - a) > 1e-13:
        y = 0.5 * (y + a / y)
    return y


def swapped(x):
    a, b = np.ones(3) * (abs(x[0]) + 0.5), np.array([1.0, 2.0, 3.0])
    steps = 0
    while np.sum(a) < 50:
        a, b = b, a + 2 * b
        steps += 1
    return a @ b + steps


def buffers(x):
    u, history, k = np.zeros(5), np.zeros(3), 0
    u[0] = 1.0
    while np.sum(u) < 4.0:
        u[1:] += abs(x[0] + 0.5) * u[:-1] + 0.1
        history[0] += u[2]
        history[1:] = u[:2]
        k += 1
    return np.sum(u * history[0]) + k + history[2]


def containers(x):
    s = (abs(x[0]), {"a": x[1]})
    while s[0] < 100:
        s = (s[0] * 2 + 1, {"a": s[1]["a"] + 1.0})
    return s[0] + s[1]["a"]


def recurrence(x):
    y = np.zeros(200)
    y[0] = x[0]
    for i in range(1, 200):
        if i % 3 == 0:
            y[i] = math.sin(y[i - 1]) + x[1]
        else:
            y[i] = 0.9 * y[i - 1] + x[2] / i
    return np.sum(y * y) + i


def runge_kutta(x):
    def f(y):
        return np.array([y[1], -np.sin(y[0]) * x[1] ** 2])

    y, h = np.array([x[0], 0.0]), 0.01
    for _ in range(100):
        k1 = f(y)
        k2 = f(y + 0.5 * h * k1)
        y = y + h * k2
    return y


def loops_in_loops(x):
    b = np.zeros((12, 12))
    for i in range(12):
        for j in range(12):
            b[i, j] = x[i % 4] * x[j % 4] + (i + j)
    s = 0.0
    for row in b:
        s += np.sum(np.tanh(row)) * row[0]
    return s


def lists(x):
    out = []
    for i in range(30):
        out.append(x[0] * i)
    total = 0.0
    for i in range(50):
        total = total + x[1] * out[i % 20]
    return total


def unknown_range(x):
    n = int(abs(x[0]) * 10) + 3
    s = 0.0
    for i in range(n):
        s += x[1] * i
    for i in range(n, 0, -2):
        s = s * 0.5 + i * x[2]
    return s


def first_of(x):
    best, s = None, 0
    for i in range(60):
        z = x[i % 4] * i
        s = s + z
        best = z if best is None or z > best else best
    return s + best + i


FUNCTIONS = [
    branches, early, written, helpers, newton, swapped, buffers, containers, recurrence, runge_kutta, loops_in_loops,
    lists, unknown_range, first_of,
]  # fmt: skip


@pytest.mark.one_in(4)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f):
    value, derivative = fd.jit(f), fd.jit(fd.jacobian(f))
    for x in XS:
        np.testing.assert_allclose(value(x), f(x), rtol=1e-11, atol=1e-12)
        expected = fd.jacobian(f)(x)
        np.testing.assert_allclose(derivative(x), expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(fd.jacobian(value)(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_under_vmap(f):
    expected = np.stack([f(x) for x in XS])
    np.testing.assert_allclose(fd.vmap(f)(XS), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(fd.jit(fd.vmap(f))(XS), expected, rtol=1e-11, atol=1e-12)


def test_in_the_body_of_a_loop():
    def step(c, x):
        if x > 0:
            c = c + x
        else:
            c = c * 0.5
        return c, c

    xs = RNG.normal(size=20)
    c, expected = 1.0, []
    for x in xs:
        c, y = step(c, x)
        expected.append(y)
    np.testing.assert_allclose(fd.jit(lambda xs: fd.lax.scan(step, 1.0, xs)[1])(xs), expected, rtol=1e-14)


def nest_of_short_loops(x):
    s = 0.0
    for i in range(4):
        for j in range(4):
            for k in range(4):
                for m in range(4):
                    s = s + x[m] * x[k] * x[j] * x[i]
    return s


def test_arguments_that_are_chosen():
    def f(x):
        return np.sum(np.sin(x if x[0] > 0 else -x)) + math.sin(x[1] or x[2]) + max(x[0] if x[1] > 0 else x[2], 0.5)

    for x in XS:
        np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-14)


def test_long_loops_are_loops_and_short_ones_are_not():
    assert " loop[" in str(fd.make_ir(fd.jit(recurrence))(XS[0]))
    assert " loop[" not in str(fd.make_ir(fd.jit(helpers))(XS[0]))
    assert str(fd.make_ir(fd.jit(nest_of_short_loops))(XS[0])).count(" loop[") == 1
    assert " while[" in str(fd.make_ir(fd.jit(newton))(XS[0]))
    assert " cond[" in str(fd.make_ir(fd.jit(branches))(XS[0]))


def test_what_a_branch_would_change_besides_is_refused():
    seen, holder = [], type("Holder", (), {})()

    def appends(x):
        if x > 0:
            seen.append(1)
        return x

    def assigns(x):
        if x > 0:
            holder.value = 1
        return x

    def prints(x):
        while x < 10:
            print(x)
            x = x * 2
        return x

    with pytest.raises(
        UnsupportedError, match=r"a list is appended to at .*test_control_flow.* in a branch, or in a loop"
    ):
        fd.jit(appends)(1.0)
    with pytest.raises(UnsupportedError, match="an item or an attribute of a Holder is assigned to"):
        fd.jit(assigns)(1.0)
    with pytest.raises(UnsupportedError, match="print is called"):
        fd.jit(prints)(1.0)
    assert seen == [] and not hasattr(holder, "value")


def test_variables_without_a_value_say_so():
    def one_branch(x):
        if x > 0:
            y = x
        return (lambda: y)()

    def shapes(x):
        y = np.zeros(3)
        if x > 0:
            y = np.zeros(2)
        return y + 1.0

    def in_a_loop(x):
        while x < 10:
            x, y = x * 2, x
        return sum([y for _ in range(2)]) + x

    def growing(x):
        y = x * np.ones(1)
        while y[0] < 10:
            y = np.concatenate([y, y]) * 2
        return y

    with pytest.raises(StructureError, match="y is assigned in one branch only of the if at .*test_control_flow"):
        fd.jit(one_branch)(1.0)
    with pytest.raises(StructureError, match=r"y is f64\[2\] in one branch and f64\[3\] in the other"):
        fd.jit(shapes)(1.0)
    with pytest.raises(StructureError, match="y is assigned in the loop at .* only, on a traced condition"):
        fd.jit(in_a_loop)(1.0)
    with pytest.raises(StructureError, match=r"y is f64\[1\] before a step of the loop at .* and f64\[2\] after it"):
        fd.jit(growing)(1.0)


def test_arrays_chosen_by_a_condition_are_not_written_to():
    def f(x):
        a, b = np.zeros(3), np.ones(3)
        c = a if x > 0 else b
        c[0] = 5.0
        return a + b

    def g(x):
        a, b = np.zeros(3), np.ones(3)
        c = a if x > 0 else b
        a[0] = 5.0
        return c

    with pytest.raises(ImmutableError):
        fd.jit(f)(1.0)
    with pytest.raises(ImmutableError, match="may share its memory with others, one of which was written to"):
        fd.jit(g)(1.0)


def test_an_alias_of_what_a_loop_replaces_is_refused():
    def f(x):
        u = np.zeros(3) * x
        alias = u
        while u[0] < 10:
            u[0] += x
            u = u + x
        return alias

    with pytest.raises(ImmutableError, match="may share its memory with this one: a loop on a"):
        fd.jit(f)(1.0)


def test_errors_in_a_body_are_the_users():
    def f(x):
        for i in range(40):
            x = x + np.ones(3)[: i % 3] if i == 30 else x * 1.5
        return x

    with pytest.raises(ValueError):
        fd.jit(f)(np.ones(3))

    def g(x):
        for _ in range(40):
            x = x * (1 // len([]))
        return x

    with pytest.raises(ZeroDivisionError):
        fd.jit(g)(1.0)


def test_generators_and_jumps_stay_pythons():
    def f(x):
        def squares():
            for i in range(20):
                yield x * i if i % 2 else i

        total = 0.0
        for i, s in enumerate(squares()):
            if i > 15:
                break
            if i == 3:
                continue
            total = total + s
        return total

    assert fd.jit(f)(2.0) == f(2.0)


def first_in_the_loop(x):
    for i in range(60):
        y = np.sin(x) * i
        last = (i, y[0], {"y": y})
        for _ in range(i):
            y = y * 0.9
    return y * last[0] + last[1] + last[2]["y"] + i


def kept_before(x):
    previous = None
    total = 0
    for i in range(60):
        if previous is not None:
            total = total + np.sin(previous * 0.5) * np.cos(previous) - previous * 2
        previous = x[0] * i
    return total


@pytest.mark.parametrize("f", [first_in_the_loop, kept_before])
def test_variables_that_a_loop_binds(f):
    x = np.array([0.3, -0.2])
    np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-14)
    np.testing.assert_allclose(
        fd.jit(fd.grad(lambda x: np.sum(f(x))))(x), fd.grad(lambda x: np.sum(f(x)))(x), rtol=1e-13
    )


def test_no_step_is_made_apart():
    program = fd.make_ir(first_in_the_loop)(np.ones(2))
    assert [e.primitive.name for e in program.eqns if e.primitive.name in ("loop", "sin")] == ["loop"]


def test_a_variable_is_not_bound_in_the_first_step():
    def f(x):
        for i in range(12):
            x = x + seen  # noqa: F821
            seen = i * 1.0  # noqa: F841
        return x

    with pytest.raises(UnboundLocalError, match="seen"):
        fd.jit(f)(1.0)


def test_an_array_of_the_loop_is_written_to_afterwards():
    def f(x):
        for i in range(12):
            row = x[i] * 1.0
            view = x[i]
        row[0] = 5.0
        return row, view

    x = np.random.default_rng(0).normal(size=(12, 3))
    for a, b in zip(fd.jit(f)(x), f(x.copy()), strict=True):
        np.testing.assert_array_equal(a, b)

    def g(x):
        x = x.copy()
        for i in range(12):
            view = x[i]
        view[0] = 5.0
        return x

    try:
        found = fd.jit(g)(x)
    except ImmutableError:
        return
    np.testing.assert_array_equal(found, g(x))


def ranged(x, start, stop, step):
    s, last = x[0], -1
    for i in range(start, stop, step):
        s, last = s + x[i] * i, i
    return s, last


@pytest.mark.parametrize(
    "bounds",
    [
        (np.uint8(2), np.uint8(9), np.int8(2)),
        (np.uint8(9), np.int64(2), np.int8(-2)),
        (np.uint64(3), np.int64(9), 1),
        (np.uint8(250), np.uint8(3), np.int64(100)),
        (np.int64(0), np.int64(2**62), np.int64(2**62)),
    ],
)
def test_bounds_of_any_integers_are_pythons_integers(bounds):
    x = np.linspace(1, 2, 12)
    assert fd.jit(ranged)(x, *bounds) == ranged(x, *bounds)


def test_what_range_does_not_take():
    def f(n, step):
        s = 0.0
        for i in range(0, n, step):
            s += i
        return s

    with pytest.raises(ValueError, match=r"range\(\) arg 3 must not be zero"):
        fd.jit(f)(np.int64(5), np.int64(0))
    for n in (2.0, np.float64(2.0), np.array([2.0])):
        with pytest.raises(TypeError, match="integer"):
            fd.jit(f)(n, np.int64(1))


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [
        (-2, 2**63 - 1, 2**63 - 1),
        (-(2**63), 2**63 - 1, 2**63 - 1),
        (2**63 - 1, -(2**63), -(2**63)),
        (5, -(2**63), 2**62),
    ],
)
def test_the_distance_of_bounds_may_take_64_bits(start, stop, step):
    def counted(start, stop, step):
        count = 0
        for i in range(start, stop, step):
            count += 1 if i < 2**62 else 2
        return count

    def left(start, stop, step):
        count = 0
        for _ in range(start, stop, step):
            count += 1
            if count == 3:
                break
        return count

    given = [np.int64(x) for x in (start, stop, step)]
    assert len(range(start, stop, step)) <= 3
    assert fd.jit(counted)(*given) == counted(start, stop, step)
    if step > 0:
        assert fd.jit(lambda a, b: left(a, b, 1))(*given[:2]) == left(start, stop, 1)


def test_an_unsigned_number_that_is_no_integer_of_64_bits():
    assert fd.jit(lambda x: int(x) + 1)(np.uint64(2**63 - 2)) == 2**63 - 1
    with pytest.raises(OverflowError, match=r"int\(x\) of an unsigned number is larger than the 64 bits"):
        fd.jit(lambda x: int(x) + 1)(np.uint64(2**63))


def test_counters_are_pythons_integers():
    def f(n):
        t = np.ones(3, np.float32)
        for i in range(n, n + 3):
            t = t * i
        return t

    assert fd.jit(f)(np.int64(2)).dtype == np.float32
    np.testing.assert_array_equal(fd.jit(f)(np.uint8(200)), f(200))
