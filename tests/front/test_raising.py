"""raise and assert on traced conditions: checks at run time, which raise the user's own exceptions."""

import contextlib
import pickle

import numpy as np
import pytest

import functad as fd
from functad.core.evaluator import run_program
from functad.errors import UnsupportedError
from functad.primitives.check import Failure, check

X = np.array([0.3, 0.7, 1.4, 0.9])
BAD = np.array([0.3, 0.7, -1.4, 0.9])


class NotConverged(Exception):
    def __init__(self, residual, history):
        super().__init__(f"residual {residual:.2f}")
        self.residual, self.history = residual, history


def root(x):
    if x[2] < 0:
        raise ValueError(f"negative: {x[2]:.2f}, %d of {x!r}" % 2)
    return np.sqrt(x[2])


def log_sum(x):
    s = 0.0
    for i in range(len(x) * 5):
        assert x[i % 4] > 0, f"element {i} is {x[i % 4]}"
        s += np.log(x[i % 4])
    return s


def solved(x):
    y = 1.0
    for _ in range(20):
        d = (y * y - x[2]) / (2 * y)
        y = y - d
        if abs(d) < 1e-9:
            return y
    raise NotConverged(abs(d), [y, x])


def deep(x):
    if x[0] > 0:
        if x[2] < -1.0:
            raise KeyError("below")
        elif x[2] < 0:
            raise NotConverged(x[2], [])
        y = x * 2
    else:
        y = -x
    return np.sum(y)


def doubled_until(x):
    y, k = abs(x[0]), 0
    while y < 100:
        y, k = y * (1.5 - x[2]), k + 1
        if k > 8 and x[2] > 0:
            raise OverflowError(f"{k} steps")
    return y


CASES = [
    (root, X, BAD),
    (log_sum, X, BAD),
    (solved, X, BAD),
    (deep, X, BAD),
    (doubled_until, BAD, X),
]


@pytest.mark.parametrize("f, good, bad", CASES, ids=lambda f: getattr(f, "__name__", ""))
def test_the_users_exceptions(f, good, bad):
    with pytest.raises(Exception) as expected:
        f(bad)
    lanes = np.stack([good, bad])
    ways = [fd.jit(f), fd.jit(fd.value_and_grad(f)), fd.vmap(f), fd.jit(fd.vmap(fd.grad(f)))]
    for run, x in zip(ways, (bad, bad, lanes, lanes), strict=True):
        with pytest.raises(type(expected.value)) as found:
            run(x)
        assert str(expected.value).startswith(str(found.value))  # to assertions pytest adds more
        assert any(["it was raised at" in n and "test_raising" in n for n in found.value.__notes__])
    np.testing.assert_allclose(ways[0](good), f(good), rtol=1e-12)
    np.testing.assert_allclose(ways[1](good)[1], fd.grad(f)(good), rtol=1e-9)
    np.testing.assert_allclose(ways[3](np.stack([good, good]))[1], fd.grad(f)(good), rtol=1e-9)
    with pytest.raises(type(expected.value)):  # and again, by the native entry
        ways[0](bad)


def test_attributes_hold_values():
    with pytest.raises(NotConverged) as found:
        fd.jit(deep)(np.array([0.3, 0.7, -0.5, 0.9]))
    assert found.value.residual == -0.5


def test_one_branch_of_two_raises_and_both():
    def f(x):
        if x[0] > 0:
            if x[1] > 0:
                raise KeyError("both")
            else:
                raise IndexError("one")
        return x[2]

    run = fd.jit(f)
    assert run(-X) == -X[2]
    for x, error in ((X, KeyError), (X * [1, -1, 1, 1], IndexError)):
        with pytest.raises(error):
            run(x)


def test_a_check_is_not_dropped_and_runs_in_its_place():
    def f(x):
        if x[2] < 0:
            raise ValueError("first")
        y = x[7 if x.size > 7 else 0]
        if x[3] < 0:
            raise ValueError("second")
        return 1.0 + 0 * y

    for run in (fd.jit(f), fd.jit(fd.grad(f)), fd.jit(fd.checkpoint(f)), fd.jit(fd.grad(fd.checkpoint(f)))):
        with pytest.raises(ValueError, match="first"):
            run(-X)
        with pytest.raises(ValueError, match="second"):
            run(X * [1, 1, 1, -1])


def test_what_is_not_taken_raises_nothing():
    def inner(v):
        if v < 0:
            raise ValueError("negative")
        return np.sqrt(v)

    def f(v):
        return inner(v) if v > 0.5 else v

    def g(x):
        s = 0.0
        for i in range(30):
            if i > 3:
                break
            s = s + inner(x[i])
        return s

    lanes = np.array([0.1, -3.0, 4.0])
    for run in (fd.vmap(f), fd.jit(fd.vmap(f))):
        np.testing.assert_allclose(run(lanes), [0.1, -3.0, 2.0])
    assert fd.jit(fd.vmap(f))(np.zeros(0)).shape == (0,)
    np.testing.assert_allclose(fd.jit(g)(X), g(X), rtol=1e-14)


def test_a_handler_of_the_functions_own_that_calls_what_raises_is_refused():
    def suppressed(x):
        y = 0.0
        with contextlib.suppress(ValueError):
            if x[0] < 0:
                raise ValueError("negative")
            y = x[1]
        return y

    def others(x):
        try:
            if x[2] < 0:
                raise ValueError("negative")
            y = x[1]
        except KeyError:
            y = 0.0
        finally:
            z = 1.0
        return y + z

    def around(x):
        try:
            return root(x)
        except Exception:
            return 0.0

    for f in (suppressed, around):
        with pytest.raises(
            UnsupportedError, match=r"a ValueError is raised at .*test_raising.* and caught by a handler"
        ):
            fd.jit(f)(X)
    assert fd.jit(others)(X) == others(X)
    with pytest.raises(ValueError, match="negative"):
        fd.jit(others)(BAD)
    with contextlib.suppress(ValueError):  # one outside of it all is the caller's
        fd.jit(root)(BAD)


def test_causes_and_names_without_a_value():
    def f(x):
        try:
            int("z")
        except ValueError as error:
            if x[0] > 0:
                raise RuntimeError("outer") from error
        return x[0]

    def g(x):
        if x[0] < 0:
            return unknown  # noqa: F821
        return x[0]

    with pytest.raises(RuntimeError, match="outer") as found:
        fd.jit(f)(X)
    assert isinstance(found.value.__cause__, ValueError)
    assert fd.jit(g)(X) == X[0]
    with pytest.raises(NameError, match="unknown"):
        fd.jit(g)(-X)


def test_the_primitive():
    def f(x):
        check(x[0] > 0, Failure(lambda v: ValueError(f"got {v}")), x[1])
        return x[2]

    assert fd.jit(f)(X) == X[2]
    for run in (f, fd.jit(f)):
        with pytest.raises(ValueError, match="got -0.7"):
            run(-X)
    assert Failure(len, "a") == Failure(len, "a") != Failure(len, "b")


def test_programs_with_checks_are_pickled():
    program = pickle.loads(pickle.dumps(fd.make_ir(fd.jit(deep))(X)))
    run = fd.jit(lambda x: run_program(program, [x])[0])
    assert run(X) == deep(X)
    with pytest.raises(KeyError, match="below"):
        run(np.array([0.3, 0.7, -2.0, 0.9]))


def branch_beyond(x, n):
    s = x[0]
    if n > 5:
        s = x[7]
    return s


def steps_beyond(x, n):
    s = x[0]
    for _ in range(n - 5):
        s = s * x[-7]
    return s


def write_beyond(x, n):
    y = x.copy()
    if n > 5:
        y[4] = 1.0
    return y.sum()


@pytest.mark.parametrize(("f", "index"), [(branch_beyond, 7), (steps_beyond, -7), (write_beyond, 4)])
def test_a_known_index_beyond_the_bounds_raises_where_it_is_used(f, index):
    for g in (f, fd.grad(f)):
        run = fd.jit(g)
        np.testing.assert_array_equal(run(X, np.int64(5)), g(X, 5))
        with pytest.raises(IndexError, match=f"index {index} is out of bounds for axis 0 with size 4"):
            run(X, np.int64(6))
