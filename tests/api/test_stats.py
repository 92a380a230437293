"""What a jitted function was compiled for, why, and where the time went."""

from __future__ import annotations

import numpy as np

import functad as fd
from functad import config

SCALE = 2.0


def scaled(x, n=1):
    return np.sum(np.cosh(x) * SCALE) ** n


def test_reasons(monkeypatch):
    f = fd.jit(scaled, static_argnums=1)
    for args in ((np.ones(50),), (np.ones(50),), (np.ones(60),), (np.ones(50), 2), (np.ones((5, 5)),), (1.5,)):
        f(*args)
    monkeypatch.setitem(scaled.__globals__, "SCALE", 3.0)
    f(np.ones(50))
    reasons = [(r.call, r.why) for r in f.stats()]
    assert reasons == [
        ("f64[50]", "the first call"),
        ("f64[60]", "other shapes"),
        ("f64[50], 2", "another static value"),
        ("f64[5,5]", "other arguments"),
        ("f64[]", "other arguments"),
        ("f64[50]", "what it reads besides its arguments has changed"),
    ]
    assert f.stats()[1].compiled == 0
    f.forget()
    assert repr(f.stats()) == "not called yet"


def test_stages_add_up():
    """The time of an inner function is its own, and in the trace of the one around."""
    inner = fd.jit(lambda x: np.sum(np.sinh(x) ** 3))
    f = fd.jit(fd.grad(lambda x: inner(x) * 2))
    f(np.ones(50))
    (record,), (within,) = f.stats(), inner.stats()
    assert list(record.stages) == ["trace", "passes", "fusion", "text", "LLVM", "link", "entry"]
    assert record.compiled == 1 and record.equations > 2
    assert list(within.stages) == ["trace"] and within.compiled == 0
    assert record.seconds == sum(record.stages.values())


def test_the_flag_prints_a_line(capsys):
    f = fd.jit(lambda x: np.sum(np.tanh(x) * 5))
    with config.profile(True):
        f(np.ones(50)), f(np.ones(50))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("<lambda>(f64[50]): the first call; 3 equations, 1 compiled, ")
    assert " LLVM " in line
