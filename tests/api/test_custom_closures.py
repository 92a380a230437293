"""What functions with rules close over: fixed when they are called; operands where it is traced; explained where out of
reach.
"""

from __future__ import annotations

import functools
from functools import partial

import numpy as np
import pytest

import functad as fd
from functad.errors import EscapedTracerError, StructureError

X = np.array([0.3, -0.8, 1.4])
close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-14)
WRAPS = {"plain": lambda f: f, "jit": fd.jit}
wraps = pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)


# -- traced arguments without derivatives, and functions that close over traced values ---------------------------------


@partial(fd.custom_jvp, nondiff_argnums=0)
def with_jvp(k, x):
    return k * np.sin(x)


@with_jvp.defjvp
def with_jvp_rule(k, primals, tangents):
    return with_jvp(k, *primals), 3 * k * np.cos(primals[0]) * tangents[0]


@partial(fd.custom_vjp, nondiff_argnums=(0,))
def with_vjp(k, x):
    return k * np.sin(x)


with_vjp.defvjp(lambda k, x: (with_vjp(k, x), x), lambda k, x, ct: (3 * k * np.cos(x) * ct,))


@partial(fd.custom_jvp, nondiff_argnums=(0,))
def apply_jvp(f, x):
    return f(x)


apply_jvp.defjvp(lambda f, p, t: (apply_jvp(f, p[0]), 3 * fd.jvp(f, p, t)[1]))


@partial(fd.custom_vjp, nondiff_argnums=(0,))
def apply_vjp(f, x):
    return f(x)


apply_vjp.defvjp(lambda f, x: (apply_vjp(f, x), x), lambda f, x, ct: (3 * fd.vjp(f, x)[1](ct)[0],))


def local_jvp(k, x):
    f = fd.custom_jvp(lambda x: k * np.sin(x))
    f.defjvp(lambda p, t: (f(p[0]), 3 * k * np.cos(p[0]) * t[0]))
    return f(x)


def local_vjp(k, x):
    f = fd.custom_vjp(lambda x: k * np.sin(x))
    f.defvjp(lambda x: (f(x), (x,)), lambda res, ct: (3 * k * np.cos(res[0]) * ct,))
    return f(x)


def in_a_container(k, x):
    f = fd.custom_jvp(lambda x, held: held["k"][0] * np.sin(x), nondiff_argnums=(1,))
    f.defjvp(lambda held, p, t: (f(p[0], held), 3 * held["k"][0] * np.cos(p[0]) * t[0]))
    return f(x, {"k": [k]})


def as_a_default(k, x):
    f = fd.custom_vjp(lambda x: k * np.sin(x))

    def bwd(x, ct, *, k=k):
        return (3 * k * np.cos(x) * ct,)

    f.defvjp(lambda x, k=k: (k * np.sin(x), x), bwd)
    return f(x)


def through_a_method(k, x):
    f = fd.custom_jvp(functools.partial(Product().of_sine, k))
    f.defjvp(lambda p, t: (f(p[0]), 3 * k * np.cos(p[0]) * t[0]))
    return f(x)


class Product:
    def of_sine(self, k, x):
        return k * np.sin(x)


def through_jit(k, x):
    helper = fd.jit(lambda y: k * y)
    f = fd.custom_jvp(lambda x: helper(np.sin(x)))
    f.defjvp(lambda p, t: (f(p[0]), 3 * helper(np.cos(p[0]) * t[0])))
    return f(x)


FUNCTIONS = {
    "jvp, traced argument": with_jvp,
    "vjp, traced argument": with_vjp,
    "jvp, function": lambda k, x: apply_jvp(lambda x: k * np.sin(x), x),
    "vjp, function": lambda k, x: apply_vjp(lambda x: k * np.sin(x), x),
    "jvp, closure": local_jvp,
    "vjp, closure": local_vjp,
    "container": in_a_container,
    "default": as_a_default,
    "method": through_a_method,
    "jit": through_jit,
}
functions = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)


@wraps
@functions
def test_traced_values_without_derivative_are_operands(f, wrap) -> None:
    slope = fd.grad(f, 1)
    close(wrap(f)(2.0, 0.5), 2 * np.sin(0.5))
    close(wrap(slope)(2.0, 0.5), 6 * np.cos(0.5))
    close(wrap(fd.vmap(slope))(X, X), 3 * X * np.cos(X))
    close(wrap(fd.vmap(slope, in_axes=(0, None)))(X, 0.5), 3 * X * np.cos(0.5))
    close(wrap(fd.grad(lambda x: np.sum(fd.vmap(f, in_axes=(0, None))(X, x))))(0.5), 3 * np.sum(X) * np.cos(0.5))
    close(wrap(fd.grad(slope, 1))(2.0, 0.5), -6 * np.sin(0.5))


@wraps
@functions
def test_traced_values_without_derivative_inside_control_flow(f, wrap) -> None:
    def scanned(x):
        return fd.lax.scan(lambda c, k: (c + f(k, x), None), 0.0, X)[0]

    def chosen(x, k):
        return fd.lax.cond(x > 0, lambda: f(k, x), lambda: 0.0 * x)

    def repeated(x, k):
        return fd.lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, f(k, c[1])), (0, x))[1]

    def recomputed(x, k):
        return fd.checkpoint(lambda x: f(k, x))(x)

    close(wrap(fd.grad(scanned))(0.5), 3 * np.sum(X) * np.cos(0.5))
    for g in (chosen, repeated, recomputed):
        close(wrap(fd.grad(g))(0.5, 2.0), 6 * np.cos(0.5))


@wraps
@functions
def test_derivatives_with_respect_to_them_are_refused(f, wrap) -> None:
    pattern = r"closes over a value \(f64\[\]\) that is being differentiated, or takes it in nondiff_argnums"
    with pytest.raises(StructureError, match=pattern):
        wrap(fd.grad(f))(2.0, 0.5)
    close(wrap(fd.grad(lambda k, x: f(fd.stop_gradient(k), x), (0, 1)))(2.0, 0.5), (0.0, 6 * np.cos(0.5)))


@wraps
def test_what_is_closed_over_and_not_used_may_move(wrap) -> None:
    def f(a, x):
        p = {"moves": a, "stays": 3.0}
        g = fd.custom_vjp(lambda x: x * p["stays"])
        g.defvjp(lambda x: (g(x), None), lambda _, ct: (ct * p["stays"],))
        h = fd.custom_jvp(lambda x: x * p["stays"])
        h.defjvp(lambda primals, tangents: (h(*primals), tangents[0] * p["stays"]))
        return g(x) * a + h(x)

    close(wrap(fd.grad(f, (0, 1)))(2.0, 5.0), (15.0, 9.0))


# -- fixed when called -------------------------------------------------------------------------------------------------


def sum_over_a_loop(x):
    total = 0.0
    for k in (1.0, 2.0, 3.0):
        f = fd.custom_jvp(lambda x: k * x)
        f.defjvp(lambda p, t: (f(p[0]), 10 * k * t[0]))
        g = fd.custom_vjp(lambda x: k * x)
        g.defvjp(lambda x: (g(x), None), lambda _, ct: (100 * k * ct,))
        total = total + f(x) + g(x)
    return total


@wraps
def test_variables_may_change_after_the_call(wrap) -> None:
    expected = 10 * 6 + 100 * 6
    close(wrap(fd.grad(sum_over_a_loop))(1.0), expected)
    close(fd.grad(wrap(sum_over_a_loop))(1.0), expected)
    close(wrap(fd.vmap(fd.grad(sum_over_a_loop)))(X), [expected] * 3)
    close(wrap(lambda x: fd.vjp(sum_over_a_loop, x)[1](1.0)[0])(1.0), expected)


@wraps
def test_arrays_may_be_written_to_after_the_call(wrap) -> None:
    def f(x):
        w = np.array([1.0, 2.0, 3.0])
        halves = [w[:2], w[2:]]  # views
        g = fd.custom_vjp(lambda x: np.sum(w * x))
        g.defvjp(lambda x: (g(x), None), lambda _, ct: (ct * np.concatenate(halves),))
        y = g(x)
        w[:] = 100.0
        return y

    close(wrap(fd.grad(f))(X), [1.0, 2.0, 3.0])
    close(fd.grad(wrap(f))(X), [1.0, 2.0, 3.0])


BODYS, RULES = np.ones(20_000), np.ones(20_000)  # larger than what is compared wherever a function can reach it


@fd.custom_jvp
def reads_global_jvp(x):
    return BODYS * x


reads_global_jvp.defjvp(lambda primals, tangents: (reads_global_jvp(*primals), RULES * tangents[0]))


@fd.custom_vjp
def reads_global_vjp(x):
    return BODYS * x


reads_global_vjp.defvjp(lambda x: (reads_global_vjp(x), None), lambda _, ct: (np.sum(RULES * ct),))


@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
@pytest.mark.parametrize("f", [reads_global_jvp, reads_global_vjp], ids=["jvp", "vjp"])
@pytest.mark.parametrize(
    "make",
    [
        lambda f: fd.jit(fd.grad(f)),
        lambda f: fd.grad(fd.jit(f)),
        lambda f: fd.jit(lambda x: fd.vmap(fd.grad(f))(x[None])[0]),
        lambda f: fd.jit(fd.grad(lambda x: fd.lax.scan(lambda c, _: (c + f(x), None), 0.0, None, length=1)[0])),
    ],
    ids=["jit(grad)", "grad(jit)", "vmap", "scan"],
)
def test_large_global_arrays_of_rules_under_jit(f, make) -> None:
    value, slope = fd.jit(lambda x: np.sum(f(x))), make(lambda x: np.sum(f(x)))
    for k in range(5):
        BODYS[...], RULES[...] = k, 2 * k
        assert (value(np.array(1.0)), slope(np.array(1.0))) == (20_000 * k, 40_000 * k)


def test_variables_that_rules_assign_stay_theirs() -> None:
    calls, count = [], 0
    f = fd.custom_vjp(lambda x: 2 * x)

    def fwd(x):
        nonlocal count
        count += 1
        calls.append("fwd")
        return 2 * x, None

    f.defvjp(fwd, lambda _, ct: (2 * ct,))
    assert fd.grad(lambda x: f(x) + f(x))(1.0) == 4.0
    assert count == 2 and calls == ["fwd", "fwd"]


def test_functions_that_hold_themselves() -> None:
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    f = fd.custom_vjp(lambda x: power(x, 3))
    f.defvjp(lambda x: (power(x, 3), x), lambda x, ct: (ct * 3 * power(x, 2),))
    assert fd.grad(f)(2.0) == fd.jit(fd.grad(f))(2.0) == 12.0
    assert fd.grad(fd.grad(f))(2.0) == 12.0


# -- out of reach ------------------------------------------------------------------------------------------------------


class Model:
    def __init__(self, w):
        self.w = w


def test_what_rules_fill_stays_theirs() -> None:
    history, seen, counts, weights = [], {}, {"calls": 0}, [np.array(2.0)]

    @fd.custom_vjp
    def f(x):
        return x

    def fwd(x):
        history.append(x)
        seen[len(seen)] = x
        counts["calls"] += 1
        return f(x), None

    f.defvjp(fwd, lambda _, ct: (ct * weights[0],))
    for k in range(1, 5):
        _, pullback = fd.vjp(f, X)
        weights[0][...] += 1
        assert np.array_equal(pullback(np.ones(3))[0], np.full(3, 1.0 + k))  # what was closed over at the call
        assert len(history) == len(seen) == counts["calls"] == k


@wraps
def test_containers_that_hold_themselves_stay_as_they_are(wrap) -> None:
    tree = {"scale": 2.0}
    tree["root"] = tree

    @fd.custom_jvp
    def f(x):
        return x * tree["root"]["scale"]

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * tree["scale"] * 3))
    assert wrap(f)(X[0]) == 2 * X[0]
    assert wrap(fd.grad(f))(X[0]) == 6 == fd.grad(wrap(f))(X[0])


def test_attributes_are_not_found() -> None:
    def in_function(w, x):
        model = Model(w)
        f = fd.custom_jvp(lambda x: model.w * x)
        f.defjvp(lambda p, t: (f(p[0]), model.w * t[0]))
        return f(x)

    def in_rule(w, x):
        model = Model(w)
        f = fd.custom_vjp(lambda x: 2.0 * x)
        f.defvjp(lambda x: (2.0 * x, None), lambda _, ct: (model.w * ct,))
        return f(x)

    pattern = (
        r"custom_(jvp|vjp) function <lambda>, or its rule, uses a traced value .* an attribute of an object.* "
        r"Pass it as an"
    )
    for call in (
        lambda: fd.jit(in_function)(2.0, 3.0),
        lambda: fd.grad(in_function, (0, 1))(2.0, 3.0),
        lambda: fd.vmap(in_function)(X, X),
        lambda: fd.grad(fd.jit(in_rule), 1)(2.0, 3.0),
    ):
        with pytest.raises(EscapedTracerError, match=pattern):
            call()
    close(fd.jit(in_rule)(2.0, 3.0), 6.0)  # the rule is not needed


def test_globals_are_not_found() -> None:
    def f(w):
        global stored
        stored = w
        return reads_global(3.0 * w)

    reads_global = fd.custom_jvp(lambda x: stored * x)
    reads_global.defjvp(lambda p, t: (p[0], t[0]))
    for wrap in WRAPS.values():
        with pytest.raises(EscapedTracerError, match=r"a global, .*Pass it as an argument"):
            wrap(fd.grad(f))(2.0)
    inner = fd.custom_jvp(lambda x: reads_global(x) + 1)
    inner.defjvp(lambda p, t: (p[0], t[0]))
    with pytest.raises(EscapedTracerError, match="function <lambda>, or its rule"):
        fd.grad(lambda w: f(w) + inner(w))(2.0)
