"""Updates in place: a step that copies its carry and then writes a few elements writes them into the carry itself.

A body qualifies where the copy is the first that happens to the output, and nothing reads the input afterwards. What reads the input before then
reads the output, which holds the carry from the start.
"""

from __future__ import annotations

from dataclasses import replace

from functad.kernel_ir.control import Control, SequenceBuffer
from functad.kernel_ir.nodes import Affine, Buffer, Call, Instr, Kernel, KernelProgram, Load, Product, Reduce, Scatter, Statement, Store

__all__ = ["in_place"]


def in_place(body: KernelProgram, consts: int, carry: int) -> tuple[KernelProgram, tuple[bool, ...]]:
    """A loop's body with what it can update in place so updated, and which parts of the carry these are."""
    flags = []
    for old, new in zip(body.inputs[consts : consts + carry], body.outputs, strict=False):
        statements = _without_copy(body.body, old, new)
        flags.append(statements is not None)
        if statements is not None:
            body = replace(body, body=statements)
    return body, (*flags, *[False] * (carry - len(flags)))


def _without_copy(statements: tuple[Statement, ...], old: Buffer, new: Buffer) -> tuple[Statement, ...] | None:
    """The statements with ``new`` in place of ``old`` from the start; None if that would change what they compute."""
    writers = [k for k, s in enumerate(statements) if new in _mentioned(s)]
    if isinstance(old, SequenceBuffer) or not old.shape or not writers or not _is_copy(statements[writers[0]], old, new):
        return None
    at = writers[0]
    readers = [k for k, s in enumerate(statements) if old in _mentioned(s) and k != at]
    if any(k > at or not isinstance(statements[k], Kernel) for k in readers):
        return None
    return tuple([_renamed(s, old, new) if k in readers else s for k, s in enumerate(statements) if k != at])


def _is_copy(statement: Statement, old: Buffer, new: Buffer) -> bool:
    if not isinstance(statement, Kernel) or len(statement.body) != 2:
        return False
    load, store = statement.body
    if not isinstance(load, Load) or not isinstance(store, Store) or load.mask is not None or store.mask is not None:
        return False
    axes = iter(range(len(statement.axes)))
    index = tuple([Affine(0) if n == 1 else Affine.axis(next(axes, -1)) for n in new.shape])
    whole = statement.axes == tuple([n for n in new.shape if n != 1]) and old.shape == new.shape and load.index == store.index == index
    return whole and load.buffer is old and store.buffer is new and store.value is load.out


def _mentioned(statement: Statement) -> set[Buffer]:
    """The roots of the buffers that a statement mentions."""
    found: list[Buffer] = []
    match statement:
        case Kernel():
            found = [i.buffer for i in statement.body if isinstance(i, Load | Store | Reduce | Scatter)]
        case Product():
            found = [statement.out, statement.lhs, statement.rhs]
        case Call():
            found = list(statement.buffers)
        case Control():
            found = [*statement.reads, *statement.writes]
    return {b.root for b in found}


def _renamed(statement: Statement, old: Buffer, new: Buffer) -> Statement:
    assert isinstance(statement, Kernel)
    views: dict[Buffer, Buffer] = {old: new}

    def buffer(b: Buffer) -> Buffer:
        if b not in views:
            views[b] = Buffer(b.shape, b.dtype, new.role, new)
        return views[b]

    def rename(instr: Instr) -> Instr:
        return replace(instr, buffer=buffer(instr.buffer)) if isinstance(instr, Load) and instr.buffer.root is old else instr

    return replace(statement, body=tuple(map(rename, statement.body)))
