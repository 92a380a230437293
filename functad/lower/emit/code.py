"""``Code``: the text of one LLVM function while it is written.

Sizes and other integers are SSA names or, where they are known, decimal literals; the integer methods fold the latter,
so that code for static sizes comes out without arithmetic. What depends on sizes alone goes to the function's first
block, whatever is being written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.sizes import Poly
from functad.lower.llvm.lanes import Lanes

__all__ = ["NOTHING", "Carried", "Code", "memory_type"]

BOOL = np.dtype(np.bool_)

_MEMORY = {"f64": "double", "f32": "float", "bool": "i8"}


NOTHING = 64
"""Bytes that there are to read where nothing is to be read: a vector's."""


def memory_type(dtype: np.dtype) -> str:
    """The LLVM type of an element in memory: a bool is a byte, a half its bits."""
    name = dtype_name(dtype)
    return _MEMORY.get(name) or f"i{name[1:]}"


class _Lanes(Lanes):
    """Lanes that share the function's current block with those of other widths."""

    __slots__ = ("code",)

    def __init__(self, code: Code, width: int, flags: str) -> None:
        self.code = code
        super().__init__(code.lines, code.name, width, code.declarations, code.block, flags)

    @property
    def block(self) -> str:  # type: ignore[override]
        return self.code.block

    @block.setter
    def block(self, label: str) -> None:
        self.code.block = label


class Carried:
    """A value that a loop carries from one turn to the next: its LLVM type and the SSA name that holds it now."""

    __slots__ = ("name", "type")

    def __init__(self, type: str, name: str) -> None:
        self.type = type
        self.name = name


class Code:
    """One function: ``prologue`` (sizes) and ``lines``, both of its first block until the first label.

    ``outlined`` are the operations that it calls as functions rather than contains, and the widths for which these are
    written yet. ``fastmath`` are the flags of LLVM that the user wants on his arithmetic.
    """

    def __init__(
        self, declarations: set[str], outlined: dict[tuple[str, np.dtype], set[int]] | None = None, fastmath: str = ""
    ) -> None:
        self.declarations = declarations
        self.fastmath = fastmath
        self.outlined = {} if outlined is None else outlined
        self.prologue: list[str] = []
        self.lines: list[str] = []
        self.block = "entry"
        self._count = 0
        self._lanes: dict[tuple[int, str], _Lanes] = {}
        self._sizes: dict[Poly, str] = {}
        self._symbols: dict[int, str] = {}
        self._scratch: str | None = None
        self._true: str | None = None

    def name(self) -> str:
        """A fresh SSA name."""
        self._count += 1
        return f"%v{self._count}"

    def lanes(self, width: int) -> Lanes:
        """The writer of code over ``width`` lanes: what the user computes."""
        return self._writer(width, self.fastmath)

    def sums(self, width: int) -> Lanes:
        """The writer of sums and products of matrices: their order is free, and a product is not rounded before it is
        added."""
        return self._writer(width, f"{self.fastmath} contract".lstrip())

    def _writer(self, width: int, flags: str) -> Lanes:
        lanes = self._lanes.get((width, flags))
        if lanes is None:
            lanes = self._lanes[width, flags] = _Lanes(self, width, flags)
        return lanes

    @property
    def scalar(self) -> Lanes:
        """The writer of scalar code."""
        return self.lanes(1)

    def emit(self, text: str) -> str:
        """Append ``name = text`` and return the fresh name."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        """Append an instruction without a result."""
        self.lines.append(f"  {text}")

    def call(self, function: NativeFunction, *arguments: str) -> str:
        """Call a native function; the name of what it returns, if it does."""
        self.declarations.add(function.declaration)
        given = ", ".join([f"{type} {value}" for type, value in zip(function.parameters, arguments, strict=True)])
        call = f"call {function.result} @{function.symbol}({given})"
        if function.result != "void":
            return self.emit(call)
        self.line(call)
        return ""

    # ---- integers

    def size(self, size: Poly) -> str:
        """A size, computed in the first block, or its literal."""
        if size.constant is not None:
            return str(size.constant)
        name = self._sizes.get(size)
        if name is None:
            lines, self.lines = self.lines, self.prologue
            total = "0"
            for monomial, coefficient in size.terms:
                total = self.add(total, self.mul(self._monomial(monomial), str(coefficient)))
            self.lines = lines
            name = self._sizes[size] = total
        return name

    def _monomial(self, monomial: tuple[int, ...]) -> str:
        total = "1"
        for symbol in monomial:
            total = self.mul(total, self._symbol(symbol))
        return total

    def _symbol(self, number: int) -> str:
        name = self._symbols.get(number)
        if name is None:
            pointer = self.emit(f"getelementptr i64, ptr %sizes, i64 {number}")
            name = self._symbols[number] = self.emit(f"load i64, ptr {pointer}")
        return name

    def add(self, x: str, y: str) -> str:
        """The sum of two i64."""
        if x == "0":
            return y
        if y == "0":
            return x
        return str(int(x) + int(y)) if x[0] != "%" and y[0] != "%" else self.emit(f"add i64 {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        """The difference of two i64."""
        if y == "0":
            return x
        return str(int(x) - int(y)) if x[0] != "%" and y[0] != "%" else self.emit(f"sub i64 {x}, {y}")

    def mul(self, x: str, y: str) -> str:
        """The product of two i64."""
        if "0" in (x, y):
            return "0"
        if x == "1":
            return y
        if y == "1":
            return x
        return str(int(x) * int(y)) if x[0] != "%" and y[0] != "%" else self.emit(f"mul i64 {x}, {y}")

    def minimum(self, x: str, y: str) -> str:
        """The lesser of two i64."""
        if x[0] != "%" and y[0] != "%":
            return str(min(int(x), int(y)))
        return self.scalar.intrinsic("smin", "i64", x, y)

    def maximum(self, x: str, y: str) -> str:
        """The greater of two i64."""
        if x[0] != "%" and y[0] != "%":
            return str(max(int(x), int(y)))
        return self.scalar.intrinsic("smax", "i64", x, y)

    # ---- memory

    def offset(self, type: str, pointer: str, index: str) -> str:
        """The address of an element."""
        return pointer if index == "0" else self.emit(f"getelementptr {type}, ptr {pointer}, i64 {index}")

    def scratch(self) -> str:
        """The address of 16 bytes that nobody reads: where a store goes whose mask is false."""
        if self._scratch is None:
            self._scratch = self.name()
            self.prologue.append(f"  {self._scratch} = alloca [16 x i8], align 16")
        return self._scratch

    def nothing(self) -> str:
        """The address of ``NOTHING`` zero bytes: where a load goes whose mask is false."""
        self.declarations.add(f"@functad_nothing = internal constant [{NOTHING} x i8] zeroinitializer, align {NOTHING}")
        return "@functad_nothing"

    def true(self) -> str:
        """A condition that holds, which LLVM cannot know."""
        if self._true is None:
            byte, self._true = self.name(), self.name()
            self.prologue.append(f"  {byte} = load volatile i8, ptr {self.nothing()}")
            self.prologue.append(f"  {self._true} = icmp eq i8 {byte}, 0")
        return self._true

    # ---- control flow

    def start(self, label: str) -> None:
        """Begin a basic block, falling into it from the one before."""
        self.line(f"br label %{label}")
        self.scalar.start(label)

    @contextmanager
    def loop(self, low: str, high: str, step: int, carried: Sequence[Carried]) -> Iterator[str]:
        """A loop that runs at least once: yields its index; what is ``carried`` goes through phi nodes."""
        counter = Carried("i64", low)
        with self.repeat([counter, *carried]) as again:
            index = counter.name
            yield index
            counter.name = self.add(index, str(step))
            again(self.emit(f"icmp slt i64 {counter.name}, {high}"))

    @contextmanager
    def repeat(self, carried: Sequence[Carried]) -> Iterator[Callable[[str], None]]:
        """A loop that runs at least once; what it yields takes the condition under which it runs again, at its end."""
        before, head = self.block, self.scalar.label()
        self.start(head)
        place = len(self.lines)
        entering = []
        for c in carried:
            entering.append((self.name(), c.name))
            c.name = entering[-1][0]
        conditions: list[str] = []
        yield conditions.append
        (again,) = conditions
        self.lines[place:place] = [
            f"  {phi} = phi {c.type} [ {initial}, %{before} ], [ {c.name}, %{self.block} ]"
            for c, (phi, initial) in zip(carried, entering, strict=True)
        ]
        done = self.scalar.label()
        self.line(f"br i1 {again}, label %{head}, label %{done}")
        self.scalar.start(done)

    @contextmanager
    def when(self, condition: str, carried: Sequence[Carried]) -> Iterator[None]:
        """Code that runs if a condition holds; what is ``carried`` keeps its value where it does not."""
        then, done = self.scalar.label(), self.scalar.label()
        before, initial = self.block, [c.name for c in carried]
        self.line(f"br i1 {condition}, label %{then}, label %{done}")
        self.scalar.start(then)
        yield
        after = self.block
        self.start(done)
        for c, name in zip(carried, initial, strict=True):
            if c.name != name:
                c.name = self.emit(f"phi {c.type} [ {c.name}, %{after} ], [ {name}, %{before} ]")

    def either(
        self, condition: str, yes: Callable[[], list[str]], no: Callable[[], list[str]], types: Sequence[str]
    ) -> list[str]:
        """Code of which one part or the other runs; values of these types come out of both."""
        left, right, done = (self.scalar.label() for _ in range(3))
        self.line(f"br i1 {condition}, label %{left}, label %{right}")
        self.scalar.start(left)
        ours = yes()
        after_left = self.block
        self.line(f"br label %{done}")
        self.scalar.start(right)
        theirs = no()
        after_right = self.block
        self.start(done)
        return [
            self.emit(f"phi {type} [ {a}, %{after_left} ], [ {b}, %{after_right} ]")
            for type, a, b in zip(types, ours, theirs, strict=True)
        ]

    def function(self, header: str, result: str) -> str:
        """The whole function's text; ``result`` has its type before it."""
        return "\n".join([f"define {header} {{", "entry:", *self.prologue, *self.lines, f"  ret {result}", "}"])
