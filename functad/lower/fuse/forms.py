"""The forms that equations take in fusion: few, and closer to loops than the rules of primitives.

An *inline* form (``Pointwise``, ``Pull``, ``View``) says how one element comes from elements of the operands; it is
evaluated wherever it is read, and stored only if that pays. A ``Folding`` is a reduction over an iteration space. A
``MatrixProduct`` and ``Statements`` run on their own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functad.caches import cached
from functad.ir.types import ArrayType
from functad.kernel_ir.nodes import Affine, Index
from functad.kernel_ir.ops import ACCUMULATE
from functad.kernel_ir.rules import Pointwise, Pull, Reduction, Statements
from functad.kernel_ir.sizes import Poly
from functad.lower.fuse.body import Body, Element
from functad.lower.fuse.spaces import Reshape, Shape, few, static

__all__ = [
    "Folding",
    "Form",
    "MatrixProduct",
    "Reads",
    "View",
    "constant_form",
    "fold",
    "reduction_form",
    "transposition",
    "unrolled",
]

Reads = Sequence[Callable[..., Element]]

UNROLLED = 9
"""Reductions over at most this many elements are written out, and so need no loop of their own (3 x 3: a matrix in
space).
"""


@dataclass(frozen=True, slots=True)
class View:
    """The operand's elements under another shape."""

    map: Reshape


@dataclass(frozen=True, slots=True)
class Folding:
    """``out[index[kept]] = op(element(b, index, reads))`` over all ``index`` below ``shape``."""

    op: str
    shape: Shape
    kept: tuple[int, ...]
    element: Callable[[Body, Index, Reads], Element]


@dataclass(frozen=True, slots=True)
class MatrixProduct:
    """A ``kernel_ir.nodes.Product`` of the two operands, in memory."""

    batch: Poly
    m: Poly
    n: Poly
    k: Poly
    transpose_lhs: bool
    transpose_rhs: bool


Form = Pointwise | Pull | View | Folding | MatrixProduct | Statements


@cached(1024)  # one form, one profile
def reduction_form(rule: Reduction, x: ArrayType, axes: tuple[int, ...]) -> Folding | Pull:
    """A reduction; over few elements it is an expression."""

    def element(b: Body, index: Index, reads: Reads) -> Element:
        value = reads[0](index)
        return value if rule.fn is None else rule.fn(b, value)

    folding = Folding(rule.op, x.shape, tuple([a for a in range(x.ndim) if a not in axes]), element)
    return unrolled(folding, from_zero=rule.op == "sum") if few([x.shape[a] for a in axes], UNROLLED) else folding


def unrolled(folding: Folding, from_zero: bool = False) -> Pull:
    """A reduction over static axes as an expression; a sum that starts ``from_zero``, as NumPy's do, is never -0."""
    shape = folding.shape

    def element(b: Body, index: Index, reads: Reads, in_types: Any, out_type: Any, **params: Any) -> Element:
        at = dict(zip(folding.kept, index, strict=True))
        ranges = [[at[a]] if a in at else [Affine(i) for i in range(static(n))] for a, n in enumerate(shape)]
        values = [folding.element(b, point, reads) for point in itertools.product(*ranges)]
        return fold(b, folding.op, [b.const(0, values[0].dtype), *values] if from_zero else values)

    return Pull(element)


def fold(b: Body, op: str, values: Sequence[Element]) -> Element:
    """The accumulation of some values, at least one."""
    total = values[0]
    for value in values[1:]:
        total = getattr(b, ACCUMULATE[op])(total, value)
    return total


@cached(256)
def transposition(axes: tuple[int, ...]) -> Pull:
    """Axis i of the result is axis ``axes[i]`` of the operand."""

    def element(b: Body, index: Index, reads: Reads, in_types: Any, out_type: Any) -> Element:
        return reads[0](tuple([index[axes.index(a)] for a in range(len(axes))]))

    return Pull(element)


def constant_form(value: Any) -> Pull:
    """A rank-0 array that holds a constant."""
    return Pull(lambda b, index, reads, in_types, out_type: b.const(value, out_type.dtype))
