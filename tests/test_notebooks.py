"""What five introductory notebooks do with PyTorch's autograd, as functions: every number that they print.

They compute in float32 and print four digits, hence the tolerances; where their inputs are random and printed, those
inputs are used, and where they are not printed, the identity that the notebook checks.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.scipy.special import expit

PRINTED = 1e-4  # four digits, of float32 arithmetic


def close(found: object, printed: object, rtol: float = PRINTED, atol: float = 6e-5) -> None:
    np.testing.assert_allclose(found, printed, rtol=rtol, atol=atol)


# -- notebook 0: backward() on scalars, partial derivatives, diverging graphs ------------------------------------------


def test_gradient_of_a_parabola() -> None:
    value, gradient = fd.value_and_grad(lambda x: 5 * (x + 2) ** 2)(1.0)
    close(value, 45.0)
    close(gradient, 30.0)


def test_partial_derivatives_in_three_variables() -> None:
    def f(x, y, z):
        return np.sin(x**2) + np.exp(y) * np.tan(z)

    close(f(3.0, 4.5, 6.8), 51.57247162)
    close(fd.grad(f, (0, 1, 2))(3.0, 4.5, 6.8), (-5.4668, 51.1603, 119.092))


def test_gradients_accumulate_where_the_graph_diverges() -> None:
    def g(x):
        return np.log(np.sin(x))

    def h(x):
        return np.sin(x) ** 0.5

    close((np.sin(3.0), g(3.0), h(3.0)), (0.1411, -1.9581, 0.3757))
    close(fd.grad(g)(3.0), -7.0153)
    close(fd.grad(h)(3.0), -1.3176)
    close(fd.grad(lambda x: g(x) + h(x))(3.0), -8.3329)
    both, pullback = fd.vjp(lambda x: (g(x), h(x)), 3.0)
    close(pullback((1.0, 1.0))[0], -8.3329)


# -- notebook 1: intermediate derivatives, a small network, switching gradients off ------------------------------------


def test_graph_functions_are_derivatives_of_the_steps() -> None:
    def square(a):
        return a**2

    def scale(s):
        return 5 * s

    close(scale(square(3.0)), 45.0)
    close(fd.grad(lambda a: scale(square(a)))(3.0), 30.0)
    close(fd.grad(lambda a: scale(square(a)))(2.0), 20.0)
    close(fd.vjp(scale, 9.0)[1](1.0)[0], 5.0)  # O.grad_fn(1)
    close(fd.vjp(square, 3.0)[1](1.0)[0], 6.0)  # O.grad_fn.next_functions[0][0](1)


def test_binary_cross_entropy_of_a_linear_layer() -> None:
    rng = np.random.default_rng(0)
    x, w, b, y = np.ones(3), rng.normal(size=(3, 2)), rng.normal(size=2), np.zeros(2)

    def loss(w, b):
        z = x @ w + b
        return np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))

    gw, gb = fd.grad(loss, (0, 1))(w, b)
    expected = expit(x @ w + b) / 2  # (sigmoid(z) - y) / n
    np.testing.assert_allclose(gb, expected, rtol=1e-12)
    np.testing.assert_allclose(gw, np.tile(expected, (3, 1)), rtol=1e-12)


def test_outside_a_transform_nothing_is_recorded() -> None:
    x, w = np.ones(3), np.full((3, 2), 0.5)
    assert type(x @ w) is np.ndarray
    assert np.all(fd.grad(lambda w: np.sum(fd.stop_gradient(x @ w)))(w) == 0)


# -- notebook 2: vectors, accumulated gradients, detaching -------------------------------------------------------------

ARANGE = np.arange(4.0)


def test_dot_product() -> None:
    value, gradient = fd.value_and_grad(lambda x: 2 * np.dot(x, x))(ARANGE)
    assert value == 28.0
    np.testing.assert_array_equal(gradient, [0.0, 4.0, 8.0, 12.0])
    np.testing.assert_array_equal(gradient, 4 * ARANGE)


def test_gradients_of_a_sum_accumulate() -> None:
    total = fd.grad(lambda x: 2 * np.dot(x, x))(ARANGE) + fd.grad(lambda x: x.sum())(ARANGE)
    np.testing.assert_array_equal(total, [1.0, 5.0, 9.0, 13.0])
    value, gradient = fd.value_and_grad(lambda x: x.sum())(ARANGE)
    assert value == 6.0
    np.testing.assert_array_equal(gradient, np.ones(4))


def test_vector_valued_function_with_a_cotangent() -> None:
    y, pullback = fd.vjp(lambda x: x * x, ARANGE)
    np.testing.assert_array_equal(y, [0.0, 1.0, 4.0, 9.0])
    np.testing.assert_array_equal(pullback(np.ones(4))[0], [0.0, 2.0, 4.0, 6.0])


def test_detaching_an_intermediate_value() -> None:
    def z(x):
        y = x * x
        return np.sum(fd.stop_gradient(y) * x)

    assert z(ARANGE) == 0 + 1 + 8 + 27
    np.testing.assert_array_equal(fd.grad(z)(ARANGE), [0.0, 1.0, 4.0, 9.0])
    np.testing.assert_array_equal(fd.grad(lambda x: (x * x).sum())(ARANGE), 2 * ARANGE)
    np.testing.assert_array_equal(fd.grad(lambda x: (x * x * x).sum())(ARANGE), 3 * ARANGE**2)


# -- notebook 3: polynomials and sines, one and two variables, columns, activations ------------------------------------


def test_polynomial_and_its_pullback_any_number_of_times() -> None:
    _, pullback = fd.vjp(lambda x: x**3 + 2 * x**2 + 8 * x, np.array([4.0]))
    total = np.zeros(1)
    for expected in (72.0, 144.0, 216.0):
        total = total + pullback(np.ones(1))[0]
        assert total[0] == expected


def test_sine_at_many_points() -> None:
    close(fd.grad(np.sin)(4.0), -0.6536)
    x = np.array([5.6419, 1.1369, 4.7996, 0.8205, 0.4615, 0.4596, 2.5004, 1.2695, 2.5845, 0.4513])
    z, pullback = fd.vjp(np.sin, x)
    close(z, [-0.5982, 0.9073, -0.9962, 0.7315, 0.4453, 0.4436, 0.5981, 0.9549, 0.5287, 0.4362], atol=1e-4)
    printed = [
        0.80134296,
        0.420412,
        0.08707973,
        0.6818824,
        0.8953653,
        0.896241,
        -0.80138785,
        0.29677498,
        -0.84881455,
        0.89987385,
    ]
    close(pullback(np.ones(10))[0], printed, atol=1e-4)  # the inputs are printed to four decimals


def test_two_scalar_variables() -> None:
    def f(x, y, a, b):
        return x**3 + y**2 + a * x + b

    assert fd.grad(f, (0, 1))(4.0, 2.0, 1, 6) == (49.0, 4.0)
    close(fd.grad(lambda x, y: np.sin(x) + np.sin(y), (0, 1))(4.0, 2.0), (-0.6536, -0.4161))


def test_columns_of_a_matrix() -> None:
    xy = np.array(
        [[5.9066, 1.1849], [6.0019, 1.2083], [3.8134, 4.7397], [2.1871, 2.9670], [0.4878, 4.3015],
         [2.5796, 3.2423], [1.0124, 5.7254], [4.4697, 4.1561], [5.1514, 6.0768], [0.3598, 1.5586]]
    )  # fmt: skip
    z, pullback = fd.vjp(lambda xy: np.sin(xy[:, 0]) + np.sin(xy[:, 1]), xy)
    close(z, [0.5587, 0.6574, -1.6221, 0.9898, -0.4481, 0.4324, 0.3188, -1.8199, -1.1101, 1.3520], atol=2e-4)
    gradient = pullback(np.ones(10))[0]
    np.testing.assert_allclose(gradient, np.cos(xy), rtol=1e-14)
    close(gradient[0], [0.9299176, 0.37643185], atol=1e-4)


def test_tanh_activation() -> None:
    x = np.array([-0.1015, 0.4655, 0.7771, -0.6037, -0.8693, 0.2803, -0.9955, -0.4249, 0.3446, -0.9768])
    z, pullback = fd.vjp(np.tanh, x)
    close(z, [-0.1012, 0.4345, 0.6510, -0.5397, -0.7010, 0.2732, -0.7597, -0.4010, 0.3316, -0.7517], atol=1e-4)
    printed = [
        0.9897621,
        0.8111834,
        0.57615125,
        0.7087302,
        0.5085927,
        0.9253647,
        0.42288297,
        0.8391874,
        0.8900712,
        0.43500286,
    ]
    close(pullback(np.ones(10))[0], printed, atol=1e-4)
    np.testing.assert_allclose(pullback(np.ones(10))[0], 1 - np.tanh(x) ** 2, rtol=1e-13)


# -- notebook 4: intermediates, detach, while loops, Jacobians and Hessians --------------------------------------------


def test_mean_of_products_from_printed_inputs() -> None:
    def t(x):
        y = x + 2
        return (y * y * 3).sum()

    gradient = np.array([7.7882, 16.4946, 14.2582, 9.6402])
    x = gradient / 6 - 2  # the printed gradient is 6 (x + 2)
    close(t(x), 52.4129)
    close(x[0] + 2, np.sqrt(5.0546 / 3))
    close(fd.grad(t)(x), gradient)


def test_gradients_with_respect_to_intermediate_values() -> None:
    def rest(y):
        return (y * y * 3).sum()

    x = np.array([0.1, -0.2, 0.3])
    y, pull_y = fd.vjp(lambda x: x + 2, x)
    dy = fd.grad(rest)(y)
    np.testing.assert_allclose(dy, 6 * y)
    np.testing.assert_allclose(pull_y(dy)[0], fd.grad(lambda x: rest(x + 2))(x))


def test_exercise() -> None:
    x = np.linspace(-2.0, 2.0, 25)
    gradient = fd.grad(lambda x: np.sum(np.exp(2 * x**2 * np.sin(x))))(x)
    printed = [
        2.7343e-03, 8.0899e-03, 2.4208e-02, 7.0817e-02, 1.9001e-01, 4.3878e-01, 8.2628e-01, 1.2166e00, 1.3549e00,
        1.0997e00, 6.0093e-01, 1.6387e-01, 0.0, 1.6691e-01, 6.9499e-01, 1.7762e00, 4.0675e00, 9.5081e00, 2.3928e01,
        6.5504e01, 1.9073e02, 5.6104e02, 1.5392e03, 3.5214e03, 5.6924e03,
    ]  # fmt: skip
    close(gradient, printed, atol=1e-15)


def test_writing_in_place_is_refused() -> None:
    def f(a):
        a[0] = 1.0
        return a.sum()

    with pytest.raises(TypeError, match=r"an argument of the function under grad; write to a copy: x = x\.copy\(\)"):
        fd.grad(f)(np.linspace(0.0, 2 * np.pi, 25))
    np.testing.assert_allclose(fd.grad(lambda a: np.sum(np.sin(a, out=np.zeros(3))))(np.ones(3)), np.cos(np.ones(3)))


def do_some_doubling(x):
    y = x * 2
    while np.linalg.norm(y) < 1000:
        y = y * 2
    return y


def test_while_loop_on_a_traced_norm() -> None:
    y = np.array([-1189.2156, 989.5829, 100.2688])
    value, pullback = fd.vjp(do_some_doubling, y / 512)
    np.testing.assert_array_equal(value, y)
    close(pullback(np.array([1.0, 1.0, 0.0001]))[0], [5.1200e02, 5.1200e02, 5.1200e-02])


def test_vjp_and_jvp_with_a_while_loop() -> None:
    y = np.array([1672.8020, -118.8002, 228.2352])
    v = np.array([0.1, 1.0, 0.0001])
    value, pullback = fd.vjp(do_some_doubling, y / 1024)
    np.testing.assert_allclose(value, y)
    close(pullback(v)[0], [1.0240e02, 1.0240e03, 1.0240e-01])
    close(fd.jvp(do_some_doubling, (y / 1024,), (v,))[1], [1.0240e02, 1.0240e03, 1.0240e-01])


def test_square_plus_root() -> None:
    x = np.arange(1, 1.8, 0.1)
    gradient = fd.vjp(lambda x: x**2 + np.sqrt(x), x)[1](np.ones(x.shape))[0]
    close(gradient, [2.5000, 2.6767, 2.8564, 3.0385, 3.2226, 3.4082, 3.5953, 3.7835])


def exp_adder(x, y):
    return 2 * np.exp(x) + 3 * y


def test_jacobians() -> None:
    jx, jy = fd.jacobian(exp_adder, (0, 1))(np.array([0.4438]), np.array([0.8725]))
    close(jx, [[3.1172]], atol=2e-4)
    assert jy == [[3.0]]
    jx, jy = fd.jacobian(exp_adder, (0, 1))(np.array([0.1464, 0.2125, 0.7914]), np.array([0.9378, 0.4660, 0.1729]))
    close(jx, np.diag([2.3152, 2.4735, 4.4129]), atol=3e-4)
    np.testing.assert_array_equal(jy, 3 * np.eye(3))


def test_hessian_in_two_arguments() -> None:
    (xx, xy), (yx, yy) = fd.hessian(lambda x, y: np.sum(exp_adder(x, y)), (0, 1))(
        np.array([0.8534]), np.array([0.0284])
    )
    close(xx, [[4.6952]], atol=2e-4)
    assert xy == yx == yy == [[0.0]]


def test_hessian_vector_products() -> None:
    def f(x, y):
        return np.sum(np.exp(x) * y)

    x, y, v, w = (np.random.default_rng(i).normal(size=3) for i in range(4))
    expected = (np.exp(x) * y * v + np.exp(x) * w, np.exp(x) * v)
    for product in (fd.hvp, fd.vhp):
        for found, want in zip(product(f, (x, y), (v, w)), expected, strict=True):
            np.testing.assert_allclose(found, want, rtol=1e-14)
