"""Copies that need not be made: where a temporary is copied for the last thing that happens to it, the copy is the temporary from the start.

Updates of one array after another (``v.at[i].set(a).at[j].set(b)``, the steps of an unrolled loop) then work on one buffer. What is left of them
in a loop's body, the copy of the carry, is for `in_place`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from functad.kernel_ir.control import Control
from functad.kernel_ir.nodes import Affine, Buffer, Call, Kernel, Load, Product, Reduce, Scatter, Statement, Store

__all__ = ["copied", "mentioned", "merge_copies", "renamed"]


def merge_copies(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """The statements without copies of temporaries that nothing mentions afterwards."""
    if not any(_is_short(s) for s in statements):
        return tuple(statements)
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    elsewhere: set[Buffer] = set()  # what is mentioned by other statements than kernels
    for k, s in enumerate(statements):
        for b in mentioned(s):
            first.setdefault(b, k)
            last[b] = k
            if not isinstance(s, Kernel):
                elsewhere.add(b)
    names: dict[Buffer, Buffer] = {}
    dropped = set()
    for k in range(len(statements) - 1, -1, -1):
        pair = copied(statements[k])
        if pair is None:
            continue
        old, new = pair
        if old.role == "temp" and last[old] == k == first[new] and first[old] < k and old not in elsewhere and new.role != "input":
            names[old] = names.get(new, new)
            dropped.add(k)
    if not names:
        return tuple(statements)
    rename = renamed(names)
    return tuple([rename(s) if isinstance(s, Kernel) else s for k, s in enumerate(statements) if k not in dropped])


def _is_short(statement: Statement) -> bool:
    return isinstance(statement, Kernel) and len(statement.body) == 2


def copied(statement: Statement) -> tuple[Buffer, Buffer] | None:
    """The array that a statement copies to another as a whole, and that other; None if it does anything else."""
    if not isinstance(statement, Kernel) or len(statement.body) != 2:
        return None
    load, store = statement.body
    if not isinstance(load, Load) or not isinstance(store, Store) or load.mask is not None or store.mask is not None:
        return None
    old, new = load.buffer, store.buffer
    axes = iter(range(len(statement.axes)))
    index = tuple([Affine(0) if n == 1 else Affine.axis(next(axes, -1)) for n in new.shape])
    whole = statement.axes == tuple([n for n in new.shape if n != 1]) and old.shape == new.shape and load.index == store.index == index
    own = old.base is None and new.base is None and old is not new and bool(old.shape) and old.dtype == new.dtype
    return (old, new) if whole and own and store.value is load.out else None


def mentioned(statement: Statement) -> set[Buffer]:
    """The roots of the buffers that a statement mentions."""
    found: Sequence[Buffer] = []
    match statement:
        case Kernel():
            found = [i.buffer for i in statement.body if isinstance(i, Load | Store | Reduce | Scatter)]
        case Product():
            found = [statement.out, statement.lhs, statement.rhs]
        case Call():
            found = statement.buffers
        case Control():
            found = [*statement.reads, *statement.writes, *statement.spares]
    return {b.root for b in found}


def renamed(names: dict[Buffer, Buffer]) -> Callable[[Kernel], Kernel]:
    """A function of kernels that puts other buffers in the place of some, and in that of their views."""
    views: dict[Buffer, Buffer] = dict(names)

    def buffer(b: Buffer) -> Buffer:
        if b not in views:
            new = names[b.root]
            views[b] = Buffer(b.shape, b.dtype, new.role, new)
        return views[b]

    def rename(instr: Any) -> Any:
        if isinstance(instr, Load | Store | Reduce | Scatter) and instr.buffer.root in names:
            return replace(instr, buffer=buffer(instr.buffer))
        return instr

    return lambda kernel: replace(kernel, body=tuple(map(rename, kernel.body)))

