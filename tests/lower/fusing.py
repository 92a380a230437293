"""Small Programs for tests of the lowering, and what they become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import functad.primitives  # noqa: F401  (declares the primitives)
from functad.core.evaluator import run_program
from functad.core.primitive import REGISTRY
from functad.ir.builder import ProgramBuilder
from functad.ir.program import Program, Var
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.nodes import Buffer, Call, Kernel, KernelProgram, Load, Product, Reduce, Scatter, Store
from functad.lower.abstract.abstract import abstract
from functad.lower.fuse import fuse


class Maker(ProgramBuilder):
    """Builds a Program with primitives as methods: ``m.sin(x)``, ``m.sum(x, axes=(0,))``."""

    def real(self, *shape: int) -> Var:
        return self.input(array_type(shape, np.float64))

    def __getattr__(self, name: str) -> Any:
        return lambda *operands, **params: self.emit(REGISTRY[name], *operands, **params)

    def along(self, x: Var, shape: Sequence[int], *axes: int) -> Var:
        return self.emit(REGISTRY["broadcast"], x, shape=tuple(shape), axes=axes)

    def total(self, x: Var) -> Var:
        return self.emit(REGISTRY["sum"], x, axes=tuple(range(x.type.ndim)))


def lowered(program: Program, static: int = 16) -> KernelProgram:
    found = abstract(program, static)
    kernels = fuse(found.program, len(found.symbols)).program
    check_program(kernels)
    return kernels


def kernels(program: Program) -> list[Kernel]:
    """The loop nests that a Program becomes."""
    return [s for s in lowered(program).body if isinstance(s, Kernel)]


def kernel_count(program: Program) -> int:
    return len(kernels(program))


def buffers(statement: Any) -> list[Buffer]:
    if isinstance(statement, Product):
        return [statement.out, statement.lhs, statement.rhs]
    if isinstance(statement, Call):
        return list(statement.buffers)
    return [i.buffer for i in statement.body if isinstance(i, Load | Store | Reduce | Scatter)]


def temporaries(program: Program) -> list[tuple[Any, ...]]:
    """The shapes of the temporaries that a Program takes, registers included; sizes above 16 are symbols."""
    found = dict.fromkeys(b.root for s in lowered(program).body for b in buffers(s))
    return [b.shape for b in found if b.role == "temp"]


def values_for(types: Sequence[ArrayType], seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    found = []
    for t in types:
        x = rng.uniform(-2, 2, t.shape) + (1j * rng.uniform(-2, 2, t.shape) if t.dtype.kind == "c" else 0)
        found.append(np.asarray(x).astype(t.dtype) if t.ndim else t.dtype.type(x))
    return found


def evaluate(program: Program, args: Sequence[Any], static: int = 16) -> tuple[list[Any], int]:
    """The outputs of a Program by way of its kernels, and the error code."""
    found = abstract(program, static)
    kernels = fuse(found.program, len(found.symbols)).program
    check_program(kernels)
    outputs, code = evaluate_program(kernels, [*args, *found.constants], found.symbols)
    types = program.out_types
    return [
        x if x.dtype == t.dtype else x.reshape(-1).view(t.dtype).reshape(t.shape) for x, t in zip(outputs, types)
    ], code


def agrees(program: Program, args: Sequence[Any] | None = None) -> list[Any]:
    """Asserts that kernels compute what the NumPy evaluator does, with sizes as symbols and with most of them
    static.
    """
    args = values_for(program.in_types) if args is None else args
    expected = run_program(program, args)
    for static in (16, 4):
        outputs, code = evaluate(program, args, static)
        assert code == 0
        for got, want in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
    return outputs
