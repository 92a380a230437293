"""Objects with entries for several kinds of call: which entry serves, what happens where none does, and where CPython
cannot find machine code in an object.
"""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import pytest

from functad import config
from functad.lower.entry import abi, called
from functad.lower.entry.called import CalledNatively, called_natively, mismatch
from functad.lower.entry.make import make_entry
from functad.lower.entry.signature import Container, Leaf, Signature
from functad.lower.entry.statics import plan_of, same_as_plan
from tests.lower import drivers

F8 = np.dtype("float64")
FLOAT, INT = Leaf("python_float", F8), Leaf("python_int", np.dtype("int64"))


class Plain(CalledNatively):
    """Called by Python code."""

    def call_without_entry(self, args, kwargs):
        return "none", args, kwargs


@called_natively
class Native(Plain):
    """Called by machine code."""


def identity(*args):
    signature = Signature(args, args[0] if len(args) == 1 else Container("tuple", args))
    return make_entry(signature, drivers.identity(signature), mismatch, print)


@pytest.fixture(params=[Plain, Native])
def f(request):
    return request.param()


def test_a_call_goes_to_the_entry_that_it_fits(f):
    assert f(1.0, x=2) == ("none", (1.0,), {"x": 2}) and f() == ("none", (), {})
    vectors = [Leaf("array", F8, (n,)) for n in range(5)]
    f.set_entries([identity(FLOAT), identity(INT), identity(FLOAT, INT), *map(identity, vectors)])
    for _ in range(3):
        assert f(1.5) == 1.5 and f(7) == 7 and f(1.5, 7) == (1.5, 7)
        for n in range(5):
            assert f(np.arange(float(n))).tolist() == list(range(n))
        assert f("x") == ("none", ("x",), {}) and f(1.5, y=7) == ("none", (1.5,), {"y": 7})
        many = tuple(range(300))
        assert f(*many, **{f"k{i}": i for i in many}) == ("none", many, {f"k{i}": i for i in many})
    f.set_entries([])
    assert f(1.5) == ("none", (1.5,), {}) and f.entries == ()


def test_entries_of_both_sorts(f):
    with config.entry("ctypes"):
        integer = identity(INT)
    f.set_entries([identity(FLOAT), integer])
    assert f(1.5) == 1.5 and f(7) == 7 and f("x")[0] == "none" and len(f.entries) == 2


def test_methods(f):
    class Owner:
        method = f

    owner = Owner()
    assert owner.method(1) == ("none", (owner, 1), {}) and Owner.method(1) == ("none", (1,), {})
    bound = owner.method
    assert bound(2) == ("none", (owner, 2), {}) and bound.__self__ is owner and Owner.method is f


def test_references_to_what_no_entry_fits(f):
    x = object()
    f.set_entries([identity(FLOAT), identity(INT)])
    before = sys.getrefcount(x)
    for _ in range(10):
        f(x, a=x)
    assert sys.getrefcount(x) == before


def test_an_exception_where_no_entry_fits(f):
    f.set_entries([identity(FLOAT)])
    type(f).call_without_entry, original = lambda self, args, kwargs: args[0].gone, type(f).call_without_entry
    try:
        with pytest.raises(AttributeError, match="gone"):
            f("x")
    finally:
        type(f).call_without_entry = original
    assert f(2.0) == 2.0


@pytest.mark.one_in(2)
def test_entries_die_with_the_object(f):
    entry = identity(FLOAT)
    f.set_entries([entry])
    count = sys.getrefcount(entry)
    gone = weakref.ref(f.__class__())
    f.set_entries([])
    gc.collect()
    assert sys.getrefcount(entry) < count and gone() is None


def interrupted(run, code, number, interrupt):
    """Run a function, and another one before an instruction of its code, as another thread could; whether there is such
    an instruction."""
    left = number

    def trace(frame, event, arg):
        nonlocal left
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if not left:
                interrupt()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return left <= 0


def test_between_any_two_steps_another_thread_may_change_and_call_it(f):
    some, others = [identity(FLOAT)], [identity(INT), identity(FLOAT)]
    code = CalledNatively.set_entries.__code__
    for first in (some, []):
        for then in (some, []):
            for meanwhile in (some, others, []):

                def change():
                    f.set_entries(meanwhile)
                    answers.append(f(1.5))

                number, answers = 0, []
                while True:
                    number += 1
                    f.set_entries(first)
                    there = interrupted(lambda: f.set_entries(then), code, number, change)
                    answers += [f(1.5), f(1.5)]
                    if not there:
                        break
                assert number > 10 and all([x in (1.5, ("none", (1.5,), {})) for x in answers])


def test_this_interpreter_finds_machine_code():
    assert called.is_called_natively(Native) and not called.is_called_natively(Plain)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("TYPE_FLAGS", 160), ("TYPE_BASICSIZE", 24), ("CALLED_TABLE", 16), ("CALLED_FUNCTION", 24)],
)
def test_every_wrong_offset_is_noticed(monkeypatch, name, wrong):
    monkeypatch.setattr(abi, name, wrong)
    assert not called._layout_holds.__wrapped__()


def test_an_unknown_interpreter_calls_python(monkeypatch):
    monkeypatch.setattr(abi, "verified", lambda: False)

    @called_natively
    class Unknown(Plain):
        pass

    f = Unknown()
    f.set_entries([identity(FLOAT)])
    assert not called.is_called_natively(Unknown) and f(1.5) == 1.5 and f(7)[0] == "none"


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (1.0,)), ("a", b"a"), ((1, 2), frozenset({1, 2})), (np.float64(1), 1.0),
     (len, max),
     ((1, (2, "x")), (1, (2, "y"))), ((1, 2), (1, 2, 3)), (frozenset({1}), frozenset({True})), (None, ())],
)  # fmt: skip
def test_plans_of_values_that_differ(a, b):
    assert same_as_plan(a, plan_of(a)) and same_as_plan(b, plan_of(b))
    assert not same_as_plan(a, plan_of(b)) and not same_as_plan(b, plan_of(a))
