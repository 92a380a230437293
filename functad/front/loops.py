"""Loops on what is not known: the body runs once or twice while it is traced, in the frame of the user's function.

    while t: BODY      c = loop(("s", "y"))
                       while c.more(locals()):
                           if c.restore: (s, y) = c.state()
                           if c.test(t, locals()):
                               if c.restore: (s, y) = c.state()
                               BODY
                               c.leave(locals())
                       if c.staged: (s, y) = c.result()

    for i in r: BODY   c = steps(r, ("i", "s", "y"))
                       while c.more(locals()):
                           try:
                               if c.restore: (i, s, y) = c.state()
                               i = c.item()
                               BODY
                               c.leave(locals())
                           except BaseException as error: c.retry(error)
                       if c.restore: (i, s, y) = c.result()

As long as a condition is known, ``while`` is Python's. From the step on where it is not, the condition and the body are
traced, each with what goes round as inputs (``carried.py``), and become one ``while`` equation.

``for`` over a range or an array has a known number of steps. The first one is made as Python makes it, so that all
variables are bound and have the types that they keep; the others become one ``loop`` equation, if there are many and
the body can be traced for all of them at once; else they are made one by one, too: nothing has happened by then, since
what would is refused (``effects.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.handles import Owner, Refused
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import UnsupportedError
from functad.front.branches import is_unknown, predicate
from functad.front.carried import Carried
from functad.front.failures import staged
from functad.front.values import UNBOUND, Undecided, typed
from functad.ir.program import Eqn, Program, sub_programs
from functad.ir.types import array_type
from functad.numpy.dispatch import stands_for
from functad.numpy.operands import cast
from functad.numpy.traced import here
from functad.primitives.arithmetic import add
from functad.primitives.comparison import lt
from functad.primitives.loop_body import bind_loop
from functad.primitives.while_loop import bind_while
from functad.transforms.programs import trace_program

__all__ = ["Loop", "Steps", "TracedRange"]

INT64 = array_type((), np.int64)

MUCH = 400
"""Steps times equations from which on a loop is one: shorter ones are faster step by step, fused in registers."""

FEW = 8
"""Loops of fewer steps are made step by step, unless the first step has shown that it takes twice as much."""


class Loop:
    """A ``while`` statement while it runs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.staged = self.restore = False
        self._phase = "python"  # then "test" and "body" in turn, and "done"
        self._carried: Carried | None = None
        self._state: tuple[Any, ...] = ()
        self._condition: tuple[Program, list[Tracer]] | None = None
        self._step: tuple[Program, list[Tracer]] | None = None

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
            if is_unknown(value):
                self.staged = self.restore = True
                self._phase = "test"
                self._carried = Carried(self.names, scope, "while")
                return False
            if not value:
                self._phase = "done"
            return bool(value)
        carried = self._carried
        assert carried is not None and carried.trace is not None
        if len(carried.trace.journal) > len(carried.arrays):
            raise UnsupportedError(f"the condition of the loop{here()} writes to an array; write in the body")
        flag = predicate(value) if type(value) is Tracer else bool(value)
        self._condition = carried.trace.finish([typed(flag, array_type((), bool))])
        carried.close()
        self._phase = "body"
        self._state = carried.open()
        return True

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a step."""
        if self._phase == "body":
            assert self._carried is not None
            self._step = self._carried.step(scope)
            self._phase = "test" if self._step is None else "done"

    def result(self) -> tuple[Any, ...]:
        """The variables after the loop."""
        carried, condition, step = self._carried, self._condition, self._step
        assert carried is not None and condition is not None and step is not None
        outs, _, _ = bind_while(condition[0], step[0], condition[1], step[1], carried.start())
        values = carried.settle(outs)
        return tuple([values[n] if n in values else never_assigned(n) for n in self.names])

    def abandon(self, error: BaseException) -> None:
        """An exception leaves the statement."""
        if self._carried is not None:
            self._carried.close()
            if self._phase != "done":
                staged(error, "a loop")
        if isinstance(error, Refused):
            raise error.error from None


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
    """A ``for`` statement while it runs."""

    def __init__(self, items: Any, names: tuple[str, ...]) -> None:
        self.names = names
        self.restore = False
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
        self._trace = current_trace()
        self._begun = len(self._trace.eqns) if self._trace is not None else 0

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether the body is to be run; if so, with which item is decided."""
        if self._step is not None:
            return False
        if self._carried is None and self._is_to_be_tried():
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
        few = self._python is not None and steps is not None and steps * _size(step[0].eqns) < MUCH
        if few or carried.writes_to(self._items):
            self._give_up(carried)
        else:
            self._step = step

    def retry(self, error: BaseException) -> None:
        """An exception leaves the body: of a trace for all steps, they are made one by one; else it is the user's."""
        carried = self._carried
        if carried is not None and self._python is not None and isinstance(error, Exception | Refused):
            self._give_up(carried)
            return
        if carried is not None:
            carried.close()
        if isinstance(error, Refused):
            raise error.error from None
        raise error

    def _give_up(self, carried: Carried) -> None:
        carried.undo()
        self._carried, self._given_up = None, True
        self.restore, self._state = True, self._before

    def result(self) -> tuple[Any, ...]:
        """The variables after the loop."""
        carried, step = self._carried, self._step
        if carried is None or step is None:
            return self._state
        body, consts = step
        start, made = carried.start(), self._made
        if self._length is None:
            outs = self._over_unknown(carried, body, consts, start)
        elif self._counter is not None:
            length = self._length - made
            outs, _ = bind_loop(body, consts, [*start, np.int64(made)], (), length=length)
        else:
            outs, _ = bind_loop(body, consts, start, [self._items[made:]], length=self._length - made)
        values = carried.settle(outs[: len(start)])
        self.restore = False
        return tuple([values[n] if n in values else never_assigned(n) for n in self.names])

    def _over_unknown(self, carried: Carried, body: Program, consts: list[Tracer], start: list[Any]) -> list[Any]:
        """The loop over a range whose length is not known."""
        r = self._items
        # as many steps as there are numbers before the end: (stop - start) / step, rounded up
        count = cast(-((r.start - r.stop) // r.step), np.dtype(np.int64))
        types = [count._variable.type, *[s.type for s in carried.slots()], INT64]
        cond = trace_program(lambda n, *xs: [lt(xs[-1], n)], types)
        outs, _, _ = bind_while(cond, body, [count], consts, [*start, np.int64(0)])
        return outs

    def _is_to_be_tried(self) -> bool:
        if self._python is None:
            return True
        if self._length is None or self._made != 1 or self._given_up or self._trace is None:
            return False
        if self._length >= FEW or self._length < 3:
            return self._length >= FEW
        return (self._length - 1) * _size(self._trace.eqns[self._begun :]) >= 2 * MUCH

    def _open(self, carried: Carried) -> None:
        """Open a trace of the body for all steps that are left."""
        self._state = carried.open()
        trace = carried.trace
        assert trace is not None
        items = self._items
        if isinstance(items, range | TracedRange):
            self._counter = Tracer(trace.add_input(INT64), trace, PYTHON)
            self._item = items.start + self._counter * items.step  # type: ignore[operator]
        else:
            element = array_type(items.shape[1:], items.dtype)
            self._item = Tracer(trace.add_input(element), trace, ARRAY if element.ndim else SCALAR)
            self._item._memory = Owner(self._item._variable, "an element of the array that the loop goes over")


def _length(items: Any) -> int | None:
    """How many steps there are, of what all can be made at once."""
    if type(items) is range or (type(items) in (Tracer, np.ndarray) and items.ndim):
        return len(items)
    return None


def _size(eqns: Sequence[Eqn]) -> int:
    """How many equations there are, those of their parts included."""
    return sum([1 + sum([_size(p.eqns) for p in sub_programs(e)]) for e in eqns])
