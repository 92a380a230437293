"""Objects that a jitted function is a method of, is given, or closes over: what it reads of them is as it is now."""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import threading
import types
import warnings
import weakref

import numpy as np
import pytest

import functad as fd
from functad.errors import EscapedTracerError, RetraceWarning
from functad.lower.compile import compile_count

X = np.arange(1.0, 4.0)


class Layer:
    def __init__(self, w):
        self.w = w

    def __call__(self, x):
        return x @ self.w


class Base:
    offset = 0.5

    def shifted(self, x):
        return x + self.offset


class Model(Base):
    scale = 2.0

    def __init__(self):
        self.w = np.ones(3)
        self.rate = 1.0
        self.mode = "a"
        self.extra = None
        self.parts = [np.ones(2), 2.0]
        self.table = {"k": 3.0, "a": np.ones(2)}
        self.layer = Layer(np.eye(3))
        self.activation = np.tanh

    def plain(self, x):
        y = np.sum(self.w * x) * self.rate * self.scale + np.sum(self.parts[0]) * self.parts[1] * len(self.parts)
        y = y * self.table["k"] + np.sum(self.table["a"]) + np.sum(self.activation(self.layer(x)))
        y = self.shifted(y) if self.mode == "a" else y
        return y if self.extra is None else y * self.extra

    @fd.jit
    def fast(self, x):
        return self.plain(x)

    @fd.jit
    def nested(self, x):
        return self.fast(x) + 1.0


def set_item(container, key, value):
    container[key] = value


CHANGES = {
    "array in place": lambda m: set_item(m.w, 0, 5.0),
    "array": lambda m: setattr(m, "w", m.w * 3),
    "number": lambda m: setattr(m, "rate", m.rate + 1),
    "string": lambda m: setattr(m, "mode", "b"),
    "None": lambda m: setattr(m, "extra", 2.0),
    "list item": lambda m: set_item(m.parts, 0, np.full(2, 7.0)),
    "list item in place": lambda m: set_item(m.parts[0], 1, 9.0),
    "list number": lambda m: set_item(m.parts, 1, 5.0),
    "list length": lambda m: m.parts.append(1.0),
    "list": lambda m: setattr(m, "parts", [np.zeros(2), 1.0]),
    "dict item": lambda m: set_item(m.table, "k", 4.0),
    "dict array": lambda m: set_item(m.table, "a", np.full(2, 3.0)),
    "object in it": lambda m: setattr(m.layer, "w", 2 * np.eye(3)),
    "another object in it": lambda m: setattr(m, "layer", Layer(np.ones((3, 2)))),
    "function": lambda m: setattr(m, "activation", np.sin),
    "hidden attribute of the class": lambda m: setattr(m, "scale", 6.0),
    "hidden method": lambda m: setattr(m, "shifted", lambda y: 2 * y),
    "attribute that is gone": lambda m: (setattr(m, "offset", 2.0), m.fast(X), delattr(m, "offset")),
}


@pytest.mark.parametrize("call", [
    lambda m: m.fast,
    lambda m: m.nested,
    lambda m: fd.jit(m.plain),
    lambda m: fd.jit(lambda x: m.plain(x)),
    lambda m: functools.partial(fd.jit(lambda y, o: o.plain(y)), o=m),
    lambda m: (lambda f: lambda x: f({"model": m}, x))(fd.jit(lambda d, y: d["model"].plain(y))),
], ids=["method", "nested", "bound", "closure", "argument", "in a container"])  # fmt: skip
def test_what_changes_is_seen(call) -> None:
    model = Model()
    f = call(model)
    shift = 1.0 if call(model) == model.nested else 0.0
    for name, change in CHANGES.items():
        change(model)
        for _ in range(2):
            assert f(X) == pytest.approx(model.plain(X) + shift, rel=1e-14), name


def test_classes_that_change(monkeypatch) -> None:
    model = Model()
    for name, value in (("scale", 5.0), ("offset", 1.5), ("shifted", lambda self, y: 3 * y)):
        model.fast(X)
        monkeypatch.setattr(Model if name == "scale" else Base, name, value)
        assert model.fast(X) == pytest.approx(model.plain(X))
    monkeypatch.setattr(Layer, "__call__", lambda self, x: 2 * x @ self.w)
    assert model.fast(X) == pytest.approx(model.plain(X))


KEEP_CHANGING = {
    "attribute": lambda m, k: setattr(m, "rate", 1.0 + k),
    "array": lambda m, k: setattr(m, "w", m.w * 1.5),
    "dict item": lambda m, k: set_item(m.table, "k", 1.0 + k),
    "list item": lambda m, k: set_item(m.parts, 0, m.parts[0] * 1.5),
    "object in it": lambda m, k: setattr(m.layer, "w", m.layer.w * 1.5),
    "in place": lambda m, k: set_item(m.w, 0, float(k)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", KEEP_CHANGING)
def test_what_keeps_changing_is_an_operand(name) -> None:
    """From the third value on nothing is traced or compiled, and calls are native."""
    model, change = Model(), KEEP_CHANGING[name]
    fast = functools.partial(fd.jit(Model.plain), model)
    for k in range(4):
        change(model, k)
        assert fast(X) == pytest.approx(model.plain(X), rel=1e-14)
    count, versions = compile_count(), [list(v) for v in fast.func._traced.values()]
    for k in range(4, 9):
        change(model, k)
        assert fast(X) == pytest.approx(model.plain(X), rel=1e-14)
    assert compile_count() == count and [list(v) for v in fast.func._traced.values()] == versions


class Slotted:
    __slots__ = ("k", "w")

    def __init__(self):
        self.w, self.k = np.ones(3), 1.0

    @fd.jit
    def fast(self, x):
        return np.sum(self.w * x) * self.k


def test_slots_and_namespaces() -> None:
    for holder, f in (
        (Slotted(), None),
        (types.SimpleNamespace(w=np.ones(3), k=1.0), fd.jit(lambda p, x: np.sum(p.w * x) * p.k)),
    ):
        for _ in range(6):
            value = holder.fast(X) if f is None else f(holder, X)
            assert value == np.sum(holder.w * X) * holder.k
            holder.w = holder.w * 2
            holder.k += 1
            holder.w[1] = 7.0


class Dynamic:
    def __init__(self):
        self.value = 1.0

    def __getattr__(self, name):
        if name == "made":
            return 3.0
        raise AttributeError(name)

    @fd.jit
    def fast(self, x):
        return x * self.made * getattr(self, "val" + "ue") * getattr(self, "missing", 1.0)


@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
def test_names_that_only_running_tells() -> None:
    d = Dynamic()
    assert d.fast(2.0) == 6.0
    d.made = 4.0
    assert d.fast(2.0) == 8.0
    d.value = 2.0
    assert d.fast(2.0) == 16.0
    d.missing = 5.0
    assert d.fast(2.0) == 80.0


class Counting:
    def __init__(self):
        self.count, self.log = 0, []

    @fd.jit
    def fast(self, x):
        self.count += 1
        self.log.append("traced")
        return x * 2.0


def test_what_the_method_writes_to_itself() -> None:
    """It counts as the method leaves it: nothing is traced for ever."""
    c = Counting()
    for _ in range(3):
        assert c.fast(1.0) == 2.0 and c.fast(X).tolist() == [2.0, 4.0, 6.0]
    assert c.count == 2 and c.log == ["traced"] * 2


def test_objects_are_held_weakly() -> None:
    models = [Model() for _ in range(3)]
    for k, m in enumerate(models):
        m.rate = float(k)
        assert m.fast(X) == pytest.approx(m.plain(X))
    count, gone = len(list(Model.fast._traced)), [weakref.ref(m) for m in models]
    again = copy.deepcopy(models[0])
    again.rate = 9.0
    assert again.fast(X) == pytest.approx(again.plain(X))
    del models, m, again
    gc.collect()
    assert [r() for r in gone] == [None] * 3
    assert len(list(Model.fast._traced)) <= count - 3 and all(t in Model.fast._current() for t in map(id, _kinds()))
    for _ in range(20):  # at addresses that others have had
        m = Model()
        m.rate = np.random.default_rng(0).random()
        assert m.fast(X) == pytest.approx(m.plain(X))


def _kinds():
    return [t for t, _ in Model.fast._kinds]


def test_objects_that_hold_traced_values() -> None:
    """They are made in a traced function, and handed to a jitted one: their attributes are the tracers."""

    def outer(x):
        layer = Layer(np.eye(3) * x[0])
        return np.sum(inner(layer, x))

    inner = fd.jit(lambda layer, x: layer(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of them is a value of the argument
        assert outer(X) == 6.0
        for _ in range(5):
            for f in (outer, fd.jit(outer)):
                np.testing.assert_allclose(fd.grad(f)(X), [7.0, 1.0, 1.0])
        np.testing.assert_allclose(fd.vmap(outer)(np.stack([X, 2 * X])), [6.0, 24.0])


class Decorated:
    k = 2.0

    def __init__(self):
        self.w = np.ones(3)

    def loss(self, x):
        return np.sum(self.w * x**2) * self.k

    __call__ = loss

    @staticmethod
    @fd.jit
    def inside_static(x, m="a"):
        return 2 * x if m == "a" else x

    @fd.jit
    @staticmethod
    def around_static(x):
        return 2 * x

    @classmethod
    @fd.jit
    def inside_class(cls, x):
        return x * cls.k

    @fd.jit
    @classmethod
    def around_class(cls, x):
        return x * cls.k

    @property
    @fd.jit
    def doubled(self):
        return self.w * 2

    @functools.partial(fd.jit, static_argnames="mode")
    def with_mode(self, x, mode):
        return self.w * x if mode == "a" else x

    @fd.jit(static_argnums=0)
    def static_self(self, x):
        return self.w * x

    @fd.jit
    @functools.partial(fd.grad, argnums=1)
    def slope(self, x):
        return self.loss(x)


def test_decorators_in_a_class() -> None:
    d = Decorated()
    for _ in range(2):
        for f in (d.inside_static, d.around_static, Decorated.inside_static, Decorated.around_static):
            np.testing.assert_array_equal(f(X), 2 * X)
        for f in (d.inside_class, d.around_class, Decorated.inside_class, Decorated.around_class):
            np.testing.assert_array_equal(f(X), X * Decorated.k)
        np.testing.assert_array_equal(d.doubled, 2 * d.w)
        np.testing.assert_array_equal(d.with_mode(X, "a"), d.w * X)
        np.testing.assert_array_equal(d.static_self(X), d.w * X)
        slope = 2 * d.w * X * d.k
        for f in (
            d.slope,
            fd.grad(d),
            fd.grad(d.loss),
            fd.jit(fd.grad(d.loss)),
            fd.jit(fd.grad(d)),
            fd.grad(fd.jit(d.loss)),
        ):
            np.testing.assert_allclose(f(X), slope, rtol=1e-15)
        for f in (
            fd.jit(d),
            fd.jit(functools.partial(Decorated.loss, d)),
            functools.partial(fd.jit(Decorated.loss), d),
        ):
            assert f(X) == pytest.approx(d.loss(X))
        np.testing.assert_allclose(fd.vmap(fd.jit(d.loss))(np.stack([X, X])), [d.loss(X)] * 2)
        np.testing.assert_allclose(fd.vmap(lambda o, x: o.loss(x))(d, np.stack([X, X])), [d.loss(X)] * 2)
        d.w = d.w * 3
    again = pickle.loads(pickle.dumps(d.slope))
    np.testing.assert_allclose(again(X), 2 * d.w * X * d.k)


def test_the_warning_names_the_attribute() -> None:
    m = Model()
    with pytest.warns(RetraceWarning, match=r"the attribute Model.mode, which Model.plain reads, has changed again"):
        for mode in "abc":
            m.mode = mode
            m.fast(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        m.mode = "d"
        assert m.fast(X) == pytest.approx(m.plain(X))


def test_items_of_closed_over_containers() -> None:
    parameters, shapes = {"w": np.ones(3), "k": 1.0}, [3]
    f = fd.jit(lambda x: np.sum(parameters["w"] * x) * parameters["k"] * np.ones(shapes[0]))
    for k in range(5):
        assert f(X).tolist() == [parameters["w"] @ X * parameters["k"]] * shapes[0]
        parameters["w"], parameters["k"] = parameters["w"] * 2, 2.0 + k
    shapes[0] = 2
    assert f(X).shape == (2,)
    for _ in range(30):  # the list moves in memory
        shapes.append(0)
    shapes[0] = 4
    assert f(X).shape == f(X).shape == (4,)
    del shapes[1:]
    assert f(X).shape == (4,)


def test_threads_that_change_an_object() -> None:
    m = Model()
    m.fast(X)
    wrong = []

    def work(seed):
        own = Model()
        for k in range(20):
            own.rate = float(seed + k)
            if own.fast(X) != pytest.approx(own.plain(X)):
                wrong.append((seed, k))

    threads = [threading.Thread(target=work, args=(10 * s,)) for s in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


class Tree:
    def __init__(self, depth):
        self.array, self.number = np.ones(2) * depth, float(depth)
        self.items, self.table = [np.ones(2), 1.0], {"u": np.ones(2), "v": 2.0}
        self.child = Tree(depth - 1) if depth else None

    def value(self, x):
        y = np.sum(self.array * x) * self.number + np.sum(self.items[0]) * self.items[1]
        y = y + np.sum(self.table["u"] * x) * self.table["v"] + sum(self.items[2:])
        return y + (self.child.value(2 * x) if self.child is not None else 0.0)

    fast = fd.jit(value)
    slope = fd.jit(fd.grad(value, argnums=1))


MUTATIONS = [
    lambda t, r: setattr(t, "array", t.array * 1.5),
    lambda t, r: set_item(t.array, r.integers(2), r.random()),
    lambda t, r: setattr(t, "number", r.random()),
    lambda t, r: set_item(t.items, 0, t.items[0] + 1),
    lambda t, r: set_item(t.items, 1, r.random()),
    lambda t, r: t.items.append(r.random()),
    lambda t, r: t.items.pop() if len(t.items) > 2 else None,
    lambda t, r: setattr(t, "items", [np.ones(2) * r.random(), 1.0]),
    lambda t, r: set_item(t.table, "u", t.table["u"] * 2),
    lambda t, r: set_item(t.table, "v", r.random()),
    lambda t, r: setattr(t, "child", Tree(int(r.integers(2))) if r.random() < 0.7 else None),
    lambda t, r: setattr(t, "__class__", Tree),
]


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
@pytest.mark.parametrize("seed", range(20))
def test_random_changes_of_objects(seed) -> None:
    random, root, x = np.random.default_rng(seed), Tree(2), np.array([1.0, 2.0])
    closed = fd.jit(lambda x: root.value(x))
    for _ in range(25):
        nodes = [root]
        while nodes[-1].child is not None:
            nodes.append(nodes[-1].child)
        MUTATIONS[random.integers(len(MUTATIONS))](nodes[random.integers(len(nodes))], random)
        for f in (root.fast, closed, root.fast, closed):
            assert f(x) == pytest.approx(root.value(x), rel=1e-13)
        np.testing.assert_allclose(root.slope(x), fd.grad(root.value)(x), rtol=1e-13)


# -- traced values that are left in objects ----------------------------------------------------------------------------


class Kept:
    def __init__(self):
        self.w = np.ones(3)
        self.cache = None
        self.pair = (1.0, 2.0)
        self.table = {"w": np.ones(3)}
        self.seen = []
        self.calls = 0

    def step(self, x):
        self.w = self.w - x
        return np.sum(self.w)

    def remember(self, x):
        if self.cache is None:
            self.cache = np.sin(x)
        return np.sum(self.cache * x)

    def parts(self, x):
        self.pair = (self.pair[0] + np.sum(x), self.pair[1])
        return self.pair[0]

    def item(self, x):
        self.table["w"] = self.table["w"] * x
        return np.sum(self.table["w"])

    def mean(self, x):
        self.seen.append(np.sum(x))
        return np.mean(self.seen)

    def layers(self, x):
        self.calls += 1
        self.cache, self.pair = 2 * x, (x, x)
        self.table["w"] = x
        self.seen.append(x)
        return self.behind()

    def behind(self):
        return np.sum(self.cache * self.pair[1]) + np.sum(self.table["w"])


@pytest.mark.parametrize("name", ["step", "remember", "parts", "item", "mean"])
def test_traced_values_that_would_be_read_again_are_refused(name):
    for f in (fd.jit(getattr(Kept(), name)), fd.jit(fd.grad(getattr(Kept(), name)))):
        with pytest.raises(EscapedTracerError, match=r"reads the (attribute|item) .*test_objects\.py.*"):
            f(X)


def test_traced_values_that_are_written_before_they_are_read_are_kept():
    kept = Kept()
    f = fd.jit(kept.layers)
    for x in (X, 2 * X, np.ones(2), 3 * X):
        assert f(x) == 2 * x @ x + np.sum(x)
    assert len(f.stats()) <= 3
