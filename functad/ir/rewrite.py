"""Writing a Program anew, equation by equation: the loop that passes share.

A pass is a rule, which sees each equation with its operands as they are by now, and gives an equation to put in its
place, or the atoms that stand for its results from here on. What else it needs it appends itself. (Transforms, which
walk over values, share ``transforms.replay``.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from functad.ir.program import Atom, Eqn, Location, Program, Var

if TYPE_CHECKING:
    from functad.core.primitive import Primitive

__all__ = ["Rewriting", "rewrite"]


class Rewriting:
    """The equations of a Program under construction, and what stands for variables of the one that it is made from."""

    def __init__(self) -> None:
        self.eqns: list[Eqn] = []
        self.replaced: dict[Atom, Atom] = {}

    def read(self, atoms: Sequence[Atom]) -> list[Atom]:
        """What stands for atoms."""
        return [self.replaced.get(a, a) for a in atoms]

    def reading(self, eqn: Eqn) -> Eqn:
        """An equation with its operands as they are by now."""
        if not self.replaced or self.replaced.keys().isdisjoint(eqn.inputs):
            return eqn
        return Eqn(eqn.primitive, tuple(self.read(eqn.inputs)), eqn.params, eqn.outputs, eqn.loc)

    def emit(
        self, primitive: Primitive, operands: Sequence[Atom], params: Mapping[str, Any], loc: Location | None
    ) -> tuple[Var, ...]:
        """The results of a new equation."""
        types = primitive.out_types(tuple([a.type for a in operands]), params)
        outputs = tuple([Var(t) for t in types])
        self.eqns.append(Eqn(primitive, tuple(operands), params, outputs, loc))
        return outputs

    def again(self, eqn: Eqn, operands: Sequence[Atom]) -> tuple[Var, ...]:
        """The results of an equation of other operands, under new variables."""
        outputs = tuple([Var(v.type) for v in eqn.outputs])
        self.eqns.append(Eqn(eqn.primitive, tuple(operands), eqn.params, outputs, eqn.loc))
        return outputs

    def copy(
        self,
        program: Program,
        operands: Sequence[Atom],
        results: Callable[[Eqn, list[Atom]], Sequence[Atom]] | None = None,
    ) -> list[Atom]:
        """The outputs of a Program of these operands, its equations appended under new variables; ``results`` gives
        those of an equation otherwise.
        """
        results = results or self.again
        made: dict[Atom, Atom] = dict(zip(program.inputs, operands, strict=True))
        for e in program.eqns:
            made.update(zip(e.outputs, results(e, [made.get(a, a) for a in e.inputs]), strict=True))
        return [made.get(a, a) for a in program.outputs]


def rewrite(program: Program, rule: Callable[[Eqn, Rewriting], Eqn | Sequence[Atom]]) -> Program:
    """The Program with what a rule gives for each equation.

    Examples
    --------
    >>> import functad as fd
    >>> program = fd.make_ir(lambda x: (x + 1.0) * 2.0)(0.5)
    >>> rewrite(program, lambda eqn, made: eqn.inputs[:1] if eqn.primitive.name == "mul" else eqn)
    { lambda a:f64[] .
        b:f64[] = add a 1.0
      in (b) }
    """
    made = Rewriting()
    for e in program.eqns:
        found = rule(made.reading(e), made)
        if isinstance(found, Eqn):
            made.eqns.append(found)
        else:
            made.replaced.update(zip(e.outputs, found, strict=True))
    return Program(program.inputs, made.eqns, made.read(program.outputs), program.name)
