"""Copies of temporaries that nothing mentions afterwards are not made, and all others are."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.kernel_ir.control import Control, Loop
from functad.kernel_ir.in_place import copied
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse
from functad.passes.pipeline import optimize

V = np.linspace(0.0, 1.0, 30)


def kernel_program(f, *args):
    found = abstract(optimize(fd.make_ir(f)(*args)))
    return fuse(found.program, len(found.symbols)).program


def copies(program):
    return len([s for s in program.body if copied(s) is not None])


def several(v, i):
    return v.at[i].set(1.0).at[3].add(v[4]).at[i + 1].multiply(2.0)


def both(v, i):
    w = v.at[i].set(1.0)
    return w, w.at[3].set(2.0)


def old_value_again(v, i):
    w = v.at[i].set(1.0)
    u = w.at[3].set(2.0)
    return u * w[3]


def test_updates_one_after_the_other_need_one_copy():
    assert copies(kernel_program(several, V, 2)) == 1


def test_what_is_read_again_is_copied():
    assert copies(kernel_program(both, V, 2)) == 2
    assert copies(kernel_program(old_value_again, V, 2)) >= 1


@pytest.mark.parametrize("f", [several, both, old_value_again])
@pytest.mark.parametrize("n", [6, 30])
def test_results(f, n):
    v = np.arange(n) * 0.5
    expected = reference(f, v)
    for backend in ("evaluator", "kernel", "native"):
        with config.backend(backend), config.debug(True):
            found = fd.jit(f)(v, 2)
        for a, b in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def reference(f, v):
    w = v.copy()
    w[2] = 1.0
    if f is several:
        w[3] += v[4]
        w[3] *= 2.0
        return [w]
    u = w.copy()
    u[3] = 2.0
    return [w, u] if f is both else [u * w[3]]


def test_several_updates_in_a_step_are_made_in_place():
    program = kernel_program(lambda v: fd.lax.fori_loop(0, 20, lambda i, v: several(v, i), v), V)
    (loop,) = [s for s in program.body if isinstance(s, Loop)]
    assert loop.carry[-1].in_place and copies(loop.body) == 0


def test_unrolled_updates_are_made_in_place():
    step = lambda v, i: (v.at[i].set(np.sin(v[i]) + 1), v[i])
    program = kernel_program(lambda v: fd.lax.scan(step, v, np.arange(20), unroll=4), V)
    (loop,) = [s for s in program.body if isinstance(s, Loop)]
    assert loop.carry[0].in_place and copies(loop.body) == 0


def chosen(v, i):
    """Branches that write to an array, in loops or not, or leave it."""
    w = v * 1.0
    for k in range(20):
        if w[k % 5] > 0.4:
            w[k % 4] = w[(k + 1) % 5] - 0.1
        elif w[0] < i:
            for j in range(1, w.shape[0]):
                w[j] += 0.01 * w[j - 1]
    return w


def swapped(v, i):
    """Branches that exchange two arrays cannot do so in place."""
    u, w = v * 1.0, v + 1.0
    for k in range(20):
        u, w = fd.lax.cond(u[0] < w[1] * (k - 9), lambda u, w: (w, u * 1.1), lambda u, w: (u, w), u, w)
    return u, w


def two_loops(v, i):
    """Loops one after the other over one array, in a loop."""
    w = v * 1.0
    for _ in range(20):
        for j in range(1, w.shape[0]):
            w[j] += 0.5 * w[j - 1]
        for j in range(1, w.shape[0]):
            w[j] *= 0.9 + 0.01 * w[j - 1]
    return w


@pytest.mark.one_in(3)
@pytest.mark.parametrize("f", [chosen, swapped, two_loops])
def test_branches_and_loops(f):
    v = np.linspace(-1.0, 1.0, 30)
    with config.front(False):
        expected = f(v, 2) if f is not swapped else None
    for backend in ("evaluator", "kernel", "native"):
        with config.backend(backend), config.debug(True):
            found = fd.jit(f)(v, 2)
        expected = found if expected is None else expected
        for a, b in zip(found if isinstance(found, tuple) else (found,), np.reshape(expected, (-1, 30)), strict=True):
            np.testing.assert_array_equal(a, b)


def inside(program):
    """The control statements in the bodies of loops and branches, at any depth."""
    for s in program.body:
        for p in s.programs if isinstance(s, Control) else ():
            yield from [t for t in p.body if isinstance(t, Control)]
            yield from inside(p)


@pytest.mark.parametrize(("f", "least"), [(chosen, 3), (two_loops, 2)])
def test_they_change_one_array(f, least):
    program = kernel_program(f, np.linspace(0.0, 1.0, 200), 2)
    found = list(inside(program))
    carries = [c for s in found for c in s.carry if c.last.shape]
    assert len(carries) >= least and all(c.in_place and c.first is c.last for c in carries)
    (loop,) = [s for s in program.body if isinstance(s, Loop)]
    assert copies(loop.body) == 0
