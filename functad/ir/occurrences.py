"""What occurs more than once in a Program: Programs in its params, arrays, objects with a form."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import FunctadError, StructureError
from functad.ir.forms import form_of
from functad.ir.program import Literal, Program

__all__ = ["MOST_NESTED", "shared_objects"]

MOST_NESTED = 100
"""So deep may Programs, tuples and forms be inside one another in a text."""


def shared_objects(program: Program) -> frozenset[int]:
    """The identities of what occurs more than once.

    Raises
    ------
    StructureError
        Where Programs are too deep in one another.
    """
    seen: set[int] = set()
    shared: set[int] = set()
    _visit(program, seen, shared, 0)
    return frozenset(shared)


def _visit(value: Any, seen: set[int], shared: set[int], depth: int) -> None:
    if depth > MOST_NESTED:
        raise StructureError(f"more than {MOST_NESTED} Programs in one another are too many to be written as text")
    if type(value) is tuple:
        for part in value:
            _visit(part, seen, shared, depth + 1)
        return
    form = form_of(value)
    if form is not None:
        value = form.canonical(value)
    elif not isinstance(value, Program | np.ndarray):
        return
    if id(value) in seen:
        shared.add(id(value))
        return
    seen.add(id(value))
    if isinstance(value, Program):
        for eqn in value.eqns:
            for param in eqn.params.values():
                try:
                    _visit(param, seen, shared, depth + 1)
                except FunctadError as error:  # of a rule of the user's, that is traced now
                    raise error.at(eqn.loc) from None
            _visit_literals(eqn.inputs, seen, shared)
        _visit_literals(value.outputs, seen, shared)
    elif form is not None:
        for part in form.fields(value):
            _visit(part, seen, shared, depth + 1)


def _visit_literals(atoms: Any, seen: set[int], shared: set[int]) -> None:
    for atom in atoms:
        if isinstance(atom, Literal) and isinstance(atom.value, np.ndarray):
            _visit(atom.value, seen, shared, 0)
