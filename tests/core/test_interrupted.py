"""Handlers of signals that raise (Ctrl-C, time limits): wherever they do, what is called next is as if nothing had
been.

CPython runs handlers where a function of Python begins, and where a function of C has returned. Profilers are called
there, too, so one that raises stands for them.
"""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.following import SCRIPTS
from functad.core.trace import current_trace
from functad.lower.cache import Cache
from functad.lower.llvm.interruptions import is_held

X = np.linspace(0.1, 1.0, 5)


class Interrupt(BaseException):
    pass


class TimeIsUp(Exception):
    pass


def interrupted(f, number, error=Interrupt):
    """Whether what a handler raises comes out of a call, raised at the place of this number."""
    left = number

    def handler(frame, event, argument):
        nonlocal left
        if event in ("call", "c_return"):
            left -= 1
            if left < 0:
                raise error

    sys.setprofile(handler)
    try:
        f()
    except error:
        return True
    finally:
        sys.setprofile(None)
    return False


def places(f, most):
    """Numbers of places, at most so many of them, from the first to the last."""
    count = 0

    def counting(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_return")

    sys.setprofile(counting)
    try:
        f()
    finally:
        sys.setprofile(None)
    return range(0, count, max(count // most, 1))


def loss(x):
    return np.sum(np.tanh(x) * x) if x[0] > 0 else np.sum(x)


CALLS = {
    "grad": lambda: fd.grad(loss)(X),
    "hessian": lambda: fd.hessian(lambda x: np.sum(np.sin(x) * x))(X),
    "rules": lambda: (fd.clear_caches(), fd.grad(lambda x: np.sum(np.arctan(x) ** 2))(X))[1],
    "jit": lambda: fd.jit(lambda x: np.sum(np.cos(x) * x))(X),
    "compile": lambda: (fd.clear_caches(), fd.jit(fd.grad(lambda x: np.sum(np.cos(x) * x)))(X))[1],
}


@pytest.mark.one_in(5)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_called_next_is_as_if_nothing_had_been(name):
    call = CALLS[name]
    before, expected = config.settings(), call()
    for number in places(call, 300 if name != "compile" else 60):
        with np.errstate():  # one in a function is NumPy's, and stays if it is interrupted
            interrupted(call, number)
        assert current_trace() is None and config.settings() is before, number
        assert not config._open_traces and not is_held(), number
        np.testing.assert_array_equal(call(), expected)


def test_an_exception_of_a_handler_is_none_of_an_operation():
    def call():
        SCRIPTS.clear()  # each call does the same
        return fd.grad(loss)(X)

    expected, count = call(), len(places(call, 1000))
    assert count > 300 and all([interrupted(call, number, TimeIsUp) for number in range(count * 9 // 10)])
    np.testing.assert_array_equal(call(), expected)


def test_who_waits_for_a_thread_that_is_interrupted_makes_it_itself():
    cache: Cache[np.ndarray] = Cache()
    started, release, found = threading.Event(), threading.Event(), []

    def interrupt():
        started.set()
        release.wait(10)
        raise Interrupt

    def first():
        with pytest.raises(Interrupt):
            cache.get("a", interrupt)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    started.wait(10)
    threads += [threading.Thread(target=lambda: found.append(cache.get("a", lambda: X))) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 3 and all(x is X for x in found)


INTERRUPTED_COMPILER = """
import gc
import numpy as np
import functad as fd
from llvmlite.binding import ModuleRef

verify = ModuleRef.verify

def interrupted(module):
    verify(module)
    raise KeyboardInterrupt

for k in range(5):
    ModuleRef.verify = interrupted
    try:
        fd.jit(lambda x: np.sum(np.sin(x) * k))(np.ones(30))
    except KeyboardInterrupt as error:
        error.itself = error  # a cycle, with the compiler's frames
    ModuleRef.verify = verify
    gc.collect()
print(fd.jit(np.sin)(0.0))
"""


@pytest.mark.deep
def test_a_compiler_that_was_interrupted_is_collected():
    """LLVM crashes if a context is freed before its modules, and the collector knows no order."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_COMPILER], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0.0\n"), done.stderr
