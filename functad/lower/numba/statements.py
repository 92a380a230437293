"""The driver: what a program does, statement by statement, as the body of one function.

Kernels with loops become functions of their own; what has none is written where it stands. Bodies of loops and
branches are written in place, too: their buffers are the names of those outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from functad.errors import InternalError
from functad.kernel_ir.control import Control
from functad.kernel_ir.nodes import (
    Buffer,
    Call,
    Check,
    Kernel,
    KernelProgram,
    Load,
    Product,
    Reduce,
    Scatter,
    Statement,
    Store,
)
from functad.kernel_ir.sizes import Poly
from functad.lower.numba.control import write_control
from functad.lower.numba.kernels import kernel_lines
from functad.lower.numba.memory import Module, Writer
from functad.lower.numba.names import Names, buffers_of, in_memory, size_text
from functad.lower.numba.operations import dtype_text

__all__ = ["write_driver"]


def write_driver(program: KernelProgram, module: Module, inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """The lines of the driver's body, for arrays of these names; symbols are ``n0, n1, ...``."""
    names = Names({*inputs, *outputs, *[f"n{k}" for k in range(program.symbols)], "status", *module.names.taken})
    writer = _Driver(module, names, in_memory([program]))
    for buffer, name in zip((*program.inputs, *program.outputs), (*inputs, *outputs), strict=True):
        writer.given(buffer, name)
    writer.statements(program.body)
    for buffer in program.outputs:
        if buffer in writer.scalars:
            writer.line(f"{outputs[program.outputs.index(buffer)]}[()] = {writer.places[buffer]}")
    return writer.lines


class _Driver(Writer):
    """Writes kernels, products and calls; control flow is in ``control``."""

    def statements(self, body: Iterable[Statement]) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        if not (isinstance(statement, Kernel) and statement.axes):  # shown in the function of its own
            self.comments(statement)
        match statement:
            case Kernel():
                self.kernel(statement)
            case Product():
                self.product(statement)
            case Call():
                self.call(statement)
            case Control():
                self.leave_on_failure()
                write_control(self, statement)
            case _:
                raise InternalError(f"not a statement: {statement!r}")

    def kernel(self, kernel: Kernel) -> None:
        self.failing |= any(isinstance(i, Check) for i in kernel.body)
        buffers = buffers_of(kernel)
        for buffer in buffers:
            self.place(buffer)
        if not kernel.axes:
            for line in kernel_lines(kernel, self.places, self.scalars, self.names, self.needs):
                self.line(line)
            return
        written = {i.buffer for i in kernel.body if isinstance(i, Store | Reduce | Scatter)}
        results = [b for b in buffers if b in self.scalars and b in written]
        name, own, given = self._function(kernel, buffers, results)
        call = f"{name}({', '.join(given)})"
        self.line(f"{', '.join([self.places[b] for b in results])} = {call}" if results else call)
        self.module.functions.append(own)

    def _function(
        self, kernel: Kernel, buffers: Sequence[Buffer], results: Sequence[Buffer]
    ) -> tuple[str, str, list[str]]:
        """The function of a kernel with loops: its name, its text, what it is given."""
        name = self.module.names.new(self.module.shown.name(kernel) or kernel.name)
        while name in self.names.taken:
            name = self.module.names.new(name)
        self.names.taken.add(name)
        sizes = sorted({f"n{k}" for size in _sizes(kernel) for monomial, _ in size.terms for k in monomial})
        names = Names({*sizes, "status", "np", "math"})
        places = {b: names.new(self.places[b]) for b in buffers}
        before = {i.buffer for i in kernel.body if isinstance(i, Load | Scatter)}  # which it depends on
        order = {b: number for number, b in enumerate(self.places)}
        read = sorted([b for b in buffers if b in before or b not in results], key=order.__getitem__)
        lines = kernel_lines(kernel, places, self.scalars, names, self.needs)
        if results:
            lines.append(f"return {', '.join([places[b] for b in results])}")
        checks = ["status"] if any(isinstance(i, Check) for i in kernel.body) else []
        head = ", ".join([*[places[b] for b in read], *sizes, *checks])
        lines = [*self.module.shown.comments(kernel), *lines]
        text = "\n".join(['@njit(error_model="numpy")', f"def {name}({head}):", *[f"    {line}" for line in lines]])
        return name, text, [*[self.places[b] for b in read], *sizes, *checks]

    def product(self, p: Product) -> None:
        """By ``np.dot``, matrix by matrix."""
        dtype = np.dtype(f"c{2 * p.out.dtype.itemsize}") if p.complex else p.out.dtype
        name = "dot" if dtype.kind in "fc" else "integer_dot"
        self.needs(name)
        operands = [
            self._matrices(p.lhs, (p.batch, p.k, p.m) if p.transpose_lhs else (p.batch, p.m, p.k), dtype),
            self._matrices(p.rhs, (p.batch, p.n, p.k) if p.transpose_rhs else (p.batch, p.k, p.n), dtype),
            self._matrices(p.out, (p.batch, p.m, p.n), dtype),
        ]
        turned = [".T" if t else "" for t in (p.transpose_lhs, p.transpose_rhs, False)]
        if p.batch == 1:
            self.line(f"{name}({', '.join([x + t for x, t in zip(operands, turned, strict=True)])})")
            return
        batch = self.names.new("b")
        self.line(f"for {batch} in range({size_text(p.batch)}):")
        self.line(f"    {name}({', '.join([f'{x}[{batch}]{t}' for x, t in zip(operands, turned, strict=True)])})")

    def _matrices(self, buffer: Buffer, shape: tuple[Poly, Poly, Poly], dtype: np.dtype) -> str:
        """A buffer as a batch of matrices; as one matrix, if the batch has one."""
        name, wanted = self.place(buffer), shape[1:] if shape[0] == 1 else shape
        if buffer.dtype == dtype and buffer.shape == wanted:
            return name
        flat = f"{name}.reshape(-1).view({dtype_text(dtype)})" if buffer.dtype != dtype else name
        text = f"{flat}.reshape(({', '.join(map(size_text, wanted))}))"
        made = self.names.new(f"{name}_as")
        self.line(f"{made} = {text}")
        return made

    def call(self, call: Call) -> None:
        name = call.function.symbol
        self.module.natives[name] = call.function
        arrays = []
        for buffer, operand in zip(call.buffers, call.function.operands, strict=True):
            self.place(buffer)
            text = self.places[buffer]
            if operand.dtype.kind == "c":
                shape = ", ".join(map(size_text, buffer.shape[:-1])) + ("," if len(buffer.shape) == 2 else "")
                text = f"{text}.reshape(-1).view({dtype_text(operand.dtype)})" + (
                    f".reshape(({shape}))" if len(buffer.shape) != 2 else ""
                )
            arrays.append(text)
        error = self.names.new("error")
        self.line(f"{error} = {name}({', '.join(arrays)})")
        self.line(f"if {error} != 0:")
        self.needs("fail")
        self.line(f"    fail(status, {call.code or 1} if {error} > 0 else {error}, {error})")
        self.failing = True


def _sizes(kernel: Kernel) -> Iterable[Poly]:
    """The sizes that a kernel computes with."""
    yield from kernel.axes
    for instr in kernel.body:
        if size := getattr(instr, "size", None):
            yield size
        for affine in getattr(instr, "index", ()):
            yield affine.offset
            yield from (scale for _, scale in affine.terms)
