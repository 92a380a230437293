"""Arrays of other libraries: arguments, operands and indices, by the protocols that they offer, or refused with what to
write.
"""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import DtypeError, StructureError

X = np.array([1.0, 2.0, 3.0])


class Holder:
    """Holds an array, as columns and tensors do; an operator of its own gives way to one that knows more."""

    def __init__(self, values):
        self.values = np.array(values)

    shape = property(lambda self: self.values.shape)
    dtype = property(lambda self: self.values.dtype)


class Column(Holder):
    """Shows its memory, as a pandas Series does."""

    def __array__(self, dtype=None, copy=None):
        return self.values


class Copied(Holder):
    """Gives another copy each time, as columns with missing values do."""

    def __array__(self, dtype=None, copy=None):
        return self.values.copy()


class Interface(Holder):
    """Shows its memory by the older protocol."""

    __array_interface__ = property(lambda self: self.values.__array_interface__)


class Exported(Holder):
    """Shows its memory by DLPack alone."""

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class Aware(Column):
    """Has NumPy's functions, and operators, ask it."""

    def __array_ufunc__(self, *args, **kwargs):
        return NotImplemented

    def __mul__(self, other):
        return NotImplemented

    __rmul__ = __mul__


OFFERS = [Column, Copied, Interface, Exported, Aware]
offers = pytest.mark.parametrize("cls", OFFERS, ids=lambda c: c.__name__)
jitted = pytest.mark.parametrize("jit", [lambda f: f, fd.jit], ids=["plain", "jit"])

ARGUMENTS = {
    "jit": lambda v: fd.jit(lambda x: x * 2.0)(v),
    "a second call": lambda v: [f(x) for f in [fd.jit(lambda x: x * 2.0)] for x in (X, v, X)],
    "grad": lambda v: fd.grad(lambda x: np.sum(x**3))(v),
    "jit of grad": lambda v: fd.jit(fd.grad(lambda x: np.sum(x**3)))(v),
    "keyword": lambda v: fd.jit(lambda *, x: x * 2.0)(x=v),
    "container": lambda v: fd.jit(lambda d: d["a"][0] * 2.0)({"a": [v]}),
    "jvp": lambda v: fd.jvp(np.sin, (v,), (v,)),
    "vjp": lambda v: fd.vjp(np.sin, v)[1](v),
    "linearize": lambda v: fd.linearize(np.sin, v)[1](v),
    "linear_transpose": lambda v: fd.linear_transpose(lambda x: 2.0 * x, v)(v),
    "vmap": lambda v: fd.vmap(np.sin)(v),
    "hessian": lambda v: fd.hessian(lambda x: np.sum(x**3))(v),
    "hvp": lambda v: fd.hvp(lambda x: np.sum(x**3), (v,), (v,)),
    "eval_shape": lambda v: fd.eval_shape(np.sin, v).shape,
    "make_ir": lambda v: len(fd.make_ir(np.sin)(v).inputs),
    "scan": lambda v: fd.lax.scan(lambda c, x: (c + x, c), 0.0, v),
    "carry": lambda v: fd.lax.fori_loop(0, 3, lambda i, c: c * 2.0, v),
    "operand of cond": lambda v: fd.lax.cond(True, np.sin, np.cos, v),
    "checkpoint": lambda v: fd.grad(lambda x: np.sum(fd.checkpoint(np.sin)(x)))(v),
    "callback": lambda v: fd.pure_callback(lambda x: x * 2.0, X, v),
}


def equal(a, b):
    """Whether containers of arrays are equal, and hold NumPy's."""
    found, expected = [], []
    fd.tree_map(found.append, a)
    fd.tree_map(expected.append, b)
    for x, y in zip(found, expected, strict=True):
        assert type(x) in (np.ndarray, np.float64, int)
        np.testing.assert_array_equal(x, y)


@offers
@pytest.mark.parametrize("call", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments(call, cls) -> None:
    equal(call(cls(X)), call(X))


BESIDE = {
    "x * v": lambda x, v: x * v,
    "v * x": lambda x, v: v * x,
    "x - v": lambda x, v: x - v,
    "v - x": lambda x, v: v - x,
    "x @ v": lambda x, v: x @ v,
    "v ** x": lambda x, v: v**x,
    "x == v": lambda x, v: np.where(x == v, x, 0.0),
    "v < x": lambda x, v: np.where(v < x, x, 2 * x),
    "np.multiply": lambda x, v: np.multiply(x, v),
    "functad's multiply": lambda x, v: fnp.multiply(v, x),
    "np.where": lambda x, v: np.where(x > 1.5, x, v),
    "np.stack": lambda x, v: np.stack([x, v]),
    "a list": lambda x, v: fnp.array([v, v]) * x,
    "set": lambda x, v: x.at[:].multiply(v),
    "a result": lambda x, v: (x, v),
    "of a callback": lambda x, v: x * fd.pure_callback(lambda: v, X),
}


@offers
@jitted
@pytest.mark.parametrize("f", BESIDE.values(), ids=BESIDE)
def test_operands(f, jit, cls) -> None:
    v = cls([1.0, 3.0, 2.0])
    found, expected = [jit(lambda x: fd.jvp(lambda t: f(t, w), (x,), (X,)))(X) for w in (v, v.values)]
    equal(found, expected)


INDICES = {
    "booleans": (lambda x, i: x[i], [True, False, True]),
    "integers": (lambda x, i: x[i], [2, 0, 0, -1]),
    "in a tuple": (lambda x, i: x[None, i], [2, 0]),
    "take": (lambda x, i: np.take(x, i), [2, 0]),
    "at": (lambda x, i: x.at[i].multiply(3.0), [2, 0]),
    "at booleans": (lambda x, i: x.at[i].multiply(3.0), [True, False, False]),
    "a number": (lambda x, i: x[i], 1),
}


@offers
@jitted
@pytest.mark.parametrize(("f", "index"), INDICES.values(), ids=INDICES)
def test_indices(f, index, jit, cls) -> None:
    v = cls(index)
    found = jit(fd.grad(lambda x: np.sum(f(x, v) ** 2)))(X)
    np.testing.assert_array_equal(found, fd.grad(lambda x: np.sum(f(x, v.values) ** 2))(X))


def test_arguments_are_read_at_the_call() -> None:
    v = Column(X)
    _, pullback = fd.vjp(lambda x: x**2, v)
    v.values[:] = 0.0
    np.testing.assert_array_equal(pullback(np.ones(3))[0], 2 * X)
    result = fd.jit(lambda x: x)(v)
    assert not np.shares_memory(result, v.values)


# -- closed over by jitted functions -----------------------------------------------------------------------------------

READS = {
    "operand": lambda x, v: x * v,
    "what Python makes of it": lambda x, v: x * (2.0 * np.asarray(v))[0],
    "index": lambda x, v: np.where(np.asarray(v) > 1.5, x, 0.0),
    "mask": lambda x, v: x.at[np.asarray(v) > 1.5].set(0.0),
    "inner function": lambda x, v: fd.grad(lambda t: np.sum(t * v))(x) * x,
    "in a loop": lambda x, v: fd.lax.fori_loop(0, 2, lambda i, c: c * v, x),
    "jitted inside": lambda x, v: fd.jit(lambda t: t * v)(x),
}


NO_ARRAY_TO_NUMPY = ("what Python makes of it", "index", "mask")


@pytest.mark.parametrize(
    ("cls", "f"),
    [(c, f) for c in OFFERS for name, f in READS.items() if c is not Exported or name not in NO_ARRAY_TO_NUMPY],
)
def test_closed_over(cls, f) -> None:
    """Never stale: elements that are written to, memory that is replaced."""
    v = cls([1.0, 2.0, 3.0])
    fast = fd.jit(lambda x: f(x, v))
    for values in ([1.0, 2.0, 3.0], [0.0, 5.0, 1.0], [7.0, 1.0, 1.0], [0.0, 5.0, 1.0], [2.0, 2.0, 2.0]):
        v.values[:] = values
        np.testing.assert_array_equal(fast(X), fd.jvp(lambda x: f(x, Column(values)), (X,), (X,))[0])
        v.values = np.array(values) + 1.0
        np.testing.assert_array_equal(fast(X), fd.jvp(lambda x: f(x, Column(v.values)), (X,), (X,))[0])


LARGE = np.linspace(0.0, 1.0, 20_000)


def test_large_ones_are_operands() -> None:
    v, traced = Column(LARGE), []

    @fd.jit
    def f(x):
        traced.append(1)
        return np.sum(x * v)

    for k in range(5):
        v.values[:] = k
        assert f(2.0) == 2.0 * k * len(LARGE)
    assert len(traced) == 1
    v.values = LARGE + 1.0
    assert f(1.0) == pytest.approx(np.sum(LARGE + 1.0)) and len(traced) == 2


def test_what_the_function_makes_is_a_constant() -> None:
    f = fd.jit(lambda x: x * Column([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(f(X), X * X)
    gc.collect()
    ((traced,),) = f._traced.values()
    assert traced.guards.checks is not None and not traced.hidden  # so the native entry takes its calls


def test_globals_and_rules() -> None:
    global weights
    weights = Column([1.0, 2.0, 3.0])
    fast, slope = fd.jit(weighted), fd.jit(fd.grad(lambda x: np.sum(ruled(x))))
    for values in ([1.0, 2.0, 3.0], [3.0, 1.0, 1.0], [0.0, 1.0, 0.0]):
        weights.values[:] = values
        np.testing.assert_array_equal(fast(X), X * values)
        np.testing.assert_array_equal(slope(X), values)
    weights = Column([5.0, 5.0, 5.0])
    np.testing.assert_array_equal(fast(X), 5.0 * X)


def weighted(x):
    return x * weights


@fd.custom_jvp
def ruled(x):
    return x * weights


ruled.defjvp(lambda primals, tangents: (ruled(*primals), tangents[0] * weights))


# -- refused -----------------------------------------------------------------------------------------------------------


class Tracked(Holder):
    requires_grad = True

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on a tensor that requires grad")


class OnDevice(Holder):
    device = "cuda:0"

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert a cuda:0 tensor")


class Conjugated(Holder):
    def is_conj(self):
        return True

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that has conjugate bit set")


class Sparse(Holder):
    def toarray(self):
        return self.values


class Lengths(Column):
    units = "m"


class Texts(Column):
    def to_numpy(self, dtype=None):
        return self.values.astype(dtype)


REFUSED = {
    "requires grad": (
        Tracked(X),
        StructureError,
        r"gives no NumPy array \(Can't call .*\); use x.detach\(\).numpy\(\)",
    ),
    "on a device": (OnDevice(X), StructureError, r"gives no NumPy array .*; use x.cpu\(\).numpy\(\)"),
    "conjugated": (Conjugated(X), StructureError, r"use x.resolve_conj\(\).resolve_neg\(\).numpy\(\)"),
    "sparse": (Sparse(X), (StructureError, DtypeError), r"use x.toarray\(\)"),
    "with units": (Lengths(X), StructureError, "has units that traced values know nothing of; take its numbers"),
    "objects": (Texts(["a", "b", "c"]), DtypeError, r"of dtype <U1; expected numbers or booleans: use x.to_numpy\("),
    "dates": (Column(np.zeros(3, "M8[s]")), DtypeError, r"of dtype datetime64\[s\]; .*numbers that NumPy knows first"),
}
refused = pytest.mark.parametrize(("v", "error", "message"), REFUSED.values(), ids=REFUSED)


@refused
def test_refused_arguments(v, error, message) -> None:
    for call in (fd.jit(np.sum), fd.grad(np.sum), fd.vmap(np.sin), lambda v: fd.jvp(np.sin, (X,), (v,))):
        with pytest.raises(error, match=rf"test_foreign_arrays.{type(v).__name__}.*{message}"):
            call(v)


@refused
def test_refused_operands(v, error, message) -> None:
    for f in (lambda t: np.add(t, v), lambda t: np.where(t > 0, t, v), lambda t: fnp.multiply(v, t)):
        for run in (fd.jit(f), fd.grad(lambda t: np.sum(f(t)))):
            with pytest.raises(error, match=rf"np.\w+ at .*test_foreign_arrays.py:\d+.*{type(v).__name__}.*{message}"):
                run(X)


def test_refused_indices() -> None:
    with pytest.raises(StructureError, match=r"an index at .*test_foreign_arrays.py:\d+ is a .*Tracked.*detach"):
        fd.grad(lambda x: np.sum(x[Tracked([0, 1])]))(X)


# -- the packages themselves -------------------------------------------------------------------------------------------

PACKAGES = {
    "pandas": lambda m: (m.Series([1.0, 3.0, 2.0], index=[5, 6, 7]), m.Series([1, 3, 2], dtype="Int64")),
    "polars": lambda m: (m.Series([1.0, 3.0, 2.0]),),
    "xarray": lambda m: (m.DataArray([1.0, 3.0, 2.0], dims="a"),),
    "jax.numpy": lambda m: (m.array([1.0, 3.0, 2.0]),),
    "torch": lambda m: (m.tensor([1.0, 3.0, 2.0]),),
}
LEFT_OPERATOR_OF_ITS_OWN = {"polars", "xarray"}


@pytest.mark.deep
@jitted
@pytest.mark.parametrize("package", PACKAGES)
def test_packages(package, jit) -> None:
    for v in PACKAGES[package](pytest.importorskip(package)):
        values = np.asarray(v)
        equal(fd.jit(np.square)(v), np.square(values))
        for name, f in BESIDE.items():
            own = name in ("v * x", "v - x", "v ** x", "v < x") and package in LEFT_OPERATOR_OF_ITS_OWN
            if not own and "callback" not in name:
                equal(*[jit(lambda x: fd.jvp(lambda t: f(t, w), (x,), (X,)))(X) for w in (v, values)])
        mask = v > 1.5
        np.testing.assert_array_equal(jit(fd.grad(lambda x: np.sum(x[mask])))(X), np.asarray(mask).astype(float))


@pytest.mark.deep
def test_data_frames() -> None:
    frame = pytest.importorskip("pandas").DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    f = fd.jit(lambda x: x * frame["a"])
    np.testing.assert_array_equal(f(X), X * X)
    frame.loc[0, "a"] = 7.0
    np.testing.assert_array_equal(f(X), X * [7.0, 2.0, 3.0])
    frame["a"] = [0.0, 1.0, 0.0]
    np.testing.assert_array_equal(f(X), X * [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(fd.jit(lambda d: d @ np.ones(2))(frame), [4.0, 6.0, 6.0])
    assert pickle.loads(pickle.dumps(fd.vjp(np.sin, frame)[1]))(frame)[0].shape == (3, 2)
