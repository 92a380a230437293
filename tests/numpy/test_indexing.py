"""Reading and updating at an index: any index that NumPy takes, with NumPy's result."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functad as fd
import functad.numpy as fnp
from functad.errors import (
    ArgumentError,
    DtypeError,
    ImmutableError,
    IndexOutOfBoundsError,
    InvalidIndexError,
    ShapeError,
    TracerConversionError,
)  # fmt: skip
from functad.numpy.updates import at
from tests.numpy.against_numpy import array, assert_same, check, tracing
from tests.numpy.index_strategies import SHAPES, advanced_indices, basic_indices


def numbered(shape):
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


@st.composite
def indexed(draw, indices):
    shape = draw(SHAPES)
    return shape, draw(indices(shape))


@given(indexed(basic_indices))
@settings(max_examples=300)
def test_basic(case):
    shape, index = case
    check(lambda x: x[index], numbered(shape))


@pytest.mark.deep
@given(indexed(advanced_indices))
@settings(max_examples=500)
def test_advanced(case):
    shape, index = case
    check(lambda x: x[index], numbered(shape))


@given(indexed(advanced_indices))
@settings(max_examples=200)
def test_advanced_with_traced_indices(case):
    """Every integer array of the index traced; the array itself traced or not."""
    shape, index = case
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [p for p in parts if isinstance(p, np.ndarray) and p.dtype != bool and p.ndim]
    x = numbered(shape)

    def read(x, *arrays):
        traced = iter(arrays)
        return x[tuple(next(traced) if isinstance(p, np.ndarray) and p.dtype != bool and p.ndim else p for p in parts)]

    if arrays:
        check(read, x, *arrays)
        assert_same(read(x, *arrays), tracing(lambda *a: read(fnp.asarray(x), *a), *arrays))


UPDATES = ["set", "add", "subtract", "multiply", "divide", "power", "min", "max"]


def updated(x, index, op, value):
    """The reference: what a loop over NumPy's in-place operations gives, one update after the other."""
    out = np.array(x, dtype=float)
    if op == "set":
        out[index] = value
        return out
    places = np.arange(out.size).reshape(out.shape)[index]
    ufunc = {"min": np.minimum, "max": np.maximum}.get(op) or getattr(np, op)
    for place, v in zip(places.ravel(), np.broadcast_to(value, places.shape).ravel(), strict=True):
        out.flat[place] = ufunc(out.flat[place], v)
    return out


@pytest.mark.deep
@given(indexed(basic_indices) | indexed(advanced_indices), st.sampled_from(UPDATES), st.booleans())
@settings(max_examples=500)
def test_updates(case, op, scalar):
    shape, index = case
    x = numbered(shape)
    target = np.shape(x[index])
    value = 2.0 if scalar else np.linspace(1.5, 3.0, int(np.prod(target))).reshape(target)
    expected = updated(x, index, op, value)
    for got in (
        tracing(lambda x, v: getattr(x.at[index], op)(v), x, value),
        tracing(lambda v: getattr(at(x)[index], op)(v), np.asarray(value)),
        getattr(at(x)[index], op)(value),
    ):
        assert_same(expected, got, f"{op} at {index} of {shape}")


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index, message",
    [
        (5, r"index 5 is out of bounds for axis 0 with size 2: valid are -2 to 1, .*, at .*test_indexing.py"),
        ((0, -4), r"index -4 is out of bounds for axis 1 with size 3"),
        ([0, 7], r"index 7 is out of bounds for axis 0 with size 2"),
        ((slice(None), np.array([[1], [-9]])), r"index -9 is out of bounds for axis 1 with size 3"),
    ],
)
def test_out_of_bounds(index, message):
    for use in (lambda x: x[index], lambda x: x.at[index].set(1.0)):
        with pytest.raises(IndexOutOfBoundsError, match=message) as found:
            tracing(use, np.ones((2, 3)))
        assert isinstance(found.value, IndexError)


def test_traced_index_out_of_bounds():
    with pytest.raises(IndexOutOfBoundsError, match="index 2 is out of bounds for axis 0 with size 2"):
        tracing(lambda x, i: x[i], np.ones((2, 3)), np.array([0, 2]))
    with pytest.raises(IndexOutOfBoundsError, match="index -3 is out of bounds for axis 0 with size 2"):
        tracing(lambda x, i: x.at[i].add(1.0), np.ones((2, 3)), np.int64(-3))


@pytest.mark.parametrize(
    "index, message",
    [
        ((0, 0, 0), r"too many indices at .*: the array has 2 axes \(shape \(2, 3\)\), but 3 were indexed"),
        ((Ellipsis, Ellipsis), "can only have a single ellipsis"),
        (1.0, r"only integers, slices .* are valid indices, got 1.0 of type float"),
        ([0.5], "only integers, slices .* got an array of dtype float64"),
        ("a", "only integers, slices .* got 'a' of type str"),
        (True, "got True of type bool"),
        (
            np.ones((2, 2), bool),
            "boolean index at .* did not match indexed array along axis 1; size of axis is 3 but size of .* boolean "
            "axis is 2",
        ),
        (([0, 1], [0, 1, 2]), r"indexing arrays could not be broadcast together with shapes \(2,\) \(3,\)"),
    ],
)
def test_invalid_indices(index, message):
    with pytest.raises(InvalidIndexError, match=message) as found:
        tracing(lambda x: x[index], np.ones((2, 3)))
    assert isinstance(found.value, IndexError)


def test_a_mask_needs_a_value():
    check(lambda x: x[x > 0], array((3, 4)))
    check(lambda x: np.extract(x > 0, x), array((3, 4)))
    check(lambda x: np.compress([True, False, True], x, axis=0), array((3, 4)))
    check(lambda x: np.nonzero(x > 0), array((3, 4)))
    with pytest.raises(TracerConversionError, match=r"has a length that is not known .*np.where"):
        fd.jit(lambda x: x[x > 0])(np.ones(3))


def test_a_plain_array_at_a_traced_index():
    table = np.arange(5.0)
    check(lambda i: fnp.take(table, i) if not isinstance(i, np.ndarray) else table[i], np.array([1, 2]))
    assert tracing(lambda i: table[i], np.int64(2)) == 2.0
    assert tracing(lambda i: table[i], np.array([1, 2])).tolist() == [1, 2]
    with pytest.raises(
        TracerConversionError, match=r"write functad.numpy.asarray\(table\)\[index\] to index a plain array"
    ):
        tracing(lambda i: table[i], np.array([1, 2]), concrete=False)
    assert tracing(lambda i: fnp.asarray(table)[i].shape, np.array([1, 2]), concrete=False) == (2,)


def test_views_know_their_base_and_copies_do_not():
    def bases(x):
        views = [x[1:], x[None], x[...], x.T, x.reshape(-1), x.ravel(), np.squeeze(x), x[::-1], np.diagonal(x), x[0]]
        copies = [x[[0, 1]], x[x > 0], x.copy(), x.flatten(), x + 1, np.roll(x, 1), x.astype(float), x[0, 0]]
        assert all(v.base is x for v in views)
        assert all(v.T.base is x for v in views)
        assert all(c.base is None and c is not x for c in copies)

    tracing(bases, np.ones((2, 2)))


# -- take, take_along_axis, choices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_take(axis, mode):
    indices = np.array([[0, 1], [2, -1]]) if mode == "raise" else np.array([[0, 7], [-5, 3]])
    x = array((3, 3))
    check(lambda x: np.take(x, indices, axis=axis, mode=mode), x)
    check(lambda x, i: np.take(x, i, axis=axis, mode=mode), x, indices)
    check(lambda x: x.take([1, 0], axis), x)
    check(lambda x: np.take(x, 1, axis), x)


def test_take_refuses_what_is_no_index():
    with pytest.raises(DtypeError, match="indices must be integers, got dtype float64"):
        tracing(lambda x: np.take(x, [0.5]), np.ones(3))
    with pytest.raises(ArgumentError, match="mode must be 'raise', 'wrap' or 'clip', got 'nearest'"):
        tracing(lambda x: np.take(x, [0], mode="nearest"), np.ones(3))
    with pytest.raises(ImmutableError, match="np.take at .* would write a traced value into a plain array"):
        tracing(lambda x: np.take(x, [0], out=np.empty(1)), np.ones(3))


@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1])
def test_take_along_axis(axis):
    x = array((2, 3, 4))
    order = np.argsort(x, axis=axis)
    check(lambda x: np.take_along_axis(x, order, axis), x)
    check(lambda x, i: np.take_along_axis(x, i, axis), x, order)
    if axis is not None:
        check(lambda x: np.take_along_axis(x, np.argmax(x, axis=axis, keepdims=True), axis), x)
        lean = tuple(1 if i != axis % 3 else n for i, n in enumerate(x.shape))
        check(lambda x: np.take_along_axis(x, np.zeros(lean, int), axis), x)


def test_take_along_axis_refuses():
    with pytest.raises(
        ArgumentError, match=r"indices must be integers with as many axes as the array, got shape \(2,\)"
    ):
        tracing(lambda x: np.take_along_axis(x, np.array([0, 1]), 0), np.ones((2, 2)))
    with pytest.raises(IndexOutOfBoundsError, match="index 2 is out of bounds"):
        tracing(lambda x: np.take_along_axis(x, np.array([[2]]), 0), np.ones((2, 2)))


def test_where_select_clip():
    x, y = array((2, 3), seed=1), array((2, 3), seed=2)
    check(lambda x, y: np.where(x > y, x, y), x, y)
    check(lambda x: np.where(x, 1, 2.0), x)
    check(lambda x: np.where(x > 0, x, 0), x.astype("f4"))
    check(lambda x: np.where([True, False, True], x, 1j), x)
    check(lambda x: np.where(True, x, 0), x)
    check(lambda c: np.where(c, np.ones((2, 1)), np.zeros(3)), np.array(True))
    check(lambda x: np.select([x > 1, x > 0], [x, x**2], -1), x)
    for bounds in ((0, 1), (None, 1), (-1, None), (None, None), (np.float64(0), array(3)), (array(3, "f4"), 1)):
        check(lambda x, b=bounds: np.clip(x, *b), x)
        check(lambda x, b=bounds: x.clip(*b), x.astype("f4"))
    check(lambda x: np.clip(x, min=0, max=1), x)
    check(lambda x: np.clip(x, 0.5, 2.5), np.arange(4))
    with pytest.raises(
        ShapeError, match=r"np.where at .*: operands could not be broadcast together with shapes \(2,\) \(2, 3\)"
    ):
        tracing(lambda x: np.where([True, False], x, 0), x)
    with pytest.raises(
        DtypeError, match="np.select at .*: each condition must be boolean, got an array of dtype int64; write x != 0"
    ):
        tracing(lambda x: np.select([np.array([1, 0])], [x]), np.ones(2))
    with pytest.raises(ArgumentError, match="1 conditions and 2 choices"):
        tracing(lambda x: np.select([x > 0], [x, x]), x)


# -- x.at --------------------------------------------------------------------------------------------------------------


def test_values_are_checked():
    x = np.zeros((2, 3), np.float32)
    kind, value = tracing(lambda x: x.at[0].add(1.5).at[:, 1].set(np.ones((1, 1, 2))), x)
    assert value.dtype == np.float32 and value[0, 0] == 1.5 and value[1, 1] == 1
    with pytest.raises(
        ShapeError, match=r"a value of shape \(4,\) cannot be broadcast to the shape \(3,\) of x\[index\]"
    ):
        tracing(lambda x: x.at[0].set(np.ones(4)), x)
    with pytest.raises(
        DtypeError,
        match=r"a Python float would be cut in an array of dtype int64; use fd.at\(x.astype\('float64'\)\)\[index\]",
    ):
        tracing(lambda x: x.at[0].set(0.5), np.arange(3))
    with pytest.raises(DtypeError, match="complex128 values would be cut in an array of dtype float32"):
        tracing(lambda x, z: x.at[0].add(z), x, np.complex128(1j))
    with pytest.raises(DtypeError, match="a Python float would be cut"):
        fd.at(np.arange(3))[0].set(0.5)


def test_writing_in_place_says_what_to_write():
    for write in (lambda x: x.__setitem__(0, 1.0), lambda x: x.fill(1.0)):
        with pytest.raises(ImmutableError, match=r"an argument of the function under .*; write to a copy: x = x.copy"):
            fd.grad(write)(np.ones(3))
    with pytest.raises(ImmutableError, match=r"np.add.at at .* would write a traced value into a plain array"):
        tracing(lambda x: np.add.at(np.zeros(3), [0], x), 1.0)
    with pytest.raises(ImmutableError, match=r"x.resize\(\) at .* is not available; .* or assign: x\[index\] = value"):
        tracing(lambda x: x.resize(3), np.ones(3))


def test_plain_arrays_are_not_changed():
    x = np.arange(3.0)
    y = fd.at(x)[1:].set(0.0)
    assert x.tolist() == [0, 1, 2] and y.tolist() == [0, 0, 0]
    assert fd.at(x)[1].get() == 1.0 and repr(fd.at(x)).startswith("<updates of array")
    np.testing.assert_array_equal(fd.at(x)[::2].apply(lambda v: v + 1), [1, 1, 3])


def test_repeated_indices_all_count_and_the_last_one_set_wins():
    index = [1, 1, 0, 1]
    value = np.array([2.0, 3.0, 5.0, 7.0])
    got = {op: tracing(lambda x, op=op: getattr(x.at[index], op)(value), np.ones(3))[1].tolist() for op in UPDATES}
    assert got == {
        "set": [5, 7, 1], "add": [6, 13, 1], "subtract": [-4, -11, 1], "multiply": [5, 42, 1],
        "divide": [1 / 5, 1 / 42, 1], "power": [1, 1, 1], "min": [1, 1, 1], "max": [5, 7, 1],
    }  # fmt: skip


def test_subtraction_of_unsigned_integers_wraps():
    for subtracted in (
        tracing(lambda x: x.at[1:].subtract(1), np.arange(3, dtype="u1"))[1],
        fd.at(np.arange(3, dtype="u1"))[1:].subtract(1),
    ):
        assert subtracted.tolist() == [0, 0, 1]
    assert tracing(lambda x: x.at[0].subtract(1), np.arange(3, dtype="u1"))[1].tolist() == [255, 1, 2]


def test_signed_zeros_survive_an_addition_elsewhere():
    x = np.array([-0.0, 1.0, -0.0])
    assert np.signbit(tracing(lambda x: x.at[1:2].add(1.0), x)[1]).tolist() == [True, False, True]
    z = np.array([complex(-0.0, -0.0), 1.0])
    assert np.signbit(tracing(lambda z: z.at[1:].add(1.0), z)[1].imag).tolist() == [True, False]


PARTS = [slice(None), slice(1, -1), slice(None, None, -2), 2, -1, "i", "j", None, slice(3, 3)]


@pytest.mark.parametrize("rank", [2, 3])
def test_traced_integers_beside_integers_and_slices(rank):
    """One element or row is read and written, in place in memory."""
    x = np.arange(5 * 6 * 7.0).reshape(5, 6, 7)
    indices = [c for c in itertools.product(PARTS, repeat=rank) if {"i", "j"} & {p for p in c if type(p) is str}]

    def read(x, i, j, index):
        return x[index(i, j)]

    def written(x, i, j, index):
        y = x.copy()
        y[index(i, j)] = y[index(i, j)] * 2 + 1
        y[index(i, j)] += 1
        return y

    for parts in indices[:: 7 if rank == 2 else 61]:
        index = lambda i, j, parts=parts: tuple([{"i": i, "j": j}.get(p, p) if type(p) is str else p for p in parts])
        for f in (read, written):
            for xs in ((x, -2, 1), (x, 3, -5)):
                g = lambda x, i, j, f=f, index=index: f(x, i, j, index)
                np.testing.assert_array_equal(fd.jit(g)(*xs), g(*xs))


def test_rows_are_written_without_the_rest():
    names = [e.primitive.name for e in fd.make_ir(lambda x, i: fd.at(x)[i, 1:-1].set(0.0))(np.ones((9, 9)), 2).eqns]
    assert "scatter_set" in names and "gather" in names
    sizes = [
        v.type.size for e in fd.make_ir(lambda x, i: x[0, i] + x[i, 1:2])(np.ones((9, 9)), 2).eqns for v in e.outputs
    ]
    assert max(sizes) == 9


@pytest.mark.parametrize("backend", ["native", "evaluator"])
@pytest.mark.parametrize("index", [np.uint64(2**64 - 1), np.uint64(2**63), np.array([2**64 - 1, 0], np.uint64)])
def test_unsigned_numbers_that_are_no_indices_do_not_wrap_around(backend, index):
    x, given = np.arange(5.0), np.ones(np.shape(index))

    def written(x, i, v):
        x = x.copy()
        x[i] = v
        return x

    with fd.config.backend(backend):
        for f in (lambda x, i, v: x[i], written, lambda x, i, v: np.take(x, i)):
            with pytest.raises(IndexError, match="index 9223372036854775807 is out of bounds for axis 0 with size 5"):
                fd.jit(f)(x, index, given)
        assert fd.jit(lambda x, i: x[i])(x, np.uint64(3)) == 3.0
        assert fd.jit(lambda x, i: np.take(x, i, mode="clip"))(x, np.uint64(2**63)) == 4.0
