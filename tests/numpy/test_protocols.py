"""NumPy's protocols, dtypes and conversions, and what traced values say when they are asked for what they do not
have.
"""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest

import functad as fd
import functad.numpy as fnp
from functad.core.tracer import PYTHON, SCALAR
from functad.errors import DtypeError, ImmutableError, TracerConversionError, UnsupportedError
from tests.numpy.against_numpy import array, check, tracing


def test_methods_of_ufuncs():
    x = array((3, 4))
    for f in (np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.logical_or):
        check(lambda x, f=f: f.reduce(x), x)
        check(lambda x, f=f: f.reduce(x, axis=None), x)
        check(lambda x, f=f: f.reduce(x, 1, keepdims=True), x)
    for f in (np.add, np.multiply):
        check(lambda x, f=f: f.accumulate(x), x)
        check(lambda x, f=f: f.accumulate(x, 1), x)
    check(lambda x, y: np.subtract.outer(x, y), x, array(2))
    check(lambda x: np.less.outer([1, 2], x), x)
    with pytest.raises(UnsupportedError, match="np.sin.reduce at .*: reduce is of ufuncs of two operands"):
        tracing(lambda x: x.__array_ufunc__(np.sin, "reduce", x), x)


def test_arguments_of_ufuncs_that_there_are_not():
    with pytest.raises(UnsupportedError, match="np.sin at .*: the arguments signature are not available for traced"):
        tracing(lambda x: np.sin(x, signature="d->d"), np.ones(3))
    with pytest.raises(DtypeError, match="np.add at .*: an operand of dtype float64 cannot be cast to int32 by"):
        tracing(lambda x: np.add(x, 1, dtype="i4"), np.ones(3))
    check(lambda x: np.sin(x, dtype="f4"), np.ones(3))
    check(lambda x: np.sin(x, dtype="f4", casting="unsafe", order="F", subok=True), np.ones(3))
    with pytest.raises(UnsupportedError, match="np.add at .*: without out=, what where= leaves out would be"):
        tracing(lambda x: np.add(x, 1, where=[True, False, True]), np.ones(3))
    with pytest.raises(ImmutableError, match="np.sin at .* would write a traced value into a plain array"):
        tracing(lambda x: np.sin(x, out=np.zeros(3)), np.ones(3))
    check(lambda x: np.add(x, 1, where=True), np.ones(3))


def test_functions_that_there_are_not():
    with pytest.raises(
        UnsupportedError, match=r"np.array2string at .*test_protocols.py:\d+ is not available for traced values"
    ):
        tracing(lambda x: np.array2string(x), np.ones(3))
    with pytest.raises(UnsupportedError, match="the ufunc isnat at .* is not available"):
        tracing(np.isnat, np.ones(3))
    with pytest.raises(ImmutableError, match="np.copyto at .* would write a traced value into a plain array"):
        tracing(lambda x: np.copyto(np.zeros(3), x), np.ones(3))


def test_the_namespace_is_numpy_with_more():
    assert (
        fnp.pi is np.pi
        and fnp.errstate is np.errstate
        and fnp.float32 is np.float32
        and fnp.linalg.LinAlgError is np.linalg.LinAlgError
    )
    assert fnp.sum([1, 2]) == 3 and type(fnp.sin(0.5)) is np.float64
    np.testing.assert_array_equal(fnp.linalg.norm(np.eye(2), 2), 1.0)  # plain arrays have all that NumPy has
    assert tracing(lambda x: x.__array_namespace__() is fnp, 1.0) is True
    with pytest.raises(AttributeError):
        fnp.no_such_function  # noqa: B018


def test_unknown_attributes():
    with pytest.raises(
        AttributeError, match=r"a traced f64\[3\] has no attribute 'tobytes'; arrays have it, traced values, which have"
    ):
        tracing(lambda x: x.tobytes(), np.ones(3))
    with pytest.raises(AttributeError, match=r"a traced f64\[3\] has no attribute 'argzort'$"):
        tracing(lambda x: x.argzort(), np.ones(3))


def public(x):
    return {name for name in dir(x) if not name.startswith("_")}


@pytest.mark.parametrize("value", [np.ones(3), np.float64(1.0), 1.0, 2, np.True_], ids=repr)
def test_a_traced_value_has_the_public_attributes_of_an_array_and_at(value):
    def has(x):
        assert public(x) == public(np.ndarray) | {"at"}
        foreign = ("variable", "owner", "type", "kind", "values", "unit", "name", "to_numpy", "detach")
        assert not any(hasattr(x, name) for name in foreign)

    tracing(has, value)
    fd.jit(lambda x: has(x) or x)(value)


def has_not(x, name):
    """Whether asking a traced value for an attribute of arrays gives an error that names it."""
    with pytest.raises(AttributeError, match=rf"a traced f64\[3\] has no attribute '{name}'; arrays have it, traced"):
        getattr(x, name)
    assert getattr(x, name, None) is None
    return True


def test_what_arrays_have_and_traced_values_do_not():
    memory = [
        "byteswap",
        "ctypes",
        "data",
        "dump",
        "dumps",
        "flags",
        "getfield",
        "strides",
        "tobytes",
        "tofile",
        "view",
    ]
    assert tracing(lambda x: all(has_not(x, name) for name in memory), np.ones(3)) is True
    with pytest.raises(AttributeError, match=r"'flags'; arrays have it, traced values, which have no memory, do not"):
        tracing(lambda x: x.flags.writeable, np.ones(3))

    def others(x):  # that all the rest is there
        return {name for name in public(x) if not hasattr(x, name)} == {*memory}

    assert tracing(others, np.ones((3, 3))) is True


def test_the_only_device():
    assert tracing(lambda x: x.to_device("cpu") is x and x.device == "cpu", np.ones(3)) is True
    with pytest.raises(
        UnsupportedError, match="x.to_device at .*: the only device is 'cpu', without streams; got 'gpu'"
    ):
        tracing(lambda x: x.to_device("gpu"), np.ones(3))


def test_flat():
    check(lambda x: x.flat[4], np.ones((2, 3)))
    check(lambda x: sum(v * k for k, v in enumerate(x.flat)), array((2, 3)))
    np.testing.assert_array_equal(fd.grad(lambda x: x.T.flat[1])(np.ones((2, 3))), [[0, 0, 0], [1, 0, 0]])


def test_conversion_by_a_rule():
    check(lambda x: x.astype("f4", casting="same_kind"), np.arange(3.0))
    check(lambda x: x.astype("f8", casting="safe"), np.arange(3))
    for dtype, casting in (("f4", "safe"), ("i8", "same_kind"), ("f4", "no")):
        with pytest.raises(
            DtypeError,
            match=rf"x.astype at .*: a traced f64\[3\] cannot be cast to {np.dtype(dtype)} by the rule '{casting}'",
        ):
            tracing(lambda x: x.astype(dtype, casting=casting), np.arange(3.0))


def test_conversion():
    x = array((2, 3))
    for dtype in ("f4", "f8", "c8", "i4", bool, float, np.uint8):
        check(lambda x: x.astype(dtype), np.abs(x))
        check(lambda x: np.astype(x, dtype), np.abs(x))
        check(lambda x: x.astype(dtype), np.float32(1.5))
    with pytest.raises(DtypeError, match=r"it would lose its imaginary part; use x.real"):
        tracing(lambda z: z.astype(float), np.ones(2, complex))
    for y in (x, array(3, "c8"), array(3, "i4"), 1.5, 2 + 1j, np.float32(2)):
        for f in (np.real, np.imag, np.angle, np.conj, np.iscomplexobj, np.isrealobj):
            check(f, y)
    for y in (x, array(3, "c8")):
        check(lambda y: y.real, y)
        check(lambda y: y.imag, y)
        check(lambda y: y.conj(), y)
        check(lambda y: np.angle(y, deg=True), y)


def test_rounding_to_decimals():
    x = array((2, 3), low=-200, high=200)
    for decimals in (0, 1, 3, -1, -2):
        for dtype in ("f4", "f8", "c16", "i4"):
            check(lambda x: np.round(x, decimals), x.astype(dtype) if dtype != "c16" else x * (1 + 2j))
    check(lambda x: x.round(2), x)
    check(lambda x: np.around(x), x)
    check(np.fix, x)
    check(lambda x: np.round(x), array(3, "?"))


def test_nan_to_num():
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    for y in (x, x.astype("f4"), x * (1 + 1j), np.arange(3)):
        check(np.nan_to_num, y)
        check(lambda y: np.nan_to_num(y, nan=1.0, posinf=2.0, neginf=-2.0), y)


def test_questions_about_dtypes():
    check(lambda x: str(np.result_type(x, np.float32)), 1.5)
    check(lambda x: str(np.result_type(x, np.float32, 1.0)), np.float64(1.5))
    check(lambda x: str(np.result_type(x, np.int8)), 3)
    check(lambda x: np.can_cast(x, np.float64), np.float32(1))


def test_items_and_lists():
    assert tracing(lambda x: x.item(1), np.arange(3)) == 1
    assert tracing(lambda x: x.item(), np.bool_(True)) is True
    assert tracing(lambda x: x[1:].tolist(), np.arange(3.0)) == [(SCALAR, 1.0), (SCALAR, 2.0)]
    assert tracing(lambda x: x.item(), np.float64(1.0)) == (PYTHON, 1.0)
    assert tracing(lambda x: x[0, 1].item() + x.item(4), np.arange(6.0).reshape(2, 3)) == (PYTHON, 5.0)
    assert tracing(lambda x: x.item(1, 0), np.ones((2, 3), np.complex64)) == (PYTHON, 1.0)
    with pytest.raises(TracerConversionError, match="only a value with one element"):
        tracing(lambda x: x.item(), np.ones(3, int))


@pytest.mark.parametrize("transform", [fd.grad, lambda f: fd.jit(fd.grad(f))])
def test_items_have_derivatives(transform):
    x = np.arange(6.0).reshape(2, 3)
    slopes = transform(lambda x: np.sum(x**2).item() * x.item(4) + x.item(1, 1))(x)
    np.testing.assert_array_equal(slopes, 8 * x + np.where(x == 4.0, np.sum(x**2) + 1, 0.0))


def test_copies_are_handles_of_their_own():
    def f(x):
        copies = [copy.copy(x), copy.deepcopy(x), x.copy(), copy.deepcopy([x])[0]]
        return all(c is not x and c._variable is x._variable and c._owner is x._owner for c in copies)

    assert tracing(f, np.ones(3)) is True
    assert tracing(copy.copy, 1.5)[0] == PYTHON


def test_functions_of_lists_of_traced_numbers():
    assert fd.grad(lambda x: fnp.sum([x, x**2, 1.0]))(3.0) == 7.0
    assert fd.grad(lambda x: np.sum(np.stack([x, x**2])))(3.0) == 7.0
    assert fd.grad(lambda x: fnp.max([x, 2 * x]))(3.0) == 2.0
    assert fd.grad(lambda x: np.sum([x, x**2]))(3.0) == 7.0
    assert fd.jit(lambda x: np.convolve([x, 1.0], np.add([x, 2.0], 1.0)))(3.0).tolist() == [12.0, 13.0, 3.0]
    with pytest.raises(TracerConversionError):  # what no twin calls does not look into lists
        within_numpy = functools.partial(np.sum)
        tracing(lambda x: within_numpy([x, x**2]), 3.0)
    with fd.config.front(False), pytest.raises(TracerConversionError):
        fd.grad(lambda x: np.sum([x, x**2]))(3.0)
