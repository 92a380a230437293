"""break, continue, return and else of loops on traced conditions: native loops that stop, in every transform."""

import itertools

import numpy as np
import pytest

import functad as fd
from functad.errors import StructureError, UnsupportedError

X = np.array([0.3, -0.7, 1.4, 0.9])
Y = np.array([1.2, 0.1, 0.2, -2.0])


def newton(x):
    y = a = x[2]
    for _ in range(50):
        d = (y * y - a) / (2 * y)
        y = y - d
        if abs(d) < 1e-9:
            break
    return y


def first_above(x):
    for v in x:
        if v > 0.8:
            return v * x[0]
    return -1.0


def fixed_point(x):
    y, steps = x[2], 0
    while True:
        last, y = y, 0.5 * (y + x[3] ** 2 / y)
        steps += 1
        if abs(y - last) < 1e-9:
            return y * steps


def kept_on(x):
    s = 0.0
    for i in range(30):
        if x[i % 4] < 0:
            continue
        s = s + x[i % 4] * i
        if s > 30.0:
            break
        if i % 3 == 0:
            continue
        s += 1.0
    else:
        s = -s
    return s


def nested(x):
    c = 0.0
    for i in range(4):
        for j in range(10):
            if x[i] * j > 2.0:
                break
            if x[i] + j > 8.0:
                return c + 100 * x[0]
            c += x[i] * x[0]
        else:
            c += 7.0
            continue
        c -= 1.0
    return c


def bisection(x):
    low, high = 0.0, 2.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if middle == x[0]:
            return middle
        if middle * middle < abs(x[3]):
            low = middle
        else:
            high = middle
    return low * x[1]


def in_with_and_finally(x):
    s = 0.0
    for i in range(20):
        with np.errstate(all="ignore"):
            try:
                s = s + x[i % 4]
                if s > 2.5:
                    break
            finally:
                s = s + 0.01
    return s


def filled(x):
    y = np.zeros(12)
    for i in range(12):
        y[i] = x[i % 4] * i
        if y[i] > 4.0:
            y[0] = 5.0
            break
        y[i] += 1.0
    return np.sum(y * y)


def without_a_start(x):
    last, y = None, abs(x[0])
    while y > 0.01:
        if last is not None:
            y = y - 0.1 * last
        last = y * 0.5
        y = y * 0.7
    return y


def stopped_in_the_first_step(x):
    s, last = x[0], None
    for i in range(60):
        if last is None:
            last = np.sin(s) + x[3]
            if not last > 0.5:
                break
        s = s + 0.01 * i * last
    return s


def bound_in_the_condition(x):
    s, y = 0.0, abs(x[0]) + 0.1
    while (z := y * y) < 100:
        s = s + z
        y = y * 2
    return s + z


def matched(x):
    k = 0
    for v in x:
        if v > 0:
            k += 1
    match k:
        case 0 | 1:
            return x[0]
        case 2:
            y = x[1] * 2
        case n if n > 3:
            y = n * 1.0
        case _:
            y = -x[3]
    return y


def zipped(x):
    s = 0.0
    for k, (v, w) in enumerate(zip(x, x[::-1] * 2)):
        if v * w < -1.0:
            return s + k
        s += v * k
        if s > 1.0:
            break
    return s - 1.0


def counted(x):
    s = abs(x[0])
    for k in itertools.count(1):
        s = s * 1.5 + k
        if s > 30.0:
            break
    return s


def rows(x):
    y = np.outer(x, x)
    for row in y:
        row *= 2.0
        if row[0] > 0.5:
            break
    return np.sum(y * y)


def last_index(x):
    for i in range(40):
        if x[i % 4] * i > 5.0:
            break
    return i + x[0]


FUNCTIONS = [
    *(newton, first_above, fixed_point, kept_on, nested, bisection, in_with_and_finally, filled, without_a_start),
    stopped_in_the_first_step,
    *(bound_in_the_condition, matched, last_index, zipped, counted, rows),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f):
    run, slope = fd.jit(f), fd.jit(fd.grad(f))
    for x in (X, Y[::-1]):
        np.testing.assert_allclose(run(x), f(x), rtol=1e-12)
        np.testing.assert_allclose(slope(x), fd.grad(f)(x), rtol=1e-9, atol=1e-12)


ALWAYS = (first_above, kept_on, zipped)


@pytest.mark.parametrize("f", ALWAYS, ids=lambda f: f.__name__)
def test_each_element_stops_for_itself(f):
    _check_lanes(f)


@pytest.mark.deep
@pytest.mark.parametrize("f", [f for f in FUNCTIONS if f not in ALWAYS], ids=lambda f: f.__name__)
def test_each_element_stops_for_itself_in_others(f):
    _check_lanes(f)


def _check_lanes(f):
    lanes = np.stack([X, Y[::-1], X[::-1].copy()])
    np.testing.assert_allclose(fd.jit(fd.vmap(f))(lanes), [f(x) for x in lanes], rtol=1e-12)


def test_vmap_without_jit():
    lanes = np.stack([X, Y[::-1], X * 0.1])
    for f in (first_above, kept_on):
        np.testing.assert_allclose(fd.vmap(f)(lanes), [f(x) for x in lanes], rtol=1e-12)


def test_second_order_and_jvp():
    np.testing.assert_allclose(fd.jit(fd.hessian(newton))(X), fd.hessian(newton)(X), atol=1e-8)
    found = fd.jit(lambda x: fd.jvp(newton, (x,), (np.ones(4),)))(X)
    np.testing.assert_allclose(found[1], 0.5 / np.sqrt(X[2]), rtol=1e-8)


def test_a_loop_that_stops_is_a_native_loop():
    for f in (newton, first_above, fixed_point, last_index):
        kinds = [e.primitive.name for e in fd.make_ir(fd.jit(f))(X).eqns]
        assert kinds.count("while") == 1, f
        assert len(kinds) < 40

    def endless(x):
        for i in range(10**12):  # noqa: B007
            x = x * 1.5
            if x > 100.0:
                break
        return x + i

    assert fd.jit(endless)(1.0) == endless(1.0)


def test_few_steps_over_a_list():
    def f(x):
        s = 0.0
        for v in [x[0], 2.0, x[1]]:
            if s > 2.0:
                break
            s += v
        return s

    for x in (X, X * 10):
        assert fd.jit(f)(x) == f(x)


def test_any_and_all():
    def f(x):
        s = 0.0
        for i in range(12):
            if any([x[i % 4] > 1.0, x[0] < 0]) or all(v > 0 for v in x):
                break
            s += x[i % 4]
        return s + any([x[0] > 0, True]) + all([x[1] > 0, False]) + any([]) + all([])

    for x in (X, -X, np.abs(X)):
        assert fd.jit(f)(x) == f(x)
    assert fd.grad(lambda x: x * any(k > 3 for k in itertools.count()))(1.0) == 1.0


def test_jumps_on_what_is_known_are_pythons():
    def f(x):
        out = []
        for i in range(20):
            if i > 3:
                break
            if i == 1:
                continue
            out.append(x[i % 4] * i)
        return np.array(out)

    def g(x):
        for n in range(100):
            if n * n > 50:
                break
        return np.zeros(n) + x[0]

    np.testing.assert_array_equal(fd.jit(f)(X), f(X))
    np.testing.assert_array_equal(fd.jit(g)(X), g(X))


def test_what_is_refused_says_why():
    def iterator(x):
        for v in (v * 2 for v in x):
            if v < 0:
                break
        return v

    def deleted(x):
        if x[0] > 0:
            t = 1
            del t
        return x[0]

    def filtered(x):
        return sum([v for v in x if v > 0])

    def other_structures(x):
        for v in x:
            if v > 1:
                return v, 1.0
        return x[0]

    def assigned_after_the_jump(x):
        s = x[0]
        while True:
            if s > 20:
                break
            step = s * s + 1
            s = s + step
        return s + step

    cases = [
        (iterator, UnsupportedError, "over a generator ends early on a traced condition: how many of its items"),
        (deleted, UnsupportedError, "it holds a del; leave that out"),
        (filtered, UnsupportedError, "a comprehension takes items by it, and how many is known at run time"),
        (other_structures, StructureError, "what the function returns is a tuple in one branch and f64"),
        (assigned_after_the_jump, StructureError, "step is assigned in one branch only of the if at .*test_jumps"),
    ]
    for f, error, message in cases:
        with pytest.raises(error, match=message):
            fd.jit(f)(X)


# -- integers ----------------------------------------------------------------------------------------------------------


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def power(base, exponent):
    r = 1
    while exponent > 0:
        if exponent % 2:
            r = r * base % 1000003
        base = base * base % 1000003
        exponent //= 2
    return r


def sums_of_sums(x):
    n = 1
    while x < 1e30:
        s = 0
        for _ in range(40):
            s = s + n
        n, x = s, x * 2
    return n


def test_pythons_integers_are_right_or_an_error():
    assert fd.jit(collatz)(27) == 111 and fd.jit(collatz)(97) == 118
    assert fd.jit(fibonacci)(80) == fibonacci(80)
    assert fd.jit(power)(3, 12345) == power(3, 12345)
    for f, args in ((fibonacci, (200,)), (collatz, (2**62 + 1,)), (sums_of_sums, (1.0,))):
        with pytest.raises((OverflowError, UnsupportedError), match="is a Python integer that a step of the loop at"):
            fd.jit(f)(*args)


def relaxed(y, enough):
    for i in range(30):
        if y.sum() < enough:
            return y
        y[i % 4] *= 0.5
        if y[1] > 8:
            y[0] = 0.0
            return y
    return y


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_an_array_that_a_loop_writes_to_is_returned_from_it(scale):
    def own(x):
        return relaxed(x.copy(), 0.8) * x

    def aliases(x):
        y = x * 2
        z = relaxed(y, 0.8)
        z[0] = 7.0  # that is y
        return y * x

    for f in (own, aliases):
        x = np.array([0.3, 0.7, 1.4, 0.9]) * scale
        np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-12)
        np.testing.assert_allclose(fd.jit(fd.jacobian(f))(x), fd.jacobian(f)(x), rtol=1e-12)
        np.testing.assert_allclose(fd.jit(fd.vmap(f))(np.stack([x, x / 9])), [f(x), f(x / 9)], rtol=1e-12)


@pytest.mark.deep
def test_one_of_several_arrays_that_are_written_to_is_returned():
    def f(x):
        y, z = x.copy(), x * 2
        for i in range(30):
            if y.sum() < 0.8:
                return y
            if z.sum() > 90:
                return z
            y[i % 4], z[i % 4] = 0.5 * y[i % 4], z[i % 4] + 1
        return y

    compiled = fd.jit(f)
    for x in (np.ones(4), np.full(4, 30.0), np.full(4, 0.1)):
        np.testing.assert_array_equal(compiled(x), f(x))


def test_a_return_in_a_loop_without_steps():
    def f(x, n):
        s = 0.0
        for i in range(4):
            s += x[i]
            for u in range(n, n):
                if 2 * i < i:
                    return s + 3.0
                s += x[u]
        return s

    assert fd.jit(f)(X, 3) == f(X, 3)


def test_the_first_step_apart_returns():
    def f(x, n):
        y, s = x.copy(), 0.1
        for _ in range(n):
            for j in range(6):
                y[j % 4] *= 0.8
                if y[0] > s:
                    return y * 1.0, s
            s = s + 1
        return y, s

    for x in (X, X * 9, -X):
        for found, expected in zip(fd.jit(f)(x, np.int64(9)), f(x, 9), strict=True):
            np.testing.assert_allclose(found, expected)
