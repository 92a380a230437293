"""What is not taken contributes nothing: where a derivative's factor is infinite or NaN, an exactly zero tangent or
cotangent gives exactly zero.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.special as sp

import functad as fd
from functad import lax, nn
from functad.core.primitive import REGISTRY
from functad.primitives.arithmetic import strong_div, strong_mul, strong_product
from functad.primitives.cumulative import cummax, cummin
from functad.testing.bits import assert_same_bits
from tests.transforms.singular import ELEMENTWISE, POINTS, gives_up, is_declared, known, params_of, points_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

HUGE = 1e300

# -- declarations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_is_singular_is_declared_so(name):
    for params in params_of(name):
        points = list(points_of(name, params))
        singular = bool(points) or gives_up(name, params)
        assert is_declared(name, params) == singular, f"{name} {params}: {points[:3]}"


# -- all singular primitives, all guards -------------------------------------------------------------------------------


def guarded(name, params, point):
    """A function of the operands of a primitive that takes its value nowhere: all guards there are, stacked."""

    def f(x):
        operands = [x[i] if i in known(name) else np.float64(v) for i, v in enumerate(point)]
        y = REGISTRY[name].bind(*operands, **params)
        here = x[0] == point[0]
        pair = np.stack([y, x[0] * 0.0])
        results = [
            np.where(here, 3.0, y),
            np.where(~here, y, 3.0),
            np.where(here, 3.0, y * x[0] * np.sin(y)),  # an infinity goes on through what is not singular
            np.where(here, 3.0, np.tanh(y) / (x[0] - y)),
            np.where(here, 3.0, np.prod(np.stack([y, x[0], y + 1.0]))),
            np.where(here, 3.0, np.cumprod(np.stack([y, x[0], y + 1.0]))[2]),
            np.where(np.stack([here, here]), 3.0, pair)[0],
            pair[1],
            np.sum(pair[1:]),
            np.sum(pair[np.array([False, True])]),
            np.sum(pair[np.array([1, 1])]),
            fd.at(pair)[0].set(0.0)[0],
            lax.fori_loop(0, 2, lambda _, c: np.where(here, c, c * y), 3.0),
            np.where(here, 3.0, lax.fori_loop(0, 2, lambda _, c: c * y, x[0])),
            lax.cond(
                here,
                lambda z: np.where(z[0] == point[0], 3.0, np.sqrt(z[0] * 0.0) * z[1]),
                lambda z: z[0],
                np.stack([x[0], y]),
            ),
            np.where(here, 3.0, lax.cond(here, lambda z: z * x[0], lambda z: z, y)),
            np.where(here, 3.0, fd.checkpoint(lambda z: z * x[0] / z)(y)),
            np.where(here, 3.0, fd.jit(lambda z: z * x[0] / z)(y)),
        ]
        if not np.isnan(value) and value < np.inf:
            above = np.stack([y, HUGE])
            results += [np.maximum(y, HUGE), np.clip(y, HUGE, 2 * HUGE), nn.relu(y - HUGE)]
            results += [np.max(above), fd.at(above)[0].max(HUGE)[0], cummax(above, 0)[1]]
        if not np.isnan(value) and value > -np.inf:
            below = np.stack([y, -HUGE])
            results += [np.minimum(y, -HUGE), np.min(below), fd.at(below)[0].min(-HUGE)[0], cummin(below, 0)[1]]
        return np.stack([r * 1.0 for r in results])

    with np.errstate(all="ignore"):
        value = REGISTRY[name].bind(*map(np.float64, point), **params)
    return f, np.array(point)


def total(f):
    return lambda x: np.sum(f(x))


def gradient(f):
    return fd.grad(total(f))


def tangent(f):
    return lambda x: fd.jvp(f, (x,), (np.ones(len(x)),))[1]


def in_branch(f):
    return lambda x: lax.cond(x[0] < np.inf, f, lambda v: f(v) * 2.0, x)


def in_loop(f):
    return lambda x: lax.fori_loop(0, 2, lambda _, sum_: sum_ + total(f)(x), 0.0)


def in_scan(f):
    return lambda x: lax.scan(lambda sum_, v: (sum_ + total(f)(v), None), 0.0, np.stack([x, x]))[0]


def in_while(f):
    return lambda x: lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, s[1] + total(f)(x)), (0, 0.0))[1]


def mapped(f):
    return lambda x: fd.vmap(f)(np.stack([x, x]))


FIRST = {
    "jacrev": fd.jacrev,
    "jacfwd": fd.jacfwd,
    "gradient": gradient,
    "tangent": tangent,
    "pullback": lambda f: lambda x: fd.vjp(total(f), x)[1](1.0)[0],
    "linear map": lambda f: lambda x: fd.linearize(f, x)[1](np.ones(len(x))),
}

MORE = {
    "forward over reverse": lambda f: fd.jacfwd(gradient(f)),
    "forward over forward": lambda f: fd.jacfwd(tangent(f)),
    "reverse over reverse": lambda f: fd.jacrev(gradient(f)),
    "reverse over forward": lambda f: fd.jacrev(tangent(f)),
    "third, reverse": lambda f: gradient(gradient(gradient(f))),
    "third, mixed": lambda f: tangent(gradient(tangent(f))),
    "mapped": lambda f: mapped(gradient(f)),
    "of the mapped": lambda f: gradient(mapped(f)),
    "second, of the mapped": lambda f: gradient(mapped(gradient(f))),
    "in a branch": lambda f: gradient(in_branch(f)),
    "in a loop": lambda f: gradient(in_loop(f)),
    "in a scan": lambda f: gradient(in_scan(f)),
    "in a while loop": lambda f: gradient(in_while(f)),
    "with checkpoints": lambda f: gradient(fd.checkpoint(f)),
    "second, in a loop": lambda f: gradient(gradient(in_loop(f))),
    "second, in a scan, mixed": lambda f: tangent(gradient(in_scan(f))),
    "second, in a branch": lambda f: gradient(tangent(in_branch(f))),
    "second, with checkpoints": lambda f: gradient(gradient(fd.checkpoint(f))),
}


ONE_EACH = list({name: (name, params, point) for name, params, point in reversed(POINTS)}.values())
"""One point a primitive."""

ONCE = {"ellipkinc", "ellipeinc"}
"""Those whose second derivatives are not known in all operands."""

TWICE = [point for point in ONE_EACH if point[0] not in ONCE]


def check(derivatives, name, params, point):
    f, x = guarded(name, params, point)
    for what, derivative in derivatives.items():
        found = np.asarray(derivative(f)(x))
        assert not np.any(found), f"{what}: {found}"


@pytest.mark.one_in(12)
@pytest.mark.parametrize(("name", "params", "point"), POINTS)
def test_what_a_guard_does_not_take(name, params, point):
    check(FIRST, name, params, point)


@pytest.mark.one_in(120)
@pytest.mark.parametrize(("name", "params", "point"), TWICE)
def test_to_any_order_and_in_control_flow(name, params, point):
    check(MORE, name, params, point)


# -- natively ----------------------------------------------------------------------------------------------------------

NATIVE = {
    "gradient": lambda f: gradient(f),
    "tangent": lambda f: tangent(f),
    "second, reverse": lambda f: gradient(gradient(f)),
    "second, mixed": lambda f: tangent(gradient(f)),
    "mapped": lambda f: mapped(gradient(f)),
}


@pytest.mark.deep
@pytest.mark.parametrize("kind", NATIVE)
def test_native_code_and_what_it_differentiates(kind):
    """Many primitives at a time, as one function: compiling is what takes the time."""
    for start in range(3):
        chosen = (TWICE if kind.startswith("second") else ONE_EACH)[start :: 3 if kind == "gradient" else 9]
        parts = [guarded(*p)[0] for p in chosen]
        sizes = np.cumsum([0, *[len(point) for _, _, point in chosen]])
        x = np.concatenate([np.array(point) for _, _, point in chosen])

        def f(x, parts=parts, sizes=sizes):
            return np.concatenate([part(x[i:j]) for part, i, j in zip(parts, sizes, sizes[1:], strict=False)])

        plain = NATIVE[kind](f)
        for derivative in (fd.jit(plain), *([NATIVE[kind](fd.jit(f))] if start == 0 else [])):
            found = derivative(x)
            assert not np.any(found), [
                p for p, i in zip(chosen, sizes, strict=False) if np.any(found[..., i : i + len(p[2])])
            ]


# -- functions that users write ----------------------------------------------------------------------------------------


def guarded_norm(x):
    return np.where(x == 0, 0.0, np.linalg.norm(np.stack([x, 2 * x])))


def entropy_of_two(p):
    q = np.stack([p, 1 - p])
    return -np.sum(np.where(q > 0, q * np.log(q), 0.0))


ZERO_AT_ZERO = {
    "root": lambda x: np.where(x <= 0, 0.0, np.sqrt(x)),
    "root by power": lambda x: np.where(x <= 0, 0.0, x**0.5),
    "reciprocal": lambda x: np.where(x == 0, 0.0, x**-1),
    "inverse cube": lambda x: np.where(x == 0, 0.0, x**-3),
    "quotient": lambda x: np.where(x == 0, 1.0, np.sin(x) / x),
    "chirp": lambda x: np.where(x == 0, 0.0, x * x * np.sin(1 / x)),
    "x to the x": lambda x: np.where(x == 0, 1.0, x**x),
    "norm": guarded_norm,
    "norm, written out": lambda x: np.where(x == 0, 0.0, np.sqrt(x * x + 4 * x * x)),
    "standard deviation": lambda x: np.where(x == 0, 0.0, np.std(np.stack([x, x]))),
    "standardised": lambda x: np.sum(np.where(x == 0, 0.0, (np.stack([x, x]) - x) / np.std(np.stack([x, x])))),
    "entropy": lambda p: np.where(p > 0, p * np.log(p), 0.0),
    "entropy of a root": lambda p: np.where(p > 0, np.sqrt(p) * np.log(np.sqrt(p)), 0.0),
    "weighted logarithm": lambda x: np.where(x > 0, np.exp(x) * np.log(x) * np.cos(x), 0.0),
    "sum of exponentials": lambda x: np.where(x == 0, 0.0, nn.logsumexp(np.stack([np.log(x), np.log(2 * x)]))),
    "two exponentials": lambda x: np.where(x == 0, 0.0, np.logaddexp(np.log(x), np.log(x))),
    "softmax": lambda x: np.where(x == 0, 0.0, nn.softmax(np.stack([np.log(x), np.log(2 * x)]))[0]),
    "angle": lambda x: np.where(x == 0, 0.0, np.arctan2(x, x)),
    "saturated": lambda x: np.where(x == 0, 0.0, np.tanh(1 / x) * sp.erf(1 / x) * nn.sigmoid(1 / x)),
    "arcsine at 1": lambda x: np.where(x >= 0, 0.0, np.arcsin(1 + x)),
    "exponential": lambda x: np.where(x < 0, np.exp(x + 800.0), 0.0),
    "relative entropy": lambda x: np.where(x == 0, 0.0, sp.rel_entr(x, 2 * x)),
    "largest": lambda x: np.maximum(np.log(x), 0.0),
    "clipped": lambda x: np.clip(np.sqrt(x), 1.0, 2.0),
    "maximum of several": lambda x: np.max(np.stack([-1 / np.sqrt(x), x * 0.0])),
    "an index": lambda x: np.stack([np.sqrt(x), x * 0.0])[np.argmin(np.stack([1.0 + x, 0.0]))],
    "division by what was passed in": lambda x: np.where(x == 0, 0.0, fd.jit(lambda a, b: a / b * a)(x, np.log(x))),
    "a loop over logarithms": lambda x: np.where(
        x == 0, 0.0, lax.fori_loop(0, 3, lambda _, c: np.sqrt(c) * np.log(c) * c, x)
    ),
    "a loop by a logarithm": lambda x: np.where(
        x == 0, 0.0, (lambda log: lax.fori_loop(0, 3, lambda _, c: c * log, x))(np.log(x))
    ),
    "a branch by a logarithm": lambda x: np.where(
        x == 0, 0.0, lax.cond(x < 1, lambda c, log: c * log, lambda c, log: log, x, np.log(x))
    ),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("name", ZERO_AT_ZERO)
def test_functions_that_are_constant_at_0(name):
    f = ZERO_AT_ZERO[name]
    reverse, forward = fd.grad, fd.jacfwd
    for first in (reverse, forward):
        one = first(f)
        assert one(0.0) == 0, first
        assert first(fd.jit(f))(0.0) == 0
        assert fd.vmap(one)(np.zeros(2)).tolist() == [0, 0]
        for second in (reverse, forward):
            assert second(one)(0.0) == 0, (first, second)
            for third in (reverse, forward):
                assert third(second(one))(0.0) == 0, (first, second, third)
    assert fd.jit(fd.grad(f))(0.0) == 0 and fd.jit(fd.hessian(f))(0.0) == 0


@pytest.mark.parametrize("checkpoint", [None, "sqrt", "binomial"])
@pytest.mark.parametrize("kind", ["scan", "while"])
def test_loops_that_compute_again(kind, checkpoint):
    """What a step makes of its carry, and what it is given, may be infinite."""

    def loop(step, x):
        if kind == "scan":
            return lax.scan(lambda c, _: (step(c), None), x, length=3, checkpoint=checkpoint)[0]
        return lax.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, step(s[1])), (0, x), checkpoint=checkpoint)[1]

    def of_carry(x):
        return np.where(x == 0, 0.0, loop(lambda c: np.sqrt(c) * np.log(c) * c, x))

    def of_constant(x):
        log = np.log(x)
        return np.where(x == 0, 0.0, loop(lambda c: c * log, x))

    for f in (of_carry, of_constant):
        gradient = fd.grad(f)
        assert [
            gradient(0.0),
            fd.jit(gradient)(0.0),
            fd.jacfwd(f)(0.0),
            fd.grad(gradient)(0.0),
            fd.jacfwd(gradient)(0.0),
        ] == [0.0] * 5


KINKS = {"standard deviation", "standardised"}
"""At every x: the deviation of equal numbers."""


@pytest.mark.parametrize("name", [name for name in ZERO_AT_ZERO if name not in KINKS])
def test_where_it_is_taken_derivatives_are_what_they_were(name):
    f, x, h = ZERO_AT_ZERO[name], 0.3, 1e-6
    slope = fd.grad(f)(x)
    np.testing.assert_allclose(slope, (f(np.float64(x + h)) - f(np.float64(x - h))) / (2 * h), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(fd.jacfwd(f)(x), slope, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(fd.jit(fd.grad(f))(x), slope, rtol=1e-12, atol=1e-15)


def test_gradients_of_partly_guarded_arrays():
    x = np.array([0.0, 4.0, -1.0, 1.0])
    np.testing.assert_array_equal(fd.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)))(x), [0.0, 0.25, 0.0, 0.5])
    np.testing.assert_array_equal(fd.grad(lambda x: np.sum(np.sqrt(x[x > 0])))(x), [0.0, 0.25, 0.0, 0.5])
    p = np.array([0.0, 0.5, 0.5])
    np.testing.assert_allclose(
        fd.grad(lambda p: np.sum(np.where(p > 0, p * np.log(p), 0.0)))(p), [0.0, *(1 + np.log([0.5, 0.5]))], rtol=1e-15
    )
    assert fd.grad(entropy_of_two)(0.5) == 0
    scores = np.array([-np.inf, 0.0, 1.0])
    weights = np.exp(scores) / np.sum(np.exp(scores))
    np.testing.assert_allclose(fd.grad(nn.logsumexp)(scores), weights, rtol=1e-15)
    np.testing.assert_allclose(fd.jit(fd.grad(nn.logsumexp))(scores), weights, rtol=1e-15)


# -- what is taken meets its infinity ----------------------------------------------------------------------------------


def test_a_cotangent_that_is_not_zero_meets_its_infinity():
    for wrap in (lambda f: f, fd.jit):
        assert wrap(fd.grad(np.sqrt))(0.0) == np.inf
        assert wrap(fd.jacfwd(np.sqrt))(0.0) == np.inf
        assert wrap(fd.grad(np.log))(0.0) == np.inf
        assert wrap(fd.grad(lambda x: -2.0 * np.sqrt(x)))(0.0) == -np.inf
        assert np.isnan(wrap(fd.grad(np.sqrt))(-1.0))
        assert wrap(fd.grad(lambda x: np.where(x >= 0, np.sqrt(x), 0.0)))(0.0) == np.inf
    assert np.array_equal(fd.grad(lambda x: np.sum(np.sqrt(x)[1:]))(np.zeros(3)), [0.0, np.inf, np.inf])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_zero_tangents_and_cotangents_that_are_given(dtype):
    x = np.zeros(3, dtype)
    given = np.array([0.0, 1.0, -0.0], dtype)
    for wrap in (lambda f: f, fd.jit):
        _, tangent = wrap(lambda x, t: fd.jvp(np.sqrt, (x,), (t,)))(x, given)
        cotangent = wrap(lambda x, t: fd.vjp(np.sqrt, x)[1](t)[0])(x, given)
        for found in (tangent, cotangent):
            assert found.dtype == dtype and found[0] == 0 and found[2] == 0 and not np.isfinite(found[1])


def test_a_zero_factor_does_not_hide_an_infinite_tangent():
    assert np.isnan(fd.jacfwd(lambda x: np.sqrt(x) * 0.0)(0.0))


def test_all_paths_agree_in_the_signs_of_zeros():
    def f(x):
        return np.where(x > 0, np.log(x) / x - np.exp(-x) * np.sqrt(x) / (x - 2), x * -0.0)

    for x in (0.0, -0.0, -1.0, 2.0):
        found = [fd.grad(f)(x), fd.jit(fd.grad(f))(x)]
        assert np.isnan(found).all() or (found[0] == found[1] and np.signbit(found[0]) == np.signbit(found[1]))


# -- what it does to Programs ------------------------------------------------------------------------------------------


def names(f, *args):
    return [e.primitive.name for e in fd.make_ir(f)(*args).eqns]


def test_products_are_plain_where_all_is_finite():
    for f in (
        lambda x: np.sin(x) * np.tanh(x) * x**3,
        lambda x: x / 3.0 * x,
        lambda x: np.mean(np.stack([x, x]) * x) * x,
    ):
        assert not [n for n in names(fd.grad(fd.grad(f)), 1.0) if n.startswith("strong")]


def test_what_follows_something_singular_is_doubted_and_nothing_else():
    assert "strong_mul" in names(fd.grad(lambda x: np.exp(x) * np.sin(x)), 1.0)
    assert names(fd.grad(lambda x, y: np.sum(np.log(x)) * y, 1), np.ones(3), 1.0).count("strong_mul") == 1
    assert "strong_mul" not in names(fd.grad(lambda x: np.where(np.log(x) > 0, x * x, x)), 1.0)


def test_a_derivative_stays_one_kernel():
    def loss(x, y):
        return np.sum(np.exp(-(x**2)) * np.sin(y) + np.sqrt(x) * np.log(1 + x**2) / y)

    text = fd.jit(fd.grad(loss, (0, 1))).lower(np.ones(100), np.ones(100)).kernel_ir
    assert text.count("kernel ") == 1 and " = temp " not in text


def test_where_the_cotangent_is_a_constant_nothing_is_selected():
    assert "select" not in fd.jit(fd.grad(lambda x: np.sum(np.sqrt(x)))).lower(np.ones(100)).kernel_ir


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("last", [strong_mul, strong_div, strong_product])
def test_products_in_a_row_have_one_mask(last, dtype):
    """Nothing waits for the choice of another, and the bits are those of NumPy's steps."""

    def f(t, x, y):
        product = strong_mul(t, x)
        return last(np.negative(product), y), last(product, y), last(np.where(x > 1, 0.0 * t, product), y)

    special = np.array(
        [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, np.finfo(dtype).max, -np.finfo(dtype).smallest_subnormal], dtype
    )
    args = [np.ascontiguousarray(a.ravel()) for a in np.meshgrid(special, special, special)]
    for found, expected in zip(fd.jit(f)(*args), f(*args), strict=True):
        assert_same_bits([found], [expected], last.primitive.name)
    ones = np.ones(64, dtype)
    text = fd.jit(lambda t, x, y: last(np.negative(strong_mul(t, x)), y)).lower(ones, ones, ones).kernel_ir
    selected = re.findall(r"(%\d+) \w+ = select", text)
    assert selected and not re.search(rf" = (mul|div) .*({'|'.join(selected)})\b", text)


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_missing_data_that_is_replaced_first(wrap):
    """The likelihood of what is there; data count as finite, so they have to be."""
    y = np.array([1.0, np.nan, 2.0])

    def loss(x):
        there = np.isfinite(y)
        return np.sum(np.where(there, (x - np.where(there, y, 0.0)) ** 2 / np.exp(x[0]), 0.0))

    x = np.array([0.0, 2.0, 3.0])
    for derivative in (fd.grad(loss), fd.jacfwd(loss)):
        np.testing.assert_allclose(wrap(derivative)(x), [-4.0, 0.0, 2.0])
    assert not np.isnan(wrap(fd.hessian(loss))(x)).any()


MISSING = np.array([1.0, np.nan, 2.0])
THERE = np.isfinite(MISSING)
CONSTANTS = {
    "residuals": lambda x, y: np.where(THERE, (x - y) ** 2, 0.0),
    "products": lambda x, y: np.where(THERE, x * y, 0.0),
    "exponentials": lambda x, y: np.where(THERE, np.exp(-x * y) * x, 0.0),
    "quotients": lambda x, y: np.where(THERE, x / y + y / x, 0.0),
    "a power": lambda x, y: np.where(THERE, x**y, 0.0),
    "an infinity": lambda x, y: np.where(THERE, x * np.where(THERE, y, -np.inf), 0.0),
    "a logarithm of what is known": lambda x, y: np.where(THERE, x * x * np.log(np.where(THERE, y, 0.0)), 0.0),
    "in a loop": lambda x, y: lax.scan(lambda c, v: (c + np.where(THERE, x * y * v, 0.0), None), 0 * x, x)[0],
    "in jit": lambda x, y: fd.jit(lambda x, y: np.where(THERE, x * y * x, 0.0))(x, y),
}


OF_DATA = {
    "reverse": fd.grad,
    "forward": fd.jacfwd,
    "through jit": lambda f: fd.grad(fd.jit(f)),
    "mixed": fd.hessian,
    "forward over forward": lambda f: fd.jacfwd(fd.jacfwd(f)),
    "reverse over reverse": lambda f: fd.jacrev(fd.grad(f)),
}


def of_data(name, transform, y, wrap=lambda f: f):
    """A derivative of one of these functions at some point."""
    weights = np.array([1.0, 2.0, 3.0])
    return wrap(OF_DATA[transform](lambda x: np.sum(CONSTANTS[name](x, y) * weights)))(np.array([0.5, 2.0, 3.0]))


@pytest.mark.parametrize("transform", OF_DATA)
@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_that_are_not_finite(name, transform):
    """Data with something missing, behind a guard: as if a number stood there."""
    expected = of_data(name, transform, np.where(THERE, MISSING, 1.0))
    np.testing.assert_allclose(of_data(name, transform, MISSING), expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ["residuals", "products", "exponentials", "quotients"])
def test_constants_of_jitted_functions_that_are_not_finite(name):
    """What nobody can write to is a constant under jit, too."""
    frozen = np.frombuffer(MISSING.tobytes())
    expected = of_data(name, "reverse", np.where(THERE, MISSING, 1.0))
    np.testing.assert_allclose(of_data(name, "reverse", frozen, fd.jit), expected, rtol=1e-14, atol=1e-14)


def test_a_rule_of_ones_own_on_values():
    """Where everything is known, what multiplies the tangents is a constant."""

    @fd.custom_jvp
    def root(x):
        return np.sqrt(x)

    @root.defjvp
    def rule(primals, tangents):
        y = np.sqrt(primals[0])
        return y, tangents[0] / (2 * y)

    def f(x):
        return np.sum(np.where(x > 0, root(x), 0.0))

    x = np.array([0.0, 1.0, 4.0])
    for derivative in (fd.grad(f), fd.jit(fd.grad(f)), fd.grad(fd.jit(f)), fd.jacfwd(f)):
        np.testing.assert_array_equal(derivative(x), [0.0, 0.5, 0.25])


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_rules_of_ones_own(wrap):
    root = fd.custom_jvp(np.sqrt)
    root.defjvps(lambda t, y, x: t / (2 * y))
    f = wrap(lambda x: np.where(x <= 0, 0.0, root(x)))
    for derivative in (fd.grad(f), fd.jacfwd(f), fd.grad(fd.grad(f)), fd.jacfwd(fd.grad(f))):
        assert wrap(derivative)(0.0) == 0
        assert not wrap(fd.vmap(derivative))(np.zeros(2)).any()
    assert wrap(fd.grad(root))(0.0) == np.inf
