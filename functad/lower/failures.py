"""What the error codes of native code, and of the evaluator of the kernel IR, mean."""

from __future__ import annotations

from collections.abc import Sequence

from functad import errors
from functad.errors import ShapeError
from functad.ir.program import Program, sub_programs
from functad.kernel_ir.codes import OUT_OF_MEMORY, RAISED, SIZE_OVERFLOW
from functad.kernel_ir.nodes import CheckInfo
from functad.kernel_ir.pending import take_exception, take_offender
from functad.lower.fuse import Fused, Path

__all__ = ["Failures"]


class Failures:
    """The errors of one Program, which became these kernels for sizes of these values."""

    def __init__(self, program: Program, fused: Fused, sizes: Sequence[int]) -> None:
        self.name = program.name or "function"
        self.checks: tuple[CheckInfo, ...] = fused.program.checks
        self.sizes = sizes
        self.locations = [location(program, path) for path in fused.origins]

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
        check = self.checks[code - 1]
        found = take_offender()  # none in a thread of Numba's, which forgets it
        value = "?" if found is None else found
        message = check.message.format(*[size.evaluate(self.sizes) for size in check.sizes], value=value)
        error: errors.FunctadError = getattr(errors, check.error)(message)
        return error.at(self.locations[code - 1])


def location(program: Program, path: Path) -> object:
    """The user's line that an equation comes from; if it has none, that of the equation around it."""
    eqn = program.eqns[path[0]]
    return (location(sub_programs(eqn)[path[1]], path[2:]) if len(path) > 1 else None) or eqn.loc
