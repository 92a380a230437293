"""try with handlers around what a traced condition raises: branches, with Python's results."""

import math

import numpy as np
import pytest

import functad as fd
from functad.errors import UnsupportedError

GIVEN = [np.array([0.3, 0.7, 1.4, 0.9]), np.array([0.3, 0.7, -1.4, 0.9]), np.array([-0.3, 0.7, -1.4, 0.9])]


class Stopped(Exception):
    def __init__(self, step, value):
        super().__init__(step)
        self.step, self.value = step, value


def caught(x):
    try:
        if x[2] < 0:
            raise ValueError("negative")
        y = x[1] * 2
    except (KeyError, ValueError):
        y = x[0] * 3
    return y


def all_parts(x):
    y = x.copy()
    try:
        y[0] = 5.0
        assert x[2] > 0, "negative"
        y[1] = 7.0
        if x[0] < 0:
            raise KeyError(x[0])
    except AssertionError:
        y[3] = -1
    except KeyError as e:
        y[3] = e.args[0] * 2
    else:
        y[2] *= y[0]
    finally:
        y = y + 1
    return y


def in_a_loop(x):
    s, bad = 0.0, 0
    for i in range(20):
        try:
            if x[i % 4] < 0:
                raise ValueError(f"negative {x[i % 4]}")
            s += np.sqrt(x[i % 4])
        except ValueError:
            bad += 1
            if bad > 3:
                break
            continue
        s *= 0.9
    return s, bad


def out_of_loops(x):
    try:
        for i in range(20):
            for j in range(3):
                if x[i % 4] < -j:
                    raise Stopped(i, x[i % 4])
        return x[0]
    except Stopped as e:
        return e.value * 10 + e.step


def nested(x):
    try:
        try:
            if x[2] < 0:
                raise ValueError("inner")
            y = x[0]
        except ValueError as e:
            if x[0] < 0:
                raise
            raise RuntimeError("outer") from e
    except RuntimeError:
        y = 5 * x[1]
    except ValueError:
        y = 6 * x[1]
    return y


def newton(x):
    y = 1.0
    try:
        while True:
            d = (y * y - x[2]) / (2 * y)
            y = y - d
            if abs(d) < 1e-10:
                break
            if abs(d) > 100:
                raise ArithmeticError("diverged")
    except ArithmeticError:
        y = -1.0 * x[0]
    return y


def returns(x):
    try:
        if x[2] > 0:
            return x[1]
        z = x[0] * 2
    except ValueError:
        z = 0.0
    return z


def past_the_inner_handler(x):
    s = 0.0
    for i in range(4):
        try:
            try:
                if x[i] < 0:
                    raise KeyError
                if x[i] > 1:
                    raise ValueError
                s += 1
            except ValueError:
                s += 10
                if x[0] < 0:
                    raise LookupError from None
            finally:
                s += 0.5
        except LookupError:
            s += 100
            continue
        s *= 1.5
    return s


def from_several_places(x):
    try:
        if x[0] < 0:
            if x[1] > 0.5:
                raise ValueError
            t = x[1] * 3
        else:
            t = x[2]
        if t < 0:
            raise TypeError
        u = t * 2
    except TypeError:
        u = 7.0
    except ValueError:
        u = 9.0
    return u


@pytest.mark.parametrize(
    "f",
    [caught, all_parts, in_a_loop, out_of_loops, nested, newton, returns, past_the_inner_handler, from_several_places],
)
def test_what_is_raised_is_caught(f):
    compiled = fd.jit(f)
    for x in GIVEN:
        np.testing.assert_allclose(compiled(x), f(x), rtol=1e-12)


@pytest.mark.deep
@pytest.mark.parametrize("f", [caught, out_of_loops, nested, newton, returns])
def test_derivatives_and_lanes(f):
    for x in GIVEN:
        np.testing.assert_allclose(fd.jit(fd.grad(f))(x), fd.grad(f)(x), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fd.vmap(f)(np.array(GIVEN)), [f(x) for x in GIVEN], rtol=1e-12)


def test_what_no_handler_takes_is_raised():
    def f(x):
        try:
            if x[2] < 0:
                raise TypeError(f"no {x[2]:.2f}")
            if x[0] < 0:
                raise ValueError
            return x[1]
        except ValueError:
            return x[3]

    assert fd.jit(f)(GIVEN[0]) == 0.7
    assert fd.jit(f)(np.abs(GIVEN[2]) * [-1, 1, 1, 1]) == 0.9
    with pytest.raises(TypeError, match=r"^no -1.40\n"):
        fd.jit(f)(GIVEN[1])

    def raised_again(x):
        try:
            if x[2] < 0:
                raise ValueError(f"{x[2]:.1f} is negative")
            y = x[0]
        except ValueError as e:
            raise RuntimeError(f"it failed with {x[1]}") from e
        return y

    assert fd.jit(raised_again)(GIVEN[0]) == 0.3
    with pytest.raises(RuntimeError, match=r"it failed with 0.7"):
        fd.jit(raised_again)(GIVEN[1])


def test_known_conditions_and_pythons_own_exceptions():
    def f(x, mode):
        found = []
        try:
            if mode == "raise":
                raise ValueError(mode)
            y = x[{"one": 1}[mode]]
            found.append("block")
        except KeyError as e:
            found.append(str(e))
            y = x[2]
        except ValueError as e:
            found.append(str(e))
            y = x[3]
        finally:
            found.append("end")
        return y * len("".join(found))

    for mode in ("one", "two", "raise"):
        assert fd.jit(f)(GIVEN[0], mode) == f(GIVEN[0], mode)


def test_what_a_variable_is_that_the_handler_does_not_assign():
    def f(x):
        try:
            if x[2] < 0:
                raise ValueError
            y = x[0] * 2
        except ValueError:
            z = 1.0
        else:
            z = y + 1
        return z

    def g(x):
        try:
            if x[2] < 0:
                raise ValueError
            y = x[0]
        except ValueError:
            pass
        return y

    for x in GIVEN:
        assert fd.jit(f)(x) == f(x)
        assert x[2] < 0 or fd.jit(g)(x) == g(x)
    with pytest.raises(UnboundLocalError, match="cannot access local variable 'y'"):
        fd.jit(g)(np.array([1.0, 2.0, -3.0]))


def test_what_cannot_be_caught_says_so():
    def looked_up(x, n):
        s = 0.0
        for i in range(n):
            try:
                s = s + x[i]
            except IndexError:
                s = 0.0
        return s

    def decomposed(x):
        s = 0.0
        while s < 2:
            try:
                s = s + np.linalg.svd(np.eye(2) * x[0])[1][0]
            except np.linalg.LinAlgError:
                s = 5.0
        return s

    def own(x):
        s = 0.0
        while s < 3:
            try:
                s = s + {1: 0.5}[2]
            except KeyError:
                s = s + x[0]
        return s

    with pytest.raises(UnsupportedError, match=r"\(check_index\) in a try block at .* raises IndexError at run time"):
        fd.jit(looked_up)(GIVEN[0], np.int64(3))
    with pytest.raises(UnsupportedError, match="raises LinAlgError at run time, which a handler of the function would"):
        fd.jit(decomposed)(GIVEN[0])
    with pytest.raises(UnsupportedError, match=r"a KeyError \(2\) is caught at .* test for it with an if"):
        fd.jit(own)(GIVEN[0])


def quotient(a, b):
    try:
        r = a / b
        r %= b - 1.0
    except ZeroDivisionError:
        r = 0.5 * a
    return r * 2 + a


def logarithm(a, b):
    y = 0.0
    for _ in range(12):
        try:
            y = y + math.log(a - b) + math.exp(a * 300)
        except ValueError:
            y = y - a
        except OverflowError:
            y = y + 7.0 * b
    return y


def called(a, b):
    try:
        return abs(a) / abs(b)
    except ZeroDivisionError:
        return a * 3


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_pythons_numbers_raise_what_is_caught():
    for f in (quotient, logarithm):
        compiled, derivative = fd.jit(f), fd.jit(fd.grad(f))
        for args in ((2.0, 0.0), (2.0, 1.0), (2.0, 3.0), (4.0, 1.5), (0.5, 0.25)):
            gradient = fd.grad(f)(*args)
            assert np.isfinite(gradient) and fd.value_and_grad(f)(*args)[0] == pytest.approx(f(*args), rel=1e-14)
            assert compiled(*args) == pytest.approx(f(*args), rel=1e-14)
            assert derivative(*args) == pytest.approx(gradient, rel=1e-14)
    assert fd.grad(quotient)(2.0, 0.0) == 2.0  # the handler's
    assert fd.grad(called)(2.0, 0.0) == 3.0
    assert fd.jit(quotient)(np.float64(2.0), 4.0) == quotient(np.float64(2.0), 4.0)
    with pytest.raises(UnsupportedError, match=r"raise ZeroDivisionError, which a handler .* assign them before"):
        fd.jit(called)(2.0, 0.0)
