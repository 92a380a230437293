"""Copies of temporaries that nothing mentions afterwards are not made, and all others are."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.kernel_ir.control import Loop
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
