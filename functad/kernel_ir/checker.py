"""The checker of the kernel IR: types, ranks, order of definitions, and bounds where they are decidable.

A program that passes gives memory accesses that the emitter can trust: where sizes are symbols, an index is in bounds
if it is so for every value of the symbols, and what cannot be decided (data-dependent indices) is the rule's own
responsibility.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from functad.errors import InternalError
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
        _require(buffer.role != "temp", "a buffer in the calling order has role temp")
    _require(all(b.role == "input" for b in program.inputs), "an input does not have role input")
    _require(all(b.role == "output" for b in program.outputs), "an output does not have role output")
    written = {b.root for b in (*program.inputs, *held)}
    for statement in program.body:
        reads, writes = accesses(statement)
        for buffer in (*reads, *writes):
            _check_buffer(buffer, program)
        for buffer in reads:
            _require(buffer.root in written, f"{_describe(buffer)} is read before anything is written to it")
        for buffer in writes:
            _require(buffer.root.role != "input", f"{_describe(buffer)} is an input and is written to")
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
        _require(
            buffer.root in written or any(n == 0 for n in buffer.shape), f"output {_describe(buffer)} is never written"
        )


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
        raise InternalError(f"{error} in\n{format_kernel(kernel)}") from None


class _KernelChecker:
    def __init__(self, kernel: Kernel, codes: int | None) -> None:
        self.kernel = kernel
        self.codes = codes
        self.defined: set[Value] = set()
        self.bounded: dict[Value, tuple[Affine | None, Affine | None]] = {}

    def run(self) -> None:
        scans = {i.reverse for i in self.kernel.body if isinstance(i, Scan)}
        _require(len(scans) < 2, "scans of both directions in one kernel")
        _require(not scans or bool(self.kernel.axes), "a scan without a loop axis")
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
                _require(place not in whole, f"{_describe(instr.buffer)} is written at one element by two instructions")
                whole.add(place)
        reduced = {i.buffer.root for i in self.kernel.body if isinstance(i, Reduce)}
        for instr in self.kernel.body:
            if isinstance(instr, Load) and instr.buffer.root in stores:
                _require(instr.buffer.root not in reduced, f"{_describe(instr.buffer)} is read while it is reduced to")
                same = instr.index in stores[instr.buffer.root]
                _require(same, f"{_describe(instr.buffer)} is read at another element than it is written at")

    def check(self, instr: Instr) -> None:
        match instr:
            case Const():
                _require(instr.out.dtype.kind in "biuf", f"a value of dtype {instr.out.dtype}")
            case SizeValue():
                _require(instr.out.dtype == INT64, "a size that is not int64")
            case AxisIndex():
                _require(instr.out.dtype == INT64 and 0 <= instr.axis < len(self.kernel.axes), "a wrong axis index")
            case Load():
                self.access(instr.buffer, instr.index, instr.mask)
                _require(
                    instr.out.dtype == instr.buffer.dtype,
                    f"a load of {dtype_name(instr.out.dtype)} from {_describe(instr.buffer)}",
                )
            case Compute():
                self.compute(instr)
            case Store():
                self.access(instr.buffer, instr.index, instr.mask)
                self.writes(instr.buffer, instr.value)
                missing = [n for k, n in enumerate(self.kernel.axes) if n != 1 and not _mentions(instr.index, k)]
                data = any(isinstance(atom, Value) for a in instr.index for atom, _ in a.terms)
                _require(
                    not missing or data, f"a store to {_describe(instr.buffer)} at the same element again and again"
                )
            case Reduce() | Scatter():
                self.access(instr.buffer, instr.index, None)
                self.writes(instr.buffer, instr.value)
                known = instr.op in ACCUMULATE or (instr.op == "set" and isinstance(instr, Scatter))
                _require(known, f"accumulation by {instr.op}")
                _require(
                    (instr.value.dtype == BOOL) == (instr.op in ("any", "all")) or instr.op == "set",
                    f"{instr.op} of {instr.value.dtype}",
                )
                if isinstance(instr, Reduce):
                    _require(
                        all(isinstance(t, int) for a in instr.index for t, _ in a.terms),
                        "a reduction at a data-dependent index",
                    )
            case Scan():
                self.use(instr.value)
                _require(instr.op in ACCUMULATE and instr.out.dtype == instr.value.dtype, f"a wrong scan by {instr.op}")
            case Check():
                self.use(instr.ok)
                _require(instr.ok.dtype == BOOL, "a check of a value that is no bool")
                if instr.value is not None:
                    self.use(instr.value)
                    _require(instr.value.dtype == INT64, "a check that names a value that is not int64")
                _require(
                    instr.code >= 1 and (self.codes is None or instr.code <= self.codes),
                    f"unknown error code {instr.code}",
                )
        out: Value | None = getattr(instr, "out", None)
        if out is not None:
            _require(out not in self.defined, "a value defined twice")
            self.defined.add(out)

    def compute(self, instr: Compute) -> None:
        _require(instr.op in OPS, f"unknown operation {instr.op}")
        op = OPS[instr.op]
        for arg in instr.args:
            self.use(arg)
        _require(len(instr.args) == op.arity, f"{instr.op} with {len(instr.args)} operands")
        operands = instr.args[1:] if instr.op == "select" else instr.args
        dtype = operands[0].dtype
        _require(all(a.dtype == dtype for a in operands), f"{instr.op} of operands of several dtypes")
        _require(instr.op != "select" or instr.args[0].dtype == BOOL, "select by a value that is no bool")
        _require(dtype.kind in op.kinds, f"{instr.op} of {dtype_name(dtype)}")
        expected = {"same": dtype, "bool": BOOL, "given": instr.out.dtype}[op.result]
        _require(instr.out.dtype == expected, f"{instr.op} of {dtype_name(dtype)} giving {dtype_name(instr.out.dtype)}")

    def use(self, value: Value) -> None:
        _require(value in self.defined, "a value used before its definition")

    def writes(self, buffer: Buffer, value: Value) -> None:
        self.use(value)
        _require(value.dtype == buffer.dtype, f"{dtype_name(value.dtype)} written to {_describe(buffer)}")

    def access(self, buffer: Buffer, index: Index, mask: Value | None) -> None:
        _require(len(index) == len(buffer.shape), f"{len(index)} indices of {_describe(buffer)}")
        if mask is not None:
            self.use(mask)
            _require(mask.dtype == BOOL, "a mask that is no bool")
        for affine, extent in zip(index, buffer.shape, strict=True):
            for atom, _ in affine.terms:
                if isinstance(atom, Value):
                    self.use(atom)
                    _require(atom.dtype == INT64, "an index that is not int64")
                else:
                    _require(
                        0 <= atom < len(self.kernel.axes), f"an index by loop axis {atom} of {len(self.kernel.axes)}"
                    )
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
            _require(slack.constant is None or slack.constant >= 0, f"{_describe(buffer)} accessed {what} its bounds")


def _check_buffer(buffer: Buffer, program: KernelProgram) -> None:
    _require(buffer.dtype.kind in "biuf", f"a buffer of dtype {buffer.dtype} (a complex array is pairs of reals)")
    for size in buffer.shape:
        _require(
            all(i < program.symbols for m, _ in size.terms for i in m), f"unknown size symbol in {_describe(buffer)}"
        )
    if buffer.base is not None:
        _require(buffer.dtype == buffer.base.dtype, f"{_describe(buffer)} is a view with another dtype")
        _require(
            _same_size(buffer.shape, buffer.base.shape), f"{_describe(buffer)} is a view of {_describe(buffer.base)}"
        )
    if buffer.root.role == "input":
        _require(buffer.root in program.inputs, f"input {_describe(buffer)} is not in the calling order")
    if buffer.root.role == "output":
        _require(buffer.root in program.outputs, f"output {_describe(buffer)} is not in the calling order")


def _check_product(p: Product) -> None:
    pair = 2 if p.complex else 1
    for buffer, shape in ((p.out, (p.m, p.n)), (p.lhs, (p.m, p.k)), (p.rhs, (p.k, p.n))):
        _require(buffer.dtype == p.out.dtype, "a product of several dtypes")
        _require(buffer.dtype != np.float16, "a product of halves, which would be rounded after each addition")
        _require(_same_size(buffer.shape, (p.batch, *shape, pair)), f"{_describe(buffer)} in a product of another size")
    _require(p.out.root not in (p.lhs.root, p.rhs.root), "a product written over its operand")


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
        _require(found == operand.stored, f"{_describe(buffer)} for operand {number} of {name}: {operand}")
    _require(bool(call.code) == (call.function.check is not None), f"error code {call.code} of {name}")
    _require(0 <= call.code <= codes, f"unknown error code {call.code}")


def _describe(buffer: Buffer) -> str:
    return f"{buffer.role} {dtype_name(buffer.dtype)}[{', '.join(map(str, buffer.shape))}]"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InternalError(f"kernel IR: {message}")
