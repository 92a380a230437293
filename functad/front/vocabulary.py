"""The names that twins close over, and by which the rewriting calls what ``calls.py`` gives."""

from __future__ import annotations

__all__ = [
    "AND", "ATTEMPT", "BACK", "BRANCH", "BY_PYTHON", "CAUGHT", "CAUGHT_INSIDE", "CHANGED", "CHECKING", "CHOOSE",
    "COMPARE", "DECIDED", "DIVIDED", "DOMAIN", "EAGERLY", "ENTERED", "ERROR", "EXACTLY", "FAILED", "FAILING", "FAILS",
    "FAILURE", "GUARD", "IDENTIFIED", "ITEM", "KNOWN", "KNOWN_TO_BE", "LISTED", "LONG", "LONG_STEPS", "LOOP", "MADE",
    "MATCHED", "MAYBE", "NOT", "OPERATE", "OR", "OUTSIDE", "OVER", "OVERFLOW", "RAISED", "READ", "RESULT", "RETURNED",
    "ROUTE", "SKIP", "SLICE", "STEPS", "STOP", "STORE", "TRIED", "TRYING", "UNBOUND", "WHICH", "ZERO", "in_long_loop",
    "is_error", "is_flag", "is_maybe", "is_result", "plain_name",
]  # fmt: skip

ZERO, DOMAIN, OVERFLOW, DIVIDED, EXACTLY = [
    f"_functad_{n}" for n in ("zero", "domain", "overflow", "divided", "exactly")
]
CHECKING = frozenset({ZERO, DOMAIN, OVERFLOW, DIVIDED, EXACTLY})
"""Those that the rewriting of numbers calls, in all twins."""

ROUTE, ITEM, STORE, SLICE, OUTSIDE, CAUGHT, MATCHED, MADE, OVER, ENTERED = [
    f"_functad_{n}"
    for n in ("route", "item", "store", "slice", "outside", "caught", "matched", "made", "over", "entered")
]
"""Those of all twins."""

BRANCH, LOOP, STEPS, CHOOSE, AND, OR, NOT, COMPARE, UNBOUND, GUARD, CHANGED, DECIDED = [
    f"_functad_{n}"
    for n in (
        *("branch", "loop", "steps", "choose", "and", "or", "not", "compare", "unbound", "guard", "changed", "decided"),
    )
]
OPERATE, READ, FAILING, TRYING, CAUGHT_INSIDE, KNOWN, LISTED, EAGERLY, IDENTIFIED, BY_PYTHON, RETURNED = [
    f"_functad_{n}"
    for n in (
        *("operate", "read", "failing", "trying", "caught_inside", "known", "listed", "eagerly", "identified"),
        *("by_python", "returned"),
    )
]
ATTEMPT, FAILS, FAILURE = [f"_functad_{n}" for n in ("attempt", "fails", "failure")]
"""Those of staged twins besides."""

TRIED = "_functad_tried"
"""The variable that holds the value of an expression while it is asked whether it has failed."""

LONG, LONG_STEPS = "_functad_long", "_functad_long_steps"
"""Those of twins where values are known, besides the others, which the staged form of a loop uses in them."""


def in_long_loop(name: str) -> str:
    """The name, in the staged form of a loop, of what is another thing in the twin around it."""
    return f"{name}_in_loop"


RESULT = "_functad_result"
"""The variable that holds what a function returns, where it may return in several places. With more behind it: one of
those of which an exception is made behind the block that raises it.
"""


FAILED, STOP, SKIP, BACK = [f"_functad_{n}" for n in ("failed", "stop", "skip", "return")]
"""How flags begin that jumps set: out of the block of a ``try``, the loop, the step, or the function."""

ERROR, RAISED, WHICH = [f"_functad_{n}" for n in ("error", "raised", "which")]
"""How variables begin that say what the block of a ``try`` has raised."""


def is_flag(variable: str | None) -> bool:
    """Whether a variable is set by jumps."""
    return variable is not None and variable.startswith((FAILED, STOP, SKIP, BACK))


def is_error(variable: str) -> bool:
    """Whether a variable holds an exception that a function itself catches."""
    return ERROR in variable


def is_result(variable: str) -> bool:
    """Whether a variable is read only where it has been assigned to, whatever the conditions say."""
    return variable.startswith(RESULT)


MAYBE, KNOWN_TO_BE = "_functad_maybe_", "_functad_known_to_be_"
"""How variables begin that some ways through a function leave without a value; and those that say whether they have
one.
"""


def is_maybe(variable: str) -> bool:
    """Whether a variable is asked whether it has a value before it is read."""
    return variable.startswith(MAYBE)


def plain_name(variable: str) -> str:
    """What the user calls a variable."""
    return variable.removeprefix(MAYBE)
