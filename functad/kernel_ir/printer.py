"""The kernel IR as stable text: equal programs print alike, whatever their objects are called.

Grammar (a line each; ``dtype`` is a short name such as ``f64``, ``size`` a polynomial such as ``2*n0*n1 - 1``)::

    program   = "program (" [ symbol { ", " symbol } ] "):" { buffer } { statement } { check }
    buffer    = name " = " role " " dtype "[" sizes "]" [ " of " name ]           role: input, output, temp; of: the
    same memory statement = "kernel " name " [" [ axis " < " size { ", " ... } ] "]:" { instruction }
              | "product " out " = " lhs [ "'" ] " @ " rhs [ "'" ] " [" batch ", " m ", " n ", " k "]" [ " complex" ]
               ': transposed
              | "call " symbol "(" buffers ") sizes (" sizes ")" [ " writes " buffers ]
    instruction = [ value " " dtype " = " ] operation
    operation = "const " number | "size " size | "axis " axis | "load " element [ " if " value " else " number ]
              | op " " values | "store " element " = " value [ " if " value ] | "reduce " op " " element " <- " value
              | "scatter " op " " element " <- " value | "scan " [ "reverse " ] op " " value | "check " value " code "
              number
    element   = name "[" affine { ", " affine } "]"                             affine: size { " + " [ size "*" ] ( axis
    | value ) } check     = "code " number ": " error ": " message

Inputs are ``in0 in1 ...``, outputs ``out0 ...``, temporaries ``t0 ...``, loop axes ``i0 ...``, values ``%0 ...`` (anew
in each kernel).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.control import Control, SequenceBuffer
from functad.kernel_ir.control_printer import format_control
from functad.kernel_ir.nodes import (
    Affine,
    AxisIndex,
    Buffer,
    Call,
    Check,
    Compute,
    Const,
    Index,
    Instr,
    Kernel,
    KernelProgram,
    Load,
    Product,
    Reduce,
    Scan,
    Scatter,
    SizeValue,
    Statement,
    Store,
    Value,
)
from functad.kernel_ir.sizes import Poly

__all__ = ["format_kernel", "format_program"]


def format_program(program: KernelProgram) -> str:
    """The text of a whole program."""
    names = _Names()
    lines = [f"program ({', '.join(f'n{i}' for i in range(program.symbols))}):"]
    for role, buffers in (("in", program.inputs), ("out", program.outputs)):
        for buffer in buffers:
            lines.append(names.declare(buffer, role))
    for statement in program.body:
        text = names.statement(statement)
        lines.extend(names.new)
        names.new.clear()
        lines.extend(text)
    for code, check in enumerate(program.checks, 1):
        lines.append(f"code {code}: {check.error}: {check.message}")
    return "\n".join("  " * (k > 0) + line for k, line in enumerate(lines))


def format_kernel(kernel: Kernel) -> str:
    """The text of one kernel, after the buffers that it mentions."""
    names = _Names()
    text = names.statement(kernel)
    return "\n".join([*names.new, *text])


class _Names:
    """Names of buffers and values, given in the order of their first mention."""

    def __init__(self) -> None:
        self.buffers: dict[Buffer, str] = {}
        self.counts: dict[str, int] = {}
        self.values: dict[Value, str] = {}
        self.new: list[str] = []

    def declare(self, buffer: Buffer, prefix: str) -> str:
        number = self.counts.get(prefix, 0)
        self.counts[prefix] = number + 1
        name = self.buffers[buffer] = f"{prefix}{number}"
        if isinstance(buffer, SequenceBuffer):
            return f"{name} = {buffer.role} {'seq ' * buffer.depth}{_innermost(buffer)}"
        of = "" if buffer.base is None else f" of {self.buffer(buffer.base)}"
        return f"{name} = {buffer.role} {dtype_name(buffer.dtype)}[{_sizes(buffer.shape)}]{of}"

    def buffer(self, buffer: Buffer) -> str:
        if buffer not in self.buffers:
            if buffer.base is not None:
                self.buffer(buffer.base)
            self.new.append(self.declare(buffer, {"input": "in", "output": "out"}.get(buffer.role, "t")))
        return self.buffers[buffer]

    def value(self, value: Value) -> str:
        return self.values.setdefault(value, f"%{len(self.values)}")

    def statement(self, statement: Statement) -> list[str]:
        match statement:
            case Kernel():
                self.values = {}
                axes = ", ".join(f"i{k} < {n}" for k, n in enumerate(statement.axes))
                return [f"kernel {statement.name} [{axes}]:", *(f"  {self.instruction(i)}" for i in statement.body)]
            case Product() as p:
                lhs = self.buffer(p.lhs) + "'" * p.transpose_lhs
                rhs = self.buffer(p.rhs) + "'" * p.transpose_rhs
                sizes = _sizes((p.batch, p.m, p.n, p.k))
                return [f"product {self.buffer(p.out)} = {lhs} @ {rhs} [{sizes}]{' complex' * p.complex}"]
            case Call() as call:
                writes = f" writes {', '.join(map(self.buffer, call.writes))}" if call.writes else ""
                return [
                    f"call {call.function.symbol}({', '.join(map(self.buffer, call.buffers))}) sizes "
                    f"({_sizes(call.sizes)}){writes}{f' code {call.code}' if call.code else ''}"
                ]
            case Control():
                return format_control(statement, self.buffer, lambda program: format_program(program).splitlines())
        raise TypeError(f"not a statement: {statement!r}")

    def instruction(self, instr: Instr) -> str:
        text = self.operation(instr)
        out: Value | None = getattr(instr, "out", None)
        return text if out is None else f"{self.value(out)} {dtype_name(out.dtype)} = {text}"

    def operation(self, instr: Instr) -> str:
        match instr:
            case Const():
                return f"const {_number(instr.value)}"
            case SizeValue():
                return f"size {instr.size}"
            case AxisIndex():
                return f"axis i{instr.axis}"
            case Load():
                mask = "" if instr.mask is None else f" if {self.value(instr.mask)} else {_number(instr.fill)}"
                return f"load {self.element(instr.buffer, instr.index)}{mask}"
            case Compute():
                return f"{instr.op} {', '.join(map(self.value, instr.args))}"
            case Store():
                mask = "" if instr.mask is None else f" if {self.value(instr.mask)}"
                return f"store {self.element(instr.buffer, instr.index)} = {self.value(instr.value)}{mask}"
            case Reduce() | Scatter():
                kind = type(instr).__name__.lower()
                return f"{kind} {instr.op} {self.element(instr.buffer, instr.index)} <- {self.value(instr.value)}"
            case Scan():
                return f"scan {'reverse ' * instr.reverse}{instr.op} {self.value(instr.value)}"
            case Check():
                named = "" if instr.value is None else f" of {self.value(instr.value)}"
                return f"check {self.value(instr.ok)}{named} code {instr.code}"
        raise TypeError(f"not an instruction: {instr!r}")

    def element(self, buffer: Buffer, index: Index) -> str:
        return f"{self.buffer(buffer)}[{', '.join(map(self.affine, index))}]"

    def affine(self, index: Affine) -> str:
        terms = [] if index.offset == 0 and index.terms else [f"{index.offset}"]
        for atom, scale in index.terms:
            name = f"i{atom}" if isinstance(atom, int) else self.value(atom)
            terms.append(name if scale == 1 else f"({scale})*{name}" if len(scale.terms) > 1 else f"{scale}*{name}")
        return " + ".join(terms)


def _innermost(buffer: Buffer) -> str:
    while isinstance(buffer, SequenceBuffer):
        buffer = buffer.element
    return f"{dtype_name(buffer.dtype)}[{_sizes(buffer.shape)}]"


def _sizes(sizes: Sequence[Poly] | Iterable[Poly]) -> str:
    return ", ".join(map(str, sizes))


def _number(value: object) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return repr(value)
