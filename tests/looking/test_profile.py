"""Where time goes: rows, lines, what they add up to, and the trace that viewers read."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, MissingExtraError

A, X = np.random.default_rng(0).normal(size=(300, 200)), np.ones(200)


def layers(a, x):
    h = np.tanh(a @ x)
    return np.sum(np.exp(-h) * h)


def heat(u, steps=30):
    for _ in range(steps):
        u = u + 0.1 * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
    return np.sum(np.sort(u) * u)


def test_rows_and_lines() -> None:
    found = fd.inspect.profile(layers, seconds=0)(A, X)
    assert found.calls == 1 and [row.name for row in found.rows] == ["product", "sum"]
    first = layers.__code__.co_firstlineno
    lines = [{int(line.rpartition(":")[2]) - first for line in row.lines} for row in found.rows]
    assert lines == [{1}, {1, 2}]  # tanh is computed where its sum is taken
    assert all(abs(sum(row.lines.values()) - 1) < 1e-12 for row in found.rows)
    text = str(found)
    assert text.startswith("layers: ") and "product" in text and "test_profile.py:" in text


def test_what_runs_in_loops_stands_behind_them() -> None:
    found = fd.inspect.profile(fd.grad(heat), seconds=0)(np.linspace(0, 1, 500))
    inside = [row for row in found.rows if row.depth == 1]
    assert inside and all(row.runs == 30 * found.calls for row in inside)
    loops = [row for row in found.rows if row.name == "loop"]
    assert len(loops) == 2 and all(0 <= row.own <= row.seconds for row in loops)
    assert any(row.name.startswith("functad_") for row in found.rows)  # the sort


def logistic(w, x):
    return np.sum(np.logaddexp(0.0, x @ w)) + 0.1 * np.sum(w**2)


def steps(x):
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        y[i] = 0.9 * y[i - 1] + np.sin(x[i])
    return np.sum(y)


PROGRAMS = {
    "layers": (layers, (A, X)),
    "heat": (heat, (np.linspace(0, 1, 5000),)),
    "gradient": (fd.grad(layers, argnums=1), (A, X)),
    "logistic": (fd.value_and_grad(logistic), (X, A)),
    "steps": (fd.grad(steps), (np.linspace(0, 1, 3000),)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_lines_add_up_to_the_whole(name) -> None:
    f, args = PROGRAMS[name]
    found = fd.inspect.profile(f, seconds=0.02)(*args)
    assert sum(found.lines.values()) == pytest.approx(found.seconds, rel=0.1)
    assert found.lines[""] < 0.2 * found.seconds


def test_the_counter_tells_the_time() -> None:
    begin = time.perf_counter()
    found = fd.inspect.profile(layers, seconds=0.05)(A, X)
    assert 0 < found.seconds < time.perf_counter() - begin


def test_chrome_trace(tmp_path) -> None:
    found = fd.inspect.profile(fd.grad(heat), seconds=0)(np.linspace(0, 1, 500))
    found.chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["name"] for e in events] == [found.name, *[row.name for row in found.rows]]
    assert all(e["ph"] == "X" and e["dur"] >= 0 for e in events)
    loop = next(e for e in events if e["name"] == "loop")
    inside = events[events.index(loop) + 1]
    assert loop["ts"] <= inside["ts"] and inside["ts"] + inside["dur"] <= loop["ts"] + loop["dur"] + 1e-6


def test_jitted_functions_and_hidden_arrays() -> None:
    weights = np.ones(200)
    found = fd.inspect.profile(fd.jit(lambda a: a @ weights), seconds=0)(A)
    assert [row.name for row in found.rows] == ["product"]
    with pytest.raises(ArgumentError, match="seconds is the time to call the function for, got -1"):
        fd.inspect.profile(layers, seconds=-1)


def test_code_without_profiling_has_no_counters() -> None:
    assert "readcyclecounter" not in fd.jit(layers).lower(A, X).compile().llvm


def test_html() -> None:
    found = fd.profile(layers, seconds=0)(A, X)._repr_html_()
    assert found.startswith("<p>layers: ") and found.count("<table>") == 2 and "<td>product</td>" in found


def test_flame() -> None:
    figure = fd.profile(fd.grad(heat), seconds=0)(np.linspace(0, 1, 500)).flame()
    (axes,) = figure.axes
    assert len(axes.patches) > 4 and axes.get_xlabel() == "ms"


def test_flame_without_matplotlib(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"flame draws with matplotlib; pip install functad\[plots\]"):
        fd.profile(layers, seconds=0)(A, X).flame()
