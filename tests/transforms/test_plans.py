"""Derivatives of functions that emit the same equations again: calls that follow a script, by plans, give what the
first call gives, to the last bit, and nothing of one call is seen in another."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import functad as fd
from functad.core import following
from functad.core.buffers import BUFFERS, Buffers
from functad.core.routine import LARGE
from functad.errors import IndexOutOfBoundsError
from functad.ir.types import array_type
from functad.testing.bits import assert_same_bits
from functad.transforms import plans
from functad.tree import flatten
from tests.random_functions import random_block

CALLS = 4
"""The first one walks, the second makes a plan, and others have it."""


@pytest.fixture(autouse=True)
def _nothing_known():
    following.SCRIPTS.clear()
    BUFFERS.clear()


def calls(f, *args, count=CALLS):
    """What each of some calls gives."""
    return [[np.asarray(x) for x in flatten(f(*args))[0]] for _ in range(count)]


def check_calls(f, *args):
    first, *others = calls(f, *args)
    for number, other in enumerate(others):
        assert_same_bits(other, first, f"call {number + 2}")
    return first


@fd.custom_vjp
def guarded(x):
    return np.log(np.maximum(x, 1e-300))


guarded.defvjp(lambda x: (np.log(np.maximum(x, 1e-300)), x), lambda x, ct: (ct / x,))


@fd.custom_jvp
def softplus(x):
    return np.log1p(np.exp(x))


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return softplus(x), t / (1 + np.exp(-x))


def likelihood(p):
    """Containers, slices, elements, a guard, rules of one's own."""
    theta, (shape, _) = p["theta"], p["rest"]
    x = np.linspace(0.1, 2.0, 12).reshape(4, 3)
    scale = np.dot(x, theta[:3]) + theta[3]
    u = guarded(np.array([0.5, 1.0, 2.0, 4.0])) - scale * softplus(shape)
    total = np.where(np.array([True, False, True, True]), u, 0.0) - np.exp(u)
    return np.sum(total) + guarded(softplus(theta[1]))


POINT = {"theta": np.array([0.3, -0.2, 0.5, 0.1]), "rest": (0.7, np.ones(2))}

TRANSFORMS = {
    "value_and_grad": fd.value_and_grad,
    "hessian": lambda f: fd.jacrev(fd.grad(f)),
    "vjp": lambda f: lambda p: (lambda y, pull: (y, pull(1.0), pull(2.0)))(*fd.vjp(f, p)),
    "jacrev": fd.jacrev,
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_all_calls_agree(name):
    check_calls(TRANSFORMS[name](likelihood), POINT)


FORWARD = {
    "hessian": fd.hessian,
    "jacfwd": fd.jacfwd,
    "linearize": lambda f: lambda *x: (lambda y, linear: (y, linear(*x), linear(*x)))(*fd.linearize(f, *x)),
    "reverse over reverse": lambda f: fd.grad(lambda v, s: np.sum(fd.grad(f)(v, s) * s), argnums=(0, 1)),
    "jacobian of a vector": lambda f: fd.jacobian(lambda v, s: v * f(v, s), argnums=(0, 1)),
}


@pytest.mark.parametrize("name", FORWARD)
def test_all_calls_of_random_functions_agree(name):
    for seed in range(8):
        rng = np.random.default_rng(seed)
        block = random_block(rng, int(rng.integers(4, 10)), ("jit", "scan") if seed % 2 else ())
        with np.errstate(all="ignore"):
            check_calls(FORWARD[name](lambda v, s, block=block: np.sum(block(v, s))), rng.normal(size=3), rng.normal())


def test_a_plan_is_made():
    gradient = fd.grad(likelihood)
    calls(gradient, POINT)
    made = [p for script in following.SCRIPTS for p in script.derived.values()]
    assert [p.forward is not None for p in made] == [True]
    assert made[0]._back


def test_other_constants():
    """Their values are those of the call; what is not finite is doubted."""
    gradient = fd.grad(lambda x, c: np.sum(np.where(np.isnan(c), 0.0, c * x)))
    x = np.array([1.0, 2.0])
    for c in ([3.0, 4.0], [3.0, 5.0], [np.nan, 5.0], [3.0, np.inf], [1.0, 1.0]):
        for _ in range(3):
            found = gradient(x, np.array(c))
            assert_same_bits([found], [np.where(np.isnan(c), 0.0, c)], str(c))


def test_a_divisor_that_becomes_zero():
    for _ in range(2):
        for c, expected in ((2.0, 0.5), (0.0, 0.0)):
            for _ in range(3):
                with np.errstate(all="ignore"):
                    found = fd.grad(lambda x, c=c: np.where(c > 0, x / np.float64(c), 0.0))(3.0)
                assert found == expected


def test_constants_that_are_not_finite_warn_of_nothing():
    with np.errstate(all="raise"):
        for _ in range(CALLS):
            assert fd.grad(lambda x: np.where(x > 0, x, np.float64(np.inf) * x) + np.minimum(x, np.inf))(2.0) == 2.0


def test_other_branches_lengths_and_shapes():
    def f(x):
        y = x
        while np.sum(y) < 10.0:
            y = y * y + 1.0 if np.sum(y) > 2.0 else np.exp(y)
        return np.sum(y)

    rng = np.random.default_rng(0)
    for _ in range(4):
        for x in (0.3, 1.7, np.float32(0.5), rng.normal(size=3), rng.normal(size=(2, 2)), 11.0):
            following_call = fd.grad(f)(x)
            following.SCRIPTS.clear()
            assert_same_bits([following_call], [fd.grad(f)(x)], repr(x))


def test_a_function_that_differentiates_itself():
    def f(x, depth=3):
        return x * np.sin(x) if depth == 0 else x * fd.grad(f)(x, depth - 1) + f(x, depth - 1)

    first = fd.grad(f)(0.7)
    for _ in range(3):
        assert fd.grad(f)(0.7) == first


def test_locations_are_those_of_the_call():
    def first(x, i):
        return np.sum(np.sin(x)[i])

    def second(x, i):
        return np.sum(np.sin(x)[
            i])  # fmt: skip

    for f, line in ((first, 2), (second, 2), (first, 2)):
        for i in ([0, 1], [0, 1], [0, 1], [0, 3]):
            try:
                fd.grad(lambda x, f=f, i=i: f(x, x.astype(int) * 0 + np.array(i)))(np.array([0.5, 0.5]))
            except IndexOutOfBoundsError as error:
                where = f.__code__.co_firstlineno + line - 1
                assert f"test_plans.py:{where}" in str(error) or f"test_plans.py:{where + 1}" in str(error)
                assert i == [0, 3]


def test_a_rule_that_gives_other_cotangents():
    given = []

    @fd.custom_vjp
    def f(x, y):
        return x * y

    def back(kept, ct):
        x, y = kept
        return (ct * y, None if given else ct * x)

    f.defvjp(lambda x, y: (x * y, (x, y)), back)
    gradient = fd.grad(lambda x, y: f(x, y) + y * 0.5, argnums=(0, 1))
    for _ in range(4):
        assert gradient(2.0, 3.0) == (3.0, 2.5)
    given.append(1)
    for _ in range(4):
        assert gradient(2.0, 3.0) == (3.0, 0.5)


def test_threads():
    x = np.random.default_rng(0).normal(size=LARGE)
    gradient = fd.grad(lambda x: np.sum(np.exp(-x * x) / (1.0 + x * x)))
    expected = gradient(x)
    found = []

    def run():
        found.extend([gradient(x) for _ in range(20)])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 80
    assert all(np.array_equal(g, expected) for g in found)


# -- large arrays, whose memory is written over ------------------------------------------------------------------------

FUNCTIONS = {
    "powers": lambda x: np.sum(((x * 0.5 + 1.0) * x - x) * x * x),
    "a quotient": lambda x: np.sum(np.exp(-x * x) / (1.0 + x * x)),
    "a guard": lambda x: np.sum(np.where(x > 0, np.sqrt(np.abs(x)), x) * x),
    "views": lambda x: np.sum(np.reshape(x * x, (2, -1))[0] * (x + 1.0)[: x.size // 2]) + np.sum((x * 2.0).T * x),
    "zeros": lambda x: np.sum(np.maximum(x, 0.0) ** 2 * np.sqrt(np.maximum(x, 0.0))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_of_large_arrays_stay(name):
    rng = np.random.default_rng(0)
    f = fd.value_and_grad(FUNCTIONS[name])
    points = [np.round(rng.normal(size=LARGE // 4), 1) for _ in range(3)]
    with np.errstate(all="ignore"):
        expected = [f(x) for x in points]
        expected = [(v, g.copy()) for v, g in expected]
        before, found = [x.copy() for x in points], []
        for _ in range(4):
            found += [f(x) for x in points]
    assert_same_bits(points, before, "arguments")
    for k, (value, gradient) in enumerate(found):
        assert_same_bits([value, gradient], list(expected[k % 3]), f"result {k}")


def test_pullbacks_of_large_arrays_may_be_called_again():
    x = np.random.default_rng(0).normal(size=LARGE)
    for _ in range(4):
        y, pull = fd.vjp(lambda x: np.exp(x * x) * x, x)
        kept = y.copy()
        (first,) = pull(np.ones_like(x))
        held = first.copy()
        (second,) = pull(np.ones_like(x))
        fd.grad(FUNCTIONS["a quotient"])(x)
        assert_same_bits([first, second, y], [held, held, kept], "the pullback")


def test_auxiliary_arrays_stay():
    seen = []

    def f(x):
        y = np.exp(x * 0.1) * x
        return np.sum(y * y * x), (y, y * 2.0)

    x = np.random.default_rng(0).normal(size=LARGE)
    for _ in range(4):
        seen.append(fd.grad(f, has_aux=True)(x))
    for gradient, (y, z) in seen:
        assert_same_bits([gradient, y, z], [seen[0][0], seen[0][1][0], seen[0][1][1]], "a later call")


def test_values_that_python_saw_stay():
    seen = []

    def f(x):
        y = x * x + 1.0
        seen.append(fd.stop_gradient(y))
        if np.sum(y) > 0:
            y = y * x
        return np.sum(y * y)

    x = np.random.default_rng(0).normal(size=LARGE)
    first = fd.grad(f)(x).copy()
    for _ in range(4):
        assert_same_bits([fd.grad(f)(x)], [first], "the gradient")


@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_add_up_in_one_order(order):
    x = np.asarray(np.random.default_rng(0).normal(size=(300, 200)), order=order)
    w = np.random.default_rng(1).normal(size=(200, 300)).T
    check_calls(fd.value_and_grad(lambda x: np.sum(np.exp(x * w) * x)), x)
    check_calls(fd.value_and_grad(lambda x: np.sum(np.sum(np.sin(x) * x, axis=0) ** 2)), x)


def test_memory_that_somebody_has_is_left_alone():
    buffers, type = Buffers(), array_type((4,), np.float64)
    array = buffers.take(type)
    buffers.give(type, array)
    assert buffers.take(type) is array
    assert buffers.take(type) is not array


def test_what_is_kept_is_bounded():
    for n in range(40):
        fd.grad(lambda x, n=n: sum([np.sin(x) for _ in range(n + 1)]) * 1.0)(0.5)
    assert sum(len(s.steps) for s in following.SCRIPTS) <= following.MOST
    for k in range(30):
        for c in (1.0, 0.0, np.inf):
            with np.errstate(all="ignore"):
                fd.grad(lambda x, k=k, c=c: x * np.float64(c) * np.float64(c if k % 2 else 1.0))(0.5)
    assert all(len(s.derived) <= plans.MOST for s in following.SCRIPTS)


def test_nothing_keeps_the_constants():
    data = np.ones(10)
    alive = weakref.ref(data)

    def call(data):
        return fd.grad(lambda x: np.sum(x * data))(np.ones(10))

    for _ in range(3):
        call(data)
    del data
    gc.collect()
    assert alive() is None
    held = [x for x in gc.get_objects() if type(x) is np.ndarray and x.shape == (10,)]
    assert not any(np.all(x == 1.0) and not x.flags.writeable for x in held)
