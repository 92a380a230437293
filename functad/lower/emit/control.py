"""Loops and branches: the body is a function of addresses, which a small one is inlined from, so that scalars live in
registers.

What changes from step to step is in variables on the stack, and LLVM's ``sroa`` makes registers of them. A large carry
is not copied: each step reads it in one place and writes it in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from functad.kernel_ir.codes import OUT_OF_MEMORY
from functad.kernel_ir.control import Branch, Carry, Control, Loop, SequenceBuffer, SequenceCopy, SequenceLength, While
from functad.kernel_ir.nodes import Buffer
from functad.kernel_ir.sizes import Poly, product
from functad.lower.emit import sequences
from functad.lower.emit.cells import Cells
from functad.lower.emit.clock import Strips
from functad.lower.emit.code import Code, memory_type
from functad.lower.emit.exits import Exits
from functad.lower.emit.work import is_short, work_of_step
from functad.lower.emit.workspace import stack

__all__ = ["PASSES", "Body", "Writer"]

PASSES = ("always_inliner", "sroa")
"""What LLVM runs on programs with control flow before it generates code."""

TURNS = 4
"""A loop of unknown length whose steps are short compares their number with the end of the strip after so many."""

SMALL = 8
"""Carries of at most so many elements are copied from step to step."""


@dataclass(frozen=True, slots=True)
class Body:
    """A function of the addresses of inputs, outputs, a workspace (None if it needs none) and cells; ``fails``: whether
    it can give an error.
    """

    name: str
    workspace: Buffer | None
    cells: tuple[SequenceBuffer, ...]
    fails: bool


@dataclass(slots=True)
class State:
    """A part of a carry: variables that hold the address to read from, that to write to, and the one after that; or two
    places (one, in place).
    """

    carry: Carry
    current: str
    next: str
    other: (
        str  # empty for a small part, or one that is updated in place: then current and next are the places themselves
    )


class Writer:
    """Writes one statement into a function, whose exits, cells and addresses of buffers these are."""

    def __init__(
        self, code: Code, exits: Exits, cells: Cells, pointers: Mapping[Buffer, str], bodies: Sequence[Body]
    ) -> None:
        self.code = code
        self.exits = exits
        self.cells = cells
        self.pointers = pointers
        self.bodies = bodies

    def write(self, statement: Control) -> None:
        """The code of a statement."""
        self.exits.stop_on_errors()
        match statement:
            case Loop():
                self._loop(statement)
            case While():
                self._while(statement)
            case Branch():
                self._branch(statement)
            case SequenceLength():
                code = self.code
                length = code.emit(f"load i64, ptr {sequences.length_place(code, self.address(statement.sequence))}")
                code.line(f"store i64 {length}, ptr {self.address(statement.out)}")
            case SequenceCopy():
                self.require(
                    sequences.copy(
                        self.code, statement.sequence, self.address(statement.out), self.address(statement.sequence)
                    )
                )

    # ---- pieces

    def address(self, buffer: Buffer) -> str:
        """Where a buffer is."""
        return self.pointers[buffer.root]

    def _call(self, body: Body, addresses: Sequence[str]) -> None:
        """Run a body; the driver ends where it fails."""
        workspace = "null" if body.workspace is None else self.address(body.workspace)
        cells = self.cells.of(body.name) if body.cells else "null"
        arguments = ", ".join([f"ptr {a}" for a in (*addresses, workspace, cells, "%sizes")])
        error = self.code.emit(f"call i32 {body.name}({arguments})")
        if body.fails:
            self.exits.stop_if(self.code.emit(f"icmp ne i32 {error}, 0"), error)

    def require(self, ok: str) -> None:
        """The driver ends if there was no memory."""
        self.exits.stop_if(self.code.emit(f"xor i1 {ok}, true"), str(OUT_OF_MEMORY))

    def variable(self, type: str, value: str) -> str:
        """A variable on the stack; its address."""
        name = self.code.name()
        self.code.prologue.append(f"  {name} = alloca {type}, align 8")
        self.code.line(f"store {type} {value}, ptr {name}")
        return name

    def read(self, type: str, variable: str) -> str:
        """What is at an address."""
        return self.code.emit(f"load {type}, ptr {variable}")

    def _copy_small(self, buffer: Buffer, target: str, source: str) -> None:
        type = memory_type(buffer.dtype)
        for k in range(product(buffer.shape).constant or 0):
            value = self.code.emit(f"load {type}, ptr {self.code.offset(type, source, str(k))}")
            self.code.line(f"store {type} {value}, ptr {self.code.offset(type, target, str(k))}")

    def _copy_large(self, buffer: Buffer, target: str, source: str) -> None:
        self.code.declarations.add("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        bytes = self.code.size(product(buffer.shape) * buffer.dtype.itemsize)
        self.code.line(f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {bytes}, i1 false)")

    def _place(self, buffer: Buffer) -> str:
        return stack(self.code, (product(buffer.shape).constant or 0) * buffer.dtype.itemsize)

    def _constants(self, buffers: Sequence[Buffer]) -> list[str]:
        """The addresses of what stays the same; what is small is copied, so that it can be in registers."""
        found = []
        for b in buffers:
            found.append(self.address(b))
            if is_small(b):
                found[-1] = self._place(b)
                self._copy_small(b, found[-1], self.address(b))
        return found

    # ---- the carry

    def _begin(self, carry: Carry, odd: str | None) -> State:
        """The state before the first step. ``odd``: whether the number of steps is odd, so that the last one writes to
        where the result belongs.
        """
        if is_small(carry.last):
            current = self._place(carry.last)
            following = current if carry.in_place else self._place(carry.last)
            self._copy_small(carry.last, current, self.address(carry.first))
            return State(carry, current, following, "")
        if carry.in_place:
            if carry.first is not carry.last:
                self._copy_large(carry.last, self.address(carry.last), self.address(carry.first))
            return State(carry, self.address(carry.last), self.address(carry.last), "")
        last, spare = self.address(carry.last), self.address(carry.spare)
        following, other = last, spare
        if odd is not None:
            following = self.code.emit(f"select i1 {odd}, ptr {last}, ptr {spare}")
            other = self.code.emit(f"select i1 {odd}, ptr {spare}, ptr {last}")
        return State(carry, *[self.variable("ptr", p) for p in (self.address(carry.first), following, other)])

    def _current(self, state: State) -> str:
        return self.read("ptr", state.current) if state.other else state.current

    def _next(self, state: State) -> str:
        return self.read("ptr", state.next) if state.other else state.next

    def _advance(self, state: State) -> None:
        if not state.other:
            if state.current != state.next:
                self._copy_small(state.carry.last, state.current, state.next)
            return
        written, other = self.read("ptr", state.next), self.read("ptr", state.other)
        for variable, value in ((state.current, written), (state.next, other), (state.other, written)):
            self.code.line(f"store ptr {value}, ptr {variable}")

    def _end(self, state: State) -> None:
        buffer = state.carry.last
        last = self.address(buffer)
        if not state.other:
            if state.current != last:
                self._copy_small(buffer, last, state.current)
            return
        code, current = self.code, self._current(state)
        copy, done = code.label(), code.label()
        code.line(f"br i1 {code.emit(f'icmp ne ptr {current}, {last}')}, label %{copy}, label %{done}")
        code.begin(copy)
        if isinstance(buffer, SequenceBuffer):
            self.require(sequences.copy(code, buffer, last, current))
        else:
            self._copy_large(buffer, last, current)
        code.start(done)

    # ---- loops

    def _loop(self, loop: Loop) -> None:
        code, (body,) = self.code, self.bodies
        n = self._steps(loop)
        for b in loop.elements:
            self._require_elements(loop, b, n)
        for b in loop.written:
            if isinstance(b, SequenceBuffer):
                self.require(sequences.resize(code, b, self.address(b), n))
        consts = self._constants(loop.consts)
        odd = code.emit(f"trunc i64 {n} to i1") if n[0] == "%" else str(int(n) % 2 == 1).lower()
        states = [self._begin(c, odd) for c in loop.carry]
        places = [self._elements(b) for b in (*loop.elements, *loop.written)]
        counter = self.variable("i64", "0")
        head, turn, over, done = (code.label() for _ in range(4))
        strips = None if is_short(loop) else Strips(code, self.exits, work_of_step(loop.body))
        if strips is None:
            code.start(head)
            end = n
        else:
            again, end_place = code.label(), self.variable("i64", "0")
            code.start(again)
            begin = self.read("i64", end_place)
            length = code.minimum(code.sub(n, begin), strips.length)
            strips.spend(length)
            end = code.add(begin, length)
            code.line(f"store i64 {end}, ptr {end_place}")
            code.line(f"store i64 {begin}, ptr {counter}")
            code.start(head)
        step = self.read("i64", counter)
        code.line(f"br i1 {code.emit(f'icmp slt i64 {step}, {end}')}, label %{turn}, label %{over}")
        code.begin(turn)
        index = code.sub(code.sub(n, "1"), step) if loop.reverse else step
        at = [code.offset("i8", data, code.mul(index, size)) for data, size in places]
        read, written = at[: len(loop.elements)], at[len(loop.elements) :]
        self._call(body, [*consts, *map(self._current, states), *read, *map(self._next, states), *written])
        for state in states:
            self._advance(state)
        code.line(f"store i64 {code.add(step, '1')}, ptr {counter}")
        code.line(f"br label %{head}")
        code.begin(over)
        if strips is not None:
            code.line(f"br i1 {code.emit(f'icmp slt i64 {end}, {n}')}, label %{again}, label %{done}")
            code.begin(done)
        for state in states:
            self._end(state)

    def _steps(self, loop: Loop) -> str:
        if isinstance(loop.steps, Poly):
            return self.code.size(loop.steps)
        return self.code.scalar.intrinsic("smax", "i64", self.read("i64", self.address(loop.steps)), "0")

    def _require_elements(self, loop: Loop, buffer: Buffer, n: str) -> None:
        """A sequence has as many elements as there are steps, by construction; that it has is what keeps memory
        safe.
        """
        code = self.code
        if isinstance(buffer, SequenceBuffer):
            present = self.read("i64", sequences.length_place(code, self.address(buffer)))
        elif isinstance(loop.steps, Poly) and loop.steps == buffer.shape[0]:
            return
        else:
            present = code.size(buffer.shape[0])
        self.exits.stop_if(code.emit(f"icmp slt i64 {present}, {n}"), str(loop.code))

    def _elements(self, buffer: Buffer) -> tuple[str, str]:
        """The address of the first element, and the size of one in bytes."""
        if isinstance(buffer, SequenceBuffer):
            return self.read("ptr", self.address(buffer)), sequences.element_bytes(self.code, buffer)
        return self.address(buffer), self.code.size(product(buffer.shape[1:]) * buffer.dtype.itemsize)

    def _while(self, loop: While) -> None:
        code, (test, body) = self.code, self.bodies
        tested, consts = self._constants(loop.test_consts), self._constants(loop.consts)
        states = [self._begin(c, None) for c in loop.carry]
        tapes = [Tape(self, b) for b in loop.written]
        flag, counter = self._place(loop.flag), self.variable("i64", "0")
        strips = Strips(code, self.exits, work_of_step(loop.test, loop.body))
        end = self.variable("i64", strips.length)
        head, over, done = (code.label() for _ in range(3))
        code.start(head)
        step = self.read("i64", counter)
        left: list[tuple[str, str]] = []  # blocks that leave the loop, and the steps until then
        for _ in range(TURNS if strips.short else 1):
            turn = code.label()
            left.append((code.label(), step))
            current = [self._current(s) for s in states]
            self._call(test, [*tested, *current, flag])
            goes_on = code.emit(f"icmp ne i8 {self.read('i8', flag)}, 0")
            code.line(f"br i1 {goes_on}, label %{turn}, label %{left[-1][0]}")
            code.begin(turn)
            written = [tape.place(step) for tape in tapes]
            self._call(body, [*consts, *current, *map(self._next, states), *written])
            for state in states:
                self._advance(state)
            step = code.add(step, "1")
        code.line(f"store i64 {step}, ptr {counter}")
        bound = self.read("i64", end)
        code.line(f"br i1 {code.emit(f'icmp slt i64 {step}, {bound}')}, label %{head}, label %{over}")
        code.begin(over)
        code.line(f"store i64 {code.add(bound, strips.length)}, ptr {end}")
        strips.spend(strips.length)
        code.line(f"br label %{head}")
        for label, steps in left:
            code.begin(label)
            code.line(f"store i64 {steps}, ptr {counter}")
            code.line(f"br label %{done}")
        code.begin(done)
        steps = self.read("i64", counter)
        strips.spend(code.sub(steps, code.sub(self.read("i64", end), strips.length)))
        code.line(f"store i64 {steps}, ptr {self.address(loop.steps)}")
        for tape in tapes:
            code.line(f"store i64 {steps}, ptr {sequences.length_place(code, tape.cell)}")
        for state in states:
            self._end(state)

    # ---- branches

    def _branch(self, branch: Branch) -> None:
        code = self.code
        last = len(self.bodies) - 1
        index = code.scalar.intrinsic("smax", "i64", self.read("i64", self.address(branch.index)), "0")
        states = [self._begin(c, None) for c in branch.carry]
        carried = [s.current for s in states]
        operands, results = ([self.address(b) for b in part] for part in (branch.operands, branch.results))
        addresses = [*operands, *carried, *carried, *results]
        labels, done = [code.label() for _ in self.bodies], code.label()
        cases = " ".join([f"i64 {k}, label %{labels[k]}" for k in range(last)])
        code.line(f"switch i64 {index}, label %{labels[last]} [ {cases} ]")
        for body, label in zip(self.bodies, labels, strict=True):
            code.begin(label)
            self._call(body, addresses)
            code.line(f"br label %{done}")
        code.begin(done)
        for state in states:
            self._end(state)


class Tape:
    """A sequence that a loop of unknown length writes; its memory's address and capacity are variables."""

    def __init__(self, writer: Writer, sequence: SequenceBuffer) -> None:
        self.writer = writer
        self.sequence = sequence
        self.cell = writer.address(sequence)
        code = writer.code
        sequences.clear(code, sequence, self.cell)
        self.size = sequences.element_bytes(code, sequence)
        self.data = writer.variable("ptr", writer.read("ptr", self.cell))
        self.capacity = writer.variable("i64", writer.read("i64", code.offset("i64", self.cell, "2")))

    def place(self, step: str) -> str:
        """The address of the next element, number ``step``."""
        writer, code = self.writer, self.writer.code
        grow, go = code.label(), code.label()
        full = code.emit(f"icmp sge i64 {step}, {writer.read('i64', self.capacity)}")
        code.line(f"br i1 {full}, label %{grow}, label %{go}")
        code.begin(grow)
        writer.require(sequences.reserve(code, self.cell, code.add(step, "1"), self.size))
        code.line(f"store ptr {writer.read('ptr', self.cell)}, ptr {self.data}")
        code.line(f"store i64 {writer.read('i64', code.offset('i64', self.cell, '2'))}, ptr {self.capacity}")
        code.start(go)
        place = code.offset("i8", writer.read("ptr", self.data), code.mul(step, self.size))
        if self.sequence.depth > 1:  # what is freed on failure must be valid
            sequences.empty(code, place)
            code.line(f"store i64 {code.add(step, '1')}, ptr {sequences.length_place(code, self.cell)}")
        return place


def is_small(buffer: Buffer) -> bool:
    """Whether a buffer is moved element by element."""
    count = product(buffer.shape).constant
    return not isinstance(buffer, SequenceBuffer) and count is not None and count <= SMALL
