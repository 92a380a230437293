"""Long calls and the rest of the process: how long a signal waits for its handler, and whether other threads run.

Signals are handled every 50 ms, between steps; beside it stands the same wait in a loop of Python's. (JAX's loops are
not interrupted: a handler waits until the computation is over.)
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import functad as fd
from benchmarks.harness import Result

__all__ = ["run"]

lax = fd.lax

LIMIT = 0.06
"""Seconds that a signal may wait: 50 ms, a step, and what the machine is otherwise busy with."""

TRIES = 20


class Interruption(Exception):
    """What the handler raises."""


def endless(x: Any) -> Any:
    """Steps of a nanosecond, for ever."""
    return lax.while_loop(lambda c: c < 2.0, lambda c: c * 0.999 + 1e-3 * x, x)


def nested(x: Any) -> Any:
    """Steps of loops of unknown length, over vectors."""

    def step(c: Any) -> Any:
        return lax.while_loop(lambda d: d[0] < 1.0, lambda d: np.sin(d) + 0.1, c * 0.5)

    return lax.while_loop(lambda c: np.sum(c) > -1.0, step, x)


def python_loop(x: Any) -> None:
    """What Python itself does."""
    while True:
        x = x * 0.5


def waits(f: Callable[[Any], Any], x: Any) -> list[float]:
    """How long signals at random moments of a call wait until it has ended."""
    found = []
    for after in np.random.default_rng(0).uniform(0.06, 0.16, TRIES):
        sent: list[float] = []
        signal.setitimer(signal.ITIMER_REAL, after)
        start = time.perf_counter()
        try:
            f(x)
        except Interruption:
            sent.append(time.perf_counter() - start - after)
        found += sent
    return found


def share(f: Callable[..., Any], *args: Any) -> tuple[float, float, float]:
    """Seconds of a call alone, and beside a thread of Python code; and the part of its own speed that this keeps."""
    start = time.perf_counter()
    f(*args)
    alone = time.perf_counter() - start
    count, over = [0], threading.Event()

    def work() -> None:
        while not over.is_set():
            count[0] += 1

    thread = threading.Thread(target=work)
    thread.start()
    before = count[0]
    time.sleep(0.3)
    speed = (count[0] - before) / 0.3
    before, start = count[0], time.perf_counter()
    f(*args)
    beside = time.perf_counter() - start
    kept = (count[0] - before) / beside / speed
    over.set()
    thread.join()
    return alone, beside, kept


def run(seconds: float) -> Iterator[Result]:
    """The longest of some waits, and a long call beside another thread."""
    del seconds

    def handler(*_: Any) -> None:
        raise Interruption

    before = signal.signal(signal.SIGALRM, handler)
    own = max(waits(python_loop, 1.0))
    for name, f, x in (("steps of 1 ns", endless, 1.0), ("loops in loops", nested, np.linspace(0.1, 1.0, 1000))):
        jitted = fd.jit(f)
        waits(jitted, x)  # compiles
        found = waits(jitted, x)
        note = f"the median waits {1e3 * float(np.median(found)):.0f} ms"
        facts = {f"within {1e3 * LIMIT:.0f} ms": max(found) <= LIMIT}
        yield Result(f"a signal interrupts: {name}", max(found), "Python's own loop", own, None, note, facts)
    signal.signal(signal.SIGALRM, before)
    loop = fd.jit(lambda x, n: lax.fori_loop(0, n, lambda i, c: c * 0.999 + x, x))
    loop(1.0, 10)
    alone, beside, kept = share(loop, 1.0, 10**8)
    facts = {"both run": kept > 0.5}
    yield Result("10^8 steps beside a thread", beside, "alone", alone, None, f"it keeps {kept:.0%} of its speed", facts)
