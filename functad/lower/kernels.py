"""From a Program to loop nests, and running these by the evaluator of the kernel IR, without LLVM."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from functad import config
from functad.core.seq import Seq
from functad.ir.derived import derived
from functad.ir.program import Program
from functad.ir.types import ArrayType, SeqType
from functad.kernel_ir.checker import check_program
from functad.kernel_ir.evaluator import evaluate_program
from functad.kernel_ir.printer import format_program
from functad.lower.abstract.abstract import Abstract, abstract
from functad.lower.failures import Failures, failures_of
from functad.lower.fuse import Fused, fuse
from functad.passes.pipeline import optimize

__all__ = ["dump", "fused_kernels", "kernels_of", "run_kernels"]


def fused_kernels(abstracted: Abstract) -> Fused:
    """The loop nests of a Program without sizes, checked in debug mode."""
    fused = fuse(abstracted.program, len(abstracted.symbols))
    if config.debug.value:
        check_program(fused.program)
    return fused


def run_kernels(program: Program, args: Sequence[Any]) -> list[Any]:
    """Run a Program by the evaluator of the kernel IR."""
    abstracted, fused, failures = kernels_of(program)
    dump("kernel", lambda: format_program(fused.program))
    outputs, code = evaluate_program(fused.program, [*args, *abstracted.constants], abstracted.symbols)
    if code:
        raise failures.error(code)
    return [_unpaired(x, t) for x, t in zip(outputs, program.out_types, strict=True)]


@derived
def kernels_of(program: Program) -> tuple[Abstract, Fused, Failures]:
    """What the evaluator runs: the Program without sizes, its loop nests, and what their error codes mean."""
    optimized = optimize(program)
    abstracted = abstract(optimized)
    fused = fused_kernels(abstracted)
    return abstracted, fused, failures_of(optimized, fused, abstracted.symbols)


def _unpaired(x: Any, type: ArrayType) -> Any:
    """An output of the kernel IR, where complex arrays are pairs of reals and sequences lists."""
    if isinstance(type, SeqType):
        return Seq(type, [_unpaired(element, type.element) for element in x])
    whole = x if x.dtype == type.dtype else x.reshape(-1).view(type.dtype)
    return whole.reshape(type.shape)[()]


def dump(stage: str, text: Callable[[], str]) -> None:
    """Print a stage of compilation if the flag ``dump`` asks for it."""
    stages = config.dump.value
    if stage in stages or "all" in stages:
        print(f"-- {stage}\n{text()}", file=sys.stderr)
