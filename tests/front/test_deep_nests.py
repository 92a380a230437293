"""Loops in loops in loops: how often bodies are traced, and that what is remembered of a body is right for the next."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

import functad as fd
from functad.front.carried import Carried


def nest(depth, statement):
    """A function with so many loops in one another."""
    lines = ["def f(x, n):", "    y, s = np.zeros(3), 0.0 * x"]
    for k in range(depth):
        lines += [f"{'    ' * (k + 1)}for i{k} in range(n):", f"{'    ' * (k + 2)}t{k} = x + i{k}"]
    lines += [f"{'    ' * (depth + 1)}{statement.format(depth - 1)}", "    return s + y[1]"]
    name, text = f"<nest {depth} {statement}>", "\n".join(lines) + "\n"
    linecache.cache[name] = len(text), None, text.splitlines(True), name
    made = {"np": np}
    exec(compile(text, name, "exec"), made)
    return made["f"]


@pytest.mark.parametrize("statement", ["y[1] += t{}", "s = s * 0.5 + t{}"])
def test_a_body_is_traced_at_most_twice_for_each_loop_around_it(statement, monkeypatch):
    opened, passes = Carried.open, []
    monkeypatch.setattr(Carried, "open", lambda self: passes.append(1) or opened(self))
    depth = 10
    f = nest(depth, statement)
    program = fd.make_ir(f)(1.5, 2)
    assert program.eqns
    assert len(passes) < depth * depth


def test_values_of_a_deep_nest():
    f = nest(6, "y[1] += t{}")
    assert fd.jit(f)(1.5, 2) == f(1.5, 2)


def test_one_loop_that_writes_to_other_arrays_each_time():
    def f(x, n):
        a, b = np.zeros(3), np.zeros(3)
        for _ in range(n):
            for y, z in ((a, b), (b, a)):
                for j in range(n):
                    y[1] += x * j + z[1]
        return a, b

    for found, expected in zip(fd.jit(f)(0.5, 4), f(0.5, 4), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arrays_that_only_some_passes_write_to():
    def f(x, n):
        a, b, last = np.zeros(3), np.zeros(3), None
        for i in range(n):
            for j in range(n):
                if last is None:
                    a[0] += x
                else:
                    b[0] += last * j
            last = x * i
        return a, b

    for found, expected in zip(fd.jit(f)(0.5, 4), f(0.5, 4), strict=True):
        np.testing.assert_array_equal(found, expected)
