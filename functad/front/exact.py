"""What Python's numbers raise where traced ones give infinities and NaN, in the block of a ``try`` that would catch it.

    try:                              try:
        y = math.log(a) / b               if domain(math.log, a): raise ValueError("math domain error")
    except (ValueError,         ->        if zero(math.log(a), b): raise ZeroDivisionError("float division by zero")
            ZeroDivisionError):           y = math.log(a) / b
        ...                           ...

That is done where operands are variables, constants and what is computed of these. Elsewhere the operation itself is
replaced by one that raises where values are known, and is refused where they are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from functad.core.tracer import PYTHON, Tracer
from functad.front.branches import is_unknown
from functad.front.failures import refused
from functad.front.protocols import operate_now
from functad.numpy import logic
from functad.numpy.dispatch import called_for
from functad.numpy.traced import here, is_traced

__all__ = ["divided", "domain", "exactly", "overflow", "zero"]

POLES = frozenset({math.log, math.log2, math.log10, math.log1p, math.atanh, math.gamma, math.lgamma})
"""Functions that raise ValueError, and not OverflowError, where the result is infinite."""


def zero(x: Any, y: Any) -> Any:
    """Whether ``x / y`` raises ZeroDivisionError, where one of the two is traced and both are Python's numbers."""
    if type(x) is not Tracer and type(y) is not Tracer:
        return False
    return logic.equal(y, 0) if _is_python(x) and _is_python(y) else False


def _is_python(x: Any) -> bool:
    return x._kind == PYTHON if type(x) is Tracer else type(x) in (int, float, complex, bool)


def domain(f: Any, *args: Any) -> Any:
    """Whether a function of ``math`` raises ValueError for arguments of which one is traced."""
    found = _results(f, args)
    if found is None:
        return False
    nan, infinite = found
    return logic.logical_or(nan, infinite) if f in POLES else nan


def overflow(f: Any, *args: Any) -> Any:
    """Whether a function of ``math`` raises OverflowError for arguments of which one is traced."""
    found = _results(f, args)
    return False if found is None or f in POLES else found[1]


def _results(f: Any, args: Sequence[Any]) -> tuple[Any, Any] | None:
    """Whether a function gives NaN, or an infinity, of numbers that are none."""
    if getattr(f, "__module__", None) != "math" or not is_traced(args):
        return None
    y = called_for(f)(*args)
    nan, infinite = logic.isnan(y), logic.isinf(y)
    for x in args:
        nan = logic.logical_and(nan, logic.logical_not(logic.isnan(x)))
        infinite = logic.logical_and(infinite, logic.isfinite(x))
    return nan, infinite


def divided(twin: Callable[[Any], Any], operator: str, x: Any, y: Any) -> Any:
    """A division that raises what Python's does."""
    _check(zero(x, y), ZeroDivisionError("float division by zero"))
    return operate_now(twin, operator, x, y)


def exactly(twin: Callable[[Any], Any], f: Any) -> Any:
    """What is called for a function that raises what those of ``math`` do."""
    found = twin(f)
    if getattr(f, "__module__", None) != "math":
        return found

    def call(*args: Any) -> Any:
        _check(domain(f, *args), ValueError("math domain error"))
        _check(overflow(f, *args), OverflowError("math range error"))
        return found(*args)

    return call


def _check(fails: Any, error: Exception) -> None:
    if is_unknown(fails):
        raise refused(
            f"some values of the traced numbers{here()} raise {type(error).__name__}, which a handler of the function "
            "catches: that can be compiled where the operands are variables; assign them before"
        )
    if fails:
        raise error
