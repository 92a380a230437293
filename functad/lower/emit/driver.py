"""The driver: the function that runs a program's statements in order, and the functions that it calls.

Scalars are registers of the driver and go to kernels by value. Code without loops is written into the driver itself,
or, where that would be too long, into functions of ``PIECE`` instructions, between which scalars are in memory.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.bounds import bounded
from functad.kernel_ir.checked import without_clamps
from functad.kernel_ir.codes import SIZE_OVERFLOW
from functad.kernel_ir.control import Branch, Control, Loop, While
from functad.kernel_ir.nodes import Buffer, Call, Compute, Kernel, KernelProgram, Load, Product, Statement
from functad.lower.emit.cells import Cells
from functad.lower.emit.clock import clocked_name, end_clock, plain_driver, spend_if_long, start_clock
from functad.lower.emit.code import Code
from functad.lower.emit.control import Body, Writer
from functad.lower.emit.exits import Exits
from functad.lower.emit.failures import Failure, note_failures, noted_value
from functad.lower.emit.frame import write_frame
from functad.lower.emit.kernel import fill_buffer, write_nest
from functad.lower.emit.loops import LoopNest
from functad.lower.emit.memory import load_one, store_one
from functad.lower.emit.nest import shape_nest
from functad.lower.emit.operations import is_long
from functad.lower.emit.parallel import Blocks, Division, blocks_of
from functad.lower.emit.plan import Plan, mentioned, plan_memory, written
from functad.lower.emit.product import emit_product, method, product_kernel
from functad.lower.emit.straight import PIECE, WHOLE, cut, size
from functad.lower.emit.timer import Timer
from functad.lower.emit.work import is_heavy, is_short, needs_clock, work_of_statement
from functad.lower.emit.workspace import make_room, release, room_in, room_needed, stack
from functad.lower.llvm.target import Target
from functad.lower.native.python import NOTE_OFFENDER

__all__ = ["Driver"]

OFTEN = 4
"""A math function that code without loops uses so often is called, not written out."""

OFTEN_IN_LOOPS = 8
"""The same for loops, where a call costs more: vectors in registers do not outlive it."""

Step = Statement | list[Kernel]
"""What the driver does at a time: a statement, or a function of several kernels without loops."""


class Driver:
    """Writes the driver of a program; the functions that it calls gather in ``kernels`` and ``functions`` (bodies),
    which a body shares with the driver around it.
    """

    def __init__(
        self,
        program: KernelProgram,
        target: Target,
        threads: bool,
        around: Driver | None = None,
        timer: Timer | None = None,
    ) -> None:
        self.program = program
        self.target = target
        self.threads = threads
        self.timer: Timer | None = timer if around is None else around.timer
        self.outermost = around is None
        self.code: Code = Code(set() if around is None else around.code.declarations, fastmath=target.fastmath)
        self.functions: list[str] = [] if around is None else around.functions
        self.kernels: list[str] = [] if around is None else around.kernels
        self.pointers: dict[Buffer, str] = {}
        self.registers: dict[Buffer, str] = {}
        self.exits = Exits(self.code, not self.outermost)
        self.body = [piece for s in program.body for piece in self._pieces(s)]
        if self.exits.early and sum(size(s.body) for s in self.body if isinstance(s, Kernel)) <= WHOLE:
            self.body = without_clamps(self.body)  # it will not be in chunks
        self.nests = {id(s): LoopNest(shape_nest(s), target) for s in self.body if isinstance(s, Kernel)}
        self.blocks: dict[int, Blocks] = {}
        for key, nest in self.nests.items():
            if threads and not nest.straight and (blocks := blocks_of(nest)) is not None:
                self.blocks[key] = blocks
        self.steps = self._steps()
        self.clocked = False  # whether it looks at the clock between its statements: not that of a body
        self.code.outlined = self._outlined()
        self.bounded = {id(s): made for s in self.body if isinstance(s, Loop) and (made := bounded(s)) is not None}
        self.inner = {id(s): self._bodies(s) for s in self.body if isinstance(s, Control)}
        self.cells = Cells(self.code, [b for s in self.body for b in mentioned(s)])
        for body in itertools.chain.from_iterable(self.inner.values()):
            self.cells.include(body.name, body.cells)

    def _bodies(self, statement: Control) -> list[Body]:
        """What runs inside a statement, written."""
        with nullcontext() if self.timer is None else self.timer.inside(statement):
            return [BodyDriver(p, self).write() for p in self._programs(statement)]

    def emit(self, name: str) -> str:
        """The text of the driver."""
        plan = self._plan()
        self.clocked = needs_clock(self.program)
        sizes = write_frame(self.code, self.program.symbols) if self.program.checks or self.clocked else "%sizes"
        self._arguments()
        room, allocated = make_room(self.code, plan)
        if self.clocked:
            start_clock(self.code)
        self.pointers.update(room)
        self.cells.make()
        with nullcontext() if self.timer is None else self.timer.whole(self.code):
            error = self._run()
        self.cells.free()
        release(self.code, allocated)
        if any(check.names_value for check in self.program.checks):
            with self.code.when(self.code.emit(f"icmp sgt i32 {error}, 0"), ()):
                self.code.call(NOTE_OFFENDER, noted_value(self.code))
        parameters = f"ptr noalias %inputs, ptr noalias %outputs, ptr noalias {sizes}"
        if not self.clocked:
            return self.code.function(f"i32 @{name}({parameters}) nounwind", f"i32 {error}")
        end_clock(self.code)
        text = self.code.function(
            f"i32 @{clocked_name(name)}({parameters}, i64 %caller) noinline nounwind", f"i32 {error}"
        )
        return f"{plain_driver(name)}\n\n{text}"

    @property
    def scalar(self) -> bool:
        """Whether all that it does is on scalars, without a loop."""
        return all(
            self.nests[id(s)].straight
            if isinstance(s, Kernel)
            else isinstance(s, Branch) and all(b.scalar for b in self.inner[id(s)])
            for s in self.body
        )

    @property
    def scalar_loops(self) -> bool:
        """Whether there are loops, at any depth, whose steps are on scalars, without a loop; short ones only in others
        that are not.
        """
        return any(
            b.scalar_loops or (b.scalar and isinstance(s, Loop | While))
            for s in self.body
            if isinstance(s, Control) and not (self.outermost and isinstance(s, Loop) and is_short(s))
            for b in self.inner[id(s)]
        )

    def _plan(self) -> Plan:
        """The plan of the workspace."""
        scalars = self._scalars_in_memory()
        self.scalar_slots = {b: slot for slot, b in enumerate(scalars)}
        return plan_memory([mentioned(s) + self._extra(s) for s in self.body], scalars)

    def _extra(self, statement: Statement) -> list[Buffer]:
        """Memory that a statement needs besides its buffers."""
        if id(statement) in self.blocks:
            return [self.blocks[id(statement)].memory]
        return [body.workspace for body in self.inner.get(id(statement), ()) if body.workspace is not None]

    def _run(self) -> str:
        """All steps; the smallest error."""
        if self.inner and not self._chunked:  # apart, they can become registers
            self.pointers.update({b: stack(self.code, 8) for b in self.scalar_slots})
        self.pointers.update(self.cells.places())
        self._table()
        for step in self.steps:
            if self.timer is None or isinstance(step, list) or self._is_straight(step):
                self._step(step)
            else:
                with self.timer.run(self.code, step):
                    self._step(step)
            if self.clocked and step is not self.steps[-1] and not isinstance(step, list) and is_heavy(step):
                spend_if_long(self.code, self.exits, work_of_statement(step))
        return self.exits.end()

    def _is_straight(self, statement: Statement) -> bool:
        """Whether a statement is a kernel without loops."""
        return isinstance(statement, Kernel) and self.nests[id(statement)].straight

    # ---- the steps

    def _step(self, step: Step) -> None:
        match step:
            case Kernel():
                self._kernel(step)
            case Product():
                self._product(step)
            case Call():
                self._call(step)
            case Control():
                ranges = self.bounded[id(step)].ranges if id(step) in self.bounded else ()
                bodies = self.inner[id(step)]
                inside = not self.outermost
                Writer(
                    self.code, self.exits, self.cells, self.pointers, bodies, ranges, self.program.symbols, inside
                ).write(step)
                self._forget(written(step))
            case list():
                self._chunk(step)

    def _pieces(self, statement: Statement) -> list[Statement]:
        """A statement as what is written: some products are kernels, and long kernels are cut."""
        paths = statement.paths
        if isinstance(statement, Product) and method(statement) == "loops":
            statement = product_kernel(statement)
        pieces: list[Statement] = list(cut(statement)) if isinstance(statement, Kernel) else [statement]
        for piece in pieces:
            piece.paths = paths
        return pieces

    def _steps(self) -> list[Step]:
        """The statements, those without loops gathered into functions if there are many instructions in them."""
        straight = [s for s in self.body if isinstance(s, Kernel) and self.nests[id(s)].straight]
        if sum(size(s.body) for s in straight) <= WHOLE:
            return list(self.body)
        steps: list[Step] = []
        room = 0
        for s in self.body:
            if not isinstance(s, Kernel) or not self.nests[id(s)].straight:
                steps.append(s)
                room = 0
            elif size(s.body) <= room and isinstance(steps[-1], list):
                steps[-1].append(s)
                room -= size(s.body)
            else:
                steps.append([s])
                room = PIECE - size(s.body)
        return steps

    def _programs(self, statement: Control) -> list[KernelProgram]:
        """The programs inside a statement, and for a loop that may be in bounds its body then."""
        found = self.bounded.get(id(statement))
        return [*statement.programs] if found is None else [*statement.programs, found.body]

    def _outlined(self) -> dict[tuple[str, np.dtype], set[int]]:
        """Functions of the math library that are called, since they are used often."""
        straight: Counter[tuple[str, np.dtype]] = Counter()
        loops: Counter[tuple[str, np.dtype]] = Counter()
        for s in self.body:
            if isinstance(s, Kernel):
                uses = loops if s.axes else straight
                uses.update([(i.op, i.args[-1].dtype) for i in s.body if isinstance(i, Compute) and is_long(i.op)])
        often = {use for use, count in straight.items() if count >= OFTEN} | {
            use for use, count in loops.items() if count >= OFTEN_IN_LOOPS
        }
        return {use: set() for use in often}

    def _scalars_in_memory(self) -> dict[Buffer, None]:
        """The scalar temporaries that loops or native functions write, or that two functions share."""
        found: dict[Buffer, None] = {}
        user: dict[Buffer, int] = {}
        for number, step in enumerate(self.steps):
            for s in step if isinstance(step, list) else [step]:
                inline = isinstance(s, Kernel) and self.nests[id(s)].straight
                for b in mentioned(s):
                    if b.shape == () and b.role == "temp":
                        home = number if isinstance(step, list) else -1
                        if (
                            user.setdefault(b, home) != home
                            or not isinstance(s, Kernel)
                            or (not inline and b in written(s))
                        ):
                            found[b] = None
        return found

    # ---- memory

    def _arguments(self) -> None:
        """Pointers to inputs and outputs, and the values of scalar inputs."""
        code = self.code
        used = {b for s in self.body for b in mentioned(s)}
        for array, buffers in (("%inputs", self.program.inputs), ("%outputs", self.program.outputs)):
            for number, buffer in enumerate(buffers):
                if buffer in used:
                    self.pointers[buffer] = code.emit(f"load ptr, ptr {code.offset('ptr', array, str(number))}")
                    if buffer.shape == () and buffer.role == "input" and not self._chunked:
                        self.registers[buffer] = load_one(code, buffer.dtype, self.pointers[buffer])

    @property
    def _chunked(self) -> bool:
        return any(isinstance(step, list) for step in self.steps)

    def _table(self) -> None:
        """All addresses in an array, for functions of straight code."""
        if self._chunked:
            arrays = [b for b in self.pointers if b not in self.scalar_slots]
            self.slots = {b: number for number, b in enumerate(arrays)}
            self.table = self._array("ptr", [self.pointers[b] for b in arrays])

    def _array(self, type: str, values: Sequence[str]) -> str:
        array = self.code.name()
        self.code.prologue.append(f"  {array} = alloca [{max(len(values), 1)} x {type}], align 8")
        for number, value in enumerate(values):
            self.code.line(f"store {type} {value}, ptr {self.code.offset(type, array, str(number))}")
        return array

    def _scalar(self, buffer: Buffer) -> str:
        """The value of a scalar, loaded if it is only in memory so far."""
        if buffer not in self.registers:
            self.registers[buffer] = load_one(self.code, buffer.dtype, self.pointers[buffer])
        return self.registers[buffer]

    def _forget(self, buffers: Iterable[Buffer]) -> None:
        """Scalars have new values in memory."""
        for b in buffers:
            self.registers.pop(b, None)

    # ---- kernels

    def _kernel(self, kernel: Kernel) -> None:
        nest = self.nests[id(kernel)]
        writes = written(kernel)
        if nest.straight:
            for b in scalars_read(kernel):
                if b in self.pointers:
                    self._scalar(b)
            write_nest(nest, self.code, self.pointers, self.registers, inline=True, exits=self.exits)
            return
        scalars = [b for b in mentioned(kernel) if b.shape == () and b not in writes]
        arrays = [b for b in mentioned(kernel) if b not in scalars]
        if id(kernel) in self.blocks:
            self._in_blocks(kernel, arrays, scalars)
        else:
            self._at_once(kernel, arrays, scalars)
        self.exits.note_checks(nest.checks)
        self._forget(writes)

    def _name(self, what: str) -> str:
        return f"@{re.sub(r'[^a-zA-Z0-9_.]', '_', what)}.{len(self.functions) + len(self.kernels)}"

    @property
    def _attributes(self) -> str:
        """Those of a kernel, with a stack on which vectors do not straddle cache lines: LLVM only finds out that it
        spills some when it is too late to align the stack by itself, and the gradient of an elementwise function then
        takes 6.3 ns an element, not 3.5.
        """
        return f"nounwind alignstack({max(16, self.target.vector_bits // 8)})"

    def _function(self) -> Code:
        """The text of another function."""
        return Code(self.code.declarations, self.code.outlined, self.target.fastmath)

    def _at_once(self, kernel: Kernel, arrays: Sequence[Buffer], scalars: Sequence[Buffer]) -> None:
        """A function whose parameters are the addresses of arrays and the values of scalars."""
        code, name = self._function(), self._name(kernel.name)
        types = [code.scalar.ty(dtype_name(b.dtype)) for b in scalars]
        parameters = [f"ptr noalias %b{k}" for k in range(len(arrays))] + [
            f"{type} %r{k}" for k, type in enumerate(types)
        ]
        write_nest(self.nests[id(kernel)], code, _numbered(arrays, "%b"), _numbered(scalars, "%r"))
        header = f"internal void {name}({', '.join([*parameters, 'ptr noalias %sizes'])}) {self._attributes}"
        self.kernels.append(code.function(header, "void"))
        arguments = [f"ptr {self.pointers[b]}" for b in arrays]
        arguments += [f"{type} {self._scalar(b)}" for type, b in zip(types, scalars, strict=True)]
        self.code.line(f"call void {name}({', '.join([*arguments, 'ptr %sizes'])})")

    def _in_blocks(self, kernel: Kernel, arrays: Sequence[Buffer], scalars: Sequence[Buffer]) -> None:
        """A function of a range of indices, whose other parameters are in an array; it is called once, or by several
        threads.
        """
        blocks, nest = self.blocks[id(kernel)], self.nests[id(kernel)]
        code, name = self._function(), self._name(kernel.name)
        own = [b for b in arrays if b not in blocks.partial]
        pointers, values = _unpacked(code, own, scalars)
        pointers.update({b: code.offset("i8", "%partials", str(offset)) for b, offset in blocks.partial.items()})
        write_nest(nest, code, pointers, values, block=(blocks.axis, "%begin", "%end"))
        header = f"internal void {name}(ptr %data, i64 %begin, i64 %end, ptr %partials) {self._attributes}"
        self.kernels.append(code.function(header, "void"))
        common = set(map(id, nest.accumulated(blocks.axis)))
        for root, instr in {i.buffer.root: i for i in nest.accumulated(None) if id(i) not in common}.items():
            fill_buffer(self.code, instr, self.pointers[root])
        division = Division(self.code, blocks, self.pointers[blocks.memory])
        division.run(name, self._packed(own, scalars))
        division.combine(self.pointers)

    def _packed(self, arrays: Sequence[Buffer], scalars: Sequence[Buffer]) -> str:
        """Sizes, addresses and values in an array."""
        code = self.code
        array = self._array("ptr", ["%sizes", *(self.pointers[b] for b in arrays)] + ["null"] * len(scalars))
        for number, b in enumerate(scalars, 1 + len(arrays)):
            store_one(code, b.dtype, code.offset("ptr", array, str(number)), self._scalar(b))
        return array

    def _chunk(self, kernels: Sequence[Kernel]) -> None:
        """A function of several kernels without loops; all that it shares with others is in memory."""
        code, name = self._function(), self._name("straight")
        pointers: dict[Buffer, str] = {}
        registers: dict[Buffer, str] = {}
        for b in dict.fromkeys(b for k in kernels for b in mentioned(k)):
            if b in self.scalar_slots:
                pointers[b] = code.offset("i64", "%scalars", str(self.scalar_slots[b]))
            elif b in self.slots:
                pointers[b] = code.emit(f"load ptr, ptr {code.offset('ptr', '%table', str(self.slots[b]))}")
        for kernel in kernels:
            for b in scalars_read(kernel):
                if b in pointers and b not in registers:
                    registers[b] = load_one(code, b.dtype, pointers[b])
            write_nest(self.nests[id(kernel)], code, pointers, registers, inline=True)
            self.exits.note_checks(self.nests[id(kernel)].checks)
        self.kernels.append(
            code.function(f"internal void {name}(ptr %table, ptr %scalars, ptr %sizes) nounwind", "void")
        )
        scalars = self.pointers[next(iter(self.scalar_slots))] if self.scalar_slots else "null"
        self.code.line(f"call void {name}(ptr {self.table}, ptr {scalars}, ptr %sizes)")
        self._forget(b for k in kernels for b in written(k))

    # ---- other statements

    def _product(self, p: Product) -> None:
        large = emit_product(self.code, self.target, p, *[self.pointers[b.root] for b in (p.out, p.lhs, p.rhs)])
        if large != "false":
            self.exits.note(self.code.emit(f"select i1 {large}, i32 {SIZE_OVERFLOW}, i32 0"))

    def _call(self, call: Call) -> None:
        """A native function gets an array of data pointers and one of sizes, both on the stack."""
        code = self.code
        buffers = self._array("ptr", [self.pointers[b.root] for b in call.buffers])
        sizes = self._array("i64", [code.size(n) for n in call.sizes])
        error = code.call(call.function, buffers, sizes)
        if call.code:
            failed, number = code.emit(f"icmp sgt i32 {error}, 0"), code.emit(f"sext i32 {error} to i64")
            note_failures(code, 1, [Failure(call.code, failed, number)], "0")
            self.exits.note_checks(True)
            error = code.scalar.intrinsic("smin", "i32", error, "0")
        self.exits.note(error)
        self._forget(written(call))


INLINED = 400
"""A body of at most so many instructions is inlined into its loop."""


APART = 64
"""LLVM is told that the arrays of a body lie apart if these are so many. It notes that at each access for each of them
where it inlines the body, which grows with their square, and once more in each body around.
"""


class BodyDriver(Driver):
    """Writes what runs inside a loop or branch: a function of the addresses of inputs, outputs and a workspace."""

    def __init__(self, program: KernelProgram, around: Driver) -> None:
        super().__init__(program, around.target, around.threads, around)
        self.sizes = self.code.given_sizes(program.symbols)

    def write(self) -> Body:
        """Write the function."""
        plan = self._plan()
        needed = room_needed(plan)
        self._arguments()
        self.pointers.update(
            make_room(self.code, plan)[0] if needed is None else room_in(self.code, plan, "%workspace")
        )
        error = self._run()
        self.cells.trim()
        name = self._name("body")
        names = [f"%in{k}" for k in range(len(self.program.inputs))]
        names += [f"%out{k}" for k in range(len(self.program.outputs))]
        kind = "ptr noalias" if len(names) <= APART else "ptr"
        kinds = [f"{kind} {name}" for name in names]
        small = not self._chunked and sum(size(s.body) if isinstance(s, Kernel) else 10 for s in self.body) <= INLINED
        attributes = "alwaysinline nounwind" if small else "noinline nounwind"
        parameters = ", ".join([*kinds, "ptr noalias %workspace", "ptr noalias %cells", "ptr noalias %sizes"])
        header = f"internal i32 {name}({parameters}{self.sizes}) {attributes}"
        self.functions.append(self.code.function(header, f"i32 {error}"))
        workspace = None if needed is None else Buffer((needed,), np.dtype(np.uint8))
        cells = tuple(self.cells.all)
        return Body(name, workspace, cells, error != "0", self.scalar and not self._chunked, self.scalar_loops)

    def _arguments(self) -> None:
        """Pointers to inputs and outputs, and the values of scalar inputs."""
        for prefix, buffers in (("%in", self.program.inputs), ("%out", self.program.outputs)):
            self.pointers.update({buffer: f"{prefix}{number}" for number, buffer in enumerate(buffers)})
        for buffer in self.program.inputs:
            if buffer.shape == () and not self._chunked:
                self._scalar(buffer)


def scalars_read(kernel: Kernel) -> list[Buffer]:
    """The scalars that a kernel loads."""
    roots = [i.buffer.root for i in kernel.body if isinstance(i, Load)]
    return [b for b in dict.fromkeys(roots) if b.shape == ()]


def _numbered(buffers: Sequence[Buffer], prefix: str) -> dict[Buffer, str]:
    return {b: f"{prefix}{k}" for k, b in enumerate(buffers)}


def _unpacked(
    code: Code, arrays: Sequence[Buffer], scalars: Sequence[Buffer]
) -> tuple[dict[Buffer, str], dict[Buffer, str]]:
    """The addresses and values that ``_packed`` stored; ``%sizes``, too."""
    code.prologue.append("  %sizes = load ptr, ptr %data")

    def slot(number: int) -> str:
        return code.offset("ptr", "%data", str(number))

    pointers = {b: code.emit(f"load ptr, ptr {slot(1 + k)}") for k, b in enumerate(arrays)}
    return pointers, {b: load_one(code, b.dtype, slot(1 + len(arrays) + k)) for k, b in enumerate(scalars)}
