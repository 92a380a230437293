"""Random kernels, native against the evaluator, for several vector widths, and divided into blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functad import config
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Affine, KernelProgram
from functad.kernel_ir.printer import format_program
from functad.lower.emit import parallel
from functad.lower.llvm.target import Target
from functad.lower.native import threads
from tests.lower.kernels import RandomKernel
from tests.lower.native import Native

SEEDS = st.integers(0, 10**6)


def prepared(random: RandomKernel) -> KernelProgram:
    """The random program after kernels that fill its outputs: stores may leave gaps, and scatters accumulate into what
    is there.
    """
    program = random.program()
    fills = []
    for out in program.outputs:
        b = Builder()
        b.store(out, tuple(Affine.axis(k) for k in range(len(out.shape))), b.const(1, out.dtype))
        fills.append(b.finish(out.shape, "fill"))
    return KernelProgram(program.inputs, program.outputs, (*fills, *program.body), program.symbols, program.checks)


def check(seed: int, bits: int, block_wise: bool = False) -> None:
    host = Target.host()
    random = RandomKernel(seed)
    program = prepared(random)
    text = format_program(program)
    # float32 operations in float64 expressions (exp of a cast, say) leave errors of float32
    tolerance = 2e-4 if "f32" in text else 1e-11
    native = Native(program, Target(host.triple, host.cpu, host.features, bits, opt_level=0), threads=block_wise)
    expected, expected_code = evaluate_program(program, random.arrays, random.symbols)
    for end in (True, False):
        outputs, code = native(random.arrays, random.symbols, end=end)
        assert code == expected_code, text
        for got, want in zip(outputs, expected, strict=True) if not code else ():  # an error ends the call
            if got.dtype.kind == "f":
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=text)
            else:
                np.testing.assert_array_equal(got, want, err_msg=text)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("bits", [64, 128, 256, 512])
@settings(max_examples=60)
@given(seed=SEEDS)
def test_random_kernel(bits: int, seed: int) -> None:
    check(seed, bits)


@pytest.mark.deep
@settings(max_examples=80)
@given(seed=SEEDS)
def test_random_kernel_in_blocks(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch, config.threads(2):
        patch.setattr(parallel, "GRAIN", 40)
        patch.setattr(parallel, "BLOCK", 16)
        threads.configure()
        check(seed, 512, block_wise=True)
    threads.configure()
