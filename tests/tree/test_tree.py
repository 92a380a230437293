"""Containers: JAX's functions of them, classes that are registered, vectors of them, and parts."""

from __future__ import annotations

import operator
import pickle
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functad as fd
from functad.errors import DtypeError, ShapeError, StructureError

Pair = namedtuple("Pair", ["left", "right"])


@dataclass
class Layer:
    w: object
    b: object = None
    name: str = field(default="layer", metadata={"static": True})


@fd.tree.register_pytree_node_class
class Scaled:
    def __init__(self, values, unit):
        self.values, self.unit = values, unit

    def tree_flatten(self):
        return (self.values,), self.unit

    @classmethod
    def tree_unflatten(cls, unit, children):
        return cls(*children, unit)

    def __eq__(self, other):
        return self.values == other.values and self.unit == other.unit


LEAF = st.one_of(st.integers(-5, 5), st.floats(-4, 4), st.text(max_size=2), st.booleans())
TREES = st.recursive(
    st.one_of(LEAF, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "c", 1]), inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Pair, inner, inner),
        st.builds(Layer, inner, inner),
        st.builds(Scaled, inner, st.sampled_from(["m", "s"])),
        st.builds(lambda x: OrderedDict(z=x, a=1.0), inner),
    ),
    max_leaves=8,
)


@pytest.mark.deep
@settings(max_examples=25, deadline=None, derandomize=True)
@given(TREES)
def test_laws(tree):
    """What is taken apart can be put together; parts make the whole; paths lead to their leaves."""
    leaves, treedef = fd.tree.flatten(tree)
    assert leaves == fd.tree.leaves(tree) and treedef == fd.tree.structure(tree)
    assert fd.tree.unflatten(treedef, iter(leaves)) == tree
    assert fd.tree.map(lambda x: x, tree) == tree
    assert fd.tree.leaves(fd.tree.map(lambda x, y: (x, y), tree, tree)) == [x for x in leaves for _ in range(2)]
    first, second = fd.tree.partition(lambda x: isinstance(x, str), tree)
    assert fd.tree.combine(first, second) == fd.tree.combine(second, first) == tree
    assert [x for x in leaves if isinstance(x, str)] == fd.tree.leaves(first)
    mask = fd.tree.map(lambda x: isinstance(x, str), tree)
    assert fd.tree.partition(mask, tree) == (first, second)
    for path, leaf in fd.tree.leaves_with_path(tree):
        text = fd.tree.keystr(path)
        if "flat index" not in text:  # a class that does not name its children
            assert path(tree) == leaf == eval("tree" + text)
    assert fd.tree.reduce(lambda n, _: n + 1, tree, 0) == treedef.num_leaves
    assert fd.tree.all(tree) == all(leaves)
    assert fd.tree.broadcast(7, tree) == fd.tree.map(lambda _: 7, tree)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(TREES)
def test_vectors(tree):
    numbers, _ = fd.tree.partition(lambda x: not isinstance(x, str), tree)
    vector, unravel = fd.ravel_tree(numbers)
    assert vector.ndim == 1 and vector.size == len(fd.tree.leaves(numbers))
    for made in (unravel, pickle.loads(pickle.dumps(unravel))):
        again = made(vector)
        assert fd.tree.structure(again) == fd.tree.structure(numbers) and again == numbers
        kinds = [(type(x), np.asarray(y).dtype) for x, y in zip(fd.tree.leaves(numbers), fd.tree.leaves(again))]
        assert all(np.asarray(cls()).dtype == dtype for cls, dtype in kinds)


def test_is_leaf():
    tree = {"a": (1, 2), "b": [None, 3]}
    assert fd.tree.leaves(tree, is_leaf=lambda x: isinstance(x, tuple)) == [(1, 2), 3]
    assert fd.tree.leaves(tree, is_leaf=lambda x: x is None) == [1, 2, None, 3]
    assert fd.tree.map(len, tree, is_leaf=lambda x: isinstance(x, tuple | list)) == {"a": 2, "b": 2}
    layer = Layer(1, 2)
    assert fd.tree.leaves([layer], is_leaf=lambda x: isinstance(x, Layer)) == [layer]
    found = fd.tree.map_with_path(lambda path, x, y: (path[0].entry, x, y), {"a": 1}, {"a": [2]})
    assert found == {"a": ("a", 1, [2])}
    assert fd.tree.partition(lambda x: x == (1, 2), tree, is_leaf=lambda x: isinstance(x, tuple)) == (
        {"a": (1, 2), "b": [None, None]},
        {"a": None, "b": [None, 3]},
    )


def test_transpose():
    tree = {"a": [1, (2, 3)], "b": [4, (5, 6)]}
    outer, inner = fd.tree.structure({"a": 0, "b": 0}), fd.tree.structure([0, (0, 0)])
    expected = [{"a": 1, "b": 4}, ({"a": 2, "b": 5}, {"a": 3, "b": 6})]
    assert fd.tree.transpose(outer, inner, tree) == fd.tree.transpose(outer, None, tree) == expected
    assert fd.tree.transpose(inner, outer, expected) == tree
    with pytest.raises(StructureError, match=r"tree.transpose: the container must have the structure"):
        fd.tree.transpose(outer, inner, {"a": [1, 2], "b": [3, 4]})


def test_registered_classes():
    @dataclass
    class Spring:
        k: float
        label: str
        cache: object = None

    fd.tree.register_dataclass(Spring, ["k"], ["label"], ["cache"])
    gradient = fd.jit(fd.grad(lambda s: s.k**2 if s.label == "stiff" else s.k))
    assert gradient(Spring(3.0, "stiff", object())).k == 6.0 and gradient(Spring(3.0, "soft")).k == 1.0

    class Plain:
        def __init__(self, x, power):
            self.x, self.power = x, power

    fd.tree.register_dataclass(Plain, data_fields=["x"], meta_fields=["power"])
    assert fd.jit(fd.grad(lambda p: p.x**p.power))(Plain(2.0, 3)).x == 12.0

    class Named:
        def __init__(self, items):
            self.items = items

    fd.tree.register_pytree_node(
        Named, lambda x: (x.items, None), lambda _, xs: Named(list(xs)), lambda x: (enumerate(x.items, 10), None)
    )
    assert [fd.tree.keystr(p) for p, _ in fd.tree.leaves_with_path(Named([1, 2]))] == ["[10]", "[11]"]

    @fd.tree.register_static
    @dataclass(frozen=True)
    class Options:
        power: int

    f = fd.jit(lambda x, o: x**o.power)
    assert f(3.0, Options(2)) == 9.0 and f(3.0, Options(3)) == 27.0
    assert fd.tree.leaves([Options(2)]) == [] and fd.tree.map(abs, [Options(2)]) == [Options(2)]


def test_vectors_under_transforms():
    tree = {"scale": 2.0, "w": np.arange(4.0).reshape(2, 2), "n": [np.float32(3)]}
    vector, unravel = fd.ravel_tree(tree)

    def loss(v):
        t = unravel(v)
        return t["scale"] * np.sum(np.sin(t["w"])) * t["n"][0]

    expected = fd.grad(lambda t: t["scale"] * np.sum(np.sin(t["w"])) * t["n"][0])(tree)
    for f in (fd.grad(loss), fd.jit(fd.grad(loss))):
        np.testing.assert_allclose(f(vector), fd.ravel_tree(expected)[0], rtol=1e-6)
    for f in (fd.hessian(loss), fd.jit(fd.hessian(loss))):
        assert f(vector).shape == (6, 6)
    for f in (fd.vmap(unravel), fd.jit(fd.vmap(unravel))):
        mapped = f(np.stack([vector, 2 * vector]))
        assert mapped["w"].shape == (2, 2, 2) and mapped["n"][0].dtype == np.float32
    for f in (lambda t: fd.ravel_tree(t)[0], fd.jit(lambda t: fd.ravel_tree(t)[0])):  # Python's numbers are weak
        assert f({"a": 1.0, "b": np.ones(2, np.float32)}).dtype == np.float32
        assert f({"a": 1j, "b": np.ones(2)}).dtype == np.complex128
        assert f({}).shape == (0,) and f({}).dtype == np.float64
    np.testing.assert_array_equal(fd.vmap(lambda t: fd.ravel_tree(t)[0])({"a": np.arange(2.0), "b": np.ones((2, 1))}),
                                  [[0, 1], [1, 1]])  # fmt: skip
    real, again = fd.ravel_tree({"a": 1.5, "b": 2j})
    assert again(real)["a"].dtype == np.float64 and again(real)["a"] == 1.5


def test_in_loops():
    @fd.jit
    def decay(params, steps):
        for _ in range(steps):
            params = fd.tree.map(lambda x: 0.5 * x, params)
        return params

    found = decay({"a": 1.0, "b": (np.ones(2), None)}, 40)
    assert found["a"] == 0.5**40 and found["b"][1] is None
    assert "native loop" in str(fd.explain(decay)({"a": 1.0, "b": (np.ones(2), None)}, 40))


def test_sums_over_a_tree_are_differentiated():
    def norm(params):
        return fd.tree.reduce(operator.add, fd.tree.map(lambda x: np.sum(x**2), params), 0.0)

    params = {"w": np.ones((2, 2)), "b": (1.0, None)}
    for f in (fd.grad(norm), fd.jit(fd.grad(norm))):
        found = f(params)
        assert found["b"] == (2.0, None) and np.all(found["w"] == 2)


class Known:
    pass


fd.tree.register_static(Known)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: fd.tree.map(operator.add, {"a": 1}, {"b": 1}),
            StructureError,
            r"tree.map: container 2 does not have the structure of the first: .*\['a'\]",
        ),
        (lambda: fd.tree.map(max, [1, 2], [1, 2], [1]), StructureError, "tree.map: container 3 "),
        (lambda: fd.tree.unflatten(fd.tree.structure([1, 2]), [1]), StructureError, "has 2 leaves, got 1"),
        (lambda: fd.tree.reduce(max, {}), StructureError, "tree.reduce: the container has no leaves; give"),
        (lambda: fd.tree.broadcast([1, 2], (1, 2)), StructureError, "tree.broadcast: the first container is no prefix"),
        (lambda: fd.tree.combine(), StructureError, "at least one container"),
        (
            lambda: fd.tree.combine({"a": [1, None]}, {"a": [None]}),
            StructureError,
            r"tree.combine: the containers at \['a'\] have different structures: list .*, and list",
        ),
        (lambda: fd.tree.partition(lambda x: x, {"a": 1.5}), StructureError, r"got float for the leaf \['a'\]"),
        (lambda: fd.tree.partition([True], (1, 2)), StructureError, "booleans must be a prefix of the one that it"),
        (lambda: fd.ravel_tree({"a": 1.0, "b": "x"}), StructureError, r"leaf \['b'\] has dtype <U1.*partition"),
        (lambda: fd.ravel_tree([1.0, 2.0])[1](np.ones(3)), ShapeError, r"vector of shape \(2,\), got \(3,\)"),
        (
            lambda: fd.ravel_tree([1, 2.0])[1](np.ones(2, int)),
            DtypeError,
            r"vector of dtype float64, got int64; convert it with x.astype\('float64'\)",
        ),
        (lambda: fd.tree.register_static(Known), StructureError, "Known is a container already"),
        (lambda: fd.tree.register_static(type("Bad", (), {"__eq__": None})), StructureError, "Bad is not hashable"),
        (lambda: fd.tree.register_pytree_node(3, None, None), StructureError, "only a class can be registered"),
        (lambda: fd.tree.register_pytree_node_class(Known), StructureError, "Known has no method tree_flatten"),
        (lambda: fd.tree.register_dataclass(int), StructureError, "int is no dataclass; name its data_fields"),
        (lambda: fd.tree.register_dataclass(Layer, ["w"]), StructureError, "are given together, or neither"),
        (
            lambda: fd.tree.register_dataclass(Layer, ["w"], ["name"]),
            StructureError,
            "Layer has the fields w, b, name; .*got w, name",
        ),
        (
            lambda: (fd.tree.leaves(Layer(1)), fd.tree.register_dataclass(Layer)),
            StructureError,
            "a container already; register a dataclass before it is first used",
        ),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
