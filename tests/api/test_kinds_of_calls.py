"""Calls of one jitted function that differ in kind: which of them go straight to native code, and what they give."""

from __future__ import annotations

import collections
import dataclasses
import enum
import gc
import sys
import threading
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

import functad as fd
from functad import config, tree
from functad.api.jitted import MOST_KINDS, Jitted

X = np.arange(6.0)


@pytest.fixture(params=["native", "ctypes"], autouse=True)
def entry(request):
    """Every test runs with both entries."""
    with config.entry(request.param):
        yield request.param


@pytest.fixture
def slow(monkeypatch):
    """So many calls that Python has served."""
    calls = []
    original = Jitted.call_without_entry

    def counted(self, args, kwargs):
        calls.append(len(args))
        return original(self, args, kwargs)

    monkeypatch.setattr(Jitted, "call_without_entry", counted)
    return calls


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(default="relu", metadata={"static": True})


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    w: Any


class Pair:
    def __init__(self, a, b, tag):
        self.a, self.b, self.tag = a, b, tag


tree.register_pytree_node(Pair, lambda p: ([p.a, p.b], p.tag), lambda tag, children: Pair(*children, tag))


@dataclasses.dataclass(frozen=True)
class Options:
    steps: int
    rate: float
    names: tuple[str, ...] = ()


def leaves_sum(x):
    return sum([np.sum(leaf) for leaf in tree.flatten(x)[0]])


def same(a, b):
    """Same containers, dtypes and values."""
    (found, structure), (expected, wanted) = tree.flatten(a), tree.flatten(b)
    assert structure == wanted
    for x, y in zip(found, expected, strict=True):
        assert type(x) is type(y) and x.dtype == y.dtype and np.array_equal(x, y)


ARGUMENTS = {
    "float": lambda: 2.0, "int": lambda: 3, "bool": lambda: True, "complex": lambda: 2j,
    "scalar": lambda: np.float32(2), "array": lambda: np.arange(3.0), "longer": lambda: np.arange(4.0),
    "2-d": lambda: np.ones((2, 3)), "float32": lambda: np.arange(3, dtype="f4"),
    "int16": lambda: np.arange(3, dtype="i2"), "0-d": lambda: np.array(2.0), "strided": lambda: np.arange(10.0)[::2],
    "Fortran": lambda: np.arange(8.0).reshape(4, 2).T, "misaligned": lambda: np.arange(41, dtype="i1")[1:].view("f8"),
    "swapped": lambda: np.arange(7, dtype=">f8"), "list": lambda: [1.0, np.ones(2)],
    "tuple": lambda: (1.0, np.ones(2)), "dict": lambda: {"b": 1.0, "a": np.ones(2)},
    "mixed keys": lambda: {(1, 2): 1.0, "a": np.ones(2), 3: 2.0}, "bool keys": lambda: {True: 1.0, False: np.ones(2)},
    "int keys": lambda: {3: 1.0, 2: np.ones(2)}, "nested": lambda: {"a": [(1.0, {"b": np.ones(2)}), None]},
    "namedtuple": lambda: Point(1.0, np.ones(2)), "dataclass": lambda: Layer(np.ones((2, 2)), 1.5),
    "static field": lambda: Layer(np.ones((2, 2)), 1.5, "tanh"), "slots": lambda: Slotted([1.0, np.ones(2)]),
    "registered": lambda: Pair(1.0, {"a": np.ones(2)}, ("tag", 1)),
    "deep": lambda: Point(Layer([Pair(1.0, 2.0, "t")], {"k": Point(1.0, None)}), (Slotted(np.ones(2)),)),
    "ordered": lambda: collections.OrderedDict(b=1.0, a=np.ones(2)),
    "defaultdict": lambda: collections.defaultdict(int, b=1.0, a=np.ones(2)),
    "deque": lambda: collections.deque([1.0, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_each_kind_is_native_from_its_second_call_on(name, slow):
    def f(x, y=0.0):
        return tree.map(lambda leaf: leaf * 2 + y, x), leaves_sum(x)

    fast, make = fd.jit(f), ARGUMENTS[name]
    expected = tree.map(lambda leaf: (np.asarray(leaf) * 2 + 0.0)[()], make()), leaves_sum(make())
    for _ in range(3):
        (found, total), arg = fast(make()), make()
        for a, b in zip(tree.flatten(found)[0], tree.flatten(expected[0])[0], strict=True):
            np.testing.assert_array_equal(a, b)
        assert tree.flatten(found)[1] == tree.flatten(arg)[1] and total == expected[1]
        np.testing.assert_array_equal(tree.flatten(fast(x=make(), y=1.0))[0][0], tree.flatten(expected[0])[0][0] + 1)
    assert len(slow) == 2


def test_many_kinds_in_turn(slow):
    def f(x):
        return tree.map(lambda leaf: leaf * 2, x)

    fast = fd.jit(f)
    expected = {name: fast(make()) for name, make in ARGUMENTS.items()}
    slow.clear()
    rng = np.random.default_rng(0)
    names = list(ARGUMENTS)
    for name in [*names, *names, *rng.choice(names, 200), *[names[0], names[1]] * 10]:
        same(fast(ARGUMENTS[name]()), expected[name])
    assert not slow


def test_keywords_in_any_order(slow):
    fast = fd.jit(lambda a, *, b, c=1.0: (a - b) * c)
    for _ in range(3):
        assert fast(5.0, b=2.0, c=3.0) == fast(5.0, c=3.0, b=2.0) == fast(c=3.0, b=2.0, a=5.0) == 9.0
        assert fast(5.0, b=2.0) == 3.0
        made = "".join(["b"])  # equal to the name, and another string
        assert fast(5.0, **{made: 2.0}) == 3.0
    assert len(slow) == 3
    with pytest.raises(TypeError, match="unexpected keyword argument 'd'"):
        fast(5.0, b=2.0, d=1.0)


class Color(enum.Enum):
    RED = 1


class Mode:
    """Compared by value, in Python."""

    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return isinstance(other, Mode) and self.name == other.name

    def __hash__(self):
        return hash(self.name)


STATICS = {
    "int": lambda: int("1000000"), "str": lambda: "".join(["ab", "c"]), "bytes": lambda: bytes(bytearray(b"abc")),
    "float": lambda: float("1.5"), "minus zero": lambda: -0.0, "zero": lambda: 0.0, "nan": lambda: float("nan"),
    "one": lambda: 1, "true": lambda: True, "1.0": lambda: 1.0, "None": lambda: None,
    "complex": lambda: complex("1+2j"), "tuple": lambda: (int("1000"), "".join(["x", "y"])),
    "tuple of float": lambda: (float("1000"), "xy"), "nested": lambda: ((1, (2.5, "".join(["x", "y"]))), None),
    "namedtuple": lambda: Point(int("1000"), "x"),
    "frozen": lambda: Options(int("1000"), float("0.5"), ("".join(["x", "y"]),)),
    "other": lambda: Options(1000, 0.25), "numpy": lambda: np.float64(1.5), "float32": lambda: np.float32(1.5),
    "type": lambda: int, "function": lambda: len, "enum": lambda: Color.RED,
    "frozenset": lambda: frozenset({int("1000")}), "range": lambda: range(1000), "equal": lambda: Mode("abc"),
    "dtype": lambda: np.dtype("f4"),
}  # fmt: skip


def test_static_values_are_found_by_type_and_value(slow):
    traced = []

    @fd.jit(static_argnums=1)
    def f(x, static):
        traced.append(static)
        return x * len(traced)

    results = {name: f(X, make()) for name, make in STATICS.items()}
    assert len(traced) == len(STATICS)
    slow.clear()
    for _ in range(2):
        for name, make in STATICS.items():
            assert f(X, make())[1] == results[name][1], name
    assert len(traced) == len(STATICS) and not slow
    keyword = f(X, static=STATICS["frozen"]())
    assert f(X, static=STATICS["frozen"]())[1] == keyword[1]


def test_a_static_object_that_changes(slow):
    @dataclasses.dataclass(unsafe_hash=True)
    class Changing:
        n: int

    f = fd.jit(lambda x, s: x * s.n, static_argnums=1)
    held = Changing(2)
    assert f(1.0, held) == f(1.0, held) == 2.0
    held.n = 3
    assert f(1.0, held) == 3.0 and f(1.0, Changing(2)) == 2.0


def test_static_values_that_raise():
    class Bad:
        def __eq__(self, other):
            raise ZeroDivisionError

        def __hash__(self):
            return 1

    f = fd.jit(lambda x, s: x, static_argnums=1)
    bad = Bad()
    assert f(1.0, bad) == 1.0 and f(2.0, bad) == 2.0 and f(1.0, "abc") == 1.0
    with pytest.raises(ZeroDivisionError):
        f(1.0, Bad())
    assert f(3.0, bad) == 3.0


def test_kinds_that_differ_in_a_nested_leaf(slow):
    fast = fd.jit(lambda x: x["a"][0].y[1]["b"] * 2)
    leaves = [1.0, 2, np.float32(3), np.ones(2), np.ones(3), np.ones(2, "f4"), np.ones((2, 1)), 1j]
    kinds = [{"a": [Point(0.0, (None, {"b": leaf}))]} for leaf in leaves]
    for _ in range(3):
        for kind, leaf in zip(kinds, leaves, strict=True):
            np.testing.assert_array_equal(fast(kind), leaf * 2)
    assert len(slow) == len(leaves)


def test_more_kinds_than_are_kept(slow):
    fast = fd.jit(lambda x: x * 2)
    for _ in range(2):
        for n in range(MOST_KINDS + 5):
            assert fast(np.ones(n)).shape == (n,)
    assert len(fast.entries) == MOST_KINDS
    slow.clear()
    for n in range(MOST_KINDS + 5):
        assert fast(np.ones(n)).shape == (n,)
    assert 5 <= len(slow) < MOST_KINDS  # most are still there
    for _ in range(200):  # a kind that stays gets in
        fast(np.ones(7))
    slow.clear()
    fast(np.ones(7))
    assert not slow


def test_worlds_in_turn_are_kinds(slow):
    scale = 2.0

    def f(x):
        return x * (2 if scale > 2 else 1) * np.ones(int(scale))

    fast = fd.jit(f)
    for scale in (2.0, 3.0) * 3:
        assert fast(1.0).tolist() == [2.0 if scale > 2 else 1.0] * int(scale)
    assert len(slow) <= 4


def test_recursion_through_a_callback():
    def again(x):
        return np.reshape(fast(x[:-1]) if np.size(x) > 1 else 0.0, (1,))

    fast = fd.jit(lambda x: np.sum(fd.pure_callback(again, np.zeros(1), x)) + np.sum(x))
    for _ in range(3):
        assert fast(np.arange(5.0)) == 10.0 + 6.0 + 3.0 + 1.0
        assert fast(np.ones(1)) == 1.0


def test_threads_with_different_kinds():
    fast = fd.jit(lambda x, y=1.0: tree.map(lambda leaf: leaf * 2 + y, x))
    wrong, start = [], threading.Barrier(8)

    def work(k):
        start.wait()
        for i in range(200):
            n = (k + i) % 11
            x = np.full(n, float(k))
            result = fast({"a": x}) if n % 2 else fast(Point(x, 1.0), y=2.0).x
            array = result["a"] if n % 2 else result
            if array.shape != (n,) or np.any(array != 2 * k + (1 if n % 2 else 2)):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_containers_that_another_thread_changes():
    fast = fd.jit(lambda x: x["a"][0] + x["b"])
    value, stop = {"a": [np.ones(500)], "b": np.ones(500)}, []

    def disturb():
        while not stop:
            value["a"] = [np.ones(500)]
            value["b"] = np.ones(500)
            value["a"][:] = [np.ones(500)]

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(3000):
            assert np.all(fast(value) == 2.0)
    finally:
        stop.append(1)
        thread.join()


def test_functions_that_take_apart_or_put_together_and_fail(slow):
    class Fragile:
        def __init__(self, a, fail=""):
            self.a, self.fail = a, fail

    def take_apart(x):
        if x.fail == "apart":
            raise ZeroDivisionError("apart")
        return (x.a,), None

    def put_together(_, children):
        if fail:
            raise ZeroDivisionError("together")
        return Fragile(*children)

    tree.register_pytree_node(Fragile, take_apart, put_together)
    fail = []
    fast = fd.jit(lambda x: Fragile(x.a * 2))
    x = np.ones(3)
    assert [fast(Fragile(x)).a.tolist() for _ in range(3)] == [[2.0, 2.0, 2.0]] * 3 and len(slow) == 1
    before = sys.getrefcount(x)
    for _ in range(20):
        with pytest.raises(ZeroDivisionError, match="apart"):
            fast(Fragile(x, "apart"))
        fail.append(1)
        with pytest.raises(ZeroDivisionError, match="together"):
            fast(Fragile(x))
        fail.clear()
    gc.collect()
    assert fast(Fragile(x)).a.tolist() == [2.0, 2.0, 2.0]
    assert sys.getrefcount(x) <= before + 2  # tracebacks of the last ones


def test_dicts_of_results_keep_their_order(slow):
    fast = fd.jit(lambda x: {"b": x, "a": {"z": 2 * x, "y": 3 * x, "x": (x, {})}})
    for _ in range(2):
        result = fast(1.5)
        assert repr(result).replace("np.float64", "") == "{'b': (1.5), 'a': {'z': (3.0), 'y': (4.5), 'x': ((1.5), {})}}"
    other = fd.jit(lambda x: {"a": {"y": 3 * x, "z": 2 * x, "x": (x, {})}, "b": x})
    assert list(other(1.5)) == ["a", "b"] and list(other(1.5)["a"]) == ["y", "z", "x"]


def test_keys_that_are_equal_but_of_another_type():
    fast = fd.jit(lambda d: [type(k).__name__ for k in d].count("bool") + d[1] * 0)
    assert [fast({1: 0.0}), fast({True: 0.0}), fast({1.0: 0.0}), fast({True: 0.0}), fast({1: 0.0})] == [0, 1, 0, 1, 0]


def test_an_object_is_taken_apart_once_a_call():
    class Counted:
        def __init__(self, a):
            self.a = a

    calls = []

    def take_apart(x):
        calls.append(x)
        return (x.a,), None

    tree.register_pytree_node(Counted, take_apart, lambda _, children: Counted(*children))
    fast = fd.jit(lambda *xs: sum([np.sum(x.a) for x in xs]))
    kinds = [(Counted(np.ones(n)),) * (n % 3 + 1) for n in range(1, 7)] + [tuple([Counted(1.0) for _ in range(6)])]
    for kind in kinds:
        fast(*kind)
    calls.clear()
    objects = [x for kind in kinds for x in kind]
    before = [sys.getrefcount(x) for x in objects]
    for kind in kinds * 3:
        calls.clear()
        assert fast(*kind) == sum([np.sum(x.a) for x in kind])
        if config.entry.value == "native":
            assert len(calls) <= 4 + 3 * len(kinds)
    calls.clear()
    kind = None
    assert [sys.getrefcount(x) for x in objects] == before


def test_interrupts_are_not_lost():
    class Interrupted:
        def __init__(self, a):
            self.a = a

    def take_apart(x):
        if again:
            raise again.pop()
        return (x.a,), None

    tree.register_pytree_node(Interrupted, take_apart, lambda _, children: Interrupted(*children))
    again = []
    fast = fd.jit(lambda x: x.a * 2)
    assert fast(Interrupted(1.0)) == fast(Interrupted(1.0)) == 2.0
    again.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fast(Interrupted(1.0))
    again.append(ValueError())  # only the first time
    assert fast(Interrupted(1.0)) == 2.0


@pytest.mark.deep
@pytest.mark.one_in(2)
def test_a_class_whose_functions_change_the_container():
    class Emptying:
        def __init__(self, a, items):
            self.a, self.items = a, items

    def take_apart(x):
        x.items.clear()
        gc.collect()
        return (x.a,), None

    tree.register_pytree_node(Emptying, take_apart, lambda _, children: Emptying(*children, []))
    fast = fd.jit(lambda xs: (xs[0].a * 2, xs[1] + 1))

    def make():
        items = []
        items += [Emptying(np.ones(3), items), np.full(3, 2.0)]
        return items

    for _ in range(3):
        doubled, more = fast([Emptying(np.ones(3), []), np.full(3, 2.0)])
        assert doubled.tolist() == [2.0] * 3 and more.tolist() == [3.0] * 3
    items = make()
    doubled, more = fast(items)  # what was in the list when the call looked at it
    assert doubled.tolist() == [2.0] * 3 and more.tolist() == [3.0] * 3 and items == []


def test_an_attribute_that_is_gone(slow):
    fast = fd.jit(lambda x: x.w * 2)
    assert fast(Layer(1.0, 2.0)) == fast(Layer(1.0, 2.0)) == 2.0
    broken = Layer(1.0, 2.0)
    del broken.w
    with pytest.raises(AttributeError, match="'w'"):
        fast(broken)


@pytest.mark.one_in(2)
def test_nothing_leaks():
    fast = fd.jit(lambda x, *, k, s=None: tree.map(lambda leaf: leaf * k, x), static_argnames="s")
    kinds = [
        ARGUMENTS[name]() for name in ("nested", "deep", "registered", "strided", "Fortran", "ordered", "dataclass")
    ]
    arrays = [leaf for kind in kinds for leaf in tree.flatten(kind)[0] if isinstance(leaf, np.ndarray)]
    options = Options(1, 0.5)

    def run():
        for kind in kinds:
            fast(kind, k=2.0, s=Options(int("1"), float("0.5")))
            fast(kind, k=2.0, s=options)

    for _ in range(20):
        run()
    gc.collect()
    before, counts = sys.getallocatedblocks(), [sys.getrefcount(a) for a in arrays]
    for _ in range(300):
        run()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200
    assert [sys.getrefcount(a) for a in arrays] == counts


def test_a_jitted_function_dies_with_its_last_reference():
    fast = fd.jit(lambda x: x * 2)
    for x in (1.0, np.ones(2), np.ones(3)):
        fast(x)
    gone = weakref.ref(fast)
    gc.disable()
    try:
        del fast
        assert gone() is None
    finally:
        gc.enable()


def test_a_jitted_function_that_is_called_while_it_is_collected():
    fast = fd.jit(lambda x: x * 2)
    fast(1.0)
    fast(np.ones(2))
    results = []

    class Last:
        def __del__(self):
            results.append(self.f(4.0))

    last = Last()
    last.f, fast.last = fast, last
    del last, fast
    gc.collect()
    assert results == [8.0]


@pytest.mark.deep
@pytest.mark.one_in(2)
def test_a_call_drops_the_function():
    class Dropping:
        def __init__(self, a):
            self.a = a

    def take_apart(x):
        held.clear()
        gc.collect()
        return (x.a,), None

    tree.register_pytree_node(Dropping, take_apart, lambda _, children: Dropping(*children))
    held = [fd.jit(lambda x: x.a * 2)]
    f = held[0]
    f(Dropping(1.0))
    f(Dropping(1.0))
    held.append(f)
    del f
    assert held.pop()(Dropping(np.float64(3.0))) == 6.0


def random_tree(rng, depth=3):
    """A container of leaves of any kind."""
    if depth == 0 or rng.random() < 0.35:
        return ARGUMENTS[rng.choice(LEAF_NAMES)]()
    children = [random_tree(rng, depth - 1) for _ in range(rng.integers(0, 4))]
    match rng.integers(0, 8):
        case 0:
            return children
        case 1:
            return tuple(children)
        case 2:
            return {f"k{i}": child for i, child in enumerate(children)}
        case 3:
            return Point(random_tree(rng, depth - 1), None)
        case 4:
            return Layer(random_tree(rng, depth - 1), None, str(rng.choice(["a", "b"])))
        case 5:
            return Pair(random_tree(rng, depth - 1), 1.0, int(rng.integers(0, 2)))
        case 6:
            return collections.OrderedDict((f"k{i}", child) for i, child in enumerate(children))
    return dict(enumerate(children))


LEAF_NAMES = ("float", "int", "bool", "complex", "scalar", "array", "2-d", "float32", "0-d", "strided", "swapped")


@pytest.mark.one_in(4)
@pytest.mark.parametrize("seed", range(4))
def test_random_containers_in_turn(seed):
    rng = np.random.default_rng(seed)
    trees = [random_tree(rng) for _ in range(14)]
    trees += [[tree] for tree in trees[:4]]  # alike but for the outermost container

    def f(x, *, scale=2, mode="plain"):
        doubled = tree.map(lambda leaf: leaf * scale, x)
        return (doubled, 1.0) if mode == "plain" else [doubled]

    fast = fd.jit(f, static_argnames=("scale", "mode"))
    calls = [(x, {"scale": scale, "mode": mode}) for x in trees for scale in (2, 2.0) for mode in ("plain", "list")]
    arrays = [leaf for x in trees for leaf in tree.flatten(x)[0] if type(leaf) is np.ndarray]
    before = [sys.getrefcount(a) for a in arrays]
    for k in rng.permutation(len(calls) * 3) % len(calls):
        x, options = calls[k]
        found, expected = fast(x, **options), f(x, **options)
        (a, structure), (b, wanted) = tree.flatten(found), tree.flatten(expected)
        assert structure == wanted
        for one, other in zip(a, b, strict=True):
            assert np.array_equal(one, other) and np.shape(one) == np.shape(other), (one, other)
    found = expected = a = b = one = other = x = None
    assert [sys.getrefcount(a) for a in arrays] == before
