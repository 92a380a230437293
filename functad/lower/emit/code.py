"""``Code``: the text of one LLVM function while it is written.

Sizes and other integers are SSA names or, where they are known, decimal literals; the integer methods fold the latter,
so that code for static sizes comes out without arithmetic. What depends on sizes alone goes to the function's first
block, whatever is being written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried, Lines
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.sizes import Poly
from functad.lower.llvm.lanes import Lanes

__all__ = ["NOTHING", "Code", "memory_type"]

BOOL = np.dtype(np.bool_)

_MEMORY = {"f64": "double", "f32": "float", "bool": "i8"}


NOTHING = 64
"""Bytes that there are to read where nothing is to be read: a vector's."""


def memory_type(dtype: np.dtype) -> str:
    """The LLVM type of an element in memory: a bool is a byte, a half its bits."""
    name = dtype_name(dtype)
    return _MEMORY.get(name) or f"i{name[1:]}"


class Code(Lines):
    """One function: ``prologue`` (sizes) and ``lines``, both of its first block until the first label.

    ``outlined`` are the operations that it calls as functions rather than contains, and the widths for which these are
    written yet. ``fastmath`` are the flags of LLVM that the user wants on his arithmetic.
    """

    def __init__(
        self, declarations: set[str], outlined: dict[tuple[str, np.dtype], set[int]] | None = None, fastmath: str = ""
    ) -> None:
        super().__init__(declarations)
        self.fastmath = fastmath
        self.outlined = {} if outlined is None else outlined
        self.prologue: list[str] = []
        self._lanes: dict[tuple[int, str], Lanes] = {}
        self._sizes: dict[Poly, str] = {}
        self._symbols: dict[int, str] = {}
        self._scratch: str | None = None
        self._true: str | None = None

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
            lanes = self._lanes[width, flags] = Lanes(self, width, flags)
        return lanes

    @property
    def scalar(self) -> Lanes:
        """The writer of scalar code."""
        return self.lanes(1)

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

    def given_sizes(self, symbols: int) -> str:
        """The parameters by which a function is given the values of all symbols, rather than that it loads them."""
        self._symbols = {number: f"%n{number}" for number in range(symbols)}
        return "".join([f", i64 {name}" for name in self._symbols.values()])

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

    @contextmanager
    def loop(self, low: str, high: str, step: int, carried: Sequence[Carried]) -> Iterator[str]:
        """A loop over indices that runs at least once: yields the index."""
        counter = Carried("i64", low)
        with self.repeat([counter, *carried]) as again:
            index = counter.name
            yield index
            counter.name = self.add(index, str(step))
            again(self.emit(f"icmp slt i64 {counter.name}, {high}"))

    def function(self, header: str, result: str) -> str:
        """The whole function's text; ``result`` has its type before it."""
        return "\n".join([f"define {header} {{", "entry:", *self.prologue, *self.lines, f"  ret {result}", "}"])
