"""``for`` loops: the body runs once or twice while it is traced for all steps, in the frame of the user's function.

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

``for`` over a range or an array has a known number of steps. They become one ``loop`` equation, if there are many and
the body can be traced for all of them at once; or all but the first, which is made as Python makes it, where variables
get the types that they keep in that one only; else all are made one by one: nothing has happened by then, since what
would is refused (``effects.py``).

Of a loop that jumps, ``stop`` is the flag that says so (``jumps.py``). A step is made where it is False; where it is
not known, the loop is a ``while`` equation, and steps that are made one by one are branches.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from functad.core.demand import demand
from functad.core.handles import BodyTrace, Refused
from functad.core.integers import Affine, number
from functad.core.tracer import Tracer
from functad.errors import ImmutableError, UnsupportedError, message_of
from functad.front.branches import is_unknown
from functad.front.carried import Carried
from functad.front.iterables import source_of
from functad.front.iterators import Remembering
from functad.front.lists import Appended
from functad.front.raising import can_be_raised_later, fail
from functad.front.ranges import TracedRange, counted
from functad.front.report import mark, note, take_back
from functad.front.sources import ELEMENT, Reader
from functad.front.unrolled import Unrolled, size_of
from functad.front.values import UNBOUND
from functad.front.while_loops import never_assigned, started
from functad.front.written import called_from
from functad.ir.program import Program
from functad.ir.types import array_type
from functad.numpy.traced import here
from functad.primitives.arithmetic import add
from functad.primitives.bitwise import bit_and, bit_not
from functad.primitives.comparison import lt
from functad.primitives.loop_body import bind_loop
from functad.primitives.while_loop import bind_while
from functad.transforms.programs import trace_program

__all__ = ["Steps"]

INT64 = array_type((), np.int64)

MUCH = 400
"""Steps times equations from which on a loop is one: shorter ones are faster step by step, fused in registers."""

FEW = 8
"""Loops of fewer steps are made step by step, unless they take twice as much."""

LEAST = 3
"""Loops of fewer steps are made step by step, whatever a step takes."""


class Steps:
    """A ``for`` statement while it runs; ``stop`` is the flag that its jumps set."""

    def __init__(
        self,
        items: Any,
        names: tuple[str, ...],
        own: tuple[str, ...] = (),
        stop: str | None = None,
        what: str = "for",
    ) -> None:
        self.names = names
        self._site = called_from()
        self._own = (UNBOUND,) * len(own)  # variables of one step
        self.restore = False
        self._stop = stop
        self._ends = False  # whether a step may end the loop
        items = self._items = counted(items)
        self._source = (
            None if isinstance(items, TracedRange) else source_of(items, min(FEW, LEAST), endless=stop is not None)
        )
        # None: a range that is not known, or what only Python can go over
        self._length = None if self._source is None else self._source.length
        self._python: Iterator[Any] | None = None if isinstance(items, TracedRange) else iter(items)
        self._made = 0  # steps that Python has made
        self._attempts = 0  # to trace the body for all others
        self._item: Any = None
        self._reader: Reader | None = None
        self._state: tuple[Any, ...] = ()
        self._before: tuple[Any, ...] = ()  # the variables where the trace of the body begins
        self._carried: Carried | None = None
        self._lists = Appended()
        self._step: tuple[Program, list[Tracer]] | None = None
        self._given_up = ""  # why
        self._attempts = 0  # to trace all steps at once
        self._unrolled = Unrolled(what)
        self._noted = mark()

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether the body is to be run; if so, with which item is decided."""
        if self._step is not None:
            return False
        stopped = self._stopped(scope) if self._carried is None else False
        if not is_unknown(stopped) and stopped:
            return False
        if self._carried is None and self._is_to_be_tried(stopped):
            if self._stop is not None and self._source is not None:
                self._source.prepare()
            if not self.restore:  # else they are as another attempt found them
                self._before = tuple([scope.get(n, UNBOUND) for n in self.names])
            start, known = dict(zip(self.names, self._before, strict=True)), self._python is not None
            self._carried = Carried(self.names, start, "for", self._site, attempt=known, makes_steps=known)
            self._noted = mark()
        if self._carried is not None:
            self.restore = True
            self._open(self._carried)
            return True
        assert self._python is not None
        try:
            self._item = next(self._python)
        except StopIteration:
            self._unrolled.note(self._made, self._given_up or self._why_not())
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
            known = self._source if self._source is not None and not self._given_up else source_of(self._items)
            if known is None:
                raise UnsupportedError(
                    f"the loop{here()} over a {type(self._items).__name__} ends early on a traced condition: how many "
                    "of its items are taken is not known; go over a range, an array or a list, as in for x in list(...)"
                )
            assert isinstance(self._items, Remembering)
            self._items.leave()
        return stopped

    def state(self) -> tuple[Any, ...]:
        """The variables at the start of a step."""
        self.restore = self._carried is not None
        return *self._state, *self._own

    def item(self) -> Any:
        """What the loop's target is in this step."""
        if self._carried is None:
            return self._item
        trace, items = self._carried.trace, self._items
        assert trace is not None
        if self._source is not None:
            self._reader = Reader(trace, self._source.counted or self._stop is not None, self._made)
            self._note_range(trace)
            # where it is not known how many items are taken, each is read at its index
            return self._source.item(self._reader) if self._stop is None else self._source.at(self._reader.number)
        self._reader = Reader(trace, True, 0)
        self._note_range(trace)
        return items.at(self._reader.number)

    @property
    def appended(self) -> Appended | None:
        """What notes the elements that the body appends to lists, if they are not appended at once."""
        return None if self._carried is None else self._lists

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a step."""
        carried, reader = self._carried, self._reader
        if carried is None:
            return
        assert reader is not None
        counted = [] if reader.counter is None else [add(reader.counter, np.int64(1))]
        step = carried.step(scope, [*counted, *self._lists.outputs()], self._lists.roots())
        if not self._lists.close():
            self._give_up(carried, "the body changes a list to which it also appends")
        elif step is not None and not self._lists.grown:
            self._ends = self._may_end(scope)
            self._decide(carried, step)

    def _may_end(self, scope: Mapping[str, Any]) -> bool:
        """Whether a step that is traced may end the loop, or one that Python made may have, on a traced condition."""
        if self._stop is None:
            return False
        before = self._before[self.names.index(self._stop)]
        return scope[self._stop] is not False or is_unknown(before)

    def _decide(self, carried: Carried, step: tuple[Program, list[Tracer]]) -> None:
        """Take the Program of a step, or none."""
        if self._source is not None and self._source.is_plain() and carried.is_plain(step):
            self._give_up(carried, "nothing in it is traced, so that Python computes it")
            return
        if self._source is not None and self._length is None and not self._ends:
            self._give_up(carried, "it goes over what has no end")
            return
        if self._source is not None and self._length is not None and not self._ends:
            equations, steps = size_of(step[0]), self._length - self._made
            if not self._is_much(steps, equations):
                self._give_up(carried, f"{steps} steps of {equations} equations are faster one by one")
                return
            if self._stop is None and any([carried.writes_to(x) for x in self._source.arrays()]):
                self._read_by_index(carried, "the body writes to what the loop goes over")
                return
        self._step = step

    def _is_much(self, steps: int, equations: int) -> bool:
        """Whether so many steps of so many equations are to be a loop."""
        assert self._length is not None
        return steps * equations >= (MUCH if self._length >= FEW else 2 * MUCH)

    def takes(self, error: BaseException) -> bool:
        """Whether an exception that leaves the body is the end of an attempt to trace all steps at once, or is raised
        at run time.
        """
        carried = self._carried
        if carried is None:
            return False
        if self._python is not None and isinstance(error, Exception | Refused):
            said = message_of(error).partition(";")[0].partition("\n")[0]
            reason = f"its body cannot be traced for all steps at once: {said}"
            if isinstance(error, ImmutableError) and ELEMENT in str(error):
                self._read_by_index(carried, reason)
            else:  # what the first step binds may be what it lacks
                self._give_up(carried, reason, for_good=self._made > 0 or isinstance(error, Refused))
            return True
        if self._step is None and can_be_raised_later(error):  # each step raises it
            fail(error)
            self.leave(dict(zip(self.names, self._state, strict=True)))
            return True
        carried.close()
        self._lists.close()
        if isinstance(error, Exception | Refused) and isinstance(self._items, TracedRange):
            for bound in self._items.bounds:
                if is_unknown(bound):
                    demand(bound._owner, bound._variable)
        if isinstance(error, Refused):
            raise error.error from None
        return False

    def _give_up(self, carried: Carried, reason: str, for_good: bool = True) -> None:
        carried.undo()
        self._lists.close()
        take_back(self._noted)
        self._lists = Appended()
        self._attempts += 1
        self._carried, self._given_up = None, reason if for_good else ""
        self.restore, self._state = True, self._before

    def _read_by_index(self, carried: Carried, reason: str) -> None:
        """Try again with items that are views of what the loop goes over, if they can be."""
        assert self._source is not None
        source = self._source.by_index() if self._source.arrays() and self._stop is None else None
        self._give_up(carried, reason)
        if source is not None:
            self._source, self._given_up, self._attempts = source, "", self._attempts - 1

    def result(self) -> tuple[Any, ...]:
        """The variables after the loop."""
        carried, step, reader = self._carried, self._step, self._reader
        if carried is None or step is None:
            return *self._state, *self._own
        assert reader is not None
        body, consts = step
        start = carried.start()
        known = self._length is not None and not self._ends
        if self._ends:
            outs = self._while(carried, body, consts, start)
        elif self._length is None:
            outs, _ = bind_loop(
                body, consts, [*start, np.int64(0)], (), length=None, steps=[self._items.count(exact=False)]
            )
        else:
            outs, written = self._known_steps(carried, body, consts, start, reader)
        values = carried.settle(outs[: len(start)])
        if known:
            assert self._length is not None
            self._lists.deliver(written, self._length - self._made, carried)
            if isinstance(self._items, Remembering):
                self._items.finish()
        elif isinstance(self._items, Remembering):
            self._items.leave()
        self.restore = False
        self._note_converted(body)
        return *[values[n] if n in values else never_assigned(n) for n in self.names], *self._own

    def _known_steps(
        self, carried: Carried, body: Program, consts: list[Tracer], start: list[Any], reader: Reader
    ) -> tuple[list[Any], list[Any]]:
        """The loop of a known number of steps: the last carry, and what steps write."""
        assert self._length is not None
        made = self._made
        counter = [] if reader.counter is None else [np.int64(made)]
        steps = self._length - made
        elements = [x if len(x) == steps else x[:steps] for x in [array() for array in reader.arrays]]
        return bind_loop(body, consts, [*start, *counter], elements, length=steps)

    def _while(self, carried: Carried, body: Program, consts: list[Tracer], start: list[Any]) -> list[Any]:
        """The loop that a step may end."""
        limit: list[Any] = [] if self._length is None else [np.int64(self._length)]
        if self._source is None:
            limit = [self._items.count(exact=True)]
        stop = carried.slot_of(self._stop)
        assert stop is not None

        def goes_on(*given: Any) -> list[Any]:
            state = given[len(limit) :]
            return [functools.reduce(bit_and, [lt(state[-1], n) for n in given[: len(limit)]], bit_not(state[stop]))]

        cond = trace_program(goes_on, [*[INT64] * len(limit), *[s.type for s in carried.slots()], INT64])
        outs, _, _ = bind_while(cond, body, limit, consts, [*start, np.int64(self._made)])
        return outs

    def _is_to_be_tried(self, stopped: Any) -> bool:
        if self._python is None:
            return True
        if self._source is None or self._given_up:
            return False
        if self._stop is not None and is_unknown(stopped):
            return self._length is None or self._made < self._length
        if self._length is None:
            return False
        if self._stop is not None:  # the first step shows what the variables are that it may leave without a value
            return self._length >= FEW and self._made == 1
        return self._length >= LEAST and self._made == self._attempts

    def _open(self, carried: Carried) -> None:
        """Open a trace of the body for all steps that are left."""
        take_back(self._noted)
        self._state = started(carried.open(), self.names, self._stop)
        assert carried.trace is not None
        if self._source is not None and self._stop is None:
            self._lists.open(carried.trace)

    # -- what is said about it -----------------------------------------------------------------------------------------

    def _note_converted(self, body: Program) -> None:
        steps: Any = "an unknown number of" if self._length is None else self._length - self._made
        if self._ends and self._length is not None:
            steps = f"at most {steps}"
        peeled = "; the first step apart" if self._made else ""
        loop = f"one native loop of {steps} steps{peeled}"
        note(self._unrolled.what, loop, "", self._unrolled.at, size_of(body))

    def _why_not(self) -> str:
        if self._length is None and self._made >= FEW:
            return f"a {type(self._items).__name__} is gone over step by step, or its items are not of one kind"
        return f"it has fewer than {FEW} steps"

    def _note_range(self, trace: BodyTrace) -> None:
        """Tell the trace of the body what its counter is at least and at most."""
        counter = None if self._reader is None else self._reader.counter
        if counter is not None:
            trace.ranges[counter._variable] = self._range()

    def _range(self) -> tuple[Affine, Affine | None]:
        r, first = self._items, number(self._made)
        if self._length is not None:
            return first, number(self._length - 1)
        return first, r.last() if isinstance(r, TracedRange) else None
