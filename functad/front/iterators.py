"""Python's iterators, made so that they remember of what: ``zip(x, y)`` knows x and y, until something is taken of it.

In staged twins the functions that make them are replaced by these classes, which are the functions' subclasses.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from functad.errors import UnsupportedError
from functad.numpy.traced import here

__all__ = ["ITERATORS", "Remembering"]


LEFT = -2
"""What an iterator has given that a loop left early, nobody knows when."""


class Remembering:
    """An iterator that knows of what it was made, and how often it has been asked for an item."""

    kind: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    taken: int

    def finish(self) -> None:
        """Behave as when a loop has taken all items, and so what it was made of."""
        self.taken = -1
        for x in self.args:
            if isinstance(x, Remembering):
                x.finish()

    def leave(self) -> None:
        """Behave as when a loop has taken nobody knows how many items."""
        self.taken = LEFT
        for x in self.args:
            if isinstance(x, Remembering):
                x.leave()

    def ended(self) -> Exception:
        """The error that says that there are no more items."""
        if self.taken == LEFT:
            return UnsupportedError(
                f"{self!r}, over which a loop went that ended early on a traced condition, is asked for another "
                f"item{here()}: how many it has taken is not known; make a new one"
            )
        if self.kind is itertools.count or (self.kind is itertools.repeat and len(self.args) + len(self.kwargs) == 1):
            return UnsupportedError(
                f"{self!r}, which a compiled loop has gone over, is asked for another item{here()}; make a new one"
            )
        return StopIteration()


def _remembering(kind: type) -> type:
    """The class of iterators of a kind that remember."""

    class Made(kind, Remembering):  # type: ignore[misc,valid-type]
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            self = super().__new__(cls, *args, **kwargs)
            self.args, self.kwargs, self.taken = args, kwargs, 0
            return self

        def __next__(self) -> Any:
            if self.taken < 0:
                raise self.ended()
            self.taken += 1
            return super().__next__()

    Made.kind = kind
    Made.__name__ = Made.__qualname__ = kind.__name__
    return Made


class Reversed(Remembering):
    """``reversed(x)``."""

    kind = reversed

    def __init__(self, x: Any) -> None:
        self.args, self.kwargs, self.taken = (x,), {}, 0
        self._items: Iterator[Any] = reversed(x)

    def __iter__(self) -> Reversed:
        return self

    def __next__(self) -> Any:
        if self.taken < 0:
            raise self.ended()
        self.taken += 1
        return next(self._items)

    def __length_hint__(self) -> int:
        return self._items.__length_hint__()  # type: ignore[no-any-return,attr-defined]


ITERATORS: dict[Any, Callable[..., Any]] = {
    **{
        kind: _remembering(kind)
        for kind in (
            *(zip, map, enumerate, itertools.product, itertools.combinations, itertools.permutations),
            *(itertools.pairwise, itertools.islice, itertools.chain, itertools.repeat, itertools.count),
        )
    },
    reversed: Reversed,
}
"""What staged twins call in place of the functions that make iterators."""
