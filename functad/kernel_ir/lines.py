"""``Lines``: the text of one LLVM function while it is written: its instructions, names and blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["Carried", "Lines"]


class Carried:
    """A value that a loop carries from one turn to the next: its LLVM type and the SSA name that holds it now."""

    __slots__ = ("name", "type")

    def __init__(self, type: str, name: str) -> None:
        self.type = type
        self.name = name


class Lines:
    """Appends to ``lines``, which end in the basic block ``block``.

    What the module needs besides (declarations, functions that are called) gathers in ``declarations``, whole top-level
    entries in no order.
    """

    def __init__(self, declarations: set[str] | None = None, block: str = "entry") -> None:
        self.declarations = set() if declarations is None else declarations
        self.lines: list[str] = []
        self.block = block
        self._count = 0

    def name(self) -> str:
        """A fresh SSA name."""
        self._count += 1
        return f"%v{self._count}"

    def emit(self, text: str) -> str:
        """Append ``name = text`` and return the fresh name."""
        self._count += 1
        name = f"%v{self._count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def line(self, text: str) -> None:
        """Append an instruction without a result."""
        self.lines.append(f"  {text}")

    # ---- blocks

    def label(self) -> str:
        """A fresh label."""
        return self.name().removeprefix("%")

    def begin(self, label: str) -> None:
        """Begin a basic block; the one before must have ended in a branch."""
        self.lines.append(f"{label}:")
        self.block = label

    def start(self, label: str) -> None:
        """Begin a basic block, falling into it from the one before."""
        self.line(f"br label %{label}")
        self.begin(label)

    @contextmanager
    def repeat(self, carried: Sequence[Carried]) -> Iterator[Callable[[str], None]]:
        """A loop that runs at least once; what it yields takes the condition under which it runs again, at its end.
        What is ``carried`` goes through phi nodes.
        """
        before, head = self.block, self.label()
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
        done = self.label()
        self.line(f"br i1 {again}, label %{head}, label %{done}")
        self.begin(done)

    @contextmanager
    def when(self, condition: str, carried: Sequence[Carried]) -> Iterator[None]:
        """Code that runs if a condition holds; what is ``carried`` keeps its value where it does not."""
        then, done = self.label(), self.label()
        before, initial = self.block, [c.name for c in carried]
        self.line(f"br i1 {condition}, label %{then}, label %{done}")
        self.begin(then)
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
        left, right, done = (self.label() for _ in range(3))
        self.line(f"br i1 {condition}, label %{left}, label %{right}")
        self.begin(left)
        ours = yes()
        after_left = self.block
        self.line(f"br label %{done}")
        self.begin(right)
        theirs = no()
        after_right = self.block
        self.start(done)
        return [
            self.emit(f"phi {type} [ {a}, %{after_left} ], [ {b}, %{after_right} ]")
            for type, a, b in zip(types, ours, theirs, strict=True)
        ]
