"""Object code by what it is made from: LLVM text, target, passes, and the environment.

Object code refers to everything outside it by the names of symbols, which are bound to addresses where it is linked. So
it is the same wherever this process and its libraries lie in memory. Text that has an address in it is not kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from functad.lower.disk.directory import directory
from functad.lower.disk.entries import digest
from functad.lower.disk.environment import environment
from functad.lower.llvm.target import Target, emit_object

__all__ = ["Object", "object_code", "stored_object"]

ADDRESS = re.compile(r"inttoptr \(i64 \d{5,}")
"""A pointer that is a number: more than the small ones that stand for something else."""


@dataclass(frozen=True, slots=True)
class Object:
    """Object code; the key under which it is kept, None if it is not; and whether it was found there."""

    code: bytes
    key: str | None = None
    found: bool = False


def object_code(
    text: str, target: Target, *, passes: tuple[str, ...] = (), apart: str = "", label: str = "", keep: bool = True
) -> Object:
    """Object code of LLVM text, as ``emit_object`` makes it, or made it for another process; ``label`` says what it is.

    Without ``keep`` it is neither looked for nor kept.
    """
    where = directory() if keep else None
    made_by = None if where is None else environment(where)
    if where is None or made_by is None or ADDRESS.search(text):
        return Object(emit_object(text, target, passes=passes, apart=apart))
    key = digest("object", made_by, repr(target), repr(passes), text, apart)
    found = where.read(key)
    if found is not None:
        return Object(found, key, found=True)
    code = emit_object(text, target, passes=passes, apart=apart)
    where.write(key, label, code)
    return Object(code, key)


def stored_object(key: str) -> bytes | None:
    """Object code by the key that it had when it was made."""
    where = directory()
    return None if where is None else where.read(key)
