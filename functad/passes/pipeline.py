"""The passes between tracing and lowering, in order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from functad import config
from functad.ir.checker import check_program
from functad.ir.dce import dce
from functad.ir.program import Program
from functad.passes.control import expand_sequences, trim
from functad.passes.cse import cse
from functad.passes.fold import fold
from functad.passes.hoist import hoist
from functad.passes.inline import inline
from functad.passes.promote import promote
from functad.passes.simplify import simplify
from functad.passes.sink import sink
from functad.passes.spread import spread
from functad.passes.steady import steady
from functad.passes.twins import without_twins
from functad.passes.unroll import unroll
from functad.passes.widen import widen

__all__ = ["PIPELINE", "STEPS", "optimize"]


def bodies(program: Program) -> Program:
    """The pipeline inside of loops and branches."""
    return without_twins(program, lambda p: _run(p, PIPELINE))


PIPELINE: tuple[Callable[[Program], Program], ...] = (
    inline,  # one function per Program
    unroll,
    expand_sequences,  # before the pipeline runs inside of loops
    dce,  # before rewriting what nobody needs
    trim,
    steady,
    fold,  # literals first, for loops and branches
    cse,  # and one operand for one value
    sink,
    bodies,
    spread,
    widen,
    hoist,
    fold,  # literals again: the rules look for them
    simplify,
    cse,
    simplify,  # merging operands makes new matches
    trim,  # operands that the rules have made superfluous
    dce,
)


AT_LAST: tuple[Callable[[Program], Program], ...] = (promote, dce)
"""What goes into loops and branches by itself, with what is known around them."""

STEPS = (*PIPELINE, *AT_LAST)
"""All passes over a whole Program."""


def optimize(program: Program) -> Program:
    """Run the pipeline; in debug mode the checker runs after each pass and names it."""
    return _run(program, STEPS)


def _run(program: Program, steps: Sequence[Callable[[Program], Program]]) -> Program:
    debug, stages = config.debug.value, config.dump.value
    if "ir" in stages or "all" in stages:
        print(f"-- ir\n{program}", file=sys.stderr)
    for number, step in enumerate(steps):
        program = step(program)
        if debug:
            check_program(program, f"pass {number}, {step.__name__}")
        if "passes" in stages or "all" in stages:
            print(f"-- after {step.__name__}\n{program}", file=sys.stderr)
    return program
