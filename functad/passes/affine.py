"""Index arrays that go up evenly along each axis, and what is read and written at them as slices.

An index made of ``iota``, sums and integer multiples is ``offset + step_0 i_0 + step_1 i_1 + ...`` at ``i_0, i_1,
...``. Where each axis of such index arrays moves along one axis of what is read, ``gather`` gives a slice of it, which
is vector code and fuses into what reads it; writing there is a padded array, or an addition to a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.program import Atom, Eqn, Literal, Location, Var
from functad.ir.rewrite import Rewriting
from functad.ir.types import ArrayType, scalar_type
from functad.primitives.slicing import is_part, slice_padding

__all__ = ["Affine", "Arrays", "Span", "spans"]

INT64 = np.dtype(np.int64)

MODERATE = 2**31
"""Indices up to this are followed."""


class Affine(NamedTuple):
    """The elements of an integer array: an offset, and by how much they grow along each axis."""

    offset: int
    steps: tuple[int, ...]

    def plus(self, other: Affine, times: int) -> Affine:
        """The sum with a multiple of another, one of which may be a number."""
        steps = [self.steps, other.steps]
        mine, others = [s or (0,) * max(map(len, steps)) for s in steps]
        return Affine(
            self.offset + times * other.offset, tuple([a + times * b for a, b in zip(mine, others, strict=True)])
        )

    def times(self, factor: int) -> Affine:
        """A multiple."""
        return Affine(self.offset * factor, tuple([s * factor for s in self.steps]))

    def limits(self, shape: Sequence[int]) -> tuple[int, int]:
        """The least and the greatest element of an array of this shape, which is not empty."""
        ends = [s * (n - 1) for s, n in zip(self.steps, shape, strict=True)]
        return self.offset + sum([min(0, e) for e in ends]), self.offset + sum([max(0, e) for e in ends])


class Span(NamedTuple):
    """Which indices of one axis are taken: from ``start`` on, ``size`` of them, ``step`` apart; it may be negative.
    ``along`` is the axis of the index arrays that goes along it, None where there is one index.
    """

    start: int
    size: int
    step: int
    along: int | None

    def bounds(self) -> tuple[int, int, int]:
        """The (start, stop, step) of a slice with the same elements."""
        if not self.size:
            return self.start, self.start, 1
        last = self.start + (self.size - 1) * self.step
        low, high = min(self.start, last), max(self.start, last)
        return low, high + 1, abs(self.step)


def spans(x: ArrayType, indices: Sequence[Affine], shape: Sequence[int]) -> list[Span] | None:
    """What index arrays of this shape take of each axis of an array; None where that is no slice."""
    found: list[Span] = []
    used: set[int] = set()
    for form in indices:
        moving = [a for a, (s, n) in enumerate(zip(form.steps, shape, strict=True)) if s and n > 1]
        if len(moving) > 1 or not used.isdisjoint(moving):
            return None
        used.update(moving)
        along = moving[0] if moving else None
        found.append(
            Span(form.offset, 1, 1, None)
            if along is None
            else Span(form.offset, shape[along], form.steps[along], along)
        )
    rest = [Span(0, n, 1, len(shape) + k) for k, n in enumerate(x.shape[len(indices) :])]
    return [*found, *rest]


class Arrays(Rewriting):
    """Equations under construction, and which of their results are index arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[Atom, Affine] = {}

    def form(self, atom: Atom) -> Affine | None:
        """The elements of an integer array, where they are known."""
        if isinstance(atom, Literal) and not atom.type.ndim and atom.type.dtype == INT64:
            return Affine(int(atom.value), ())
        return self.forms.get(atom)

    def take(self, eqn: Eqn) -> None:
        """Append an equation and take notice of it."""
        self.eqns.append(eqn)
        self.note(eqn)

    def result(self, name: str, operands: Sequence[Atom], loc: Location | None, **params: Any) -> Atom:
        """The result of a new equation."""
        (out,) = self.emit(REGISTRY[name], operands, params, loc)
        self.note(self.eqns[-1])
        return out

    def note(self, eqn: Eqn) -> None:
        """Take notice of an equation that makes an index array."""
        out = eqn.outputs[0] if len(eqn.outputs) == 1 else None
        if out is None or out.type.dtype != INT64 or not out.type.size:
            return
        form = self._form_of(eqn, out)
        if form is not None and max(map(abs, form.limits(out.type.shape))) < MODERATE:
            self.forms[out] = form

    def _form_of(self, eqn: Eqn, out: Var) -> Affine | None:
        name = eqn.primitive.name
        if name == "iota":
            return Affine(0, tuple([int(a == eqn.params["axis"]) for a in range(out.type.ndim)]))
        given = [self.form(a) for a in eqn.inputs]
        forms = [f for f in given if f is not None]
        if not given or len(forms) < len(given):
            return None
        if name == "broadcast":
            steps = [0] * out.type.ndim
            for axis, step, n in zip(eqn.params["axes"], forms[0].steps, eqn.inputs[0].type.shape, strict=True):
                steps[axis] = step if n > 1 else 0
            return Affine(forms[0].offset, tuple(steps))
        if name in ("add", "sub"):
            return forms[0].plus(forms[1], 1 if name == "add" else -1)
        if name == "neg":
            return forms[0].times(-1)
        if name == "mul":
            numbers = [f for f in forms if not any(f.steps)]
            others = [f for f in forms if f not in numbers] or numbers[:1]
            return others[0].times(numbers[-1].offset) if numbers and len(others) == 1 else None
        if name in ("check_index", "from_front"):
            return forms[0] if self.within(eqn.inputs[0], eqn.params["length"]) else None
        return None

    def within(self, atom: Atom, length: int) -> bool:
        """Whether all elements are surely indices of an axis of this length, none from its end."""
        form = self.form(atom)
        if form is None:
            return False
        low, high = form.limits(atom.type.shape)
        return low >= 0 and high < length

    def spans(self, x: ArrayType, indices: Sequence[Atom]) -> list[Span] | None:
        """What index arrays take of an array; None where that is not known, or no slice."""
        forms = [self.form(a) for a in indices]
        known = [f for f in forms if f is not None]
        if len(known) < len(forms) or not all(map(self.within, indices, x.shape)):
            return None
        return spans(x, known, indices[0].type.shape)

    # -- reading -------------------------------------------------------------------------------------------------------

    def reading_slice(self, x: Atom, indices: Sequence[Atom], loc: Location | None) -> Atom | None:
        """What ``gather`` reads at index arrays, by a slice; None where that is no slice."""
        found = self.spans(x.type, indices)
        if found is None:
            return None
        shape = (*indices[0].type.shape, *x.type.shape[len(indices) :])
        y = self._cut(x, found, loc)
        axes = [s.along for s in found if s.along is not None]
        y = self._reshaped(y, [s.size for s in found if s.along is not None], loc)
        order = sorted(range(len(axes)), key=lambda k: axes[k])
        if order != list(range(len(axes))):
            y = self.result("transpose", [y], loc, axes=tuple(order))
        return y if y.type.shape == shape else self.result("broadcast", [y], loc, shape=shape, axes=tuple(sorted(axes)))

    def _cut(self, x: Atom, found: Sequence[Span], loc: Location | None) -> Atom:
        bounds = [s.bounds() for s in found]
        if bounds != [(0, n, 1) for n in x.type.shape]:
            x = self.result("slice", [x], loc, **_params(bounds))
        return self._turned(x, found, loc)

    def _turned(self, x: Atom, found: Sequence[Span], loc: Location | None) -> Atom:
        axes = tuple([k for k, s in enumerate(found) if s.step < 0])
        return self.result("flip", [x], loc, axes=axes) if axes else x

    def _reshaped(self, x: Atom, shape: Sequence[int], loc: Location | None) -> Atom:
        return x if x.type.shape == tuple(shape) else self.result("reshape", [x], loc, shape=tuple(shape))

    # -- writing -------------------------------------------------------------------------------------------------------

    def writing_slice(
        self, name: str, x: Atom, value: Atom, indices: Sequence[Atom], loc: Location | None
    ) -> Atom | None:
        """What ``scatter_set`` or ``scatter_add`` gives, by slices; None where these are not the way. The value may
        be a number.
        """
        found = self.spans(x.type, indices)
        moving = {k for k, n in enumerate(indices[0].type.shape) if n > 1}
        if found is None or not moving <= {s.along for s in found}:
            return None
        shape = tuple([s.size for s in found])
        size = int(np.prod(shape))
        if name == "scatter_set" and is_part(size, x.type.size):
            return None
        if value.type.ndim:
            value = self._laid(value, found, loc)
        whole = size == x.type.size
        bounds = [s.bounds() for s in found]
        if name == "scatter_add":
            value = value if value.type.ndim else self.result("broadcast", [value], loc, shape=shape, axes=())
            if whole:
                return self.result("add", [x, value], loc)
            if is_part(size, x.type.size) or x.type.dtype.kind == "c":
                return self.result("slice_add", [x, value], loc, **_params(bounds))
            widths = slice_padding(x.type.shape, **_params(bounds))
            zero = Literal(x.type.dtype.type(-0.0), scalar_type(x.type.dtype))  # every x + -0.0 is x
            return self.result("add", [x, self.result("pad", [value, zero], loc, widths=widths)], loc)
        if whole:
            return value if value.type.ndim else self.result("broadcast", [value], loc, shape=shape, axes=())
        widths = slice_padding(x.type.shape, **_params(bounds))
        inside = self.result("broadcast", [Literal(np.True_)], loc, shape=shape, axes=())
        mask = self.result("pad", [inside, Literal(np.False_)], loc, widths=widths)
        if value.type.ndim:
            zero = Literal(x.type.dtype.type(0), scalar_type(x.type.dtype))
            value = self.result("pad", [value, zero], loc, widths=widths)
        return self.result("select", [mask, value, x], loc)

    def _laid(self, value: Atom, found: Sequence[Span], loc: Location | None) -> Atom:
        """Updates, in the order of index arrays, as they lie in the array."""
        axes = [s.along for s in found if s.along is not None]
        value = self._reshaped(value, [value.type.shape[a] for a in sorted(axes)], loc)
        order = [sorted(axes).index(a) for a in axes]
        if order != list(range(len(axes))):
            value = self.result("transpose", [value], loc, axes=tuple(order))
        return self._turned(self._reshaped(value, [s.size for s in found], loc), found, loc)


def _params(bounds: Sequence[tuple[int, int, int]]) -> dict[str, tuple[int, ...]]:
    starts, stops, steps = zip(*bounds, strict=True)
    return {"starts": starts, "stops": stops, "steps": steps}
