"""``einsum``: opt_einsum chooses the order; each step is one ``contract`` of two operands."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from functad.errors import ArgumentError, ShapeError
from functad.numpy.contractions import contract
from functad.numpy.diagonals import diagonal_of
from functad.numpy.dispatch import here, implements
from functad.numpy.operands import as_array, cast, fresh, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.shapes import transpose

__all__ = ["einsum"]


@implements(np.einsum)
def einsum(*operands: Any, out: None = None, optimize: Any = True, dtype: Any = None) -> Any:
    """``numpy.einsum``; the order of contraction is optimised by default."""
    refuse_out(out, "einsum")
    subscripts, xs = _parse(operands)
    inputs, output = subscripts.split("->")
    terms = inputs.split(",")
    common = np.dtype(dtype) if dtype is not None else result_dtype(xs)
    _check_lengths(terms, xs)
    pairs = [_without_repeats(cast(x, common), term) for x, term in zip(xs, terms, strict=True)]
    for positions in _path(pairs, output, optimize):
        chosen = [pairs[i] for i in positions]
        pairs = [p for i, p in enumerate(pairs) if i not in positions]
        needed = set(output).union(*[labels for _, labels in pairs])
        while len(chosen) > 1:
            (x, x_labels), (y, y_labels), *chosen = chosen
            wanted = needed.union(*[labels for _, labels in chosen])
            kept = [a for a in dict.fromkeys(x_labels + y_labels) if a in wanted]
            chosen.insert(0, (contract(x, x_labels, y, y_labels, kept), "".join(kept)))
        pairs.append(chosen[0])
    ((x, labels),) = pairs
    if labels == output:
        return fresh(x, *xs)
    y = reduce_sum(x, [i for i, a in enumerate(labels) if a not in output])
    kept = [a for a in labels if a in output]
    return fresh(transpose(y, [kept.index(a) for a in output]), *xs)


def _parse(operands: tuple[Any, ...]) -> tuple[str, list[Any]]:
    if operands and isinstance(operands[0], str):
        operands = (operands[0], *[as_array(x, "einsum") for x in operands[1:]])
    else:  # operand, sublist, operand, sublist, ..., [sublist of the result]
        operands = tuple(
            [as_array(x, "einsum") if i % 2 == 0 and i + 1 < len(operands) else x for i, x in enumerate(operands)]
        )
    if isinstance(operands[0], str):
        return _explicit(operands[0], *[shape_of(x) for x in operands[1:]]), list(operands[1:])
    try:
        import opt_einsum  # when used: importing functad stays quick

        inputs, output, xs = opt_einsum.parser.parse_einsum_input(operands)
    except (ValueError, TypeError) as e:
        raise ArgumentError(f"np.einsum{here()}: {e}") from None
    return f"{inputs}->{output}", list(xs)


@lru_cache(maxsize=1024)
def _explicit(subscripts: str, *shapes: tuple[int, ...]) -> str:
    """Subscripts with a letter for each axis, and those of the result."""
    try:
        import opt_einsum

        inputs, output, _ = opt_einsum.parser.parse_einsum_input((subscripts, *shapes), shapes=True)
    except (ValueError, TypeError) as e:
        raise ArgumentError(f"np.einsum{here()}: {e}") from None
    return f"{inputs}->{output}"


def _check_lengths(terms: list[str], xs: list[Any]) -> None:
    lengths: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        if len(term) != len(shape_of(x)):
            raise ShapeError(
                f"np.einsum{here()}: subscripts {term!r} for an operand of shape {shape_of(x)}: there must be one "
                "letter an axis"
            )
        for a, n in zip(term, shape_of(x), strict=True):
            if n not in (1, lengths.setdefault(a, n)) and lengths[a] != 1:
                raise ShapeError(
                    f"np.einsum{here()}: {a!r} stands for axes of lengths {lengths[a]} and {n}, in operands of shapes "
                    f"{_shapes(xs)}"
                )
            lengths[a] = max(n, lengths[a]) if n and lengths[a] else 0


def _shapes(xs: list[Any]) -> str:
    return " ".join(str(shape_of(x)) for x in xs)


def _without_repeats(x: Any, term: str) -> tuple[Any, str]:
    """The diagonal over the axes of a letter that occurs several times in one operand."""
    if len(set(term)) == len(term):
        return x, term
    for a, count in Counter(term).items():
        for _ in range(count - 1):
            i = term.index(a)
            j = term.index(a, i + 1)
            x = diagonal_of(x, i, j)  # behind the other axes
            term = "".join([b for k, b in enumerate(term) if k not in (i, j)]) + a
    return x, term


def _path(pairs: list[tuple[Any, str]], output: str, optimize: Any) -> list[tuple[int, ...]]:
    if len(pairs) < 3:
        return [tuple(range(len(pairs)))] if len(pairs) == 2 else []
    if isinstance(optimize, (list, tuple)) and optimize and optimize[0] == "einsum_path":
        return [tuple(p) for p in optimize[1:]]
    strategy = optimize if isinstance(optimize, str) else "auto"
    equation = ",".join(labels for _, labels in pairs) + "->" + output
    return _found_path(equation, strategy, *[shape_of(x) for x, _ in pairs])


@lru_cache(maxsize=1024)
def _found_path(equation: str, strategy: str, *shapes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The order of contraction that opt_einsum chooses."""
    import opt_einsum

    path, _ = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=strategy)
    return [tuple(p) for p in path]
