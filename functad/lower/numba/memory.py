"""What printed code works on while it is written: the names of buffers, lines and blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from functad.errors import InternalError
from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.nodes import Buffer, Statement
from functad.lower.numba.names import Names, size_text
from functad.lower.numba.operations import dtype_text
from functad.lower.numba.shown import NOTHING, Shown

__all__ = ["Module", "Writer"]


@dataclass
class Module:
    """What a printed module holds besides its driver."""

    functions: list[str] = field(default_factory=list)  # of kernels, as text
    support: set[str] = field(default_factory=set)
    natives: dict[str, NativeFunction] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    shown: Shown = NOTHING


class Writer(ABC):
    """Writes the statements of one function."""

    def __init__(self, module: Module, names: Names, memory: set[Buffer]) -> None:
        self.module = module
        self.names = names
        self.memory = memory
        self.places: dict[Buffer, str] = {}
        self.scalars: set[Buffer] = set()
        self.lines: list[str] = []
        self.indent = ""
        self.said: list[str] = []
        self.failing = False  # whether something may have failed since that was last looked at

    def line(self, text: str) -> None:
        self.lines.append(self.indent + text)

    def comments(self, statement: Statement) -> None:
        """The user's lines that a statement comes from, unless they have just been shown."""
        lines = self.module.shown.comments(statement)
        if lines and lines != self.said:
            for line in lines:
                self.line(line)
        self.said = lines or self.said

    def needs(self, name: str) -> None:
        self.module.support.add(name)

    # -- buffers -------------------------------------------------------------------------------------------------------

    def given(self, buffer: Buffer, name: str) -> None:
        """An array of the caller's; a scalar is read where the driver begins."""
        if buffer.shape or isinstance(buffer, SequenceBuffer):
            self.places[buffer] = name
        elif buffer in self.memory:
            self.places[buffer] = self.names.new(f"{name}_cell")
            self.line(f"{self.places[buffer]} = {name}.reshape(1)")
        else:
            self.places[buffer] = self.names.new(f"{name}_value" if buffer.role == "output" else f"{name}_")
            self.scalars.add(buffer)
            if buffer.role == "input":
                self.line(f"{self.places[buffer]} = {name}[()]")

    def place(self, buffer: Buffer) -> str:
        """The name of a buffer, which is made where it is first needed."""
        if buffer not in self.places:
            self.make(buffer)
        return self.places[buffer]

    def make(self, buffer: Buffer) -> None:
        if isinstance(buffer, SequenceBuffer):
            self.places[buffer] = self.names.new("seq")
            self.line(f"{self.places[buffer]} = {self.empty(buffer)}")
            return
        if buffer.base is not None:
            base = self.place(buffer.base)
            if buffer.base in self.scalars:
                raise InternalError("a view of a scalar")
            self.places[buffer] = self.names.new(f"{base}_as")
            shape = ", ".join(map(size_text, buffer.shape)) + ("," if len(buffer.shape) == 1 else "")
            self.line(f"{self.places[buffer]} = {base}.reshape({f'({shape})' if buffer.shape else '1'})")
            return
        self.places[buffer] = self.names.new("t")
        if not buffer.shape and buffer not in self.memory:
            self.scalars.add(buffer)
            return
        self.line(f"{self.places[buffer]} = {self.empty(buffer)}")

    def empty(self, buffer: Buffer) -> str:
        """The expression of fresh memory for a buffer."""
        if isinstance(buffer, SequenceBuffer):
            element = buffer.element
            if isinstance(element, SequenceBuffer):
                return f"[{self.empty(element)} for _ in range(0)]"
            if not element.shape:
                return f"[{dtype_text(element.dtype)}(0) for _ in range(0)]"
            zeros = ", ".join("0" * len(element.shape)) + ("," if len(element.shape) == 1 else "")
            return f"[np.empty(({zeros}), {dtype_text(element.dtype)}) for _ in range(0)]"
        shape = ", ".join(map(size_text, buffer.shape)) + ("," if len(buffer.shape) == 1 else "")
        return f"np.empty({f'({shape})' if buffer.shape else '1'}, {dtype_text(buffer.dtype)})"

    def value(self, buffer: Buffer) -> str:
        """The value of a buffer of rank 0."""
        name = self.place(buffer)
        return name if buffer in self.scalars else f"{name}[0]"

    def set_value(self, buffer: Buffer, value: str) -> None:
        name = self.place(buffer)
        self.line(f"{name if buffer in self.scalars else f'{name}[0]'} = {value}")

    @abstractmethod
    def statements(self, body: Iterable[Statement]) -> None:
        """Write statements, in order."""

    def leave_on_failure(self) -> None:
        """End the call where something has failed: a loop must not run on what is wrong."""
        if self.failing:
            self.line("if status[0] != 0:")
            self.line("    return")
            self.failing = False

    # -- programs inside -----------------------------------------------------------------------------------------------

    def bind(self, buffer: Buffer, name: str, scalar: bool) -> None:
        """Let a buffer of a program inside be what has a name outside."""
        if scalar and buffer in self.memory:
            cell = self.names.new(f"{name}_cell")
            self.line(f"{cell} = np.full(1, {name}, {dtype_text(buffer.dtype)})")
            self.places[buffer] = cell
            return
        self.places[buffer] = name
        if scalar:
            self.scalars.add(buffer)

    def bind_to(self, inner: Buffer, outer: Buffer) -> None:
        """The same for a buffer outside."""
        if isinstance(outer, SequenceBuffer) or inner.shape:
            self.bind(inner, self.place(outer), False)
        elif outer in self.scalars or (outer not in self.memory and outer.base is None):
            self.bind(inner, self.place(outer), True)
        elif inner in self.memory:
            self.bind(inner, self.place(outer), False)
        else:
            name = self.names.new("v")
            self.line(f"{name} = {self.place(outer)}[0]")
            self.bind(inner, name, True)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """A block; what is made inside has a name there alone."""
        indent, places = self.indent, dict(self.places)
        self.line(head)
        self.indent += "    "
        yield
        if self.lines[-1] == indent + head:
            self.line("pass")
        self.indent, self.places = indent, places
