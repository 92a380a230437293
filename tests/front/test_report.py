"""What ``fd.explain`` says, and the warning of long unrolled loops; functions without a twin."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import functad as fd
from functad.errors import TracerConversionError, UnrolledWarning
from functad.front import report


def several(x):
    y, total = np.zeros(100), 0.0
    for i in range(100):
        y[i] = np.sin(x[0] * i)
        if y[i] > 0:
            total += y[i]
    for v in x:
        total += v
    while total > 3:
        total = total * 0.5
    k = 0
    while k < 4:
        k += 1
        total = total + x[0]
    for i in range(20):
        total = total + np.sum(np.zeros(i) + total)
    for v in iter(x):
        total = total + v
    for i in range(9):
        try:
            total = total + x[i % 3]
        except IndexError:
            total = 0.0
    return total


def line(n):
    return several.__code__.co_firstlineno + n


def test_each_statement():
    found = fd.explain(several)(np.ones(3))
    assert [(n.line, n.what) for n in found.notes] == [
        *[(line(2), "for"), (line(4), "if"), (line(6), "for"), (line(8), "while"), (line(11), "while")],
        *[(line(14), "for"), (line(16), "for"), (line(18), "for")],
    ]
    assert all([n.filename == __file__ for n in found.notes])
    native, branch, few, condition, known, shapes, iterator, handler = found.notes
    assert native.outcome.startswith("one native loop of") and native.equations > 3 and not native.reason
    assert (branch.outcome, branch.reason) == ("a branch of which one side runs", "its condition is traced")
    faster = "3 steps of 1 equations are faster one by one"
    assert (few.outcome, few.reason, few.equations) == ("unrolled, 3 steps", faster, 9)
    assert (condition.outcome, condition.reason) == ("one native loop", "its condition is traced")
    assert (known.outcome, known.reason) == ("unrolled, 4 steps", "its condition is known before each step")
    assert shapes.outcome == "unrolled, 20 steps" and shapes.equations == 80
    assert "its body cannot be traced for all steps at once: the integer value of a traced" in shapes.reason
    assert iterator.outcome == "unrolled, 3 steps"
    assert "(check_index) in a try block at" in handler.reason and "raises IndexError at run time" in handler.reason
    assert found.of("while") == (condition, known)
    assert str(found).splitlines()[0] == f"several: {found.equations} equations"
    assert str(few) == f"{__file__}:{line(6)}: for: unrolled, 3 steps (9 equations): {faster}"


def test_what_an_attempt_found_is_taken_back():
    """The inner loop is one in the trace of the outer one, which is given up."""

    def f(x):
        for i in range(10):
            for _ in range(100):
                x = np.sin(x) + 1.0
            x = x + np.sum(np.zeros(i))
        return x

    outer, inner = fd.explain(f)(1.0).notes
    assert outer.outcome == "unrolled, 10 steps"
    assert inner.times == 10 and inner.outcome.startswith("one native loop")


def test_of_transforms_and_jitted_functions():
    first = fd.explain(several)(np.ones(3))
    gradient = fd.explain(fd.jit(fd.grad(several)))(np.ones(3))
    assert gradient.notes == first.notes and gradient.equations > first.equations
    jitted = fd.jit(lambda n, x: sum([x * i for i in range(n)]), static_argnums=0)
    explanation = fd.explain(jitted)(5, 1.0)
    (note,), (argument,) = explanation.of("comprehension"), explanation.of("argument")
    assert (note.what, note.outcome) == ("comprehension", "unrolled, 5 steps")
    assert (argument.what, argument.outcome) == ("argument", "n = 5 is static")


def test_a_warning_of_what_takes_long(monkeypatch):
    monkeypatch.setattr(report, "MANY", 50)
    fd.clear_caches()

    def f(x):
        for i in range(20):
            x = x + np.sum(np.zeros(i) + x)
        return x

    with pytest.warns(
        UnrolledWarning, match=r"test_report.py:\d+ was unrolled into 80 equations, those of 20 steps, sin"
    ):
        fd.make_ir(f)(1.0)
    assert not fd.grad(f)(1.0) < 0  # un-jitted loops are Python's
    with pytest.warns(UserWarning) as found:
        fd.make_ir(f)(np.float32(1.0))  # once a line
        report.warnings.warn("none before this one", stacklevel=1)
    assert len(found) == 1


def test_without_a_twin():
    def f(x):
        return math.sin(x)

    def g(x):
        return fd.grad(f)(x)

    assert fd.jit(f)(1.0) == math.sin(1.0)
    for h in (f, g):
        with pytest.raises(TracerConversionError, match="float"):
            fd.jit(h, front=False)(1.0)
    with pytest.raises(TracerConversionError, match="float"):
        fd.jit(front=False)(f)(1.0)
    plain = fd.jit(np.sin, front=False)
    assert pickle.loads(pickle.dumps(plain))._front is False
    assert plain(1.0) == math.sin(1.0)
    assert fd.config.front.value
