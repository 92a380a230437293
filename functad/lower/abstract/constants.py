"""Constants of a Program: which are part of its code; the others are given at run time."""

from __future__ import annotations

import numpy as np

from functad.ir.program import Eqn, Literal
from functad.kernel_ir.rules import Pointwise

__all__ = ["is_embedded", "stays"]

_EMBEDDED = frozenset({0.25, 0.5, 1.5, -0.5, -1.5, float("inf"), float("-inf"), *range(-16, 17)})
"""Numbers that are part of the code: kernels simplify products and powers with them."""


def is_embedded(value: np.generic, divides: bool = False) -> bool:
    """Whether a number is part of the code; ``divides`` says that it is what something is divided by.

    Examples
    --------
    >>> is_embedded(np.float64(2)), is_embedded(np.float64(0.1)), is_embedded(np.float32("nan"))
    (True, False, True)
    >>> is_embedded(np.int64(1000)), is_embedded(np.int64(1000), divides=True)
    (False, True)
    """
    if divides and value.dtype.kind in "iu":
        return True
    return value.dtype.kind == "b" or all(part in _EMBEDDED or part != part for part in (value.real, value.imag))


def stays(constant: Literal, eqn: Eqn | None, position: int) -> bool:
    """Whether a constant that is an operand of an equation, or an output (None), is part of the code: arrays never
    are.
    """
    if constant.type.ndim:
        return False
    return is_embedded(constant.value, eqn is not None and position in divisors(eqn))


def divisors(eqn: Eqn) -> tuple[int, ...]:
    """Which operands of an equation others are divided by, where integers are."""
    rule = eqn.primitive.kernel_rule(tuple([a.type for a in eqn.inputs]), eqn.params)
    return rule.divisors if isinstance(rule, Pointwise) else ()
