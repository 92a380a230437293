"""``check_grads`` accepts right derivatives and says where wrong ones are."""

from __future__ import annotations

import numpy as np
import pytest

import functad.testing.gradients as gradients
from functad.errors import StructureError
from functad.primitives.arithmetic import add, mul, sub
from functad.primitives.broadcasting import sum_all
from functad.primitives.exponential import exp
from functad.primitives.stops import stop_gradient
from functad.testing import check_grads

X = np.linspace(0.2, 0.9, 6).reshape(2, 3)


def smooth(p, scale):
    return {"value": sum_all(mul(exp(p["x"]), p["x"])), "both": (mul(p["y"], scale), p["n"])}


ARGUMENTS = ({"x": X, "y": np.array([1 + 2j, 0.5j]), "n": np.arange(3)}, np.complex128(2 - 1j))


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("fwd", "rev")])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives_pass(order, modes):
    check_grads(smooth, ARGUMENTS, order=order, modes=modes)


def test_single_precision_and_python_numbers():
    check_grads(lambda x, a: sum_all(exp(mul(x, x))), (X.astype(np.float32), 2.0))
    check_grads(lambda a, n: mul(mul(np.float64(2), a), n), (0.5, 3))


def test_nothing_to_differentiate():
    check_grads(lambda n: n, (np.arange(3),))
    check_grads(lambda x: np.arange(3), (X,))


def test_empty_arrays():
    check_grads(lambda x: add(x, x), (np.zeros((0, 3)),))


def wrong_forward(monkeypatch, change):
    """Make jvp wrong: ``change(tangents)`` alters the tangents that it returns."""
    right = gradients.jvp

    def jvp(f, primals, tangents):
        outs, dots = right(f, primals, tangents)
        return outs, change(list(dots))

    monkeypatch.setattr(gradients, "jvp", jvp)


def wrong_reverse(monkeypatch, change):
    """Make vjp wrong: ``change(cotangents)`` alters what the pullback returns."""
    right = gradients.vjp

    def vjp(f, *primals):
        outs, pullback = right(f, *primals)
        return outs, lambda ct: change(list(pullback(ct)))

    monkeypatch.setattr(gradients, "vjp", vjp)


def altered(leaves, i, index, by):
    leaves[i] = leaves[i].copy()
    leaves[i][index] += by
    return leaves


def message(*args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check_grads(*args, **kwargs)
    return str(caught.value)


def test_wrong_forward_mode_is_located(monkeypatch):
    wrong_forward(monkeypatch, lambda dots: altered(dots, 0, (1, 2), 0.5))
    text = message(lambda p: {"y": exp(p["x"])}, ({"x": X},), order=1)
    assert text.startswith("jvp of <lambda>: the tangent of result['y'][1, 2] is ")
    assert "finite differences give" in text
    assert text.endswith("(1 of 6 elements differ)")


@pytest.mark.parametrize("modes", [("rev",), ("fwd", "rev")])
def test_wrong_reverse_mode_is_located(monkeypatch, modes):
    wrong_reverse(monkeypatch, lambda cts: altered(cts, 1, (1,), 0.5j))
    text = message(smooth, ARGUMENTS, order=1, modes=modes)
    assert text.startswith("vjp of smooth: the cotangent of args[0]['y'][1] is ")
    assert ("forward mode gives" if "fwd" in modes else "finite differences give") in text


def test_many_elements_are_summed_up(monkeypatch):
    wrong_reverse(monkeypatch, lambda cts: altered(cts, 0, (17,), 10.0))
    text = message(lambda x: sum_all(exp(x)), (np.zeros(1_000),), order=1)
    assert text.startswith("vjp of <lambda>: sum(J^T ct * t) is ")
    assert text.endswith("by forward mode")


def test_cotangent_of_another_type(monkeypatch):
    wrong_reverse(monkeypatch, lambda cts: [np.asarray(cts[0], np.complex128)])
    assert (
        message(lambda x: exp(x), (X,), order=1)
        == "vjp of <lambda>: the cotangent of args[0] is c128[2,3], expected f64[2,3]"
    )


def test_a_value_that_a_transform_changes(monkeypatch):
    right = gradients.jvp
    monkeypatch.setattr(gradients, "jvp", lambda *args: ([y + 1 for y in right(*args)[0]], right(*args)[1]))
    assert message(exp, (np.float64(0),), order=1) == "Op under jvp: result is 2.0, the function itself gives 1.0"


def test_wrong_second_derivative_names_the_order():
    def square(x):  # with the first derivative 2x, right, but as a constant
        return add(mul(stop_gradient(mul(x, 2)), sub(x, stop_gradient(x))), stop_gradient(mul(x, x)))

    check_grads(square, (X,), order=1)
    text = message(square, (X,), order=2)
    assert text.startswith("jvp of the jvp of square: the tangent of the tangent of result[")


def test_arguments_are_checked():
    with pytest.raises(StructureError, match=r"takes the arguments of f as a tuple, got ndarray: write \(x,\)"):
        check_grads(exp, X)
    with pytest.raises(ValueError, match=r"takes modes of .*got \('forward',\)"):
        check_grads(exp, (X,), modes=("forward",))


def test_functions_are_run_as_transforms_run_them():
    """With arrays that they fill, and lists of traced numbers."""
    check_grads(lambda x: np.array([x[0], np.sum([x[0], x[1] ** 2])]), (np.ones(2),), order=2)
