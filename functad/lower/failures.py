"""What the error codes of native code, and of the evaluator of the kernel IR, mean."""

from __future__ import annotations

from collections.abc import Sequence

from functad import errors
from functad.errors import InternalError, ShapeError
from functad.ir.program import Program, sub_programs
from functad.kernel_ir.codes import OUT_OF_MEMORY, RAISED, SIZE_OVERFLOW, UNFINISHED
from functad.kernel_ir.nodes import CheckInfo
from functad.kernel_ir.pending import take_exception, take_offender
from functad.lower.fuse import Fused, Path

__all__ = ["Failures", "failures_of"]


class Failures:
    """The errors of one Program, for sizes of these values, and the user's lines that they come from."""

    def __init__(
        self, name: str, checks: Sequence[CheckInfo], sizes: Sequence[int], locations: Sequence[object]
    ) -> None:
        self.name = name or "function"
        self.checks = checks
        self.sizes = sizes
        self.locations = locations

    def error(self, code: int) -> BaseException:
        """What to raise for a code that is not 0."""
        if code == OUT_OF_MEMORY:
            return MemoryError(f"no memory for the temporary arrays of {self.name}")
        if code == SIZE_OVERFLOW:
            return ShapeError(
                f"{self.name} multiplies matrices with more rows or columns than BLAS can count (2**31 - 1)"
            )
        if code == RAISED:
            return take_exception()
        if code == UNFINISHED:
            return InternalError(
                f"a native function that {self.name} calls has raised an exception; compiled, it can only return a "
                "positive number, which NativeFunction(error=...) explains"
            )
        check = self.checks[code - 1]
        message = check.message.format(*[size.evaluate(self.sizes) for size in check.sizes], value=take_offender())
        error: errors.FunctadError = getattr(errors, check.error)(message)
        return error.at(self.locations[code - 1])


def failures_of(program: Program, fused: Fused, sizes: Sequence[int]) -> Failures:
    """The errors of a Program that became these kernels."""
    return Failures(program.name, fused.program.checks, sizes, [location(program, path) for path in fused.origins])


def location(program: Program, path: Path) -> object:
    """The user's line that an equation comes from; if it has none, that of the equation around it."""
    eqn = program.eqns[path[0]]
    return (location(sub_programs(eqn)[path[1]], path[2:]) if len(path) > 1 else None) or eqn.loc
