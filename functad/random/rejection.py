"""Draws by rejection: attempts are made until one is accepted, in each place by itself.

Most are accepted at once, so the first attempt is made in all places together, as vectors; then a loop goes over the
places, and makes more where it was not. The numbers of an attempt depend on the key, the attempt and the place alone
(they are the counter that is enciphered), so draws are the same under ``vmap`` and in parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.lax.conditionals import cond
from functad.lax.loops import map as map_elements
from functad.lax.loops import while_loop
from functad.numpy.creation import arange
from functad.numpy.logic import logical_not
from functad.random.continuous import between, normal_of
from functad.random.keys import joined, split, threefry

__all__ = ["Numbers", "first_accepted"]

DOUBLE = np.dtype(np.float64)
WORD = np.dtype(np.uint64)


class Numbers:
    """The numbers of one attempt in some places, one of each key."""

    def __init__(self, keys: Any, attempt: Any, places: Any) -> None:
        self.keys = keys
        self.attempt = attempt
        self.places = places

    def _word(self, number: int) -> Any:
        return joined(*threefry(self.keys[number], self.attempt, self.places), WORD)

    def uniform(self, number: int) -> Any:
        """Numbers from 0 up to 1, of the key with a number."""
        return between(self._word(number), DOUBLE, DOUBLE.type(0), DOUBLE.type(1))

    def normal(self, number: int) -> Any:
        """Normal numbers."""
        return normal_of(self._word(number), DOUBLE)


def first_accepted(key: Any, count: int, attempt: Callable[..., tuple[Any, Any]], *parameters: Any) -> Any:
    """What the first accepted attempt gives in each place.

    Parameters
    ----------
    key
        A key.
    count
        How many numbers an attempt takes.
    attempt
        A function of `Numbers` and of parameters in some places, which gives values and whether they are accepted.
    parameters
        Vectors with an element for each place.
    """
    keys = split(key, count)
    places = arange(parameters[0].shape[0], dtype=np.uint32)
    first = attempt(Numbers(keys, places * np.uint32(0), places), *parameters)

    def in_one_place(element: tuple[Any, ...]) -> Any:
        place, value, accepted, *own = element
        vectors = [x.reshape(1) for x in (place, *own)]

        def again(state: tuple[Any, ...]) -> tuple[Any, ...]:
            number = state[0]
            value, accepted = attempt(Numbers(keys, number.reshape(1), vectors[0]), *vectors[1:])
            return number + np.uint32(1), value[0], accepted[0]

        def until_accepted() -> Any:
            return while_loop(lambda state: logical_not(state[2]), again, (np.uint32(1), value, accepted))[1]

        # what no attempt changes is computed before the first one: in a branch, so that most places compute nothing
        return cond(accepted, lambda: value, until_accepted)

    return map_elements(in_one_place, (places, *first, *parameters))
