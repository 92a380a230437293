"""Derivatives of loops that call a pullback or a linear function whose residuals are sequences: zeros, sums and
references of sequences.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import functad as fd
from functad.core.seq import Seq
from functad.core.zeros import repeated, zeros
from functad.errors import InternalError
from functad.ir.types import array_type, seq_type

lax = fd.lax


def steps(x):
    return lax.while_loop(lambda v: v[0] < 2.0, lambda v: (v[0] + 0.7, np.sin(v[1]) * v[1] + x), (0.0, x))[1]


def pullback_in_scan(x):
    _, pull = fd.vjp(steps, x)
    return lax.scan(lambda c, v: (pull(c)[0] * v + np.sin(c), None), x, np.array([1.0, 0.5]))[0]


def pullback_in_while(x):
    _, pull = fd.vjp(steps, x)
    return lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, np.sin(pull(c[1])[0]) * x), (0, x))[1]


def pullback_in_branch(x):
    _, pull = fd.vjp(steps, x)
    return lax.scan(
        lambda c, v: (lax.cond(v > 0.7, lambda c: pull(c)[0] * x, lambda c: c * c, c), None), x, np.array([1.0, 0.5])
    )[0]


def linear_in_loop(x):
    _, linear = fd.linearize(steps, x)
    return lax.fori_loop(0, 2, lambda i, c: np.sin(linear(c)) + c, x)


def pullback_in_lanes(x):
    _, pull = fd.vjp(steps, x)
    return np.sum(
        lax.fori_loop(0, 2, lambda i, c: fd.vmap(lambda a: np.sin(pull(a)[0]) * a)(c), np.array([1.0, 2.0]) * x)
    )


FUNCTIONS = [pullback_in_scan, pullback_in_while, pullback_in_branch, linear_in_loop, pullback_in_lanes]


def forward(f):
    return lambda x: fd.jvp(f, (x,), (1.0,))[1]


@pytest.mark.one_in(6)
@pytest.mark.parametrize("f", FUNCTIONS)
def test_every_nesting_of_modes(f):
    h = 1e-4
    for order in (1, 2):
        found = []
        for modes in itertools.product((fd.grad, forward), repeat=order):
            made = f
            for mode in modes:
                made = mode(made)
            found += [made(0.7), fd.jit(made)(0.7)]
        lower = f if order == 1 else fd.grad(f)
        expected = (8 * (lower(0.7 + h) - lower(0.7 - h)) - (lower(0.7 + 2 * h) - lower(0.7 - 2 * h))) / (12 * h)
        np.testing.assert_allclose(found, expected, rtol=1e-7)
        np.testing.assert_allclose(found, found[0], rtol=1e-11)


def test_third_derivatives():
    found = []
    for modes in itertools.product((fd.grad, forward), repeat=3):
        made = pullback_in_scan
        for mode in modes:
            made = mode(made)
        found.append(made(0.7))
    np.testing.assert_allclose(found, found[0], rtol=1e-10)


@pytest.mark.one_in(12)
@pytest.mark.parametrize("make", [lambda f: f, fd.grad])
@pytest.mark.parametrize("f", FUNCTIONS)
def test_transposition_of_linear_functions(f, make):
    """Sequences that are linear in the argument have a length only where they are written."""
    made = make(f)
    for outer in (lambda f: f, fd.jit):
        transposed = outer(lambda x: fd.linear_transpose(fd.linearize(made, x)[1], 1.0)(1.0)[0])
        np.testing.assert_allclose(transposed(0.7), fd.grad(made)(0.7), rtol=1e-11)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_hessian_and_vmap(f):
    np.testing.assert_allclose(fd.hessian(f)(0.7), fd.grad(fd.grad(f))(0.7), rtol=1e-11)
    both = fd.vmap(fd.grad(f))(np.array([0.7, 0.4]))
    np.testing.assert_allclose(both, [fd.grad(f)(0.7), fd.grad(f)(0.4)], rtol=1e-11)


def test_zeros_of_a_sequence_need_its_length():
    with pytest.raises(InternalError, match=r"zeros of a seq<f64\[\]> need its length"):
        zeros(seq_type(array_type((), np.float64)))


def test_a_sequence_is_repeated_as_lanes_or_in_its_elements():
    with pytest.raises(
        InternalError, match=r"a seq<f64\[\]> is repeated as a sequence of lanes, or of mapped elements"
    ):
        repeated(Seq(seq_type(array_type((), np.float64)), []), 3)
