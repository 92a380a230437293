"""Reducing a random Program on which two ways of running it differ to the few equations that matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from functad.ir.dce import dce
from functad.ir.program import Eqn, Literal, Program, Var
from functad.testing.programs import Example, assert_same, by_the_evaluator

__all__ = ["check_example", "reduce_example"]


def reduce_example(example: Example, fails: Callable[[Example], bool]) -> Example:
    """The smallest example that still fails, by cutting equations out: their results become inputs with the values that
    they have.

    Parameters
    ----------
    example
        An example for which ``fails`` is true.
    fails
        Whether an example shows the failure.
    """
    values = all_values(example)
    while True:
        smaller = next((c for c in candidates(example, values) if fails(c)), None)
        if smaller is None:
            return example
        example = smaller


def all_values(example: Example) -> dict[Var, Any]:
    """The value of each variable, by the NumPy evaluation of each equation."""
    values: dict[Var, Any] = dict(zip(example.program.inputs, example.args, strict=True))
    for eqn in example.program.eqns:
        with by_the_evaluator():
            found = eqn.primitive.evaluate(
                *[a.value if isinstance(a, Literal) else values[a] for a in eqn.inputs], **eqn.params
            )
        values.update(zip(eqn.outputs, found if eqn.primitive.multiple_results else (found,), strict=True))
    return values


def candidates(example: Example, values: dict[Var, Any]) -> Iterator[Example]:
    """Examples with less in them: half the equations, one output, one equation fewer, only the inputs that are used."""
    program = example.program
    half = len(program.eqns) // 2
    if half > 1:
        yield restricted(program, program.eqns[:half], values, last=True)
        yield restricted(program, program.eqns[half:], values)
    if len(program.eqns) > 1:
        yield restricted(program, program.eqns[:-1], values, last=True)
    if len(program.outputs) > 1:
        for out in program.outputs:
            yield restricted(Program(program.inputs, program.eqns, [out]), program.eqns, values)
    for eqn in reversed(program.eqns):
        if len(program.eqns) > 1:
            yield restricted(program, [e for e in program.eqns if e is not eqn], values)
    if (smaller := restricted(program, program.eqns, values)).program.inputs != program.inputs:
        yield smaller


def restricted(
    program: Program, eqns: list[Eqn] | tuple[Eqn, ...], values: dict[Var, Any], last: bool = False
) -> Example:
    """The Program with some of its equations; what they lack becomes inputs. With ``last``, the output is their last
    result.
    """
    outputs = eqns[-1].outputs if last else program.outputs
    kept = dce(Program(program.inputs, eqns, outputs))
    made = {v for e in kept.eqns for v in e.outputs}
    used = [a for e in kept.eqns for a in e.inputs] + list(kept.outputs)
    inputs = list(dict.fromkeys([a for a in used if isinstance(a, Var) and a not in made]))
    results = [a.value if isinstance(a, Literal) else values[a] for a in kept.outputs]
    return Example(Program(inputs, kept.eqns, kept.outputs), [values[v] for v in inputs], results)


def check_example(example: Example, run: Callable[[Program, Sequence[Any]], Sequence[Any]], how: str) -> None:
    """Compare a way of running Programs with the NumPy evaluator; a failure is shown on the smallest part of the
    Program that has it.
    """

    def fails(candidate: Example) -> bool:
        try:
            assert_same(candidate, run(candidate.program, candidate.args), how)
        except Exception:  # a crash of the compiler is reduced as a wrong result is
            return True
        return False

    if fails(example):
        small = reduce_example(example, fails)
        try:
            assert_same(small, run(small.program, small.args), how)
        except AssertionError:
            raise
        except Exception as error:
            error.add_note(f"while running, by {how}, {small}")
            raise
