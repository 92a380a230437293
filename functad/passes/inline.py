"""Inlining: replace each call (``jit``, a function with a custom rule) by the equations of its Program."""

from __future__ import annotations

from functad.ir.program import Atom, Eqn, Literal, Program, Var

__all__ = ["inline"]


def inline(program: Program) -> Program:
    """The Program with all calls expanded, at any depth."""
    if not any(e.primitive.expands for e in program.eqns):
        return program
    eqns: list[Eqn] = []
    replaced: dict[Var, Atom] = {}
    _expand(program, replaced, eqns)
    return Program(program.inputs, eqns, [_read(a, replaced) for a in program.outputs], program.name)


def _read(atom: Atom, replaced: dict[Var, Atom]) -> Atom:
    return atom if type(atom) is Literal else replaced.get(atom, atom)  # type: ignore[arg-type]


def _expand(program: Program, replaced: dict[Var, Atom], eqns: list[Eqn]) -> None:
    for e in program.eqns:
        inputs = tuple([_read(a, replaced) for a in e.inputs])
        if e.primitive.expands:
            inner: Program = e.params["program"]
            # a Program may be called many times: each expansion gets variables of its own
            inside: dict[Var, Atom] = dict(zip(inner.inputs, inputs, strict=True))
            _expand(inner, inside, eqns)
            replaced.update((v, _read(a, inside)) for v, a in zip(e.outputs, inner.outputs, strict=True))
        else:
            outputs = tuple([Var(v.type) for v in e.outputs])
            replaced.update(zip(e.outputs, outputs, strict=True))
            eqns.append(Eqn(e.primitive, inputs, e.params, outputs, e.loc))
