"""Long calls are good citizens: other threads run meanwhile, handlers of signals, too, whose exceptions end the call.

Handlers that raise are tried at random moments, with signals looked at as often as the budget of work allows.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.lower.native.interrupts import clock

lax = fd.lax

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")


class Interruption(BaseException):
    """What the handler raises; no ``except Exception`` of the compiler takes it for an error of its own."""


@pytest.fixture
def alarm():
    """Sets a timer whose signal is handled by a function."""
    before = signal.getsignal(signal.SIGALRM)

    def set_timer(seconds, handler, again=0.0):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, seconds, again)

    yield set_timer
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def often(monkeypatch):
    """Signals are looked at whenever the budget is spent."""
    monkeypatch.setattr(clock, "interval", 0)


def raise_interruption(*_):
    raise Interruption


def spin(x, n):
    """A loop of n steps of about a nanosecond."""
    return lax.fori_loop(0, n, lambda i, c: c * 0.999999 + x, x)


def forever(x):
    return lax.while_loop(lambda c: c < 2.0, lambda c: c * 0.5, x)


def steps_for(f, *args, seconds=0.4):
    """The steps that a function takes so many seconds for; it is compiled then."""
    f(*args, 10)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        f(*args, 10**6)
        times.append(time.perf_counter() - start)
    return int(10**6 * seconds / min(times))


def test_other_threads_run_meanwhile() -> None:
    f = fd.jit(spin)
    n = steps_for(f, 1.0)
    seen, over = [], threading.Event()

    def count() -> None:
        while not over.wait(0.01):
            seen.append(time.perf_counter())

    thread = threading.Thread(target=count)
    thread.start()
    start = time.perf_counter()
    f(1.0, n)
    end = time.perf_counter()
    over.set()
    thread.join()
    quarters = np.linspace(start, end, 5)
    assert all([any(a < t < b for t in seen) for a, b in zip(quarters[:-1], quarters[1:], strict=True)])


def test_costly_calls_without_loops_release_the_gil_at_once() -> None:
    @fd.jit
    def f(x):
        return np.sum(np.exp(x[:, None] * x[None, :]))

    x = np.linspace(0.0, 1.0, 2000)
    f(x)
    during, over = [], threading.Event()

    def note() -> None:
        while not over.is_set():
            during.append(running)
            time.sleep(0)

    running = False
    thread = threading.Thread(target=note)
    thread.start()
    for _ in range(20):
        running = True
        f(x)
        running = False
    over.set()
    thread.join()
    assert during.count(True) > 20


@pytest.mark.parametrize("entry", ["native", "ctypes"])
def test_a_handler_that_raises_ends_an_endless_loop(alarm, entry) -> None:
    with config.entry(entry):
        f = fd.jit(forever)
        assert f(3.0) == 3.0
        alarm(0.1, raise_interruption)
        start = time.perf_counter()
        with pytest.raises(Interruption) as caught:
            f(1.0)
        assert 0.09 < time.perf_counter() - start < 2.0
    assert caught.traceback[-1].name == "raise_interruption"
    assert f(3.0) == 3.0


def test_control_c(alarm) -> None:
    f = fd.jit(forever)
    f(3.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        f(1.0)
    timer.join()
    signal.signal(signal.SIGINT, before)


@pytest.mark.deep
def test_many_statements_are_looked_at_in_between(alarm) -> None:
    def powers(x):
        for _ in range(60):
            x = x @ x / 100.0
        return x

    f = fd.jit(powers)
    x = np.full((800, 800), 0.125)
    f(x)
    alarm(0.1, raise_interruption)
    start = time.perf_counter()
    with pytest.raises(Interruption):
        f(x)
    early = time.perf_counter() - start
    start = time.perf_counter()
    f(x)
    assert early < (time.perf_counter() - start) / 2


def test_without_jit(alarm) -> None:
    alarm(0.2, raise_interruption)
    with pytest.raises(Interruption):
        forever(1.0)


def test_a_handler_that_returns_lets_the_call_go_on(alarm) -> None:
    f = fd.jit(spin)
    n = steps_for(f, 0.5)
    expected = f(0.5, n)
    handled = []
    alarm(0.01, lambda *_: handled.append(time.perf_counter()), 0.01)
    start = time.perf_counter()
    assert f(0.5, n) == expected
    end = time.perf_counter()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert sum(start < t < end for t in handled) >= 3
    assert np.max(np.diff([start, *[t for t in handled if t < end]])) < 0.3


def test_a_handler_calls_the_function_that_is_running(alarm, often) -> None:
    f = fd.jit(spin)
    n = steps_for(f, 0.5, seconds=0.2)
    expected, small, inner = f(0.5, n), f(0.5, 10**5), []
    alarm(0.02, lambda *_: inner.append(f(0.5, 10**5)), 0.02)
    assert f(0.5, n) == expected
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert inner and set(inner) == {small}


def test_calls_in_other_threads_run_to_their_end(alarm, often) -> None:
    f = fd.jit(spin)
    n = steps_for(f, 0.5, seconds=0.3)
    expected, found, over = f(0.5, n), [], threading.Event()

    def work() -> None:
        found.append(f(0.5, n))
        over.set()

    thread = threading.Thread(target=work)
    thread.start()
    alarm(0.05, raise_interruption)
    with pytest.raises(Interruption):
        over.wait()
    assert not found
    over.wait()
    assert found == [expected]


def test_in_a_forked_child(alarm) -> None:
    f = fd.jit(forever)
    f(3.0)
    child = os.fork()
    if not child:
        try:
            alarm(0.1, raise_interruption)
            f(1.0)
        except Interruption:
            os._exit(17)
        os._exit(1)
    start = time.perf_counter()
    while not (status := os.waitpid(child, os.WNOHANG))[0]:
        if time.perf_counter() - start > 20:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status[1]) == 17


def test_only_loops_that_may_be_long_have_a_clock() -> None:
    def ticks(f, *args) -> int:
        return fd.jit(f).lower(*args).compile().llvm.count("call i32 @functad_tick")

    x = np.ones(100)
    assert ticks(lambda x: np.sum(np.sin(x) * x), x) == 0
    assert ticks(lambda x: np.sum(np.sin(x) @ np.outer(x, x)), x[:4]) == 0
    assert ticks(lambda x: lax.fori_loop(0, 8, lambda i, c: c * 0.5 + x, x), 1.0) == 0
    assert ticks(lambda x: lax.fori_loop(0, 8, lambda i, c: c * 0.5 + x, x), x) == 1
    assert ticks(spin, 1.0, 10) == 1
    assert ticks(forever, 1.0) == 2  # within the loop, and at its end
    inner = lambda i, c: lax.fori_loop(0, 4, lambda j, d: np.sin(d), c)
    assert ticks(lambda n: lax.fori_loop(0, n, inner, 1.0), 10) == 1


@pytest.mark.deep
def test_numba_code_is_not_interrupted(alarm, often) -> None:
    import numba

    f = fd.jit(spin)
    n = steps_for(f, 0.5, seconds=0.3)
    native = f.lower(0.5, n).compile()

    @numba.njit(nogil=True)
    def call(x, n):
        return native(x, n)

    expected, handled = call(0.5, n), []
    alarm(0.05, lambda *_: handled.append(time.perf_counter()))
    start = time.perf_counter()
    found = call(0.5, n)
    end = time.perf_counter()
    assert found == expected and end - start > 0.1
    assert len(handled) == 1 and handled[0] > start + 0.1


def test_numba_code_says_that_a_callback_has_raised() -> None:
    import numba

    def fail(x):
        raise ValueError("no")

    native = fd.jit(lambda x: fd.pure_callback(fail, x, x) + 1.0).lower(1.0).compile()

    @numba.njit
    def call(x):
        return native(x)

    with pytest.raises(RuntimeError, match="a Python function that it calls back has raised"):
        call(1.0)


def test_a_callback_shows_no_memory_that_is_gone() -> None:
    def fail(x):
        raise ValueError("no")

    with config.traceback("full"), pytest.raises(ValueError, match="no") as caught:
        fd.jit(lambda x: fd.pure_callback(fail, x, x) + 1.0)(np.ones(3))
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "fail" and "fill" not in names
    calling = caught.traceback[-2].frame.f_locals
    assert calling["memory"] == [] and not any(isinstance(value, np.ndarray) for value in calling.values())


@pytest.mark.deep
def test_writes_by_another_thread_reach_no_other_memory() -> None:
    script = [sys.executable, "-m", "tests.tools.hostile_smoke", "0.05"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 24


# -- nothing leaks


def nested(x):
    def outer(i, c):
        inner = lax.fori_loop(0, 50 + i % 7, lambda j, d: np.sin(d) + 1e-3 * np.roll(d, 1), c)
        return lax.while_loop(lambda d: np.sum(d) > 1e9, lambda d: d * 0.5, inner + c)

    return np.sum(lax.fori_loop(0, 10**8, outer, x))


def tapes(x):
    """Reverse mode of a loop of unknown length inside another: sequences of sequences."""

    def total(x):
        def step(i, c):
            return lax.while_loop(lambda d: np.max(np.abs(d)) < 9.0, lambda d: np.sin(d) * 1.5 + 1.0 / (1 + i), c)

        return np.sum(lax.fori_loop(0, 10**4, step, x * 1e-3))

    return fd.grad(total)(x)


def checkpointed(how):
    def f(x):
        def total(x):
            def step(c):
                return np.sin(c[0]) * 1.0001, c[1] + 1

            return np.sum(lax.while_loop(lambda c: c[1] < 10**7, step, (x, 0), checkpoint=how)[0])

        return fd.grad(total)(x)

    return f


def lanes(x):
    return fd.vmap(lambda a: lax.while_loop(lambda c: c < 2.0, lambda c: np.sin(c), a))(x)


def calling_back(x):
    def step(i, c):
        return c + fd.pure_callback(np.cos, c, c)

    return lax.fori_loop(0, 10**7, step, x)


def large_results(x):
    return np.outer(x, x), lax.fori_loop(0, 10**7, lambda i, c: np.sin(c), np.outer(x, x))


PROGRAMS = {
    "nested": nested,
    "tapes": tapes,
    "sqrt": checkpointed("sqrt"),
    "binomial": checkpointed("binomial"),
    "lanes": lanes,
    "calling back": calling_back,
    "large results": large_results,
}


def allocated() -> int:
    """The bytes that the C library has given out."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("the C library does not say what it has given out")

    class Info(ctypes.Structure):
        _fields_ = [(f"word{k}", ctypes.c_size_t) for k in range(10)]

    libc.mallinfo2.restype = Info
    info = libc.mallinfo2()
    return int(info.word7 + info.word4)  # in use: small blocks (uordblks), and mapped ones (hblkhd)


@pytest.mark.deep
@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_leaks_at_random_moments(alarm, often, name) -> None:
    f = fd.jit(PROGRAMS[name])
    x = np.linspace(0.1, 1.0, 100)
    rng = np.random.default_rng(0)

    def interrupt(after: float) -> None:
        alarm(after, raise_interruption)
        with pytest.raises(Interruption):
            for _ in range(10**6):
                f(x)

    f.lower(x).compile()
    for _ in range(4):
        interrupt(0.2)
    references, before = sys.getrefcount(x), allocated()
    for _ in range(30):
        interrupt(rng.uniform(1e-4, 0.03))
    assert sys.getrefcount(x) == references
    assert allocated() - before < 100_000
