"""Errors that come of tracing, and not of what the user wrote: none of the user's ``except`` may take one for NumPy's.

Python would have gone on in the ``try`` block, so that going on in the handler gives another result. The same holds for
what a branch on a traced condition raises: it runs while it is traced, whether or not it is taken.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import numpy as np

from functad.core.attempts import Attempt, attempts
from functad.core.demand import Demanded
from functad.core.handles import BodyTrace, Refused
from functad.core.trace import Trace, current_trace
from functad.core.tracer import PYTHON, Tracer
from functad.errors import (
    EscapedTracerError,
    FunctadError,
    ImmutableError,
    StructureError,
    TracerConversionError,
    UnsupportedError,
)
from functad.front.origin import own_method
from functad.ir.program import Atom, Eqn, sub_programs
from functad.numpy.traced import here

__all__ = ["Handling", "caught", "caught_inside", "handlers", "managed", "matched", "refused", "staged", "trying"]

_OF_TRACING = (EscapedTracerError, ImmutableError, Refused, StructureError, TracerConversionError, UnsupportedError)
_MARK = "_functad_staged"


def refused(message: str) -> BaseException:
    """The error for what a body must not do."""
    trace, error = current_trace(), UnsupportedError(message)
    return error if trace is None else trace.refused(error)


def staged(error: BaseException, what: str) -> None:
    """Note that an error was raised while a statement on a traced condition was traced."""
    if not hasattr(error, _MARK):
        setattr(error, _MARK, True)
        error.add_note(f"it was raised in {what}{here()} on a traced condition, which runs whether or not it is taken")


def caught(kinds: Any = ()) -> None:
    """Raise again, where an ``except kinds:`` or a ``finally`` that jumps begins, what is none of its business."""
    error = sys.exc_info()[1]
    if error is not None and _is_of_tracing(error, kinds):
        raise error


def caught_inside() -> None:
    """Refuse to catch, in the body of a staged statement, what Python raises by itself: it may come of tracing."""
    error, trace = sys.exc_info()[1], current_trace()
    if error is not None and type(trace) is BodyTrace:
        article = "an" if type(error).__name__[0] in "AEIO" else "a"
        raise refused(
            f"{article} {type(error).__name__} ({error}) is caught{here()} in a branch or a loop on a traced "
            "condition, whose body is traced once for all: what Python raises there by itself may come of that; test "
            "for it with an if"
        ) from error


def _is_of_tracing(error: BaseException, kinds: Any) -> bool:
    if isinstance(error, Refused | Demanded) or hasattr(error, _MARK):
        return True
    names = kinds if isinstance(kinds, tuple) else (kinds,)
    asked = any([isinstance(k, type) and issubclass(k, FunctadError) for k in names])  # by a user who knows of it
    return isinstance(error, _OF_TRACING) and not asked


_handlers: ContextVar[tuple[Callable[[], Any], ...]] = ContextVar("handlers", default=())


def handlers() -> tuple[Any, ...]:
    """What the handlers around catch."""
    return tuple([kinds() for kinds in _handlers.get()])


_sound: ContextVar[set[Atom] | None] = ContextVar("sound", default=None)


def trying(trace: Trace) -> Attempt:
    """A statement in the block of the innermost handlers."""
    sound = _sound.get()
    return Attempt(trace, set() if sound is None else sound)


class Handling:
    """The block of a ``try`` statement with handlers for these kinds of exceptions."""

    def __init__(self, *kinds: Callable[[], Any]) -> None:
        self._kinds = kinds

    def __enter__(self) -> None:
        self._trace = current_trace()
        self._start = len(self._trace.eqns) if type(self._trace) is BodyTrace else 0
        self._token = _handlers.set((*_handlers.get(), *self._kinds))
        self._tried = attempts.set(None)
        self._sound: set[Atom] = set()
        self._around = _sound.set(self._sound)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        _handlers.reset(self._token)
        attempts.reset(self._tried)
        _sound.reset(self._around)
        if error is None and type(self._trace) is BodyTrace and self._trace is current_trace():
            self._check(self._trace.eqns[self._start :])
        return None

    def _check(self, eqns: Sequence[Eqn]) -> None:
        """Refuse a block of a body that raises at run time what a handler would catch."""
        for name in _raised_by(eqns, self._sound):
            raised = _RAISED.get(name, np.linalg.LinAlgError)
            if any([issubclass(raised, kinds()) for kinds in self._kinds]):
                raise refused(
                    f"an operation ({name}) in a try block{here()} raises {raised.__name__} at run time, which a "
                    "handler of the function would catch, in a branch or a loop on a traced condition; test for it "
                    "with an if"
                )


_RAISED: dict[str, type[Exception]] = {"check_index": IndexError}
"""What operations raise at run time, other than matrices that have no factors."""


def _raised_by(eqns: Sequence[Eqn], sound: set[Atom]) -> Iterator[str]:
    """The operations that may raise by themselves; what checks raise is refused where they are made."""
    for e in eqns:
        if e.primitive.may_raise and e.primitive.name != "check" and sound.isdisjoint(e.outputs):
            yield e.primitive.name
        for p in sub_programs(e):
            yield from _raised_by(p.eqns, sound)


class _Managed(Handling):
    """A context manager that swallows no error of tracing, and may swallow all others."""

    def __init__(self, manager: Any) -> None:
        super().__init__(lambda: BaseException)
        self._manager = manager

    def __enter__(self) -> Any:
        entered = self._manager.__enter__()
        super().__enter__()
        return entered

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        super().__exit__(kind, error, traceback)
        swallowed = self._manager.__exit__(kind, error, traceback)
        return bool(swallowed) and not (error is not None and _is_of_tracing(error, ()))


def managed(manager: Any) -> Any:
    """A context manager in a ``with`` statement."""
    cls = type(manager)
    if cls in _SWALLOWING or own_method(cls, "__exit__") is not None:
        return _Managed(manager)
    return manager


_SWALLOWING = (contextlib.suppress, contextlib.ExitStack, contextlib._GeneratorContextManager)


def matched(subject: Any) -> Any:
    """The subject of a ``match`` with classes or truth values among its patterns, which know no traced values."""
    for x in subject if isinstance(subject, tuple | list) else (subject,):
        if type(x) is Tracer and (x._kind == PYTHON or x.ndim == 0):
            raise UnsupportedError(
                f"a traced {x._type} is matched{here()} with a class or a truth value, which would not see what it "
                "stands for; write if isinstance(x, ...), or if x"
            )
    return subject
