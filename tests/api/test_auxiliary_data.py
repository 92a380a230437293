"""Auxiliary data: traced values in it become values, everything else is handed through as it is."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import functad as fd
from functad.errors import EscapedTracerError, StructureError

X = np.array([1.0, 2.0, 3.0])
THING = object()
PLAIN = np.arange(3)
Pair = namedtuple("Pair", "left, right")


@dataclass
class Report:
    value: Any
    note: Any


def loss(x):
    return np.sum(x**3)


TRANSFORMS = {
    "grad": lambda f: fd.grad(f, has_aux=True)(X)[1],
    "value_and_grad": lambda f: fd.value_and_grad(f, has_aux=True)(X)[0][1],
    "vjp": lambda f: fd.vjp(f, X, has_aux=True)[2],
    "jvp": lambda f: fd.jvp(f, (X,), (X,), has_aux=True)[2],
    "linearize": lambda f: fd.linearize(f, X, has_aux=True)[2],
    "jacobian": lambda f: fd.jacobian(f, has_aux=True)(X)[1],
    "jacfwd": lambda f: fd.jacfwd(f, has_aux=True)(X)[1],
    "jacrev": lambda f: fd.jacrev(f, has_aux=True)(X)[1],
    "hessian": lambda f: fd.hessian(f, has_aux=True)(X)[1],
    "grad of a gradient": lambda f: fd.grad(
        lambda x: (lambda g, aux: (np.sum(g), aux))(*fd.grad(f, has_aux=True)(x)), has_aux=True
    )(X)[1],
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(
    "aux",
    ["solved", None, THING, 3, 2.5, True, 2**70, b"x", np.sin, {1, 2}, PLAIN, np.array(["a", None], object)],
    ids=lambda x: type(x).__name__,
)
def test_what_is_not_traced_is_handed_through(transform, aux):
    assert transform(lambda x: (loss(x), aux)) is aux


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_mixed_containers(transform):
    def f(x):
        y = 2 * x
        report = Report(np.argmax(y), "note")
        return loss(x), {
            "name": "a",
            "y": y,
            "list": [1, None, THING, y[0]],
            "pair": Pair(y, "right"),
            "report": report,
            "x": x,
        }

    aux = transform(f)
    np.testing.assert_array_equal(aux["y"], 2 * X)
    np.testing.assert_array_equal(aux["x"], X)
    assert aux["name"] == "a"
    assert aux["list"] == [1, None, THING, 2.0]
    assert type(aux["list"][0]) is int
    assert aux["pair"].right == "right"
    assert aux["report"] == Report(2, "note")
    for array in (aux["y"], aux["x"], aux["pair"].left):  # results of the user's own
        assert not np.shares_memory(array, X)
        array[:] = 0.0
    assert not np.shares_memory(aux["y"], aux["pair"].left)


def test_values_beside_auxiliary_data():
    f = lambda x: (loss(x), ("note", x[0]))
    np.testing.assert_array_equal(fd.hessian(f, has_aux=True)(X)[0], np.diag(6 * X))
    np.testing.assert_array_equal(fd.jacobian(lambda x: (x**2, "note"), has_aux=True)(X)[0], np.diag(2 * X))
    jacobians, aux = fd.jacobian(lambda x, y: ({"a": x * y}, ["note", y[1]]), argnums=(0, 1), has_aux=True)(X, 2 * X)
    np.testing.assert_array_equal(jacobians["a"][1], np.diag(X))
    assert aux == ["note", 4.0]
    z = np.array([1.0 + 1j])
    assert fd.jacrev(lambda z: (z**2, "note"), has_aux=True, holomorphic=True)(z)[0].tolist() == [[2 + 2j]]


def test_under_jit_auxiliary_data_are_results():
    gradient, (y, n) = fd.jit(fd.grad(lambda x: (loss(x), (2 * x, 3)), has_aux=True))(X)
    assert gradient.tolist() == [3.0, 12.0, 27.0]
    assert y.tolist() == [2.0, 4.0, 6.0]
    assert n == 3
    f = fd.grad(lambda x: (loss(x), {"y": x, "note": "solved"}), has_aux=True)
    assert fd.jit(lambda x: f(x)[0])(X).tolist() == [3.0, 12.0, 27.0]  # what stays inside may be anything
    assert fd.jit(f)(X)[1]["note"] == "solved"
    message = (
        r"the result\[1\]\['note'\] of the function under vmap is a str; expected an array, a number, or a container "
        "of them"
    )
    with pytest.raises(StructureError, match=message):
        fd.vmap(f)(X[None])


def test_traced_values_that_hide_in_objects_do_not_outlive_the_function():
    hidden = fd.grad(lambda x: (loss(x), lambda: x * 2), has_aux=True)(X)[1]
    with pytest.raises(EscapedTracerError, match="return it from the function instead of storing it"):
        hidden()
    with pytest.raises(StructureError, match=r"jacobian with has_aux=True: <lambda> must return a pair \(value, aux\)"):
        fd.jacobian(lambda x: x, has_aux=True)(X)
