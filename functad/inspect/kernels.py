"""The statements that a function becomes, with their sizes for these arguments: what they touch, how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from functad.ir.program import Program
from functad.kernel_ir.control import Branch, Control, Loop, SequenceBuffer, While
from functad.kernel_ir.nodes import Buffer, Call, Kernel, KernelProgram, Product, Statement
from functad.kernel_ir.sizes import Poly
from functad.lower.emit.plan import mentioned
from functad.lower.kernels import kernels_of

__all__ = ["Array", "Sized", "SizedStatement", "sized_kernels", "statement_name"]


@dataclass(frozen=True)
class Array:
    """An array in memory: whose it is (input, output, temp), and its bytes. Scalars are in registers."""

    buffer: Buffer
    role: str
    bytes: int


@dataclass(frozen=True)
class SizedStatement:
    """One step of the driver, by name; one in a loop runs ``times`` times."""

    name: str
    touched: tuple[Array, ...]
    times: int
    depth: int
    computes: bool  # itself, not what is inside of it


@dataclass(frozen=True)
class Sized:
    """All of them, in order; those of a loop's body stand behind the loop, deeper."""

    statements: tuple[SizedStatement, ...]
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


def sized_kernels(program: Program) -> Sized:
    """The statements of a Program as it was traced."""
    abstracted, fused, _ = kernels_of(program)
    walk = _Walk(abstracted.symbols)
    walk.program(fused.program, 1, 0)
    ends = [tuple([walk.array(b) for b in buffers]) for buffers in (fused.program.inputs, fused.program.outputs)]
    return Sized(tuple(walk.found), *ends)


class _Walk:
    def __init__(self, symbols: tuple[int, ...]) -> None:
        self.symbols = symbols
        self.found: list[SizedStatement] = []

    def size(self, size: Poly) -> int:
        return size.evaluate(self.symbols)

    def array(self, buffer: Buffer) -> Array:
        scalar = not buffer.shape or isinstance(buffer, SequenceBuffer)
        count = 0 if scalar else prod([self.size(n) for n in buffer.shape])
        return Array(buffer, buffer.role, count * buffer.dtype.itemsize)

    def program(self, program: KernelProgram, times: int, depth: int) -> None:
        for statement in program.body:
            touched = tuple([self.array(b) for b in mentioned(statement)])
            if not isinstance(statement, Control):
                self.found.append(SizedStatement(statement_name(statement), touched, times, depth, True))
                continue
            steps = (
                self.size(statement.steps) if isinstance(statement, Loop) and isinstance(statement.steps, Poly) else 1
            )
            self.found.append(SizedStatement(statement_name(statement), touched, times, depth, False))
            for inside in statement.programs:
                self.program(inside, times * steps, depth + 1)


def statement_name(statement: Statement) -> str:
    """How tables call a statement."""
    match statement:
        case Kernel():
            return statement.name
        case Product():
            return "product"
        case Call():
            return statement.function.symbol
        case Loop():
            return "loop"
        case While():
            return "while"
        case Branch():
            return "branch"
    return type(statement).__name__.lower()
