"""Draws of generators that have a state, which compiled code cannot make."""

from __future__ import annotations

from functad import config
from functad.core.trace import is_compiling
from functad.errors import UnsupportedError
from functad.numpy.traced import here

__all__ = ["check_draw"]


def check_draw(by: str) -> None:
    """Refuse a draw in a function that is being compiled, unless the user has asked for numbers that stay the same."""
    if is_compiling() and not config.frozen_random.value:
        raise UnsupportedError(
            f"a random number was asked for{here()} ({by}) in a function that is traced once "
            "and then runs as compiled code, which would give that number for ever; draw with "
            "functad.random, from a key that is an argument, or draw before and pass the draws as arguments"
        )
