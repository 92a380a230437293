"""Structural keys: one hashable value for all Programs that are equal up to the names of their variables.

Variables count by position, literals by dtype and bit pattern (so that NaN equals itself and -0.0 differs from 0.0),
array literals by a digest of their content, params by value. Locations and Program names do not count: code that is
shared through a key must take both from elsewhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from functad.identity import identity_key
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.types import ArrayType, Symbol

__all__ = ["ProgramKey", "structural_key"]


class ProgramKey:
    """The identity of a Program's structure.

    ``digest`` covers all that has a stable value, so where ``objects`` is empty it may name a file on disk. ``objects``
    holds, in order of first use, the keys of params that Python alone can compare: functions, container structures. A
    param with an ``identity`` of its own is known by that, and not kept alive: the key is right as long as the Program.
    """

    __slots__ = ("digest", "objects")

    def __init__(self, digest: str, objects: tuple[Any, ...]) -> None:
        self.digest = digest
        self.objects = objects

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProgramKey) and self.digest == other.digest and self.objects == other.objects

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"ProgramKey({self.digest[:12]}{f', {len(self.objects)} objects' if self.objects else ''})"


def structural_key(program: Program) -> ProgramKey:
    """The key of a Program, in time linear in its size; a sub-Program that occurs many times counts once.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.ir.types import scalar_type
    >>> x, y = Var(scalar_type(np.float64)), Var(scalar_type(np.float64))
    >>> structural_key(Program([x], [], [x])) == structural_key(Program([y], [], [y]))
    True
    """
    return _Keys({}).program(program)


class _Keys:
    """One walk over a Program: writes it as canonical text, in which all names are positions."""

    def __init__(self, shared: dict[int, ProgramKey]) -> None:
        self.shared = shared  # keys of sub-Programs by identity
        self.numbers: dict[Var, int] = {}
        self.objects: dict[Any, int] = {}
        self.types: dict[ArrayType, str] = {}

    def program(self, program: Program) -> ProgramKey:
        lines = [self.define(program.inputs)]
        lines += [self.equation(eqn) for eqn in program.eqns]
        lines.append(" ".join([self.atom(a) for a in program.outputs]))
        return ProgramKey(_digest("\n".join(lines).encode()), tuple(self.objects))

    def define(self, variables: tuple[Var, ...]) -> str:
        for v in variables:
            self.numbers[v] = len(self.numbers)
        return " ".join([self.type(v.type) for v in variables])

    def type(self, type: ArrayType) -> str:
        text = self.types.get(type)
        if text is None:
            text = self.types[type] = repr(type)
        return text

    def equation(self, eqn: Eqn) -> str:
        inputs = " ".join([self.atom(a) for a in eqn.inputs])
        params = self.value(eqn.params) if eqn.params else ""
        return f"{self.define(eqn.outputs)}={eqn.primitive.name}{params} {inputs}"

    def atom(self, atom: Atom) -> str:
        return self.value(atom.value) if isinstance(atom, Literal) else str(self.numbers[atom])

    def value(self, value: Any) -> str:
        """A param or literal as text; every form starts with a tag of its own, so no two values share one."""
        cls = type(value)
        if cls is int or cls is bool or cls is str or cls is bytes or value is None:
            return f"'{value!r}"
        if cls is tuple or cls is list:
            return f"{cls.__name__}({','.join([self.value(v) for v in value])})"
        if cls is float:
            return f"float {value.hex()}"
        if cls is complex:
            return f"complex {value.real.hex()} {value.imag.hex()}"
        if isinstance(value, np.generic):
            return f"{value.dtype.str} {value.tobytes().hex()}"
        if cls is np.ndarray:
            return f"array {value.dtype.str} {value.shape} {_digest(np.ascontiguousarray(value).data)}"
        if isinstance(value, ArrayType | Symbol | np.dtype):
            return f"{cls.__name__} {value!r}"
        if isinstance(value, Program):
            return self.sub_program(value)
        if isinstance(value, Mapping):
            return f"map({','.join([f'{k!r}:{self.value(v)}' for k, v in sorted(value.items())])})"
        if cls is slice:
            return f"slice{self.value((value.start, value.stop, value.step))}"
        if dataclasses.is_dataclass(cls):
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(cls)}
            return f"{cls.__module__}.{cls.__qualname__}{self.value(fields)}"
        return self.object(value)

    def object(self, value: Any) -> str:
        identity = getattr(value, "identity", None)  # of what a key is not to keep alive
        key = identity_key(value) if identity is None else (type(value), identity)
        return f"object {self.objects.setdefault(key, len(self.objects))}"

    def sub_program(self, program: Program) -> str:
        key = self.shared.get(id(program))
        if key is None:
            key = self.shared[id(program)] = _Keys(self.shared).program(program)
        return f"program {key.digest} {' '.join([self.object(o) for o in key.objects])}"


def _digest(content: Any) -> str:
    return hashlib.blake2b(content, digest_size=20).hexdigest()
