"""The ``cond`` equation: one of several branches, chosen by an index. Only the chosen one runs, under every
transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.evaluator import run_program
from functad.core.primitive import Sample, type_of
from functad.core.tracer import Tracer
from functad.ir.program import Program
from functad.ir.regions import Control, Kind, Region, Regions
from functad.ir.types import array_type
from functad.primitives.arithmetic import mul, square
from functad.primitives.control import control_primitive
from functad.primitives.control_native import COND
from functad.primitives.trigonometric import cos, sin
from functad.transforms.programs import trace_program

__all__ = ["bind_cond", "cond_p"]


def bind_cond(
    index: Any, branches: Sequence[tuple[Program, Sequence[Any]]], operands: Sequence[Any] = ()
) -> tuple[Any, ...]:
    """The results of one of several Programs, each with the values that it closes over, its first inputs; the others
    are the operands.

    All branches take all of these values; what several close over is one operand, so that it has one cotangent.
    """
    places: dict[Any, int] = {}
    consts: list[Any] = []
    taken = []
    for _, own in branches:
        for x in own:
            if places.setdefault(_identity(x), len(consts)) == len(consts):
                consts.append(x)
        taken.append([places[_identity(x)] for x in own])
    types = [type_of(x) for x in consts]
    programs = [_taking(p, places, types) for (p, _), places in zip(branches, taken, strict=True)]
    return cond_p.bind(index, *consts, *operands, branches=tuple(programs))  # type: ignore[no-any-return]


def _identity(x: Any) -> Any:
    return (x._owner, x._variable) if type(x) is Tracer else id(x)


def _taking(program: Program, places: Sequence[int], types: Sequence[Any]) -> Program:
    """A Program of values of these types, some of which are its own first ones, and its other inputs."""
    return trace_program(
        lambda *args: run_program(program, (*[args[k] for k in places], *args[len(types) :])),
        (*types, *program.in_types[len(places) :]),
    )


def _evaluate(index: Any, *operands: Any, branches: tuple[Program, ...]) -> tuple[Any, ...]:
    chosen = min(max(int(index), 0), len(branches) - 1)
    return tuple(run_program(branches[chosen], operands))


def _samples() -> list[Sample]:
    vector, scalar = array_type((3,), np.float64), array_type((), np.float64)
    makers = (lambda x, a: [mul(sin(x), a), a], lambda x, a: [square(x), mul(a, a)], lambda x, a: [cos(mul(x, a)), a])
    branches = tuple(trace_program(f, (vector, scalar)) for f in makers)
    return [Sample((np.int64(i), vector, scalar), {"branches": branches}) for i in range(3)]


def _regions(params: Mapping[str, Any]) -> Regions:
    branches = params["branches"]
    return Regions(Kind.CHOICE, tuple(map(Region, branches)), (len(branches[0].in_types),), heads=1)


cond_p = control_primitive(
    "cond",
    Control(_regions, lambda params, form: {"branches": tuple(form.programs)}),
    evaluate=_evaluate,
    kernel=COND,
    samples=_samples,
)
