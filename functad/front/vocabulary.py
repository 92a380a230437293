"""The names that twins close over, and by which the rewriting calls what ``calls.py`` gives."""

from __future__ import annotations

__all__ = [
    "AND", "BRANCH", "BY_PYTHON", "CAUGHT", "CHANGED", "CHOOSE", "COMPARE", "DECIDED", "EAGERLY", "ENTERED", "FAILING",
    "GUARD", "IDENTIFIED", "ITEM", "KNOWN", "LISTED", "LONG", "LONG_STEPS", "LOOP", "MADE", "MATCHED", "NOT", "OPERATE",
    "OR", "OUTSIDE", "OVER", "READ", "RESULT", "ROUTE", "SLICE", "STEPS", "STORE", "TRYING", "UNBOUND", "in_long_loop",
]  # fmt: skip

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
OPERATE, READ, FAILING, TRYING, KNOWN, LISTED, EAGERLY, IDENTIFIED, BY_PYTHON = [
    f"_functad_{n}"
    for n in ("operate", "read", "failing", "trying", "known", "listed", "eagerly", "identified", "by_python")
]
"""Those of staged twins besides."""

LONG, LONG_STEPS = "_functad_long", "_functad_long_steps"
"""Those of twins where values are known, besides the others, which the staged form of a loop uses in them."""


def in_long_loop(name: str) -> str:
    """The name, in the staged form of a loop, of what is another thing in the twin around it."""
    return f"{name}_in_loop"


RESULT = "_functad_result"
"""The variable that holds what a function returns, where it may return in several places."""
