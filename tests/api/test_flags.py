"""Flags act on functions that have been called already, in their own context alone."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
import types

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.lower.compile import compile_count
from functad.lower.native import threads

X = np.linspace(0.0, 1.0, 20)


@pytest.fixture
def f():
    """A function that has been called with a vector."""
    made = fd.jit(lambda x: np.sum(np.tanh(x) * 1.0625 + x))
    made(X)
    return made


def backend_of(f, monkeypatch):
    """What runs a call of ``f``: the evaluator, or native code."""
    from functad.lower import backends

    def run(program, args, run=backends.run_program):
        return ran.append("evaluator") or run(program, args)

    ran = []
    monkeypatch.setattr(backends, "run_program", run)
    f(X)
    monkeypatch.undo()
    return ran[0] if ran else "native"


def test_backend(f, monkeypatch):
    assert backend_of(f, monkeypatch) == "native"
    with config.backend("evaluator"):
        assert backend_of(f, monkeypatch) == "evaluator"
        with config.backend("native"):
            assert backend_of(f, monkeypatch) == "native"
        assert backend_of(f, monkeypatch) == "evaluator"
    assert backend_of(f, monkeypatch) == "native"
    with config.backend("kernel"):
        np.testing.assert_allclose(f(X), np.sum(np.tanh(X) * 1.0625 + X))
    with (
        config.backend("nonsense"),
        pytest.raises(Exception, match="FUNCTAD_BACKEND is 'nonsense'; expected native, numba, kernel or evaluator"),
    ):
        f(X)


def test_backend_of_a_function_called_by_a_transform(f, monkeypatch):
    gradient = fd.grad(f)
    gradient(X)
    assert backend_of(gradient, monkeypatch) == "native"
    with config.backend("evaluator"):
        assert backend_of(gradient, monkeypatch) == "evaluator"


def test_a_value_set_elsewhere_does_not_act_here(f, monkeypatch):
    entered, checked = threading.Event(), threading.Event()
    seen = {}

    def other():
        with config.backend("evaluator"):
            f(X)
            entered.set()
            checked.wait()
            seen["in the other thread"] = backend_of(f, monkeypatch)

    worker = threading.Thread(target=other)
    worker.start()
    entered.wait()
    seen["here"] = backend_of(f, monkeypatch)
    checked.set()
    worker.join()
    assert seen == {"here": "native", "in the other thread": "evaluator"}


def test_a_task_keeps_the_flags_that_it_was_started_with(f, monkeypatch):
    async def call():
        await asyncio.sleep(0)
        return backend_of(f, monkeypatch)

    async def main():
        with config.backend("evaluator"):
            task = asyncio.ensure_future(call())
        f(X)
        return await task, backend_of(f, monkeypatch)

    assert asyncio.run(main()) == ("evaluator", "native")
    with config.backend("evaluator"):
        context = contextvars.copy_context()
    f(X)
    assert context.run(backend_of, f, monkeypatch) == "evaluator"


def test_threads():
    x = np.linspace(0.0, 1.0, 1 << 20)
    f = fd.jit(lambda x: np.sum(np.exp(np.sin(x))))
    expected = f(x)
    for count in (1, 3, 2, 1):
        with config.threads(count):
            for _ in range(2):
                assert f(x) == expected  # whatever their number
                assert threads._pool.threads == count
    f(x)
    assert threads._pool.threads == threads.wanted()


def test_debug(f):
    """The checkers see a function that is traced again; arrays of every size are compared."""
    w = np.ones(100_000)
    total = fd.jit(lambda x: np.sum(w) * x)
    with config.debug(False):
        assert total(1.0) == 100_000.0
        w[0] = 2.0
        assert total(1.0) == 100_000.0  # too large to be compared
    with config.debug(True):
        assert total(1.0) == 100_001.0
        w[0] = 3.0
        assert total(1.0) == 100_002.0
    with config.debug(False):
        assert total(1.0) == 100_000.0


def test_dump(f, capsys):
    for stages in ("all", "kernel", "llvm"):
        with config.dump({stages}):
            f(X)
        printed = [line[3:] for line in capsys.readouterr().err.splitlines() if line.startswith("-- ")]
        assert {"kernel", "llvm"} & set(printed) == ({"kernel", "llvm"} if stages == "all" else {stages})
    f(X)
    assert capsys.readouterr().err == ""


def test_entry(f):
    (entry,) = f.entries
    assert isinstance(entry, types.BuiltinFunctionType)
    with config.entry("ctypes"):
        f(X)
        assert [type(e) for e in f.entries] == [types.FunctionType, types.BuiltinFunctionType]
        f(X)
    f(X)
    assert len(f.entries) == 2


@pytest.mark.parametrize(("flag", "value"), [(config.vector_bits, 128), (config.cpu, "x86-64")])
def test_vector_bits_and_cpu(flag, value):
    f = fd.jit(lambda x: np.sum(np.cos(x) * 1.1875 + np.float64(value if isinstance(value, int) else 7)))
    expected = f(X)
    before = compile_count()
    with flag(value):
        np.testing.assert_allclose(f(X), expected, rtol=1e-14)
        assert compile_count() == before + 1
        f(X)
        assert compile_count() == before + 1
    f(X)
    assert compile_count() == before + 1


def test_settings_are_one_object_for_one_combination():
    with config.threads(3), config.debug(True):
        first = config.settings()
    with config.debug(True), config.threads(3):
        assert config.settings() is first
    assert config.settings() is config.first or config.current.get(None) is not None


def test_flags_that_are_left_in_another_order():
    one, two = config.threads(3), config.vector_bits(128)
    before = config.settings()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert config.vector_bits.value == 128 and config.threads.value == before.values["FUNCTAD_THREADS"]
    two.__exit__(None, None, None)
    assert config.settings() is before


@pytest.mark.deep
def test_entries_ask_the_context_only_where_they_must():
    script = """
import numpy as np, functad as fd
from functad import config
known = lambda: config.unset.value == id(config.first)
f, seen = fd.jit(lambda x: (seen.append(known()), x * 2)[1]), []
assert known() and f(1.0) == 2.0 and known() and seen == [False]
try:
    fd.jit(lambda x: 1 / 0)(1.0)
except ZeroDivisionError:
    assert known()
with config.threads(1):
    assert not known() and f(1.0) == 2.0
assert not known() and f(1.0) == 2.0 and config.settings() is config.first
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FUNCTAD")}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
