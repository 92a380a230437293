"""Slices with traced bounds, and masks of unknown value: values, writes and derivatives are NumPy's at all bounds."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import functad as fd
from functad.errors import (
    ArgumentError,
    IndexOutOfBoundsError,
    InvalidIndexError,
    ShapeError,
    StructureError,
    TracerConversionError,
    UnsupportedError,
)

N = 5
X = np.random.default_rng(3).normal(size=N)
A = np.random.default_rng(4).normal(size=(N, N))
ALL = list(itertools.product(range(-N - 2, N + 3), repeat=2))
SOME = [(0, 0), (1, 4), (-3, 9), (4, 2), (-9, -1)]


def same(found, expected, what):
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=f"result {k} at {what}")


# -- values ------------------------------------------------------------------------------------------------------------


def reads(x, a, i, j):
    slices = [x[i:j], x[-i:], x[i - 1 : i + 2], x[i:j:2], x[j:i:-1], x[i::-2], x[i:][1:j]]
    found = [np.sum(v**2) for v in slices]
    found += [slices[0].prod(), np.max(slices[1], initial=-2.0), slices[2] @ slices[2]]
    return [*found, len(slices[4]), np.linalg.norm(a[i:j, :j]), np.sum(x @ a[:, j:])]


def total(x, a, i, j):
    return sum(reads(x, a, i, j))


def test_reads_at_all_bounds():
    f = fd.jit(reads)
    for i, j in ALL:
        same(f(X, A, i, j), reads(X, A, i, j), (i, j))


TIES = np.array([1.0, -2.0, 1.0, np.inf, 0.5])


def ordered(x, i, j):
    v, u, m = x[i:j], x[i:j:2], x[x > 0]
    y = x.copy()
    y[i:j].sort()
    weights = np.arange(1.0, 1 + len(x))
    found = [np.sum(np.sort(v) * weights[: len(v)]), np.sum(np.argsort(u) * weights[: len(u)]), np.median(v), y]
    return [*found, np.argmax(m), np.argmin(m * 2), np.sort(m)[0], np.argsort(m)[-1], np.median(m)]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_parts_are_sorted():
    f, nan = fd.jit(ordered), np.where(np.max(X) == X, np.nan, X)
    for x in (X, TIES, np.full(N, np.inf), nan):
        for i, j in (*SOME[:4], (-9, -1), (1, 2)):
            same(f(x, i, j), ordered(x, i, j), (x, i, j))

    def total(x, i, j):
        return np.sum(np.sort(x[i:j]) ** 2) + np.median(x[i:j]) + np.sort(x[x > 0])[0]

    g = fd.jit(fd.grad(total))
    for i, j in ((0, 3), (1, 5)):
        same([g(X, i, j)], [fd.grad(total)(X, i, j)], (i, j))
    with pytest.raises(ValueError, match="a maximum or minimum of no elements"):
        fd.jit(lambda x: np.argmax(x[x > 0]))(-np.ones(3))


def test_their_gradients():
    g = fd.jit(fd.grad(total, argnums=(0, 1)))
    for i, j in SOME:
        same(g(X, A, i, j), fd.grad(total, argnums=(0, 1))(X, A, i, j), (i, j))


@pytest.mark.deep
def test_their_derivatives_in_both_modes_and_of_second_order():
    def smooth(x, a, i, j):
        return np.sum(np.sin(x[i:j]) * x[i:j][::-1]) + np.prod(a[:i, j:]) + x[j:] @ a[j:] @ a[:, i:] @ x[i:]

    for f in (total, smooth):
        forward = fd.jit(fd.jacfwd(f))
        for i, j in SOME:
            same([forward(X, A, i, j)], [fd.grad(f)(X, A, i, j)], (i, j))
    hessian = fd.jit(fd.hessian(smooth))
    for i, j in SOME:
        same([hessian(X, A, i, j)], [fd.hessian(smooth)(X, A, i, j)], (i, j))


def test_over_mapped_bounds():
    def f(x, i, j):
        y = np.zeros(N)
        y[i:j] = x[i:j][::-1]
        return y, np.sum(x[:i])

    i, j = np.array([0, 1, -2, 4]), np.array([3, 9, 5, 2])
    for found in (fd.vmap(f, in_axes=(None, 0, 0))(X, i, j), fd.jit(fd.vmap(f, in_axes=(None, 0, 0)))(X, i, j)):
        for k in range(len(i)):
            same([part[k] for part in found], f(X, i[k], j[k]), (i[k], j[k]))


def test_a_mean_of_no_elements_is_nan_and_types_are_numpys():
    def f(x, i):
        return np.mean(x[:i]), x[:i].mean(dtype=np.float32), np.sum(x[:i] > 0), np.var(x[:i]), x[:i].any()

    for i in (0, 3):
        with warnings.catch_warnings(action="ignore"):
            expected = [np.mean(X[:i]), X[:i].mean(dtype=np.float32), np.sum(X[:i] > 0), np.var(X[:i]), X[:i].any()]
        found = fd.jit(f)(X, i)
        same(found[2:3], expected[2:3], i)
        assert all([np.allclose(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True)])
        assert [a.dtype for a in found] == [b.dtype for b in expected]


def test_positions():
    f = fd.jit(lambda x, i: (np.argmax(x[i:]), np.argmin(x[i:]), x[i:].argmax(), np.argmax(x[i:][::-1])))
    for i in (0, 2, -1):
        same(f(X, i), (np.argmax(X[i:]), np.argmin(X[i:]), X[i:].argmax(), np.argmax(X[i:][::-1])), i)
    assert fd.jit(lambda x, i: np.argmax(x[i:]))(np.full(N, -np.inf), 2) == 0


# -- writes ------------------------------------------------------------------------------------------------------------


def writes(x, a, i, j):
    y, z, b, c = x.copy(), x * 2, a.copy(), a * 2
    y[i:j] = x[i:j] * 3
    y[i : i + 2] -= 1.0
    z[j:i:-1] = 0.5
    z[:i] *= np.cumsum(z[:i])
    b[i:j, :j] += np.outer(x[i:j], x[:j])
    b[1, i:] = x[0]
    view = c[i:j]
    view[:, 1] = 7.0
    view *= 2
    c[2] += 1.0
    c[0, :i] = view[-1:, :i].sum()
    return y, z, b, c


def test_writes_at_all_bounds():
    f = fd.jit(writes)
    for i, j in ALL[::3]:
        same(f(X, A, i, j), writes(X, A, i, j), (i, j))


@pytest.mark.deep
def test_their_derivatives():
    g = fd.jit(fd.jacobian(lambda x, a, i, j: sum([np.sum(v**2) for v in writes(x, a, i, j)]), argnums=(0, 1)))
    plain = fd.jacobian(lambda x, a, i, j: sum([np.sum(v**2) for v in writes(x, a, i, j)]), argnums=(0, 1))
    for i, j in SOME:
        same(g(X, A, i, j), plain(X, A, i, j), (i, j))


def test_a_slice_shares_memory_and_a_copy_does_not():
    def f(x, i):
        y = x.copy()
        view, copy = y[i:], y[i:].copy()
        y[-1] = 10.0
        before = view.sum() - copy.sum()
        view[0] = 20.0
        view[i - 1] += 1.0
        np.add(view, 1.0, out=view)
        copy[:] = 0.0
        return y, before, view[::-1][0], np.flip(view).sum(), view.T[-1]

    for i in (1, 2):
        same(fd.jit(f)(X, i), f(X, i), i)


# -- masks -------------------------------------------------------------------------------------------------------------


def masked(x, a):
    m, y, b = x > 0, x.copy(), a.copy()
    y[m] = y[m] ** 2 + x[m]
    y[~m] *= 0.5
    b[a > 0.1] += 1.0
    b[:, m] -= 2.0
    taken = x[m]
    y[m] += 1.0
    sums = np.sum(taken), taken.mean(), np.sum(a[m], axis=0), np.max(a[a > 0.1]), taken @ y[m], np.sum(a[:, m] @ y[m])
    return y, b, *sums, len(taken), taken.size, np.sum(x[m][:, None] * x)


def test_masks():
    for x in (X, -X, np.abs(X)):
        same(fd.jit(masked)(x, A), masked(x, A), x)
    plain = fd.grad(lambda x, a: sum([np.sum(v) for v in masked(x, a)]))
    same([fd.jit(plain)(X, A)], [plain(X, A)], X)


def test_values_in_order():
    def f(x, v):
        y = x.copy()
        y[x > 0] = v
        return y

    positive = int(np.sum(X > 0))
    same([fd.jit(f)(X, np.arange(positive) + 1.0)], [f(X, np.arange(positive) + 1.0)], X)
    with pytest.raises(ShapeError, match="of two lengths along an axis that must be equal"):
        fd.jit(f)(np.abs(X), np.arange(3.0))


# -- what lies elsewhere -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, s, k: np.sum(s * x[:k]),
        lambda x, s, k: np.sum(np.log(x[:k]) / s + x[:k] @ x[:k]),
        lambda x, s, k: np.max(x[:k]) + np.linalg.norm(x[:k] * s) + np.sum(np.outer(x[:k], x[:k]) ** s),
        lambda x, s, k: np.sum(x[x > 0] ** s) + s * np.mean(x[x > 0]) + np.sum(np.sqrt(x[x > 0])),
    ],
)
def test_nothing_there_reaches_values_or_derivatives(f):
    clean, dirty = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, np.nan, -np.inf])
    value, (dx, ds) = fd.jit(fd.value_and_grad(f, argnums=(0, 1)))(dirty, 2.0, 3)
    expected, (ex, es) = fd.value_and_grad(f, argnums=(0, 1))(clean, 2.0, 3)
    same([value, ds, dx[:3]], [expected, es, ex], "the slice")
    assert np.array_equal(dx[3:], [0, 0])


# -- what is proved ----------------------------------------------------------------------------------------------------


def test_in_loops_bounds_and_lengths_are_proved():
    def f(a):
        a = a.copy()
        for i in range(1, 40):
            for j in range(i):
                a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, i:] *= 0.5
            a[i : i + 1, : i + 1] += a[i - 1 : i, 40 - i - 1 :][:, :1]
        return a

    text = str(fd.make_ir(fd.jit(f))(np.ones((40, 40))))
    assert "while" in text or "loop" in text
    assert not [name for name in ("check_equal", "minimum", "maximum", "check_element") if name in text]


def test_a_slice_of_constant_length_is_an_array_where_it_lies_inside():
    def f(x):
        y = np.zeros((40, 3))
        for i in range(38):
            y[i] = np.sort(x[i : i + 3].reshape(3)) if i < 0 else x[i : i + 3].reshape(3)
        return y

    x = np.random.default_rng(0).normal(size=40)
    same([fd.jit(f)(x)], [f(x)], "windows")


def test_one_that_may_reach_beyond_the_end_is_one_if_it_does_not():
    f = fd.jit(lambda x, i: np.concatenate([x[i : i + 3], x]))
    same([f(X, 2)], [np.concatenate([X[2:5], X])], 2)
    with pytest.raises(ShapeError, match=r"must be equal, one is 1, .* at .*test_ragged"):
        f(X, 4)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (
            lambda x, i: x[:i],
            TracerConversionError,
            r"x\[i:j\], has a length that is not known .*test_ragged.*y\[i:j\]",
        ),
        (
            lambda x, i: np.concatenate([x[:i], x]),
            TracerConversionError,
            "np.concatenate takes arrays of a known shape",
        ),
        (lambda x, i: x[x > 0], TracerConversionError, r"what a mask takes, x\[mask\], .* np.where\(mask, x, other\)"),
        (lambda x, i: x[:i].reshape(2, 2), TracerConversionError, r"x.reshape takes arrays of a known shape"),
        (lambda x, i: np.nonzero(x > i), TracerConversionError, r"how many elements they find .*np.sum\(x\[mask\]\)"),
        (lambda x, i: np.where(x[:i] > 0), TracerConversionError, "how many elements it finds is not known"),
        (lambda x, i: list(x[:i]), TracerConversionError, r"iteration of a slice .* for k in range\(i, j\)"),
        (lambda x, i: bool(x[:i]), TracerConversionError, "the truth value of a slice .*use np.any or np.all"),
        (lambda x, i: x[::i], UnsupportedError, "the step of a slice is traced at .*test_ragged.* must be known"),
        (lambda x, i: x[: i + 0.5], InvalidIndexError, r"slice indices must be integers or None .*\.astype\(int\)"),
        (lambda x, i: x[x > 0] + x[x < 0], UnsupportedError, "np.add at .*take both with one mask"),
        (lambda x, i: x[x > 0] @ x[x < 0], UnsupportedError, "np.matmul at .*take both with one mask"),
        (lambda x, i: x[x > 0][0], UnsupportedError, "an element of what a mask took .*np.where"),
        (lambda x, i: x[x > 0][:2], UnsupportedError, "a slice of what a mask took .*np.where"),
        (lambda x, i: x[:i] + np.ones(9), ShapeError, "has always another length than the other operand"),
        (lambda x, i: x[:i, 0], InvalidIndexError, "too many indices at .*has 1 axes, but 2 were indexed"),
        (
            lambda x, i: np.outer(x, x)[:i, [0, 1]],
            UnsupportedError,
            "an index array beside a slice .*one after the other",
        ),
        (lambda x, i: np.sum(x[:i], where=x[:i] > 0), UnsupportedError, r"where= and out= are not available"),
        (lambda x, i: np.add(x[:i], 1, where=False), UnsupportedError, "where= is not available for slices"),
        (lambda x, i: np.linalg.norm(x[:i], -1), UnsupportedError, "with ord=-1 of a slice with traced bounds"),
        (
            lambda x, i: np.outer(x, x)[x > 0, x > 0],
            UnsupportedError,
            "a mask beside another one, .*one after the other",
        ),
        (lambda x, i: np.ones((2, 2, 5))[0, :, x > 0], UnsupportedError, "behind an integer and a slice"),
        (lambda x, i: np.argmax(x[x > 0], keepdims=True), UnsupportedError, "np.argmax at .* of what a mask took"),
        (lambda x, i: np.sort(np.outer(x, x)[:i]), UnsupportedError, "np.sort at .* of several axes; there is that of"),
        (lambda x, i: np.median(x[:i], keepdims=True), UnsupportedError, "takes real numbers, and neither out= nor"),
    ],
)
def test_what_is_refused_says_what_to_write(f, error, message):
    with pytest.raises(error, match=message):
        fd.jit(f)(X, np.int64(3))  # of a Python integer the value would be asked for


def test_checks_when_the_program_runs():
    f = fd.jit(lambda x, i, j: np.sum(x[:i] * x[j:]))
    same([f(X, 3, 2)], [np.sum(X[:3] * X[2:])], "equal lengths")
    with pytest.raises(
        ShapeError, match=r"one is [13], the other is not; .*not stretched if it is 1, at .*test_ragged"
    ):
        f(X, 3, 4)
    with pytest.raises(ArgumentError, match="a maximum or minimum of no elements .* give initial=, at .*test_ragged"):
        fd.jit(lambda x, i: np.max(x[:i]))(X, 0)
    with pytest.raises(IndexOutOfBoundsError, match="index 3 is out of bounds for a slice with traced bounds, .* at "):
        fd.jit(lambda x, i, k: x[:i][k])(X, 3, 3)


def test_a_variable_that_holds_a_slice_does_not_leave_its_loop():
    def inside(x):
        for i in range(40):
            part = x[: i + 1] * 2
            x = 0.9 * x + 0.1 * np.tanh(part.sum()) * np.tanh(part[-1]) + part[0] * 1e-3
        return np.sum(x)

    def behind(x):
        for i in range(40):
            part = x[: i + 1] * 2
            x = 0.9 * x + 0.1 * np.tanh(part.sum()) * np.tanh(part[-1]) + part[0] * 1e-3
        return part

    x = np.random.default_rng(0).normal(size=40)
    same([fd.jit(inside)(x)], [inside(x)], "in the loop")
    with pytest.raises(StructureError, match=r"part is a slice with traced bounds.*test_ragged.*no one shape"):
        fd.jit(behind)(x)


def test_a_variable_that_is_one_of_two_slices_has_no_value():
    def f(x, i):
        if i > 2:
            part = x[:i]
        else:
            part = x[i:]
        return np.sum(part)

    with pytest.raises(StructureError, match="a slice with traced bounds, or what a mask took in one branch"):
        fd.jit(f)(X, np.int64(3))


def test_plain_tables():
    table = np.arange(6.0)

    def f(x, i):
        return x * table[i:].sum() + table[i] * len(table[:i])

    for i in (0, 2, 5):
        same([fd.jit(f)(1.5, i)], [f(1.5, i)], i)


def test_a_copy_of_an_outer_array_is_the_inner_functions():
    def f(x, c):
        c = c.copy()
        c[0] = x
        return np.sum(c**2)

    same([fd.jit(fd.grad(f))(3.0, X)], [6.0], "its element")


def test_masks_that_are_computed_twice_are_one():
    def f(x):
        y = x.copy()
        y[y > 0] = y[y > 0] ** 2 + x[x > 0]
        return y

    same([fd.jit(lambda x: np.sum(f(x)[f(x) > 0]))(X)], [np.sum(f(X)[f(X) > 0])], "value")
    with pytest.raises(UnsupportedError, match="by another mask"):

        @fd.jit
        def g(x):
            y = x.copy()
            m = y > 0
            y[0] = -1.0  # what y > 0 is now is another
            y[y > 0] = x[m]
            return y

        g(X)


def test_an_index_array_that_is_a_part():
    """A row of a sparse matrix times a vector."""
    columns, values, ends = np.array([0, 3, 1, 0, 2, 4]), np.arange(1.0, 7.0), np.array([0, 2, 3, 3, 6])

    def f(values, x, ends):
        y = np.zeros(len(ends) - 1)
        for i in range(len(ends) - 1):
            at = columns[ends[i] : ends[i + 1]]
            y[i] = values[ends[i] : ends[i + 1]] @ x[at]
        return y

    expected = f(values, X, ends)
    same([fd.jit(f)(values, X, ends)], [expected], "value")
    for argnums in (0, 1):
        loss = lambda v, x, e: np.sum(f(v, x, e) ** 2)
        same([fd.jit(fd.grad(loss, argnums))(values, X, ends)], [fd.grad(loss, argnums)(values, X, ends)], "gradient")
