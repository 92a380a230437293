"""One Program for all that are equal: what is made of it (derivatives, batched forms, native code) is made once.

Without ``jit`` the body of a loop is traced at each call, and mostly gives the Program that it gave before. Such
Programs are *interned*: a table holds one of each structure, with the lines of code that its equations are of, and
without arrays, which become operands. Since the table holds it anyway, what is kept with it may refer to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.caches import Recent, on_clearing
from functad.ir.key import structural_key
from functad.ir.lifting import closed
from functad.ir.program import Eqn, Literal, Program, sub_programs
from functad.ir.types import SeqType

__all__ = ["interned"]

SMALL = 1000
"""Elements up to which an array of integers, indices mostly, is part of a Program: rules look at those."""

SHARE = 8
"""The table holds an eighth of what the flag ``cache_size`` says: a Program may have much that was made of it."""

_table = Recent[Program](SHARE)
on_clearing(_table.clear)


def interned(program: Program) -> tuple[Program, list[Any]]:
    """The Program in the table that equals this one, and what it takes before the other inputs.

    A Program with Python objects in it, or with constants that are no operands, is itself.

    Examples
    --------
    >>> import functad as fd
    >>> data = np.ones(3)
    >>> traced = [fd.make_ir(f)(0.5) for f in 2 * [lambda x: x * data]]
    >>> (first, arrays), (second, _) = [interned(program) for program in traced]
    >>> first is second, arrays
    (True, [array([1., 1., 1.])])
    """
    made, constants = closed(program, stays)
    key = structural_key(made)
    if key.objects or program.doubtful or any([a.type.size > SMALL for a in constants_in(made)]):
        return program, []
    places: list[int] = []
    note_places(made, places)
    found = _table.get((key, *places))
    if found is None:
        made.interned = True
        found = _table.setdefault((key, *places), made)
    return found, [c.value for c in constants]


def stays(constant: Literal, eqn: Eqn | None, position: int) -> bool:
    """Whether a constant is part of the Program: numbers are, and arrays where derivatives may depend on values."""
    if isinstance(constant.type, SeqType):  # of a pullback: it is an object to a key
        return True
    if not constant.type.ndim or constant.type.dtype.kind not in "fc":
        return constant.type.size <= SMALL
    return not bool(np.isfinite(constant.value).all())


def constants_in(program: Program) -> list[Literal]:
    """All constants of a Program, and of those in it."""
    found = [a for e in program.eqns for a in e.inputs if type(a) is Literal]
    found += [a for a in program.outputs if type(a) is Literal]
    return found + [a for e in program.eqns for inner in sub_programs(e) for a in constants_in(inner)]


def note_places(program: Program, places: list[int]) -> None:
    """Where the equations come from; the Program keeps the code objects."""
    for e in program.eqns:
        if e.loc is not None:
            places += (id(e.loc.code), e.loc.instruction)
        if e.primitive.control is not None or e.primitive.owned:
            for inner in sub_programs(e):
                note_places(inner, places)
