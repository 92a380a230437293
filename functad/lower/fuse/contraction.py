"""How a contraction is computed: as a fused multiply, as a fused multiply and reduction, or by BLAS.

BLAS needs both operands in memory, each as (batch, rows, columns) or (batch, columns, rows). That pays where arithmetic
outweighs memory traffic. So without contracted axes the contraction is a multiply of broadcast operands; without free
axes, with small static sizes, or of integers, it is a reduction into which its operands fuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functad.caches import cached
from functad.ir.types import ArrayType, Size
from functad.kernel_ir.nodes import Index
from functad.kernel_ir.rules import Pull
from functad.kernel_ir.sizes import product
from functad.lower.fuse.body import Body, Element
from functad.lower.fuse.forms import Folding, MatrixProduct, Reads, unrolled
from functad.lower.fuse.spaces import ZERO, few

__all__ = ["Contracted", "contracted", "product_form"]

Axes = tuple[tuple[int, ...], tuple[int, ...]]

SMALL = 16
"""Products without a larger size are written out (8 x 8: 9.6 ns against 86 for BLAS)."""

TINY = 4
"""If two sizes of a product are at most this, BLAS has no use for the third."""


class Contracted:
    """A contraction with a name for each axis, as in ``einsum``: its operands have the names ``x`` and ``y``, its
    result ``batch + free_x + free_y``.
    """

    def __init__(self, x: ArrayType, y: ArrayType, contract: Axes, batch: Axes) -> None:
        self.x = list(range(x.ndim))
        self.y = list(range(x.ndim, x.ndim + y.ndim))
        for a, b in zip((*contract[0], *batch[0]), (*contract[1], *batch[1]), strict=True):
            self.y[b] = a
        self.batch, self.contract = list(batch[0]), list(contract[0])
        self.free_x = [a for a in self.x if a not in self.batch and a not in self.contract]
        self.free_y = [a for a in self.y if a >= x.ndim]
        self.size: dict[int, Size] = {
            **dict(zip(self.y, y.shape, strict=True)),
            **dict(zip(self.x, x.shape, strict=True)),
        }
        self.dtype = x.dtype

    def sizes(self, names: Sequence[int]) -> list[Size]:
        """The sizes of some axes."""
        return [self.size[a] for a in names]


@cached(1024)  # one form, one profile
def contracted(x: ArrayType, y: ArrayType, contract: Axes, batch: Axes) -> tuple[Contracted, Pull | Folding | None]:
    """A contraction, and the form in which it fuses with its operands; None where BLAS is to do it."""
    c = Contracted(x, y, contract, batch)
    return c, _fused_form(c)


def _fused_form(c: Contracted) -> Pull | Folding | None:
    if all(n == 1 for n in c.sizes(c.contract)):
        return _multiply(c)
    m, n, k = (product(c.sizes(part)).constant for part in (c.free_x, c.free_y, c.contract))
    small = (
        all(s is not None and s <= SMALL for s in (m, n, k)) or sum(s is not None and s <= TINY for s in (m, n, k)) > 1
    )
    if not small and c.dtype.kind in "fc":
        return None
    folding = _fold(c)
    return unrolled(folding) if few(c.sizes(c.contract), SMALL) else folding


def _multiply(c: Contracted) -> Pull:
    """``out[batch, i, j] = x[batch, i] * y[batch, j]``; contracted axes have length 1."""
    names = [*c.batch, *c.free_x, *c.free_y]

    def element(b: Body, index: Index, reads: Reads, in_types: Any, out_type: Any, **params: Any) -> Element:
        at = dict(zip(names, index, strict=True))
        factors = [read(tuple([at.get(a, ZERO) for a in part])) for read, part in zip(reads, (c.x, c.y), strict=True)]
        return b.mul(*factors)  # type: ignore[no-any-return]

    return Pull(element)


def _fold(c: Contracted) -> Folding:
    """A sum of products. The loops run in the order of memory of the operand that has all axes, else with the free axes
    of y innermost.
    """
    names = c.x if not c.free_y else c.y if not c.free_x else [*c.batch, *c.free_x, *c.contract, *c.free_y]

    def element(b: Body, index: Index, reads: Reads) -> Element:
        at = dict(zip(names, index, strict=True))
        return b.mul(*[read(tuple([at[a] for a in part])) for read, part in zip(reads, (c.x, c.y), strict=True)])  # type: ignore[no-any-return]

    kept = tuple([names.index(a) for a in (*c.batch, *c.free_x, *c.free_y)])
    return Folding("any" if c.dtype.kind == "b" else "sum", tuple(c.sizes(names)), kept, element)


def product_form(
    c: Contracted, stored_x: Sequence[int], stored_y: Sequence[int]
) -> tuple[MatrixProduct, list[int], list[int]]:
    """The product for operands whose axes lie in memory in these orders, and the orders that it needs (copies, where
    they differ).

    The contracted axes may come in any order, if it is the same for both; as in x, or as in y, whichever spares more
    copies.
    """
    best: tuple[int, MatrixProduct, list[int], list[int]] | None = None
    for like in (stored_x, stored_y):
        contract = [a for a in like if a in c.contract]
        x, transpose_x = _order(c, stored_x, c.free_x, contract, columns_last=True)
        y, transpose_y = _order(c, stored_y, c.free_y, contract, columns_last=False)
        batch, m, n, k = (product(c.sizes(part)) for part in (c.batch, c.free_x, c.free_y, c.contract))
        form = MatrixProduct(batch, m, n, k, transpose_x, transpose_y)
        copies = (x != list(stored_x)) + (y != list(stored_y))
        if best is None or copies < best[0]:
            best = copies, form, x, y
    assert best is not None
    return best[1:]


def _order(
    c: Contracted, stored: Sequence[int], free: list[int], contract: list[int], columns_last: bool
) -> tuple[list[int], bool]:
    """The order of axes that an operand needs, and whether the product takes it as transposed.

    The orders fit if they agree on the axes that are longer than 1.
    """
    plain, turned = [*c.batch, *free, *contract], [*c.batch, *contract, *free]
    if not columns_last:
        plain, turned = turned, plain
    for order, transposed in ((plain, False), (turned, True)):
        if [a for a in order if c.size[a] != 1] == [a for a in stored if c.size[a] != 1]:
            return list(stored), transposed
    return plain, False
