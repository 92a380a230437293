"""``ys.append(y)`` in the body of a loop: what all steps append is written by the one equation that the loop becomes.

The list is one that was made before the loop. While the body is traced nothing is appended: what would be is noted, and
the list holds one element that must not be used, so that a body which reads the list is not traced for all steps at
once. After the loop the list gets the rows of the arrays that the steps have written, as handles that are read when
they are used (``numpy/rows.py``).

An array that is appended is the same array as in the list. So it must not be written to later on: it is one that the
step made, or that goes round by value, which is then not written to any more (``carried.py``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType
from typing import Any

from functad.core.handles import BodyTrace, Owner, link, root_of, shadow, snapshot
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, PYTHON, Tracer
from functad.front.carried import Carried, is_array
from functad.front.effects import is_own, made
from functad.front.failures import refused
from functad.front.sources import ELEMENT, column_type, stacked
from functad.front.unread import Unread, check_read
from functad.front.values import described, is_number, kind_of, leaves_of, rebuilt, type_of_leaf, typed
from functad.numpy.indices import parse_index
from functad.numpy.items import item, updated
from functad.numpy.traced import here

__all__ = ["Appended", "appending"]


class Output:
    """A number or an array that each step writes; of ``rows``, a list of that many."""

    def __init__(self, x: Any, kind: int, rows: int | None = None) -> None:
        self.value = x
        self.kind = kind
        self.rows = rows
        self.root = root_of(x) if is_array(x) else None
        self.type = type_of_leaf(x)
        self.written: Any = None  # the array of all steps
        self.reason: str | None = None  # why elements are not written to

    def of(self, index: tuple[int, ...]) -> Any:
        """What a step appended."""
        if self.rows is None:
            return row(self.written, index, self.kind, self.reason)
        return made([row(self.written, (*index, i), self.kind, self.reason) for i in range(self.rows)])


class Entry:
    """What each step appends to a list at one place: one element, or ``count`` of them that are one array."""

    def __init__(self, target: list[Any], parts: list[Any], structure: Any, count: int | None = None) -> None:
        self.target, self.parts, self.structure, self.count = target, parts, structure, count
        self.outputs = [p for p in parts if type(p) is Output]

    def of(self, index: tuple[int, ...]) -> Any:
        """What a step appended."""
        return rebuilt(self.structure, [p.of(index) if type(p) is Output else p for p in self.parts])


class Appended:
    """What the body of one loop appends to lists."""

    def __init__(self) -> None:
        self._lists: list[list[Any]] = []  # to which the body appends, as far as it is known
        self._kept: list[list[Any]] = []  # what they hold
        self._new: list[list[Any]] = []
        self._marks: list[Unread] = []
        self.entries: list[Entry] = []

    def open(self, trace: BodyTrace) -> None:
        """The body is traced from now on: lists that it appends to must not be read."""
        trace.lists = self
        self.entries = []
        self._lists += self._new
        self._new = []
        self._kept = [list(x) for x in self._lists]
        self._marks = [Unread(f"a list to which the loop appends is read{here()} in its body") for _ in self._lists]
        for x, mark in zip(self._lists, self._marks, strict=True):
            x[:] = [mark]

    def close(self) -> bool:
        """Give lists back what they held; whether nobody has changed them meanwhile."""
        untouched = all([len(x) == 1 and x[0] is m for x, m in zip(self._lists, self._marks, strict=False)])
        for x, kept in zip(self._lists, self._kept, strict=False):
            x[:] = kept
        self._kept, self._marks = [], []
        return untouched

    @property
    def grown(self) -> bool:
        """Whether the last pass appended to a list that had not been known: there must be another one."""
        return bool(self._new)

    def append(self, target: list[Any], value: Any) -> None:
        """``target.append(value)`` in the body."""
        self._note(target)
        leaves, structure = _taken_apart(value)
        self.entries.append(Entry(target, [_part(x) for x in leaves], structure))

    def extend(self, target: list[Any], parts: list[Any], structure: Any, count: int) -> None:
        """Note that a loop in the body appends so many elements, of which arrays hold all."""
        self._note(target)
        self.entries.append(Entry(target, parts, structure, count))

    def _note(self, target: list[Any]) -> None:
        if all([target is not x for x in (*self._lists, *self._new)]):
            self._new.append(target)
        if len([e for e in self.entries if e.target is target]) > MOST:
            raise refused(f"a step of the loop{here()} appends more than {MOST} times to a list")

    def outputs(self) -> list[Any]:
        """What a step writes, as values of the body."""
        return [typed(snapshot(o.value) if is_array(o.value) else o.value, o.type) for o in self._outputs()]

    def roots(self) -> list[Tracer]:
        """The arrays that have been appended."""
        return [o.root for o in self._outputs() if o.root is not None]

    def _outputs(self) -> list[Output]:
        return [o for e in self.entries for o in e.outputs]

    def deliver(self, written: Sequence[Any], steps: int, carried: Carried) -> None:
        """Append what all steps have written."""
        for o, x in zip(self._outputs(), written, strict=True):
            x._kind = ARRAY
            o.written = x
        _protect(self._outputs(), carried)
        for target in self._lists:
            entries = [e for e in self.entries if e.target is target]
            if _is_for_outer(target):
                _pass_on(entries, steps)
                continue
            for t in range(steps):
                for e in entries:
                    if e.count is None:
                        target.append(e.of((t,)))
                    else:
                        target.extend([e.of((t, i)) for i in range(e.count)])


MOST = 16
"""So often a step may append to one list: more are better made step by step."""


def appending(f: Any) -> Callable[..., Any] | None:
    """What is called for a method of a list in a body: one that notes what is appended, if it is to one from before."""
    if type(f) is not BuiltinFunctionType or type(f.__self__) is not list:
        return None
    target, trace = f.__self__, current_trace()
    if type(trace) is not BodyTrace or is_own(target):
        return None
    if f.__name__ != "append":
        check_read(target)
        return None
    if trace.lists is None or not _reaches(target, trace.parent):
        raise refused(
            f"a list is appended to{here()} in a branch, or in a loop whose number of steps is traced: how long it "
            "gets is known at run time only; write to an array that is long enough, y = np.zeros(most) before, y[k] = "
            "v and k += 1 here, and y[:k] behind"
        )
    return functools.partial(trace.lists.append, target)


def _reaches(target: list[Any], trace: Any) -> bool:
    """Whether what is appended in a body can be appended outside of it."""
    if type(trace) is not BodyTrace or trace.own.get(id(target)) is target:
        return True
    return trace.lists is not None and _reaches(target, trace.parent)


def _is_for_outer(target: list[Any]) -> bool:
    trace = current_trace()
    return type(trace) is BodyTrace and not is_own(target)


def _pass_on(entries: Sequence[Entry], steps: int) -> None:
    """Let the loop around note what the steps of this one append."""
    if len(entries) > 1 or entries[0].count is not None or any([o.rows is not None for o in entries[0].outputs]):
        raise refused(f"the loops around and in one another{here()} append more than one element a step to a list")
    (e,) = entries
    parts = []
    for p in e.parts:
        if type(p) is Output:
            inner = Output(p.written, p.kind)
            inner.kind = p.kind
            parts.append(inner)
        else:
            parts.append(p)
    trace = current_trace()
    assert type(trace) is BodyTrace and trace.lists is not None
    trace.lists.extend(e.target, parts, e.structure, steps)


def _taken_apart(value: Any) -> tuple[list[Any], Any]:
    """The parts of what is appended; lists in it must be made by the step."""
    if type(value) is list and is_own(value) and value and column_type(value) is not None:
        return [value], None
    leaves, structure = leaves_of(value)
    _check_containers(value)
    return leaves, structure


def _check_containers(value: Any) -> None:
    if isinstance(value, list | dict | set):
        if not is_own(value):
            raise refused(f"a {type(value).__name__} from before the step is appended{here()} to a list; append a copy")
        for x in value.values() if isinstance(value, dict) else value:
            _check_containers(x)
    elif isinstance(value, tuple):
        for x in value:
            _check_containers(x)


def _part(x: Any) -> Any:
    """A part of what is appended: an output of the loop, or what is the same in each step."""
    if type(x) is list:
        return Output(stacked(x), kind_of(x[0]), len(x))
    if type(x) is Tracer:
        _check_array(x)
        return Output(x, x._kind)
    if is_number(x) and kind_of(x) != PYTHON:
        return Output(x, kind_of(x))
    if x is None or isinstance(x, str | bytes | int | float | complex | type):
        return x
    raise refused(f"{described(x)} is appended{here()} to a list in a loop, which takes numbers and arrays")


def _check_array(x: Tracer) -> None:
    """Refuse an array of the function around: all steps would append the same one, which may be written to."""
    trace = current_trace()
    assert type(trace) is BodyTrace
    if not is_array(x):
        return
    root = root_of(x)
    element = type(root._memory) is Owner and root._memory.refusal == ELEMENT
    if root._owner is not trace or element or any([root is y for y, _ in trace.journal]):
        raise refused(f"an array from before the loop is appended{here()} to a list in each step; append a copy")


def _protect(outputs: Sequence[Output], carried: Carried) -> None:
    """Refuse writes to what has been appended where others hold the same array, and the other way round."""
    for o in outputs:
        if o.root is None:
            continue
        shared = carried.sharing(o.root)
        twice = len([p for p in outputs if p.root is o.root]) > 1
        if shared is not None or twice:
            o.reason = "it is an element of a list that shares its memory with others; append a copy: x.copy()"
        if shared:
            shadow(o.written, shared)


def row(x: Tracer, index: tuple[int, ...], kind: int, reason: str | None) -> Tracer:
    """The element ``x[index]`` as a handle without a variable: it is read from x when it is used."""
    shape = x.shape
    result = Tracer.__new__(Tracer)
    result._owner, result._kind, result._memory = x._owner, kind, None
    view = link(
        result,
        x,
        lambda p: item(p, parse_index(index, shape)),
        lambda p, v: updated(p, parse_index(index, shape), "set", v),
        lambda a: a[index],
    )
    view.of, view.index, view.reason = x, index, reason
    return result
