"""``check_jit`` and ``check_vmap`` accept what is right and say what differs where."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import functad as fd
from functad.core.primitive import REGISTRY
from functad.errors import StructureError
from functad.testing import check_jit, check_vmap

X = np.linspace(-1.0, 1.0, 5)


def message(check, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check(*args, **kwargs)
    return str(caught.value)


def test_what_is_right_passes():
    def f(p, scale, name):
        return {"y": np.cumsum(np.tanh(p["x"]) * scale), "name": name, "n": p["n"] + 1}

    check_jit(f, ({"x": X, "n": np.arange(3)}, 2.0, "a"))
    check_jit(fd.value_and_grad(lambda x: np.sum(np.exp(x))), (X.astype(np.float32),))
    check_vmap(
        lambda x, p: (np.sort(x) * p["a"], p["b"]), (np.eye(3), {"a": X[:3], "b": 1.0}), (1, {"a": 0, "b": None})
    )
    check_vmap(lambda x: np.outer(x, x), (np.eye(3),), out_axes=2)


def counting():
    calls = []

    def count(x):
        calls.append(None)
        return {"y": x * len(calls)}

    return count


def test_jit_of_a_function_that_does_something_else_each_time():
    text = message(check_jit, counting(), (X,))
    assert text.startswith(
        "jit of count, the first call: result['y'][0] is -2.0, count itself gives -1.0 (4 of 5 elements differ)\n"
    )
    assert "operation by operation, native code does what NumPy does: when it is traced, count does something" in text


def test_the_operation_that_is_wrong_natively_is_named(monkeypatch):
    sinh = REGISTRY["sinh"]
    monkeypatch.setattr(sinh, "kernel", dataclasses.replace(sinh.kernel, fn=lambda b, x: b.mul(x, 2.0)))
    text = message(check_jit, lambda x: np.exp(np.sinh(x)), (X,))
    assert "\nthe first operation that differs in native code: sinh at " + __file__ in text
    assert "NumPy gives" in text.split("\n")[1]


def test_structure_and_dtype():
    turns = iter(range(9))
    text = message(check_jit, lambda x: x.astype(float if next(turns) else np.float32), (X,))
    assert "jit of <lambda>, the first call: result has dtype float64, <lambda> itself gives float32" in text
    turns = iter(range(9))
    assert "has the structure" in message(check_jit, lambda x: [x] * (1 + next(turns)), (X,))


def test_vmap():
    text = message(check_vmap, counting(), (np.eye(2),))
    assert text == "vmap of count, element 0: result['y'][0] is 1.0, count itself gives 2.0 (1 of 2 elements differ)"


def test_arguments_are_a_tuple():
    for check in (check_jit, check_vmap):
        with pytest.raises(StructureError, match=rf"{check.__name__} takes the arguments of f as a tuple, got ndarray"):
            check(np.sin, X)
