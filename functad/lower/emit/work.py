"""How much work statements are, in about the instructions of scalar code: what decides how often a loop looks at the
clock, and whether a call gives the GIL away from the start.

A vector does several instructions' work at once and a division takes longer than a sum, so that a unit is between a
tenth of a nanosecond and a few. That is near enough for both.
"""

from __future__ import annotations

from collections.abc import Iterable

from functad.kernel_ir.control import Branch, Control, Loop, While
from functad.kernel_ir.nodes import (
    Call,
    Compute,
    Kernel,
    KernelProgram,
    Load,
    Product,
    Reduce,
    Scatter,
    Statement,
    Store,
)  # fmt: skip
from functad.kernel_ir.sizes import Poly, poly, product
from functad.lower.emit.operations import cost

__all__ = ["INNER", "is_heavy", "is_short", "needs_clock", "total_work", "work_of_statement", "work_of_step"]

ACCESS = 2
"""An access to memory in a loop."""

CALL = 32
"""What a statement takes that is a function of its own."""

INNER = 2048
"""What a loop is taken for that counts its steps itself, in the step that it stands in."""

NATIVE_CALL, NATIVE_ELEMENT = 4096, 16
"""What a native function takes, about which nothing else is known, for itself and for each element of its operands."""

SHORT = 2**13
"""A loop of a known number of steps and at most this much work is a part of the step that it stands in."""


def total_work(program: KernelProgram) -> Poly:
    """The work of a call; what is not known before, such as the steps of a while loop, counts as once."""
    return _total([_whole(s) for s in program.body])


def _whole(statement: Statement) -> Poly:
    if isinstance(statement, Loop) and isinstance(statement.steps, Poly):
        return statement.steps * total_work(statement.body)
    if isinstance(statement, Control):
        return _total(map(total_work, statement.programs))
    return work_of_statement(statement)


def work_of_step(*programs: KernelProgram) -> Poly:
    """The work of one run of these programs, without that of loops in them that count their steps themselves."""
    return _total([_counted(s) for program in programs for s in program.body]) + 2


def is_short(loop: Loop) -> bool:
    """Whether a loop does not count its steps, since its work is part of that around it."""
    total = loop.steps * work_of_step(loop.body) if isinstance(loop.steps, Poly) else None
    return total is not None and total.constant is not None and total.constant <= SHORT


def needs_clock(program: KernelProgram) -> bool:
    """Whether a call may be long, and there is something between whose parts time can be looked at."""
    return has_long_loops(program) or sum(map(is_heavy, program.body)) > 1


def has_long_loops(program: KernelProgram) -> bool:
    """Whether any loop, at any depth, counts its steps."""
    return any(
        isinstance(s, While)
        or (isinstance(s, Loop) and not is_short(s))
        or (isinstance(s, Control) and any(map(has_long_loops, s.programs)))
        for s in program.body
    )


def is_heavy(statement: Statement) -> bool:
    """Whether a statement without others inside may be much work."""
    if isinstance(statement, Control):
        return False
    work = work_of_statement(statement).constant
    return work is None or work > SHORT


def _counted(statement: Statement) -> Poly:
    match statement:
        case Loop() if is_short(statement):
            assert isinstance(statement.steps, Poly)
            return statement.steps * work_of_step(statement.body)
        case Branch():
            return work_of_step(*statement.branches)
        case Loop() | While():
            return poly(INNER)
        case Control():
            return poly(CALL)
    return work_of_statement(statement)


def work_of_statement(statement: Statement) -> Poly:
    """The work of a statement without others inside."""
    match statement:
        case Kernel():
            return product(statement.axes) * sum(map(_instruction, statement.body))
        case Product():
            return statement.batch * statement.m * statement.n * statement.k + CALL
        case Call():
            return _total([product(b.shape) for b in statement.buffers]) * NATIVE_ELEMENT + NATIVE_CALL
    raise TypeError(type(statement).__name__)


def _instruction(instr: object) -> int:
    if isinstance(instr, Compute):
        return cost(instr.op, instr.args[-1].dtype)
    return ACCESS if isinstance(instr, Load | Store | Reduce | Scatter) else 0


def _total(works: Iterable[Poly]) -> Poly:
    return sum(works, poly(0))
