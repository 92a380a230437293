"""``if`` on a traced condition: both branches run, each in a trace of its own, in the frame of the user's function.

    if t: A            c = branch(t, ("y",))
    else: B            while c.more(locals()):
                           if c.restore: (y,) = c.state()
                           if c.side: A
                           else: B
                           c.leave(locals())
                       if c.staged: (y,) = c.result()

Where the condition is known this is Python's ``if``: one branch, in the trace that is open. Where it is not, ``more``
opens a trace for each branch in turn, ``leave`` notes what the variables are and what was written to arrays, and
``result`` makes one ``cond`` equation of it all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from typing import Any

import numpy as np

from functad.core.handles import BodyTrace, ambiguous, make_stale, snapshot
from functad.core.location import user_location
from functad.core.trace import ABSENT, Trace, current_trace, entered, left
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import UnsupportedError
from functad.front.effects import check_truth
from functad.front.failures import staged
from functad.front.report import note
from functad.front.values import (
    UNBOUND,
    Undecided,
    described,
    frozen_value,
    joined_type,
    kind_of,
    paired,
    type_of_leaf,
    typed,
)
from functad.ir.types import ArrayType
from functad.numpy import logic
from functad.numpy.operands import cast
from functad.numpy.traced import here
from functad.primitives.cond import bind_cond
from functad.primitives.shapes import reshape
from functad.tree import flatten

__all__ = ["Branch", "and_", "choose", "compare", "is_unknown", "not_", "or_"]


DEEPEST = 60
"""So many branches on traced conditions may lie in one another."""


def is_unknown(test: Any) -> bool:
    """Whether a condition is a traced value that Python cannot have."""
    if type(test) is not Tracer:
        check_truth(test)
        return False
    return test.size == 1 and test._owner.open and test._owner.ask(test._variable) is ABSENT


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

    def __init__(self, test: Any, names: tuple[str, ...]) -> None:
        self.names = names
        self.staged = is_unknown(test)
        self._at = user_location() if self.staged else None
        self.side = True if self.staged else bool(test)
        self.restore = False
        self._entry: tuple[Any, ...] = ()
        self._test = test
        self._endings: list[Ending] = []
        self._passes = 0
        self._trace: BodyTrace | None = None
        self._token: Token[Trace | None] | None = None

    def more(self, scope: Mapping[str, Any]) -> bool:
        """Whether there is a branch to be run; if so, that is prepared."""
        self._passes += 1
        if not self.staged:
            return self._passes == 1
        if self._passes > 2:
            return False
        if self._passes == 1:
            self._entry = tuple([scope.get(n, UNBOUND) for n in self.names])
        else:
            self.side, self.restore = False, True
        self._open()
        return True

    def state(self) -> tuple[Any, ...]:
        """The variables at the start of a branch."""
        return self._entry

    def leave(self, scope: Mapping[str, Any]) -> None:
        """The end of a branch."""
        if self.staged:
            self._close([scope.get(n, UNBOUND) for n in self.names])

    def abandon(self, error: BaseException) -> None:
        """An exception leaves the statement."""
        if self.staged:
            staged(error, "a branch")
        if self._token is not None:
            assert self._trace is not None
            self._trace.give_back()
            left(self._token)
            self._token = None

    def _open(self) -> None:
        depth, trace = 0, current_trace()
        while type(trace) is BodyTrace:
            depth, trace = depth + 1, trace.parent
        if depth > DEEPEST:
            raise UnsupportedError(
                f"more than {DEEPEST} branches on traced conditions lie in one another{here()}: a function that calls "
                "itself until a traced condition holds never ends while it is traced; write a while loop"
            )
        self._trace = BodyTrace("if")
        self._token = entered(self._trace)

    def _close(self, values: Sequence[Any]) -> None:
        assert self._trace is not None and self._token is not None
        self._endings.append(Ending(self._trace, values))
        left(self._token)
        self._token = None

    def result(self) -> tuple[Any, ...]:
        """The variables after the statement."""
        one, other = self._endings
        join = Join(one.trace, other.trace)
        found = [
            join.variable(n, *pair)
            for n, pair in zip(self.names, zip(one.values, other.values, one.now, other.now, strict=True), strict=True)
        ]
        arrays = [x for x, _ in (one.written | other.written).values()]
        for x in arrays:
            join.add(one.array(x), other.array(x), x._variable.type, ARRAY)
        outs = join.bind(self._test)
        sizes = [len(e.trace.eqns) for e in self._endings]
        note("if", "a branch of which one side runs", "its condition is traced", self._at, sum(sizes))
        count = len(outs) - len(arrays)
        for x, new in zip(arrays, outs[count:], strict=True):
            x._variable = new._variable
            make_stale(x)
        return tuple([f(outs) if callable(f) else f[0] for f in found])


class Join:
    """Two traces that become the branches of one equation."""

    def __init__(self, one: BodyTrace, other: BodyTrace) -> None:
        self.traces = one, other
        self.pairs: list[tuple[Any, Any]] = []
        self.types: list[ArrayType] = []
        self.kinds: list[int] = []

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
        if x is UNBOUND or y is UNBOUND:
            return (Undecided(f"{name} is assigned in one branch only of the if{here()}, on a traced condition"),)
        handles: list[Any] = []

        def put(a: Any, b: Any) -> Any:
            type = joined_type(type_of_leaf(a), type_of_leaf(b))
            if type is None or (type.dtype.kind == "c" and not kinds_agree(a, b)):
                raise LookupError
            kinds = {kind_of(a), kind_of(b)}
            kind = PYTHON if kinds == {PYTHON} else ARRAY if ARRAY in kinds else SCALAR
            number = self.add(a, b, type, kind)
            handles.append(number)
            return _Slot(number)

        count = len(self.pairs)
        try:
            made = paired(now_x, now_y, put)
        except LookupError:
            del self.pairs[count:], self.types[count:], self.kinds[count:]
            reason = f"{name} is {described(x)} in one branch and {described(y)} in the other of the if{here()}"
            return (
                Undecided(
                    f"{reason}, on a traced condition: both must be numbers, or arrays of one shape, real or complex"
                ),
            )
        outside = [v for v, t in ((x, self.traces[0]), (y, self.traces[1])) if _is_outer(v, t)]
        return lambda outs: _with_results(made, outs, outside)

    def bind(self, test: Tracer) -> list[Any]:
        """The equation; returns its results."""
        made = []
        for number, trace in enumerate(self.traces):
            token = entered(trace)
            try:
                made.append(trace.finish([typed(p[number], t) for p, t in zip(self.pairs, self.types, strict=True)]))
            finally:
                left(token)
        if not self.pairs:
            return []
        index = cast(predicate(test), np.dtype(np.int64))
        outs = list(bind_cond(index, made[::-1]))
        for out, kind in zip(outs, self.kinds, strict=True):
            out._kind = kind
        return outs


def kinds_agree(a: Any, b: Any) -> bool:
    """Whether both are real or both complex: functions like ``sqrt`` tell them apart."""
    return (type_of_leaf(a).dtype.kind == "c") == (type_of_leaf(b).dtype.kind == "c")


class _Slot:
    """Stands for a result of the equation in a variable's value."""

    def __init__(self, number: int) -> None:
        self.number = number


def _with_results(made: Any, outs: Sequence[Any], outside: Sequence[Tracer]) -> Any:
    """A variable's value; arrays that may be those of the function itself are not written to."""
    leaves, structure = flatten(made)
    values = [outs[x.number] if type(x) is _Slot else x for x in leaves]
    for x in values:
        if type(x) is Tracer and x._kind == ARRAY and outside:
            ambiguous(x, outside)
    return structure.unflatten(values)


def _is_outer(x: Any, trace: Trace) -> bool:
    return type(x) is Tracer and x._kind == ARRAY and x._owner is not trace


# -- expressions -------------------------------------------------------------------------------------------------------


def choose(test: Any, one: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """``one() if test else other()``."""
    if not is_unknown(test):
        return one() if test else other()
    c = Branch(test, ("the value",))
    try:
        for f in (one, other):
            c.more({})
            c.leave({"the value": f()})
    except BaseException as error:
        c.abandon(error)
        raise
    return c.result()[0]


def and_(first: Any, *rest: Callable[[], Any]) -> Any:
    """``first and ...``."""
    value = first
    for number, f in enumerate(rest):
        if is_unknown(value):
            return choose(value, lambda f=f, more=rest[number + 1 :]: and_(f(), *more), lambda v=value: v)  # type: ignore[misc]
        if not value:
            return value
        value = f()
    return value


def or_(first: Any, *rest: Callable[[], Any]) -> Any:
    """``first or ...``."""
    value = first
    for number, f in enumerate(rest):
        if is_unknown(value):
            return choose(value, lambda v=value: v, lambda f=f, more=rest[number + 1 :]: or_(f(), *more))  # type: ignore[misc]
        if value:
            return value
        value = f()
    return value


def not_(value: Any) -> Any:
    """``not value``."""
    return logic.logical_not(predicate(value)) if is_unknown(value) else not value


def compare(first: Any, *rest: tuple[str, Callable[[], Any]]) -> Any:
    """``first < second < third``, by names of ``operator``: each operand is evaluated once, and only if it matters."""
    left_value = first
    result: Any = True
    for number, (operation, operand) in enumerate(rest):
        right = operand()
        result = getattr(operator, operation)(left_value, right)
        if number == len(rest) - 1:
            return result
        if is_unknown(result):
            remaining = rest[number + 1 :]
            return choose(result, lambda r=right, m=remaining: compare(r, *m), lambda v=result: v)  # type: ignore[misc]
        if not result:
            return result
        left_value = right
    return result
