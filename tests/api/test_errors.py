"""Bad input: each kind has an error that names what was given and what to write instead."""

from __future__ import annotations

import re

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.errors import (
    DtypeError,
    EscapedTracerError,
    FunctadError,
    ImmutableError,
    IndexOutOfBoundsError,
    LinearityError,
    ShapeError,
    StructureError,
    TracerConversionError,
    UnsupportedError,
)

X = np.array([1.0, 2.0, 3.0])


def raises(error: type[Exception], *parts: str):
    """Expect an error whose message has all these parts."""
    return pytest.raises(error, match="(?s)" + "".join(f"(?=.*{re.escape(p)})" for p in parts))


# -- grad --------------------------------------------------------------------------------------------------------------


def test_grad_of_a_vector() -> None:
    with raises(ShapeError, "scalar", "f64[3]", "np.sum", "fd.jacobian", "fd.vjp"):
        fd.grad(np.sin)(X)


def test_grad_of_several_values() -> None:
    with raises(StructureError, "one scalar", "container of 2 values", "has_aux=True"):
        fd.grad(lambda x: (x.sum(), x))(X)


def test_grad_of_nothing() -> None:
    def forgot(x):
        np.sum(x)

    with raises(StructureError, "forgot", "None", "return statement"):
        fd.grad(forgot)(X)


def test_grad_of_a_complex_value() -> None:
    with raises(DtypeError, "real value", "c128[]", "np.real", "holomorphic=True"):
        fd.grad(lambda z: np.sum(z * z))(X + 1j)
    with raises(DtypeError, "holomorphic=True takes complex arguments", "f64[3]"):
        fd.grad(np.sum, holomorphic=True)(X)


@pytest.mark.parametrize("array", [np.arange(3), np.array([True, False]), np.int32(3)], ids=str)
def test_grad_of_integers_and_booleans(array: np.ndarray) -> None:
    with raises(DtypeError, "argument 0", "x.astype(float)", "argnums"):
        fd.grad(lambda x: np.sum(x * 1.0))(array)


def test_grad_argnums() -> None:
    with raises(StructureError, "argnums=2", "1 positional"):
        fd.grad(np.sum, 2)(X)
    with raises(StructureError, "twice"):
        fd.grad(lambda x, y: np.sum(x), (0, 0))(X, X)


def test_has_aux_without_a_pair() -> None:
    with raises(StructureError, "has_aux=True", "pair (value, aux)"):
        fd.grad(np.sum, has_aux=True)(X)


def test_a_result_that_is_no_array() -> None:
    with raises(StructureError, "result", "str", "expected an array"):
        fd.grad(lambda x: "value")(X)
    with raises(StructureError, "result['name']", "str"):
        fd.vjp(lambda x: {"name": "value", "x": x}, X)
    with raises(StructureError, "result", "object"):
        fd.jit(lambda x: object())(X)


def test_an_argument_that_is_no_array() -> None:
    with raises(StructureError, "argument 0", "str", "has no derivative", "argnums"):
        fd.grad(np.sum)("text")
    with raises(StructureError, "masked array", "filled"):
        fd.grad(np.sum)(np.ma.masked_array(X, [True, False, False]))
    with raises(DtypeError, "object"):
        fd.grad(np.sum)(np.array([1.0, None]))


# -- tangents and cotangents -------------------------------------------------------------------------------------------


def test_number_of_tangents() -> None:
    with raises(StructureError, "1 primals and 2 tangents"):
        fd.jvp(np.sin, (X,), (X, X))
    with raises(StructureError, "tuples", "(x,)"):
        fd.jvp(np.sin, X, X)
    with raises(StructureError, "structure"):
        fd.jvp(lambda d: d["a"], ({"a": X},), ((X,),))


def test_shape_and_dtype_of_tangents() -> None:
    with raises(ShapeError, "tangents[0]", "(2,)", "f64[3]"):
        fd.jvp(np.sin, (X,), (np.ones(2),))
    with raises(DtypeError, "tangents[0]", "float64", "f32[3]", ".astype('float32')"):
        fd.jvp(np.sin, (X.astype(np.float32),), (X,))
    with raises(DtypeError, "tangents[0]", "int64", "f32[3]", ".astype('float32')"):
        fd.jvp(np.sin, (X.astype(np.float32),), (np.arange(3),))
    with raises(DtypeError, "tangents[0]", "complex128", "f64[3]", ".real"):
        fd.jvp(np.sin, (X,), (X * 1j,))
    with raises(DtypeError, "no derivative", "zeros"):
        fd.jvp(lambda n: n * 2.0, (np.arange(3),), (np.ones(3, int),))


def test_cotangents() -> None:
    _, pullback = fd.vjp(lambda x: (np.sin(x), x[0]), X)
    with raises(StructureError, "cotangent", "structure"):
        pullback(X)
    with raises(ShapeError, "cotangent[0]", "(2,)", "f64[3]"):
        pullback((np.ones(2), 1.0))
    with raises(DtypeError, "cotangent[0]", "complex128", "f64[3]", ".real"):
        pullback((X + 1j, 1.0))


def test_linear_transpose_of_what_is_not_linear() -> None:
    with raises(LinearityError, "sin", "not linear"):
        fd.linear_transpose(np.sin, X)(X)


# -- shapes and indices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [lambda f: fd.grad(lambda x: f(x).sum()), fd.jit], ids=["grad", "jit"])
def test_mismatched_shapes(transform) -> None:
    with raises(ShapeError, "(3,)", "(4,)"):
        transform(lambda x: x + np.ones(4))(X)
    with raises(ShapeError, "(3,)", "(4,)"):
        transform(lambda x: np.dot(x, np.ones(4)))(X)
    with raises(ShapeError, "3", "4"):
        transform(lambda x: np.reshape(x, (4,)))(X)


@pytest.mark.parametrize("transform", [lambda f: fd.grad(lambda x: np.sum(f(x))), fd.jit], ids=["grad", "jit"])
def test_index_out_of_bounds(transform) -> None:
    with raises(IndexOutOfBoundsError, "5", "axis 0", "size 3"):
        transform(lambda x: x[5])(X)
    with raises(IndexOutOfBoundsError, "5", "axis 0", "size 3"):
        transform(lambda x: x[np.array([0, 5])])(X)


def test_traced_index_out_of_bounds_natively() -> None:
    pick = fd.jit(lambda x, i: x[i])
    assert pick(X, np.array([0, -1])).tolist() == [1.0, 3.0]
    for bad in (3, -4, 2**62):
        with raises(IndexOutOfBoundsError, "axis 0", "size 3", "test_errors.py"):
            pick(X, np.array([0, bad]))
    with pytest.raises(IndexError):
        fd.jit(lambda x, i: fnp.asarray(x).at[i].set(0.0))(X, np.array([7]))


# -- tracers where Python needs a value --------------------------------------------------------------------------------


def test_float_of_a_tracer() -> None:
    with fd.config.front(False):
        with raises(TracerConversionError, "float()", "f64[]", "lose its derivative", "test_errors.py"):
            fd.grad(lambda x: float(x) * x)(1.0)
        with raises(TracerConversionError, "int()", "np.floor", "stop_gradient"):
            fd.grad(lambda x: int(x) * x)(1.0)


def test_truth_value_under_jit() -> None:
    words = ("fd.lax.cond(x > 0, lambda: x, lambda: -x)", "np.where", "static_argnums", "test_errors.py")
    with fd.config.front(False):
        with raises(TracerConversionError, "truth value", *words):
            fd.jit(lambda x: x if x > 0 else -x)(1.0)
        with raises(TracerConversionError, "truth value", "vmap", "np.where"):
            fd.vmap(lambda x: x if x > 0 else -x)(X)
    with raises(TracerConversionError, "one element"):
        fd.grad(lambda x: x.sum() if x > 0 else 0.0)(X)


def test_values_of_an_enclosing_trace_are_not_baked_into_compiled_code() -> None:
    held = []
    f = fd.jit(lambda y: np.where(held[-1] > 0, y, -y))  # a comparison is traced, and its operand captured

    def outer(x):
        held.append(x)
        return f(x) * 1.0

    assert fd.grad(outer)(2.0) == 1.0 and fd.grad(outer)(-2.0) == -1.0
    g = fd.jit(lambda y: y if held[-1] > 0 else -y)
    assert fd.grad(lambda x: (held.append(x), g(x))[1])(2.0) == 1.0
    assert fd.grad(lambda x: (held.append(x), g(x))[1])(-2.0) == -1.0
    with fd.config.front(False), raises(TracerConversionError, "truth value", "under jit", "fd.lax.cond"):
        fd.grad(lambda x: (held.append(x), g(x))[1])(2.0)


def test_asarray_of_a_tracer() -> None:
    with fd.config.front(False), raises(TracerConversionError, "np.asarray()", "functad.numpy.asarray", "np.zeros"):
        fd.grad(lambda x: np.asarray(x).sum())(X)

    def write(x):
        out = np.zeros(3)
        out[0] = x[0]
        return out.sum()

    # NumPy wraps what float(x) raises in an error of its own
    with fd.config.front(False), pytest.raises(ValueError) as info:
        fd.grad(write)(X)
    assert "lose its derivative" in str(info.value.__cause__)


def test_iteration() -> None:
    with raises(TracerConversionError, "iteration", "f64[]"):
        fd.grad(lambda x: sum(v for v in x))(1.0)
    assert fd.grad(lambda x: sum(v * v for v in x))(X).tolist() == [2.0, 4.0, 6.0]


def test_tracer_as_index_or_key() -> None:
    with raises(TracerConversionError, "index", "integers", ".astype(int)"):
        fd.grad(lambda x: [1.0, 2.0][x] * x)(1.0)
    with raises(TypeError, "hashed"):
        fd.grad(lambda x: {x: 1.0}[x])(1.0)


def test_escaped_tracer() -> None:
    kept = []

    def leak(x):
        kept.append(x * 2)
        return np.sum(x)

    fd.grad(leak)(X)
    with raises(EscapedTracerError, "f64[3]", "grad", "had returned", "test_errors.py"):
        kept[0] + 1
    with raises(EscapedTracerError, "had returned"):
        fd.grad(lambda x: np.sum(x * kept[0]))(X)


# -- writing, unsupported functions ------------------------------------------------------------------------------------


def test_writing_to_an_argument() -> None:
    def write(x):
        x[0] = 0.0
        return x.sum()

    for transform in (fd.grad, fd.jit):
        with raises(ImmutableError, "in place", "x = x.copy()", "test_errors.py"):
            transform(write)(X)

    def augment(x):
        x += 1.0
        return x.sum()

    with raises(ImmutableError, "x = x.copy()"):
        fd.grad(augment)(X)


def test_unsupported_numpy_function() -> None:
    with raises(UnsupportedError, "np.array2string", "functad.numpy"):
        fd.grad(lambda x: np.array2string(x))(X)
    buffer = np.zeros(3)
    with raises(ImmutableError, "np.sin", "plain array", "x = x.copy()"):
        fd.grad(lambda x: np.sum(np.sin(x, out=buffer)))(X)
    with pytest.raises(AttributeError, match="no_such_thing"):
        fd.grad(lambda x: x.no_such_thing)(X)


# -- jit and vmap ------------------------------------------------------------------------------------------------------


def test_unhashable_static_argument() -> None:
    with raises(StructureError, "static argument 1", "list", "hashable", "tuple"):
        fd.jit(lambda x, n: x * n[0], static_argnums=1)(X, [2])
    with raises(StructureError, "static_argnames", "'m'", "no such parameter"):
        fd.jit(lambda x, n: x, static_argnames="m")


LONG = np.dtype(np.longdouble)


@pytest.mark.skipif(LONG.itemsize == 8, reason="long double is double here")
def test_jit_of_extended_precision_is_refused_when_it_is_traced() -> None:
    """As an argument, even one that nobody uses; where it is made, in the function, a loop or a derivative; as a
    result.
    """
    x = np.ones(3)
    for f in (lambda x: x * 2, lambda x: x, lambda x: 3.0):
        words = (
            "argument x of <lambda>",
            "test_errors.py",
            LONG.name,
            "native code does not have",
            ".astype(float)",
            "leave jit out",
        )
        with raises(DtypeError, *words):
            fd.jit(f)(x.astype(LONG))
    for f in (
        lambda x: np.sum(x.astype(LONG)).astype(float),
        lambda x: x * np.ones(3, LONG),
        lambda x: fd.grad(lambda y: np.sum(y.astype(LONG)).astype(float))(x),
        lambda x: fd.lax.fori_loop(0, 3, lambda i, c: c + np.sum(x.astype(LONG)).astype(float), 0.0),
        lambda x: fd.vmap(lambda y: y.astype(LONG).astype(float))(x),
    ):
        with raises(DtypeError, " at ", "test_errors.py", f"takes or gives {LONG.name}", ".astype(float)"):
            fd.jit(f)(x)
        with raises(DtypeError, " at ", "test_errors.py", f"takes or gives {LONG.name}"):
            fd.jit(f).lower(x)
    with raises(DtypeError, "convert at", np.dtype(np.clongdouble).name, ".astype(complex)"):
        fd.jit(lambda x: x.astype(np.clongdouble))(x)
    with raises(DtypeError, "the result[1] of the function under jit", LONG.name):
        fd.jit(lambda x: (x, np.longdouble(1)))(x)


def test_extended_precision_without_jit() -> None:
    x = np.array([1, 2, 3], LONG) / 7
    np.testing.assert_array_equal(fd.grad(lambda x: np.sum(x * x))(x), 2 * x)
    np.testing.assert_array_equal(fd.vmap(lambda x: x * x)(x), x * x)
    assert fd.grad(lambda x: np.sum(x * x))(x).dtype == LONG


def test_a_dtype_of_two_names() -> None:
    """On Linux both long and long long are int64."""
    for dtype in (np.longlong, np.ulonglong, np.intc, np.uintc, np.int_):
        x = np.array([3, 5], dtype)
        np.testing.assert_array_equal(fd.jit(lambda x: x * 2 + dtype(1))(x), 2 * x + 1)
        assert fd.jit(lambda x: x * 2)(x[0]) == 6


def test_vmap_sizes_and_axes() -> None:
    with raises(ShapeError, "different sizes", "arguments[0][0]: 3", "arguments[0][1]: 4"):
        fd.vmap(lambda x, y: x + y)(X, np.ones(4))
    with raises(ShapeError, "no axis 1", "f64[3]"):
        fd.vmap(np.sin, in_axes=1)(X)
    with raises(StructureError, "in_axes", "2 entries", "1 positional"):
        fd.vmap(np.sin, in_axes=(0, 0))(X)
    with raises(StructureError, "no argument", "mapped"):
        fd.vmap(np.sin, in_axes=None)(X)
    with raises(StructureError, "out_axes is None", "depends"):
        fd.vmap(np.sin, out_axes=None)(X)
    with raises(ShapeError, "out_axes=3"):
        fd.vmap(np.sin, out_axes=3)(X)


def test_every_error_is_also_what_numpy_would_raise() -> None:
    kinds = {
        ShapeError: ValueError,
        DtypeError: TypeError,
        IndexOutOfBoundsError: IndexError,
        TracerConversionError: TypeError,
    }
    for error, builtin in kinds.items():
        assert issubclass(error, builtin) and issubclass(error, FunctadError)
