"""How long things live: code as long as anybody may call it, what transforms trace as long as it is used; tables are
bounded, and forgetting changes no result.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.core.primitive import REGISTRY
from functad.ir.program import Program
from functad.ir.types import ArrayType, array_type
from functad.lower.compile import compile_count, compiled_of

lax = fd.lax
X = np.linspace(-1.0, 1.0, 5)


def library(f):
    """The code of a function that has been called with one kind of arguments, as a weak reference."""
    ((traced, *_),) = f._traced.values()
    return weakref.ref(compiled_of(traced.program).code.library)


def wave(count):
    """A new function, whose code is like that of no other count."""

    def f(x):
        for _ in range(count):
            x = np.sin(x) * 1.5
        return np.sum(x * x)

    return fd.jit(f)


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_clearing_lets_code_go_and_the_next_call_makes_it_again() -> None:
    f = wave(11)
    first, count = f(X), compile_count()
    code = library(f)
    fd.clear_caches()
    gc.collect()
    assert code() is None and not f._traced
    assert f(X) == first and compile_count() == count + 1
    assert f(X) == first and compile_count() == count + 1


def test_what_is_held_stays_valid() -> None:
    f = wave(12)
    w = np.ones(5)
    compiled = f.lower(X).compile()
    value, pullback = fd.vjp(lambda x: f(x * w), X)
    _, pushforward = fd.linearize(lambda x: lax.fori_loop(0, 3, lambda i, c: c * np.sin(x), x), X)
    program = fd.make_ir(fd.grad(f))(X)
    before = compiled(X), pullback(1.0)[0], pushforward(X), str(program), fd.jit(fd.grad(f))(X)
    fd.clear_caches()
    gc.collect()
    after = compiled(X), pullback(1.0)[0], pushforward(X), str(program), fd.jit(fd.grad(f))(X)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    assert value == f(X)


@pytest.mark.deep
def test_code_is_free_with_its_last_holder() -> None:
    f = wave(13)
    compiled = f.lower(X).compile()
    f(X)
    code, alive = library(f), weakref.ref(f)
    fd.clear_caches()
    del f
    gc.collect()
    # the compiled object still calls the function where it is given other arguments
    assert code() is not None and alive() is not None and compiled(X[:3]) == wave(13)(X[:3])
    c = compiled.ctypes
    del compiled
    gc.collect()
    assert code() is not None and alive() is None
    del c
    fd.clear_caches()
    gc.collect()
    assert code() is None


def test_a_function_in_a_cycle_with_its_closure_is_collected() -> None:
    class Model:
        def __init__(self):
            self.weights = np.ones(5)
            self.loss = fd.jit(self.of)
            self.slope = fd.jit(fd.grad(self.loss))

        def of(self, x):
            return np.sum(self.weights * np.tanh(x))

    model = Model()
    np.testing.assert_allclose(model.slope(X), 1 - np.tanh(X) ** 2)
    assert model.loss(X) == np.sum(np.tanh(X))
    gone = [weakref.ref(x) for x in (model, model.loss, model.slope)]
    del model
    gc.collect()
    assert [r() for r in gone] == [None] * 3


@pytest.mark.deep
def test_finalizers_may_call_what_is_collected_with_them() -> None:
    """The collector runs all finalizers of a cycle in some order: code must be there until the last has run."""
    found = []

    class Holder:
        def __init__(self, f):
            self.f = f

        def __del__(self):
            found.append(self.f(X))

    expected = []
    gc.disable()  # what the collector runs while a function is traced is traced with it
    with config.cache_size(1):  # nobody else has the code
        for k in range(60):
            f = wave(k)
            f(X)
            expected.append(f(X))
            f.holder = Holder(f)  # made after the code: finalized after it, if the code had a finalizer
            del f
        gc.enable()
        gc.collect()
    assert sorted(found) == sorted(expected)


@pytest.mark.deep
@pytest.mark.one_in(2)
@pytest.mark.parametrize("entry", ["native", "ctypes"])
def test_a_callback_that_forgets_its_own_function(entry) -> None:
    holder = {}

    def rude(x):
        holder.clear()
        fd.clear_caches()
        gc.collect()
        for k in range(3):  # whose code would take the place of what was freed
            wave(30 + k)(X)
        return x * 2

    def f(x):
        return np.sum(fd.pure_callback(rude, np.zeros(5), x) + np.sin(x))

    with config.entry(entry):
        for _ in range(3):
            holder["f"] = fd.jit(f)
            assert holder["f"](X) == np.sum(X * 2 + np.sin(X))
        g = fd.jit(f)
        assert [float(g(X)) for _ in range(3)] == [float(np.sum(X * 2 + np.sin(X)))] * 3
        compiled = fd.jit(f).lower(X).compile()
        assert compiled(X) == np.sum(X * 2 + np.sin(X))


@pytest.mark.deep
def test_a_function_that_forgets_itself_while_it_is_traced() -> None:
    holder = {}

    def f(x):
        holder.clear()
        fd.clear_caches()
        gc.collect()
        return np.sum(np.sin(x))

    holder["f"] = fd.jit(f)
    assert holder["f"](X) == np.sum(np.sin(X))
    kept = fd.jit(f)
    assert [kept(x) for x in (X, X[:3], X)] == [np.sum(np.sin(x)) for x in (X, X[:3], X)]


class Forgetful:
    """A static argument: when it has been compared so many times everything is forgotten."""

    left = 0

    def __init__(self, number):
        self.number = number

    def __hash__(self):
        return 7  # so that it is compared with all others

    def __eq__(self, other):
        Forgetful.left -= 1
        if Forgetful.left == 0:
            fd.clear_caches()
            gc.collect()
        return self.number == other.number


@pytest.mark.deep
def test_comparing_static_arguments_may_forget_them() -> None:
    f = fd.jit(lambda x, k: x * k.number, static_argnums=1)
    with config.cache_size(5):
        for left in range(1, 60):
            for number in range(4):
                assert f(2.0, Forgetful(number)) == 2 * number
            Forgetful.left = left
            assert [f.lower(2.0, Forgetful(n)).compile()(2.0, Forgetful(n)) for n in (2, 3, 8)] == [4, 6, 16]
            assert f(2.0, Forgetful(3)) == 6
    Forgetful.left = 0


@pytest.mark.deep
def test_what_dies_with_code_may_call_the_function() -> None:
    class Key:
        def __del__(self):
            found.append(f(X, None)[0])

    found: list[float] = []
    f = fd.jit(lambda x, key: x * (2 if key is None else 3), static_argnums=1)
    for count in range(1, 20):
        key = Key()
        assert f(X, key)[0] == f(X, key)[0] == -3.0
        del key
        f.forget()
        gc.collect()
        assert found == [-2.0] * count


@pytest.mark.deep
def test_forgetting_while_other_threads_call_and_trace() -> None:
    f = fd.jit(lambda x: np.sum(np.sin(x) + x * x))
    g = fd.jit(fd.grad(lambda x: lax.fori_loop(0, 200, lambda i, c: c + np.sum(np.cos(x * c)), 0.0)))
    inputs = [np.linspace(0.0, 1.0, n) for n in (3, 5, 100_000)]
    expected = [(float(f(x)), g(x[:50]), fd.grad(f)(x)) for x in inputs]
    stop, errors = threading.Event(), []

    def call():
        try:
            while not stop.is_set():
                for x, (value, slope, gradient) in zip(inputs, expected, strict=True):
                    assert f(x) == value
                    np.testing.assert_array_equal(g(x[:50]), slope)
                    np.testing.assert_array_equal(fd.grad(f)(x), gradient)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        fd.clear_caches()
        gc.collect()
        stop.wait(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors


def test_forgetting_what_other_threads_are_calling() -> None:
    f = fd.jit(lambda x: np.sum(np.sin(x) + x * x))
    expected, stop, errors = f(X), threading.Event(), []

    def call():
        try:
            while not stop.is_set():
                assert f(X) == expected
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(2)]
    interval, end = sys.getswitchinterval(), time.monotonic() + 1.0
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        while time.monotonic() < end and not errors:
            fd.clear_caches()
            stop.wait(0.002)
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors


NUMBA = """
import gc, weakref, numba, numpy as np, functad as fd
fast = fd.jit(lambda x: np.sin(x) * 3).lower(np.float64(1.0)).compile()
@numba.cfunc("float64(float64)")
def f(x):
    return fast(x) + 1
del fast
fd.clear_caches()
gc.collect()
for k in range(5):
    fd.jit(lambda x: np.cos(x) * k)(np.ones(3))
print(f.ctypes(1.0) == np.sin(1.0) * 3 + 1)
"""


@pytest.mark.deep
def test_numba_keeps_what_it_calls() -> None:
    """A C callback of Numba's remembers nothing of what it was compiled from but the address."""
    done = subprocess.run([sys.executable, "-c", NUMBA], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


# -- what transforms trace lives as long as it is used -----------------------------------------------------------------


def over_loop(w):
    return fd.grad(lambda x: lax.fori_loop(0, 3, lambda i, c: c + np.sum(x * w), 0.0))(2.0)


def over_while(w):
    loop = lambda x: lax.while_loop(lambda v: v[0] < 3, lambda v: (v[0] + 1, np.sum(np.sin(w * v[1]))), (0, x))[1]
    return fd.grad(loop)(2.0)


def over_branches(w):
    return fd.grad(lambda x: lax.switch(1, [lambda y: np.sum(y * w), lambda y: np.sum(np.sin(y * w))], x))(2.0)


def over_lanes(w):
    return fd.vmap(fd.grad(lambda x: lax.cond(x > 0, lambda y: np.sum(y * w), lambda y: y, x)))(X)


def over_checkpoint(w):
    return fd.grad(lambda x: fd.checkpoint(lambda y: np.sum(np.sin(w * y)))(x))(2.0)


def over_segments(w):
    return fd.grad(lambda x: lax.scan(lambda c, _: (np.sum(w * c), None), x, length=9, checkpoint="sqrt")[0])(2.0)


def own_vjp(w):
    f = fd.custom_vjp(lambda x: np.sum(x * w))
    f.defvjp(lambda x: (np.sum(x * w), None), lambda r, ct: (ct * w,))
    return fd.grad(lambda x: f(x) ** 2)(w)


def own_jvp(w):
    f = fd.custom_jvp(lambda x: np.sum(x * w))
    f.defjvp(lambda p, t: (np.sum(p[0] * w), np.sum(t[0] * w)))
    return fd.jvp(f, (w,), (w,)), fd.grad(f)(w), fd.vmap(f)(np.ones((2, len(w))))


def by_callback(w):
    f = lambda x: fd.pure_callback(lambda y: np.sum(y * w), 0.0, x)
    return fd.vmap(f)(X), lax.fori_loop(0, 2, lambda i, c: f(c), 1.0), fd.jvp(lambda x: f(1.0) * x, (1.0,), (1.0,))


def second_order(w):
    f = lambda x: np.sum(lax.fori_loop(0, 3, lambda i, c: np.sin(c * x), w[:5]))
    return fd.hessian(f)(X), fd.jacfwd(fd.grad(f))(X), fd.grad(lambda x: np.sum(fd.grad(f)(x) ** 2))(X)


def kept_and_dropped(w):
    f = lambda x: lax.fori_loop(0, 3, lambda i, c: c * w[0], x)
    return fd.linearize(f, X)[1](X), fd.vjp(f, X)[1](X), fd.linear_transpose(f, X)(X), fd.jacobian(f)(X)


AT_ONCE = [
    over_loop, over_while, over_branches, over_lanes, over_checkpoint, over_segments, own_vjp, own_jvp, by_callback,
    second_order, kept_and_dropped,
]  # fmt: skip


@pytest.mark.one_in(12)
@pytest.mark.parametrize("scenario", AT_ONCE, ids=lambda f: f.__name__)
def test_unjitted_transforms_leave_nothing_to_the_collector(scenario) -> None:
    for _ in range(3):
        scenario(np.ones(100))
    gc.collect()
    gc.disable()
    try:
        scenario(np.ones(100))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter([type(x).__name__ for x in gc.garbage])
        assert not left["Program"] and not left["Trace"] and not left["ndarray"], left
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def fresh_jit(w):
    return fd.jit(lambda x: np.sum(w * x))(2.0), fd.grad(lambda x: fd.jit(lambda y: np.sum(w * y))(x))(2.0)


def fresh_jit_inside(w):
    return fd.jit(lambda x: fd.grad(lambda x: fd.jit(lambda y: np.sum(w * y))(x))(x))(2.0)


def fresh_rules_inside(w):
    return fd.jit(own_vjp)(w), fd.jit(own_jvp)(w)


def jitted_callback(w):
    return fd.jit(lambda x: fd.pure_callback(lambda y: np.sum(y * w), 0.0, x))(1.0)


def checkpointed_while(w):
    body = lambda v: (v[0] + 1, np.sum(np.sin(w * v[1])))
    return fd.grad(lambda x: lax.while_loop(lambda v: v[0] < 5, body, (0, x), checkpoint="binomial")[1])(2.0)


def raising(w):
    with pytest.raises(fd.errors.FunctadError):
        fd.jit(lambda x: np.take(np.sin(w * x), 1000))(1.0)
    with pytest.raises(ZeroDivisionError):
        fd.grad(lambda x: lax.fori_loop(0, 2, lambda i, c: 1 / 0, x))(1.0)


@pytest.mark.one_in(20)
@pytest.mark.parametrize(
    "scenario",
    [*AT_ONCE, fresh_jit, fresh_jit_inside, fresh_rules_inside, jitted_callback, checkpointed_while, raising],
    ids=lambda f: f.__name__,
)
def test_nothing_grows(scenario) -> None:
    """Each repetition has an array of its own, which dies."""

    def repeat(count):
        for _ in range(count):
            w = np.ones(100)
            arrays.append(weakref.ref(w))
            scenario(w)

    arrays: list[weakref.ref] = []
    repeat(3)
    gc.collect()
    before = sum(type(x) is Program for x in gc.get_objects())
    repeat(30)
    gc.collect()
    assert sum(type(x) is Program for x in gc.get_objects()) - before <= 3
    assert sum(r() is not None for r in arrays) <= 1


# -- tables have a size ------------------------------------------------------------------------------------------------


def test_kinds_of_call_are_bounded() -> None:
    f = fd.jit(lambda x, n: np.sum(x) * n, static_argnums=1)
    with config.cache_size(4):
        for n in range(1, 12):
            assert f(np.ones(n), 2) == 2 * n and f(np.ones(2), n) == 2 * n
            assert len(f._traced) <= 4
        *_, before, latest = f._traced
        f.lower(np.ones(11), 2)  # not the latest, until now
        assert list(f._traced)[-2:] == [latest, before]


@pytest.mark.deep
def test_code_is_bounded() -> None:
    with config.cache_size(3):
        functions = [wave(50 + k) for k in range(6)]
        values = [f(X) for f in functions]
        codes = [library(f) for f in functions]
        assert None not in [code() for code in codes]  # the functions hold them
        del functions
        gc.collect()
        assert [code() is None for code in codes] == [True] * 3 + [False] * 3
        assert [wave(50 + k)(X) for k in range(6)] == values


def test_rules_are_bounded_and_may_go_at_any_time() -> None:
    f = lambda x: np.sum(np.sin(x) * x) + np.sum(np.exp(-x) / (1 + x * x))
    with config.cache_size(2):
        for n in (*range(1, 30), *range(1, 30)):
            x = np.linspace(0.0, 1.0, n)
            expected = np.cos(x) * x + np.sin(x) - np.exp(-x) * (1 + x) ** 2 / (1 + x * x) ** 2
            np.testing.assert_allclose(fd.grad(f)(x), expected, rtol=1e-13)
    assert all(len(REGISTRY[name]._signatures) <= 8 for name in ("sin", "exp"))


def test_batch_sizes_are_bounded() -> None:
    f = fd.jit(lambda x: np.sin(x) * 2)
    f(1.0)
    ((traced,),) = f._traced.values()
    with config.cache_size(4):
        for n in range(1, 40):
            np.testing.assert_array_equal(fd.vmap(f)(np.ones(n)), np.full(n, f(1.0)))
    assert len(traced.program.derived) <= 16


def test_types_are_one_object_as_long_as_they_live() -> None:
    kept = array_type((12345, 6), np.float64)
    gone = weakref.ref(array_type((12345, 7), np.float64))
    with config.cache_size(1):
        for n in range(20):
            array_type((12345, 100 + n), np.float32)
    fd.clear_caches()
    gc.collect()
    assert gone() is None and array_type((12345, 6), np.float64) is kept
    assert isinstance(kept, ArrayType)


def test_an_array_that_became_an_operand_can_be_resized() -> None:
    w = np.arange(4.0)
    f = fd.jit(lambda x: np.sum(2 * w) * x)
    for k in range(5):
        w[:] = k
        assert f(1.0) == 8.0 * k
    w.resize(6, refcheck=False)
    w[:] = 1.0
    assert f(1.0) == 12.0
