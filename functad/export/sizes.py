"""Which lengths a module leaves open, and what of a Program follows from them.

A trace is of arguments of given shapes: what Python computes of lengths (``x / len(x)``, ``range(len(x) - 1)``) is a
number in the Program. So a module is for the lengths of the examples, unless it is asked to leave them open. Then the
function is traced at three sets of lengths: the Programs must be one but for numbers, and each number that changes must
be ``a m + b``, or its reciprocal, with m a product of lengths and whole a and b: two traces say which, the third
confirms it. A branch of Python's on a length is seen if one of the three takes another way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.errors import UnsupportedError
from functad.ir.key import structural_key
from functad.ir.program import Program
from functad.ir.types import ArrayType, Size, Symbol
from functad.lower.abstract.abstract import Abstract, abstract
from functad.passes.pipeline import optimize
from functad.tree import flatten, unflatten

__all__ = ["FIXED", "Open", "fixed_lengths", "open_lengths", "sizes_of"]

FIXED = 4
"""Axes of up to so many elements have that length in the module, which unrolls loops over them."""

STEPS = (1, 3)
"""What lengths are longer by in the second and the third trace: number k by (1 + k) times that."""


@dataclass(frozen=True)
class Open:
    """What a module is made of: the Program without lengths, how long axes are, what numbers are.

    ``lengths`` says for each symbol what it is where no argument has it as the length of an axis, or must be; None:
    that of the call. ``numbers`` are the constants, as text or as arrays.
    """

    program: Program
    found: Abstract
    lengths: tuple[str | None, ...]
    numbers: tuple[str | np.ndarray, ...]


def fixed_lengths(f: Callable[..., Any], args: Sequence[Any]) -> Open:
    """For the lengths of the examples."""
    program = optimize(make_ir(f)(*args))
    found = abstract(program, FIXED)
    return Open(program, found, tuple(map(str, found.symbols)), found.constants)


def open_lengths(f: Callable[..., Any], args: Sequence[Any]) -> Open:
    """For any lengths.

    Raises
    ------
    UnsupportedError
        Where the Program depends on lengths in another way than its numbers may.
    """
    leaves, structure = flatten(tuple(args))
    first = fixed_lengths(f, args)
    given = sorted({n for x in leaves for n in np.shape(x) if n > FIXED})
    traces = [first]
    for step in STEPS:
        longer = {n: n + step * (1 + k) for k, n in enumerate(given)}
        others = [_resized(x, longer) for x in leaves]
        traces.append(fixed_lengths(f, unflatten(structure, others)))
    if len({structural_key(t.found.program) for t in traces}) > 1:
        raise _refused(f, "its Program is another one at other lengths")
    inputs = first.found.program.in_types[: len(leaves)]
    own = sorted({n.index for t in inputs for n in sizes_of(t) if isinstance(n, Symbol)})
    symbols = [t.found.symbols for t in traces]
    known = {f"n{k}": [s[k] for s in symbols] for k in own}
    lengths = [
        None if k in own else _expression(f, [s[k] for s in symbols], known, np.dtype(np.int64))
        for k in range(len(symbols[0]))
    ]
    numbers = [_number(f, values, known) for values in zip(*[t.found.constants for t in traces], strict=True)]
    return Open(first.program, first.found, tuple(lengths), tuple(numbers))


def sizes_of(type: ArrayType) -> tuple[Size, ...]:
    """The lengths of axes, of which some may be symbols."""
    return type.shape


def _resized(x: Any, longer: dict[int, int]) -> Any:
    if not np.ndim(x):
        return x
    return np.ones([longer.get(n, n) for n in np.shape(x)], np.asarray(x).dtype)


def _number(f: Callable[..., Any], values: Sequence[np.ndarray], known: dict[str, list[int]]) -> str | np.ndarray:
    """A constant: as it is, or what it is of the lengths."""
    first = values[0]
    if all(np.array_equal(first, v, equal_nan=first.dtype.kind in "fc") for v in values):
        return first
    if first.ndim or first.dtype.kind not in "iuf":
        raise _refused(f, f"it computes an array of shape {first.shape} of lengths before it is traced")
    return _expression(f, [v.item() for v in values], known, first.dtype)


def _expression(f: Callable[..., Any], values: Sequence[float], known: dict[str, list[int]], dtype: np.dtype) -> str:
    """What a number is of the lengths."""
    if len(set(values)) == 1:
        return repr(values[0])
    for degree in range(1, 4):
        for names in itertools.combinations_with_replacement(known, degree):
            m = [prod(sizes) for sizes in zip(*[known[n] for n in names], strict=True)]
            for text, inverse in (("{}", False), ("1 / ({})", True)):
                whole = _line(values, m, dtype, inverse)
                if whole is not None:
                    a, b = whole
                    product = " * ".join([*([str(a)] if a != 1 else []), *names])
                    return text.format(product if not b else f"{product} {'-' if b < 0 else '+'} {abs(b)}")
    raise _refused(f, f"it computes a number of lengths that is no product of them: {', '.join(map(repr, values))}")


def _line(values: Sequence[float], m: Sequence[int], dtype: np.dtype, inverse: bool) -> tuple[int, int] | None:
    """Whole a and b with ``a m + b`` (or its reciprocal) each of the values, to the last bit."""
    if m[0] == m[1] or not all(np.isfinite(values)) or (inverse and (dtype.kind != "f" or 0 in values)):
        return None
    y = [Fraction(round(1 / v)) if inverse else Fraction(v) for v in values]
    a = (y[1] - y[0]) / (m[1] - m[0])
    b = y[0] - a * m[0]
    if a.denominator != 1 or b.denominator != 1:
        return None
    made = [int(a) * k + int(b) for k in m]
    if inverse and 0 in made:
        return None
    same = all([dtype.type(1 / k if inverse else k) == v for k, v in zip(made, values, strict=True)])
    return (int(a), int(b)) if same else None


def _refused(f: Callable[..., Any], why: str) -> UnsupportedError:
    return UnsupportedError(
        f"export: {name_of(f)} cannot leave its lengths open: {why}; export it for the lengths of the examples, "
        'without sizes="any"'
    )
