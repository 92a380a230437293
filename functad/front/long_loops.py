"""``for`` loops of many steps where values are known: one native loop, if that does what Python does.

The body is traced for all steps at once, as in a staged twin (``loops.py``). The loop then runs at once, natively, and
gives what Python's gives, but for the last bits of elementary functions. Where anything else could be another thing,
Python makes the steps, as if nothing had been tried: where the body changes what a trace cannot, where a step raises,
where results are not finite (NumPy may warn of that), where variables would share memory otherwise. Whether it is tried
depends on the number of steps, and whether it is done on that and the body alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad import config
from functad.core.observing import observing
from functad.core.trace import ABSENT, current_trace, within
from functad.core.tracer import ARRAY, PYTHON, Tracer
from functad.errors import OF_VALUES
from functad.front.carried import Carried, Slot
from functad.front.loops import Steps
from functad.front.sources import Reader
from functad.ir.dependence import through
from functad.ir.interned import interned
from functad.ir.program import Program, Var
from functad.ir.regions import regions_of
from functad.primitives.long_loops import LONG, native_results
from functad.primitives.loop import loop_p

__all__ = ["LongSteps", "is_long"]

MANY = 100
"""Steps from which a loop may be a long one: to find out costs about as much as two of them."""


def is_long(items: Any) -> bool:
    """Whether a loop over these items may run natively."""
    if type(items) not in (range, Tracer, np.ndarray, list, tuple) or len(items) < MANY:
        return False
    return config.backend.value == "native"


class LongSteps(Steps):
    """A ``for`` statement of many steps."""

    def __init__(self, items: Any, names: tuple[str, ...], own: tuple[str, ...] = (), stop: str | None = None) -> None:
        super().__init__(items, names, own, stop)
        self._values: Sequence[Any] | None = None  # what the loop gives

    @property
    def rest(self) -> Any:
        """The items of the steps that Python is to make."""
        return self._items if self._values is None else ()

    def more(self, scope: Mapping[str, Any]) -> bool:
        """See ``Steps``; there is one attempt, and Python makes its steps elsewhere."""
        if self._attempts or self._source is None:
            return False
        if self._step is not None:
            self._run(self._step)
            return False
        return super().more(scope)

    def _is_much(self, steps: int, equations: int) -> bool:
        return steps * equations > LONG

    def _run(self, step: tuple[Program, list[Tracer]]) -> None:
        """Run the loop, or give up."""
        carried, reader = self._carried, self._reader
        assert carried is not None and reader is not None
        reason = "after it a variable has no value, or may share its memory with others"
        if not self._lists.grown and carried.is_as_in_python():
            program, constants = interned(step[0])
            self._step = program, [*constants, *step[1]]
            self._operands = self._operands_of(carried, self._step[1], reader)
            self._values = self._run_natively(self._operands, program)
            reason = "it raises, or gives what is not finite, or calls functions of Python"
        if self._values is None:
            self._step = None
            self._give_up(carried, reason)

    def _operands_of(self, carried: Carried, consts: Sequence[Any], reader: Reader) -> list[Any]:
        counter = [] if reader.counter is None else [np.int64(0)]
        return [*consts, *carried.start(), *counter, *[array() for array in reader.arrays]]

    def _params(self, body: Program) -> dict[str, Any]:
        reader, carried = self._reader, self._carried
        assert self._step is not None and reader is not None and carried is not None
        carry = len(carried.slots()) + (reader.counter is not None)
        counts = {"consts": len(self._step[1]), "carry": carry}
        return {"body": body, "length": self._length, "reverse": False, "unroll": 1, **counts}

    def _run_natively(self, operands: Sequence[Any], body: Program) -> Sequence[Any] | None:
        """The results for the values of the operands."""
        values = [x._owner.value(x._variable) if type(x) is Tracer else x for x in operands]
        if any([v is ABSENT for v in values]):
            return None
        observer = observing.get()
        run = observer.equation if observer is not None and observer.stepwise else native_results
        try:
            return within(None, run, loop_p, values, self._params(body))
        except OF_VALUES:  # of a step, which Python makes again
            return None

    def _known_steps(
        self, carried: Carried, body: Program, consts: list[Tracer], start: list[Any], reader: Reader
    ) -> tuple[list[Any], list[Any]]:
        trace = current_trace()
        assert trace is not None and self._values is not None
        params = self._params(body)
        outs = list(trace.emit(loop_p, self._operands, params, self._values))
        form = regions_of(trace.eqns[-1])
        assert form is not None
        moving = through(form, [type(a) is Var for a in trace.eqns[-1].inputs])
        for k, slot in enumerate(s for v in carried.variables for s in v.slots()):
            depends = slot.type.inexact and (moving is None or moving.carry[k])
            if not depends and (slot.kind != ARRAY or type(slot.value) is not Tracer):
                outs[k] = plain(self._values[k], slot)
        carry = params["carry"]
        return outs[:carry], outs[carry:]


def plain(value: Any, slot: Slot) -> Any:
    """A value as Python has it, where it depends on nothing that is differentiated."""
    if slot.kind == ARRAY:
        return np.array(value)
    return value.item() if slot.kind == PYTHON else value
