"""Long loops without ``jit``: a loop of much work runs as native code, not step by step in NumPy.

Whether it does depends on the equation and on its operands alone: on the number of steps, times the equations of a
step. So equal calls take the same way, and give equal bits. What is compiled is kept with the body of the loop, which
is mostly interned (``ir/interned.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad import config
from functad.core.observing import observing
from functad.core.primitive import Primitive, type_of
from functad.core.seq import Seq
from functad.ir.derived import derived
from functad.ir.program import Eqn, Program, Var
from functad.ir.regions import regions_of
from functad.ir.types import ArrayType

__all__ = ["LONG", "native_results", "set_compiler", "work"]

LONG = 1000
"""Equations, of all steps together, from which a loop is long: in NumPy they take more than a millisecond."""

Call = Callable[[Sequence[Any]], Sequence[Any]]
_compiler: list[Callable[[Program], Call]] = []


def set_compiler(compiler: Callable[[Program], Call]) -> None:
    """Choose what makes native code of a Program, which the code does not keep; the native backend installs itself
    here.
    """
    _compiler[:] = [compiler]


@derived
def work(program: Program) -> int:
    """Equations that a run of a Program evaluates, as far as they can be counted before."""
    total = 1
    for e in program.eqns:
        form = regions_of(e)
        total += 1 if form is None else sum([work(p) for p in form.programs]) * (form.count or 1)
    return total


def native_results(primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Sequence[Any] | None:
    """The results of an equation by native code; None where that would do something else than NumPy does: where
    ``np.errstate`` raises, or calls a function, where NumPy may warn, where functions of Python are called, for dtypes
    of NumPy's own, and where what is not finite is looked for, step by step.
    """
    rules = set(np.geterr().values())
    observer = observing.get()
    if observer is not None and observer.stepwise:
        return None
    if not _compiler or config.backend.value != "native" or not rules <= {"warn", "ignore"}:
        return None
    assert primitive.control is not None
    form = primitive.control.regions(params)
    types = tuple([type_of(x) for x in operands])
    call = _native_call(form.steps[0].program, primitive, tuple(params.items()), types, config.settings())
    if call is None:
        return None
    results = call(operands)
    last = form.results(results).carry
    return None if "warn" in rules and not all_finite(last) and all_finite(operands) else results


def all_finite(values: Sequence[Any]) -> bool:
    """Whether all numbers are finite, of arrays and numbers."""
    return all([bool(np.isfinite(x).all()) for x in values if type(x) is not Seq and x.dtype.kind in "fc"])


@derived
def _native_call(
    step: Program,
    primitive: Primitive,
    params: tuple[tuple[str, Any], ...],
    types: tuple[ArrayType, ...],
    settings: config.Settings,
) -> Call | None:
    """Native code of an equation with this step."""
    inputs = tuple([Var(t) for t in types])
    outputs = tuple([Var(t) for t in primitive.out_types(types, dict(params))])
    program = Program(inputs, [Eqn(primitive, inputs, dict(params), outputs, None)], outputs, primitive.name)
    return _compiler[0](program) if can_be_native(program) else None


def can_be_native(program: Program) -> bool:
    """Whether all equations have a native form that calls no function of Python."""
    for e in program.eqns:
        form = regions_of(e)
        if form is None and (e.primitive.kernel is None or e.primitive.of_python):
            return False
        if not all([a.type.native for a in (*e.inputs, *e.outputs)]):
            return False
        if form is not None and not all([can_be_native(p) for p in form.programs]):
            return False
    return True
