"""The evaluator of the kernel IR: a KernelProgram on NumPy arrays, without LLVM. It is how lowering bugs are told from
emission bugs.

A kernel is evaluated instruction by instruction over its whole iteration space: a value is an array that broadcasts to
the space. Every access is checked; memory that nobody wrote holds NaN (or a pattern).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.kernel_ir.control import Control, SequenceBuffer
from functad.kernel_ir.control_evaluator import Failed, Machine, run_control
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
from functad.kernel_ir.ops import ACCUMULATE, OPS, evaluate, identity
from functad.kernel_ir.pending import note_offender
from functad.kernel_ir.sizes import Poly

__all__ = ["evaluate_program"]


def evaluate_program(
    program: KernelProgram, inputs: Sequence[Any], symbols: Sequence[int] = ()
) -> tuple[list[np.ndarray], int]:
    """The outputs, and 0 or the smallest error code, after noting the value that its check found (``offender``).

    Arrays may be given as pairs of reals or as complex.
    """
    run = _Run(program, symbols)
    for buffer, array in zip(program.inputs, inputs, strict=True):
        run.memory[buffer] = run.given(array, buffer)
    outputs = [run.array(buffer) for buffer in program.outputs]
    try:
        run.statements()
    except Failed as failed:
        run.failed.update(failed.found)
    code = min(run.failed, default=0)
    offender = run.failed.get(code)
    if offender is not None:
        note_offender(offender)
    return outputs, code


def _as_pairs(given: Any, buffer: Buffer) -> np.ndarray:
    array: np.ndarray = np.ascontiguousarray(given)
    if array.dtype.kind == "c":
        array = array.reshape(-1).view(f"f{array.dtype.itemsize // 2}")
    if array.dtype != buffer.dtype:
        raise InternalError(f"kernel IR: an input of dtype {array.dtype} for a buffer of {buffer.dtype}")
    return array


class _Run:
    """Memory, sizes and errors of one evaluation."""

    def __init__(self, program: KernelProgram, symbols: Sequence[int]) -> None:
        self.program = program
        self.symbols = list(symbols)
        self.memory: dict[Buffer, Any] = {}  # a sequence is a list
        self.failed: dict[int, int | None] = {}  # error codes, and what their checks found first

    def size(self, size: Poly) -> int:
        return size.evaluate(self.symbols)

    def shape(self, buffer: Buffer) -> tuple[int, ...]:
        return tuple(self.size(n) for n in buffer.shape)

    def array(self, buffer: Buffer) -> Any:
        if buffer not in self.memory:
            if buffer.base is not None:
                self.memory[buffer] = self.array(buffer.base).reshape(self.shape(buffer))
            elif isinstance(buffer, SequenceBuffer):
                self.memory[buffer] = []
            else:
                junk = {"f": np.nan, "b": True}.get(buffer.dtype.kind, 0x55)
                self.memory[buffer] = np.full(self.shape(buffer), junk, buffer.dtype)
        return self.memory[buffer]

    def given(self, value: Any, buffer: Buffer) -> Any:
        """The memory of an input."""
        if isinstance(buffer, SequenceBuffer):
            return [self.given(value[i], buffer.element) for i in range(len(value))]
        return _as_pairs(value, buffer).reshape(self.shape(buffer))

    def statements(self) -> None:
        for statement in self.program.body:
            if isinstance(statement, Control):
                if self.failed:  # a loop must not run on what is wrong
                    raise Failed(self.failed)
                run_control(Machine(self.size, self.array, self.inside), statement)
            else:
                self.statement(statement)

    def inside(self, program: KernelProgram, inputs: Sequence[Any], held: Mapping[int, Any]) -> list[Any]:
        """The outputs of a program inside this one; ``held`` is what some of them hold before."""
        run = _Run(program, self.symbols)
        for buffer, value in zip(program.inputs, inputs, strict=True):
            run.memory[buffer] = value
        run.memory.update((program.outputs[k], value) for k, value in held.items())
        outputs = [run.array(buffer) for buffer in program.outputs]
        run.statements()
        if run.failed:
            raise Failed(run.failed)
        return outputs

    def statement(self, statement: Statement) -> None:
        if isinstance(statement, Kernel):
            _Space(self, statement).run()
        elif isinstance(statement, Product):
            self.product(statement)
        elif isinstance(statement, Call):
            code = statement.function.run([self.array(b) for b in statement.buffers])
            if code > 0:
                self.failed.setdefault(statement.code, code)
            elif code < 0:
                self.failed.setdefault(code, None)

    def product(self, p: Product) -> None:
        def operand(buffer: Buffer, rows: Poly, columns: Poly, transposed: bool) -> Any:
            array = self.array(buffer).reshape(-1)
            array = array.view(f"c{2 * buffer.dtype.itemsize}") if p.complex else array
            shape = (columns, rows) if transposed else (rows, columns)
            array = array.reshape([self.size(n) for n in (p.batch, *shape)])
            return array.swapaxes(1, 2) if transposed else array

        value = np.ascontiguousarray(
            operand(p.lhs, p.m, p.k, p.transpose_lhs) @ operand(p.rhs, p.k, p.n, p.transpose_rhs)
        )
        out = self.array(p.out)
        out[...] = (value.reshape(-1).view(p.out.dtype) if p.complex else value).reshape(out.shape)


class _Space:
    """One kernel over its iteration space."""

    def __init__(self, run: _Run, kernel: Kernel) -> None:
        self.memory = run
        self.body = kernel.body
        self.shape = tuple(run.size(n) for n in kernel.axes)
        self.start = (0,) * len(self.shape)
        self.values: dict[Value, Any] = {}
        # a reverse scan visits the points of the innermost axis in descending order: the space is laid out in the order
        # of visits
        self.backwards = any(isinstance(i, Scan) and i.reverse for i in kernel.body)

    def run(self) -> None:
        for instr in self.body:
            if isinstance(instr, Reduce):
                self.memory.array(instr.buffer)[...] = identity(instr.op, instr.buffer.dtype)
        if 0 in self.shape:
            return
        scattered = {i.buffer.root for i in self.body if isinstance(i, Scatter)}
        if any(
            isinstance(i, Load) and i.buffer.root in scattered for i in self.body
        ):  # each point reads what those before it wrote
            points, self.shape = np.ndindex(*self.shape), (1,) * len(self.shape)
            for self.start in points:
                self.instructions()
        else:
            self.instructions()

    def instructions(self) -> None:
        for instr in self.body:
            self.instruction(instr)

    def axis(self, number: int) -> np.ndarray:
        index = np.arange(self.shape[number]) + self.start[number]
        if self.backwards and number == len(self.shape) - 1:
            index = index[::-1]
        return index.reshape([-1 if k == number else 1 for k in range(len(self.shape))])

    def affine(self, index: Affine) -> Any:
        total: Any = self.memory.size(index.offset)
        for atom, scale in index.terms:
            total = total + (self.axis(atom) if isinstance(atom, int) else self.values[atom]) * self.memory.size(scale)
        return total

    def element(self, buffer: Buffer, index: Index, mask: Any = True) -> tuple[Any, ...]:
        """Indices, 0 where the mask is false; refuses those out of bounds where it is true."""
        where = []
        for axis, (affine, extent) in enumerate(zip(index, self.memory.shape(buffer), strict=True)):
            position = np.where(mask, self.affine(affine), 0)
            if np.any(((position < 0) | (position >= extent)) & mask):
                raise InternalError(
                    f"kernel IR: index {position.min()} to {position.max()} of axis {axis} of length {extent}"
                )
            where.append(position)
        return tuple(where)

    def instruction(self, instr: Instr) -> None:
        match instr:
            case Const():
                self.values[instr.out] = instr.out.dtype.type(instr.value)
            case SizeValue():
                self.values[instr.out] = np.int64(self.memory.size(instr.size))
            case AxisIndex():
                self.values[instr.out] = self.axis(instr.axis)
            case Load():
                self.values[instr.out] = self.load(instr)
            case Compute():
                self.values[instr.out] = evaluate(instr.op, tuple(self.values[a] for a in instr.args), instr.out.dtype)
            case Store():
                self.store(instr)
            case Reduce():
                self.reduce(instr)
            case Scatter():
                self.scatter(instr)
            case Scan():
                full = np.broadcast_to(self.values[instr.value], self.shape)
                with np.errstate(all="ignore"):
                    function: Any = OPS[ACCUMULATE[instr.op]].function
                    self.values[instr.out] = function.accumulate(full, axis=-1, dtype=full.dtype)
            case Check():
                self.check(instr)

    def check(self, instr: Check) -> None:
        if np.all(self.values[instr.ok]) or instr.code in self.memory.failed:
            return
        found = None
        if instr.value is not None:
            ok, value = self.points(self.values[instr.ok], self.values[instr.value])
            found = int(value[~ok][0])
        self.memory.failed[instr.code] = found

    def load(self, instr: Load) -> Any:
        array = self.memory.array(instr.buffer)
        if instr.mask is None:
            return array[self.element(instr.buffer, instr.index)]
        mask = self.values[instr.mask]
        fill = instr.buffer.dtype.type(instr.fill)
        if not np.any(mask):
            return np.full(np.shape(mask), fill)[()]
        return np.where(mask, array[self.element(instr.buffer, instr.index, mask)], fill)[()]

    def points(self, *values: Any) -> list[np.ndarray]:
        """Values at every point, in the order in which points are visited."""
        return [np.broadcast_to(v, self.shape).reshape(-1) for v in values]

    def store(self, instr: Store) -> None:
        array = self.memory.array(instr.buffer)
        mask = True if instr.mask is None else self.values[instr.mask]
        *where, value, live = self.points(
            *self.element(instr.buffer, instr.index, mask), self.values[instr.value], mask
        )
        where = [w[live] for w in where]
        if where and len(np.unique(np.ravel_multi_index(tuple(where), array.shape))) != np.count_nonzero(live):
            raise InternalError("kernel IR: two points store to one element")
        if np.any(live):
            array[tuple(where)] = value[live] if where else value[live].item()

    def reduce(self, instr: Reduce) -> None:
        array = self.memory.array(instr.buffer)
        function: Any = OPS[ACCUMULATE[instr.op]].function
        named = [t[0][0] for t in (a.terms for a in instr.index) if len(t) == 1 and t[0][1] == 1]
        plain = all(a.offset == 0 or not a.terms for a in instr.index) and len(set(named)) == sum(
            bool(a.terms) for a in instr.index
        )
        with np.errstate(all="ignore"):
            if not plain:
                *where, value = self.points(*self.element(instr.buffer, instr.index), self.values[instr.value])
                function.at(array, tuple(where), value)
                return
            full = np.broadcast_to(self.values[instr.value], self.shape)
            reduced = tuple(k for k in range(len(self.shape)) if k not in named)
            total = function.reduce(full, axis=reduced, dtype=full.dtype, keepdims=True)
            place = self.element(instr.buffer, instr.index)
            array[place] = total.reshape(np.broadcast_shapes(*(np.shape(w) for w in place)) if place else ())

    def scatter(self, instr: Scatter) -> None:
        array = self.memory.array(instr.buffer)
        *where, value = self.points(*self.element(instr.buffer, instr.index), self.values[instr.value])
        with np.errstate(all="ignore"):
            if instr.op != "set":
                function: Any = OPS[ACCUMULATE[instr.op]].function
                function.at(array, tuple(where), value)
                return
            for *position, v in zip(*where, value, strict=True):
                array[tuple(position)] = v
