"""Running a KernelProgram natively in tests: every array ends (or begins) at a page that may not be touched."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from functad.kernel_ir.checker import check_program
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Buffer, KernelProgram
from functad.lower.emit.module import emit_module
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, emit_object
from functad.lower.native.machine import machine_code
from tests.tools.guard import guarded


class Native:
    """A compiled program; ``symbols`` are native functions elsewhere than they are."""

    def __init__(
        self, program: KernelProgram, target: Target | None = None, threads: bool = False, **symbols: int
    ) -> None:
        target = target or Target.host()
        check_program(program)
        self.program = program
        self.module = emit_module(program, target, threads=threads)
        found = {f.symbol: machine_code(f, target) for f in self.module.calls}
        self.calls = set(found)
        addresses = {name: address for name, (address, _) in found.items()}
        code = emit_object(self.module.text, target, apart=self.module.apart)
        self.library = link(code, addresses | symbols, ["driver"], keep=[keep for _, keep in found.values()])
        self.entry = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(self.library.address("driver"))

    def __call__(
        self, inputs: Sequence[Any], symbols: Sequence[int] = (), *, end: bool = True
    ) -> tuple[list[np.ndarray], int]:
        """The outputs and the error code; arrays lie before a guard page, or after one."""
        side: Literal["end", "start"] = "end" if end else "start"
        arrays = [guarded(np.ascontiguousarray(x), side) for x in inputs]
        before = [x.tobytes() for x in arrays]
        junk = [
            np.full(shape_of(b, symbols), True if b.dtype.kind == "b" else 0x55, b.dtype) for b in self.program.outputs
        ]
        outputs = [guarded(x, side) for x in junk]
        pointers = [(ctypes.c_void_p * (len(a) + 1))(*[x.ctypes.data for x in a]) for a in (arrays, outputs)]
        sizes = (ctypes.c_int64 * (len(symbols) + 1))(*symbols)
        code = self.entry(*pointers, sizes)
        assert [x.tobytes() for x in arrays] == before, "an input was written to"
        return [out.copy() for out in outputs], code


def shape_of(buffer: Buffer, symbols: Sequence[int]) -> tuple[int, ...]:
    """The shape of a buffer at given sizes."""
    return tuple(n.evaluate(symbols) for n in buffer.shape)


def agree(
    program: KernelProgram,
    inputs: Sequence[Any],
    symbols: Sequence[int] = (),
    *,
    native: Native | None = None,
    rtol: float = 1e-13,
    atol: float = 0.0,
) -> list[np.ndarray]:
    """Asserts that native code and the evaluator give the same, to a tolerance relative to each element; returns the
    outputs.
    """
    native = native or Native(program)
    expected, expected_code = evaluate_program(program, inputs, symbols)
    for end in (True, False):
        outputs, code = native(inputs, symbols, end=end)
        assert code == expected_code
        for got, want in zip(outputs, expected, strict=True):
            assert got.dtype == want.dtype
            if got.dtype.kind == "f":
                np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
            else:
                np.testing.assert_array_equal(got, want)
    return outputs
