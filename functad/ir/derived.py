"""What is made of a Program is kept on it: made once, and gone when the Program is.

A function of a Program and of other arguments (integers, masks, Programs, whatever can be a key) that is decorated with
``derived`` remembers its results on the Program. It is an ordinary function to its callers and to the type checker.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from functad.caches import remember
from functad.ir.program import Program

__all__ = ["derived"]

P = ParamSpec("P")
R = TypeVar("R")

_MISSING = object()


def derived(make: Callable[Concatenate[Program, P], R]) -> Callable[Concatenate[Program, P], R]:
    """A function whose results are kept on the Program that it is given first.

    Where two threads make one at the same time, both get the first. A result that is, or holds, the Program itself
    keeps it alive until the garbage collector comes by.

    Examples
    --------
    >>> import functad as fd
    >>> @derived
    ... def size(program, at_least):
    ...     print("counting")
    ...     return max(len(program.eqns), at_least)
    >>> program = fd.make_ir(lambda x: x * x + 1.0)(0.5)
    >>> size(program, 0), size(program, 0), size(program, 10)
    counting
    counting
    (2, 2, 10)
    """

    @functools.wraps(make)
    def found(program: Program, *args: P.args, **kwargs: P.kwargs) -> R:
        key: Any = (make, args, tuple(kwargs.items())) if kwargs else (make, args)
        value = program.derived.get(key, _MISSING)
        if value is _MISSING:
            value = remember(program.derived, key, make(program, *args, **kwargs), times=4)
        return value  # type: ignore[no-any-return]

    return found  # type: ignore[return-value]
