"""Both entries, emitted and ctypes: what they take, what they hand on, what they give, and that no reference or memory
is lost.
"""

from __future__ import annotations

import collections
import ctypes
import gc
import pickle
import sys
import threading
import time
import types
import weakref

import numpy as np
import pytest

from functad import config, recycled
from functad.errors import InternalError
from functad.lower.entry import abi
from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Container, Driver, Leaf, Signature, Static
from tests.lower import drivers

F8, I8, C16, B1 = (np.dtype(name) for name in ("float64", "int64", "complex128", "bool"))
VECTOR = Leaf("array", F8, (3,))
FLOAT, INT, BOOL, COMPLEX = (
    Leaf("python_float", F8),
    Leaf("python_int", I8),
    Leaf("python_bool", B1),
    Leaf("python_complex", C16),
)
NUMBER = Leaf("numpy_scalar", F8)
SLOW = object()  # what the slow path gives


@pytest.fixture(params=["native", "ctypes"], autouse=True)
def kind(request):
    """Every test runs with both entries."""
    with config.entry(request.param):
        yield request.param


def tuple_of(*children) -> Container:
    return Container("tuple", children)


def list_of(*children) -> Container:
    return Container("list", children)


def dict_of(**children) -> Container:
    return Container("dict", tuple(children.values()), tuple(children))


class Slow:
    """A slow path that keeps what it was called with."""

    def __init__(self):
        self.args, self.kwargs, self.calls = (), {}, 0

    def __call__(self, *args, **kwargs):
        self.args, self.kwargs = args, kwargs
        self.calls += 1
        return SLOW


def refuse(*args, **kwargs):
    raise AssertionError(f"slow path called with {args} {kwargs}")


def raise_value_error(code):
    raise ValueError(f"code {code}")


def identity(*args, slow=refuse, **fields):
    """An entry that gives a copy of its argument, or of all of them as a tuple."""
    signature = Signature(args, args[0] if len(args) == 1 else tuple_of(*args))
    return make_entry(signature, drivers.identity(signature, **fields), slow, raise_value_error)


def sum_scale(n=3, slow=refuse, text=drivers.SUM_SCALE, **fields):
    """(x, s) -> (sum(x), s * x)"""
    vector = Leaf("array", F8, (n,))
    signature = Signature((vector, FLOAT), tuple_of(FLOAT, vector))
    return make_entry(signature, drivers.driver(text, sizes=(n,), **fields), slow, raise_value_error)


# Arguments and results that fit.


def test_kind_of_entry(kind):
    assert isinstance(identity(VECTOR), types.BuiltinFunctionType if kind == "native" else types.FunctionType)


def test_sum_and_scale():
    total, scaled = sum_scale()(np.array([1.0, 2.0, 4.0]), 0.5)
    assert type(total) is float and total == 7.0
    assert type(scaled) is np.ndarray and scaled.tolist() == [0.5, 1.0, 2.0]
    assert scaled.flags.owndata and scaled.flags.writeable and scaled.dtype is F8


def test_specialisations_of_one_structure_do_not_mix():
    entries = {n: sum_scale(n) for n in (0, 1, 2, 5, 100)}
    for n, entry in entries.items():
        total, scaled = entry(np.arange(float(n)), 2.0)
        assert total == n * (n - 1) / 2 and scaled.tolist() == (2 * np.arange(float(n))).tolist()


@pytest.mark.parametrize("name", ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32",
                                  "float64", "complex64", "complex128"])  # fmt: skip
def test_every_dtype(name):
    dtype = np.dtype(name)
    values = np.array([[0, 1, 3], [100, 7, 2]]).astype(dtype)
    array, scalar = identity(Leaf("array", dtype, (2, 3)), Leaf("numpy_scalar", dtype))(values, values[1, 1])
    assert array.dtype is dtype and np.array_equal(array, values) and not np.shares_memory(array, values)
    assert type(scalar) is dtype.type and scalar == values[1, 1]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 3, 4), (1, 2, 1, 3, 1, 2)])
def test_every_rank(shape):
    values = np.arange(float(np.prod(shape))).reshape(shape)
    copy = identity(Leaf("array", F8, shape))(values)
    assert type(copy) is np.ndarray and copy.shape == shape and np.array_equal(copy, values)


@pytest.mark.parametrize(
    ("leaf", "value"),
    [(FLOAT, -0.0), (FLOAT, float("nan")), (FLOAT, 5e-324), (INT, 0), (INT, -(2**63)), (INT, 2**63 - 1), (BOOL, True),
        (BOOL, False),
     (COMPLEX, complex(1, -0.0)), (COMPLEX, complex("nan+infj"))],
)  # fmt: skip
def test_python_scalars(leaf, value):
    result = identity(leaf)(value)
    assert type(result) is type(value) and repr(result) == repr(value)


@pytest.mark.parametrize("value", [0, -3, 2**53 + 1, 10**300, -(2**80)])
def test_python_int_as_float64(value):
    signature = Signature((Leaf("python_int", F8),), FLOAT)
    assert make_entry(signature, drivers.identity(signature), refuse, raise_value_error)(value) == float(value)


def test_numpy_bools_are_the_singletons():
    entry = identity(Leaf("numpy_scalar", B1))
    assert entry(np.True_) is np.True_ and entry(np.False_) is np.False_


STRUCTURES = [
    (tuple_of(), ()),
    (list_of(), []),
    (dict_of(), {}),
    (Static(None), None),
    (tuple_of(Static(None), tuple_of(Static(Ellipsis), FLOAT), Static(None)), (None, (Ellipsis, 1.5), None)),
    (list_of(FLOAT, list_of(INT, list_of(BOOL))), [1.5, [2, [True]]]),
    (dict_of(b=dict_of(z=FLOAT, a=dict_of(y=INT)), a=FLOAT, c=dict_of(x=INT)),
        {"a": 2.5, "b": {"a": {"y": 7}, "z": 1.5}, "c": {"x": 8}}),
    (Container("dict", (FLOAT, INT, BOOL), (1, (2, "x"), None)), {1: 0.5, (2, "x"): 3, None: False}),
    (tuple_of(dict_of(a=list_of(tuple_of(INT), FLOAT)), Static(None), list_of(dict_of(k=Static(None)))),
     ({"a": [(4,), 0.25]}, None, [{"k": None}])),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "value"), STRUCTURES, ids=lambda x: repr(x)[:40])
def test_containers(spec, value):
    result = identity(spec)(value)
    assert type(result) is type(value) and repr(result) == repr(
        value if spec.__class__ is Static else _in_order(spec, value)
    )


def _in_order(spec, value):
    """A dict of a result has the order of the signature's keys."""
    if not isinstance(spec, Container):
        return value
    if spec.kind == "dict":
        return {key: _in_order(child, value[key]) for key, child in zip(spec.parts, spec.children)}
    return type(value)(_in_order(child, item) for child, item in zip(spec.children, value))


def test_arrays_in_containers():
    spec = dict_of(w=VECTOR, layers=list_of(tuple_of(VECTOR, NUMBER), dict_of(b=VECTOR)))
    a, b, c = (np.arange(3.0) + k for k in range(3))
    result = identity(spec)({"layers": [(b, np.float64(5)), {"b": c}], "w": a})
    assert list(result) == ["w", "layers"]
    assert (
        np.array_equal(result["w"], a)
        and np.array_equal(result["layers"][0][0], b)
        and np.array_equal(result["layers"][1]["b"], c)
    )
    assert result["layers"][0][1] == 5 and type(result["layers"][0][1]) is np.float64


def test_static_argument_is_compared_by_identity():
    token, slow = object(), Slow()
    entry = identity(Static(token), FLOAT, slow=slow)
    assert entry(token, 1.0) == (token, 1.0)
    assert entry(object(), 1.0) is SLOW


def test_constants_follow_the_arguments():
    signature = Signature((FLOAT,), tuple_of(FLOAT, VECTOR, NUMBER))
    constants = (np.array([7.0, 8.0, 9.0]), np.full((), 11.0))
    text = drivers.copier((FLOAT, VECTOR, NUMBER))
    x, vector, number = make_entry(signature, drivers.driver(text, constants=constants), refuse, raise_value_error)(1.5)
    assert (x, vector.tolist(), number) == (1.5, [7.0, 8.0, 9.0], 11.0)


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        (np.zeros((4, 4))[:, 1], "not a C-contiguous native array"),
        (np.zeros(3, ">f8"), "native array"),
        (np.float64(1), "float64, not ndarray"),
    ],
)
def test_constants_that_have_no_address_of_their_own(constant, message):
    with pytest.raises(InternalError, match=message):
        identity(VECTOR, constants=(constant,))


def test_many_leaves():
    spec = list_of(*[FLOAT] * 300, *[VECTOR] * 100)
    value = [*map(float, range(300)), *[np.full(3, float(k)) for k in range(100)]]
    result = identity(spec)(value)
    assert result[:300] == value[:300] and all(np.array_equal(x, y) for x, y in zip(result[300:], value[300:]))


def test_more_pointers_than_fit_on_the_stack():
    constants = tuple(np.full((), float(k)) for k in range(5000))
    signature = Signature((), FLOAT)
    text = drivers.copier((FLOAT,)).replace(
        "getelementptr ptr, ptr %inputs, i64 0", "getelementptr ptr, ptr %inputs, i64 4321"
    )
    assert make_entry(signature, drivers.driver(text, constants=constants), refuse, raise_value_error)() == 4321.0


@pytest.mark.parametrize(
    "value",
    [
        np.array([1.0, 2.0, 3.0]),
        np.array([0.0, 1.0, 2.0, 3.0, 9.0])[1:4],
        np.arange(9.0).reshape(3, 3)[1],
        np.asarray([1.0, 2.0, 3.0], dtype="=f8"),
        np.frombuffer(np.arange(3.0).tobytes()),
        pickle.loads(pickle.dumps(np.arange(3.0))),
        np.arange(6.0)[::2].reshape(1, 3).copy()[0],
    ],
    ids=["plain", "slice", "row", "byteorder", "read-only", "unpickled", "copy"],
)
def test_arrays_that_are_taken(value):
    assert identity(VECTOR)(value).tolist() == value.tolist()


def test_axes_of_length_one_may_have_any_strides():
    value = np.arange(12.0).reshape(3, 4)[::3, :3][:, ::1].reshape(1, 3)
    assert identity(Leaf("array", F8, (1, 3)))(value[:, :]).tolist() == value.tolist()


# Arguments that do not fit.


class Subclass(np.ndarray):
    pass


class Float(float):
    pass


NOT_A_VECTOR = {
    "float32": np.zeros(3, np.float32), "int64": np.zeros(3, np.int64), "complex": np.zeros(3, complex),
    "object": np.zeros(3, object), "longer": np.zeros(4), "shorter": np.zeros(2),
    "empty": np.zeros(0), "0-d": np.zeros(()), "2-d": np.zeros((1, 3)), "column": np.zeros((3, 1)),
    "structured": np.zeros(3, [("a", "f8")]),
    "datetime": np.zeros(3, "m8[s]"), "memory map": np.zeros(3).view(np.memmap), "masked": np.ma.zeros(3),
    "subclass": np.zeros(3).view(Subclass), "list": [1.0, 2.0, 3.0], "tuple": (1.0, 2.0, 3.0), "None": None,
    "float": 1.0, "numpy scalar": np.float64(1), "str": "abc", "type": np.ndarray,
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_A_VECTOR)
def test_arrays_that_are_not_taken(name):
    value, slow = NOT_A_VECTOR[name], Slow()
    entry = identity(VECTOR, VECTOR, slow=slow)
    good = np.zeros(3)
    for args in ((value, good), (good, value)):
        assert entry(*args) is SLOW
        assert all(x is y for x, y in zip(slow.args, args, strict=True)) and slow.kwargs == {}


LAYOUTS = {
    "strided": np.arange(6.0)[::2], "negative stride": np.arange(3.0)[::-1],
    "column": np.arange(6.0).reshape(3, 2)[:, 1],
    "broadcast": np.broadcast_to(np.ones(1), (3,)), "misaligned": np.arange(25, dtype=np.int8)[1:].view(np.float64),
    "field": np.ones(3, [("a", "i4"), ("b", "f8")])["b"], "big-endian": np.arange(3, dtype=">f8"),
    "F": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "rows": np.arange(12.0).reshape(4, 3)[::2],
    "transposed": np.arange(6.0).reshape(3, 2).T, "read-only": np.broadcast_to(np.arange(3.0), (2, 3)),
    "big-endian and transposed": np.arange(6, dtype=">f8").reshape(3, 2).T,
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_that_are_copied(name):
    value = LAYOUTS[name]
    leaf, good = Leaf("array", F8, value.shape), np.ones(value.shape)
    before = sys.getrefcount(value)
    for args in ((value, good), (good, value), (value, value)):
        for result, arg in zip(identity(leaf, leaf)(*args), args, strict=True):
            assert result.tobytes() == arg.astype(np.float64, "C").tobytes() and result.dtype is F8
    assert identity(list_of(leaf, FLOAT))([value, 2.0])[0].tolist() == value.tolist()
    del args, arg
    assert sys.getrefcount(value) == before


@pytest.mark.one_in(2)
def test_copies_do_not_leak(kind):
    odd, slow = np.zeros((3, 2)).T, Slow()
    leaf = Leaf("array", F8, (2, 3))
    entry, failing = identity(leaf, leaf, slow=slow), Signature((INT, leaf), tuple_of(leaf))
    failing = make_entry(failing, drivers.driver(drivers.FAIL), refuse, raise_value_error)

    def run():
        entry(odd, odd)
        entry(odd, np.zeros((3, 2)))  # does not fit, whatever is copied
        with pytest.raises(ValueError):
            failing(1, odd)

    assert leaked(run, 1_000) < 200


@pytest.mark.parametrize(
    ("leaf", "values"),
    [
        (FLOAT, [1, True, 1j, "1", None, np.float64(1), np.float32(1), np.zeros(()), Float(1)]),
        (INT, [1.0, True, 2**63, -(2**63) - 1, 10**100, np.int64(1), np.zeros((), int), None]),
        (Leaf("python_int", F8), [1.0, True, 10**400, np.int64(1)]),
        (BOOL, [0, 1, 1.0, np.True_, None]),
        (COMPLEX, [1, 1.0, np.complex128(1), None]),
        (NUMBER, [1, 1.0, np.float32(1), np.zeros(()), np.zeros(1), None]),
        (Leaf("array", F8, ()), [1.0, np.float64(1), np.zeros(1)]),
        (Static(None), [0, False, (), np.zeros(3)]),
    ],
    ids=["float", "int", "int as float64", "bool", "complex", "numpy scalar", "0-d array", "None"],
)
def test_scalars_that_are_not_taken(leaf, values):
    slow = Slow()
    entry = identity(leaf, slow=slow)
    for value in values:
        assert entry(value) is SLOW and slow.args[0] is value


class Dict(dict):
    pass


class List(list):
    pass


Pair = collections.namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (dict_of(a=FLOAT, b=INT), [{}, {"a": 1.0}, {"a": 1.0, "c": 1}, {"a": 1.0, "b": 1, "c": 2}, {"a": 1, "b": 1},
            Dict(a=1.0, b=1),
                                   collections.OrderedDict(a=1.0, b=1), collections.defaultdict(int, a=1.0), (1.0, 1),
                                   None,
                                   types.MappingProxyType({"a": 1.0, "b": 1})]),
        (tuple_of(FLOAT, INT), [(), (1.0,), (1.0, 1, 1), [1.0, 1], Pair(1.0, 1), {"a": 1.0, "b": 1}, None, (1, 1.0)]),
        (list_of(FLOAT, INT), [[], [1.0], [1.0, 1, 1], (1.0, 1), List([1.0, 1]), None, [1, 1.0], np.zeros(2)]),
        (dict_of(a=list_of(VECTOR, dict_of(b=VECTOR))), [{"a": [np.zeros(3), {"b": np.zeros(2)}]}, {"a": [np.zeros(3),
            {"c": np.zeros(3)}]},
                                                         {"a": [np.zeros(3), np.zeros(3)]}, {"a": np.zeros(3)}]),
    ],
    ids=["dict", "tuple", "list", "nested"],
)  # fmt: skip
def test_containers_that_are_not_taken(spec, values):
    slow = Slow()
    entry = identity(spec, slow=slow)
    for value in values:
        before = _references(value)
        assert entry(value) is SLOW and slow.args[0] is value
        slow.args = ()
        assert _references(value) == before


def _references(value) -> list[int]:
    """Reference counts of everything in a container but small integers, which all of Python shares."""
    if type(value) is int:
        return []
    counts = [sys.getrefcount(value)]
    if isinstance(value, dict):
        counts += [n for item in list(value.values()) for n in _references(item)]
    elif isinstance(value, (list, tuple)):
        counts += [n for item in value for n in _references(item)]
    return counts


@pytest.mark.parametrize("args", [(), (1.0,), (1.0, 2.0, 3.0)])
def test_wrong_number_of_arguments(args):
    slow = Slow()
    assert identity(FLOAT, FLOAT, slow=slow)(*args) is SLOW and slow.args == args


def test_keyword_arguments_reach_the_slow_path():
    slow = Slow()
    entry = identity(FLOAT, FLOAT, slow=slow)
    assert entry(1.0, y=2.0) is SLOW and (slow.args, slow.kwargs) == ((1.0,), {"y": 2.0})
    assert entry(1.0, 2.0, z=3.0) is SLOW and (slow.args, slow.kwargs) == ((1.0, 2.0), {"z": 3.0})
    nothing: dict = {}
    assert entry(*(1.0, 2.0), **nothing) == (1.0, 2.0)


def test_exception_of_the_slow_path_passes_through():
    def slow(*args):
        raise KeyError("from the slow path")

    with pytest.raises(KeyError, match="from the slow path"):
        identity(FLOAT, slow=slow)("no float")


def test_an_array_that_changes_between_calls():
    slow = Slow()
    entry = identity(VECTOR, slow=slow)
    x = np.arange(3.0)
    assert entry(x).tolist() == [0.0, 1.0, 2.0]
    x[:] = 5.0
    assert entry(x).tolist() == [5.0, 5.0, 5.0]
    x.resize(2, refcheck=False)
    assert entry(x) is SLOW
    x.resize(3, refcheck=False)
    assert entry(x).tolist() == [5.0, 5.0, 0.0]
    x.resize((1, 3), refcheck=False)
    assert entry(x) is SLOW
    x.resize(3, refcheck=False)
    assert entry(x).tolist() == [5.0, 5.0, 0.0]


# Code that runs during the call.


class Hostile:
    """A key with the hash of "a", whose comparison runs ``action``."""

    def __init__(self, action):
        self.action = action

    def __hash__(self):
        return hash("a")

    def __eq__(self, other):
        self.action()
        return False


def test_keys_that_raise_lead_to_the_slow_path():
    def fail():
        raise ZeroDivisionError

    slow = Slow()
    entry = identity(dict_of(a=FLOAT, b=FLOAT), slow=slow)
    value = {Hostile(fail): 1.0, "b": 2.0}
    assert entry(value) is SLOW and slow.args[0] is value
    entry(value)
    assert entry({"a": 1.0, "b": 2.0}) == {"a": 1.0, "b": 2.0}


@pytest.mark.one_in(2)
def test_keys_that_drop_what_was_found_already():
    # "x" is found first; then looking for "a" runs code that takes everything out of the containers and reuses their
    # memory.
    def action():
        outer.clear()
        outer["x"] = 1.0
        gc.collect()
        churn.extend(np.full(3, -1.0) for _ in range(100))

    churn: list = []
    inner = {Hostile(action): np.zeros(3), "q": np.zeros(3)}
    outer = {"x": [np.arange(3.0), np.arange(3.0)], "y": inner}
    slow = Slow()
    entry = identity(dict_of(x=list_of(VECTOR, VECTOR), y=dict_of(a=VECTOR, q=VECTOR)), slow=slow)
    del inner
    assert entry(outer) is SLOW
    assert outer == {"x": 1.0}


@pytest.mark.one_in(2)
def test_items_of_a_list_that_shrinks_meanwhile():
    def action():
        items.clear()
        gc.collect()
        churn.extend(np.full(3, -1.0) for _ in range(100))

    class Equal(Hostile):
        __hash__ = Hostile.__hash__

        def __eq__(self, other):
            self.action()
            return True

    churn: list = []
    items = [{Equal(action): np.arange(3.0)}, np.arange(3.0) + 10, 1.5, "static"]
    static = items[3]
    result = identity(list_of(dict_of(a=VECTOR), VECTOR, FLOAT, Static(static)))(items)
    assert (
        items == [] and result[0]["a"].tolist() == [0, 1, 2] and result[1].tolist() == [10, 11, 12] and result[2] == 1.5
    )


@pytest.mark.parametrize("container", ["dict", "list"])
def test_an_array_dropped_from_its_container_while_the_driver_runs(container):
    vector = Leaf("array", F8, (1000,))
    spec = dict_of(x=vector, s=FLOAT) if container == "dict" else list_of(vector, FLOAT)
    signature = Signature((spec,), tuple_of(FLOAT, vector))
    driver = drivers.driver(drivers.SLOW_SUM_SCALE, sizes=(1000,), release_gil=True)
    entry = make_entry(signature, driver, refuse, raise_value_error)
    value = {"x": np.ones(1000), "s": 2.0} if container == "dict" else [np.ones(1000), 2.0]
    done = []
    thread = threading.Thread(target=lambda: done.append(entry(value)))
    thread.start()
    time.sleep(0.02)  # the driver sleeps for 0.05 s, without the GIL
    value.clear()
    churn = [np.full(1000, -1.0) for _ in range(10)]
    thread.join()
    assert done[0][0] == 1000.0 and np.all(done[0][1] == 2.0) and len(churn) == 10


# Errors.


def test_error_code_is_raised():
    vector = Leaf("array", F8, (1000,))
    signature = Signature((INT, dict_of(x=vector)), tuple_of(vector, FLOAT, vector))
    entry = make_entry(signature, drivers.driver(drivers.FAIL), refuse, raise_value_error)
    x = np.zeros(1000)
    value = {"x": x}
    before = sys.getrefcount(x)
    for code in (1, 7, 2**31 - 1, -2):
        with pytest.raises(ValueError, match=f"^code {code}$"):
            entry(code, value)
    assert sys.getrefcount(x) == before
    assert len(entry(0, value)) == 3


def test_error_for_which_nothing_is_raised():
    signature = Signature((INT,), FLOAT)
    entry = make_entry(signature, drivers.driver(drivers.FAIL), refuse, lambda code: None)
    with pytest.raises(InternalError, match="error code 3"):
        entry(3)


def test_result_that_does_not_fit_into_memory():
    vector, monster = Leaf("array", F8, (1000,)), Leaf("array", F8, (2**45,))
    signature = Signature((dict_of(x=vector),), tuple_of(vector, monster))
    entry = make_entry(signature, drivers.driver(drivers.FAIL), refuse, raise_value_error)
    x = np.zeros(1000)
    before = sys.getrefcount(x)
    for _ in range(3):
        with pytest.raises(MemoryError):
            entry({"x": x})
    assert sys.getrefcount(x) == before


# References and memory.


def leaked(run, calls=5_000) -> int:
    """How many memory blocks of Python so many calls leave behind."""
    for _ in range(100):
        run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(calls):
        run()
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.one_in(2)
def test_nothing_leaks_on_success():
    spec = tuple_of(
        dict_of(a=VECTOR, b=list_of(VECTOR, NUMBER, INT)),
        FLOAT,
        COMPLEX,
        BOOL,
        Static(None),
        VECTOR,
        Leaf("numpy_scalar", B1),
    )
    x, big = np.arange(3.0), 10**15
    value = ({"a": x, "b": [x, np.float64(2), big]}, 1.5, 1j, True, None, x, np.True_)
    entry = identity(spec)
    before = _references(value)
    assert leaked(lambda: entry(value)) < 500  # in 5 000 calls
    assert all(
        abs(now - then) < 500 for now, then in zip(_references(value), before, strict=True)
    )  # others use None, too


def test_results_have_one_owner():
    array, (scalar, nested) = identity(tuple_of(VECTOR, tuple_of(FLOAT, dict_of(a=VECTOR))))(
        (np.zeros(3), (1.5, {"a": np.zeros(3)}))
    )
    (inner,) = nested.values()
    nested.clear()
    counts = [sys.getrefcount(array), sys.getrefcount(scalar), sys.getrefcount(nested), sys.getrefcount(inner)]
    assert counts == [2, 2, 2, 2]  # one is the argument of getrefcount


@pytest.mark.one_in(2)
def test_nothing_leaks_on_mismatch_and_error():
    x = np.zeros(3)
    good, bad = {"a": x, "b": [x]}, {"a": x, "b": [x, x]}
    entry = identity(dict_of(a=VECTOR, b=list_of(VECTOR)), slow=lambda value: None)
    signature = Signature((INT, list_of(VECTOR)), tuple_of(VECTOR, FLOAT))
    failing = make_entry(signature, drivers.driver(drivers.FAIL), refuse, raise_value_error)

    def run():
        entry(good)
        entry(bad)
        with pytest.raises(ValueError):
            failing(1, [x])

    before = sys.getrefcount(x)
    assert leaked(run, 1_000) < 200
    assert sys.getrefcount(x) == before


@pytest.mark.one_in(2)
def test_an_entry_in_a_cycle_is_collected(kind):
    class Owner:
        def slow(self, *args):
            return args

    owner = Owner()
    library = drivers.code(drivers.copier((FLOAT,)))
    owner.entry = make_entry(
        Signature((FLOAT,), FLOAT), Driver(library.address("run"), keep=(library, owner)), owner.slow, raise_value_error
    )
    assert owner.entry(1.5) == 1.5 and owner.entry("x") == ("x",)
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None


@pytest.mark.one_in(2)
def test_what_cpython_reads_of_an_entry_lives_until_the_collector_frees_it():
    """The collector empties the objects of a cycle one by one, oldest first; what CPython knows by its address is no
    such object."""
    seen = []

    class Look:
        def __del__(self):
            seen.append(ctypes.string_at(method, 32))

    with config.entry("native"):
        entry, cycle = identity(FLOAT), []
    method = ctypes.c_void_p.from_address(id(entry) + object.__basicsize__).value  # PyMethodDef
    before = ctypes.string_at(method, 32)
    # The list is emptied after what the entry consists of, and from its end: Look looks while the entry still lives.
    cycle += [cycle, entry, np.array([Look()], object)]
    del cycle, entry
    gc.collect()
    assert seen == [before]


@pytest.mark.one_in(2)
def test_an_entry_keeps_its_parts_alive():
    entry = sum_scale(4)
    gc.collect()
    assert entry(np.ones(4), 2.0)[0] == 4.0


@pytest.mark.parametrize("release_gil", [False, True])
def test_eight_threads(release_gil):
    n = 1000
    entry = sum_scale(n, release_gil=release_gil)
    wrong = []

    def work(k):
        x = np.full(n, float(k))
        for _ in range(300):
            total, scaled = entry(x, 2.0)
            if total != n * k or scaled[0] != 2 * k or scaled[-1] != 2 * k:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_gil_is_released_by_size_or_on_demand():
    def overlap(entry, n):
        x = np.ones(n)
        start = time.perf_counter()
        threads = [threading.Thread(target=entry, args=(x, 1.0)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    slow = drivers.SLOW_SUM_SCALE  # sleeps 0.05 s
    assert overlap(sum_scale(10, text=slow), 10) > 0.19
    assert overlap(sum_scale(10, text=slow, release_gil=True), 10) < 0.15
    assert overlap(sum_scale(60_000, text=slow), 60_000) < 0.15


# Large recycled.


def test_large_results_are_recycled():
    n = recycled.POOLED_BYTES // 8 + 1000
    signature = Signature((FLOAT,), Leaf("array", F8, (n,)))
    entry = make_entry(signature, drivers.driver(drivers.copier((FLOAT,))), refuse, raise_value_error)
    first = entry(1.0)
    second = entry(2.0)
    assert first.shape == (n,) and first.dtype is F8 and first.flags.carray and first.ctypes.data % 64 == 0
    assert (first[0], second[0]) == (1.0, 2.0)
    view = first[5:10]
    address = first.ctypes.data
    del first
    assert entry(3.0).ctypes.data != address  # a view still needs it
    del view
    assert address in (entry(4.0).ctypes.data, entry(5.0).ctypes.data)
    assert second[0] == 2.0


def test_idle_memory_is_limited(monkeypatch):
    monkeypatch.setattr(recycled._Lease.__del__, "__defaults__", (recycled._idle, 100 << 20))
    arrays = [recycled.allocator((5 << 20,), F8)() for _ in range(5)]  # 40 MB each, never touched
    arrays.clear()
    assert 0 < recycled.idle_bytes() <= 100 << 20


# Choice of the entry.


def test_an_unknown_interpreter_gets_the_ctypes_entry(monkeypatch):
    monkeypatch.setattr(abi, "verified", lambda: False)
    assert isinstance(identity(FLOAT), types.FunctionType)


def test_this_interpreter_is_known():
    assert abi.verified()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("OB_TYPE", 0), ("VAR_SIZE", 8), ("TUPLE_ITEMS", 16), ("LIST_ITEMS", 32), ("BYTES_DATA", 24), ("FLOAT_VALUE", 8),
        ("COMPLEX_VALUE", 8),
     ("SCALAR_VALUE", 8), ("ARRAY_DATA", 48), ("ARRAY_NDIM", 28), ("ARRAY_DIMS", 40), ("ARRAY_DESCR", 48),
     ("ARRAY_FLAGS", 68),
     ("DESCR_BYTEORDER", 24)],
)  # fmt: skip
def test_every_wrong_offset_is_noticed(monkeypatch, name, wrong):
    monkeypatch.setattr(abi, name, wrong)
    assert not abi.verified.__wrapped__()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Leaf("python_float", I8), "a python_float leaf has dtype float64, not int64"),
        (lambda: Leaf("numpy_scalar", F8, (3,)), r"a numpy_scalar leaf has shape \(\), not \(3,\)"),
        (lambda: Leaf("array", np.dtype(">f8"), (3,)), "no dtype dtype\\('>f8'\\)"),
        (lambda: Leaf("array", np.dtype("O"), (3,)), "no dtype dtype\\('O'\\)"),
    ],
)
def test_leaves_that_cannot_be(make, message):
    with pytest.raises(InternalError, match=message):
        make()
