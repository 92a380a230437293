"""``einsum``: opt_einsum chooses the order; each step is one ``contract`` of two operands."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

import numpy as np

from functad.errors import ArgumentError, ShapeError
from functad.numpy.contractions import Contraction, contracted, contraction
from functad.numpy.diagonals import diagonal_of
from functad.numpy.dispatch import implements
from functad.numpy.operands import as_array, cast, fresh, shape_of
from functad.numpy.promotion import result_dtype
from functad.numpy.reductions import refuse_out
from functad.numpy.traced import here
from functad.primitives.broadcasting import reduce_sum
from functad.primitives.shapes import transpose

__all__ = ["einsum"]


@implements(np.einsum)
def einsum(*operands: Any, out: None = None, optimize: Any = True, dtype: Any = None) -> Any:
    """``numpy.einsum``; the order of contraction is optimised by default."""
    refuse_out(out, "einsum")
    subscripts, xs = _parse(operands)
    inputs, output = subscripts.split("->")
    terms = tuple(inputs.split(","))
    common = np.dtype(dtype) if dtype is not None else result_dtype(xs)
    _check_lengths(terms, tuple([shape_of(x) for x in xs]))
    parts = [_without_repeats(cast(x, common), term) for x, term in zip(xs, terms, strict=True)]
    if isinstance(optimize, list | tuple):
        optimize = tuple([p if isinstance(p, str) else tuple(p) for p in optimize])
    steps, labels = _steps(tuple([term for _, term in parts]), tuple([shape_of(x) for x, _ in parts]), output, optimize)
    values = [x for x, _ in parts]
    for i, j, step in steps:
        x, y = values[i], values[j]
        values = [v for k, v in enumerate(values) if k not in (i, j)]
        values.append(contracted(x, y, step))
    (z,) = values
    if labels != output:
        z = reduce_sum(z, [i for i, a in enumerate(labels) if a not in output])
        kept = [a for a in labels if a in output]
        z = transpose(z, [kept.index(a) for a in output])
    return fresh(z, *xs)


@lru_cache(maxsize=1024)
def _steps(
    terms: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], output: str, optimize: Any
) -> tuple[list[tuple[int, int, Contraction]], str]:
    """The contractions of pairs of operands, by their positions, each of which puts its result behind the others; and
    the labels that are left.
    """
    operands = list(zip(terms, shapes, strict=True))
    steps = []
    for positions in _path(operands, output, optimize):
        first, *others = [operands[p] for p in positions]
        for other in others:
            i, j = [next(k for k, o in enumerate(operands) if o is chosen) for chosen in (first, other)]
            (x, x_shape), (y, y_shape) = first, other
            operands = [o for k, o in enumerate(operands) if k not in (i, j)]
            wanted = set(output).union(*[labels for labels, _ in operands])
            kept = tuple([a for a in dict.fromkeys(x + y) if a in wanted])
            steps.append((i, j, contraction(x_shape, tuple(x), y_shape, tuple(y), kept)))
            lengths = dict(zip(x, x_shape, strict=True))
            for a, n in zip(y, y_shape, strict=True):
                lengths[a] = n if lengths.get(a, 1) == 1 else lengths[a]
            first = "".join(kept), tuple([lengths[a] for a in kept])
            operands.append(first)
    ((labels, _),) = operands
    return steps, labels


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


@lru_cache(maxsize=1024)
def _check_lengths(terms: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]) -> None:
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ShapeError(
                f"np.einsum{here()}: subscripts {term!r} for an operand of shape {shape}: there must be one letter an "
                "axis"
            )
        for a, n in zip(term, shape, strict=True):
            if n not in (1, lengths.setdefault(a, n)) and lengths[a] != 1:
                raise ShapeError(
                    f"np.einsum{here()}: {a!r} stands for axes of lengths {lengths[a]} and {n}, in operands of shapes "
                    f"{' '.join(map(str, shapes))}"
                )
            lengths[a] = max(n, lengths[a]) if n and lengths[a] else 0


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


def _path(operands: list[tuple[str, tuple[int, ...]]], output: str, optimize: Any) -> list[tuple[int, ...]]:
    """The positions of the operands that are contracted with one another, in the order that opt_einsum chooses."""
    if len(operands) < 3:
        return [tuple(range(len(operands)))] if len(operands) == 2 else []
    if isinstance(optimize, tuple) and optimize and optimize[0] == "einsum_path":
        return list(optimize[1:])
    strategy = optimize if isinstance(optimize, str) else "auto"
    equation = ",".join([labels for labels, _ in operands]) + "->" + output
    import opt_einsum

    path, _ = opt_einsum.contract_path(equation, *[shape for _, shape in operands], shapes=True, optimize=strategy)
    return [tuple(p) for p in path]
