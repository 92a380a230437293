"""Updates in place: a step that copies its carry and then writes a few elements writes them into the carry itself.

A body qualifies where the copy is the first that happens to the output, and nothing reads the input afterwards. What reads the input before then
reads the output, which holds the carry from the start.
"""

from __future__ import annotations

from dataclasses import replace

from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.copies import copied, mentioned, renamed
from functad.kernel_ir.nodes import Buffer, Kernel, KernelProgram, Statement

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
    writers = [k for k, s in enumerate(statements) if new in mentioned(s)]
    if isinstance(old, SequenceBuffer) or not writers or copied(statements[writers[0]]) != (old, new):
        return None
    at = writers[0]
    readers = [k for k, s in enumerate(statements) if old in mentioned(s) and k != at]
    if any(k > at or not isinstance(statements[k], Kernel) for k in readers):
        return None
    rename = renamed({old: new})
    return tuple([rename(s) if isinstance(s, Kernel) and k in readers else s for k, s in enumerate(statements) if k != at])
