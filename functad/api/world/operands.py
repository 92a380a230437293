"""Numbers and arrays in closure cells and globals that keep changing: operands of the Program, read at each call,
instead of one Program each.

A place that holds its third value is traced with a tracer there; so is an array with its third content, wherever the
function comes by it. Where that fails, since Python needs the value (a shape, a branch, ``float``), each value is
traced anew, as before, and a warning says so, once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from functad.api.world.reach import Reach, Source
from functad.api.world.substitute import Astray, Substitution
from functad.api.world.watch import Watch
from functad.caches import remember, trim
from functad.core.capture import Leaf, as_leaf
from functad.core.location import is_internal, user_stack_level
from functad.errors import FunctadError, RetraceWarning
from functad.identity import same
from functad.ir.types import array_type
from functad.lower.entry.places import ABSENT, Fixed, Length, Unwritten, elements_of
from functad.lower.entry.unchanged import Unchanged

if TYPE_CHECKING:
    from functad.api.traced import Traced

__all__ = ["Operand", "Operands", "compared_arrays"]


class Operand(NamedTuple):
    """A place that is read at each call, and what is in it: its type and kind, no value."""

    source: Source
    leaf: Leaf


class Operands:
    """Which places of a jitted function are operands, which have turned out to decide too much for that, and which are
    counters.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._decisive: dict[Hashable, Source] = {}
        self._written: dict[Hashable, tuple[Source, Any]] = {}  # with what was there before
        self._left: dict[Hashable, Source] = {}
        # those that have been written to; no reference, and no weak one, either: NumPy would refuse to resize them
        self._arrays: dict[Hashable, None] = {}
        self.counters: dict[Hashable, Source] = {}
        """Places that the function changes whenever it is traced, from something else each time: what they hold is not
        looked at.
        """

    def note_writes(self, watch: Watch) -> None:
        """Note what the function itself has changed while it was traced, of what it writes to at all."""
        for identity, source in watch.reach.sources.items():
            if not watch.reach.may_write(identity):
                continue
            if identity not in watch.writes:
                self._left[identity] = source  # no counter: made when first used, say
                continue
            before = watch.writes[identity][0]
            if (
                identity in self._written
                and identity not in self._left
                and not same(self._written[identity][1], before)
            ):
                self.counters[identity] = source
            self._written[identity] = source, before
        for table in (self._written, self._left, self.counters):
            trim(table)

    def choose(self, watch: Watch, versions: Sequence[Traced]) -> dict[Hashable, Operand]:
        """The operands of the next version: those of the others, and what has changed twice since the first of them."""
        if not versions:
            return {}
        before = {h.place.identity for t in versions for h in t.hidden}
        held = [g for t in versions for g in t.guards.guards if isinstance(g, Unchanged)]
        chosen: dict[Hashable, Operand] = {}
        for identity, source in watch.reach.sources.items():
            now = watch.before[identity]
            if identity in self.counters or isinstance(now, FunctionType | CodeType | ModuleType | type):
                continue
            if identity in before or changed_twice([h.held_at(identity) for h in held], now):
                self._try(chosen, watch, source, now)
        read = {id(watch.before[identity]) for identity in chosen}
        for array in watch.reach.arrays:
            identity = Fixed(array).identity
            if id(array) not in read and (identity in self._arrays or written_twice(array, versions)):
                remember(self._arrays, identity, None)
                self._try(chosen, watch, named(array, watch, self._name), array)
        return chosen

    def _try(self, chosen: dict[Hashable, Operand], watch: Watch, source: Source, now: Any) -> None:
        """Make a place an operand, if that may be."""
        identity = source.place.identity
        if identity in self._decisive:
            return
        leaf = None if isinstance(source.place, Length) else leaf_of(now)
        obstacle = (
            "it decides how often a loop runs"
            if isinstance(source.place, Length)
            else "it is neither a number nor an array"
            if leaf is None
            else Substitution(watch.reach, {identity: now}).obstacle()
        )
        if leaf is None or obstacle:
            self.decides(identity, source, str(obstacle))
        else:
            chosen[identity] = Operand(source, leaf)

    def some(
        self,
        trace: Callable[[Mapping[Hashable, Operand]], Traced],
        operands: Mapping[Hashable, Operand],
        error: Exception,
    ) -> Traced:
        """The version with those operands that let the function be traced, where all together do not: found by
        halves.
        """
        traced = trace({})  # what the function raises by itself is the user's
        kept: dict[Hashable, Operand] = {}

        def search(failing: list[tuple[Hashable, Operand]], error: Exception) -> None:
            nonlocal traced
            if len(failing) == 1:
                ((identity, operand),) = failing
                self.decides(identity, operand.source, reason(error))
                return
            middle = len(failing) // 2
            for half in (failing[:middle], failing[middle:]):
                try:
                    traced = trace({**kept, **dict(half)})
                except Exception as e:
                    search(half, e)
                else:
                    kept.update([(identity, operand) for identity, operand in half if identity not in self._decisive])

        search(list(operands.items()), error)
        return traced

    def decides(self, identity: Hashable, source: Source, why: str) -> None:
        """From now on each value of a place is traced anew."""
        if identity in self._decisive:
            return
        remember(self._decisive, identity, source)
        warnings.warn(
            f"{source}, which {source.reader or self._name} reads, has changed again, and jit traces {self._name} "
            f"anew for each of its values: {why}. "
            f"Make it an argument of {self._name}, or one of static_argnames",
            RetraceWarning,
            stacklevel=user_stack_level(),
        )


def changed_twice(held: Sequence[Any], now: Any) -> bool:
    """Whether there have been two values before this one."""
    distinct: list[Any] = []
    for value in [h for h in held if h is not ABSENT]:
        if not any([same(value, d) for d in distinct]):
            distinct.append(value)
    return len(distinct) >= 2 and now is not ABSENT and not any([same(now, d) for d in distinct])


def leaf_of(value: Any) -> Leaf | None:
    """The type and kind of a number or array; None for anything else. A boolean has but two values."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | complex | np.generic | np.ndarray):
        return None
    if isinstance(value, np.ndarray) and (type(value) is not np.ndarray or not value.dtype.isnative):
        return None
    try:
        leaf = as_leaf(value, lambda: "a closed-over value")
    except FunctadError:
        return None
    return Leaf(None, leaf.type, leaf.kind)


def reason(error: Exception) -> str:
    """Why a value cannot be an operand: where in the user's code it was asked for."""
    if isinstance(error, Astray):
        return str(error)
    lines = list(user_lines(error.__traceback__))
    return f"Python needs the value at {lines[-1]}" if lines else "Python needs the value"


def user_lines(traceback: TracebackType | None) -> Iterator[str]:
    """The user's lines in a traceback, the innermost last."""
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if not is_internal(filename):
            yield f"{filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next


def written_twice(array: np.ndarray, versions: Sequence[Traced]) -> bool:
    """Whether an array that is compared has held two contents before this one."""
    held = [
        g.content
        for t in versions
        for g in t.guards.guards
        if isinstance(g, Unwritten) and g.array is array and g.content is not None
    ]
    return len(held) >= 2 and changed_twice(held, elements_of(array).tobytes())


def named(array: np.ndarray, watch: Watch, name: str) -> Source:
    """An array as a place, named by a variable that holds it, if there is one."""
    for source in watch.reach.sources.values():
        if watch.before[source.place.identity] is array:
            return Source(Fixed(array), source.name, source.reader, "the array {}")
    return Source(Fixed(array), str(array_type(array.shape, array.dtype)), name, "the array {}")


def compared_arrays(reach: Reach, operands: Mapping[Hashable, Operand]) -> list[np.ndarray]:
    """The arrays that a function reaches otherwise than by way of operands."""
    elsewhere = {
        id(child.value)
        for node in reach.nodes.values()
        for child in (*node.parts, *[c for place, c in node.places if place.identity not in operands])
        if child is not None
    }
    return [a for a in reach.arrays if not operands or (id(a) in elsewhere and Fixed(a).identity not in operands)]
