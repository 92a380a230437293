"""What a jitted function is to ``@njit`` code: versions for shapes, and which shapes it may take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from functad.api.arguments import leaf_or_type, name_of
from functad.api.world.watch import Watch
from functad.errors import StructureError
from functad.lower.njit.table import Leaf, Version

if TYPE_CHECKING:
    from functad.api.jitted import Jitted

__all__ = ["suggested_shapes", "version"]

SIZES = (8, *range(1, 8), *range(9, 17))
"""Lengths that all axes may have, in the order in which they are tried."""

MOST_TRIES = 200


def version(jitted: Jitted[..., Any], args: Sequence[Any]) -> Version:
    """What a function does with arguments, of which types are enough."""
    traced, given = jitted.trace(args, {}, leaf_or_type)
    if traced.captures:
        raise StructureError(f"{name_of(jitted._f)} closes over traced values; it cannot be called in @njit code")
    fixed = frozenset([i for i, _ in given.fixed])
    hidden = tuple([h.value() for h in traced.hidden])
    return Version(traced.program, hidden, traced.out_tree, traced.out_static, fixed, jitted._options)


def suggested_shapes(jitted: Jitted[..., Any], leaves: Sequence[Leaf]) -> Iterator[list[tuple[int, ...]]]:
    """Shapes that it was called with before; then equal lengths; then those of the arrays that it closes over."""
    kinds = [(leaf.dtype, leaf.ndim) for leaf in leaves]
    for versions in list(jitted._traced.values()):
        for traced in versions:
            known = traced.program.in_types[: len(leaves)]
            if [(t.dtype, t.ndim) for t in known] == kinds:
                yield [t.shape for t in known]
    axes = sum([leaf.ndim for leaf in leaves])
    for size in SIZES if axes else SIZES[:1]:
        yield [(size,) * leaf.ndim for leaf in leaves]
    held = {n for array in Watch(jitted._f).reach.arrays for n in array.shape}
    lengths = sorted({2, *[n for n in held if n > 1]}, reverse=True)
    for chosen in itertools.islice(itertools.product(lengths, repeat=axes), MOST_TRIES):
        rest = iter(chosen)
        yield [tuple([next(rest) for _ in range(leaf.ndim)]) for leaf in leaves]
