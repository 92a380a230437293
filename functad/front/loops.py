"""Loops on what is not known: the body runs once or twice while it is traced, in the frame of the user's function.

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

    for i in r: BODY   c = steps(r, ("i", "s", "y"), None)
                       while c.more(locals()):
                           try:
                               if c.restore: (i, s, y) = c.state()
                               i = c.item()
                               BODY
                               c.leave(locals())
                           except BaseException as error:
                               if not c.takes(error): raise
                       if c.restore: (i, s, y) = c.result()

As long as a condition is known, ``while`` is Python's. From the step on where it is not, the condition and the body are
traced, each with what goes round as inputs (``carried.py``), and become one ``while`` equation. Where a step changes
the type of a variable (``prev = None`` before the loop), one step is peeled: ``if t: BODY; while t: BODY``.

``for`` over a range or an array has a known number of steps. The first one is made as Python makes it, so that all
variables are bound and have the types that they keep; the others become one ``loop`` equation, if there are many and
the body can be traced for all of them at once; else they are made one by one, too: nothing has happened by then, since
what would is refused (``effects.py``).

Of a loop that jumps, ``stop`` is the flag that says so (``jumps.py``). A step is made where it is False; where it is
not known, the loop is a ``while`` equation, and steps that are made one by one are branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from functad.core.handles import Owner, Refused, snapshot
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import UnsupportedError
from functad.front.branches import Opened, is_unknown, joined, predicate
from functad.front.carried import Carried, Unsteady
from functad.front.failures import staged
from functad.front.raising import can_be_raised_later, fail
from functad.front.values import UNBOUND, Undecided, typed
from functad.ir.program import Program, sub_programs
from functad.ir.types import array_type
from functad.numpy.dispatch import CALLS, stands_for
from functad.numpy.operands import cast
from functad.numpy.traced import here
from functad.primitives.arithmetic import add
from functad.primitives.bitwise import bit_and, bit_not
from functad.primitives.comparison import lt
from functad.primitives.loop_body import bind_loop
from functad.primitives.while_loop import bind_while
from functad.transforms.programs import trace_program

__all__ = ["Loop", "Steps", "TracedRange"]

INT64 = array_type((), np.int64)

FEW = 8
"""Loops of fewer steps are made step by step."""

MOST_PEELED = 2
"""So many steps of a loop may change the types of its variables."""

MUCH = 400
"""Steps times equations from which on a loop is one: shorter ones are faster step by step, fused in registers."""


class Loop:
    """A ``while`` statement while it runs; ``stop`` is the flag that its jumps set."""

    def __init__(self, names: tuple[str, ...], stop: str | None) -> None:
        self.names = names
        self.staged = self.restore = False
        self._stop = stop
        self._phase = "python"  # then "test" and "body" in turn, or "peel", and "done"
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
        return self._state

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
            return bool(value)
        self.staged = self.restore = True
        self._phase = "test"
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
        for test, entry, opened in reversed(self._peeled):
            one = opened.ended(values)
            values = joined(self.names, test, one, Opened().ended(entry))
        return values


def started(state: tuple[Any, ...], names: tuple[str, ...], stop: str | None) -> tuple[Any, ...]:
    """The variables at the start of a step, which is made if nothing has stopped the loop."""
    return tuple([False if n == stop else x for n, x in zip(names, state, strict=True)])


def never_assigned(name: str) -> Undecided:
    """A variable that a loop assigns to, which may make no step."""
    return Undecided(f"{name} is assigned in the loop{here()} only, on a traced condition, which may make no step")


# -- for ---------------------------------------------------------------------------------------------------------------


class TracedRange:
    """``range`` with a bound whose value is not known: a loop goes over it, and nothing else."""

    def __init__(self, start: Any, stop: Any, step: Any) -> None:
        self.start, self.stop, self.step = start, stop, step

    def __iter__(self) -> Iterator[Any]:
        bound = next(x for x in (self.stop, self.start, self.step) if is_unknown(x))
        bound.__index__()  # raises
        raise AssertionError


@stands_for(range)
def range_(*args: Any) -> Any:
    """``range``."""
    if not any([is_unknown(a) for a in args]):
        return range(*args)
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1) if len(args) == 2 else args
    return TracedRange(start, stop, step)


class Steps:
    """A ``for`` statement while it runs; ``stop`` is the flag that its jumps set."""

    def __init__(self, items: Any, names: tuple[str, ...], stop: str | None) -> None:
        self.names = names
        self.restore = False
        self._stop = stop
        self._items = items
        self._length = _length(items)  # None: a range that is not known, or what only Python can go over
        self._python: Iterator[Any] | None = None if type(items) is TracedRange else iter(items)
        self._made = 0  # steps that Python has made
        self._item: Any = None
        self._counter: Tracer | None = None
        self._state: tuple[Any, ...] = ()
        self._before: tuple[Any, ...] = ()  # the variables where the trace of the body begins
        self._carried: Carried | None = None
        self._step: tuple[Program, list[Tracer]] | None = None
        self._given_up = False
        self._ends = False  # whether a step may end the loop

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether the body is to be run; if so, with which item is decided."""
        if self._step is not None:
            return False
        if self._carried is None:
            stopped = self._stopped(scope)
            if not is_unknown(stopped) and stopped:
                return False
            if self._is_to_be_tried(stopped):
                self._before = tuple([scope.get(n, UNBOUND) for n in self.names])
                self._carried = Carried(self.names, scope, "for", attempt=self._python is not None)
        if self._carried is not None:
            self.restore = True
            self._open(self._carried)
            return True
        assert self._python is not None
        try:
            self._item = next(self._python)
        except StopIteration:
            return False
        self._made += 1
        return True

    def _stopped(self, scope: Mapping[str, Any]) -> Any:
        """Whether a jump has ended the loop, as far as that is known."""
        if self._stop is None:
            return False
        now = dict(zip(self.names, self._state, strict=True)) if self.restore else scope
        stopped = now[self._stop]
        if is_unknown(stopped) and isinstance(self._items, Iterator):
            raise UnsupportedError(
                f"the loop{here()} over a {type(self._items).__name__} ends early on a traced condition: how many of "
                "its items are taken is not known; go over a range, an array or a list, as in for x in list(...)"
            )
        return stopped

    def state(self) -> tuple[Any, ...]:
        """The variables at the start of a step."""
        self.restore = self._carried is not None
        return self._state

    def item(self) -> Any:
        """What the loop's target is in this step."""
        return self._item

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a step."""
        carried = self._carried
        if carried is None:
            return
        counted = [] if self._counter is None else [add(self._counter, np.int64(1))]
        step = carried.step(scope, counted)
        if step is None:
            return
        steps = None if self._length is None else self._length - self._made
        few = self._python is not None and steps is not None and steps * _size(step[0]) < MUCH
        self._ends = self._stop is not None and scope[self._stop] is not False
        if (few and not self._ends) or carried.writes_to(self._items):
            self._give_up(carried)
        else:
            self._step = step

    def takes(self, error: BaseException) -> bool:
        """Whether an exception that leaves the body is the end of an attempt to trace all steps at once, or is raised
        at run time.
        """
        carried = self._carried
        if carried is None:
            return False
        if self._python is not None and isinstance(error, Exception | Refused):
            self._give_up(carried)
            return True
        if self._step is None and can_be_raised_later(error):  # each step raises it
            fail(error)
            self.leave(dict(zip(self.names, self._state, strict=True)))
            return True
        carried.close()
        if isinstance(error, Refused):
            raise error.error from None
        return False

    def _give_up(self, carried: Carried) -> None:
        carried.undo()
        self._carried, self._given_up = None, True
        self._counter = None
        self.restore, self._state = True, self._before

    def result(self) -> tuple[Any, ...]:
        """The variables after the loop."""
        carried, step = self._carried, self._step
        if carried is None or step is None:
            return self._state
        body, consts = step
        start, made = carried.start(), self._made
        if self._length is None or self._ends:
            outs = self._while(carried, body, consts, start)
        elif self._counter is not None:
            length = self._length - made
            outs, _ = bind_loop(body, consts, [*start, np.int64(made)], (), length=length)
        else:
            outs, _ = bind_loop(body, consts, start, [self._items[made:]], length=self._length - made)
        values = carried.settle(outs[: len(start)])
        self.restore = False
        return tuple([values[n] if n in values else never_assigned(n) for n in self.names])

    def _while(self, carried: Carried, body: Program, consts: list[Tracer], start: list[Any]) -> list[Any]:
        """The loop where it is not known how many steps it makes."""
        r = self._items
        if self._length is None:  # as many steps as there are numbers before the end: (stop - start) / step, rounded up
            count = cast(-((r.start - r.stop) // r.step), np.dtype(np.int64))
        else:
            count = np.int64(self._length)
        stop = carried.slot_of(self._stop) if self._ends else None

        def goes_on(n: Any, *state: Any) -> list[Any]:
            more = lt(state[-1], n)
            return [more if stop is None else bit_and(more, bit_not(state[stop]))]

        cond = trace_program(goes_on, [INT64, *[s.type for s in carried.slots()], INT64])
        outs, _, _ = bind_while(cond, body, [count], consts, [*start, np.int64(self._made)])
        return outs

    def _is_to_be_tried(self, stopped: Any) -> bool:
        if self._python is None:
            return True
        if self._length is None or self._given_up:
            return False
        if self._stop is not None and is_unknown(stopped):
            return self._made < self._length
        return self._length >= FEW and self._made == 1

    def _open(self, carried: Carried) -> None:
        """Open a trace of the body for all steps that are left."""
        self._state = started(carried.open(), self.names, self._stop)
        trace = carried.trace
        assert trace is not None
        items = self._items
        if isinstance(items, range | TracedRange) or self._stop is not None:
            self._counter = Tracer(trace.add_input(INT64), trace, PYTHON)
        if isinstance(items, range | TracedRange):
            self._item = items.start + self._counter * items.step  # type: ignore[operator]
            return
        if self._counter is None:
            element = array_type(items.shape[1:], items.dtype)
            self._item = Tracer(trace.add_input(element), trace, ARRAY if element.ndim else SCALAR)
        else:  # how many elements are taken is not known
            self._item = snapshot(CALLS[np.asarray](items)[self._counter])
        if self._item._kind == ARRAY:
            self._item._memory = Owner(self._item._variable, "an element of the array that the loop goes over")


def _length(items: Any) -> int | None:
    """How many steps there are, of what all can be made at once."""
    if type(items) is range or (type(items) in (Tracer, np.ndarray) and items.ndim):
        return len(items)
    return None


def _size(program: Program) -> int:
    """The equations of a Program, those of its parts included."""
    return sum([1 + sum([_size(p) for p in sub_programs(e)]) for e in program.eqns])
