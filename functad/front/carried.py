"""What goes round in a loop: the variables that its body assigns to, part by part, and the arrays that it writes to.

A pass is a run of the body in a trace whose inputs are what goes round. Passes are repeated until the variables have
the same types before and after one. An array that a variable holds goes round as it is, an array of the function
around, until it is seen that the body leaves another one there; from then on the variable goes round by value, and an
array that it held before the loop and that the body writes to has no value of its own any more (``handles.disown``),
since the write may or may not have happened.

A variable that is not bound before the loop is not bound at the start of a step, either. If the loop surely makes a
step, it is bound afterwards: what it is then goes round, too, from zeros that nobody sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from typing import Any

import numpy as np

from functad.core.capture import as_leaf
from functad.core.handles import (
    BodyTrace,
    Owner,
    View,
    ambiguous,
    borrowed,
    deferred,
    make_stale,
    root_of,
    roots_of,
    shadow,
    snapshot,
)
from functad.core.trace import Trace, entered, left
from functad.core.tracer import ARRAY, PYTHON, Tracer, Varying
from functad.core.zeros import zeros
from functad.errors import StructureError, UnsupportedError
from functad.front.integers import checked, growing
from functad.front.values import (
    UNBOUND,
    Undecided,
    blank,
    described,
    frozen_value,
    is_number,
    joined_type,
    kind_of,
    leaves_of,
    rebuilt,
    same_value,
    type_of_leaf,
    typed,
)  # fmt: skip
from functad.front.vocabulary import is_maybe, is_result
from functad.ir.program import Program, Var
from functad.numpy.traced import here

__all__ = ["Carried", "Slot", "Unsteady", "Variable"]

MOST_PASSES = 10
"""So often a body is traced until its variables keep their types; each pass widens one or finds one more."""


class Unsteady(StructureError):
    """A variable is of another kind after a step than before it."""


class Slot:
    """What goes round in a loop: a number or an array."""

    def __init__(self, x: Any) -> None:
        leaf = as_leaf(x, lambda: "a variable of a loop")
        self.value, self.type, self.kind = leaf.value, leaf.type, leaf.kind  # the value before the loop
        self.origins: list[Tracer] = roots_of(x) if is_array(x) else []  # arrays whose memory it may have
        self.first = list(self.origins)  # those of them that it may be before the loop
        self.refusal = _refusal(x)
        self.sharing: list[Tracer] = []  # arrays of the function that it may be after a step
        self.returned = False  # whether it is of what the function returns: nothing happens to these from then on

    @classmethod
    def unbound(cls, x: Any) -> Slot:
        """The slot of a part that is first made by a step, as x."""
        type = type_of_leaf(x)
        slot = cls(zeros(type))
        slot.kind, slot.origins, slot.first, slot.refusal = kind_of(x), [], [], None
        return slot

    def input(self, trace: BodyTrace) -> Tracer:
        """What the variable is at the start of a step."""
        x = Tracer(trace.add_input(self.type), trace, self.kind)
        if self.kind == ARRAY:
            x._memory = Owner(x._variable, self.refusal)
            shadow(x, self.origins)
            if not self.returned:
                ambiguous(x, self.sharing)
        return x

    def widened(self, x: Any) -> bool | None:
        """Take the type of a value after a step, too; whether that is another one, None if there is none for both."""
        type = joined_type(self.type, type_of_leaf(x))
        if type is None:
            return None
        kind = max(self.kind, kind_of(x))  # a NumPy scalar and a Python number are a NumPy scalar
        changed = type is not self.type or kind != self.kind
        self.type, self.kind = type, kind
        return changed

    def comes_from(self, other: Slot) -> bool:
        """Note that it has the memory of another one after a step; whether that says something new."""
        arrays = [x for x in other.origins if all([x is not y for y in self.origins])]
        before, self.refusal = self.refusal, self.refusal or other.refusal
        self.origins += arrays
        return bool(arrays) or before is not self.refusal

    def forbid(self, outside: Tracer | None) -> bool:
        """Refuse writes from now on, since others share the memory; whether that is new."""
        if outside is not None and all([outside is not x for x in self.sharing]):
            self.sharing.append(outside)
        new, self.refusal = self.refusal is None, self.refusal or SHARED
        return new


SHARED = "an array that another variable shares after a step of the loop; assign a copy: x = y.copy()"


class Variable:
    """A variable that a loop assigns to: its structure, and its parts, some of which go round; all of them where it is
    not ``bound`` before the loop, and the value is that after a step.
    """

    def __init__(self, name: str, value: Any, bound: bool = True) -> None:
        self.name = name
        self.lost: Undecided | None = None  # what it is where it has another shape in each step
        self.bound = bound
        self.found = False  # whether a step has shown that it is what the function returns, which nobody reads before
        leaves, self.structure = leaves_of(value)
        if not bound and not all(map(is_number, leaves)):
            raise StructureError(f"{name} is not a number, and not assigned before the loop{here()}")
        self.parts: list[Any] = [
            Slot.unbound(x)
            if not bound
            # an array stays what it is, until it is seen that the body leaves another one
            else x
            if not is_number(x) or is_array(x)
            else Slot(x)
            for x in leaves
        ]

    def slots(self) -> list[Slot]:
        """The parts that go round."""
        return [p for p in self.parts if type(p) is Slot]

    def value(self, inputs: dict[int, Any]) -> Any:
        """The variable with inputs, or results, in place of what goes round."""
        if self.lost is not None:
            return self.lost
        return rebuilt(self.structure, [inputs[id(p)] if type(p) is Slot else p for p in self.parts])

    def widened(self, after: Any, now: Any) -> bool:
        """Compare with what the variable is after a step, whose values are those of ``now``; whether a part is another
        one.
        """
        leaves, structure = leaves_of(after)
        if self.lost is not None:
            return False
        if any([isinstance(x, Varying) for x in leaves]):
            self.parts = []
            self.lost = Undecided(
                f"{self.name} is a slice with traced bounds, or what a mask took, in a step of the loop{here()}: it "
                "has no one shape, and so does not go on to the next step, nor behind the loop; take the slice where "
                "it is used"
            )
            return True
        if structure != self.structure:
            raise self._changes(now)
        changed = False
        for number, (part, x, value) in enumerate(zip(self.parts, leaves, leaves_of(now)[0], strict=True)):
            if type(part) is not Slot:
                if same_value(part, x):
                    continue
                if not (is_number(part) and is_number(x)):
                    raise self._changes(now)
                self.parts[number] = part = Slot(blank(part) if self.found else part)
                part.returned = self.found
                changed = True
            new = part.widened(value) if is_number(x) else None
            if new is None:
                raise self._changes(now)
            changed |= new
        return changed

    def _changes(self, after: Any) -> Unsteady:
        before = rebuilt(self.structure, [p.value if type(p) is Slot else p for p in self.parts])
        return Unsteady(
            f"{self.name} is {described(before)} before a step of the loop{here()} and "
            f"{described(after)} after it: what a loop carries keeps its shape and structure; start from one that has "
            "them"
        )


class Carried:
    """What goes round in one loop, and the trace of its body."""

    def __init__(
        self,
        names: Sequence[str],
        scope: Mapping[str, Any],
        kind: str,
        attempt: bool = False,
        makes_steps: bool = False,
    ) -> None:
        self.names = names
        self.kind = kind
        self._makes_steps = makes_steps  # surely
        self.attempt = attempt
        self._disowned: list[Callable[[], None]] = []
        self._kept: list[Slot] = []  # those of arrays that were there before the step, in the last pass
        self._appended: dict[int, list[Slot]] = {}  # the variables that hold an array which is appended to a list
        self._held: dict[int, tuple[Any, Slot]] = {}  # what a slot is at the start of a step
        bound = [(n, scope[n]) for n in names if type(scope.get(n, UNBOUND)) not in (Undecided, type(UNBOUND))]
        self.variables = [Variable(n, v) for n, v in bound]
        self._undecided = {n: scope[n] for n in names if type(scope.get(n)) is Undecided}
        self.arrays: list[tuple[Tracer, Slot]] = []  # arrays of the function that the body writes to
        self.trace: BodyTrace | None = None
        self._token: Token[Trace | None] | None = None
        self._passes = 0

    def slots(self) -> list[Slot]:
        """What goes round, in the order of the inputs."""
        return [*[s for v in self.variables for s in v.slots()], *[s for _, s in self.arrays]]

    def open(self) -> tuple[Any, ...]:
        """Open a trace whose inputs are what goes round; returns the variables."""
        self._passes += 1
        if self._passes > 2 * MOST_PASSES:
            raise StructureError(f"the variables of the loop{here()} do not keep their types")
        trace = self.trace = BodyTrace(self.kind, self.attempt)
        self._token = entered(trace)
        inputs: dict[int, Any] = {id(s): s.input(trace) for v in self.variables for s in v.slots()}
        self._held = {id(inputs[id(s)]): (inputs[id(s)], s) for v in self.variables for s in v.slots()}
        for x, slot in self.arrays:
            var = trace.add_input(slot.type)
            trace.journal.append((x, x._variable))
            x._owner, x._variable = trace, var
            make_stale(x)
        values = self._undecided | {v.name: v.value(inputs) for v in self.variables if v.bound}
        return tuple([values.get(n, UNBOUND) for n in self.names])

    def close(self) -> None:
        """Leave the trace, if one is open; arrays are given back."""
        if self._token is not None:
            assert self.trace is not None
            self.trace.give_back()
            self._disowned += self.trace.undo
            left(self._token)
            self._token = None

    def undo(self) -> None:
        """Leave as if nothing had been traced."""
        self.close()
        for again in reversed(self._disowned):
            again()

    def step(
        self, scope: Mapping[str, Any], more: Sequence[Any] = (), appended: Sequence[Tracer] = ()
    ) -> tuple[Program, list[Tracer]] | None:
        """The end of a pass: the Program of a step, and what it closes over; None if there must be another pass.

        ``more`` are results besides; ``appended`` are arrays that lists hold from now on.
        """
        trace = self.trace
        assert trace is not None
        after = [scope.get(v.name, UNBOUND) for v in self.variables]
        now = [frozen_value(x) for x in after]  # as the body leaves them: arrays are given back
        held = [snapshot(x) for x, _ in self.arrays]
        new = self._newly_written(trace)
        self.close()
        changed = any([v.widened(x, y) for v, x, y in zip(self.variables, after, now, strict=True)])
        changed |= self._finds_results(scope)
        originals = self._originals()
        new = [x for x in new if id(x) not in originals]  # what is written to is the variable's
        made = self._newly_bound(scope) if self._makes_steps else []
        self.variables += made
        if changed or new or made or self._share(trace, after, appended):
            self.arrays += [(x, Slot(x)) for x in new]
            return None
        token = entered(trace)
        try:
            step = trace.finish([*self._outputs(now), *held, *more])
        finally:
            left(token)
        return self._with_integers(*step), step[1]

    def _finds_results(self, scope: Mapping[str, Any]) -> bool:
        """Take up what is read only where it has been assigned to, if a step is seen to: what the function returns."""
        new = [n for n in self.names if all([v.name != n for v in self.variables])]
        names = [n for n in new if is_result(n) or is_maybe(n)]
        found = False
        for n in names:
            result = scope.get(n, UNBOUND)
            if type(result) is Undecided:
                self._undecided[n] = result
            elif result is not UNBOUND:
                leaves, structure = leaves_of(result)
                parts = [x if is_result(n) and self._is_outer(x) else blank(x) for x in leaves]
                self.variables.append(Variable(n, rebuilt(structure, parts)))
                found = True
                if is_result(n):
                    self.variables[-1].found = True
                    for slot in self.variables[-1].slots():
                        slot.returned = True
        return found

    def _is_outer(self, x: Any) -> bool:
        """Whether a value is a whole array of the function, which what the function returns is from then on."""
        return is_array(x) and root_of(x) is x and x._owner is not self.trace

    def slot_of(self, name: str | None) -> int | None:
        """The number of the slot of a variable that is a number."""
        return next(
            (k for k, s in enumerate(self.slots()) for v in self.variables if v.name == name and s in v.parts), None
        )

    def _with_integers(self, step: Program, captured: Sequence[Tracer]) -> Program:
        """The step, with checks of Python's integers that may get larger than compiled code's.

        Where the loop can be made step by step, and they are known in each of its steps, it is.
        """
        slots = self.slots()
        numbers = [i for i, s in enumerate(slots) if s.kind == PYTHON and s.type.dtype.kind == "i"]
        found = growing(step, [i + len(captured) for i in numbers], numbers)
        if not found:
            return step
        slot = slots[numbers[found[0]]]
        name = next(v.name for v in self.variables if any([slot is s for s in v.slots()]))
        message = (
            f"{name} is a Python integer that a step of the loop{here()} multiplies, or adds to another that grows "
            "with it: it gets larger than the 64 bits that it has in compiled code; start from a float, or from "
            f"np.int64({name}), which wraps around as NumPy's integers do"
        )
        made = None
        if not (self.attempt and all([type(slots[numbers[k]].value) is not Tracer for k in found])):
            made = checked(step, [i + len(captured) for i in numbers], message)
        if made is None:
            raise UnsupportedError(message)
        return made

    def writes_to(self, x: Any) -> bool:
        """Whether the body writes to an array of the function."""
        if not is_array(x):
            return False
        return bool(self._disowned) or any([root is y for root in roots_of(x) for y, _ in self.arrays])

    def is_plain(self, step: tuple[Program, Sequence[Tracer]]) -> bool:
        """Whether a step takes nothing that is traced, and makes nothing such of nothing."""
        made = [e for e in step[0].eqns if not any([type(a) is Var for a in e.inputs])]
        return not (step[1] or made or self.arrays or any([type(s.value) is Tracer for s in self.slots()]))

    def is_as_in_python(self) -> bool:
        """Whether, after a step at least, all variables have values, and arrays the memory that they have in Python.

        That is so where each variable has been assigned an array that the step has made, or none.
        """
        if self._kept or self._disowned or self._appended or self._undecided:
            return False
        if len(self.variables) < len(self.names) or any([v.lost is not None for v in self.variables]):
            return False
        for v in self.variables:
            for slot in v.slots():
                slot.origins, slot.sharing, slot.refusal = [], [], None
        return True

    def start(self) -> list[Any]:
        """What goes round, before the loop."""
        return [typed(s.value, s.type) for s in self.slots()]

    def settle(self, outs: Sequence[Any]) -> dict[str, Any]:
        """The variables after the loop, of what the equation gives; arrays that were written to hold it."""
        slots = self.slots()
        for out, slot in zip(outs, slots, strict=True):
            if type(out) is not Tracer:  # its value is known
                continue
            out._kind = slot.kind
            if slot.kind == ARRAY and slot.refusal is not None:
                borrowed(out, slot.refusal)
                if slot.sharing:
                    (deferred if slot.returned else ambiguous)(out, slot.sharing)
            elif slot.kind == ARRAY:
                shadow(out, slot.origins)
        found = {id(s): x for s, x in zip(slots, outs, strict=True)}
        for x, slot in self.arrays:
            x._variable = found[id(slot)]._variable
            make_stale(x)
        return self._undecided | {v.name: v.value(found) for v in self.variables}

    def _newly_bound(self, scope: Mapping[str, Any]) -> list[Variable]:
        """Variables that a step binds, which is not known yet."""
        known = {v.name for v in self.variables}
        found = [(n, scope.get(n, UNBOUND)) for n in self.names if n not in known]
        return [Variable(n, x, bound=False) for n, x in found if x is not UNBOUND and type(x) is not Undecided]

    def _originals(self) -> set[int]:
        """The arrays of the function that variables held before the loop, and that go round by value."""
        return {id(x) for v in self.variables for s in v.slots() for x in s.origins}

    def _newly_written(self, trace: BodyTrace) -> list[Tracer]:
        """Arrays of the function that the body writes to, which is not known yet."""
        new = [x for x, _ in trace.journal if all([x is not a for a, _ in self.arrays])]
        originals = self._originals()
        if any([id(x) in originals for x in new]):
            raise UnsupportedError(
                f"an array is written to under two names in the loop{here()}, one of which is "
                "also assigned another array; make a copy before the loop"
            )
        return new

    def _outputs(self, now: Sequence[Any]) -> list[Any]:
        """What goes round, after a step."""
        found = []
        for v, x in zip(self.variables, now, strict=True):
            if v.lost is not None:
                continue
            for part, leaf in zip(v.parts, leaves_of(x)[0], strict=True):
                if type(part) is Slot:
                    found.append(typed(leaf, part.type))
        return found

    def sharing(self, root: Tracer) -> list[Tracer] | None:
        """Which arrays of the function an array that has been appended to a list may be; None: no variable holds it."""
        slots = self._appended.get(id(root))
        return [x for s in slots for x in s.origins] if slots else None

    def _share(self, trace: BodyTrace, after: Sequence[Any], appended: Sequence[Tracer]) -> bool:
        """Refuse writes to variables that share memory after a step: by value they would not. Whether that is new."""
        holders: dict[int, list[Slot]] = {id(x): [] for x, _ in self.arrays}
        before: dict[int, list[Slot]] = {}  # by the array that they are before the loop
        for v in self.variables:
            for slot in v.slots():
                for x in slot.first:
                    before.setdefault(id(x), []).append(slot)
        new = False
        self._kept = []
        for v, x in zip(self.variables, after, strict=True):
            if v.lost is not None:
                continue
            for part, leaf in zip(v.parts, leaves_of(x)[0], strict=True):
                if type(part) is Slot and is_array(leaf):
                    new |= self._holds(part, roots_of(leaf), trace, holders)
        for sharing in (*holders.values(), *before.values()):
            if len(sharing) > 1:
                new |= any([s.forbid(None) for s in sharing])
        self._kept += [s for sharing in holders.values() if len(sharing) > 1 for s in sharing]
        for x in appended:
            held = [self._held[id(x)][1]] if id(x) in self._held else []
            self._appended[id(x)] = [*holders.get(id(x), ()), *held]
            new |= any([s.forbid(None) for s in self._appended[id(x)]])
        return new

    def _holds(self, part: Slot, roots: Sequence[Tracer], trace: BodyTrace, holders: dict[int, list[Slot]]) -> bool:
        """Note what part of a variable may have the memory of these arrays after a step; whether that says something
        new.
        """
        new = len(roots) > 1 and part.forbid(None)
        for root in roots:
            if not part.returned:
                holders.setdefault(id(root), []).append(part)
            if len(roots) > 1 or root._owner is not trace or id(root) in self._held or _refusal(root) is not None:
                self._kept.append(part)
            if id(root) in self._held:
                new |= part.comes_from(self._held[id(root)][1])
            elif root._owner is not trace:
                new |= part.forbid(root)
            elif _refusal(root) is not None:  # an element of what the loop goes over
                for x in root._memory.origins:
                    new |= part.forbid(x)
        return new


def is_array(x: Any) -> bool:
    """Whether a value is a traced array, which can be written to."""
    return type(x) is Tracer and x._kind == ARRAY


def _refusal(x: Any) -> str | None:
    """Why a variable's array must not be written to in the first step."""
    if isinstance(x, np.ndarray):
        return "a plain array from outside; start the loop from a copy of functad.numpy.array(x)"
    if is_array(x) and type(x._memory) is View and x._memory.reason is not None:
        return x._memory.reason
    memory = root_of(x)._memory if is_array(x) else None
    return memory.refusal if type(memory) is Owner else None
