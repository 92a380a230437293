"""Writing in place: a handle is made to stand for another variable, and so are those that share its memory.

To a user an array is memory; in the IR there are only values. A write ``x[i] = v`` is the update ``x' = set(x, v)``,
after which the handle x stands for x'. If x is a view of an array, what it is a view of is updated likewise,

    base' = put(base, x'),

and every other living view of that array is stale: its next read takes ``get(base')``. Reading costs nothing more than
before: a stale view has no variable at all, and Python asks ``__getattr__`` for what is missing.

``get`` and ``put`` are those of the array that owns the memory, however many views lie between. They are stated where
views are made (``numpy.operands.view``).

Whether a reshaped array is a view or a copy is decided by how its memory lies. A layout is known for arrays whose
elements lie in the order of their axes, as all but transposed ones do: where an array may have kept the layout of a
transposed one, a write through its reshaped views is refused.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.location import user_location
from functad.core.trace import Trace, current_trace, escaped, within
from functad.core.tracer import Tracer
from functad.errors import ImmutableError, message_of
from functad.ir.program import Var

__all__ = [
    "ARGUMENT",
    "BodyTrace",
    "Lost",
    "Owner",
    "Refused",
    "View",
    "ambiguous",
    "borrowed",
    "deferred",
    "disown",
    "link",
    "refresh",
    "root_of",
    "roots_of",
    "settled",
    "shadow",
    "snapshot",
    "write",
]

Get = Callable[[Any], Any]
Put = Callable[[Any, Any], Any]
Layout = Callable[[np.ndarray], np.ndarray]


class Owner:
    """What an array that owns its memory knows: the variable that it stood for at first, whose layout it keeps, its
    living views, and why it must not be written to, if so.
    """

    __slots__ = ("first", "origins", "refusal", "shadows", "views")

    def __init__(self, first: Var | None, refusal: str | None = None) -> None:
        self.first = first
        self.refusal = refusal
        self.views: list[weakref.ref[Tracer]] = []
        self.origins: list[Tracer] = []  # arrays whose memory this may be, after steps of a loop that nobody counted
        self.shadows: list[weakref.ref[Tracer]] = []  # arrays that have this one among their origins

    def register(self, view: Tracer) -> None:
        """Note a view; those that nobody holds any more are forgotten now and then."""
        views = self.views
        views.append(weakref.ref(view))
        if len(views) >= 16 and not len(views) & (len(views) - 1):
            self.views = [r for r in views if r() is not None]


class Lost(Owner):
    """What owns the memory of an array that has no value any more; the refusal says why."""

    __slots__ = ()


class Deferred(Owner):
    """What owns the memory of an array that becomes ``ambiguous`` where the function returns it: until then nothing
    else happens to the arrays that it may be.
    """

    __slots__ = ()


class View:
    """How a view is read from the array that owns its memory, and written to it."""

    __slots__ = ("also", "get", "index", "layout", "of", "put", "reason", "reshaped", "root")

    def __init__(self, root: Tracer, get: Get, put: Put | None, layout: Layout) -> None:
        self.root = root
        self.get = get
        self.put = put  # None: NumPy's view is read-only
        self.layout = layout  # what the view is of an array of the owner's shape
        self.reshaped = False  # whether the owner's layout decides that this is a view
        self.also: Sequence[Tracer] = ()  # other arrays that it may be a view of
        self.reason: str | None = None  # why it is not written to
        self.of: Tracer | None = None  # the view is of[index]
        self.index: Any = None


ARGUMENT = Owner(None, "an argument of the function under {kind}; write to a copy: x = x.copy()")
"""What owns the memory of arguments: somebody else."""


class Refused(BaseException):
    """An error that ends the attempt to trace the steps of a loop at once: no ``except`` of the user's may catch it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(message_of(error))
        self.error = error


class BodyTrace(Trace):
    """The trace of a statement's body, which runs in the frame of the function around it and may write to its arrays.

    The first write to one makes it, for the time of the body, an array of the body's; the journal says what it stood
    for before. What it stands for at the end is a result of the body.
    """

    __slots__ = ("attempt", "journal", "lists", "own", "ranges", "undo", "written")

    def __init__(self, kind: str, attempt: bool = False) -> None:
        super().__init__(kind, concrete=False)
        self.journal: list[tuple[Tracer, Var]] = []
        self.own: dict[int, Any] = {}  # by id: iterators and objects that were made in the body, which it may change
        self.ranges: dict[Var, tuple[Any, Any]] = {}  # the least and the greatest value of counters (core/integers.py)
        self.attempt = attempt  # whether the body can also be run step by step
        self.lists: Any = None  # notes what is appended to lists from before, if the body may do that
        self.undo: list[Callable[[], None]] = []  # what gives arrays back that have lost their value
        self.written: dict[Any, list[Tracer]] = self.parent.written if type(self.parent) is BodyTrace else {}

    def refused(self, error: Exception) -> BaseException:
        """The error for what the body must not do: in an attempt none that the user's code could catch."""
        trace: Trace | None = self
        while type(trace) is BodyTrace:
            if trace.attempt:
                return Refused(error)
            trace = trace.parent
        return error

    def give_back(self) -> list[tuple[Tracer, Var]]:
        """End the writing: each array stands for what it did before; returns what it stood for at the end."""
        written = [(x, x._variable) for x, _ in self.journal]
        for x, before in self.journal:
            assert self.parent is not None
            x._owner, x._variable = self.parent, before
            make_stale(x)
        self.journal = []
        return written

    def take(self, x: Tracer) -> bool:
        """Make an array of the function around one of this body's; whether that could be done."""
        if x._owner is self:
            return True
        parent = self.parent
        if x._owner is not parent and not (type(parent) is BodyTrace and parent.take(x)):
            return False
        var = self.atom(x)
        assert type(var) is Var
        self.journal.append((x, x._variable))
        x._owner, x._variable = self, var
        return True


def make_stale(root: Tracer, but: Tracer | None = None) -> None:
    """Let the views of an array read anew."""
    for reference in _owner(root).views:
        view = reference()
        if view is not None and view is not but:
            with contextlib.suppress(AttributeError):  # it has not been read since the last write
                del view._variable


def borrowed(x: Tracer, refusal: str) -> Tracer:
    """A handle that must not be written to, with the reason as the end of a sentence."""
    x._memory = Owner(x._variable, refusal)
    return x


def ambiguous(x: Tracer, originals: Sequence[Tracer]) -> None:
    """Let x be what one of several arrays was, nobody knows which: it is not written to, and not read once one of them
    was.
    """
    where = user_location()
    reason = (
        f"an array that was chosen{f' at {where}' if where else ''} by a traced condition may share its memory with "
        "others, one of which was written to; choose a copy: x.copy()"
    )

    def get(_: Any) -> Any:
        raise ImmutableError(reason)

    if originals:
        roots = list({id(r): r for x in originals for r in roots_of(x)}.values())
        view = x._memory = View(roots[0], get, None, lambda a: a)
        view.also, view.reason = roots[1:], reason
        _register(x, view)


def deferred(x: Tracer, originals: Sequence[Tracer]) -> None:
    """Let x be ``ambiguous`` from where it is ``settled``."""
    memory = x._memory = Deferred(
        x._variable, "an array that may share its memory with others; return a copy: x.copy()"
    )
    memory.origins = list({id(r): r for x in originals for r in roots_of(x)}.values())


def settled(x: Tracer) -> None:
    """See ``deferred``."""
    if type(x._memory) is Deferred:
        ambiguous(x, x._memory.origins)


def root_of(x: Tracer) -> Tracer:
    """The array that owns the memory of an array."""
    return x._memory.root if type(x._memory) is View else x


def roots_of(x: Tracer) -> list[Tracer]:
    """The arrays one of which owns the memory of an array."""
    memory = x._memory
    if type(memory) is View:
        return [memory.root, *memory.also]
    return memory.origins if type(memory) is Deferred else [x]


def _register(x: Tracer, view: View) -> None:
    """Note a view with what it is, or may be, a view of."""
    for root in (view.root, *view.also):
        owner = _owner(root)
        if owner.refusal is None:
            owner.register(x)


def shadow(x: Tracer, origins: Sequence[Tracer]) -> None:
    """Let x be an array of its own that may have the memory of others: a write to one of them takes the value from the
    other.
    """
    owner = _owner(x)
    owner.origins = list(origins)
    for origin in origins:
        _owner(root_of(origin)).shadows.append(weakref.ref(x))


def _disown_relatives(owner: Owner) -> None:
    shadows, owner.shadows = owner.shadows, []
    origins, owner.origins = owner.origins, []
    trace = current_trace()
    if type(trace) is BodyTrace:
        trace.undo.append(functools.partial(_relatives_again, owner, origins, shadows))
    for x in (*origins, *[reference() for reference in shadows]):
        if x is not None:
            disown(x)


def disown(x: Tracer) -> None:
    """Let an array have no value any more: what has been written to may be its memory, or not."""
    where = user_location()
    reason = (
        f"an array was written to{f' at {where}' if where else ''} that may share its memory with this one: a loop on "
        "a traced condition assigns several arrays to one name, and how often it did is not known; make a copy before "
        "the loop"
    )

    root = root_of(x)
    make_stale(root)
    trace = current_trace()
    for handle in {id(x): x, id(root): root}.values():
        if type(handle._memory) is Lost:
            continue
        if type(trace) is BodyTrace:
            trace.undo.append(functools.partial(_own_again, handle, handle._memory, snapshot(handle)))
        handle._memory = Lost(None, reason)
        with contextlib.suppress(AttributeError):
            del handle._variable


def _relatives_again(owner: Owner, origins: list[Tracer], shadows: list[weakref.ref[Tracer]]) -> None:
    owner.origins, owner.shadows = origins, shadows


def _own_again(x: Tracer, memory: Any, before: Tracer) -> None:
    x._memory, x._variable = memory, before._variable


def snapshot(x: Tracer) -> Tracer:
    """The value that a handle stands for now: a handle of its own."""
    return Tracer(x._variable, x._owner, x._kind)


def link(result: Tracer, of: Tracer, get: Get, put: Put | None, layout: Layout) -> View:
    """Make ``result``, which is ``get(of)``, a view of ``of``."""
    between = of._memory
    if type(between) is View:
        root, inner_get, inner_put, inner_layout = between.root, between.get, between.put, between.layout
        view = View(root, lambda r: get(inner_get(r)), None, lambda a: layout(inner_layout(a)))
        view.reshaped, view.also, view.reason = between.reshaped, between.also, between.reason
        if put is not None and inner_put is not None:
            view.put = lambda r, v: inner_put(r, put(inner_get(r), v))
    else:
        root = of
        view = View(root, get, put, layout)
    _register(result, view)
    result._memory = view
    return view


def _owner(root: Tracer) -> Owner:
    if root._memory is None:
        root._memory = Owner(root._variable)
    return root._memory  # type: ignore[no-any-return]


def write(x: Tracer, value: Tracer) -> None:
    """Let an array hold another value of its type, and so all that shares its memory."""
    view = x._memory if type(x._memory) is View else None
    root = x if view is None else view.root
    _refuse(x, root, view)
    owner = _owner(root)
    if owner.origins or owner.shadows:
        _disown_relatives(owner)
    value = snapshot(value)  # it may itself be a view that becomes stale
    if view is not None:
        _check_layout(view)
        assert view.put is not None
        _rebind(root, view.put(snapshot(root), value))
        x._owner = root._owner
    make_stale(root, but=x)
    _rebind(x, value)


def refresh(x: Tracer) -> Var:
    """The variable of a stale view."""
    view = x._memory
    if type(view) is Lost:
        raise ImmutableError(str(view.refusal))
    assert type(view) is View
    x._owner = view.root._owner  # a body may have written to it, or have been left
    if not x._owner.open:
        raise escaped(view.root)
    _check_layout(view)
    within(x._owner, lambda: _rebind(x, view.get(snapshot(view.root))))
    return x._variable


def is_read_again(x: Tracer, index: Any, value: Any) -> bool:
    """Whether ``value`` is the view ``x[index]``, as ``x[index] += v`` stores it once more."""
    view = value._memory if type(value) is Tracer else None
    return type(view) is View and view.of is x and view.index is index


def _rebind(x: Tracer, value: Any) -> None:
    atom = x._owner.atom(value)
    assert type(atom) is Var
    x._variable = atom


def _refuse(x: Tracer, root: Tracer, view: View | None) -> None:
    """Raise where an array must not be written to."""
    where = user_location()
    at = f" at {where}" if where else ""
    what = f"a traced {x._variable.type} was written to in place{at}"
    refusal = None if root._memory is None else root._memory.refusal
    if refusal is not None:
        refusal = refusal.format(kind=root._owner.kind)
        raise ImmutableError(f"{what}: it {'is' if view is None else 'is a view of'} {refusal}")
    trace = current_trace()
    if root._owner is not trace:
        if not root._owner.open:
            raise escaped(root)
        assert trace is not None
        if not (type(trace) is BodyTrace and trace.take(root)):
            raise ImmutableError(
                f"{what}: it belongs to the function around the one under {trace.kind}, which must be pure; return the "
                "new value from the inner function, or write to a copy: x = x.copy()"
            )
    if view is not None and view.reason is not None:
        raise ImmutableError(f"{what}: {view.reason}")
    if view is not None and view.put is None:
        raise ImmutableError(f"{what}: NumPy makes this view read-only, too; write to a copy: x = x.copy()")


def _check_layout(view: View) -> None:
    """Refuse a reshaped array that may be a copy, where it must be known."""
    first = _owner(view.root).first if view.reshaped else None
    if first is not None and _may_be_transposed(view.root._owner, first):
        where = user_location()
        raise ImmutableError(
            f"a reshaped array{f' at {where}' if where else ''} would be a view or a copy of what it was made from, "
            "depending on how transposed operands lie in memory, and one of the two has been written to; write "
            "x.reshape(shape).copy() for a copy, or assign to an index of the array itself"
        )


def _may_be_transposed(trace: Trace, var: Var) -> bool:
    """Whether a value is computed of a transposed array element by element, so that it may have kept its layout."""
    made = {v: e for e in trace.eqns for v in e.outputs}
    todo, seen = [var], set()
    while todo:
        v = todo.pop()
        eqn = made.get(v)
        if v in seen or eqn is None:
            continue
        seen.add(v)
        if eqn.primitive.name == "transpose":
            return True
        todo += [a for a in eqn.inputs if type(a) is Var and a.type.shape == v.type.shape]
    return False
