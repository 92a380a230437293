"""``if`` on a traced condition: both branches run, each in a trace of its own, in the frame of the user's function.

    if t: A            c = branch(t, ("y",))
    else: B            while c.more(locals()):
                           try:
                               if c.restore: (y,) = c.state()
                               if c.side: A
                               else: B
                               c.leave(locals())
                           except BaseException as error:
                               if not c.takes(error): raise
                       if c.staged: (y,) = c.result()

Where the condition is known this is Python's ``if``: one branch, in the trace that is open. Where it is not, ``more``
opens a trace for each branch in turn, ``leave`` notes what the variables are and what was written to arrays, and
``result`` makes one ``cond`` equation of it all.

A branch that the user's own ``raise`` leaves becomes a check (``raising.py``). Behind it the condition is known, and
the other branch goes on in the trace that is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from functad.core.demand import demand
from functad.core.handles import BodyTrace, ambiguous, borrowed, deferred, make_stale, root_of, roots_of, snapshot
from functad.core.location import user_location
from functad.core.trace import ABSENT, current_trace, entered, left
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import UnsupportedError
from functad.front.effects import check_truth
from functad.front.failures import refused, staged
from functad.front.raising import can_be_raised_later, fail
from functad.front.report import note
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
    undecided,
    where_unset,
    without,
)
from functad.front.vocabulary import RESULT, is_error, is_flag, is_maybe, is_result, plain_name
from functad.ir.dce import program_may_raise
from functad.ir.program import Location, Program
from functad.ir.types import ArrayType
from functad.numpy import logic
from functad.numpy.operands import cast
from functad.numpy.traced import here
from functad.primitives.cond import bind_cond
from functad.primitives.shapes import reshape
from functad.transforms.programs import trace_program

__all__ = ["Branch", "Opened", "is_unknown", "joined", "known", "predicate"]


DEEPEST = 60
"""So many branches on traced conditions may lie in one another."""


def is_unknown(test: Any) -> bool:
    """Whether a condition is a traced value that Python cannot have."""
    if type(test) is not Tracer:
        check_truth(test)
        return False
    return test.size == 1 and test._owner.open and test._owner.ask(test._variable) is ABSENT


def is_staged(test: Any) -> bool:
    """Whether a condition decides while it runs; one that is computed of Python integers alone decides while it is
    traced.
    """
    if not is_unknown(test):
        return False
    demand(test._owner, test._variable)
    return True


def known(test: Any, reason: str) -> Any:
    """The condition of a statement that stays Python's."""
    if is_unknown(test):
        raise refused(
            f"a statement is on a traced condition{here()} that cannot become a branch or a loop: {reason}, or leave "
            "jit out (grad alone runs Python's control flow)"
        )
    return test


def predicate(test: Tracer) -> Any:
    """A condition as a traced boolean."""
    flag = test if test.dtype.kind == "b" else logic.not_equal(test, 0)
    return reshape(flag, ())


class Ending:
    """What a branch left: its trace, what the variables were, and what was written to arrays of the function."""

    def __init__(self, trace: BodyTrace, values: Sequence[Any]) -> None:
        self.trace = trace
        self.values = values
        self.now = [frozen_value(v) for v in values]  # as they are in this branch: handles are given back
        self.written = {id(x): (x, v) for x, v in trace.give_back()}

    def array(self, x: Tracer) -> Tracer:
        """What an array of the function holds at the end of the branch."""
        found = self.written.get(id(x))
        return snapshot(x) if found is None else Tracer(found[1], self.trace, ARRAY)


class Branch:
    """An ``if`` statement while it runs."""

    def __init__(self, test: Any, names: tuple[str, ...], flag: str | None = None, unset: bool = False) -> None:
        self.names = names
        self._flag, self._unset = flag, unset  # the test is this flag: on which side it is not set
        self.staged = is_staged(test)
        self._at = user_location() if self.staged else None
        self.side = True if self.staged else bool(test)
        self.restore = False
        self._entry: tuple[Any, ...] = ()
        self._test = test
        self._endings: list[Ending] = []
        self._raises: bool | None = None  # the side that does
        self._passes = 0
        self._opened: Opened | None = None

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether there is a branch to be run; if so, that is prepared."""
        self._passes += 1
        if not self.staged:
            return self._passes == 1
        if self._passes == 1:
            self._entry = tuple([scope.get(n, UNBOUND) for n in self.names])
            self._opened, self.restore = Opened(), self._flag is not None
            return True
        self.restore = True
        if self._raises is not None:  # behind the check the condition is known
            self.side, self.staged, self._passes = not self._raises, False, 1
            return True
        if self._passes == 2:
            self.side, self._opened = False, Opened()
        return self._passes == 2

    def state(self) -> tuple[Any, ...]:
        """The variables at the start of a branch."""
        if self._flag is None or self.side is not self._unset:
            return self._entry
        return tuple([without(x, self._flag) for x in self._entry])

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a branch."""
        if self._opened is not None:
            self._endings.append(self._opened.ended([scope.get(n, UNBOUND) for n in self.names]))
            self._opened = None

    def takes(self, error: BaseException) -> bool:
        """Whether an exception that leaves a branch is raised where the branch is taken, and not now."""
        opened, self._opened = self._opened, None
        if opened is None:
            return False
        try:
            taken = can_be_raised_later(error)
            if taken:
                fail(error)
        finally:
            program, captured = opened.abandoned()
        if not taken:
            staged(error, "a branch")
            return False
        self._raises = self.side
        nothing: tuple[Program, list[Tracer]] = trace_program(list, []), []
        raising = program, captured
        index = cast(predicate(self._test), np.dtype(np.int64))
        bind_cond(index, (nothing, raising) if self.side else (raising, nothing))
        return True

    def result(self) -> tuple[Any, ...]:
        """The variables after the statement."""
        one, other = self._endings
        known = {} if self._flag is None else {self._flag: int(self._unset)}
        return joined(self.names, self._test, one, other, self._at, known)


class Opened:
    """The trace of a branch, while it is open."""

    def __init__(self) -> None:
        depth, trace = 0, current_trace()
        while type(trace) is BodyTrace:
            depth, trace = depth + 1, trace.parent
        if depth > DEEPEST:
            raise UnsupportedError(
                f"more than {DEEPEST} branches on traced conditions lie in one another{here()}: a function that calls "
                "itself until a traced condition holds never ends while it is traced; write a while loop"
            )
        self.trace = BodyTrace("if")
        self._token = entered(self.trace)

    def ended(self, values: Sequence[Any]) -> Ending:
        """Leave it, with the values of variables."""
        ending = Ending(self.trace, values)
        left(self._token)
        return ending

    def abandoned(self) -> tuple[Program, list[Tracer]]:
        """Leave it without results: what it holds, and what that closes over."""
        self.trace.give_back()
        made = self.trace.finish([])
        left(self._token)
        return made


def joined(
    names: Sequence[str],
    test: Tracer,
    one: Ending,
    other: Ending,
    at: Location | None,
    ended: Mapping[str, int] | None = None,
) -> tuple[Any, ...]:
    """The variables after two branches of a statement at a place; ``ended`` are flags that are set in one of them."""
    join = Join(names, one, other, ended or {})
    found = [
        join.variable(n, *pair)
        for n, pair in zip(names, zip(one.values, other.values, one.now, other.now, strict=True), strict=True)
    ]
    arrays = [x for x, _ in (one.written | other.written).values()]
    for x in arrays:
        join.add(one.array(x), other.array(x), x._variable.type, ARRAY)
    outs = join.bind(test)
    sizes = [len(e.trace.eqns) for e in (one, other)]
    note("if", "a branch of which one side runs", "its condition is traced", at, sum(sizes))
    count = len(outs) - len(arrays)
    for x, new in zip(arrays, outs[count:], strict=True):
        x._variable = new._variable
        make_stale(x)
    return tuple([f(outs) if callable(f) else f[0] for f in found])


class Join:
    """Two traces that become the branches of one equation."""

    def __init__(self, names: Sequence[str], one: Ending, other: Ending, known: Mapping[str, int]) -> None:
        self.traces = one.trace, other.trace
        # flags that one branch sets, behind whose jumps nothing is assigned, and which one that is
        ended = [(n, [x is True for x in pair]) for n, *pair in zip(names, one.values, other.values, strict=True)]
        self._ended = {n: sides.index(True) for n, sides in ended if is_flag(n) and any(sides)}
        self._ended |= {n: side for n, side in known.items() if n not in self._ended}  # it is not asked for again
        self.pairs: list[tuple[Any, Any]] = []
        self.types: list[ArrayType] = []
        self.kinds: list[int] = []
        self._returned = False  # whether what is joined now is what the function returns
        self._maybe = False  # whether it is a variable that may have no value
        self._first: dict[int, Tracer] = {}  # by an array that a branch has made: the first result that has its memory

    def add(self, x: Any, y: Any, type: ArrayType, kind: int) -> int:
        """A result of the equation."""
        self.pairs.append((x, y))
        self.types.append(type)
        self.kinds.append(kind)
        return len(self.pairs) - 1

    def variable(self, name: str, x: Any, y: Any, now_x: Any, now_y: Any) -> Any:
        """What a variable is after the statement: a function of the results, or (the value,)."""
        if x is y:
            return (x,)
        if not self._ended:  # one where a flag is not set, and so has the value, remains one that may have none
            for one, other in ((x, y), (y, x)):
                if type(one) is Undecided and where_unset(one)[1] is other:
                    return (one,)
        found = self._both(name, x, y, now_x, now_y)
        none = found[0] if type(found) is tuple else None
        ways = [self._where_unset(x, now_x, 0), self._where_unset(y, now_y, 1)]
        flags = frozenset[str]().union(*[f for f, _, _ in ways])
        values = [now for _, value, now in ways if value is not UNBOUND]
        if not isinstance(none, Undecided) or is_result(name) or not flags or not values:
            return found
        if any([value is UNBOUND and not f for f, value, _ in ways]):
            return found
        try:
            parts, structure = self._parts(*[(v, now if v is not UNBOUND else blank(values[0])) for _, v, now in ways])
        except LookupError:
            return found
        return lambda outs: undecided(none, flags, self._rebuilt(parts, structure, outs))

    def _where_unset(self, x: Any, now: Any, side: int) -> tuple[frozenset[str], Any, Any]:
        """The flags where none of which is set a variable has a value behind a branch, and that, as it is and as it is
        there; UNBOUND where the branch has set such a flag: it is not read then.
        """
        ended = [f for f, s in self._ended.items() if s == side]
        if ended:
            return frozenset(ended[:1]), UNBOUND, None
        flags, value = where_unset(x)
        return flags, value, now if value is x else frozen_value(value)

    def _both(self, name: str, x: Any, y: Any, now_x: Any, now_y: Any) -> Any:
        """What a variable is that has a value in both branches."""
        sides = [(x, now_x), (y, now_y)]
        self._returned, self._maybe = is_result(name), is_maybe(name)
        if not self._returned and (type(x) is Undecided or type(y) is Undecided):
            return (undecided(x if type(x) is Undecided else y),)
        if self._returned or self._maybe:  # it is read where it has been assigned
            if type(x) is Undecided or type(y) is Undecided:
                return (x if type(x) is Undecided else y,)
            sides = [(x, now_x if x is not UNBOUND else blank(now_y)), (y, now_y if y is not UNBOUND else blank(now_x))]
        elif x is UNBOUND or y is UNBOUND:
            return (Undecided(f"{name} is assigned in one branch only of the if{here()}, on a traced condition"),)
        count = len(self.pairs)
        try:
            parts, structure = self._parts(*sides)
        except LookupError:
            del self.pairs[count:], self.types[count:], self.kinds[count:]
            shown = "the exception" if is_error(name) else plain_name(name)
            shown = "what the function returns" if name == RESULT else shown
            reason = f"{shown} is {described(x)} in one branch and {described(y)} in the other of the if{here()}"
            return (
                Undecided(
                    f"{reason}, on a traced condition: both must be numbers, or arrays of one shape, real or complex"
                ),
            )
        return lambda outs: self._rebuilt(parts, structure, outs)

    def _rebuilt(self, parts: Sequence[Any], structure: Any, outs: Sequence[Any]) -> Any:
        return rebuilt(structure, [self._made(p, outs) if type(p) is _Slot else p for p in parts])

    def _parts(self, one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[list[Any], Any]:
        """The parts of a variable, each as it is or a result; raises LookupError where there is none for both."""
        (xs, structure), (ys, other_structure) = leaves_of(one[1]), leaves_of(other[1])
        if structure != other_structure:
            raise LookupError
        raw = [[None] * len(xs) if v is UNBOUND else leaves_of(v)[0] for v, _ in (one, other)]
        parts: list[Any] = []
        for a, b, x, y in zip(xs, ys, *raw, strict=True):
            if x is y and x is not None:
                parts.append(x)
            elif self._is_kept(one[0], y, 1) or self._is_kept(other[0], x, 0):
                parts.append(y if one[0] is UNBOUND else x)
            elif same_value(a, b):
                parts.append(a)
            elif is_number(a) and is_number(b):
                parts.append(self._put(a, b, x, y))
            else:
                raise LookupError
        return parts, structure

    def _is_kept(self, elsewhere: Any, x: Any, side: int) -> bool:
        """Whether a part of what one branch returns is an array of the function, which it is from then on: what would
        write to it is not run any more.
        """
        return elsewhere is UNBOUND and not self._maybe and is_outer(x, self.traces[side])

    def _put(self, a: Any, b: Any, x: Any, y: Any) -> _Slot:
        type = joined_type(type_of_leaf(a), type_of_leaf(b))
        if type is None or (type.dtype.kind == "c" and not kinds_agree(a, b)):
            raise LookupError
        kinds = {kind_of(a), kind_of(b)}
        kind = PYTHON if kinds == {PYTHON} else ARRAY if ARRAY in kinds else SCALAR
        return _Slot(self.add(a, b, type, kind), x, y, self._returned)

    def _made(self, slot: _Slot, outs: Sequence[Any]) -> Tracer:
        """A result. An array that may share its memory, with one of the function around or with another result, is not
        written to, nor read once that was.
        """
        out: Tracer = outs[slot.number]
        if out._kind != ARRAY:
            return out
        shared: list[Tracer] = []
        for v, trace in zip((slot.x, slot.y), self.traces, strict=True):
            if isinstance(v, np.ndarray):
                borrowed(out, "a plain array from outside, in one of the branches; choose a copy: x.copy()")
            if type(v) is not Tracer or v._kind != ARRAY:
                continue
            for root in roots_of(v):
                if root._owner is trace:  # it was made in the branch
                    root = self._first.setdefault(id(root), out)
                if root is not out:
                    shared.append(root)
        if shared:
            (deferred if slot.returned else ambiguous)(out, shared)
        return out

    def bind(self, test: Tracer) -> list[Any]:
        """The equation; returns its results."""
        made = []
        for number, trace in enumerate(self.traces):
            token = entered(trace)
            try:
                made.append(trace.finish([typed(p[number], t) for p, t in zip(self.pairs, self.types, strict=True)]))
            finally:
                left(token)
        if not self.pairs and not any([program_may_raise(program) for program, _ in made]):
            return []
        index = cast(predicate(test), np.dtype(np.int64))
        outs = list(bind_cond(index, made[::-1]))
        for out, kind in zip(outs, self.kinds, strict=True):
            out._kind = kind
        return outs


def is_outer(x: Any, trace: BodyTrace) -> bool:
    """Whether a value is a whole array of the function around the body that a trace was of."""
    return type(x) is Tracer and x._kind == ARRAY and root_of(x) is x and x._owner is not trace


def kinds_agree(a: Any, b: Any) -> bool:
    """Whether both are real or both complex: functions like ``sqrt`` tell them apart."""
    return (type_of_leaf(a).dtype.kind == "c") == (type_of_leaf(b).dtype.kind == "c")


class _Slot:
    """Stands for a result of the equation in a variable's value; ``x`` and ``y`` are what it is in the branches."""

    def __init__(self, number: int, x: Any, y: Any, returned: bool) -> None:
        self.number, self.x, self.y, self.returned = number, x, y, returned
