"""The checker of the kernel IR: types, ranks, order of definitions, and bounds where they are decidable.

A program that passes gives memory accesses that the emitter can trust: where sizes are symbols, an index is in bounds
if it is so for every value of the symbols, and what cannot be decided (data-dependent indices) is the rule's own
responsibility.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from functad.errors import InternalError, message_of
from functad.ir.types import dtype_name
from functad.kernel_ir.control import Control
from functad.kernel_ir.control_checker import check_control
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
from functad.kernel_ir.ops import ACCUMULATE, OPS
from functad.kernel_ir.printer import format_kernel
from functad.kernel_ir.sizes import Extent, Poly, product

__all__ = ["check_kernel", "check_program"]

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)


def check_program(program: KernelProgram, codes: int | None = None, held: Iterable[Buffer] = ()) -> None:
    """Raises ``InternalError`` where a program is ill-formed.

    ``codes`` is the number of error codes, those of the program if not given; the outputs ``held`` hold something from
    the start.
    """
    codes = len(program.checks) if codes is None else codes
    for buffer in program.inputs + program.outputs:
        if buffer.role == "temp":
            raise _malformed("a buffer in the calling order has role temp")
    if not all(b.role == "input" for b in program.inputs):
        raise _malformed("an input does not have role input")
    if not all(b.role == "output" for b in program.outputs):
        raise _malformed("an output does not have role output")
    written = {b.root for b in (*program.inputs, *held)}
    for statement in program.body:
        reads, writes = accesses(statement)
        for buffer in (*reads, *writes):
            _check_buffer(buffer, program)
        for buffer in reads:
            if buffer.root not in written:
                raise _malformed(f"{_describe(buffer)} is read before anything is written to it")
        for buffer in writes:
            if buffer.root.role == "input":
                raise _malformed(f"{_describe(buffer)} is an input and is written to")
        if isinstance(statement, Kernel):
            check_kernel(statement, codes)
        elif isinstance(statement, Product):
            _check_product(statement)
        elif isinstance(statement, Call):
            _check_call(statement, codes)
        elif isinstance(statement, Control):
            check_control(statement, lambda inner, held: check_program(inner, codes, held))
        written.update(b.root for b in writes)
    for buffer in program.outputs:
        if buffer.root not in written and all(n != 0 for n in buffer.shape):
            raise _malformed(f"output {_describe(buffer)} is never written")


def accesses(statement: Statement) -> tuple[list[Buffer], list[Buffer]]:
    """The buffers that a statement reads, and those that it writes (a scatter does both)."""
    if isinstance(statement, Product):
        return [statement.lhs, statement.rhs], [statement.out]
    if isinstance(statement, Call):
        return statement.reads, statement.writes
    if isinstance(statement, Control):
        return statement.reads, statement.writes
    assert isinstance(statement, Kernel)
    writes = [i.buffer for i in statement.body if isinstance(i, Store | Reduce | Scatter)]
    reads, stored = [], set()
    for instr in statement.body:
        if isinstance(instr, Store):
            stored.add(instr.buffer.root)
        elif isinstance(instr, Scatter) or (isinstance(instr, Load) and instr.buffer.root not in stored):
            reads.append(instr.buffer)
    return reads, writes


def check_kernel(kernel: Kernel, codes: int | None = None) -> None:
    """Raises ``InternalError`` where a kernel is ill-formed; ``codes`` is the number of error codes, where known."""
    try:
        _KernelChecker(kernel, codes).run()
    except InternalError as error:
        raise InternalError(f"{message_of(error)} in\n{format_kernel(kernel)}") from None


class _KernelChecker:
    def __init__(self, kernel: Kernel, codes: int | None) -> None:
        self.kernel = kernel
        self.codes = codes
        self.defined: set[Value] = set()
        self.bounded: dict[Value, tuple[Affine | None, Affine | None]] = {}

    def run(self) -> None:
        scans = {i.reverse for i in self.kernel.body if isinstance(i, Scan)}
        if len(scans) >= 2:
            raise _malformed("scans of both directions in one kernel")
        if scans and not self.kernel.axes:
            raise _malformed("a scan without a loop axis")
        self.writers()
        for instr in self.kernel.body:
            self.check(instr)

    def writers(self) -> None:
        """What is written may be read at the element itself only, and is written there by one instruction (or under
        masks).
        """
        stores: dict[Buffer, set[Index]] = {}
        whole: set[tuple[Buffer, Index]] = set()
        for instr in self.kernel.body:
            if not isinstance(instr, Store | Reduce | Scatter):
                continue
            stores.setdefault(instr.buffer.root, set()).add(instr.index)
            if isinstance(instr, Reduce) or (isinstance(instr, Store) and instr.mask is None):
                place = (instr.buffer, instr.index)
                if place in whole:
                    raise _malformed(f"{_describe(instr.buffer)} is written at one element by two instructions")
                whole.add(place)
        reduced = {i.buffer.root for i in self.kernel.body if isinstance(i, Reduce)}
        for instr in self.kernel.body:
            if isinstance(instr, Load) and instr.buffer.root in stores:
                if instr.buffer.root in reduced:
                    raise _malformed(f"{_describe(instr.buffer)} is read while it is reduced to")
                same = instr.index in stores[instr.buffer.root]
                if not same:
                    raise _malformed(f"{_describe(instr.buffer)} is read at another element than it is written at")

    def check(self, instr: Instr) -> None:
        match instr:
            case Const():
                if instr.out.dtype.kind not in "biuf":
                    raise _malformed(f"a value of dtype {instr.out.dtype}")
            case SizeValue():
                if instr.out.dtype != INT64:
                    raise _malformed("a size that is not int64")
            case AxisIndex():
                if instr.out.dtype != INT64 or not 0 <= instr.axis < len(self.kernel.axes):
                    raise _malformed("a wrong axis index")
            case Load():
                self.access(instr.buffer, instr.index, instr.mask)
                if instr.out.dtype != instr.buffer.dtype:
                    raise _malformed(f"a load of {dtype_name(instr.out.dtype)} from {_describe(instr.buffer)}")
            case Compute():
                self.compute(instr)
            case Store():
                self.access(instr.buffer, instr.index, instr.mask)
                self.writes(instr.buffer, instr.value)
                missing = [n for k, n in enumerate(self.kernel.axes) if n != 1 and not _mentions(instr.index, k)]
                data = any(isinstance(atom, Value) for a in instr.index for atom, _ in a.terms)
                if missing and not data:
                    raise _malformed(f"a store to {_describe(instr.buffer)} at the same element again and again")
            case Reduce() | Scatter():
                self.access(instr.buffer, instr.index, None)
                self.writes(instr.buffer, instr.value)
                known = instr.op in ACCUMULATE or (instr.op == "set" and isinstance(instr, Scatter))
                if not known:
                    raise _malformed(f"accumulation by {instr.op}")
                if instr.op != "set" and (instr.value.dtype == BOOL) != (instr.op in ("any", "all")):
                    raise _malformed(f"{instr.op} of {instr.value.dtype}")
                if isinstance(instr, Reduce) and any(not isinstance(t, int) for a in instr.index for t, _ in a.terms):
                    raise _malformed("a reduction at a data-dependent index")
            case Scan():
                self.use(instr.value)
                if instr.op not in ACCUMULATE or instr.out.dtype != instr.value.dtype:
                    raise _malformed(f"a wrong scan by {instr.op}")
            case Check():
                self.use(instr.ok)
                if instr.ok.dtype != BOOL:
                    raise _malformed("a check of a value that is no bool")
                if instr.value is not None:
                    self.use(instr.value)
                    if instr.value.dtype != INT64:
                        raise _malformed("a check that names a value that is not int64")
                if instr.code < 1 or (self.codes is not None and instr.code > self.codes):
                    raise _malformed(f"unknown error code {instr.code}")
        out: Value | None = getattr(instr, "out", None)
        if out is not None:
            if out in self.defined:
                raise _malformed("a value defined twice")
            self.defined.add(out)

    def compute(self, instr: Compute) -> None:
        if instr.op not in OPS:
            raise _malformed(f"unknown operation {instr.op}")
        op = OPS[instr.op]
        for arg in instr.args:
            self.use(arg)
        if len(instr.args) != op.arity:
            raise _malformed(f"{instr.op} with {len(instr.args)} operands")
        operands = instr.args[1:] if instr.op == "select" else instr.args
        dtype = operands[0].dtype
        if any(a.dtype != dtype for a in operands):
            raise _malformed(f"{instr.op} of operands of several dtypes")
        if instr.op == "select" and instr.args[0].dtype != BOOL:
            raise _malformed("select by a value that is no bool")
        if dtype.kind not in op.kinds:
            raise _malformed(f"{instr.op} of {dtype_name(dtype)}")
        expected = {"same": dtype, "bool": BOOL, "given": instr.out.dtype}[op.result]
        if instr.out.dtype != expected:
            raise _malformed(f"{instr.op} of {dtype_name(dtype)} giving {dtype_name(instr.out.dtype)}")

    def use(self, value: Value) -> None:
        if value not in self.defined:
            raise _malformed("a value used before its definition")

    def writes(self, buffer: Buffer, value: Value) -> None:
        self.use(value)
        if value.dtype != buffer.dtype:
            raise _malformed(f"{dtype_name(value.dtype)} written to {_describe(buffer)}")

    def access(self, buffer: Buffer, index: Index, mask: Value | None) -> None:
        if len(index) != len(buffer.shape):
            raise _malformed(f"{len(index)} indices of {_describe(buffer)}")
        if mask is not None:
            self.use(mask)
            if mask.dtype != BOOL:
                raise _malformed("a mask that is no bool")
        for affine, extent in zip(index, buffer.shape, strict=True):
            for atom, _ in affine.terms:
                if isinstance(atom, Value):
                    self.use(atom)
                    if atom.dtype != INT64:
                        raise _malformed("an index that is not int64")
                else:
                    if not 0 <= atom < len(self.kernel.axes):
                        raise _malformed(f"an index by loop axis {atom} of {len(self.kernel.axes)}")
            if mask is None:
                self.bounds(buffer, affine, extent)

    def bounds(self, buffer: Buffer, affine: Affine, extent: Poly) -> None:
        """Lowest and highest index over the loop, where all its terms are axes with constant scales."""
        if any(n == 0 for n in self.kernel.axes):
            return
        low = high = affine.offset
        for atom, scale in affine.terms:
            if isinstance(atom, Value) or scale.constant is None:
                return
            reach = scale * (self.kernel.axes[atom] - 1)
            low, high = (low + reach, high) if scale.constant < 0 else (low, high + reach)
        for what, slack in (("below", low), ("above", extent - 1 - high)):
            if slack.constant is not None and slack.constant < 0:
                raise _malformed(f"{_describe(buffer)} accessed {what} its bounds")


def _check_buffer(buffer: Buffer, program: KernelProgram) -> None:
    if buffer.dtype.kind not in "biuf":
        raise _malformed(f"a buffer of dtype {buffer.dtype} (a complex array is pairs of reals)")
    for size in buffer.shape:
        if any(i >= program.symbols for m, _ in size.terms for i in m):
            raise _malformed(f"unknown size symbol in {_describe(buffer)}")
    if buffer.base is not None:
        if buffer.dtype != buffer.base.dtype:
            raise _malformed(f"{_describe(buffer)} is a view with another dtype")
        if not _same_size(buffer.shape, buffer.base.shape):
            raise _malformed(f"{_describe(buffer)} is a view of {_describe(buffer.base)}")
    if buffer.root.role == "input" and buffer.root not in program.inputs:
        raise _malformed(f"input {_describe(buffer)} is not in the calling order")
    if buffer.root.role == "output" and buffer.root not in program.outputs:
        raise _malformed(f"output {_describe(buffer)} is not in the calling order")


def _check_product(p: Product) -> None:
    pair = 2 if p.complex else 1
    for buffer, shape in ((p.out, (p.m, p.n)), (p.lhs, (p.m, p.k)), (p.rhs, (p.k, p.n))):
        if buffer.dtype != p.out.dtype:
            raise _malformed("a product of several dtypes")
        if buffer.dtype == np.float16:
            raise _malformed("a product of halves, which would be rounded after each addition")
        if not _same_size(buffer.shape, (p.batch, *shape, pair)):
            raise _malformed(f"{_describe(buffer)} in a product of another size")
    if p.out.root in (p.lhs.root, p.rhs.root):
        raise _malformed("a product written over its operand")


def _same_size(x: Sequence[Extent], y: Sequence[Extent]) -> bool:
    """Whether two shapes can have the same number of elements: symbols may stand for products of others (n0 for
    5*5).
    """
    return (product(x) - product(y)).constant in (None, 0)


def _mentions(index: Iterable[Affine], axis: int) -> bool:
    return any(atom == axis for a in index for atom, _ in a.terms if isinstance(atom, int))


def _check_call(call: Call, codes: int) -> None:
    operands, name = call.function.operands, call.function.symbol
    for number, (buffer, operand) in enumerate(zip(call.buffers, operands, strict=True)):
        found = buffer.dtype, len(buffer.shape)
        if found != operand.stored:
            raise _malformed(f"{_describe(buffer)} for operand {number} of {name}: {operand}")
    if bool(call.code) != (call.function.check is not None):
        raise _malformed(f"error code {call.code} of {name}")
    if not 0 <= call.code <= codes:
        raise _malformed(f"unknown error code {call.code}")


def _describe(buffer: Buffer) -> str:
    return f"{buffer.role} {dtype_name(buffer.dtype)}[{', '.join(map(str, buffer.shape))}]"


def _malformed(message: str) -> InternalError:
    return InternalError(f"kernel IR: {message}")
