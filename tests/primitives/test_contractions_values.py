"""``dot_general`` against einsum, for random arrangements of axes, and its derivatives and batching."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import functad as fd
from functad.errors import DtypeError, ShapeError
from functad.primitives.contractions import dot_general
from functad.testing import check_grads


@st.composite
def arrangements(draw):
    """Two subscripts, the lengths of their letters, and params: each letter is batch, contracted, free in x or free in
    y.
    """
    roles = draw(st.lists(st.sampled_from("bcxy"), max_size=5))
    letters = "ijklm"[: len(roles)]
    lengths = dict(
        zip(letters, draw(st.lists(st.integers(0, 3), min_size=len(roles), max_size=len(roles))), strict=True)
    )
    of_x = draw(st.permutations([n for n, r in zip(letters, roles, strict=True) if r != "y"]))
    of_y = draw(st.permutations([n for n, r in zip(letters, roles, strict=True) if r != "x"]))
    by_role = {r: draw(st.permutations([n for n, role in zip(letters, roles, strict=True) if role == r])) for r in "bc"}
    contract, batch = ([[side.index(n) for n in by_role[r]] for side in (of_x, of_y)] for r in "cb")
    free = [n for side in (of_x, of_y) for n in side if n not in by_role["b"] and n not in by_role["c"]]
    return of_x, of_y, lengths, contract, batch, [*by_role["b"], *free]


@given(arrangements())
@settings(max_examples=60)
def test_against_einsum(arrangement):
    of_x, of_y, lengths, contract, batch, result = arrangement
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=[lengths[n] for n in side]) for side in (of_x, of_y))
    expected = np.einsum(f"{''.join(of_x)},{''.join(of_y)}->{''.join(result)}", x, y)

    def f(x, y):
        return dot_general(x, y, contract, batch)

    np.testing.assert_allclose(f(x, y), expected, rtol=1e-13, atol=1e-13)
    tx, ty, ct = rng.normal(size=x.shape), rng.normal(size=y.shape), rng.normal(size=expected.shape)
    tangent = fd.jvp(f, (x, y), (tx, ty))[1]
    np.testing.assert_allclose(tangent, f(tx, y) + f(x, ty), rtol=1e-13, atol=1e-13)
    ct_x, ct_y = fd.vjp(f, x, y)[1](ct)
    np.testing.assert_allclose(np.sum(ct_x * tx) + np.sum(ct_y * ty), np.sum(ct * tangent), rtol=1e-12, atol=1e-12)


@given(arrangements(), st.sampled_from([(0, 0), (0, None), (None, 0)]))
@settings(max_examples=60)
def test_vmap_is_a_loop(arrangement, axes):
    of_x, of_y, lengths, contract, batch, result = arrangement
    rng = np.random.default_rng(1)
    x, y = (
        rng.normal(size=([2] if axis == 0 else []) + [lengths[n] for n in side])
        for side, axis in zip((of_x, of_y), axes, strict=True)
    )
    found = fd.vmap(lambda x, y: dot_general(x, y, contract, batch), in_axes=axes)(x, y)
    lanes = [
        dot_general(*[v if axis is None else v[k] for v, axis in zip((x, y), axes, strict=True)], contract, batch)
        for k in range(2)
    ]
    np.testing.assert_allclose(found, lanes, rtol=1e-13, atol=1e-13)
    assert found.shape == (2, *[lengths[n] for n in result])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.complex64, np.int64, np.uint8])
def test_dtypes(dtype):
    x, y = np.arange(6).reshape(2, 3).astype(dtype), np.arange(12).reshape(3, 4).astype(dtype)
    np.testing.assert_array_equal(dot_general(x, y, ((1,), (0,))), x @ y, strict=True)


def test_an_operand_with_itself():
    x = np.random.default_rng(2).normal(size=(3, 3))
    check_grads(lambda x: dot_general(x, dot_general(x, x, ((1,), (0,))), ((0,), (0,))), (x,), order=3)
    np.testing.assert_allclose(
        fd.hessian(lambda x: dot_general(x, x, ((0, 1), (0, 1))))(x).reshape(9, 9), 2 * np.eye(9), atol=1e-14
    )


def test_empty_sums_are_zero():
    np.testing.assert_array_equal(dot_general(np.zeros((2, 0)), np.zeros((0, 3)), ((1,), (0,))), np.zeros((2, 3)))
    gradient = fd.grad(lambda x: dot_general(x, x, ((0,), (0,))))(np.zeros(0))
    assert gradient.shape == (0,)


@pytest.mark.parametrize(
    "shapes, contract, batch, message",
    [
        (
            ((2, 3), (4, 2)),
            ((1,), (0,)),
            ((), ()),
            r"contracted axes must have equal lengths, but axis 1 of f64\[2,3\] has length 3",
        ),
        (
            ((2, 3), (4, 3)),
            ((1,), (1,)),
            ((0,), (0,)),
            r"batch axes must have equal lengths, but axis 0 of f64\[2,3\] has length 2.*transpose or",
        ),
        (((2,), (2,)), ((0,), ()), ((), ()), "as many contracted axes, got 1 and 0"),
        (((2,), (2,)), ((0,), (1,)), ((), ()), r"axes \(1,\) of f64\[2\] must be different ones of 0 to 0"),
        (((2,), (2,)), ((0,), (0,)), ((0,), (0,)), r"axes \(0, 0\) of f64\[2\] must be different"),
    ],
)
def test_shapes_that_do_not_fit(shapes, contract, batch, message):
    with pytest.raises(ShapeError, match=message):
        fd.make_ir(lambda x, y: dot_general(x, y, contract, batch))(*map(np.zeros, shapes))


def test_dtypes_that_do_not_fit():
    for x, y in itertools.permutations([np.zeros(2), np.zeros(2, np.float32)]):
        with pytest.raises(DtypeError, match="one numeric dtype; convert with"):
            fd.make_ir(lambda x, y: dot_general(x, y, ((0,), (0,))))(x, y)
    with pytest.raises(DtypeError, match=r"bool\[2\]"):
        fd.make_ir(lambda x: dot_general(x, x, ((0,), (0,))))(np.zeros(2, bool))
