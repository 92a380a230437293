"""Going through a Program: its variables, their names, which equation gives one, and which take it."""

from __future__ import annotations

from functad.errors import ArgumentError
from functad.ir.derived import derived
from functad.ir.printer import format_value, variable_names
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.scalars import format_scalar

__all__ = ["name_of_variable", "producer", "users", "variables"]


def variables(program: Program) -> tuple[Var, ...]:
    """All variables of a Program, in the order in which they are defined: inputs, then results of equations.

    Examples
    --------
    >>> import functad as fd
    >>> fd.make_ir(lambda x: x * x + 1.0)(2.0).variables
    (Var(f64[]), Var(f64[]), Var(f64[]))
    """
    return (*program.inputs, *[v for eqn in program.eqns for v in eqn.outputs])


def name_of_variable(program: Program, atom: Atom) -> str:
    """How a Program prints a variable; of a literal, its value.

    Examples
    --------
    >>> import functad as fd
    >>> program = fd.make_ir(lambda x: x * x + 1.0)(2.0)
    >>> [program.name_of(a) for a in program.eqns[1].inputs]
    ['b', '1.0']
    """
    if isinstance(atom, Literal):
        return format_scalar(atom.value) if not atom.type.ndim else f"array({atom.type})"
    return _names(program)[_known(program, atom)]


def producer(program: Program, variable: Atom) -> Eqn | None:
    """The equation that a variable is a result of; None for inputs, and for literals.

    Examples
    --------
    >>> import functad as fd
    >>> program = fd.make_ir(lambda x: x * x + 1.0)(2.0)
    >>> last = program.producer(program.outputs[0])
    >>> last, [program.producer(a) for a in last.inputs]
    (<add f64[] 1.0 -> f64[]>, [<square f64[] -> f64[]>, None])
    """
    return None if isinstance(variable, Literal) else _producers(program).get(_known(program, variable))


def users(program: Program, variable: Var) -> tuple[Eqn, ...]:
    """The equations that take a variable, in order.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> program = fd.make_ir(lambda x: np.sin(x) * x)(2.0)
    >>> program.users(program.inputs[0])
    (<sin f64[] -> f64[]>, <mul f64[] f64[] -> f64[]>)
    """
    return tuple(_users(program)[_known(program, variable)])


def _known(program: Program, variable: Var) -> Var:
    if variable not in _users(program):
        raise ArgumentError(f"{variable!r} is no variable of this Program; see its .variables")
    return variable


@derived
def _names(program: Program) -> dict[Var, str]:
    return dict(zip(variables(program), variable_names(), strict=False))


@derived
def _producers(program: Program) -> dict[Var, Eqn]:
    return {v: eqn for eqn in program.eqns for v in eqn.outputs}


@derived
def _users(program: Program) -> dict[Var, list[Eqn]]:
    found: dict[Var, list[Eqn]] = {v: [] for v in variables(program)}
    for eqn in program.eqns:
        for v in dict.fromkeys(a for a in eqn.inputs if isinstance(a, Var)):
            found[v].append(eqn)
    return found


def described(eqn: Eqn) -> str:
    """An equation by itself: names are known to its Program alone."""
    params = ", ".join([f"{k}={format_value(v)}" for k, v in sorted(eqn.params.items())])
    head = f"{eqn.primitive.name}[{params}]" if params else eqn.primitive.name
    operands = [
        format_scalar(a.value) if isinstance(a, Literal) and not a.type.ndim else str(a.type) for a in eqn.inputs
    ]
    results = " ".join([str(v.type) for v in eqn.outputs]) or "()"
    return f"<{' '.join([head, *operands])} -> {results}>"


Program.variables = property(variables)
Program.name_of = name_of_variable
Program.producer = producer
Program.users = users
Eqn.__repr__ = described  # type: ignore[method-assign, assignment]
