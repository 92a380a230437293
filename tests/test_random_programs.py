"""Random Programs: passes, transforms and backends against the NumPy evaluator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from functad import config
from functad.core.evaluator import run_program
from functad.ir.checker import check_program
from functad.passes.pipeline import PIPELINE, optimize
from functad.primitives.calls import jit_p
from functad.testing.drivers import apply, backward, forward, forward_linear
from functad.testing.numerics import assert_paired, is_double, random_like
from functad.testing.programs import Example, assert_same, by_the_evaluator, examples
from functad.testing.reduction import check_example
from functad.transforms.programs import trace_program
from functad.transforms.vmap import batch_program


@pytest.fixture(autouse=True)
def evaluator():
    """What is compared with is the evaluator; random Programs divide by zero, and warnings about it are no news."""
    with by_the_evaluator():
        yield


REDUCED = (Phase.explicit, Phase.generate)  # failures are reduced by check_example, not shrunk by hypothesis


@settings(max_examples=150, phases=REDUCED)
@given(examples())
def test_each_pass_keeps_results(example):
    for step in dict.fromkeys(PIPELINE):
        check_example(example, lambda program, args, step=step: run_program(checked(step, program), args), step.__name__)


def checked(step, program):
    """What a pass makes, if it is well formed."""
    rewritten = step(program)
    check_program(rewritten, step.__name__)
    return rewritten


@settings(max_examples=150, phases=REDUCED)
@given(examples(most=30))
def test_all_passes_together_keep_results(example):
    check_example(example, lambda program, args: run_program(optimize(program), args), "the pipeline")


def assert_transposed(example: Example) -> None:
    """jvp equals linearize, and vjp transposes it."""
    program, rng = example.program, np.random.default_rng(1)
    mask = [t.inexact for t in program.in_types]
    if not any(mask):
        return
    tangents = [random_like(t, rng) if t.inexact else None for t in program.in_types]
    cts = [random_like(t, rng) if t.inexact else None for t in program.out_types]
    _, dots = forward(program, example.args, tangents)
    linear = forward_linear(program, example.args, tangents)
    found = apply(backward(program, mask), [*example.args, *cts], "vjp")
    if all(np.all(np.isfinite(x)) for x in [*dots, *found]):
        rtol = 1e-8 if all(is_double(a.type.dtype) for e in program.eqns for a in (*e.inputs, *e.outputs)) else 1e-2
        assert_paired(cts, dots, cts, linear, f"jvp and linearize of {example}", rtol)
        assert_paired(cts, dots, found, [t for t in tangents if t is not None], str(example), rtol)


@settings(max_examples=150)
@given(examples(smooth=True))
def test_reverse_mode_transposes_forward_mode(example):
    assert_transposed(example)


@settings(max_examples=100)
@given(examples(), st.integers(0, 3), st.integers(0, 2**20))
def test_vmap_is_a_loop(example, size, choices):
    program, rng = example.program, np.random.default_rng(choices)
    batched = [bool(b) for b in rng.integers(0, 2, len(program.inputs))]
    lanes = [[permuted(v, rng) if b else v for v, b in zip(example.args, batched, strict=True)] for _ in range(size)]
    args = [
        np.array([lane[k] for lane in lanes], np.asarray(v).dtype).reshape(size, *np.shape(v)) if b else v
        for k, (v, b) in enumerate(zip(example.args, batched, strict=True))
    ]
    flags: list[bool] = []

    def mapped(*xs):
        outs, found = batch_program(program, size, xs, batched)
        flags.extend(found)
        return outs

    outs = apply(mapped, args, "vmap")
    for i, lane in enumerate(lanes):
        results = [out[i] if flag else out for out, flag in zip(outs, flags, strict=True)]
        try:
            plain = run_program(program, lane)
        except (ValueError, IndexError):
            return
        assert_same(Example(program, lane, plain), results, f"lane {i} of vmap over {size} with inputs {batched} mapped")


def permuted(value, rng):
    """Another value that is as good an argument: the same elements in another order."""
    return rng.permuted(value) if np.ndim(value) else value


def run_on(backend):
    """A backend as a way of running Programs."""

    def run(program, args):
        with config.backend(backend):
            return jit_p.bind(*args, program=program, name="random")

    return run


@settings(max_examples=100, phases=REDUCED)
@given(examples(most=20))
def test_native_code(example):
    check_example(example, run_on("native"), "native code")


@settings(max_examples=60, phases=REDUCED)
@given(examples(most=20))
def test_kernel_evaluator(example):
    check_example(example, run_on("kernel"), "the kernel evaluator")


@settings(max_examples=60, phases=REDUCED)
@given(examples(smooth=True))
def test_native_derivatives(example):
    """The vjp is itself a Program, with other shapes of code than anybody writes by hand."""
    program = example.program
    mask = [t.inexact for t in program.in_types]
    if not any(mask):
        return
    rng = np.random.default_rng(2)
    gradient = trace_program(backward(program, mask), [*program.in_types, *program.out_types])
    args = [*example.args, *[random_like(t, rng) for t in program.out_types]]
    results = run_program(gradient, args)
    if all(np.all(np.isfinite(r)) for r in results):
        check_example(Example(gradient, args, results), run_on("native"), "native code for the vjp")
