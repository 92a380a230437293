"""Random nested control flow: natively, in both evaluators and unrolled by Python, under every transform, and against
finite differences.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functad as fd
from functad import config
from tests.lax.random_control import nests

POINT = (0.7, -0.4)
LANES = np.array([0.7, -0.2, 1.3]), np.array([-0.4, 0.9, 0.1])
RTOL = 1e-9  # some hundred operations, each off by a few ulp, and derivatives that amplify that
BACKENDS = ("native", "kernel", "evaluator")


def assert_close(found, expected, what, nest, atol=1e-11):
    """Equal up to rounding; the message shows the function."""
    np.testing.assert_allclose(found, expected, rtol=RTOL, atol=atol, err_msg=f"{what} of {nest}")


def check_values(nest):
    expected = nest.plain(*POINT)
    assert_close(nest.traced(*POINT), expected, "the evaluator, without jit,", nest)
    for backend in BACKENDS:
        with config.backend(backend):
            assert_close(fd.jit(nest.traced)(*POINT), expected, backend, nest)


@pytest.mark.deep
@settings(max_examples=8)
@given(nests())
def test_values(nest):
    check_values(nest)


@pytest.mark.deep
@settings(max_examples=40)
@given(nests())
def test_more_values(nest):
    check_values(nest)


def check_gradients(nest):
    expected = fd.grad(nest.plain, (0, 1))(*POINT)
    tangent = fd.jvp(nest.plain, POINT, (1.0, 2.0))[1]
    assert_close(tangent, expected[0] + 2.0 * expected[1], "forward and reverse mode", nest)
    assert_close(fd.grad(nest.traced, (0, 1))(*POINT), expected, "grad", nest)
    assert_close(fd.jvp(nest.traced, POINT, (1.0, 2.0))[1], tangent, "jvp", nest)
    for backend in BACKENDS:
        with config.backend(backend):
            assert_close(fd.jit(fd.grad(nest.traced, (0, 1)))(*POINT), expected, f"jit(grad), {backend},", nest)
    assert_close(fd.grad(fd.jit(nest.traced), (0, 1))(*POINT), expected, "grad(jit)", nest)
    assert_close(fd.linearize(fd.jit(nest.traced), *POINT)[1](1.0, 2.0), tangent, "linearize(jit)", nest)
    assert_close(fd.jit(lambda p, q: fd.jvp(nest.traced, (p, q), (1.0, 2.0))[1])(*POINT), tangent, "jit(jvp)", nest)


@pytest.mark.deep
@settings(max_examples=2)
@given(nests())
def test_gradients(nest):
    check_gradients(nest)


@pytest.mark.deep
@settings(max_examples=8)
@given(nests())
def test_more_gradients(nest):
    check_gradients(nest)


@pytest.mark.deep
@settings(max_examples=25)
@given(nests())
def test_finite_differences(nest):
    """Where the points around it are on the same smooth piece."""
    eps = 1e-5
    for i, step in enumerate(np.eye(2) * eps):
        ahead, behind = np.add(POINT, step), np.subtract(POINT, step)
        if not nest.decisions(*ahead) == nest.decisions(*behind) == nest.decisions(*POINT):
            continue
        values = [nest.plain(*p) for p in (behind, POINT, ahead)]
        difference = (values[2] - values[0]) / (2 * eps)
        found = fd.grad(nest.traced, i)(*POINT)
        scale = 1.0 + abs(np.diff(values, 2)[0]) / eps**2
        np.testing.assert_allclose(found, difference, rtol=1e-6, atol=1e-6 * scale, err_msg=str(nest))


@pytest.mark.deep
@settings(max_examples=6)
@given(nests())
def test_vmap(nest):
    """The elements of the mapped axis take branches and numbers of steps of their own."""
    points = list(zip(*LANES, strict=True))
    values, gradients = [nest.plain(*p) for p in points], [fd.grad(nest.plain)(*p) for p in points]
    assert_close(fd.vmap(nest.traced)(*LANES), values, "vmap", nest)
    assert_close(fd.jit(fd.vmap(nest.traced))(*LANES), values, "jit(vmap)", nest)
    assert_close(fd.vmap(fd.grad(nest.traced))(*LANES), gradients, "vmap(grad)", nest)
    assert_close(fd.jit(fd.vmap(fd.grad(nest.traced)))(*LANES), gradients, "jit(vmap(grad))", nest)
    assert_close(
        fd.jit(fd.grad(lambda p, q: np.sum(fd.vmap(nest.traced)(p, q))))(*LANES),
        gradients,
        "jit(grad(sum(vmap)))",
        nest,
    )
    one = fd.jit(fd.vmap(nest.traced, in_axes=(0, None)))(LANES[0], POINT[1])
    assert_close(one, [nest.plain(p, POINT[1]) for p in LANES[0]], "jit(vmap) over one argument", nest)


def forward(f):
    """The derivative in the first argument, by forward mode."""
    return lambda p, q: fd.jvp(f, (p, q), (1.0, 0.0))[1]


@pytest.mark.deep
@settings(max_examples=12)
@given(nests(depth=2), st.booleans())
def test_second_derivatives(nest, jitted):
    outer = fd.jit if jitted else lambda f: f
    expected = fd.grad(fd.grad(nest.plain))(*POINT)
    for name, made in {
        "reverse over reverse": fd.grad(fd.grad(nest.traced)),
        "forward over reverse": forward(fd.grad(nest.traced)),
        "reverse over forward": fd.grad(forward(nest.traced)),
        "forward over forward": forward(forward(nest.traced)),
    }.items():
        assert_close(outer(made)(*POINT), expected, f"{name}, jitted: {jitted},", nest, atol=1e-9)
