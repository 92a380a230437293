"""The forms in which JAX's users write control flow: containers of all kinds, keywords, batches of a map, choices."""

from __future__ import annotations

import numpy as np
import optree
import pytest

import functad as fd

lax = fd.lax
X = np.arange(6.0).reshape(3, 2)


def same(found, expected, rtol=1e-14):
    assert optree.tree_structure(found, namespace="functad") == optree.tree_structure(expected, namespace="functad")
    for a, b in zip(optree.tree_leaves(found), optree.tree_leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol)


FORMS = {
    "no carry": (lambda: lax.scan(lambda c, a: (c, a * 2), None, X), (None, X * 2)),
    "an empty carry": (lambda: lax.scan(lambda c, a: ((), a * 2), (), X), ((), X * 2)),
    "a dict": (
        lambda: lax.scan(lambda c, a: (c + a["u"], {"y": a["v"]}), np.zeros(2), {"u": X, "v": X[:, 0]}),
        (X.sum(0), {"y": X[:, 0]}),
    ),
    "a None among xs": (lambda: lax.scan(lambda c, a: (c + a[0], None), np.zeros(2), (X, None)), (X.sum(0), None)),
    "length alone": (lambda: lax.scan(lambda c, _: (c + 1, c), 0.0, (), length=3), (3.0, np.arange(3.0))),
    "a list of two": (lambda: lax.scan(lambda c, a: [c + a, c], 0.0, X[:, 0]), (6.0, np.array([0.0, 0.0, 2.0]))),
    "scan by keywords": (
        lambda: lax.scan(f=lambda c, a: (c + a, c), init=0.0, xs=X[:, 0], reverse=True),
        (6.0, np.array([6.0, 4.0, 0.0])),
    ),
    "branches without operands": (lambda: lax.cond(False, lambda: 1.0, lambda: 2.0), 2.0),
    "branches without results": (lambda: lax.cond(True, lambda: None, lambda: None), None),
    "several operands": (lambda: lax.cond(True, lambda a, b: (a, b), lambda a, b: (b, a), 1.0, 2.0), (1.0, 2.0)),
    "containers out of branches": (
        lambda: lax.cond(True, lambda d: {"a": d["x"], "n": None}, lambda d: {"a": -d["x"], "n": None}, {"x": X}),
        {"a": X, "n": None},
    ),
    "a clamped index": (lambda: lax.switch(np.int8(-1), (lambda a: a, lambda a: 2 * a), 1.0), 1.0),
    "while by keywords": (
        lambda: lax.while_loop(
            cond_fun=lambda s: s["i"] < 3, body_fun=lambda s: {"i": s["i"] + 1, "n": None}, init_val={"i": 0, "n": None}
        ),
        {"i": 3, "n": None},
    ),
    "fori by keywords": (
        lambda: lax.fori_loop(lower=0, upper=4, body_fun=lambda i, v: v + i, init_val=0.0, unroll=2),
        6.0,
    ),
    "no steps": (lambda: lax.fori_loop(5, 2, lambda i, v: v + i, 1), 1),
    "a map without results": (lambda: lax.map(lambda a: None, X), None),
    "prefixes along the last axis": (
        lambda: lax.associative_scan(np.add, X, reverse=True, axis=-1),
        np.array([[1.0, 1.0], [5.0, 3.0], [9.0, 5.0]]),
    ),
    "prefixes of nothing": (lambda: lax.associative_scan(lambda a, b: a, None), None),
    "select": (
        lambda: lax.select(pred=np.array([True, False]), on_true=np.ones(2), on_false=np.zeros(2)),
        np.array([1.0, 0.0]),
    ),
    "select by a scalar": (lambda: lax.select(False, X, 2 * X), 2 * X),
    "select_n": (
        lambda: lax.select_n(np.array([0, 2, 1, 7, -1]), np.ones(5), np.zeros(5), np.full(5, 2.0)),
        np.array([1.0, 2.0, 0.0, 2.0, 1.0]),
    ),
    "select_n of two": (lambda: lax.select_n(np.array([True, False]), np.zeros(2), np.ones(2)), np.array([1.0, 0.0])),
    "stop_gradient": (lambda: lax.stop_gradient({"a": X, "b": (1.0, None)}), {"a": X, "b": (1.0, None)}),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(name):
    f, expected = FORMS[name]
    same(f(), expected)
    same(fd.jit(f)(), expected)


def test_stop_gradient_copies():
    assert not np.shares_memory(lax.stop_gradient(X), X)


def test_derivative_of_select_n():
    f = lambda x: np.sum(lax.select_n(np.array([2, 0, 1]), x, x * x, np.exp(x)))
    np.testing.assert_allclose(fd.grad(f)(np.array([0.5, 2.0, 3.0])), [np.exp(0.5), 1.0, 6.0], rtol=1e-14)


# -- map in batches ----------------------------------------------------------------------------------------------------


def element(x):
    return {"s": np.sum(np.sin(x["v"]) * SCALE) * x["w"], "one": 1.0, "rows": (x["v"], None)}


SCALE = np.array([0.5, 2.0])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_map_in_batches(n, batch_size):
    rng = np.random.default_rng(n)
    xs = {"v": rng.normal(size=(n, 2)), "w": rng.normal(size=n)}
    expected = lax.map(element, xs)
    for f in (
        lambda xs: lax.map(element, xs, batch_size=batch_size),
        fd.jit(lambda xs: lax.map(element, xs, batch_size=batch_size)),
    ):
        same(f(xs), expected, rtol=1e-13)

    def loss(size):
        return lambda xs, a: np.sum(
            lax.map(lambda x: {**element(x), "s": element(x)["s"] * a}, xs, batch_size=size)["s"] ** 2
        )

    for make in (lambda f: f, fd.jit):
        same(make(fd.grad(loss(batch_size), (0, 1)))(xs, 0.7), fd.grad(loss(None), (0, 1))(xs, 0.7), rtol=1e-12)


def test_branches_run_element_by_element_in_a_batch():
    f = lambda x: lax.cond(x > 0, np.log, lambda x: -x, x)
    np.testing.assert_array_equal(lax.map(f, np.array([1.0, -2.0, 0.0]), batch_size=2), [0.0, 2.0, 0.0])
