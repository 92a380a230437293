"""Printed modules against the evaluator of the kernel IR: random kernels, and the same compiled."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.evaluator import evaluate_program
from functad.lower.kernels import kernels_of
from functad.tree import flatten
from tests.corpus import CORPUS
from tests.lower.kernels import RandomKernel
from tests.lower.printed import Printed
from tests.lower.test_emit_random import prepared


def check(seed: int, compiled: bool) -> None:
    random = RandomKernel(seed)
    program = prepared(random)
    printed = Printed(program, compiled)
    expected, expected_code = evaluate_program(program, random.arrays, random.symbols)
    outputs, code = printed(random.arrays, random.symbols)
    assert code == expected_code, printed.text
    tolerance = 2e-4 if "float32" in printed.text else 1e-11
    for got, want in zip(outputs, expected, strict=True) if not code else ():
        if got.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=printed.text)
        else:
            np.testing.assert_array_equal(got, want, err_msg=printed.text)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("seed", range(60))
def test_what_is_printed(seed: int) -> None:
    check(seed, compiled=False)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("entry", [e for e in CORPUS if e.traceable], ids=str)
@pytest.mark.parametrize("transform", ["value", "derivative"])
def test_the_corpus(entry, transform: str) -> None:
    f = entry.function if transform == "value" else differentiated(entry.function)
    program = fd.make_ir(f)(*entry.args)
    abstracted, fused, _ = kernels_of(program)
    if any(isinstance(b, SequenceBuffer) for b in (*fused.program.inputs, *fused.program.outputs)):
        return
    leaves = [np.asarray(x) for x in flatten(entry.args)[0]]
    arrays = [np.asarray(x, t.dtype) for x, t in zip(leaves, program.in_types, strict=True)]
    given = [as_pairs(x) for x in (*arrays, *abstracted.constants)]
    printed = Printed(fused.program, compiled=False)
    expected, _ = evaluate_program(fused.program, [*arrays, *abstracted.constants], abstracted.symbols)
    outputs, code = printed(given, abstracted.symbols)
    assert code == 0, printed.text
    for got, want in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5 if got.dtype == np.float32 else 1e-11, atol=1e-12)


def differentiated(f):
    """The pullback of a function, at ones."""

    def run(*args):
        out, pullback = fd.vjp(f, *args)
        return pullback(fd.tree_map(np.ones_like, out))

    return run


def as_pairs(x: np.ndarray) -> np.ndarray:
    return x if x.dtype.kind != "c" else np.stack([x.real, x.imag], -1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 115))
def test_what_is_compiled(seed: int) -> None:
    check(seed, compiled=True)
