"""Source is parsed in several threads at once, of which CPython's own count makes a mess."""

from __future__ import annotations

import ast
import gc
import sys
import threading

import pytest

from functad.core.parsed import ATTEMPTS, parsed

TEXT = "def f(x):\n" + "".join(f"    x = x * {k} if x > {k} else [x, (x, {k})]\n" for k in range(300))


class Slow:
    """A circle of garbage whose collection runs Python code: threads take turns in the midst of parsing."""

    def __init__(self):
        self.circle = self

    def __del__(self):
        sum(range(100))


@pytest.fixture
def restless():
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


def test_threads_parse_at_once(restless):
    found, wanted = [], ast.dump(ast.parse(TEXT))

    def work():
        for _ in range(5):
            Slow()
            found.append(ast.dump(parsed(TEXT)) == wanted)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def test_somebody_else_s_parsing_is_waited_for(monkeypatch):
    calls = []

    def unlucky(text):
        calls.append(text)
        if len(calls) < ATTEMPTS:
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=57)")
        return text

    monkeypatch.setattr(ast, "parse", unlucky)
    assert parsed("x") == "x" and len(calls) == ATTEMPTS
    calls.clear()
    monkeypatch.setattr(ast, "parse", lambda text: unlucky(text) if len(calls) < 1 else compile("(", "", "eval"))
    with pytest.raises(SyntaxError):
        parsed("x")
