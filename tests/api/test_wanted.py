"""``argnames`` and ``wrt``: arguments by name, and some of their leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, StructureError

X = np.array([1.0, 2.0])


@dataclass
class Model:
    w: object
    bias: object
    power: int = 2
    activation: str = "tanh"
    enabled: bool = True


def predict(model, x):
    y = model.w * x**model.power + model.bias
    for _ in range(model.power):
        y = y * 1.5
    return np.tanh(y) if model.activation == "tanh" and model.enabled else y


def loss(model, x):
    return np.sum(predict(model, x))


WRAPS = {"plain": lambda f: f, "jit": fd.jit}


@pytest.fixture(params=WRAPS)
def wrap(request):
    return WRAPS[request.param]


def test_part_of_a_dataclass(wrap):
    model = Model(X, 0.1)
    expected = fd.grad(lambda w, b: loss(Model(w, b), X), (0, 1))(model.w, model.bias)
    for f in (fd.grad(loss, wrt=fd.tree.is_inexact), fd.grad(loss, argnames="model", wrt=fd.tree.is_inexact)):
        found = wrap(f)(model, X)
        assert (found.power, found.activation, found.enabled) == (None, None, None)
        np.testing.assert_allclose(found.w, expected[0], rtol=1e-14)
        np.testing.assert_allclose(found.bias, expected[1], rtol=1e-14)
    value, found = wrap(fd.value_and_grad(loss, wrt=Model(True, False, False, False, False)))(model, X)
    assert found.bias is None and np.allclose(found.w, expected[0], rtol=1e-14)
    np.testing.assert_allclose(value, loss(model, X), rtol=1e-15)
    # an update of what has a gradient
    step = fd.tree.map(lambda p, g: p if g is None else p - 0.1 * g, model, found)
    assert step.activation == "tanh" and step.power == 2 and np.all(step.w == X - 0.1 * found.w)


def test_under_other_transforms(wrap):
    model = Model(X, 0.1)
    assert wrap(fd.jacobian(predict, wrt=fd.tree.is_inexact))(model, X).w.shape == (2, 2)
    for transform in (fd.jacfwd, fd.jacrev):
        found = wrap(transform(predict, wrt=Model(True, False, False, False, False)))(model, X)
        assert found.bias is None and found.activation is None and found.w.shape == (2, 2)
    second = wrap(fd.hessian(loss, wrt=fd.tree.is_inexact))(model, X)
    reference = fd.hessian(lambda w: loss(Model(w, 0.1), X))(X)
    np.testing.assert_allclose(second.w.w, reference, rtol=1e-13)
    assert second.w.power is None and second.power is None and second.bias.w.shape == (2,)
    mapped = wrap(fd.vmap(lambda x: fd.grad(loss, wrt=fd.tree.is_inexact)(model, x).w))(np.stack([X, 2 * X]))
    np.testing.assert_allclose(mapped[1], fd.grad(loss, wrt=fd.tree.is_inexact)(model, 2 * X).w, rtol=1e-13)
    # a derivative of a derivative in a part
    norm = wrap(fd.grad(lambda x: np.sum(fd.grad(loss, wrt=fd.tree.is_inexact)(model, x).w ** 2)))(X)
    h = 1e-6
    shifted = [np.sum(fd.grad(loss, wrt=fd.tree.is_inexact)(model, X + np.array([s * h, 0])).w ** 2) for s in (1, -1)]
    np.testing.assert_allclose(norm[0], (shifted[0] - shifted[1]) / (2 * h), rtol=1e-6)
    (value, aux), found = wrap(
        fd.value_and_grad(lambda m: (loss(m, X), {"n": 3}), has_aux=True, wrt=fd.tree.is_inexact)
    )(model)
    assert aux == {"n": 3} and found.power is None


def test_several_arguments(wrap):
    def f(a, b):
        return a["x"] ** a["n"] * b[0] * b[1]

    a, b = {"x": 3.0, "n": 2}, [2.0, 5.0]
    both = wrap(fd.grad(f, (0, 1), wrt=({"x": True, "n": False}, [False, True])))(a, b)
    assert both == ({"x": 60.0, "n": None}, [None, 18.0])
    assert wrap(fd.grad(f, (0, 1), wrt=fd.tree.is_inexact))(a, b) == ({"x": 60.0, "n": None}, [45.0, 18.0])


def test_names(wrap):
    def f(x, y=2.0, *rest, scale, offset=1.0, **more):
        return x**2 * y * scale + offset * more.get("extra", 0.0)

    def g(name):
        return wrap(fd.grad(f, argnames=name))

    assert g("x")(3.0, scale=1.0) == 12.0 and g("x")(x=3.0, scale=1.0) == 12.0
    assert g("y")(3.0, scale=1.0) == 9.0 and g("y")(3.0, 5.0, scale=2.0) == 18.0
    assert g("scale")(3.0, scale=1.0) == 18.0
    assert g("offset")(3.0, scale=1.0, extra=4.0) == 4.0 and g("extra")(3.0, scale=1.0, extra=4.0) == 1.0
    assert g(("scale", "x"))(3.0, scale=1.0) == (18.0, 12.0) and g(["scale"])(3.0, scale=1.0) == (18.0,)
    assert wrap(fd.hessian(f, argnames="x"))(3.0, scale=1.0) == 4.0
    assert wrap(fd.jacobian(lambda *, p: X * p, argnames="p"))(p=2.0).tolist() == [1.0, 2.0]

    class Holder:
        def power(self, x, n):
            return x**n

    assert wrap(fd.grad(Holder().power, argnames="x"))(3.0, n=2) == 6.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fd.grad(loss)(Model(X, 0.1), X), StructureError,
         r"argument 0 of loss\.activation is a str, .*differentiate the numbers alone, by wrt=fd.tree.is_inexact"),
        (lambda: fd.grad(loss, argnames="model")(Model(X, 0.1), X), StructureError, "leave that out of argn"),
        (lambda: fd.grad(lambda p: p["x"])({"x": 1.0, "n": np.arange(2)}), DtypeError,
         r"holds i64\[2\]; .*leave it out of argnums, or differentiate the rest, by wrt=fd.tree.is_inexact"),
        (lambda: fd.grad(lambda p: p["x"], wrt=lambda x: False)({"x": 1.0}), StructureError,
         "grad: wrt chooses no leaf of argument 0 of <lambda>"),
        (lambda: fd.grad(lambda p: p["x"], wrt=lambda x: None)({"x": 1.0}), StructureError,
         r"grad: wrt: a predicate says True or False of each leaf, got NoneType for the leaf \['x'\]"),
        (lambda: fd.grad(lambda p: p["x"], wrt={"y": True})({"x": 1.0}), StructureError,
         "grad: wrt: a container of booleans must be a prefix"),
        (lambda: fd.grad(lambda p: p["x"], wrt=lambda x: True)({"x": 1.0, "n": "s"}), StructureError, "is a str"),
        (lambda: fd.grad(lambda a, b: a, (0, 1), wrt=True)(1.0, 2.0), StructureError, "2 arguments are differentiated"),
        (lambda: fd.grad(lambda a, b: a, 1, argnames="a")(1.0, 2.0), StructureError, "argnums or argnames, not both"),
        (lambda: fd.grad(lambda a, b: a, argnames=("a", "a"))(1.0, 2.0), StructureError, "names one argument twice"),
        (lambda: fd.grad(lambda a, b: a, argnames="c")(1.0, 2.0), StructureError,
         "grad: argnames names 'c', but <lambda> has the arguments a, b"),
        (lambda: fd.grad(lambda a, b: a, argnames="b")(1.0), StructureError, "does not give it; write b=..."),
        (lambda: fd.grad(lambda a, /: a, argnames="a")(), StructureError, "does not give it"),
        (lambda: fd.grad(lambda *xs: xs[0], argnames="xs")(1.0), StructureError, "names none of its arguments"),
        (lambda: fd.jacobian(lambda a: a, argnames="c")(1.0), StructureError, "^jacobian: argnames names 'c'"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
