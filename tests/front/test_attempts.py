"""Matrices that have no factor, in a ``try`` of the user's that says what to do then."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import functad as fd
from functad.errors import LinAlgError, UnsupportedError

RNG = np.random.default_rng(5)
M = RNG.normal(size=(5, 5))
GOOD, BAD = M @ M.T, M[:, :2] @ M[:, :2].T - 1e-3 * np.eye(5)
Y = RNG.normal(size=5)


def or_zeros(a):
    try:
        factor = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return np.zeros_like(a)
    return factor


def with_jitter(a):
    jitter = 0.0
    for _ in range(6):
        try:
            return np.linalg.cholesky(a + jitter * np.eye(len(a)))
        except np.linalg.LinAlgError:
            jitter = max(10 * jitter, 1e-4)
    raise ValueError(f"not definite with {jitter}")


def log_likelihood(a):
    factor = with_jitter(a)
    half = np.linalg.solve(factor, Y)
    return -0.5 * half @ half - np.sum(np.log(np.diag(factor)))


def helped(a):
    out = np.ones(3)
    try:
        out[0] = 2.0
        out[1] = with_jitter(a)[0, 0] + or_zeros(a)[1, 1]
        out[2] += np.linalg.inv(a)[0, 0]
    except (KeyError, np.linalg.LinAlgError):
        out[0] = np.sum(a)
    return out


def by_scipy(a):
    try:
        if scipy.linalg.cho_solve(scipy.linalg.cho_factor(a), Y)[0] > 1e9:
            return 0.0
        return np.sum(scipy.linalg.solve(a, Y))
    except scipy.linalg.LinAlgError:
        return -1.0 * a[0, 0]


def checked(f, a):
    np.testing.assert_allclose(fd.jit(f)(a), f(a), rtol=1e-9)
    total = lambda a: np.sum(np.sin(f(a)))
    np.testing.assert_allclose(fd.jit(fd.grad(total))(a), fd.grad(total)(a), rtol=1e-7, atol=1e-12)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("f", [or_zeros, with_jitter, log_likelihood, helped, by_scipy])
def test_handlers_are_taken(f):
    checked(f, GOOD)
    checked(f, BAD)
    if f in (or_zeros, by_scipy):
        checked(f, np.zeros((5, 5)))
    else:
        with pytest.raises(ValueError, match="not definite with 1"):
            fd.jit(f)(-20 * np.eye(5))


def test_a_singular_system_is_left_alone():
    def slope(a, b):
        try:
            x = np.linalg.solve(a, b)
        except np.linalg.LinAlgError as error:
            assert isinstance(error, ValueError)
            x = np.zeros(2)
        return x

    for a in (np.eye(2), np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 4.0]])):
        np.testing.assert_allclose(fd.jit(slope)(a, Y[:2]), slope(a, Y[:2]))
        found = fd.jit(fd.jacobian(slope, (0, 1)))(a, Y[:2])
        for x, y in zip(found, fd.jacobian(slope, (0, 1))(a, Y[:2]), strict=True):
            np.testing.assert_allclose(x, y)


def test_each_matrix_of_a_map_for_itself():
    mapped = fd.jit(fd.vmap(or_zeros))(np.stack([GOOD, BAD]))
    np.testing.assert_allclose(mapped, [or_zeros(GOOD), or_zeros(BAD)], rtol=1e-12)
    slopes = fd.vmap(fd.grad(lambda a: np.sum(or_zeros(a))))(np.stack([BAD, GOOD]))
    np.testing.assert_allclose(slopes, [np.zeros((5, 5)), fd.grad(lambda a: np.sum(or_zeros(a)))(GOOD)], rtol=1e-10)


def test_in_a_loop_on_a_traced_condition():
    def shifted(a):
        shift, inverse = 0.0, np.zeros_like(a)
        while shift < 2.0:
            try:
                inverse = np.linalg.inv(a - shift * np.eye(2))
            except np.linalg.LinAlgError:
                shift += 0.25
                continue
            break
        return np.sum(inverse) + shift

    for a in (np.eye(2), np.diag([0.0, 0.25]), np.zeros((2, 2))):
        checked(shifted, a)


def test_what_no_handler_takes_is_raised():
    def again(a):
        try:
            return np.linalg.cholesky(a)
        except np.linalg.LinAlgError as error:
            raise ValueError("no covariance") from error

    np.testing.assert_array_equal(fd.jit(again)(4 * np.eye(2)), 2 * np.eye(2))
    with pytest.raises(ValueError, match="no covariance"):
        fd.jit(again)(-np.eye(2))
    with pytest.raises(LinAlgError, match="is not positive definite, at "):
        fd.jit(lambda a: np.linalg.cholesky(a))(-np.eye(2))


def test_what_is_refused_in_a_branch():
    def inside(a, c):
        s = 0.0
        if c > 0:
            try:
                s = np.linalg.eigvalsh(a)[0]
            except np.linalg.LinAlgError:
                s = 1.0
        return s

    with pytest.raises(UnsupportedError, match=r"an operation \(eigh\) in a try block at .*test_attempts.py"):
        fd.jit(inside)(GOOD, 1.0)
