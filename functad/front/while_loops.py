"""``while`` on what is not known: the body runs once or twice while it is traced, in the frame of the user's function.

    while t: BODY      c = loop(("s", "y"), None)
                       while c.more(locals()):
                           try:
                               if c.restore: (s, y) = c.state()
                               if c.test(t, locals()):
                                   if c.restore: (s, y) = c.state()
                                   BODY
                                   c.leave(locals())
                           except BaseException as error:
                               if not c.takes(error): raise
                       if c.staged: (s, y) = c.result()

As long as a condition is known, ``while`` is Python's. From the step on where it is not, the condition and the body are
traced, each with what goes round as inputs (``carried.py``), and become one ``while`` equation. Where a step changes
the type of a variable (``prev = None`` before the loop), one step is peeled: ``if t: BODY; while t: BODY``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functad.core.demand import demand
from functad.core.handles import Refused
from functad.core.tracer import Tracer
from functad.errors import UnsupportedError
from functad.front.branches import Opened, is_unknown, joined, predicate
from functad.front.carried import Carried, Unsteady
from functad.front.failures import staged
from functad.front.raising import can_be_raised_later, fail
from functad.front.report import note
from functad.front.unrolled import Unrolled, size_of
from functad.front.values import UNBOUND, Undecided, typed
from functad.front.vocabulary import is_maybe, is_result
from functad.ir.program import Program
from functad.ir.types import array_type
from functad.numpy.traced import here
from functad.primitives.while_loop import bind_while

__all__ = ["Loop", "never_assigned", "started"]

MOST_PEELED = 2
"""So many steps of a loop may change the types of its variables."""


class Loop:
    """A ``while`` statement while it runs; ``stop`` is the flag that its jumps set."""

    def __init__(self, names: tuple[str, ...], own: tuple[str, ...], stop: str | None) -> None:
        self.names = names
        self._own = (UNBOUND,) * len(own)  # variables of one step
        self.staged = self.restore = False
        self._stop = stop
        self._unrolled = Unrolled("while")
        self._made = 0  # steps that Python has made
        self._phase = "python"  # then "test" and "body" in turn, or "peel", and "done"
        self._unknown: Any = None  # the condition, where it is not known any more
        self._carried: Carried | None = None
        self._entry: tuple[Any, ...] = ()  # the variables where the condition is not known any more
        self._state: tuple[Any, ...] = ()
        self._condition: tuple[Program, list[Tracer]] | None = None
        self._step: tuple[Program, list[Tracer]] | None = None
        self._peeled: list[tuple[Tracer, tuple[Any, ...], Opened]] = []
        self._unsteady: Unsteady | None = None  # why the first one was peeled

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether the condition is to be evaluated; if it is traced, its trace is opened."""
        if self._phase == "test":
            assert self._carried is not None
            self._state = self._carried.open()
        return self._phase != "done"

    def state(self) -> tuple[Any, ...]:
        """The variables at the start of a step."""
        return *self._state, *self._own

    def test(self, value: Any, scope: Mapping[str, Any]) -> bool:
        """Whether the body is to be run now."""
        if self._phase == "python":
            return self._python(value, scope)
        if self._phase == "peel":
            opened = Opened()
            self._peeled.append((value, self._entry, opened))
            return True
        carried = self._carried
        assert carried is not None and carried.trace is not None
        if len(carried.trace.journal) > len(carried.arrays):
            raise UnsupportedError(f"the condition of the loop{here()} writes to an array; write in the body")
        flag = predicate(value) if type(value) is Tracer else bool(value)
        self._condition = carried.trace.finish([typed(flag, array_type((), bool))])
        carried.close()
        self._phase = "body"
        self._state = started(carried.open(), self.names, self._stop)
        return True

    def _python(self, value: Any, scope: Mapping[str, Any]) -> bool:
        """Whether there is a step, where the condition is known; where it is not, tracing begins."""
        if not is_unknown(value):
            if not value:
                self._phase = "done"
                self._state = tuple([scope.get(n, UNBOUND) for n in self.names])
                self._unrolled.note(self._made, "its condition is known before each step")
            self._made += bool(value)
            return bool(value)
        self.staged = self.restore = True
        self._phase = "test"
        self._unknown = value
        self._entry = tuple([scope.get(n, UNBOUND) for n in self.names])
        self._carried = Carried(self.names, scope, "while")
        return False

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a step."""
        if self._phase == "peel":
            self._phase, self.restore = "python", False
        elif self._phase == "body":
            self._end(scope)

    def _end(self, scope: Mapping[str, Any]) -> None:
        carried = self._carried
        assert carried is not None
        try:
            self._step = carried.step(scope)
        except Unsteady as error:
            self._unsteady = self._unsteady or error
            if len(self._peeled) == MOST_PEELED:
                raise self._unsteady from None
            carried.undo()
            self._phase, self._carried, self._state = "peel", None, self._entry
            return
        self._phase = "test" if self._step is None else "done"

    def takes(self, error: BaseException) -> bool:
        """Whether an exception that leaves the condition or the body is raised at run time, and not now."""
        carried = self._carried
        if self._phase == "body" and carried is not None and can_be_raised_later(error):  # each step raises it
            fail(error)
            self._end(dict(zip(self.names, self._state, strict=True)))
            return True
        if carried is not None:
            carried.close()
        for _, _, opened in reversed(self._peeled):
            opened.abandoned()
        if carried is not None or self._peeled:
            staged(error, "a loop")
        if isinstance(error, Exception | Refused) and self._unknown is not None:
            demand(self._unknown._owner, self._unknown._variable)  # with its value the loop is Python's
        if isinstance(error, Refused):
            raise error.error from None
        return False

    def result(self) -> tuple[Any, ...]:
        """The variables after the loop."""
        values = self._state
        if self._step is not None:
            carried, condition, step = self._carried, self._condition, self._step
            assert carried is not None and condition is not None
            outs, _, _ = bind_while(condition[0], step[0], condition[1], step[1], carried.start())
            found = carried.settle(outs)
            values = tuple([found[n] if n in found else never_assigned(n) for n in self.names])
            made = self._made + len(self._peeled)
            peeled = f"; {made} step{'' if made == 1 else 's'} before it" if made else ""
            size = size_of(condition[0]) + size_of(step[0])
            note("while", f"one native loop{peeled}", "its condition is traced", self._unrolled.at, size)
        for test, entry, opened in reversed(self._peeled):
            one = opened.ended(values)
            values = joined(self.names, test, one, Opened().ended(entry), self._unrolled.at)
        return *values, *self._own


def started(state: tuple[Any, ...], names: tuple[str, ...], stop: str | None) -> tuple[Any, ...]:
    """The variables at the start of a step, which is made if nothing has stopped the loop."""
    return tuple([False if n == stop else x for n, x in zip(names, state, strict=True)])


def never_assigned(name: str) -> Any:
    """A variable that a loop assigns to, which may make no step."""
    if is_result(name) or is_maybe(name):  # it is read where it has been assigned
        return UNBOUND
    return Undecided(f"{name} is assigned in the loop{here()} only, on a traced condition, which may make no step")
