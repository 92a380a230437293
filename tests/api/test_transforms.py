"""The transforms on their own and nested, against closed forms."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest

import functad as fd

X = np.array([0.3, -1.2, 2.0])
Y = np.array([1.5, 0.4, -0.7])
close = np.testing.assert_allclose


def f(x, y):
    return np.sum(np.sin(x) * y**2)


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_grad_and_value_and_grad() -> None:
    close(fd.grad(f)(X, Y), np.cos(X) * Y**2)
    gx, gy = fd.grad(f, (0, 1))(X, Y)
    close(gx, np.cos(X) * Y**2)
    close(gy, 2 * np.sin(X) * Y)
    value, (gy,) = fd.value_and_grad(f, (-1,))(X, Y)
    close(value, f(X, Y))
    close(gy, 2 * np.sin(X) * Y)


def test_keyword_arguments_and_aux() -> None:
    def loss(x, *, scale, name):
        assert name == "not an array"
        return np.sum(x**2) * scale, {"doubled": 2 * x, "constant": 7}

    gradient, aux = fd.grad(loss, has_aux=True)(X, scale=3.0, name="not an array")
    close(gradient, 6 * X)
    close(aux["doubled"], 2 * X)
    assert aux["constant"] == 7
    (value, _), _ = fd.value_and_grad(loss, has_aux=True)(X, scale=3.0, name="not an array")
    close(value, 3 * np.sum(X**2))


@pytest.mark.parametrize("order", range(1, 7))
def test_derivatives_of_tanh_to_any_order(order: int) -> None:
    # d/dx acts on polynomials p in t = tanh(x) as (1 - t^2) p'(t)
    p = np.polynomial.Polynomial([0.0, 1.0])
    g = np.tanh
    for _ in range(order):
        p = np.polynomial.Polynomial([1.0, 0.0, -1.0]) * p.deriv()
        g = fd.grad(g)
    close(g(0.7), p(np.tanh(0.7)), rtol=1e-12)
    close(fd.jit(g)(0.7), p(np.tanh(0.7)), rtol=1e-12)


def test_no_perturbation_confusion() -> None:
    # d/dx (x * d/dy (x + y)) = 1, not 2
    assert fd.grad(lambda x: x * fd.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert fd.jvp(lambda x: x * fd.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0
    assert fd.grad(lambda x: fd.vmap(lambda y: x * y)(np.ones(3)).sum())(2.0) == 3.0


def test_python_integers_become_floats() -> None:
    gradient = fd.grad(lambda x: x**3)(3)
    assert gradient == 27.0 and gradient.dtype == np.float64
    assert fd.grad(fd.grad(lambda x: x**3))(3) == 18.0


def test_python_scalars_are_weak_and_numpy_scalars_are_not() -> None:
    a = np.ones(3, np.float32)
    assert fd.vjp(lambda x: x * x * a, 2.0)[0].dtype == np.float32
    assert fd.vjp(lambda x: np.sin(x) * a, 2.0)[0].dtype == np.float64
    assert fd.vjp(lambda x: x * a, np.float64(2.0))[0].dtype == np.float64


def test_complex_conventions() -> None:
    z = np.array([1.0 + 2.0j, -0.5 + 0.3j])
    # f = |z|^2 = u, du/dx - i du/dy = 2x - 2iy
    close(fd.grad(lambda z: np.sum(np.abs(z) ** 2))(z), 2 * np.conj(z), rtol=1e-14)
    close(fd.grad(lambda z: np.sum(np.real(z * z)))(z), 2 * z)
    close(fd.grad(np.exp, holomorphic=True)(0.3 + 0.1j), np.exp(0.3 + 0.1j))
    real = fd.grad(lambda x: np.sum(np.real(np.exp(1j * x))))(X)
    assert real.dtype == np.float64
    close(real, -np.sin(X))


# -- linear maps -------------------------------------------------------------------------------------------------------


def test_jvp_vjp_linearize_agree() -> None:
    value, tangent = fd.jvp(f, (X, Y), (Y, X))
    close(value, f(X, Y))
    expected = np.sum(np.cos(X) * Y**2 * Y + 2 * np.sin(X) * Y * X)
    close(tangent, expected)
    close(fd.linearize(f, X, Y)[1](Y, X), expected)
    gx, gy = fd.vjp(f, X, Y)[1](1.0)
    close(np.sum(gx * Y) + np.sum(gy * X), expected)


def test_linear_transpose() -> None:
    a = np.arange(6.0).reshape(2, 3)
    (ct,) = fd.linear_transpose(lambda x: a @ x, X)(np.array([1.0, -1.0]))
    close(ct, a.T @ [1.0, -1.0])


def test_integer_inputs_have_zero_cotangents() -> None:
    _, pullback = fd.vjp(lambda x, n: x * n, X, np.arange(3))
    gx, gn = pullback(np.ones(3))
    close(gx, np.arange(3))
    assert gn.dtype == np.int64 and not gn.any()
    value, tangent = fd.jvp(lambda x, n: x * n, (X, np.arange(3)), (X, np.zeros(3, int)))
    close(tangent, X * np.arange(3))


def test_pullbacks_cross_jit_and_are_differentiated() -> None:
    value, pullback = fd.jit(lambda x: fd.vjp(np.sin, x))(X)
    close(pullback(np.ones(3))[0], np.cos(X))
    close(fd.grad(lambda x: np.sum(fd.vjp(np.sin, x)[1](x)[0]))(X), np.cos(X) - X * np.sin(X))
    rows = fd.vmap(lambda x: fd.vjp(np.sin, x)[1])(X)
    close(fd.vmap(lambda p: p(1.0)[0])(rows), np.cos(X))


def test_residuals_do_not_share_memory_with_arguments() -> None:
    x = X.copy()
    captured = Y.copy()
    _, pullback = fd.vjp(lambda x: x * x * captured, x)
    x[:] = 100.0
    captured[:] = 100.0
    close(pullback(np.ones(3))[0], 2 * X * Y)


def test_results_do_not_share_memory() -> None:
    x = X.copy()
    for function in (lambda x: (x, x, x[::2]), fd.jit(lambda x: (x, x, x[::2]))):
        value, _ = fd.vjp(function, x)
        assert not any(np.shares_memory(v, x) for v in value)
        assert not np.shares_memory(value[0], value[1])
        value[0][:] = 0.0
    (ct,) = fd.vjp(lambda x: x, x)[1](x)
    assert not np.shares_memory(ct, x)


# -- Jacobians, Hessians -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jacobian", [fd.jacfwd, fd.jacrev, fd.jacobian])
@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_jacobians(jacobian, wrap) -> None:
    a = np.arange(12.0).reshape(4, 3)
    close(wrap(jacobian(lambda x: a @ np.sin(x)))(X), a * np.cos(X))
    tree = wrap(jacobian(lambda d: {"p": d["u"] * d["v"], "q": d["v"]}))({"u": X, "v": 2.0})
    close(tree["p"]["u"], 2 * np.eye(3))
    close(tree["p"]["v"], X)
    close(tree["q"]["u"], np.zeros(3))
    assert tree["q"]["v"] == 1.0
    matrix = np.arange(6.0).reshape(2, 3)
    assert jacobian(lambda m: m.T)(matrix).shape == (3, 2, 2, 3)


def test_hessians() -> None:
    h = fd.hessian(f, (0, 1))(X, Y)
    close(h[0][0], np.diag(-np.sin(X) * Y**2))
    close(h[0][1], np.diag(2 * np.cos(X) * Y))
    close(h[1][0], np.diag(2 * np.cos(X) * Y))
    close(h[1][1], np.diag(2 * np.sin(X)))
    for product in (fd.hvp, fd.vhp):
        close(product(f, (X, Y), (Y, X))[0], -np.sin(X) * Y**2 * Y + 2 * np.cos(X) * Y * X)


# -- vmap --------------------------------------------------------------------------------------------------------------


def test_vmap_axes() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    close(fd.vmap(np.dot, in_axes=(0, None))(a, b), a @ b)
    close(fd.vmap(np.dot, in_axes=(1, None))(a.T, b), a @ b)
    close(fd.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(a), 2 * a)
    close(fd.vmap(lambda x: x * 2, in_axes=-1, out_axes=0)(a), 2 * a.T)
    close(fd.vmap(lambda d: d["x"] * d["y"], in_axes=({"x": 0, "y": None},))({"x": b, "y": 2.0}), 2 * b)
    constant, mapped = fd.vmap(lambda x: (1.0, x), out_axes=(None, 0))(b)
    assert constant == 1.0
    close(mapped, b)
    close(fd.vmap(lambda x, *, k: x * k)(b, k=b), b * b)
    close(fd.vmap(fd.vmap(np.multiply, (None, 0)), (0, None))(b, b), np.outer(b, b))


@pytest.mark.parametrize("inner", [fd.grad, lambda g: fd.jit(fd.grad(g)), lambda g: fd.grad(fd.jit(g))])
def test_vmap_of_grad(inner) -> None:
    rows = np.stack([X, Y, X + Y])
    close(
        fd.vmap(inner(lambda x: np.prod(np.sin(x))))(rows),
        np.stack([inner(lambda x: np.prod(np.sin(x)))(r) for r in rows]),
    )


# -- control flow in Python, containers --------------------------------------------------------------------------------


def test_python_control_flow_on_traced_values() -> None:
    def power(x, n):
        return 1.0 if n == 0 else x * power(x, n - 1)

    def collatz(x):
        steps = 0
        while x < 100 and steps < 50:
            x = x * 3 if x % 2 > 1 else x + x / 2
            steps += 1
        for v in range(3):
            x = x + v
        return x

    assert fd.grad(power)(2.0, 5) == 80.0
    slope = (collatz(1.3 + 1e-6) - collatz(1.3 - 1e-6)) / 2e-6
    close(fd.grad(collatz)(1.3), slope, rtol=1e-6)
    close(fd.jvp(collatz, (1.3,), (1.0,))[1], slope, rtol=1e-6)
    assert abs(fd.grad(fd.grad(collatz))(1.3)) < 1e-12


def test_forward_operations_run_once() -> None:
    calls = []

    def f(x):
        y = np.sin(x)
        if y > 0:
            calls.append("asked")
        return y * y

    assert fd.grad(fd.grad(f))(0.5) == pytest.approx(2 * np.cos(1.0))
    assert len(calls) == 1


Point = namedtuple("Point", "x y")


@dataclass
class Parameters:
    """A container that optree does not know yet."""

    weight: np.ndarray
    bias: float
    name: str = field(default="layer", metadata={"static": True})


@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_containers(wrap) -> None:
    point = wrap(fd.grad(lambda p: p.x**2 * p.y))(Point(3.0, 2.0))
    assert point == Point(12.0, 9.0)
    nested = wrap(fd.grad(lambda t: t["a"][0] * t["b"] + t["c"][1]))({"a": [2.0, None], "b": 3.0, "c": (1.0, 5.0)})
    assert nested == {"a": [3.0, None], "b": 2.0, "c": (0.0, 1.0)}
    gradient = wrap(fd.grad(lambda p: np.sum(p.weight) * p.bias))(Parameters(X, 2.0))
    assert isinstance(gradient, Parameters) and gradient.name == "layer"
    close(gradient.weight, 2 * np.ones(3))
    close(gradient.bias, np.sum(X))


# -- unusual arrays ----------------------------------------------------------------------------------------------------


UNUSUAL = {
    "strided": np.arange(12.0)[::2],
    "reversed": np.arange(6.0)[::-1],
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "big-endian": np.arange(6.0).astype(">f8"),
    "unaligned": np.frombuffer(b"\0" + np.arange(6.0).tobytes(), np.float64, offset=1),
    "empty": np.zeros((0, 3)),
    "0-d": np.array(1.5),
    "broadcast": np.broadcast_to(np.float64(2.0), (2, 3)),
    "float32": np.arange(6, dtype=np.float32),
    "subclass": np.arange(4.0).view(type("Sub", (np.ndarray,), {})),
    "special": np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324]),
}


@pytest.mark.parametrize("name", UNUSUAL)
@pytest.mark.parametrize("wrap", [lambda f: f, fd.jit], ids=["plain", "jit"])
def test_unusual_arrays(name: str, wrap) -> None:
    x = UNUSUAL[name]
    x.flags.writeable = False
    expected = 2 * np.asarray(x) + 1
    found = wrap(fd.grad(lambda x: np.sum(x * x + x)))(x)
    assert found.dtype == expected.dtype.newbyteorder("=") and np.shape(found) == expected.shape
    np.testing.assert_array_equal(found, expected)
    assert wrap(lambda x: np.sum(x))(x) == pytest.approx(np.sum(np.asarray(x)), nan_ok=True)
