"""Derivatives of strict functions by the transforms' drivers, of any order and in any mixture of forward and reverse
mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.core.zeros import instantiate
from functad.ir.types import ArrayType
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import linearize_program
from functad.transforms.programs import trace_program

FORWARD, REVERSE = False, True

MODES = {"forward": (FORWARD,) * 3, "reverse": (REVERSE,) * 3, "mixed": (REVERSE, FORWARD, REVERSE)}
"""The modes of the first, second and third derivative."""


def ones(type: ArrayType) -> Any:
    return np.ones(type.shape, type.dtype)[()]


def partial(f: Callable[..., Any], position: int = 0, mode: bool = FORWARD) -> Callable[..., Any]:
    """The derivative of an elementwise function in one operand, as a function that can be differentiated again."""

    def g(*xs: Any) -> Any:
        program = trace_program(lambda *args: [f(*args)], [type_of(x) for x in xs])
        active = [i == position for i in range(len(xs))]
        if mode == REVERSE:
            _, linear = linearize_program(program, xs, active)
            return instantiate(linear.backward([ones(program.out_types[0])])[0], program.in_types[position])
        _, dots = jvp_program(
            program, xs, [ones(t) if flag else None for t, flag in zip(program.in_types, active, strict=True)]
        )
        return instantiate(dots[0], program.out_types[0])

    return g


def derivative(
    f: Callable[..., Any], positions: Sequence[int] = (0,), modes: Sequence[bool] = (FORWARD,) * 3
) -> Callable[..., Any]:
    """The derivative in the operands at ``positions``, one after the other; without warnings."""
    for position, mode in zip(positions, modes, strict=False):
        f = partial(f, position, mode)

    def quiet(*xs: Any) -> Any:
        with np.errstate(all="ignore"):
            return f(*xs)

    return quiet
