"""Products of vectors and matrices, einsum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functad.errors import ArgumentError, ShapeError, UnsupportedError
from tests.numpy.against_numpy import array, check, tracing

DTYPES = ["?", "u1", "i4", "i8", "f4", "f8", "c8", "c16"]
SHAPES = [(), (3,), (2, 3), (3, 2), (1, 3), (4, 2, 3), (4, 3, 2), (1, 3, 3), (5, 1, 3, 3), (0, 3), (3, 0)]


def accepted(f, x, y):
    try:
        f(x, y)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "f", [np.matmul, np.dot, np.inner, np.outer, np.vdot, np.vecdot, np.kron], ids=lambda f: f.__name__
)
def test_shapes(f):
    for a, b in itertools.product(SHAPES, SHAPES):
        x, y = array(a, seed=1), array(b, seed=2)
        if accepted(f, x, y):
            check(f, x, y)
            check(lambda x: f(x, y), x)
            check(lambda y: f(x, y), y)
        else:
            with pytest.raises(ShapeError, match=rf"np.{f.__name__} at "):
                tracing(f, x, y)


@pytest.mark.parametrize(
    "f", [np.matmul, np.dot, np.inner, np.outer, np.vdot, np.tensordot, np.vecdot], ids=lambda f: f.__name__
)
def test_dtypes(f):
    for a, b in itertools.product(DTYPES, DTYPES):
        check(f, array((3, 3), a, seed=1), array((3, 3), b, seed=2))


def test_messages_name_both_shapes():
    with pytest.raises(
        ShapeError, match=r"np.matmul at .*: shapes \(2, 3\) and \(2, 3\) not aligned: 3 \(axis 1\) != 2 \(axis 0\)"
    ):
        tracing(lambda x: x @ x, np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"axes \(2,\) and \(3,\) before the matrices could not be broadcast together"):
        tracing(lambda x: x @ np.ones((3, 1, 1)), np.ones((2, 1, 1)))
    with pytest.raises(ShapeError, match=r"need at least 1 axes; use \* for scalars"):
        tracing(lambda x: np.matmul(x, 2.0), np.ones(3))


def test_tensordot():
    x, y = array((2, 3, 4), seed=1), array((4, 3, 5), seed=2)
    check(lambda x, y: np.tensordot(x, y, 1), x, y)
    check(lambda x, y: np.tensordot(x, y, 0), x, y)
    check(lambda x, y: np.tensordot(x, y, ([1, 2], [1, 0])), x, y)
    check(lambda x, y: np.tensordot(x, y, (-1, 0)), x, y)
    check(lambda x: np.tensordot(x, x, 3), x)
    check(lambda x: x[0].dot(np.ones(4)), x)
    with pytest.raises(ShapeError, match=r"np.tensordot at .*: shapes \(2, 3, 4\) and \(4, 3, 5\) not aligned"):
        tracing(lambda x, y: np.tensordot(x, y, 2), x, y)
    with pytest.raises(ShapeError, match="name 2 axes of a and 1 of b"):
        tracing(lambda x, y: np.tensordot(x, y, ([0, 1], [0])), x, y)


def test_cross():
    x, y = array((2, 3), seed=1), array((4, 1, 3), "f4", seed=2)
    check(np.cross, x, y)
    check(lambda x: np.cross(x, [1, 2, 3], axis=0), x.T)
    check(lambda x: np.cross(x, np.ones((3, 2)), axisb=0, axisc=0), x)
    with pytest.raises(ShapeError, match="of vectors of lengths 2 and 3; both must be 3"):
        tracing(lambda x: np.cross(x[:, :2], x), x)


EINSUMS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ii", [(3, 3)]), ("ii->i", [(3, 3)]),
    ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("i,i", [(3,), (3,)]), ("i,j->ij", [(2,), (3,)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]), ("ijk,jil->kl", [(2, 3, 4), (3, 2, 5)]),
    ("iij,jk->ik", [(3, 3, 2), (2, 4)]), ("ij,ij->ij", [(2, 3), (2, 3)]), ("iijj->ij", [(2, 2, 3, 3)]),
    ("i,i,i->", [(3,), (3,), (3,)]), ("ab,cd,ab->c", [(2, 3), (4, 5), (2, 3)]), ("i...->...", [(3, 4, 2)]),
    ("ij,j->i", [(2, 3), (1,)]), ("...,...", [(2, 3), (3,)]), (",ij->ij", [(), (2, 3)]), ("ij,kl->", [(2, 1), (3, 2)]),
    ("ijk->kij", [(0, 2, 3)]), ("ij,jk->ik", [(2, 0), (0, 3)]),
]  # fmt: skip


@pytest.mark.parametrize("subscripts, shapes", EINSUMS, ids=lambda v: v if isinstance(v, str) else "")
def test_einsum(subscripts, shapes):
    for dtype in ("f8", "f4", "c16", "i4"):
        xs = [array(s, dtype, seed=i) for i, s in enumerate(shapes)]
        check(lambda *xs: np.einsum(subscripts, *xs), *xs)
    check(lambda x: np.einsum(subscripts, x, *xs[1:]), xs[0])
    check(lambda *xs: np.einsum(subscripts, *xs, optimize=False), *xs)


@st.composite
def contractions(draw):
    letters = "abcde"
    lengths = {a: draw(st.integers(1, 3)) for a in letters}
    terms = draw(st.lists(st.text(letters, min_size=0, max_size=4), min_size=1, max_size=4))
    present = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(draw(st.lists(st.sampled_from(present), unique=True)) if present else [])))
    shapes = [tuple(1 if draw(st.integers(0, 9)) == 0 else lengths[a] for a in term) for term in terms]
    return ",".join(terms) + "->" + output, shapes


@given(contractions())
@settings(max_examples=200)
def test_random_einsums(case):
    subscripts, shapes = case
    xs = [array(s, seed=i) for i, s in enumerate(shapes)]
    try:
        np.einsum(subscripts, *xs, optimize=False)
    except ValueError:
        return
    check(lambda *xs: np.einsum(subscripts, *xs), *xs)


def test_einsum_forms():
    x, y = array((2, 3)), array((3, 4))
    check(lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [0, 2]), x, y)
    check(lambda x, y: np.einsum(x, [0, 1], y, [1, 2]), x, y)
    check(lambda x: np.einsum("ij,jk", x, [[1, 2], [3, 4], [5, 6]]), x)
    path = np.einsum_path("ij,jk,kl", x, y, np.ones((4, 2)))[0]
    check(lambda x, y: np.einsum("ij,jk,kl", x, y, np.ones((4, 2)), optimize=path), x, y)
    check(lambda x: np.einsum("i->i", x), np.array([True, False]))


def test_einsum_refused():
    x = np.ones((2, 3))
    with pytest.raises(
        ShapeError, match=r"'j' stands for axes of lengths 3 and 2, in operands of shapes \(2, 3\) \(2, 3\)"
    ):
        tracing(lambda x: np.einsum("ij,jk", x, x), x)
    with pytest.raises(ShapeError, match=r"subscripts 'ijk' for an operand of shape \(2, 3\)"):
        tracing(lambda x: np.einsum("ijk->i", x), x)
    with pytest.raises(ArgumentError, match="np.einsum at .*: "):
        tracing(lambda x: np.einsum("ij->iz", x), x)
    with pytest.raises(UnsupportedError, match="the argument casting= is not available"):
        tracing(lambda x: np.einsum("ij->i", x, casting="no"), x)
