"""Abstraction: the Program of a computation with its sizes and constants taken out, so that one piece of code serves
them all.

Sizes above ``STATIC`` become symbols, numbered in order of first appearance; equal sizes are one symbol, so a
coincidence gives other code than the general case, never wrong code. Numbers outside a small set, and all arrays,
become further inputs, given at run time.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.ir.program import Atom, Eqn, Program, Var, sub_programs
from functad.ir.types import ArrayType, SeqType, Size, Symbol, array_type, seq_type
from functad.lower.abstract.constants import Constants, divisors, is_embedded, lift_constants
from functad.lower.fuse.graph import kernel_rule

__all__ = ["STATIC", "Abstract", "abstract"]

STATIC = 16
"""Sizes up to this are part of the code, which can then unroll loops over them."""


@dataclass(frozen=True, slots=True)
class Abstract:
    """A Program whose inputs are those of the original and then ``constants``, and the values of its size symbols."""

    program: Program
    symbols: tuple[int, ...]
    constants: tuple[np.ndarray, ...]


def abstract(program: Program, static: int = STATIC) -> Abstract:
    """Take sizes above ``static`` and constants out of a Program.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = abstract(fd.make_ir(lambda x: np.sin(x) * 0.1)(np.zeros((100, 3))))
    >>> found.program
    { lambda a:f64[n0,3] b:f64[] .
        c:f64[n0,3] = sin a
        d:f64[n0,3] = mul c b
      in (d) }
    >>> found.symbols, found.constants
    ((100,), (array(0.1),))
    """
    program = lift_constants(program)
    rank = max([t.ndim for t in _types(program)], default=0)
    # the number of an axis looks like a size in params, and must stay below those
    return _Abstraction(static if rank <= static else math.inf).run(program)


def _types(program: Program) -> Iterator[ArrayType]:
    yield from program.in_types
    for eqn in program.eqns:
        for v in eqn.outputs:
            yield v.type
        for inner in sub_programs(eqn):
            yield from _types(inner)


class _Abstraction:
    """One walk over a Program."""

    def __init__(self, static: float) -> None:
        self.static = static
        self.symbols: dict[int, Symbol] = {}
        self.types: dict[ArrayType, ArrayType] = {}
        self.variables: dict[Var, Var] = {}
        self.constants = Constants()

    def run(self, program: Program) -> Abstract:
        inputs = [self.define(v) for v in program.inputs]
        eqns = [self.equation(eqn) for eqn in program.eqns]
        outputs = [self.atom(a) for a in program.outputs]
        made = Program([*inputs, *self.constants.variables], eqns, outputs, program.name)
        return Abstract(made, tuple(self.symbols), self.constants.values)

    def define(self, var: Var) -> Var:
        made = self.variables[var] = Var(self.type(var.type))
        return made

    def type(self, type: ArrayType) -> ArrayType:
        made = self.types.get(type)
        if made is None and isinstance(type, SeqType):
            made = self.types[type] = seq_type(self.type(type.element))
        if made is None:
            made = self.types[type] = array_type(tuple([self.size(n) for n in type.shape]), type.dtype)  # type: ignore[misc]
        return made

    def size(self, n: int) -> Size:
        if -self.static <= n <= self.static:
            return n
        return self.symbols.setdefault(n, Symbol(len(self.symbols)))

    def equation(self, eqn: Eqn) -> Eqn:
        divided = divisors(eqn)
        inputs = tuple([self.atom(a, k in divided) for k, a in enumerate(eqn.inputs)])
        params = self.params(eqn) if eqn.params else eqn.params
        return Eqn(eqn.primitive, inputs, params, tuple([self.define(v) for v in eqn.outputs]), eqn.loc)

    def params(self, eqn: Eqn) -> Mapping[str, Any]:
        static = kernel_rule(eqn.primitive, tuple([a.type for a in eqn.inputs]), eqn.params).static
        return {name: value if name in static else self.param(value) for name, value in eqn.params.items()}

    def inside(self, program: Program) -> Program:
        """A sub-Program, without constants and with the same symbols."""
        inputs = [self.define(v) for v in program.inputs]
        eqns = [self.equation(eqn) for eqn in program.eqns]
        return Program(inputs, eqns, [self.atom(a) for a in program.outputs])

    def param(self, value: Any) -> Any:
        if isinstance(value, Program):
            return self.inside(value)
        if type(value) is int:
            return self.size(value)
        if type(value) is tuple:
            return tuple([self.param(v) for v in value])
        if isinstance(value, np.integer):
            return self.size(operator.index(value))
        return value

    def atom(self, atom: Atom, divides: bool = False) -> Atom:
        if isinstance(atom, Var):
            return self.variables[atom]
        return (
            atom
            if not atom.type.ndim and is_embedded(atom.value, divides)
            else self.constants.variable(atom, self.type(atom.type))
        )
