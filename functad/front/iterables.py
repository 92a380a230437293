"""Which source a loop goes over: what ranges, arrays, lists, and iterators that know of what they were made, are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from functad.core.tracer import Tracer
from functad.front.iterators import Remembering
from functad.front.sources import Alike, Choice, Constant, Count, Elements, Numbered, Numbers, Source, Together
from functad.numpy import shapes

__all__ = ["source_of"]


def source_of(items: Any, few: int = 0, endless: bool = False) -> Source | None:
    """What a loop goes over, as far as it is known; None where only Python can go over it, or in ``few`` steps, or for
    ever, unless that is taken.
    """
    try:
        found = _of(items, few, set())
    except LookupError:
        return None
    return None if found.length is None and not endless else found


def _of(items: Any, few: int, seen: set[int]) -> Source:
    cls = type(items)
    if cls is range:
        return Numbers(items)
    if cls in (Tracer, np.ndarray) and items.ndim and items.dtype.kind in "fciub":
        return Elements(items)
    if cls in (list, tuple, dict, *_VIEWS):
        if len(items) < few or not len(items):
            raise LookupError
        return Alike(items if cls in (list, tuple) else list(items))
    if isinstance(items, Remembering) and not items.taken and id(items) not in seen:
        seen.add(id(items))  # what takes from one iterator in two places takes turns
        return _MADE[items.kind](items, lambda x: _of(x, few, seen))
    raise LookupError


_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))

Find = Callable[[Any], Source]


def _zip(items: Any, find: Find) -> Source:
    parts = [find(x) for x in items.args]
    made = Together(parts, items.kwargs.get("strict", False))
    _check_ends(items.args, parts, made.length)
    return made


def _map(items: Any, find: Find) -> Source:
    f, *args = items.args
    parts = [find(x) for x in args]
    made = Together(parts, f=f)
    _check_ends(args, parts, made.length)
    return made


def _check_ends(args: Sequence[Any], parts: Sequence[Source], length: int | None) -> None:
    """What is an iterator itself must end with the loop: how much of it would be left is not known."""
    for x, part in zip(args, parts, strict=True):
        if isinstance(x, Iterator) and part.length not in (None, length):
            raise LookupError


def _enumerate(items: Any, find: Find) -> Source:
    start = items.kwargs.get("start", items.args[1] if len(items.args) > 1 else 0)
    return Numbered(find(items.args[0]), start)


def _reversed(items: Any, find: Find) -> Source:
    inner = find(items.args[0])
    assert inner.length is not None
    if isinstance(inner, Elements):
        return Elements(shapes.flip(inner.array, 0))
    return inner.chosen(inner.length - 1, -1, -1)


def _chosen(choose: Callable[..., Any]) -> Callable[[Any, Find], Source]:
    """A function of ``itertools`` that gives tuples of items of one argument."""

    def make(items: Any, find: Find) -> Source:
        inner = find(items.args[0])
        if inner.length is None or any([isinstance(x, Iterator) for x in items.args]):
            raise LookupError
        table = list(choose(range(inner.length), *items.args[1:], **items.kwargs))
        width = len(table[0]) if table else 0
        return _choice([inner] * width, table)

    return make


def _product(items: Any, find: Find) -> Source:
    parts = [find(x) for x in items.args] * items.kwargs.get("repeat", 1)
    if any([p.length is None for p in parts]) or any([isinstance(x, Iterator) for x in items.args]):
        raise LookupError
    return _choice(parts, list(itertools.product(*[range(p.length or 0) for p in parts])))


def _islice(items: Any, find: Find) -> Source:
    inner = find(items.args[0])
    if isinstance(items.args[0], Iterator) and inner.length is not None:
        raise LookupError
    if inner.length is None:
        bounds = slice(*items.args[1:])
        if bounds.stop is None:
            raise LookupError
        numbers = list(range(bounds.stop)[bounds])
    else:
        numbers = list(range(inner.length)[slice(*items.args[1:])])
    return _choice([inner], [(n,) for n in numbers], single=True)


def _chain(items: Any, find: Find) -> Source:
    if not all([type(x) in (list, tuple) for x in items.args]):
        raise LookupError
    return find([y for x in items.args for y in x])


def _repeat(items: Any, find: Find) -> Source:
    times = items.kwargs.get("times", items.args[1] if len(items.args) > 1 else None)
    return Constant(items.args[0], times)


def _choice(parts: Sequence[Source], table: Sequence[Sequence[int]], single: bool = False) -> Source:
    if not table or not parts:
        raise LookupError
    return Choice(parts, np.array(table, np.int64), single)


_MADE: dict[Any, Callable[[Any, Find], Source]] = {
    zip: _zip,
    map: _map,
    enumerate: _enumerate,
    reversed: _reversed,
    itertools.product: _product,
    itertools.combinations: _chosen(itertools.combinations),
    itertools.permutations: _chosen(itertools.permutations),
    itertools.pairwise: _chosen(itertools.pairwise),
    itertools.islice: _islice,
    itertools.chain: _chain,
    itertools.repeat: _repeat,
    itertools.count: lambda items, find: Count(*items.args, **items.kwargs),
}
