"""What became of a Program: the object code that computes it, and what calling that takes.

A record is kept under a key of the Program as it was traced, so a later process needs no passes, no fusion and no text.
It is of these sizes and constants; Programs of other sizes have records of their own, with the same object code.
Constants that are literals of the Program are taken from there, as are the user's lines.

Programs that hold Python objects (callbacks, rules of the user's own), that call native functions of the user's, or
that have primitives which functad does not declare, have no record: no key says what these do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad import config
from functad.errors import InternalError
from functad.ir.key import structural_key
from functad.ir.program import Atom, Eqn, Literal, Program, sub_programs
from functad.kernel_ir.native import NativeFunction
from functad.lower.disk.directory import directory
from functad.lower.disk.entries import digest
from functad.lower.disk.environment import environment
from functad.lower.disk.natives import declared_by, is_portable, named
from functad.lower.llvm.target import Target

__all__ = ["Record", "read_record", "record_key", "write_record"]

LARGEST = 2**20
"""Bytes of a constant that is no literal of the Program: with larger ones a Program has no record."""


MISREAD = (AttributeError, ImportError, InternalError, LookupError, SyntaxError, TypeError, ValueError)
"""What reading the content of something else may raise."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is made of a Program: the key of its object code and the name of its driver there; the native functions that
    are called; sizes and constants that the driver takes; for each error code the error, its message, the sizes in that
    and the user's line; and whether a call is much work.
    """

    object: str
    called: str
    calls: tuple[NativeFunction, ...]
    sizes: tuple[int, ...]
    constants: tuple[np.ndarray, ...]
    checks: tuple[tuple[str, str, tuple[int, ...]], ...]
    locations: tuple[Any, ...]
    long: bool


def record_key(program: Program, target: Target) -> str | None:
    """The key of a Program's record; None where it has none, or nothing is to be kept."""
    where = directory()
    if where is None or config.debug.value or config.dump.value:
        return None
    made_by, key = environment(where), structural_key(program)
    if made_by is None or key.objects or not all(e.primitive.module.startswith("functad.") for _, e in _eqns(program)):
        return None
    return digest("record", made_by, repr(target), key.digest)


def read_record(key: str, program: Program) -> Record | None:
    """The record of a Program; None where there is none that fits."""
    where = directory()
    content = None if where is None else where.read(key)
    if content is None:
        return None
    try:
        return _record(ast.literal_eval(content.decode()), program)
    except (
        ArithmeticError,
        AttributeError,
        ImportError,
        InternalError,
        LookupError,
        SyntaxError,
        TypeError,
        ValueError,
    ):
        return None  # written whole, but by something else


def write_record(key: str, program: Program, record: Record) -> None:
    """Keep a record, if all of it can be said in a file."""
    where = directory()
    if where is None or not all(map(is_portable, record.calls)):
        return
    lines = {_line(e.loc): path for path, e in reversed(list(_eqns(program)))}
    literals = {id(value): k for k, value in enumerate(_arrays(program))}
    paths = [lines.get(_line(location)) for location in record.locations]
    kept = [c for c in record.constants if id(c) not in literals]
    if any(c.nbytes > LARGEST for c in kept) or None in paths:
        return
    content = {
        "object": record.object,
        "called": record.called,
        "calls": [named(function) for function in record.calls],
        "sizes": record.sizes,
        "constants": [literals[id(c)] if id(c) in literals else _parts(c) for c in record.constants],
        "checks": record.checks,
        "paths": paths,
        "long": record.long,
    }
    types = ", ".join([str(t) for t in program.in_types])
    label = f"{program.name or 'function'}({types if len(types) < 80 else f'{len(program.in_types)} inputs'})"
    where.write(key, label, repr(content).encode())


def _record(content: Any, program: Program) -> Record | None:
    calls = [declared_by(name) for name in content["calls"]]
    eqns = dict(_eqns(program)) if content["paths"] else {}
    arrays = list(_arrays(program))
    if None in calls:
        return None
    return Record(
        content["object"],
        content["called"],
        tuple([c for c in calls if c is not None]),
        tuple(content["sizes"]),
        tuple([arrays[c] if isinstance(c, int) else _array(c) for c in content["constants"]]),
        tuple([(error, message, tuple(sizes)) for error, message, sizes in content["checks"]]),
        tuple([eqns[tuple(path)].loc for path in content["paths"]]),
        bool(content["long"]),
    )


def _eqns(program: Program, around: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Eqn]]:
    """All equations with their paths: where each is among those around it, sub-Programs counted in between."""
    for number, eqn in enumerate(program.eqns):
        yield (*around, number), eqn
        for k, inner in enumerate(sub_programs(eqn)):
            yield from _eqns(inner, (*around, number, k))


def _arrays(program: Program) -> Iterator[np.ndarray]:
    """The arrays among the literals."""
    outputs: Sequence[Atom] = program.outputs
    for atoms in (*[e.inputs for _, e in _eqns(program)], outputs):
        for atom in atoms:
            if isinstance(atom, Literal) and isinstance(atom.value, np.ndarray):
                yield atom.value


def _line(location: Any) -> Any:
    """What tells places in the user's code apart."""
    return None if location is None else (id(location.code), location.instruction)


def _parts(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def _array(parts: tuple[str, tuple[int, ...], bytes]) -> np.ndarray:
    dtype, shape, content = parts
    return np.frombuffer(content, dtype).reshape(shape).copy()
