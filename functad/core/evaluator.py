"""Running a Program: with NumPy where no trace is open (the specification of native code), else equation by equation
into the trace.

A Program that is run often (the rules of un-jitted derivatives are) is turned into a Python function, one line an
equation, so that an equation costs the call of its NumPy function and little else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functad.core.observing import observing
from functad.core.trace import current_trace, inherited_location
from functad.errors import OF_VALUES, FunctadError
from functad.ir.program import Literal, Program, Var

__all__ = ["run_program"]

FIRST_LINE = 2
"""The line of the first equation in such Python code."""

INTERPRETED_RUNS = 2
"""Runs before a Program is turned into Python code, which costs about as much as 200 equations."""


def run_program(program: Program, args: Sequence[Any]) -> Sequence[Any]:
    """The outputs of a Program: NumPy values, or tracers of the current trace."""
    if current_trace() is not None:
        return emit_program(program, args)
    observer = observing.get()
    if observer is not None:
        return observer.run(program, args)
    plan = program.plan
    if callable(plan):
        try:
            return plan(*args)  # type: ignore[no-any-return]
        except OF_VALUES as error:
            locate(error, program)
            raise
    runs = (plan or 0) + 1
    program.plan = runs if runs <= INTERPRETED_RUNS else python_function(program)
    return interpret(program, args)


def locate(error: FunctadError, program: Program) -> None:
    """Say where in the user's code the equation is that raised an error in Python code made of a Program, a line an
    equation.
    """
    frame = error.__traceback__ and error.__traceback__.tb_next
    if frame is not None:
        error.at(program.eqns[frame.tb_lineno - FIRST_LINE].loc)


def interpret(program: Program, args: Sequence[Any]) -> list[Any]:
    """Evaluate equation by equation."""
    values: dict[Var, Any] = dict(zip(program.inputs, args, strict=True))
    for eqn in program.eqns:
        ins = [a.value if isinstance(a, Literal) else values[a] for a in eqn.inputs]
        try:
            result = eqn.primitive.evaluate(*ins, **eqn.params)
        except OF_VALUES as error:
            error.at(eqn.loc)
            raise
        if eqn.primitive.multiple_results:
            values.update(zip(eqn.outputs, result, strict=True))
        else:
            values[eqn.outputs[0]] = result
    return [a.value if isinstance(a, Literal) else values[a] for a in program.outputs]


def emit_program(program: Program, args: Sequence[Any]) -> list[Any]:
    """Append the equations to the current trace; those without a location of their own keep the one in force."""
    values: dict[Any, Any] = dict(zip(program.inputs, args, strict=True))
    trace: Any = current_trace()
    with inherited_location() as at:
        around = at.loc
        for eqn in program.eqns:
            at.loc = eqn.loc or around
            ins = [a.value if type(a) is Literal else values[a] for a in eqn.inputs]
            result = trace.emit(eqn.primitive, ins, eqn.params)
            if eqn.primitive.multiple_results:
                values.update(zip(eqn.outputs, result, strict=True))
            else:
                values[eqn.outputs[0]] = result
    return [a.value if type(a) is Literal else values[a] for a in program.outputs]


def python_function(program: Program) -> Callable[..., tuple[Any, ...]]:
    """The Program as a Python function of its inputs."""
    names: dict[Var, str] = {v: f"x{i}" for i, v in enumerate(program.inputs)}
    scope: dict[str, Any] = {}

    def read(atom: Any) -> str:
        return constant(atom.value) if isinstance(atom, Literal) else names[atom]

    def constant(value: Any) -> str:
        name = f"c{len(scope)}"
        scope[name] = value
        return name

    lines = [f"def run({', '.join(names.values())}):"]
    for eqn in program.eqns:
        operands = [read(a) for a in eqn.inputs] + [f"{k}={constant(v)}" for k, v in eqn.params.items()]
        for v in eqn.outputs:
            names[v] = f"x{len(names)}"
        results = (
            f"({''.join([names[v] + ', ' for v in eqn.outputs])})"
            if eqn.primitive.multiple_results
            else names[eqn.outputs[0]]
        )
        lines.append(f"    {results} = {constant(eqn.primitive.evaluate)}({', '.join(operands)})")
    lines.append(f"    return ({''.join([read(a) + ', ' for a in program.outputs])})")
    exec("\n".join(lines), scope)
    return scope.pop("run")  # type: ignore[no-any-return]  # which would hold itself by its globals
