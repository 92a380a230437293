"""Transposition of loops, branches and calls of whose results some are linear, others numbers to compute with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import functad as fd
from functad.errors import LinearityError

X = np.array([1.0, 2.0, 3.0])


def counted(x: Any) -> Any:
    n, s = fd.lax.fori_loop(0, 3, lambda i, c: (c[0] + 2, c[1] + x[i]), (1.5, 0.0 * x[0]))
    return n * s


def indexed(x: Any) -> Any:
    n, s = fd.lax.fori_loop(0, 3, lambda i, c: ((c[0] + 2) % 3, c[1] + x[i]), (1, 0.0 * x[0]))
    return s + x[n]


def written(x: Any) -> Any:
    def step(c: Any, v: Any) -> Any:
        return (c[0] * 1.5, c[1] + v * c[0]), (c[0], v * 2)

    (n, s), (factors, values) = fd.lax.scan(step, (1.0, 0.0), x)
    return np.sum(factors * values) + n * s


def chosen(x: Any) -> Any:
    n, s = fd.lax.cond(x.shape[0] > 2, lambda x: (2.0, x[0]), lambda x: (3.0, x[1] * 2), x)
    return n * s


def until(x: Any) -> Any:
    n, s = fd.lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 2 + x[0]), (0, x[1] * 1.0))
    return n * s


def nested(x: Any) -> Any:
    def step(i: Any, c: Any) -> Any:
        n, s = fd.lax.fori_loop(0, 2, lambda j, d: (d[0] + 0.5, d[1] + x[i]), (c[0], c[1]))
        return n, s * n

    n, s = fd.lax.fori_loop(0, 3, step, (1.0, x[0]))
    return n * s


@pytest.mark.parametrize("f", [counted, indexed, written, chosen, until, nested])
def test_what_a_loop_gives_besides(f: Callable[..., Any]) -> None:
    expected = fd.grad(f)(X)
    for g in (f, fd.jit(f)):
        np.testing.assert_allclose(fd.linear_transpose(g, X)(1.0)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(fd.jit(fd.linear_transpose(f, X))(1.0)[0], expected, rtol=1e-14)


def test_what_is_not_linear() -> None:
    def squared(x: Any) -> Any:
        n, s = fd.lax.fori_loop(0, 3, lambda i, c: (c[0] + x[0], c[1] + x[i]), (1.5, 0.0 * x[0]))
        return n * s

    with pytest.raises(LinearityError, match=r"mul is not linear in its operands \[0, 1\]"):
        fd.linear_transpose(squared, X)(1.0)
    with pytest.raises(LinearityError, match="the condition of a while loop depends"):
        fd.linear_transpose(lambda x: fd.lax.while_loop(lambda y: y < 9.0, lambda y: y * 2.0, x[0]), X)(1.0)
