"""``Ragged``, which stands for a part of an array whose shape is traced; operations on parts element by element."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.handles import Refused
from functad.core.tracer import Tracer, Varying
from functad.errors import ShapeError, TracerConversionError, UnsupportedError
from functad.numpy.operands import fresh, operand, shape_of
from functad.numpy.promotion import PYTHON_NUMBERS
from functad.numpy.ragged.regions import Chosen, Plain, Region, Window, inside, moved, same_place
from functad.numpy.traced import here
from functad.primitives.lengths import check_equal_lengths
from functad.primitives.shapes import reshape

__all__ = ["Ragged", "elementwise", "filled", "is_ragged", "made", "regions_of", "spread_to"]


class Ragged(Varying):
    """A part of an array, axis by axis; what NumPy calls a view of the array is one here, too.

    Its public attributes are those of an array (``methods.py``).
    """

    __slots__ = ("__weakref__", "_fill", "_full", "_index", "_mask", "_of", "_regions")

    __array_priority__ = 1001.0

    def __init__(self, full: Tracer, regions: Sequence[Region], fill: Any = None) -> None:
        self._full = full  # a handle: reading it gives what the array holds now
        self._regions = tuple(regions)
        self._fill = fill  # what is known to be in place of what lies elsewhere
        self._of: Any = None  # the part is of[index]
        self._index: Any = None
        self._mask: tuple[Any, Chosen] | None = None  # what it takes as a mask, and the variable that it was made of

    def __repr__(self) -> str:
        lengths = ", ".join([str(r.length.known) if r.length.known is not None else "?" for r in self._regions])
        return f"Part({self._full._variable.type.dtype}[{lengths}] of a traced {self._full._variable.type})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return plain(self).__array__(dtype)  # which raises, unless the value is known

    def as_array(self, what: str) -> Tracer:
        try:
            return plain(self)
        except TracerConversionError:
            operation = what.removeprefix("an operand of ").partition(" at ")[0]
            raise shapeless(self, operation) from None


def is_ragged(x: Any) -> bool:
    """Whether a value is a part whose shape is traced."""
    return type(x) is Ragged


def regions_of(x: Any) -> tuple[Region, ...]:
    """The axes of an operand as regions."""
    return x._regions if type(x) is Ragged else tuple([Plain(n) for n in shape_of(x)])


def made(full: Any, regions: Sequence[Region], fill: Any = None) -> Any:
    """A part, or the array itself where that is all of it."""
    if all([isinstance(r, Plain) for r in regions]):
        return full
    return Ragged(full, regions, fill)


def plain(x: Ragged) -> Tracer:
    """The part as an array, where its lengths are known: ``x[i:i+3]`` has three elements, which is checked when the
    Program runs.
    """
    y: Any = x._full
    for axis, region in enumerate(x._regions):
        if isinstance(region, Chosen) or (isinstance(region, Window) and not region.short):
            _ask(x)
            raise shapeless(x)
        if isinstance(region, Window):
            target = Plain(region.n)
            check_lengths(region, target)
            y = moved(y, axis, region, target)
    return y  # type: ignore[no-any-return]


def _ask(x: Ragged) -> None:
    """Ask for the lengths, as Python asks for the bounds of slices of plain arrays: what can be traced anew with their
    values is.
    """
    for region in x._regions:
        n = region.length.value
        if type(n) is Tracer:
            with contextlib.suppress(TracerConversionError, Refused):
                n._owner.force(n._variable, "the length of a slice")


def shapeless(x: Ragged, what: str = "this") -> TracerConversionError:
    """The error for a part that is used as an array of a known shape."""
    mask = any([isinstance(r, Chosen) for r in x._regions])
    part = "what a mask takes, x[mask]," if mask else "a slice with traced bounds, x[i:j],"
    instead = (
        "write np.where(mask, x, other) for an array of x's shape, np.sum(mask) for how many there are"
        if mask
        else "write the values into an array of fixed length (y = np.zeros(n); y[i:j] = x[i:j])"
    )
    return TracerConversionError(
        f"{part} has a length that is not known while it is traced{here()}, and {what} takes arrays of a known shape; "
        f"elementwise operations, reductions, products and assignments take it: {instead}, or loop over its indices"
    )


# -- element by element ------------------------------------------------------------------------------------------------


def check_lengths(a: Region, b: Region) -> None:
    """Make sure that two axes have as many elements: now if that is known, else when the Program runs."""
    n, m = a.length, b.length
    if n.equals(m):
        return
    if n.is_at_least(m + 1) or m.is_at_least(n + 1):
        raise ShapeError(
            f"operands could not be broadcast together{here()}: a slice with traced bounds has always another length "
            "than the other operand along this axis"
        )
    check_equal_lengths(n.atom, m.atom)


def common(name: str, regions: Sequence[Region]) -> Region:
    """Where the result of an operation has an axis, of the operands' regions along it."""
    long = [r for r in regions if not (isinstance(r, Plain) and r.n == 1)]
    if not long:
        return Plain(1)
    chosen = [r for r in long if isinstance(r, Chosen)]
    if chosen:
        if not all([same_place(chosen[0], r) for r in long]):
            raise UnsupportedError(
                f"np.{name}{here()}: what a mask takes meets an operand that another mask, or none, took: which of "
                "their elements belong together is not known while it is traced; take both with one mask, or write "
                "np.where(mask, f(x, y), other)"
            )
        return chosen[0]
    # a known length wins, then the shortest array: there is least to compute
    plain_ones = [r for r in long if isinstance(r, Plain)]
    target = plain_ones[0] if plain_ones else min(long, key=lambda r: r.n)  # type: ignore[union-attr]
    for r in long:
        if r is not target and not same_place(r, target):
            check_lengths(r, target)
    return target


def joined(name: str, operands: Sequence[Any]) -> tuple[Region, ...]:
    """The regions of the result of an operation on operands that are broadcast."""
    found = [regions_of(x) for x in operands]
    ndim = max([len(r) for r in found])
    return tuple([common(name, [r[len(r) - i] for r in found if len(r) >= i]) for i in range(ndim, 0, -1)])


def spread_to(x: Any, targets: Sequence[Region]) -> tuple[Any, list[Region]]:
    """An operand with its elements where the targets have theirs, and its regions then; axes of one element stay."""
    own = regions_of(x)
    y = x._full if type(x) is Ragged else x
    new: list[Region] = []
    shape: list[int] = []
    for region, target in zip(own, targets[len(targets) - len(own) :], strict=True):
        axis = sum([r.width for r in new])
        if isinstance(region, Plain) and region.n == 1 and not (isinstance(target, Plain) and target.n == 1):
            new += [Plain(1)] * target.width  # as many axes as the mask has
            shape += [1] * target.width
            if target.width > 1:
                y = reshape(y, (*shape, *shape_of(y)[axis + 1 :]))
            continue
        if not same_place(region, target):
            assert not isinstance(region, Chosen) and not isinstance(target, Chosen)
            y = moved(y, axis, region, target)
        new.append(target)
        shape += shape_of(y)[axis : axis + target.width]
    return y, new


def filled(x: Any, targets: Sequence[Region], value: Any) -> tuple[Any, Any]:
    """An operand at the targets' place, without what lies elsewhere; and what it is wherever the result's elements are
    not, if that is known.
    """
    if type(x) in PYTHON_NUMBERS or not shape_of_any(x):
        return x, None if type(x) is Tracer else x
    y, regions = spread_to(x, targets)
    if type(x) is not Ragged:
        return y, None
    stayed = all([same_place(a, b) for a, b in zip(x._regions, regions, strict=False)])
    fill = x._fill if x._fill is not None and stayed else y.dtype.type(value)
    y = y if fill is x._fill else inside(y, regions, fill)
    # where the operand is spread along a window or a mask, its own elements are beside that, too
    spread = not all([isinstance(t, Plain) or any([t is r for r in regions]) for t in targets])
    return y, None if spread else fill


def shape_of_any(x: Any) -> Any:
    """The axes of an operand, traced lengths or not."""
    return x._regions if type(x) is Ragged else shape_of(x)


def elementwise(name: str, f: Callable[..., Any], operands: Sequence[Any], ufunc: np.ufunc | None = None) -> Any:
    """A function of elements on operands of which some are parts: ``f`` of arrays, without what lies elsewhere.

    ``ufunc`` is the same on numbers, where there is one.
    """
    xs = [x if type(x) is Ragged else operand(x, name) for x in operands]
    targets = joined(name, xs)
    value = 0 if ufunc in FINITE_AT_ZERO else 1
    pairs = [filled(x, targets, value) for x in xs]
    result = f(*[y for y, _ in pairs])
    if isinstance(result, tuple):
        return tuple([made(r, targets) for r in result])
    fill = None if ufunc is None else _filling(ufunc, [v for _, v in pairs])
    return made(fresh(result, *[y for y, _ in pairs]), targets, fill)


FINITE_AT_ZERO = frozenset({
    *(np.add, np.subtract, np.multiply, np.negative, np.positive, np.conjugate, np.square, np.sin, np.tan, np.sinh),
    *(np.tanh, np.arctan, np.arcsinh, np.expm1, np.cos, np.exp, np.maximum, np.minimum),
})  # fmt: skip
"""With their derivatives: 0 can be put in place of what lies elsewhere, which sums and products leave out anyway."""


def _filling(ufunc: np.ufunc, values: Sequence[Any]) -> Any:
    """What a ufunc makes of what is in place of what lies elsewhere, where that is known, and finite."""
    if any([v is None for v in values]):
        return None
    with np.errstate(all="ignore"):
        result = ufunc(*values)
    return result if isinstance(result, np.generic) and np.isfinite(result) else None
