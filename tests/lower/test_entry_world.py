"""What entries find in places, and the checks that they make: both entries, at each call."""

from __future__ import annotations

import gc
import sys
import types

import numpy as np
import pytest

from functad import config
from functad.lower.entry.make import make_entry
from functad.lower.entry.places import ABSENT, CellContent, DictItem, Fixed, FunctionCode, InForce, Unwritten
from functad.lower.entry.signature import Container, Hidden, Leaf, Signature
from functad.lower.entry.unchanged import Unchanged
from tests.lower import drivers

F8 = np.dtype("float64")
VECTOR, FLOAT, INT = Leaf("array", F8, (3,)), Leaf("python_float", F8), Leaf("python_int", np.dtype("int64"))
SLOW = object()


@pytest.fixture(params=["native", "ctypes"], autouse=True)
def kind(request):
    """Every test runs with both entries."""
    with config.entry(request.param):
        yield request.param


def entry_of(*args, hidden=(), checks=()):
    """An entry that gives all its inputs, the hidden ones last, as a tuple."""
    leaves = (*args, *[h.leaf for h in hidden])
    signature = Signature(args, Container("tuple", leaves), tuple(hidden), tuple(checks))
    return make_entry(signature, drivers.identity(signature), lambda *a: SLOW, print)


def test_an_array_of_ones_own():
    w = np.arange(3.0)
    entry = entry_of(FLOAT, hidden=[Hidden(Fixed(w), VECTOR)])
    for _ in range(2):
        x, read = entry(1.5)
        assert x == 1.5 and read.tolist() == w.tolist() and not np.shares_memory(read, w)
        w += 1.0
    w.shape = (3, 1)
    assert entry(1.5) is SLOW
    w.shape = (3,)
    assert entry(1.5) is not SLOW and entry(1) is SLOW
    w.dtype = np.int64
    assert entry(1.5) is SLOW


@pytest.mark.parametrize("size", [1, 3, 40])
def test_many_arrays_behind_containers(size):
    hidden = tuple([Hidden(Fixed(np.full(3, float(i))), VECTOR) for i in range(size)])
    signature = Signature(
        (Container("list", (VECTOR, FLOAT)),), Container("tuple", (VECTOR, FLOAT, *[VECTOR] * size)), hidden
    )
    entry = make_entry(signature, drivers.identity(signature), lambda *a: SLOW, print)
    found = entry([np.ones(3), 2.0])
    assert found[1] == 2.0 and [f[0] for f in found[2:]] == [float(i) for i in range(size)]
    assert entry((np.ones(3), 2.0)) is SLOW


def test_a_closure_cell():
    cell = types.CellType(2.0)
    entry = entry_of(INT, hidden=[Hidden(CellContent(cell), FLOAT)])
    assert entry(1) == (1, 2.0)
    cell.cell_contents = 7.5
    assert entry(1) == (1, 7.5)
    cell.cell_contents = 7
    assert entry(1) is SLOW
    del cell.cell_contents
    assert entry(1) is SLOW and CellContent(cell).get() is ABSENT


def test_an_item_of_a_dict():
    names = {"rate": 2.0, "other": None}
    entry = entry_of(INT, hidden=[Hidden(DictItem(names, "rate"), FLOAT)])
    assert entry(1) == (1, 2.0)
    names["rate"] = 7.5
    names.update({str(i): i for i in range(100)})  # its table moves
    assert entry(1) == (1, 7.5)
    del names["rate"]
    assert entry(1) is SLOW


@pytest.mark.parametrize("make", [lambda w: CellContent(types.CellType(w)), lambda w: DictItem({"w": w}, "w")])
def test_arrays_in_places_are_held_during_the_call(make):
    w = np.arange(3.0)
    entry = entry_of(hidden=[Hidden(make(w), VECTOR)])
    before = sys.getrefcount(w)
    for _ in range(5):
        assert entry()[0].tolist() == [0.0, 1.0, 2.0]
    assert sys.getrefcount(w) == before
    w.shape = (1, 3)
    assert entry() is SLOW and sys.getrefcount(w) == before


def test_places_that_hold_what_they_held():
    one, other = object(), object()
    cell, names, more = types.CellType(one), {"it": one, "number": 0.5}, {"a": "b"}

    def function():
        pass

    code = function.__code__
    held = {
        CellContent(cell): one, DictItem(names, "it"): one, DictItem(names, "number"): 0.5,
        DictItem(names, "none"): ABSENT, DictItem(more, "a"): "b", FunctionCode(function): code,
        CellContent(types.CellType()): ABSENT,
    }  # fmt: skip
    entry = entry_of(FLOAT, checks=[Unchanged(held)])

    def check_only(change, back):
        for _ in range(2):
            assert entry(1.0) == (1.0,)
            change()
            assert entry(1.0) is SLOW
            back()
            assert entry(1.0) == (1.0,)

    check_only(lambda: setattr(cell, "cell_contents", other), lambda: setattr(cell, "cell_contents", one))
    check_only(lambda: names.update(it=other), lambda: names.update(it=one))
    check_only(lambda: names.pop("number"), lambda: names.update(number=0.5))
    check_only(lambda: names.update(none=None), lambda: names.pop("none"))
    check_only(lambda: more.clear(), lambda: more.update(a="b"))
    check_only(lambda: setattr(function, "__code__", (lambda: 1).__code__), lambda: setattr(function, "__code__", code))
    names.update({f"other{k}": k for k in range(100)})  # the table grows, and has another version each time
    assert entry(1.0) == (1.0,)


def test_an_equal_constant_takes_the_place_of_the_one_that_was_there(kind):
    names = {"number": float("0.5")}
    check = Unchanged({DictItem(names, "number"): names["number"]})
    entry = entry_of(FLOAT, checks=[check])
    for _ in range(3):
        names["number"] = float("0.5")
        if kind == "native":  # compares pointers, until the slow path has looked
            assert entry(1.0) is SLOW
        assert check.holds() and entry(1.0) == (1.0,)
    names["number"] = -0.5
    assert not check.holds() and entry(1.0) is SLOW


@pytest.mark.one_in(2)
def test_what_is_held_lives_as_long_as_the_entry():
    cell, names = types.CellType(object()), {"it": object()}
    entry = entry_of(
        FLOAT, checks=[Unchanged({CellContent(cell): cell.cell_contents, DictItem(names, "it"): names["it"]})]
    )
    assert entry(1.0) == (1.0,)
    cell.cell_contents, names["it"] = None, None
    gc.collect()
    for _ in range(100):  # none of these may lie where those were
        cell.cell_contents, names["it"] = object(), object()
        assert entry(1.0) is SLOW


def test_flags_in_force():
    entry = entry_of(FLOAT, checks=[InForce(config.settings())])
    assert entry(1.0) == (1.0,)
    with config.threads(3):
        assert entry(1.0) is SLOW
        inside = entry_of(FLOAT, checks=[InForce(config.settings())])
        assert inside(1.0) == (1.0,)
    assert entry(1.0) == (1.0,) and inside(1.0) is SLOW


ARRAYS = {
    "vector": lambda: np.arange(1.0, 4.0),
    "no axes": lambda: np.array(2.5),
    "empty": lambda: np.zeros((0, 3)),
    "matrix by columns": lambda: np.arange(6.0).reshape(2, 3).T,
    "reversed": lambda: np.arange(6.0)[::-1],
    "strided": lambda: np.arange(12, dtype=np.int32).reshape(3, 4)[1:, ::-2],
    "broadcast": lambda: np.broadcast_to(np.arange(3.0), (2, 3)),
    "swapped": lambda: np.arange(3.0).astype(">f8"),
    "text": lambda: np.array(["a", "b"]),
}


@pytest.mark.parametrize("seed", range(40))
def test_views_of_any_kind_are_compared_element_by_element(seed):
    rng = np.random.default_rng(seed)
    base = np.arange(4 * 5 * 6, dtype=rng.choice(["f8", "i2", "c16"])).reshape(4, 5, 6)
    index = tuple([slice(int(rng.integers(0, 2)), None, int(rng.choice([1, 1, 2, -1]))) for _ in range(3)])
    w = base.transpose(rng.permutation(3))[index if rng.integers(2) else (*index[:2], 0)]
    entry = entry_of(FLOAT, checks=[Unwritten.since_now(w, True)])
    shown = np.zeros(base.size, bool)
    where = np.arange(base.size).reshape(4, 5, 6)
    first, strides = (address(w) - address(base)) // base.itemsize, [s * 8 // base.itemsize for s in w.strides]
    shown[np.lib.stride_tricks.as_strided(where.ravel()[first:], w.shape, strides)] = True
    for place in rng.permutation(base.size)[:40]:
        kept = base.flat[place]
        base.flat[place] = 1000
        assert (entry(1.0) is SLOW) == shown[place]
        base.flat[place] = kept
    assert entry(1.0) == (1.0,)


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("name", ARRAYS)
def test_unwritten_arrays(name):
    w, other = ARRAYS[name](), np.ones(5)
    entry = entry_of(
        FLOAT,
        checks=[Unwritten.since_now(other, True), Unwritten.since_now(w, True), Unwritten.since_now(other, False)],
    )
    assert entry(1.0) == (1.0,)
    if w.size:
        writeable = w.base if name == "broadcast" else w
        kept = writeable.flat[-1]
        writeable.flat[-1] = 77
        assert entry(1.0) is SLOW
        writeable.flat[-1] = kept
        assert entry(1.0) == (1.0,)
    other[4] = 2.0
    assert entry(1.0) is SLOW


def test_bits_are_compared():
    w = np.array([0.0, np.nan])
    entry = entry_of(FLOAT, checks=[Unwritten.since_now(w, True)])
    assert entry(1.0) == (1.0,)
    w[0] = -0.0
    assert entry(1.0) is SLOW


def test_arrays_shown_in_another_way():
    w = np.arange(6.0).reshape(2, 3)
    entry = entry_of(FLOAT, checks=[Unwritten.since_now(w, False)])
    w[:] = 7.0
    assert entry(1.0) == (1.0,)
    w.shape = (3, 2)
    assert entry(1.0) is SLOW
    w.shape = (2, 3)
    assert entry(1.0) == (1.0,)
    w.dtype = np.int64
    assert entry(1.0) is SLOW
    w.dtype = F8
    assert entry(1.0) == (1.0,)


@pytest.mark.one_in(2)
def test_what_is_looked_at_lives_as_long_as_the_entry():
    entry = entry_of(
        FLOAT, hidden=[Hidden(Fixed(np.arange(3.0)), VECTOR)], checks=[Unwritten.since_now(np.ones(1000), True)]
    )
    gc.collect()
    junk = [np.full(1000, 7.0) for _ in range(20)]
    assert entry(1.0)[1].tolist() == [0.0, 1.0, 2.0] and len(junk) == 20


def test_int_keys_are_no_bools():
    spec = Container("dict", (FLOAT, FLOAT), (1, 2))
    entry = entry_of(spec)
    assert entry({2: 0.5, 1: 1.5}) == ({1: 1.5, 2: 0.5},)
    assert entry({True: 1.5, 2: 0.5}) is SLOW and entry({1: 1.5, 2.0: 0.5}) is SLOW
