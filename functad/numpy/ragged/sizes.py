"""Traced integers with what is known of them: bounds of slices, and lengths.

Arithmetic of sizes folds what is known: ``min(n, i + 1)`` is ``i + 1`` where that is proved to be at most n.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from functad.core.handles import snapshot
from functad.core.integers import Affine, affine_of, least, made_of, number
from functad.core.tracer import Tracer
from functad.errors import InvalidIndexError
from functad.numpy.operands import as_python, whole
from functad.numpy.traced import here
from functad.primitives import arithmetic, selection
from functad.primitives.comparison import lt
from functad.primitives.rounding import floor_divide

__all__ = ["Size", "fixed", "size_of"]

INT64 = np.dtype(np.int64)


class Size:
    """An integer: a number, or a traced one, and its form."""

    __slots__ = ("form", "value")

    def __init__(self, value: Any, form: Affine) -> None:
        known = form.fixed
        self.value = value if known is None else known  # an int, or a Tracer
        self.form = form

    @property
    def known(self) -> int | None:
        """The number, if it is the same for all values of what is traced."""
        return self.form.fixed

    @property
    def atom(self) -> Any:
        """As an operand of an equation."""
        return self.value if type(self.value) is Tracer else np.int64(self.value)

    @property
    def number(self) -> Any:
        """As Python's integer, traced or not."""
        x = self.value
        return as_python(Tracer(x._variable, x._owner, 0)) if type(x) is Tracer else x

    def __add__(self, other: Size | int) -> Size:
        y = fixed(other)
        form = self.form.plus(y.form)
        return form_or(form, lambda: arithmetic.add(self.atom, y.atom), self, y)

    def __sub__(self, other: Size | int) -> Size:
        y = fixed(other)
        form = self.form.plus(y.form, -1)
        return form_or(form, lambda: arithmetic.sub(self.atom, y.atom), self, y)

    def times(self, factor: int) -> Size:
        """The multiple by a number."""
        return form_or(self.form.times(factor), lambda: arithmetic.mul(self.atom, np.int64(factor)), self)

    def is_at_least(self, other: Size | int) -> bool:
        """Whether it is proved to be."""
        found = least(self.form.plus(fixed(other).form, -1))
        return found is not None and found >= 0

    def equals(self, other: Size | int) -> bool:
        """Whether it is proved to be the same number."""
        return self.form == fixed(other).form

    def at_least(self, other: Size | int) -> Size:
        """The greater one."""
        y = fixed(other)
        if self.is_at_least(y):
            return self
        if y.is_at_least(self):
            return y
        return Size(selection.maximum(self.atom, y.atom), made_of(("max", self.form, y.form)))

    def at_most(self, other: Size | int) -> Size:
        """The smaller one."""
        y = fixed(other)
        if y.is_at_least(self):
            return self
        if self.is_at_least(y):
            return y
        return Size(selection.minimum(self.atom, y.atom), made_of(("min", self.form, y.form)))

    def over(self, divisor: int) -> Size:
        """Divided by a positive number, rounded up."""
        if divisor == 1:
            return self
        if not self.form.terms:
            return fixed(-(-int(self.form.constant) // divisor))
        up = arithmetic.add(self.atom, np.int64(divisor - 1))
        return Size(floor_divide(up, np.int64(divisor)), made_of(("ceil", self.form, divisor)))

    def from_end(self, length: Size) -> Size:
        """Counted from the front: where it is negative, it counts from the end of so many elements."""
        if self.is_at_least(0):
            return self
        if fixed(-1).is_at_least(self):
            return self + length
        value = selection.select(lt(self.atom, 0), (self + length).atom, self.atom)
        return Size(value, made_of(("from_end", self.form, length.form)))


def form_or(form: Affine, compute: Any, *operands: Size) -> Size:
    """A size of this form: one of the operands, if it is that; else computed."""
    if form.fixed is not None:
        return Size(None, form)
    same = next((x for x in operands if x.form == form), None)
    return Size(compute(), form) if same is None else same


def fixed(x: Size | int) -> Size:
    """A number as a size."""
    return x if isinstance(x, Size) else Size(x, number(x))


def size_of(x: Any) -> Size:
    """An integer of the user's."""
    if type(x) is not Tracer:
        return fixed(operator.index(x))
    if x.dtype.kind not in "iu" or x.ndim:
        raise InvalidIndexError(
            f"slice indices must be integers or None{here()}, got a traced {x._variable.type}; convert it with "
            ".astype(int)"
        )
    y = whole(snapshot(x))
    return Size(y, affine_of(y))
