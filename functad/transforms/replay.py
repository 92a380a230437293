"""What all drivers share: reading atoms, and emitting a Program's primal equations again without computing them
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from functad import config
from functad.core.observing import observing
from functad.core.trace import current_trace, inherited_location
from functad.ir.program import Atom, DerivedLocation, Eqn, Literal, Location, Program, Var

__all__ = ["Reader", "derivative_of", "derived_locations", "primal", "replay"]


class Reader:
    """The values of a Program's variables while a driver walks over it."""

    __slots__ = ("values",)

    def __init__(self, program: Program, args: Sequence[Any]) -> None:
        self.values: dict[Var, Any] = dict(zip(program.inputs, args, strict=True))

    def __call__(self, atom: Atom) -> Any:
        return atom.value if type(atom) is Literal else self.values[atom]  # type: ignore[index]

    def write(self, variables: Sequence[Var], values: Sequence[Any]) -> None:
        """Define variables."""
        self.values.update(zip(variables, values, strict=True))


def replay(program: Program, args: Sequence[Any], results: Callable[[Eqn, list[Any]], Sequence[Any]]) -> list[Any]:
    """The outputs of a Program, with what a function of each equation and its operands gives as results; locations are
    kept.
    """
    read = Reader(program, args)
    with inherited_location() as at:
        around = at.loc
        for eqn in program.eqns:
            at.loc = eqn.loc or around
            read.write(eqn.outputs, results(eqn, [read(a) for a in eqn.inputs]))
    return [read(a) for a in program.outputs]


def derived_locations() -> Callable[[str, Any, Location | None], Location | None] | None:
    """What makes the locations of the equations of a derivative, where somebody asks which operation each is of."""
    return derived_location if config.debug_nans.value else None


def derived_location(way: str, rule: Any, loc: Location | None) -> Location | None:
    """Where an equation of a derivative comes from; where a rule consists of equations of the user's, they say it."""
    of = getattr(rule, "of", None)
    return loc if loc is None or of is None else DerivedLocation(way, of, loc)


@contextmanager
def derivative_of(rule: Any) -> Iterator[None]:
    """A scope in which equations are those that a rule needs beside what it is the derivative of."""
    if not config.debug_nans.value:
        yield
        return
    with inherited_location() as at:
        at.loc = derived_location("derivative", rule, at.loc)
        yield


def primal(eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Any, ...]:
    """The results of an equation on new operands; where its values are known already they are carried over, not
    computed.
    """
    outputs, prim = eqn.outputs, eqn.primitive
    have = bool(outputs) and outputs[0] in known
    trace = current_trace()
    if trace is None:
        if have:
            return (known[outputs[0]],) if len(outputs) == 1 else tuple([known[v] for v in outputs])
        observer = observing.get()
        if observer is not None:
            return observer.equation(prim, ins, eqn.params, eqn.loc)
        out = eqn.signature.compute(*ins, **eqn.params)
        return tuple(out) if prim.multiple_results else (out,)
    carried = [known[v] for v in outputs] if have and trace.concrete else None
    outs = trace.emit(prim, ins, eqn.params, carried)
    return outs if prim.multiple_results else (outs,)
