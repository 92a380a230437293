"""``raise`` in the body of a branch or a loop on a traced condition: a check, which raises the exception at run time.

    raise E          raise failing(lambda: E, lambda x, y: E, ("x", "y"), locals())

While the body is traced the statement raises as it does in Python, so that what the function does about it
(``finally``, ``with``) is done. Where the exception leaves the branch, its driver makes a check of it
(``Branch.takes``). What the check raises is the expression E once more, of the values that its variables have at run
time, so that messages show them.

A handler of the function's own cannot catch what is raised at run time. Where one would, that is refused, unless the
``raise`` stands in the block of the ``try`` (``catches.py``).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Hashable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from functad.core.location import user_location
from functad.core.tracer import PYTHON, Tracer
from functad.errors import FunctadError, IndexOutOfBoundsError, UnsupportedError
from functad.front.effects import in_body
from functad.front.failures import handlers
from functad.front.values import blank, frozen_value
from functad.identity import identity_key
from functad.ir.program import Location
from functad.primitives.check import Failure, check_p
from functad.tree.containers import flatten, structure_key

__all__ = ["can_be_raised_later", "fail", "failing"]

_LATER = "_functad_later"


class Later:
    """The expression of a ``raise`` statement, and its variables."""

    def __init__(self, make: Any, values: tuple[Any, ...], error: BaseException) -> None:
        self._make = make
        self._said = type(error), [str(a) for a in error.args]
        self.cause: BaseException | None = None
        self.suppresses = False
        where = location_of(error) or user_location()
        self.where = None if where is None else str(where)
        self._leaves, self._structure = flatten(values)
        self._traced = [k for k, x in enumerate(self._leaves) if type(x) is Tracer]
        self._kinds = [self._leaves[k]._kind for k in self._traced]
        self.operands = [self._leaves[k] for k in self._traced]
        for k in self._traced:
            self._leaves[k] = None

    def is_here(self) -> bool:
        """Whether its traced variables can be read where it is raised."""
        return bool(self.operands) and all([x._owner.open for x in self.operands])

    @property
    def identity(self) -> Hashable:
        """What two have in common that raise the same."""
        fixed = tuple([_key(x) for x in self._leaves])
        return self._make.__code__, self.where, structure_key(self._structure), fixed, tuple(self._kinds)

    def __call__(self, *found: Any) -> BaseException:
        """The exception, of values of its traced variables."""
        leaves = list(self._leaves)
        for k, kind, x in zip(self._traced, self._kinds, found, strict=True):
            leaves[k] = x.item() if kind == PYTHON else x
        error: BaseException
        try:
            error = _instance(self._make(*self._structure.unflatten(leaves)))
        except Exception:  # it shows what exists while it is traced alone
            error = self._said[0](*self._said[1])
        error.__cause__, error.__suppress_context__ = self.cause, self.suppresses
        if self.where is not None:
            error.add_note(f"it was raised at {self.where}")
        return error

    def __reduce__(self) -> Any:
        return _said, (*self._said, self.where)


def _said(cls: type[BaseException], args: list[str], where: str | None) -> Callable[..., BaseException]:
    """A failure that has been pickled, without the function that made it: it says what was known at the time."""

    def make(*_: Any) -> BaseException:
        error = cls(*args)
        if where is not None:
            error.add_note(f"it was raised at {where}")
        return error

    return make


def location_of(error: BaseException) -> Location | None:
    """Where an exception was raised that has been."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return None if at is None else Location(at.tb_frame.f_code, at.tb_lasti)


def failing(now: Callable[[], Any], later: FunctionType, names: tuple[str, ...], scope: Mapping[str, Any]) -> Any:
    """The exception of a ``raise`` statement, which knows what it is made of."""
    if not in_body():
        return now()
    values = frozen_value(tuple([_found(n, scope, later) for n in names]))
    try:
        error = now()
    except FunctadError:  # the message shows a number in a way that needs its value
        error = later(*blank(values))
    error = _instance(error)
    known = getattr(error, _LATER, None)
    if known is None or not known.is_here():  # one that is raised again knows what it is made of
        setattr(error, _LATER, Later(later, values, error))
    return error


def _found(name: str, scope: Mapping[str, Any], f: FunctionType) -> Any:
    if name in scope:
        return scope[name]
    return f.__globals__[name] if name in f.__globals__ else getattr(builtins, name)


def _instance(error: Any, *args: Any) -> Any:
    return error(*args) if isinstance(error, type) else error


def _key(x: Any) -> Hashable:
    try:
        return identity_key(x)
    except TypeError:
        return id(x)


def can_be_raised_later(error: BaseException) -> bool:
    """Whether an exception is that of a ``raise`` statement in the body that is traced, of an unbound name, or of an
    index that is known and beyond the bounds.
    """
    if isinstance(error, NameError | IndexOutOfBoundsError) and not hasattr(error, _LATER):
        later = Later(lambda cls, *said: cls(*said), (type(error), *error.args), error)
        if isinstance(error, FunctadError):  # its message says where
            later.where = None
        setattr(error, _LATER, later)
    return hasattr(error, _LATER)


def fail(error: BaseException) -> None:
    """Raise the exception at run time, if control comes here."""
    later = getattr(error, _LATER)
    if any([isinstance(error, kinds) for kinds in handlers()]):
        at = f" at {later.where}" if later.where else ""
        article = "an" if type(error).__name__[0] in "AEIO" else "a"
        raise UnsupportedError(
            f"{article} {type(error).__name__} is raised{at} in a branch or a loop on a traced condition, and caught "
            "by a handler of the function: which of the two happens is known at run time only; raise it in the block "
            "of the try itself, not in what it calls, or write if and else in place of raise and except"
        )
    later.cause, later.suppresses = error.__cause__, error.__suppress_context__
    operands, later.operands = later.operands, []
    for e in (error, later.cause):  # what is kept with the Program keeps no frames
        if e is not None:
            e.__traceback__ = e.__context__ = None
    check_p.bind(np.False_, *operands, failure=Failure(later, later.identity))
