"""What finite differences cannot tell: where a function has a kink, a jump or a tie within their step, where a result
does not change any more, and where rounding is larger than what is asked for.

The function runs once with values, equation by equation; for some primitives, a rule says which of its operands are so
close to a point without a derivative that the differences step over it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.advice import quoted
from functad.core.capture import Leaf, capture
from functad.core.nonfinite import Tracker
from functad.core.observing import observing
from functad.core.primitive import Primitive
from functad.core.tracer import ARRAY, PYTHON, SCALAR
from functad.ir.program import Location
from functad.ir.types import array_type
from functad.testing.numerics import moved

__all__ = ["blind_spots"]

MOST = 5
"""Places that are told."""

Near = Callable[..., Any]
"""Which elements of the operands lie within a step of such a point: ``near(step, *operands, **params)``."""


def zero(step: float, x: Any, **params: Any) -> Any:
    """A point at 0."""
    return np.abs(x) <= step


def equal(step: float, x: Any, y: Any, **params: Any) -> Any:
    """One where two operands are equal."""
    return np.abs(np.subtract(x, y, dtype=np.result_type(x, y, float))) <= 2 * step


def whole(step: float, x: Any, **params: Any) -> Any:
    """One at each integer."""
    return np.abs(x - np.rint(x)) <= step


def half(step: float, x: Any, **params: Any) -> Any:
    """One between integers."""
    return np.abs(x - np.floor(x) - 0.5) <= step


def multiple(step: float, x: Any, y: Any, **params: Any) -> Any:
    """One where an operand is a multiple of the other."""
    return np.abs(x - np.rint(x / y) * y) <= step


def largest(step: float, x: Any, axes: Any = None, axis: Any = None, **params: Any) -> Any:
    """Several elements that are largest, of which a rule takes one, or the mean."""
    over = axes if axis is None else (axis,)
    tie = np.max(x, axis=over, keepdims=True) - x <= 2 * step
    return tie & (np.sum(tie, axis=over, keepdims=True) > 1)


def smallest(step: float, x: Any, **params: Any) -> Any:
    """Several elements that are smallest."""
    return largest(step, -x, **params)


def neighbours(step: float, x: Any, axis: int = -1, **params: Any) -> Any:
    """Equal elements in a sorted array."""
    order = np.sort(x, axis=axis)
    return np.abs(np.diff(order, axis=axis)) <= 2 * step


KINKS: dict[str, tuple[str, Near]] = {
    "absolute": ("has a kink at 0", zero),
    "maximum": ("has a kink where its operands are equal", equal),
    "minimum": ("has a kink where its operands are equal", equal),
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), ("changes where its operands are equal", equal)),
    "sign": ("jumps at 0", zero),
    "signbit": ("jumps at 0", zero),
    "copysign": ("jumps at 0", lambda step, x, y, **params: zero(step, y)),
    "sqrt": ("has no derivative at 0", zero),
    "cbrt": ("has no derivative at 0", zero),
    "hypot": ("has a kink where both are 0", lambda step, x, y, **params: zero(step, x) & zero(step, y)),
    "floor": ("jumps at integers", whole),
    "ceil": ("jumps at integers", whole),
    "trunc": ("jumps at integers", whole),
    "rint": ("jumps between integers", half),
    "remainder": ("jumps at multiples", multiple),
    "fmod": ("jumps at multiples", multiple),
    "floor_divide": ("jumps at multiples", multiple),
    "max": ("has a tie", largest),
    "min": ("has a tie", smallest),
    "argmax": ("has a tie", largest),
    "argmin": ("has a tie", smallest),
    "sort": ("has ties", neighbours),
    "argsort": ("has ties", neighbours),
}


class Finder(Tracker):
    """Evaluates equations, and notes those that are at such a point."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step
        self.found: dict[str, None] = {}

    def equation(
        self, primitive: Primitive, ins: Sequence[Any], params: Any, loc: Location | None = None
    ) -> tuple[Any, ...]:
        """The results of an equation."""
        known = KINKS.get(primitive.name)
        if known is not None and any(np.asarray(x).dtype.kind == "f" for x in ins):
            what, near = known
            bad = np.asarray(near(self.step, *ins, **params))
            if bad.any():
                where = loc or self.loc
                at = f" at {quoted(where)}" if where is not None else ""
                given = ", ".join([self._shown(x, bad) for x in ins])
                self.found[f"{primitive.name}{at} {what}, and is given {given}"] = None
        return super().equation(primitive, ins, params, loc)

    @staticmethod
    def _shown(x: Any, bad: np.ndarray) -> str:
        x = np.asarray(x)
        if not x.ndim:
            return str(x[()])
        if x.shape != bad.shape:
            return f"{array_type(x.shape, x.dtype)}"
        index = tuple([int(i) for i in np.argwhere(bad)[0]])
        return f"{x[index]} at {list(index)}"


def blind_spots(
    f: Callable[[Sequence[Any]], tuple[Sequence[str], Sequence[Any]]],
    values: Sequence[Any],
    tangents: Sequence[Any],
    step: float,
    allowed: float,
) -> list[str]:
    """What differences with this step along these tangents cannot tell of a function of values, which gives the names
    of its results and the results.
    """
    largest = max([float(np.max(np.abs(t), initial=0)) for t in tangents], default=0.0)
    found = corners(f, values, 2 * step * largest)
    here, there = [f([moved(v, s * step, t) for v, t in zip(values, tangents, strict=True)]) for s in (1, -1)]
    for name, x, y in zip(here[0], here[1], there[1], strict=True):
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype.kind not in "fc" or not x.size:
            continue
        size = float(np.max(np.abs(x)))
        noise = float(np.finfo(x.dtype).eps) * size / step
        if noise > allowed * max(float(np.max(np.abs(x - y))) / (2 * step), 1.0):
            found.append(
                f"{name} is as large as {size:.2g}, so that its rounding alone makes the differences uncertain by "
                f"{noise:.1g}; scale it, or allow more by rtol and atol"
            )
        elif np.array_equal(x, y):
            found.append(f"{name} does not change within the step: it is saturated, or constant, as far as digits go")
    return found


def corners(f: Callable[[Sequence[Any]], Any], values: Sequence[Any], step: float) -> list[str]:
    """The equations that are at a point without a derivative, or within a step of it."""
    kinds = [PYTHON if type(v) in (float, complex) else ARRAY if np.ndim(v) else SCALAR for v in values]
    arrays = [np.asarray(v)[()] for v in values]
    leaves = [Leaf(v, array_type(v.shape, v.dtype), kind) for v, kind in zip(arrays, kinds, strict=True)]
    finder = Finder(step)
    token = observing.set(finder)
    try:
        capture(lambda xs: f(xs)[1], leaves, "check_grads", concrete=True).trace.run()
    finally:
        observing.reset(token)
    return list(finder.found)[:MOST]
