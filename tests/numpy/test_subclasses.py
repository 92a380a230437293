"""Arrays of subclasses: plain ones where they mean the same, refused where they do not, wherever they come from."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import StructureError, TracerConversionError

lax = fd.lax
X = np.ones((2, 2))
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix)


class Scaled(np.ndarray):
    """``*`` is something else."""

    def __mul__(self, other):
        return "scaled"

    __rmul__ = __mul__


class FromOne(np.ndarray):
    """Indices count from one."""

    def __getitem__(self, index):
        return np.asarray(self)[index - 1]


class Quantity(np.ndarray):
    """NumPy's functions do something else."""

    def __array_function__(self, func, types, args, kwargs):
        return NotImplemented


class Derived(Scaled):
    """Inherits what is overridden."""


class Labelled:
    """No array at all, and gives none, but NumPy's functions ask it."""

    def __array_ufunc__(self, *args, **kwargs):
        return NotImplemented


class Named(np.ndarray):
    """Only adds attributes."""

    def __array_finalize__(self, obj):
        self.name = getattr(obj, "name", None)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return super().__array_wrap__(array, context, return_scalar)

    def described(self):
        return self.name


IS_MATRIX = r"is an np.matrix, whose \* is the product of matrices; use np.asarray\(x\), and @ for that product"
MASKED = np.ma.masked_array(X, [[True, False], [False, False]])
FOREIGN = {
    "matrix": (MATRIX, IS_MATRIX),
    "masked": (MASKED, r"is a masked array; use x.filled\(value\) and, for its mask, np.where"),
    "operator": (
        X.view(Scaled),
        r"is a .*Scaled, a kind of array with a __mul__ of its own, which .* know nothing of; use np.asarray\(x\)",
    ),
    "inherited": (X.view(Derived), r"is a .*Derived, a kind of array with a __mul__ of its own"),
    "index": (X.view(FromOne), r"is a .*FromOne, a kind of array with a __getitem__ of its own"),
    "protocol": (X.view(Quantity), r"is a .*Quantity, a kind of array with a __array_function__ of its own"),
}

AT_THIS_LINE = r"an operand of np.\w+ at .*test_subclasses.py:\d+ "
BESIDE_TRACED = {
    "t * m": lambda t, m: t * m,
    "t @ m": lambda t, m: t @ m,
    "t + m": lambda t, m: t + m,
    "t ** m": lambda t, m: t**m,
    "t < m": lambda t, m: t < m,
    "np.add": lambda t, m: np.add(t, m),
    "np.where": lambda t, m: np.where(t > 0, m, t),
    "concatenate": lambda t, m: np.concatenate([t, m]),
    "array of a list": lambda t, m: fnp.array([t, m]),
    "einsum": lambda t, m: np.einsum("ij,jk", t, m),
    "set": lambda t, m: t.at[:].set(m),
    "in a loop": lambda t, m: lax.scan(lambda c, _: (c * m, None), t, length=2)[0],
    "in a branch": lambda t, m: lax.cond(True, lambda c: c * m, lambda c: c, t),
}
BESIDE_LEFT = {
    "m * t": lambda t, m: m * t,
    "m @ t": lambda t, m: m @ t,
    "m + t": lambda t, m: m + t,
    "m == t": lambda t, m: m == t,
    "np.multiply": lambda t, m: np.multiply(m, t),
    "functad.numpy.multiply": lambda t, m: fnp.multiply(m, t),
    "np.dot": lambda t, m: np.dot(m, t),
    "asarray": lambda t, m: fnp.asarray(m) * t,
}
GIVEN = {
    "operand of cond": lambda t, m: lax.cond(True, np.sin, np.cos, m) + t,
    "xs": lambda t, m: lax.map(np.sin, m) + t,
    "carry": lambda t, m: lax.fori_loop(0, 2, lambda i, c: 2 * c, m) + t,
    "case": lambda t, m: lax.select(t > 0, t, m),
    "checkpoint": lambda t, m: fd.checkpoint(np.sin)(m) + t,
    "stop_gradient": lambda t, m: fd.stop_gradient(m) + t,
    "argument of a callback": lambda t, m: fd.pure_callback(np.sin, X, m) + t,
    "result of a callback": lambda t, m: fd.pure_callback(lambda: m, X) + t,
    "result": lambda t, m: m,
    "in a result": lambda t, m: {"a": [t, m]},
    "argument of a gradient": lambda t, m: fd.grad(np.sum)(m) + t,
}


def runs(f):
    """f un-jitted, jitted, and under vmap, on something traced."""
    return [
        lambda: fd.jvp(f, (X,), (X,)),
        lambda: fd.jit(f)(X),
        lambda: fd.vmap(f)(np.stack([X, X])),
        lambda: fd.jit(lambda t: fd.jvp(f, (t,), (t,)))(X),
    ]


@pytest.mark.parametrize("how", [*BESIDE_TRACED, *BESIDE_LEFT, *GIVEN])
@pytest.mark.parametrize("kind", ["matrix", "masked"])
def test_what_means_something_else_is_refused(how, kind):
    array, message = FOREIGN[kind]
    error = StructureError
    if kind == "masked" and how in (
        "m * t",
        "m + t",
        "m == t",
    ):  # a masked array asks for the value before traced values have a say
        error, message = (
            TracerConversionError,
            r"np.asarray\(\) .* of a traced f64\[2,2\] at .*test_subclasses.py:\d+ would lose its derivative",
        )
    where = AT_THIS_LINE if how in (*BESIDE_TRACED, *BESIDE_LEFT) and error is StructureError else ""
    for run in runs(lambda t: {**BESIDE_TRACED, **BESIDE_LEFT, **GIVEN}[how](t, array)):
        with pytest.raises(error, match=where + ".*" + message):
            run()


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("how", [*BESIDE_TRACED, "operand of cond", "result"])
def test_every_kind_is_refused(how, kind):
    array, message = FOREIGN[kind]
    for run in runs(lambda t: {**BESIDE_TRACED, **GIVEN}[how](t, array)):
        with pytest.raises(StructureError, match=message):
            run()


ARGUMENTS = {
    "grad": lambda m: fd.grad(np.sum)(m),
    "jit": lambda m: fd.jit(np.sum)(m),
    "a second call": lambda m: [f(x) for f in [fd.jit(np.sin)] for x in (X, m)],
    "in a container": lambda m: fd.jit(lambda d: d["a"][0])({"a": [m]}),
    "keyword": lambda m: fd.jit(lambda *, a: a)(a=m),
    "vmap": lambda m: fd.vmap(np.sum)(m),
    "tangent": lambda m: fd.jvp(np.sum, (X,), (m,)),
    "cotangent": lambda m: fd.vjp(np.sin, X)[1](m),
    "linearize": lambda m: fd.linearize(np.sin, X)[1](m),
    "hessian": lambda m: fd.hessian(np.sum)(m),
    "eval_shape": lambda m: fd.eval_shape(np.sum, m),
    "make_ir": lambda m: fd.make_ir(np.sum)(m),
    "linear_transpose": lambda m: fd.linear_transpose(lambda x: 2 * x, m)(X),
}


@pytest.mark.parametrize("how", ARGUMENTS)
def test_arguments(how):
    for array, message in FOREIGN.values():
        with pytest.raises(StructureError, match=message):
            ARGUMENTS[how](array)


INDEXED = [lambda t, m: t[m], lambda t, m: t[m, 0], lambda t, m: np.take(t, m), lambda t, m: t.at[m].add(1.0)]


@pytest.mark.parametrize("index", INDEXED)
@pytest.mark.parametrize(
    "array", [np.array([[0, 1]]).view(np.matrix), np.ma.masked_array([0, 1], [True, False])], ids=["matrix", "masked"]
)
def test_indices(index, array):
    for run in runs(lambda t: index(t, array)):
        with pytest.raises(
            StructureError,
            match="(an index|an operand of np.take) at .*test_subclasses.py:.* is an? (np.matrix|masked array)",
        ):
            run()


def test_what_is_no_array_but_computes_in_its_own_way():
    with pytest.raises(
        StructureError,
        match=r"an operand of np.add at .* is a .*Labelled, a kind of array with a __array_ufunc__ of its own",
    ):
        fd.jit(lambda t: np.add(t, Labelled()))(X)


def test_nothing_traced_is_numpys():
    assert np.array_equal(fnp.multiply(MATRIX, MATRIX), np.multiply(MATRIX, MATRIX))
    product = np.asarray(MATRIX @ MATRIX)
    assert fd.grad(lambda x: np.sum(x * product))(X).tolist() == [[7.0, 10.0], [15.0, 22.0]]


@pytest.mark.parametrize("kind", ["memmap", "recarray", "named"])
def test_what_means_the_same_is_an_array(kind, tmp_path):
    if kind == "memmap":
        x = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=(2, 2))
        x[:] = MATRIX
    else:
        x = np.array(MATRIX).view({"recarray": np.recarray, "named": Named}[kind])
    expected = 2 * np.asarray(MATRIX)
    loss = lambda t: np.sum(t * t)
    closed = lambda t: np.sum(x * t * 2)
    for gradient in (fd.grad(loss)(x), fd.jit(fd.grad(loss))(x), fd.grad(closed)(X), fd.jit(fd.grad(closed))(X)):
        assert type(gradient) is np.ndarray
        np.testing.assert_array_equal(gradient, expected)
    assert fd.jit(lambda t: t[x.astype(int) % 2])(np.arange(2.0)).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    np.testing.assert_array_equal(lax.map(lambda row: 2 * row, x), expected)
    np.testing.assert_array_equal(fd.jit(lambda: x)(), x)
