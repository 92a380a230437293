"""``with fd.profile() as p``: what ran in a block, by what it is and by the user's line."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

import functad as fd

A, X = np.random.default_rng(0).normal(size=(30, 20)), np.ones(20)


def layers(a, x):
    h = np.tanh(a @ x)
    return np.sum(np.exp(-h) * h)


def of(session, kind):
    return {t.name: t for t in session.totals if t.kind == kind}


def test_operations_by_name() -> None:
    y = np.ones((2, 3))

    def f(z, x):
        for _ in range(10):
            z = (z / x) * y
        return np.sum(z)

    with fd.profile() as p:
        fd.value_and_grad(f)(y, 2 * y)
    found = of(p, "operation")
    assert (found["div"].calls, found["mul"].calls, found["sum"].calls) == (20, 10, 1)  # div: there and back
    assert of(p, "call")["value_and_grad of f"].calls == 1
    line = next(k for k in p.lines if k.endswith(f"test_session.py:{f.__code__.co_firstlineno + 2}"))
    assert 0 < p.lines[line] < p.seconds
    text = repr(p)
    assert text.splitlines()[0].endswith(" in all") and "own %" in text and p._repr_html_().count("<table>") == 2


def test_compiled_functions_by_kernel() -> None:
    f = fd.jit(layers)
    expected = f(A, X)
    with fd.profile() as p:
        assert [f(A, X) for _ in range(3)] == 3 * [expected]
    assert of(p, "compiled")["layers"].calls == of(p, "call")["jit of layers"].calls == 3
    assert {name: t.calls for name, t in of(p, "kernel").items()} == {"product in layers": 3, "sum in layers": 3}
    assert not of(p, "trace") and of(p, "compile")["layers"].calls == 1
    (function,) = p.functions
    assert function.calls == 3 and [row.name for row in function.rows] == ["product", "sum"]
    f(A, X)
    assert p.functions[0].calls == 3  # the code that counts runs no more
    with fd.profile() as q:
        fd.jit(lambda x: x * 3)(2.0)
    assert of(q, "trace")["<lambda>"].seconds > 0


def test_own_times_add_up() -> None:
    gradient = fd.grad(fd.jit(layers), argnums=1)
    gradient(A, X)
    with fd.profile() as p:
        gradient(A, X)
    calls = sum([t.seconds for t in p.totals if t.kind == "call"])
    assert calls <= p.seconds
    assert sum([t.own for t in p.totals]) == pytest.approx(calls, rel=1e-6)
    assert {"forward(layers)", "backward(layers)"} <= set(of(p, "compiled"))


def test_two_threads_count_apart() -> None:
    f = fd.jit(layers)
    f(A, X)
    found, ready = {}, threading.Barrier(2)

    def work(count):
        with fd.profile() as p:
            ready.wait()
            for _ in range(count):
                f(A, X)
        found[count] = p

    threads = [threading.Thread(target=work, args=(count,)) for count in (5, 40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for count, p in found.items():
        assert [t.calls for t in p.totals if t.kind in ("compiled", "kernel", "call")] == 4 * [count]


def test_results_and_errors_are_those_without() -> None:
    f = fd.jit(lambda x, i: x[i])
    with fd.profile() as p, pytest.raises(IndexError, match="index 25 is out of bounds"):
        f(X, 25)
    assert p.seconds > 0
    long = fd.grad(lambda x: fd.lax.fori_loop(0, 5000, lambda i, t: np.sin(t), x))
    expected = long(0.5)
    with fd.profile() as p:
        assert long(0.5) == expected


def test_chrome_trace(tmp_path) -> None:
    f = fd.jit(layers)
    with fd.profile() as p:
        f(A, X)
    p.chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    names = [e["name"] for e in events]
    assert names[0] == "jit of layers" and {"trace layers", "compile layers", "layers", "product", "sum"} <= set(names)
    call, product = events[0], events[names.index("product")]
    assert call["ts"] <= product["ts"] and product["ts"] + product["dur"] <= call["ts"] + call["dur"] + 1
