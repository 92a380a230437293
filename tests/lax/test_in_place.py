"""Reverse mode costs what forward mode does where few elements of a large array are read or updated: cotangents are
updated, not added to.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import DtypeError, IndexOutOfBoundsError, ShapeError
from functad.ir.types import array_type
from functad.kernel_ir.control import Loop
from functad.kernel_ir.nodes import Kernel
from functad.primitives.slicing import slice_add_p
from tests.lax.test_native_corners import same
from tests.lower.fusing import lowered

lax = fd.lax
RNG = np.random.default_rng(11)
N = 40


def element(v, i):
    """An element of an array that may be NumPy's, at a traced index."""
    return fd.numpy.asarray(v)[i]


def recurrence(v):
    return lax.fori_loop(1, v.shape[0], lambda i, v: fd.at(v)[i].set(np.sin(v[i - 1]) * v[i]), v)


def two_carries(v):
    def step(i, s):
        v, w = s
        a = np.sin(v[i - 1]) * w[i - 1]
        return fd.at(v)[i].set(a), fd.at(w)[i].add(a * v[0])

    return lax.fori_loop(1, v.shape[0], step, (v, v * 0.5))


def rows(v):
    """Dynamic programming: each row from the one before, element by element."""

    def row(i, before):
        return lax.fori_loop(
            1, v.shape[0], lambda j, r: fd.at(r)[j].set(np.cos(before[j - 1]) + 0.5 * r[j - 1] * element(v, i)), before
        )

    return lax.fori_loop(0, 4, row, v)


def grid(v):
    """Loops in one another over one array."""
    n = v.shape[0]
    a = v[:, None] * np.ones(3)

    def cell(i, j, a):
        return fd.at(a)[i, j].set(np.sin(a[i - 1, j]) + a[i, j - 1] * a[i, j])

    return lax.fori_loop(1, n, lambda i, a: lax.fori_loop(1, 3, lambda j, a: cell(i, j, a), a), a)


def lookups(v):
    """A table read in a loop of known length, and at several places at once."""
    k = np.arange(3 * v.shape[0]) * 7 % max(v.shape[0], 1)
    return lax.scan(
        lambda c, k: (
            np.tanh(c + element(v, k) * element(v, k - 1) + np.sum(v[np.array([0, -1, 0])])),
            c * element(v, k),
        ),
        0.0,
        k,
    )


def until(v):
    """A table read in a loop of unknown length."""
    return lax.while_loop(
        lambda s: s[0] < v.shape[0], lambda s: (s[0] + 1, np.sin(s[1] + element(v, s[0]) * v[-1])), (0, 0.1)
    )[1]


def windows(v):
    """Static slices of a carry, of one element and of several."""

    def step(c, x):
        return fd.at(c)[2:4].add(x * np.sin(c[0:2])), c[5] * c[3]

    return lax.scan(step, v, v[:5])


def histogram(v):
    k = np.arange(v.shape[0]) ** 2 % max(v.shape[0], 1)
    return lax.scan(lambda c, s: (fd.at(c)[s[0]].add(s[1] * c[0]), None), np.ones_like(v), (k, v))[0]


LOOPS = [recurrence, two_carries, rows, grid, lookups, until, windows, histogram]


def total(f):
    return lambda v: sum(
        np.sum(np.cos(y) * np.arange(1.0, 1 + np.size(y)).reshape(np.shape(y))) for y in fd.tree.flatten(f(v))[0]
    )


@pytest.mark.one_in(9)
@pytest.mark.parametrize("f", LOOPS)
def test_derivatives(f):
    v = RNG.uniform(-1, 1, N)
    fd.testing.check_grads(f, (v,), rtol=1e-5, atol=1e-7)
    for g in (
        fd.grad(total(f)),
        lambda v: fd.jvp(fd.grad(total(f)), (v,), (np.cos(v),))[1],
        fd.grad(lambda v: np.sum(fd.grad(total(f))(v) ** 2)),
    ):
        np.testing.assert_allclose(same(g, v, rtol=1e-9), g(v), rtol=1e-9, atol=1e-12)


@pytest.mark.one_in(9)
@pytest.mark.parametrize("f", LOOPS)
def test_vmap(f):
    v = RNG.uniform(-1, 1, (3, N))
    expected = [fd.grad(total(f))(x) for x in v]
    np.testing.assert_allclose(same(fd.vmap(fd.grad(total(f))), v), expected, rtol=1e-10, atol=1e-12)
    mapped = same(fd.grad(lambda v: np.sum(fd.vmap(total(f))(v))), v, rtol=1e-10)
    np.testing.assert_allclose(mapped, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("f", [recurrence, two_carries, lookups, until, histogram])
@pytest.mark.parametrize("n", [1, 2])
def test_short_arrays(f, n):
    same(fd.grad(total(f)), RNG.uniform(-1, 1, n), rtol=1e-10)


def test_complex_rows_and_empty_arrays():
    def f(x):
        return lax.fori_loop(1, x.shape[0], lambda i, v: fd.at(v)[i].set(v[i - 1] * 0.5 + v[i] * v[0]), x)

    for shape in ((20,), (6, 30), (6, 0)):
        z = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
        same(fd.grad(lambda z: np.sum(np.abs(f(z)) ** 2)), z)
        same(fd.grad(lambda x: np.sum(f(x) ** 2)), z.real)
    same(fd.grad(lambda x: np.sum(x[np.zeros(0, np.int64)]) + np.sum(x**2)), RNG.normal(size=20))


# -- the form of the code ----------------------------------------------------------------------------------------------


def loops(program):
    """All loops of a kernel program, at any depth."""
    found = [s for s in program.body if isinstance(s, Loop)]
    return found + [inner for loop in found for inner in loops(loop.body)]


def backward(f, v):
    """The loops of the reverse pass."""
    return [loop for loop in loops(lowered(fd.make_ir(fd.grad(total(f)), optimized=True)(v))) if loop.reverse]


def sweeps(program):
    """The kernels in a program, not in those inside it, that go over arrays."""
    return [s for s in program.body if isinstance(s, Kernel) and s.axes]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("f", [recurrence, two_carries, lookups, windows, histogram])
def test_reverse_steps_update_in_place(f, dtype):
    v = RNG.uniform(-1, 1, N).astype(dtype)
    g = f if dtype != np.complex128 else lambda v: [np.abs(y) for y in fd.tree.flatten(f(v))[0]]
    (loop,) = backward(g, v)
    assert all(c.in_place for c in loop.carry if c.last.shape)
    assert all(
        len(k.axes) == 1 and k.axes[0].constant in (2, 3) for k in sweeps(loop.body)
    )  # windows, and v[[0, -1, 0]]


def test_a_table_read_in_a_while_loop_is_updated_in_place():
    (loop,) = backward(until, RNG.uniform(-1, 1, N))
    assert [c.in_place for c in loop.carry if c.last.shape] == [True] and not sweeps(loop.body)


def test_loops_in_loops_carry_one_array():
    first, *_ = loops(lowered(fd.make_ir(grid, optimized=True)(np.ones(N))))
    assert all(c.in_place for c in first.carry if c.last.shape)
    (inner,) = loops(first.body)
    assert [c.first is c.last for c in inner.carry if c.last.shape] == [True] and not sweeps(first.body)


def test_many_elements_are_linear_work():
    """Each element that is read gets its cotangent by one update: the whole array is written once."""

    def f(p):
        s = 0.0
        for i in range(N):
            s = np.sin(s + p[i] * p[(3 * i) % N])
        return s

    p = RNG.uniform(-1, 1, N)
    fd.testing.check_grads(f, (p,), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(same(fd.grad(f), p), fd.grad(f)(p), rtol=1e-12)
    with fd.config.front(False):  # unrolled: the loop would be one
        assert len(sweeps(lowered(fd.make_ir(fd.grad(f), optimized=True)(p)))) == 1


def test_few_elements_of_what_is_computed_fuse():
    """What the ends of an array add to its cotangent is added in the loop that computes it."""

    def f(u):
        y = u * u
        return np.sum(y * y) + y[0] * y[-1]

    u = RNG.uniform(-1, 1, 100)
    program = lowered(fd.make_ir(fd.grad(f), optimized=True)(u))
    assert len(sweeps(program)) == 1
    np.testing.assert_allclose(
        same(fd.grad(f), u), 4 * u**3 + 2 * u * (u * u)[::-1] * (np.arange(100) % 99 == 0), rtol=1e-12
    )


def test_repeated_indices_add_up():
    x, k = RNG.uniform(-1, 1, 50), np.array([[3, 3], [-1, 3]])

    def f(x):
        return np.sum(np.sin(x[k])) + np.sum(x[3] * x[3:5]) + np.sum(x**2) + x[k][0, 1] * x[3]

    fd.testing.check_grads(f, (x,), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(same(fd.grad(f), x), fd.grad(f)(x), rtol=1e-12)


def test_cotangents_are_not_written_to():
    """The pullback of a read may be called again, and leaves its argument alone."""
    x, ct = RNG.normal(size=50), RNG.normal(size=50)
    _, pull = fd.vjp(lambda x: (x, x[3], x[7:9]), x)
    kept = ct.copy()
    first, second = (pull((ct, 2.0, np.ones(2)))[0] for _ in range(2))
    expected = kept.copy()
    expected[3] += 2
    expected[7:9] += 1
    assert np.array_equal(ct, kept) and np.array_equal(first, second) and np.array_equal(first, expected)


def test_errors():
    with pytest.raises(IndexOutOfBoundsError, match="out of bounds for axis 0 with size 5"):
        fd.jit(fd.grad(lambda v: np.sum(recurrence_past_the_end(v))))(np.ones(5))
    starts = {"starts": (1,), "stops": (3,), "steps": (1,)}
    x, y, z = (array_type((n,), d) for n, d in ((5, np.float64), (3, np.float64), (2, np.float32)))
    with pytest.raises(
        ShapeError, match=r"slice_add to a slice of f64\[5\] of type f64\[2\] takes that type, got f64\[3\]"
    ):
        slice_add_p.out_types((x, y), starts)
    with pytest.raises(DtypeError, match=r"of type f64\[2\] takes that type, got f32\[2\]; broadcast or convert it"):
        slice_add_p.out_types((x, z), starts)


def recurrence_past_the_end(v):
    return lax.fori_loop(1, v.shape[0] + 1, lambda i, v: fd.at(v)[i].set(v[i - 1]), v)
