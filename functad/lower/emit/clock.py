"""Long calls let others run: loops run in strips of steps, and between them work is counted against a budget.

The budget is in the frame of the call. A loop takes from it what a strip of steps costs (``work.py``), never inside the
strip, so that the code of a step is what it would be without a clock. Where nothing is left of it, some ten to some
hundred microseconds after it was filled, ``TICK`` (``lower/native/interrupts.py``) gives the GIL away for the rest of
the call, the first time, and in Python's main thread lets handlers of signals run, every 50 ms; if one raises, the call
ends as it does on any error. So a short call neither touches the GIL nor looks at the clock.

Between the statements of a driver it is the same, where the work was known to be much before the call.

Who calls a driver with a clock says what it may do (``Caller``), in a fourth parameter.
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import IntEnum

from functad.kernel_ir.sizes import Poly
from functad.lower.emit.code import Code
from functad.lower.emit.exits import Exits
from functad.lower.emit.frame import word
from functad.lower.emit.work import INNER
from functad.lower.native.frame import BUDGET, BUDGET_AT, DEADLINE_AT, GIL_AT
from functad.lower.native.interrupts import TICK
from functad.lower.native.python import API

__all__ = ["Caller", "Strips", "clocked_name", "end_clock", "plain_driver", "spend_if_long", "start_clock"]


class Caller(IntEnum):
    """What a driver may do: who calls it says so."""

    FOREIGN = 0  # nothing: C or Numba code calls, which could not raise what a handler raises
    WITHOUT_GIL = 1  # run handlers of signals
    WITH_GIL = 2  # and give the GIL away until it returns


def clocked_name(name: str) -> str:
    """The function that takes a ``Caller``, of the driver of that name."""
    return f"{name}_clocked"


def plain_driver(name: str) -> str:
    """The driver as other native code calls it: without the parameter."""
    parameters = "ptr %inputs, ptr %outputs, ptr %sizes"
    return f"""define i32 @{name}({parameters}) nounwind {{
entry:
  %error = call i32 @{clocked_name(name)}({parameters}, i64 {Caller.FOREIGN:d})
  ret i32 %error
}}"""


def start_clock(code: Code) -> None:
    """Fill the words of the frame at the start of a call: ``GIL_AT`` is 1 while the GIL may be given away, then what
    takes it again.
    """
    foreign = code.emit(f"icmp eq i64 %caller, {Caller.FOREIGN:d}")
    budget = code.emit(f"select i1 {foreign}, i64 {2**63 - 1}, i64 {BUDGET}")
    held = code.emit(f"icmp eq i64 %caller, {Caller.WITH_GIL:d}")
    code.line(f"store i64 {budget}, ptr {word(code, BUDGET_AT)}")
    code.line(f"store i64 {code.emit(f'zext i1 {held} to i64')}, ptr {word(code, GIL_AT)}")
    code.line(f"store i64 0, ptr {word(code, DEADLINE_AT)}")


def end_clock(code: Code) -> None:
    """Take the GIL again at the end of a call."""
    gil = code.emit(f"load i64, ptr {word(code, GIL_AT)}")
    with code.when(code.emit(f"icmp ugt i64 {gil}, 1"), ()):
        code.call(API["PyEval_RestoreThread"], code.emit(f"inttoptr i64 {gil} to ptr"))


SHORT = 32
"""To count steps of at most this work takes a measurable part of their time."""


class Strips:
    """The strips of one loop: of so many steps that they take about the budget, at most.

    A loop ``inside`` another need not count a strip of little work, which that around it has counted.
    """

    def __init__(self, code: Code, exits: Exits, work: Poly, inside: bool) -> None:
        self.code = code
        self.exits = exits
        self.work = self.code.maximum(self.code.size(work), "1")
        self.length = self._length()
        self.few = str(INNER // int(self.work)) if inside and self.work[0] != "%" else "0"

    @property
    def short(self) -> bool:
        """Whether steps are so short that it is better to count several at once."""
        return self.work[0] != "%" and int(self.work) <= SHORT

    def _length(self) -> str:
        """The budget over the work of a step, to a power of two: a division would take as long as a short loop."""
        code = self.code
        work = code.minimum(self.work, str(BUDGET))
        if work[0] != "%":
            return str(max(BUDGET >> int(work).bit_length(), 1))
        code.declarations.add("declare i64 @llvm.ctlz.i64(i64, i1)")
        zeros = code.emit(f"call i64 @llvm.ctlz.i64(i64 {work}, i1 true)")
        return code.maximum(code.emit(f"lshr i64 {BUDGET}, {code.sub('64', zeros)}"), "1")

    def spend(self, steps: str) -> None:
        """Take the work of some steps from the budget."""
        code = self.code
        with nullcontext() if self.few == "0" else code.when(code.emit(f"icmp sgt i64 {steps}, {self.few}"), ()):
            spend(code, self.exits, code.mul(steps, self.work))


def spend(code: Code, exits: Exits, work: str) -> None:
    """Take work from the budget; the call ends here if a handler of a signal has raised."""
    place = word(code, BUDGET_AT)
    left = code.emit(f"sub i64 {code.emit(f'load i64, ptr {place}')}, {work}")
    code.line(f"store i64 {left}, ptr {place}")
    with code.when(code.emit(f"icmp slt i64 {left}, 0"), ()):
        error = code.call(TICK, "%sizes")
        exits.stop_if(code.emit(f"icmp ne i32 {error}, 0"), error)


def spend_if_long(code: Code, exits: Exits, work: Poly) -> None:
    """Take work from the budget of a call that was known to be long when it began: the GIL was given away then."""
    with code.when(code.emit(f"icmp eq i64 %caller, {Caller.WITHOUT_GIL:d}"), ()):
        spend(code, exits, code.size(work))
