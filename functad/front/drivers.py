"""Loops that Python writes as expressions: ``[f(v) for v in x]``, ``functools.reduce(f, x)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.front.effects import made
from functad.front.loops import Steps
from functad.front.unrolled import Unrolled

__all__ = ["by_python", "eager", "listed", "reduced"]


def listed(items: Any, f: Callable[[Any], Any]) -> list[Any]:
    """``[f(v) for v in items]``."""
    found: list[Any] = made([])
    c = Steps(items, (), what="comprehension")
    while c.more({}):
        try:
            if c.restore:
                c.state()
            value = f(c.item())
            if c.appended is None:
                found.append(value)
            else:
                c.appended.append(found, value)
            c.leave({})
        except BaseException as error:
            if not c.takes(error):
                raise
    if c.restore:
        c.result()
    return found


def by_python(items: Any) -> Iterator[Any]:
    """What a loop goes over whose statements are no driver's."""
    unrolled, steps = Unrolled("for"), 0
    try:
        for x in items:
            steps += 1
            yield x
    finally:
        unrolled.note(steps, "its body has other ends, catches exceptions, or assigns to outer variables")


def eager(f: Any, at_once: Callable[[], list[Any]], one_by_one: Callable[[], Any]) -> Any:
    """What a function is given in place of a generator: a list, if it is a builtin that makes no difference."""
    return at_once() if any([f is g for g in (sum, list, tuple, sorted, max, min)]) else one_by_one()


def reduced(twin: Callable[[Any], Any]) -> Callable[..., Any]:
    """``functools.reduce`` in a staged twin; ``twin`` gives what is called for a function."""

    @functools.wraps(functools.reduce, updated=())
    def reduce(f: Any, items: Any, *initial: Any) -> Any:
        f = twin(f)
        if not initial:
            if type(items) not in (list, tuple, range, np.ndarray, Tracer) or not len(items):
                return functools.reduce(f, items)
            initial, items = (items[0],), items[1:]
        return _reduced(f, items, initial)

    return reduce


def _reduced(f: Callable[[Any, Any], Any], items: Any, initial: Sequence[Any]) -> Any:
    (value,) = initial
    c = Steps(items, ("value",), what="reduce")
    while c.more({"value": value}):
        try:
            if c.restore:
                (value,) = c.state()
            value = f(value, c.item())
            c.leave({"value": value})
        except BaseException as error:
            if not c.takes(error):
                raise
    if c.restore:
        (value,) = c.result()
    return value
