"""Arrays that a jitted function closed over: compiled code holds their contents, so a call must see that they are what they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["Held", "held_arrays", "unchanged"]

SMALL_BYTES = 1 << 14
"""Up to here comparing the bytes as Python objects is quicker than two passes of NumPy."""


class Held:
    """A closed-over array that can be written to, and what it held when it was traced."""

    __slots__ = ("content", "dtype", "held", "reference", "shape")

    def __init__(self, reference: Callable[[], np.ndarray | None], held: np.ndarray) -> None:
        self.reference = reference
        self.held = held
        self.shape, self.dtype = held.shape, held.dtype
        self.content = held.tobytes() if held.nbytes <= SMALL_BYTES else None

    def unchanged(self) -> bool:
        """Whether the array, if it still exists, holds what it held, bit by bit (so NaN is itself, and -0.0 is not 0.0)."""
        array = self.reference()
        if array is None:
            return True
        if array.shape != self.shape or array.dtype != self.dtype:
            return False
        if self.content is not None:
            return array.tobytes() == self.content
        return np.array_equal(bits(array), bits(self.held))


def bits(array: np.ndarray) -> np.ndarray:
    """What an array holds, bit by bit."""
    return np.ascontiguousarray(array).view(f"u{min(array.itemsize, 8)}")


def held_arrays(arrays: Sequence[tuple[Callable[[], np.ndarray | None], np.ndarray]]) -> tuple[Held, ...]:
    """What a trace noted of closed-over arrays, each array once."""
    found: dict[int, Held] = {}
    for reference, held in arrays:
        array = reference()
        if array is not None:
            found.setdefault(id(array), Held(reference, held))
    return tuple(found.values())


def unchanged(held: Sequence[Held]) -> bool:
    """Whether all arrays hold what they held."""
    return all([h.unchanged() for h in held])
