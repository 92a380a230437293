"""Kernel rules of what moves elements: no index leaves its operand, order is kept, and one code serves all sizes.

The evaluator of the kernel IR refuses any access out of bounds; natively, arrays lie next to pages that may not be
touched.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import IndexOutOfBoundsError
from functad.ir.key import structural_key
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.pending import take_offender
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse
from functad.primitives import cumulative, reductions
from functad.primitives.arithmetic import mul, square
from functad.primitives.broadcasting import sum_all
from functad.primitives.contractions import dot_general
from functad.primitives.gather import gather, gather_p
from functad.primitives.generate import iota
from functad.primitives.joining import concatenate
from functad.primitives.scatter import SCATTERS, scatter, scatter_recurrence
from functad.primitives.shapes import flip
from functad.primitives.slicing import pad, slice_
from tests.lower.native import Native, agree


def lowered(f, *args):
    """The kernel program of a function, its symbols and constants, and its key."""
    found = abstract(fd.make_ir(f)(*args))
    return fuse(found.program, len(found.symbols)).program, found, structural_key(found.program)


def run(program, found, args, like=(), native=None):
    """The results of a kernel program, by its evaluator and natively, as arrays like the given ones."""
    inputs = [pairs(x) for x in (*args, *found.constants)]
    outs = agree(
        program, inputs, found.symbols, native=native, rtol=1e-12, atol=1e-12
    )  # products of complex numbers may cancel
    return [o.reshape(-1).view(e.dtype).reshape(e.shape) for o, e in zip(outs, like, strict=False)]


def pairs(x):
    """A complex array as pairs of reals."""
    return np.ascontiguousarray(x).view(f"f{x.dtype.itemsize // 2}") if x.dtype.kind == "c" else x


# -- no index leaves its operand ---------------------------------------------------------------------------------------

HOSTILE = np.array([0, -1, 2, 3, 19, 20, 21, -20, -21, 2**62, -(2**62), np.iinfo(np.int64).max, np.iinfo(np.int64).min])


@pytest.mark.parametrize("length", [0, 1, 3, 20])
def test_unchecked_hostile_indices_stay_inside(length):
    x, u = np.arange(2.0 * length).reshape(length, 2), np.ones((len(HOSTILE), 2))
    for f, args in [
        (lambda x, i: gather_p.bind(x, i, batch=0), (x, HOSTILE)),
        *[(lambda x, u, i, p=p: p.bind(x, u, i, batch=0), (x, u, HOSTILE)) for p in SCATTERS.values()],
        *[
            (lambda x, u, i, k=k: scatter_recurrence(x, u, u, i, reverse=True, batch=0)[k], (x, u, HOSTILE))
            for k in (0, 1)
        ],
    ]:
        program, found, _ = lowered(f, *args)
        run(program, found, args)


@pytest.mark.parametrize("length", [0, 3, 20])
def test_a_bad_index_is_an_error_even_where_nothing_uses_it(length):
    def f(x, i):
        return slice_(gather(x, i), (0,), (1,))

    x, index = np.arange(1.0 * length), np.array([0, length])
    program, found, _ = lowered(f, x, index)
    _, code = evaluate_program(program, [x, index, *found.constants], found.symbols)
    info = program.checks[code - 1]
    assert info.error == "IndexOutOfBoundsError"
    message = info.message.format(*[n.evaluate(found.symbols) for n in info.sizes], value=take_offender())
    bounds = f"valid are {-length} to {length - 1}, and np.clip" if length else "it has no elements"
    assert message.startswith(
        f"index {length if length else 0} is out of bounds for axis 0 with size {length}: {bounds}"
    )
    assert Native(program)([x, index, *found.constants], found.symbols)[1] == code
    assert take_offender() == length
    if length:
        (out,) = run(program, found, (x, np.array([-1, length - 1])), [x[-1:]])
        np.testing.assert_array_equal(out, x[-1:])


# -- one code for all sizes --------------------------------------------------------------------------------------------


def sized(n):
    rng = np.random.default_rng(n)
    x, z, i = rng.normal(size=(n, 3)), rng.normal(size=n) + 1j * rng.normal(size=n), rng.integers(-n, n, n + 7)
    return {
        "flip": (lambda x: flip(x, (0, 1)), (x,)),
        "slice": (lambda x: slice_(x, (n - 18, 1), (n, 3), (2, 1)), (x,)),
        "wide slice": (lambda x: slice_(x, (1, 0), (n, 3), (n - 19, 2)), (x,)),
        "pad": (lambda x: pad(x, np.float64(0.3), ((n, n + 1, 0), (1, 0, 2))), (x,)),
        "pad inside": (lambda x: pad(x, np.float64(0.3), ((0, 0, n - 2), (0, n + 2, 0))), (x,)),
        "concatenate": (lambda x, z: concatenate([x, flip(x, (0,)), slice_(x, (0, 0), (n - 1, 3))], 0), (x, z)),
        "iota": (lambda x: iota((n, n), np.float64, 1), (x,)),
        "gather": (lambda x, i: gather(x, i), (x, i)),
        "scatter": (lambda x, i: scatter(x, gather(x, i), i, op="set"), (x, i)),
        "complex scatter": (lambda z, i: scatter(z, gather(z, i), i, op="mul"), (z, i)),
        "argmax": (lambda x: reductions.argmax(x, 0), (x,)),
        "complex argmin": (lambda z: reductions.argmin(z, 0), (z,)),
        "complex prod": (lambda z: reductions.reduce_prod(z, (0,)), (z,)),
        "complex max": (lambda z: reductions.reduce_max(z, (0,)), (z,)),
        "cumsum": (lambda x: cumulative.cumsum(x, 0, True), (x,)),
        "complex cumsum": (lambda z: cumulative.cumsum(z, 0), (z,)),
        "complex cumprod": (lambda z: cumulative.cumprod(z, 0, True), (z,)),
        "recurrence": (lambda x: cumulative.linear_recurrence(x, x, 0, True), (x,)),
        "dot": (lambda x: dot_general(x, x, ((0,), (0,))), (x,)),
    }


@pytest.mark.parametrize("case", sized(20))
def test_one_code_serves_all_sizes(case):
    (f, args), (g, others) = sized(40)[case], sized(61)[case]
    program, found, key = lowered(f, *args)
    _, other, other_key = lowered(g, *others)
    assert key == other_key
    native = Native(program)
    for h, values, sizes in ((f, args, found), (g, others, other)):
        expected = np.asarray(h(*values))
        (out,) = run(program, sizes, values, [expected], native)
        np.testing.assert_allclose(out, expected, rtol=1e-12)


# -- order -------------------------------------------------------------------------------------------------------------


def test_points_that_scatter_run_in_order():
    u, index = np.arange(1.0, 7.0).reshape(2, 3), np.array([[1, 0, 1], [1, 0, 1]])

    def f(x, a):
        return scatter_recurrence(x, a, a, index, reverse=True, batch=0)[1]

    x = np.array([0.5, 2.0])
    expected = f(x, u)
    program, found, _ = lowered(f, x, u)
    (out,) = run(program, found, (x, u), [expected])
    np.testing.assert_array_equal(out, expected)


# -- derivatives, compiled ---------------------------------------------------------------------------------------------

INDEX = np.random.default_rng(7).integers(-50, 50, 200)

SCALAR_FUNCTIONS = {
    "gather": lambda x: sum_all(square(gather(x, INDEX))),
    "scatter_mul": lambda x: sum_all(mul(scatter(x, gather(x, INDEX), INDEX, op="mul"), x)),
    "scatter_max": lambda x: sum_all(mul(scatter(x, gather(square(x), INDEX), INDEX, op="max"), x)),
    "scatter_set": lambda x: sum_all(mul(scatter(x, gather(square(x), INDEX), INDEX, op="set"), x)),
    "prod": lambda x: reductions.reduce_prod(x, (0,)),
    "max": lambda x: mul(reductions.reduce_max(x, (0,)), reductions.reduce_min(x, (0,))),
    "cumprod": lambda x: sum_all(cumulative.cumprod(x, 0)),
    "cummax": lambda x: sum_all(mul(x, cumulative.cummax(x, 0, True))),
}


@pytest.mark.parametrize("name", SCALAR_FUNCTIONS)
def test_compiled_derivatives(name):
    x = np.random.default_rng(8).normal(size=50)
    x[[3, 30]] = 0
    for f in (SCALAR_FUNCTIONS[name], fd.grad(SCALAR_FUNCTIONS[name]), fd.hessian(SCALAR_FUNCTIONS[name])):
        np.testing.assert_allclose(fd.jit(f)(x), f(x), rtol=1e-11, atol=1e-13)


def test_compiled_indices_are_checked():
    f = fd.jit(fd.grad(lambda x, i: sum_all(gather(x, i))))
    np.testing.assert_array_equal(f(np.zeros(3), np.array([-1, 0, -1])), [1, 0, 2])
    for bad in (3, -4, 2**62, np.iinfo(np.int64).min):
        with pytest.raises(IndexOutOfBoundsError, match=f"index {bad} is out of bounds for axis 0 with size 3"):
            f(np.zeros(3), np.array([0, bad, 1]))
