"""Expressions that evaluate their parts by conditions: ``a if t else b``, ``and``, ``or``, ``not``, ``a < b < c``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

from functad.core.tracer import PYTHON
from functad.front.branches import Branch, is_unknown, predicate
from functad.numpy import logic
from functad.numpy.dispatch import stands_for

__all__ = ["and_", "choose", "compare", "not_", "or_"]


def choose(test: Any, one: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """``one() if test else other()``."""
    c, value = Branch(test, ("the value",)), None
    if not c.staged:
        return one() if c.side else other()
    while c.more({}):
        try:
            value = (one if c.side else other)()
            c.leave({"the value": value})
        except BaseException as error:
            if not c.takes(error):
                raise
    return c.result()[0] if c.staged else value


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


@stands_for(any)
def any_(items: Any) -> Any:
    """``any``; items behind one whose value is not known are made in any case."""
    return _of_all(True, logic.logical_or, items)


@stands_for(all)
def all_(items: Any) -> Any:
    """``all``; items behind one whose value is not known are made in any case."""
    return _of_all(False, logic.logical_and, items)


def _of_all(decisive: bool, join: Callable[[Any, Any], Any], items: Any) -> Any:
    """Whether one of the items is what decides, or what becomes of those whose value is not known."""
    unknown = []
    for x in items:
        if is_unknown(x):
            unknown.append(predicate(x))
        elif bool(x) is decisive:
            return decisive
    if not unknown:
        return not decisive
    result = functools.reduce(join, unknown)
    result._kind = PYTHON
    return result


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
