"""Python's ``for`` loops of many steps without ``jit``: they run as native code where that does what Python does."""

from __future__ import annotations

import itertools
import math
import random
import warnings

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.front import long_loops as front
from functad.lower.compile import compile_count
from functad.primitives import long_loops
from functad.testing.plain_code import REFUSALS, draw_plain_code, runs

LONG, N = 260, 120
DATA = np.sin(np.arange(LONG * 1.0))


def diffusion(k):
    u = np.zeros(20)
    u[5:9] = 1.0
    for _ in range(LONG):
        u[1:-1] += k * (u[:-2] - 2 * u[1:-1] + u[2:])
    return u @ u


def trajectory(g):
    y = np.zeros((LONG + 1, 2))
    y[0] = 1.0, 0.0
    for i in range(LONG):
        y[i + 1] = y[i] + 0.05 * np.array([y[i, 1], -g * math.sin(y[i, 0])])
        if y[i + 1, 0] < 0:
            y[i + 1] *= 0.9
    return y[-1, 0] + y[7, 1]


def elements(x):
    total, power = 0.0, 1.0
    for d in DATA:
        power = power * 0.99 + 0.01 * x
        total += d * math.exp(-power * d) + power
    return total


def filled(x):
    found = []
    value = x
    for _ in range(LONG):
        value = value * 0.99 + 0.01 * np.cos(value * x)
        found.append(value)
    return np.sum(np.array(found)) + found[-1] * found[3]


def counted(x):
    n, t, most, value = 0, 0.0, -1.0, x
    for i in range(LONG):
        value = value + 0.01 * np.sin(value + t)
        n += 2 if i % 3 == 0 else 1
        t += 0.125
        most = max(most, value)
    assert type(n) is int and type(t) is float
    return value * n + t * most


def rows(x):
    matrix = np.outer(DATA, np.arange(3.0)) + x
    for row in matrix:
        row *= 0.5 + x * row
    return np.sum(matrix)


def in_a_loop(x):
    for _ in range(3):
        for i in range(LONG):
            x = x + 1e-3 * np.sin(x * i + DATA[i])
    return x


def helper(x, i):
    return x if x > 2.0 else x + 1e-2 * DATA[i % 7]


def called(x):
    for i in range(LONG):
        x = helper(x, i) * 0.999 + 1e-3 * np.tanh(x)
    return x


NATIVE = [diffusion, trajectory, elements, filled, counted, rows, in_a_loop, called]


@pytest.fixture
def ran(monkeypatch) -> list[bool]:
    """For each loop that was about to run natively, whether it did."""
    found: list[bool] = []

    def spied(*args):
        found.append(False)
        results = long_loops.native_results(*args)
        found[-1] = results is not None
        return results

    monkeypatch.setattr(front, "native_results", spied)
    return found


@pytest.mark.one_in(2)
@pytest.mark.parametrize("f", NATIVE)
def test_native_loops_are_those_of_python(f, ran: list[bool]) -> None:
    value, gradient = fd.value_and_grad(f)(0.2)
    assert set(ran) == {True}
    count = compile_count()
    again = fd.value_and_grad(f)(0.2)
    assert compile_count() == count
    np.testing.assert_array_equal((value, gradient), again)
    np.testing.assert_allclose(value, f(0.2), rtol=1e-11)
    with config.backend("evaluator"):
        np.testing.assert_allclose(gradient, fd.grad(f)(0.2), rtol=1e-9)
    assert len(ran) == (6 if f is in_a_loop else 2)


# -- what Python does -------------------------------------------------------------------------------------------------


def printing(x, log):
    for i in range(N):
        x = x * 1.001
        if i % 100 == 0:
            log.append(f"{i} {float(x):.3f}")
    return x


def keyed(x, log):
    table, n, t = {}, 0, 0.0
    for i in range(N):
        x = x + 1e-3 * np.sin(x * i)
        n, t = n + 1, t + 0.5
    table[n] = table[t] = x
    log += [n, t, type(n), type(t), f"{t:.1f}", i]
    return table[N]


def swapped(x, log):
    a, b = np.zeros(5), np.ones(5)
    for _ in range(N):
        b[1:-1] = a[1:-1] * 0.5 + x * (a[:-2] + a[2:] + 1.0) / 4
        a, b = b, a
    a[2] = 7.0
    return np.sum(a * b)


def written_afterwards(x, log):
    start = np.ones(3)
    y = start
    for i in range(N):
        y = y * 0.99 + x * i
    start[0] = 5.0
    y[1] = 2.0
    return np.sum(y * start)


def kept_where_it_is(x, log):
    y = best = np.ones(3)
    for i in range(N):
        y = y * 0.99 + x
        if i == 17:
            best = y
    y[0] = 9.0
    return np.sum(best * y)


def assigned_on_one_side(x, log):
    for _ in range(N):
        x = x * 1.001
        if x > 0.3:
            late = x
    return x if x < 0.3 else late


def first_is_none(x, log):
    before = None
    for i in range(N):
        if before is not None:
            x = x * 0.999 + 1e-3 * before
        before = x * i
    return x


def outside(x, log):
    history = np.zeros(N)
    state = {"n": 0}
    for i in range(N):
        x = x * 0.999
        state["n"] += i
        log.append(state["n"])
    return x + history[3]


def drawn(x, log):
    rng = np.random.default_rng(0)
    for _ in range(N):
        x = x + 1e-3 * rng.normal()
    return x


def stopped(x, log):
    for i in range(N):
        x = x * 1.01 + 1e-9 * i
        if x > 0.5:
            break
    log.append(i)
    return x


def caught(x, log):
    y = np.zeros(N - 50)
    try:
        for i in range(N):
            y[i] = x * i
    except IndexError:
        log.append(i)
    return np.sum(y)


def raising_in(x, log, y):
    for i in range(N):
        y[i] = x * i
    return y


def caught_outside(x, log):
    y = np.zeros(N - 50)
    try:
        raising_in(x, log, y)
    except IndexError as error:
        log.append(type(error))
    return np.sum(y)


def large_integer(x, log):
    n = 1
    for _ in range(N):
        n = 3 * n
        x = x * 0.99
    log.append(n)
    return x


def closing_over(x, log):
    total = 0.0

    def add(v):
        nonlocal total
        total = total + v

    for i in range(N):
        add(x * i)
    return total


def truncated(x, log):
    n, y = 0, 0.0
    for i in range(N):
        n = n + int(x * i)
        y = y + x * n
    log += [n, type(n)]
    return y


def of_integers(x, log):
    indices = list(range(N))
    s = 0
    for i in indices:
        s += i * i
    log.append(s)
    return x * s


PYTHONS = [
    printing, keyed, swapped, written_afterwards, kept_where_it_is, assigned_on_one_side, first_is_none, outside, drawn,
    stopped, caught, caught_outside, large_integer, closing_over, truncated, of_integers,
]  # fmt: skip


@pytest.mark.parametrize("f", PYTHONS)
def test_all_else_is_as_in_python(f) -> None:
    with config.backend("evaluator"):
        said: list = []
        expected = fd.value_and_grad(lambda x: f(x, said))(0.2)
    for _ in range(2):
        log: list = []
        np.testing.assert_allclose(fd.value_and_grad(lambda x: f(x, log))(0.2), expected, rtol=1e-11)
        assert log == said
    assert expected[0] == pytest.approx(f(0.2, []), rel=1e-12)


def test_numpy_warns_and_raises_as_it_does_of_single_steps() -> None:
    def f(x):
        y = np.ones(2) * x
        for _ in range(N):
            y = y * 1e3
        return np.sum(y)

    with pytest.warns(RuntimeWarning, match="overflow"):
        assert fd.value_and_grad(f)(1.0)[0] == np.inf
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="overflow"):
        fd.value_and_grad(f)(1.0)


def test_an_error_is_that_of_the_step(ran: list[bool]) -> None:
    def f(x):
        for i in range(LONG):
            x = x + 1e-3 * np.sin(DATA[i + 1] * x) * i
        return x

    with pytest.raises(IndexError) as raised:
        fd.grad(f)(0.2)
    assert raised.traceback[-1].path is not None and "DATA[i + 1]" in "".join(map(str, raised.traceback))
    assert ran == [False]


def test_short_loops_are_not_tried(ran: list[bool]) -> None:
    def f(x):
        for i in range(99):
            x = x + np.sin(x * i)
        return x

    fd.grad(f)(0.2)
    assert not ran


def test_it_can_be_turned_off(ran: list[bool]) -> None:
    with config.backend("evaluator"), warnings.catch_warnings():
        warnings.simplefilter("error")
        x = fd.value_and_grad(counted)(0.2)[0]
    assert not ran
    assert x == counted(0.2)


def check_random_loops(seed: int, programs: int) -> None:
    rng = random.Random(seed)
    drawn = (draw_plain_code(rng, blocks=True) for _ in itertools.count())
    for code in itertools.islice(filter(runs, drawn), programs):
        f, x = code.function(), np.array([0.3, 1.1, -0.7, 0.5])
        try:
            f(x)
        except Exception:  # NumPy's, in another branch than that at the point of ``runs``
            continue

        def total(x, f=f):
            return sum([np.sum(v * (k + 1.0)) for k, v in enumerate(f(x))])

        try:
            with config.backend("evaluator"):
                expected = fd.value_and_grad(total)(x)
        except REFUSALS:  # where Python makes the steps, too
            continue
        for ours, theirs in zip(fd.value_and_grad(total)(x), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12, err_msg=code.source)


@pytest.fixture
def of_any_length(monkeypatch) -> None:
    """Loops of three steps are long."""
    monkeypatch.setattr(front, "MANY", 3)
    monkeypatch.setattr(front, "LONG", 0)


@pytest.mark.usefixtures("of_any_length")
@pytest.mark.filterwarnings("ignore")
def test_random_loops(ran: list[bool]) -> None:
    check_random_loops(6, 4)
    assert any(ran)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 110))
@pytest.mark.usefixtures("of_any_length")
@pytest.mark.filterwarnings("ignore")
def test_many_random_loops(seed: int, ran: list[bool]) -> None:
    check_random_loops(seed, 25)
    assert any(ran)
