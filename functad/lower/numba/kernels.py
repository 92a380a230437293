"""Kernels as loops: one statement of Python for what is stored, and for each value that is used more than once.

Values that are used once stand where they are used; what depends on outer loops alone is computed in these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from functad.errors import InternalError
from functad.kernel_ir.nodes import (
    Affine,
    AxisIndex,
    Buffer,
    Check,
    Compute,
    Const,
    Index,
    Instr,
    Kernel,
    Load,
    Reduce,
    Scan,
    Scatter,
    SizeValue,
    Store,
    Value,
)
from functad.kernel_ir.ops import ACCUMULATE
from functad.lower.numba.names import Names, size_text
from functad.lower.numba.operations import ATOM, Text, accumulated, constant, neutral, operation

__all__ = ["Places", "kernel_lines"]

LONGEST = 72
"""Expressions that are longer get a name."""

Places = Mapping[Buffer, str]
"""The names of the buffers' arrays or, for those in ``scalars``, variables."""


class _Writer:
    """Writes one kernel."""

    def __init__(
        self, kernel: Kernel, places: Places, scalars: set[Buffer], names: Names, needs: Callable[[str], Any]
    ) -> None:
        self.kernel = kernel
        self.places = places
        self.scalars = scalars
        self.names = names
        self.needs = needs
        self.depth = len(kernel.axes)
        self.axes = [names.new("ijklmnopq"[k] if k < 9 else f"i{k}") for k in range(self.depth)]
        self.values: dict[Value, Text] = {}
        self.depths: dict[Value, int] = {}  # in how many loops a value is computed
        self.uses = Counter(v for i in kernel.body for v in _operands(i))
        self.written = {i.buffer.root for i in kernel.body if isinstance(i, Store | Reduce | Scatter)}
        self.lines: list[list[str]] = [[] for _ in range(self.depth + 1)]  # at the start of the body of each loop
        self.after: list[list[str]] = [[] for _ in range(self.depth + 1)]  # at its end
        self.backwards = any(isinstance(i, Scan) and i.reverse for i in kernel.body)

    def write(self) -> list[str]:
        """The lines."""
        for instr in self.kernel.body:
            self.instruction(instr)
        return self.nested(0)

    def nested(self, level: int) -> list[str]:
        if level == self.depth:
            return self.lines[level]
        n = size_text(self.kernel.axes[level])
        last = level == self.depth - 1
        span = f"range({n} - 1, -1, -1)" if self.backwards and last else f"range({n})"
        inner = self.nested(level + 1)
        return [
            *self.lines[level],
            f"for {self.axes[level]} in {span}:",
            *[f"    {line}" for line in inner],
            *self.after[level],
        ]

    # -- values --------------------------------------------------------------------------------------------------------

    def affine(self, index: Affine) -> tuple[Text, int]:
        """An index, and in how many loops it is known."""
        parts, depth = [], 0
        for atom, scale in index.terms:
            if isinstance(atom, int):
                name, depth = Text(self.axes[atom], ATOM), max(depth, atom + 1)
            else:
                name, depth = self.values[atom], max(depth, self.depths[atom])
            factor = size_text(scale)
            negative = factor == "-1"
            if factor in ("1", "-1"):
                text = name.within(10)
            else:
                text = f"{factor if len(scale.terms) == 1 else f'({factor})'} * {name.within(11)}"
            parts.append(f"-{text}" if negative else text)
        if index.offset != 0 or not parts:
            parts.append(size_text(index.offset))
        text = " + ".join(parts).replace("+ -", "- ")
        return Text(text, ATOM if len(parts) == 1 and len(index.terms) <= 1 and text.isidentifier() else 9), depth

    def element(self, buffer: Buffer, index: Index) -> tuple[str, int]:
        """An element, and in how many loops its index is known."""
        name = self.places[buffer]
        if buffer in self.scalars:
            return name, 0
        found = [self.affine(a) for a in index]
        return f"{name}[{', '.join([t.text for t, _ in found]) or '0'}]", max([d for _, d in found], default=0)

    def define(self, value: Value, text: Text, depth: int, inline: bool = True, wanted: str = "t") -> None:
        """Make an expression a value: where it is used once and short, it stands there."""
        self.depths[value] = depth
        once = self.uses[value] <= 1
        if (
            inline
            and (once or text.text.isidentifier() or text.text.lstrip("-").isdigit())
            and len(text.text) <= LONGEST
        ):
            self.values[value] = text
            return
        name = self.names.new(wanted)
        self.lines[depth].append(f"{name} = {text.text}")
        self.values[value] = Text(name, ATOM)

    def instruction(self, instr: Instr) -> None:
        match instr:
            case Const():
                self.depths[instr.out] = 0
                self.values[instr.out] = constant(instr.value, instr.out.dtype)
            case SizeValue():
                self.depths[instr.out] = 0
                text = size_text(instr.size)
                self.values[instr.out] = Text(text, ATOM if text.isidentifier() or text.isdigit() else 9)
            case AxisIndex():
                self.depths[instr.out] = instr.axis + 1
                self.values[instr.out] = Text(self.axes[instr.axis], ATOM)
            case Load():
                self.load(instr)
            case Compute():
                depth = max([self.depths[a] for a in instr.args], default=0)
                args = [self.values[a] for a in instr.args]
                self.define(
                    instr.out,
                    operation(
                        instr.op,
                        instr.args[0].dtype if instr.op != "select" else instr.args[1].dtype,
                        instr.out.dtype,
                        args,
                        self.needs,
                    ),
                    depth,
                )
            case Store():
                self.store(instr)
            case Reduce():
                self.reduce(instr)
            case Scatter():
                place, _ = self.element(instr.buffer, instr.index)
                value = self.values[instr.value]
                if instr.op != "set":
                    value = operation(
                        ACCUMULATE[instr.op],
                        instr.buffer.dtype,
                        instr.buffer.dtype,
                        [Text(place, ATOM), value],
                        self.needs,
                    )
                self.assign(place, value)
            case Scan():
                self.scan(instr)
            case Check():
                self.check(instr)
            case _:
                raise InternalError(f"not an instruction: {instr!r}")

    def load(self, instr: Load) -> None:
        place, depth = self.element(instr.buffer, instr.index)
        text = Text(place, ATOM)
        if instr.mask is not None:
            depth = max(depth, self.depths[instr.mask])
            mask, fill = self.values[instr.mask], constant(instr.fill, instr.out.dtype)
            text = Text(f"{place} if {mask.within(1)} else {fill.text}", 0)
        changes = instr.buffer.root in self.written
        self.define(
            instr.out,
            text,
            self.depth if changes else depth,
            inline=not changes,
            wanted=_short(self.places[instr.buffer]),
        )

    def assign(self, place: str, value: Text) -> None:
        self.lines[-1].append(f"{place} = {value.text}")

    def store(self, instr: Store) -> None:
        place, _ = self.element(instr.buffer, instr.index)
        value = self.values[instr.value]
        if instr.mask is None:
            self.assign(place, value)
            return
        self.lines[-1] += [f"if {self.values[instr.mask].text}:", f"    {place} = {value.text}"]

    def check(self, instr: Check) -> None:
        self.needs("fail")
        ok = self.values[instr.ok]
        found = "0" if instr.value is None else self.values[instr.value].text
        self.lines[-1] += [f"if not {ok.within(4)}:", f"    fail(status, {instr.code}, {found})"]

    # -- reductions ----------------------------------------------------------------------------------------------------

    def reduce(self, instr: Reduce) -> None:
        """Over the innermost loops in a variable; over others in memory."""
        dtype = instr.buffer.dtype
        place, depth = self.element(instr.buffer, instr.index)
        named = {a for affine in instr.index for a, _ in affine.terms}
        apart = named == set(range(depth))  # each element is complete after the loops inside
        first = neutral(instr.op, dtype)
        value = self.values[instr.value]
        if depth == self.depth and apart:
            self.assign(place, value)
            return
        if depth == self.depth:
            self.fill(instr, first)
            self.assign(place, accumulated(instr.op, dtype, Text(place, ATOM), value, self.needs))
            return
        total = self.places[instr.buffer] if instr.buffer in self.scalars else self.names.new("total")
        self.lines[depth].append(f"{total} = {first.text}")
        self.assign(total, accumulated(instr.op, dtype, Text(total, ATOM), value, self.needs))
        if instr.buffer in self.scalars:
            return
        if apart:
            self.after[depth].append(f"{place} = {total}")
        else:
            self.fill(instr, first)
            whole = accumulated(instr.op, dtype, Text(place, ATOM), Text(total, ATOM), self.needs)
            self.after[depth].append(f"{place} = {whole.text}")

    def fill(self, instr: Reduce, first: Text) -> None:
        self.lines[0].insert(0, f"{self.places[instr.buffer]}[...] = {first.text}")

    def scan(self, instr: Scan) -> None:
        dtype, name = instr.out.dtype, self.names.new("running")
        first = constant(-0.0, dtype) if instr.op == "sum" and dtype.kind == "f" else neutral(instr.op, dtype)
        self.lines[self.depth - 1].append(f"{name} = {first.text}")
        value = operation(ACCUMULATE[instr.op], dtype, dtype, [Text(name, ATOM), self.values[instr.value]], self.needs)
        self.assign(name, value)
        self.depths[instr.out] = self.depth
        if self.uses[instr.out] > 1 or any(isinstance(i, Scan) for i in self.kernel.body):
            self.values[instr.out] = Text(name, ATOM)


def _operands(instr: Instr) -> list[Value]:
    """The values that an instruction uses."""
    match instr:
        case Compute():
            return list(instr.args)
        case Load():
            return [*_indices(instr.index), *([instr.mask] if instr.mask is not None else [])]
        case Store():
            return [*_indices(instr.index), instr.value, *([instr.mask] if instr.mask is not None else [])]
        case Reduce() | Scatter():
            return [*_indices(instr.index), instr.value]
        case Scan():
            return [instr.value]
        case Check():
            return [instr.ok, *([instr.value] if instr.value is not None else [])]
    return []


def _indices(index: Index) -> list[Value]:
    return [a for affine in index for a, _ in affine.terms if isinstance(a, Value)]


def _short(place: str) -> str:
    return f"{place}_at"


def kernel_lines(
    kernel: Kernel, places: Places, scalars: set[Buffer], names: Names, needs: Callable[[str], Any]
) -> list[str]:
    """The lines of a kernel; ``scalars`` are buffers that are variables, which it assigns to."""
    return _Writer(kernel, places, scalars, names, needs).write()
