"""Control flow in native code: loops, branches and residual sequences against the same computation in plain Python,
under every transform.
"""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import IndexOutOfBoundsError
from functad.kernel_ir.control import Branch, Loop, SequenceBuffer, While
from functad.lower.abstract.abstract import abstract
from functad.lower.compile import compile_count, compiled_of
from functad.lower.fuse import fuse
from functad.passes.pipeline import optimize
from tests.lax.pairs import PAIRS, XS

lax = fd.lax
jit, grad, vmap = fd.jit, fd.grad, fd.vmap
POINTS = (0.7, 0.3)

each = pytest.mark.parametrize("name", PAIRS)


def tangent(f):
    return lambda x: fd.jvp(f, (x,), (1.0,))[1]


@pytest.fixture(autouse=True)
def checked():
    with config.debug(True):
        yield


@pytest.mark.one_in(4)
@each
def test_value_and_derivatives(name):
    f, plain = PAIRS[name]
    first, second = grad(plain), grad(grad(plain))
    for x in POINTS:
        np.testing.assert_allclose(jit(f)(x), plain(x), rtol=1e-12)
        for made in (grad(f), tangent(f), grad(jit(f)), lambda x: fd.linearize(f, x)[1](1.0)):
            np.testing.assert_allclose(jit(made)(x), first(x), rtol=1e-10)
        for made in (tangent(grad(f)), grad(tangent(f))):
            np.testing.assert_allclose(jit(made)(x), second(x), rtol=1e-9, atol=1e-14)


@pytest.mark.one_in(2)
@each
def test_derivatives_of_compiled_functions(name):
    """The residuals of compiled code, sequences among them, cross from one native function to another."""
    f, plain = PAIRS[name]
    for x in POINTS:
        np.testing.assert_allclose(grad(jit(f))(x), grad(plain)(x), rtol=1e-10)
        np.testing.assert_allclose(fd.linearize(jit(f), x)[1](1.0), grad(plain)(x), rtol=1e-10)


@pytest.mark.one_in(2)
@each
def test_vmap(name):
    """The elements of the mapped axis take different branches and numbers of steps."""
    f, plain = PAIRS[name]
    points = np.array([0.7, 0.3, 1.1])
    np.testing.assert_allclose(jit(vmap(f))(points), [plain(x) for x in points], rtol=1e-12)
    expected = [grad(plain)(x) for x in points]
    np.testing.assert_allclose(jit(vmap(grad(f)))(points), expected, rtol=1e-10)
    np.testing.assert_allclose(jit(grad(lambda v: vmap(f)(v).sum()))(points), expected, rtol=1e-10)


@each
def test_backends_agree(name):
    f, _ = PAIRS[name]
    results = []
    for backend in ("native", "kernel", "evaluator"):
        with config.backend(backend):
            results.append([float(jit(g)(x)) for g in (f, grad(f)) for x in POINTS])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-12)


HIGHER = ("scan", "while_scalars", "while_in_scan", "cond", "vectors")


@pytest.mark.parametrize("name", HIGHER)
def test_reverse_over_reverse_and_hessian(name):
    f, plain = PAIRS[name]
    points = np.array([0.7, 0.3])
    second = [grad(grad(plain))(x) for x in points]
    np.testing.assert_allclose([jit(grad(grad(f)))(x) for x in points], second, rtol=1e-9)
    hessian = jit(fd.hessian(lambda v: vmap(f)(v).sum()))(points)
    np.testing.assert_allclose(hessian, np.diag(second), rtol=1e-9, atol=1e-12)


# -- the form of the code ----------------------------------------------------------------------------------------------


def statements(f, *args):
    found = abstract(optimize(fd.make_ir(f)(*args)))
    return fuse(found.program, len(found.symbols)).program.body


def test_a_loop_is_one_statement():
    (loop,) = [s for s in statements(PAIRS["scan"][0], 0.5) if isinstance(s, Loop)]
    assert len(loop.carry) == 1 and len(loop.elements) == 1 and len(loop.written) == 1 and not loop.reverse


def test_reverse_mode_of_while_is_a_loop_over_what_it_wrote():
    body = statements(grad(PAIRS["while_scalars"][0]), 0.5)
    (forward,) = [s for s in body if isinstance(s, While)]
    (backward,) = [s for s in body if isinstance(s, Loop)]
    assert backward.reverse and backward.steps is forward.steps
    assert all(isinstance(b, SequenceBuffer) for b in forward.written)
    assert set(backward.elements) == set(forward.written)


def test_what_nobody_reads_is_not_computed():
    def f(x):
        (a, _), ys = lax.scan(lambda s, v: ((np.sin(s[0]) * v, np.exp(s[1])), s[1] * v), (x, x), XS)
        return a

    (loop,) = [s for s in statements(f, 0.5) if isinstance(s, Loop)]
    assert len(loop.carry) == 1 and not loop.written


def test_branches():
    (branch,) = [s for s in statements(PAIRS["switch"][0], 0.5) if isinstance(s, Branch) and len(s.branches) == 3]
    assert len(branch.results) == 1


def test_code_does_not_depend_on_lengths_and_constants():
    def f(scale, n):
        return jit(lambda x: lax.scan(lambda c, v: (np.sin(c) * v * scale, c), x, np.linspace(0, 1, n)))

    carry, ys = f(0.37, 40)(0.5)
    before = compile_count()
    carry2, ys2 = f(0.38, 50)(0.5)
    assert compile_count() == before and ys.shape == (40,) and ys2.shape == (50,)


def test_kernel_ir_text():
    text = compiled_of(fd.make_ir(grad(PAIRS["while_scalars"][0]))(0.5)).kernel_ir
    assert "while (" in text and "reverse (" in text and "seq f64[]" in text


# -- run-time behaviour ------------------------------------------------------------------------------------------------


def test_long_loops():
    """Growth of the sequences, and scalars that stay the same; against the closed form of a linear recurrence."""
    n = 100_000
    f = jit(grad(lambda x: lax.while_loop(lambda s: s[1] < n, lambda s: (s[0] * (1 + x / n), s[1] + 1), (1.0, 0))[0]))
    np.testing.assert_allclose(f(0.5), (1 + 0.5 / n) ** (n - 1), rtol=1e-9)


def test_memory_of_nested_sequences_is_freed():
    resource = pytest.importorskip("resource")
    f = jit(grad(PAIRS["while_in_while"][0]))
    h = grad(jit(PAIRS["while_in_while"][0]))
    f(0.7), h(0.7)

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(2000):
        f(0.7)
    before = peak()
    for _ in range(20_000):
        f(0.7)
    for _ in range(300):
        h(0.7)
    assert peak() - before < 4096  # kilobytes; 20 000 leaked tapes of 128 bytes and more are well above


def tapes_of_lengths(x, lengths):
    """In each step of an outer loop, the gradient of an inner one of so many steps: a tape that is written again and
    again.
    """

    def power(v, n):
        return lax.while_loop(lambda s: s[1] < n, lambda s: (np.sin(s[0]) * x, s[1] + 1), (v, 0))[0]

    return lax.scan(lambda total, n: (total + grad(power)(x, n), None), 0.0, lengths)[0]


@pytest.mark.parametrize("lengths", [[3, 0, 40, 1, 17], [20_000, 2, 0, 9_000], [0, 0]])
def test_a_tape_is_written_again_in_the_next_step(lengths):
    """Short tapes stay in memory from step to step, long ones (more than 64 kB) are freed."""
    lengths = np.array(lengths)

    def by_hand(x):
        total = 0.0
        for n in lengths:
            v, d = x, 1.0
            for _ in range(n):
                v, d = np.sin(v) * x, d * np.cos(v) * x
            total += d
        return total

    np.testing.assert_allclose(jit(tapes_of_lengths)(0.9, lengths), by_hand(0.9), rtol=1e-9)


def test_memory_of_a_tape_outlives_the_step():
    """A step of the outer loop frees a tape only where it is long: a call in a block of its own, after the
    comparison.
    """
    text = compiled_of(fd.make_ir(tapes_of_lengths)(0.9, np.array([3, 4]))).llvm
    lines = text.splitlines()
    frees = [k for k, line in enumerate(lines) if "call void @functad_sequence_free_1(" in line]
    assert len(frees) == 2  # that, and the one at the end
    assert sum("icmp ugt" in line for k in frees for line in lines[k - 4 : k]) == 1


def test_untaken_branch_cannot_leak_nan():
    f = jit(grad(lambda x: lax.cond(x > 0, np.log, lambda x: x * 2, x)))
    assert f(-1.0) == 2.0
    assert jit(vmap(grad(lambda x: lax.cond(x > 0, np.sqrt, lambda x: -x, x))))(np.array([0.0, 4.0])).tolist() == [
        -1.0,
        0.25,
    ]


def table_sum(x, n):
    table = fd.numpy.asarray(np.arange(5.0))
    return lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, s[1] + np.take(table * x, s[0])), (0, x))[1]


ERROR_CASES = {
    "jit": (jit(table_sum), 1.0, 11.0),
    "jit of grad": (jit(grad(table_sum)), 1.0, 11.0),
    "grad of jit": (grad(jit(table_sum)), 1.0, 11.0),
    "jit of vmap": (jit(vmap(table_sum, in_axes=(0, None))), np.array([1.0, 2.0]), [11.0, 22.0]),
}


@pytest.mark.parametrize("case", ERROR_CASES)
def test_errors_in_a_step(case):
    g, x, expected = ERROR_CASES[case]
    np.testing.assert_allclose(g(x, 5), expected)
    with pytest.raises(IndexOutOfBoundsError, match=r"axis 0 with size 5.*test_native.py"):
        g(x, 7)
    np.testing.assert_allclose(g(x, 5), expected)


def test_no_step_after_an_error():
    """An index that is wrong before the loop makes its condition meaningless: the loop does not start."""
    table = np.array([1.0, 2.0])

    def f(i):
        step = np.take(fd.numpy.asarray(table), i) * 0.0
        return lax.while_loop(lambda v: v < 3.0, lambda v: v + step, 0.0)

    with pytest.raises(IndexOutOfBoundsError):
        jit(f)(2)


def test_out_of_memory_is_an_error():
    def f(x):
        return lax.while_loop(lambda s: s[1] < 1 << 40, lambda s: (np.sin(s[0]), s[1] + 1), (np.zeros(1 << 17) + x, 0))[
            0
        ].sum()

    resource = pytest.importorskip("resource")
    g = jit(grad(f))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20), hard))
    try:
        with pytest.raises(MemoryError):
            g(0.5)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
