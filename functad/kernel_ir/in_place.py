"""Updates in place: arrays that share their memory with the array they are made from.

A scatter copies its operand and then writes a few elements. Where nothing reads the operand afterwards the copy is left
out, and both are one array (`without_copies`); so it is where what updates its carry in place begins with a copy. A
loop's step whose new carry starts as such a copy of the old one, or is computed from it element by element, writes
into the carry itself (`in_place`): then ``fd.at(v)[i].set(...)`` costs one element a step, in reverse mode too. What
all branches of a branch do so to one operand, if only by leaving it as it is, is changed in place, too
(`branches_in_place`).

Statements that read the old array after the copy are moved before it, with what they need, where that changes nothing
they see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from functad.kernel_ir.checker import accesses
from functad.kernel_ir.control import Branch, Carry, Control, Loop, SequenceBuffer, While
from functad.kernel_ir.nodes import (
    Affine,
    Buffer,
    Call,
    Check,
    Kernel,
    KernelProgram,
    Load,
    Reduce,
    Scatter,
    Statement,
    Store,
)

__all__ = ["branches_in_place", "copied", "in_place", "without_copies"]

WINDOW = 256
"""Readers further away than so many statements are not moved: time stays linear."""


def without_copies(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements without copies of temporaries that nothing reads afterwards."""
    code = _Code(statements)
    at = 0
    while at < len(code.slots):
        at = _without_copy(code, at)
    return code.statements


def in_place(body: KernelProgram, consts: int, carry: int) -> tuple[KernelProgram, tuple[bool, ...]]:
    """A loop's body with what it can update in place so updated, and which parts of the carry these are."""
    code = _Code(body.body)
    pairs = zip(body.inputs[consts : consts + carry], body.outputs, strict=False)
    flags = tuple([_update_in_place(code, old, new) for old, new in pairs])
    return (replace(body, body=code.statements) if any(flags) else body), (*flags, *[False] * (carry - len(flags)))


def branches_in_place(branches: Sequence[KernelProgram]) -> tuple[tuple[KernelProgram, ...], list[tuple[int, int]]]:
    """The branches with what they can all update in place so updated, and which inputs and outputs these are, in pairs:
    they are the last inputs and the first outputs.
    """
    codes = [_Code(b.body) for b in branches]
    pairs: list[tuple[int, int]] = []
    for k, out in enumerate(branches[0].outputs):
        for j, x in enumerate(branches[0].inputs):
            fits = x.shape == out.shape and x.dtype == out.dtype and j not in [p[0] for p in pairs]
            if fits and _update_all(codes, [(b.inputs[j], b.outputs[k]) for b in branches]):
                pairs.append((j, k))
                break
    if not pairs:
        return tuple(branches), []
    taken, given = zip(*pairs, strict=True)
    made = [
        replace(
            b,
            inputs=(*[x for j, x in enumerate(b.inputs) if j not in taken], *[b.inputs[j] for j in taken]),
            outputs=(*[b.outputs[k] for k in given], *[x for k, x in enumerate(b.outputs) if k not in given]),
            body=code.statements,
        )
        for b, code in zip(branches, codes, strict=True)
    ]
    return tuple(made), pairs


def _without_copy(code: _Code, at: int) -> int:
    """Drop the copies at a slot if that changes nothing; the slot to go on at."""
    statement = code.slots[at]
    moved = copied(statement)
    if moved is not None:
        last = _last_use(code, *moved, at)
        if last is None:
            return at + 1
        code.drop(last)
        _as_one(code, *moved)
        return at
    if not isinstance(statement, Loop | While | Branch):
        return at + 1
    for number in range(len(statement.carry)):
        c = code.slots[at].carry[number]  # type: ignore[union-attr]
        alone = [b.root for b in statement.reads].count(c.first.root) == 1
        if c.in_place and c.first is not c.last and alone:
            last = _last_use(code, c.first, c.last, at)
            if last is not None:
                _as_one(code, c.first, c.last)
                at = last
    return at + 1


def _last_use(code: _Code, old: Buffer, new: Buffer, at: int) -> int | None:
    """The slot of the statement in a slot, which makes one buffer of another, once it is the last that reads that one;
    None if it cannot be, or the other is no temporary.
    """
    if old.root is new.root or old.root.role != "temp" or code.first(new.root) != at:
        return None
    return code.behind_readers(old.root, at)


def _as_one(code: _Code, old: Buffer, new: Buffer) -> None:
    pair = old.root, new.root
    code.rename(*(pair if new.root.role == "output" else pair[::-1]))


def _update_in_place(code: _Code, old: Buffer, new: Buffer) -> bool:
    """Put ``new`` in place of ``old`` from the start, if that changes nothing that is computed."""
    return _update_all([code], [(old, new)])


def _update_all(codes: Sequence[_Code], pairs: Sequence[tuple[Buffer, Buffer]]) -> bool:
    """The same in each of several lists of statements, or in none."""
    if not all([_begins_as(code, *pair) for code, pair in zip(codes, pairs, strict=True)]):
        return False
    last = [code.behind_readers(old, code.first(new)) for code, (old, new) in zip(codes, pairs, strict=True)]
    if None in last:
        return False
    for code, at, (old, new) in zip(codes, last, pairs, strict=True):
        if copied(code.slots[at]) is not None:  # type: ignore[index]
            code.drop(at)  # type: ignore[arg-type]
        code.rename(old, new)
    return True


def _begins_as(code: _Code, old: Buffer, new: Buffer) -> bool:
    """Whether the first statement that writes to ``new`` makes it of ``old``, and may do so in its place."""
    if isinstance(old, SequenceBuffer) or not old.shape or new not in code.mentions:
        return False
    at = code.first(new)
    moved = copied(code.slots[at])
    return _is_updated_by(code.slots[at], old, new) if moved is None else moved[0].root is old


# -- what a statement does ---------------------------------------------------------------------------------------------


def copied(kernel: Statement | None) -> tuple[Buffer, Buffer] | None:
    """(old, new) if a statement copies all of one buffer to another of its shape, and does nothing else."""
    if not isinstance(kernel, Kernel):
        return None
    half = len(kernel.body) // 2
    loads, stores = kernel.body[:half], kernel.body[half:]
    if not half or len(stores) != half:
        return None
    first, last = loads[0], stores[0]
    if not isinstance(first, Load) or not isinstance(last, Store):
        return None
    old, new = first.buffer, last.buffer
    indices = []
    for load, store in zip(loads, stores, strict=True):
        if (
            not isinstance(load, Load)
            or not isinstance(store, Store)
            or load.mask is not None
            or store.mask is not None
        ):
            return None
        if (
            load.buffer is not old
            or store.buffer is not new
            or store.value is not load.out
            or load.index != store.index
        ):
            return None
        indices.append(store.index)
    return (old, new) if old.shape == new.shape and indices == _whole(kernel, new) else None


def _whole(kernel: Kernel, buffer: Buffer) -> list[Any]:
    """The indices by which a kernel that visits each element of a buffer once, in order, does so; empty if its axes are
    others.
    """
    for pair in (0, 1):  # of a complex array, both parts at each point
        shape = buffer.shape[: len(buffer.shape) - pair]
        if pair and (not buffer.shape or buffer.shape[-1] != 2):
            break
        if kernel.axes == tuple([n for n in shape if n != 1]):
            axes = iter(range(len(kernel.axes)))
            index = tuple([Affine(0) if n == 1 else Affine.axis(next(axes)) for n in shape])
            return [(*index, Affine(k)) for k in (0, 1)] if pair else [index]
    return []


def _is_updated_by(statement: Statement | None, old: Buffer, new: Buffer) -> bool:
    """Whether a statement, the first that writes to ``new``, may do so where it reads ``old``.

    A kernel may if it reads an element of ``old`` only at the point, and before, it stores that of ``new``; a loop, if
    it carries ``old`` to ``new`` in place.
    """
    if isinstance(statement, Loop | While | Branch):
        others = [b.root for b in statement.reads if b.root is old]
        return len(others) == 1 and any(c.in_place and c.first is old and c.last is new for c in statement.carry)
    if not isinstance(statement, Kernel):
        return False
    read: set[Any] = set()
    stored: set[Any] = set()
    for instr in statement.body:
        if isinstance(instr, Load) and instr.buffer.root is old:
            if instr.buffer.shape != new.shape or instr.index in stored:
                return False
            read.add(instr.index)
        elif isinstance(instr, Store) and instr.buffer.root is new:
            if instr.buffer.shape != new.shape or instr.mask is not None:
                return False
            stored.add(instr.index)
        elif isinstance(instr, Load | Store | Reduce | Scatter) and instr.buffer.root in (old, new):
            return False
    return bool(read) and read <= stored


# -- a list of statements that changes ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Effects:
    """The buffers that statements read, and those that they write."""

    reads: set[Any]
    writes: set[Any]

    @staticmethod
    def of(statement: Statement | None) -> _Effects:
        if statement is None:
            return _Effects(set(), set())
        reads, writes = accesses(statement)
        found = _Effects({b.root for b in reads}, {b.root for b in writes})
        if isinstance(statement, Call | Control) or (
            isinstance(statement, Kernel) and any(isinstance(i, Check) for i in statement.body)
        ):
            found.writes.add("errors")  # what can end the call stays in order
        return found

    def conflict(self, other: _Effects) -> bool:
        """Whether the order of two statements matters."""
        return not (self.writes.isdisjoint(other.reads | other.writes) and other.writes.isdisjoint(self.reads))

    def add(self, other: _Effects) -> None:
        self.reads |= other.reads
        self.writes |= other.writes


class _Code:
    """Statements in slots (None where one was dropped), and for each buffer the slots of those that mention it."""

    def __init__(self, statements: Iterable[Statement]) -> None:
        self.slots: list[Statement | None] = list(statements)
        self.mentions: dict[Buffer, set[int]] = {}
        for at in range(len(self.slots)):
            self._note(at)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Those that are left."""
        return tuple([s for s in self.slots if s is not None])

    def first(self, buffer: Buffer) -> int:
        """The slot of the first statement that mentions a buffer."""
        return min(self.mentions[buffer])

    def drop(self, at: int) -> None:
        """Take the statement out of a slot."""
        for b in self._buffers(self.slots[at]):
            self.mentions[b].discard(at)
        self.slots[at] = None

    def _note(self, at: int) -> None:
        for b in self._buffers(self.slots[at]):
            self.mentions.setdefault(b, set()).add(at)

    def _buffers(self, statement: Statement | None) -> set[Buffer]:
        return set() if statement is None else {b.root for part in accesses(statement) for b in part}

    def behind_readers(self, old: Buffer, at: int) -> int | None:
        """The slot that the statement in a slot is in once all others that mention a buffer are before it; None if they
        cannot be.
        """
        later = {k for k in self.mentions[old] if k > at}
        if not later:
            return at
        end = max(later)
        if end - at > WINDOW:
            return None
        here = _Effects.of(self.slots[at])
        moved: list[int] = []
        needed = _Effects(set(), set())
        for k in range(end, at, -1):
            effects = _Effects.of(self.slots[k])
            if k in later or effects.conflict(needed):
                moved.insert(0, k)
                needed.add(effects)
        if here.conflict(needed):
            return None
        self._permute(at, [*moved, *[k for k in range(at, end + 1) if k not in moved]])
        return at + len(moved)

    def _permute(self, start: int, order: Sequence[int]) -> None:
        statements = [self.slots[k] for k in order]
        for k in order:
            for b in self._buffers(self.slots[k]):
                self.mentions[b].discard(k)
        for k, statement in enumerate(statements, start):
            self.slots[k] = statement
            self._note(k)

    def rename(self, old: Buffer, new: Buffer) -> None:
        """Put one buffer in place of another everywhere."""
        views: dict[Buffer, Buffer] = {}

        def buffer(b: Buffer) -> Buffer:
            if b.root is not old:
                return b
            if b not in views:
                views[b] = new if b.shape == new.shape else Buffer(b.shape, b.dtype, new.role, new)
            return views[b]

        for at in self.mentions.pop(old):
            statement: Any = self.slots[at]
            changed = {f.name: _with_buffers(getattr(statement, f.name), buffer) for f in fields(statement)}
            self.slots[at] = replace(statement, **changed)
            self.mentions.setdefault(new, set()).add(at)


def _with_buffers(value: Any, buffer: Any) -> Any:
    """A field of a statement with other buffers in it."""
    if isinstance(value, Buffer):
        return buffer(value)
    if isinstance(value, tuple):
        return tuple([_with_buffers(v, buffer) for v in value])
    if isinstance(value, Load | Store | Reduce | Scatter):
        return replace(value, buffer=buffer(value.buffer))
    if isinstance(value, Carry):
        return replace(value, first=buffer(value.first), last=buffer(value.last))
    return value
