"""Axes of an operand, and the declaration of a primitive that reduces over some of them: one call gives its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample
from functad.errors import DtypeError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import KernelRule, Reduction

__all__ = ["DTYPES", "Axes", "Reduce", "check_axes", "kept_axes", "reduction"]

Axes = tuple[int, ...]


def check_axes(name: str, x: ArrayType, axes: Sequence[int]) -> None:
    """Refuses axes that x lacks, and repeated ones."""
    if len(set(axes)) != len(axes) or not all(0 <= a < x.ndim for a in axes):
        raise ShapeError(
            f"{name} of {x} over axes {tuple(axes)}: each axis must be one of 0 to {x.ndim - 1}, and none may come "
            "twice"
        )


def kept_axes(ndim: int, axes: Sequence[int]) -> Axes:
    """The axes that a reduction leaves."""
    return tuple([i for i in range(ndim) if i not in axes])


Reduce = Callable[[Any, Iterable[int]], Any]


def reduction(
    name: str,
    evaluate: Callable[..., Any],
    kinds: str,
    *,
    jvp: Callable[..., Any] | None = None,
    transpose: Callable[..., Any] | None = None,
    kernel: Callable[..., KernelRule] | None = None,
    empty: bool = True,
) -> Reduce:
    """Declare a reduction to the dtype of its operand; ``empty`` says whether it may be over no elements."""

    def type_rule(x: ArrayType, *, axes: Axes) -> ArrayType:
        check_axes(name, x, axes)
        if x.dtype.kind not in kinds:
            raise DtypeError(
                f"{name} does not take {x.dtype} operands (it takes kinds {', '.join(kinds)}); convert with .astype"
            )
        out = x.with_shape(tuple([x.shape[i] for i in kept_axes(x.ndim, axes)]))
        if not empty and x.size == 0 and out.size:
            raise ShapeError(
                f"{name} of {x} over axes {axes} is over no elements, so it has no value; give it an initial value"
            )
        return out

    def reduce(x: Any, axes: Iterable[int]) -> Any:
        axes = tuple(sorted(axes))
        return primitive.bind(x, axes=axes) if axes else x

    def samples() -> list[Sample]:
        cases = [((4,), (0,)), ((2, 3), (0,)), ((20, 3), (1,)), ((2, 3, 2), (0, 2)), ((1, 2), (0,)), ((3, 0), (0,))]
        cases += [((0, 3), (0,))] if empty else []
        made = [Sample((array_type(shape, DTYPES[kinds[0]]),), {"axes": axes}) for shape, axes in cases]
        return (
            made
            + [Sample((array_type((3, 2), DTYPES[k]),), {"axes": (0,)}) for k in kinds]
            + _float32(kinds, {"axes": (1,)})
        )

    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        copies=True,
        jvp=jvp,
        linear=None if transpose is None else "jointly",
        transpose=transpose,
        batch=lambda size, batched, x, *, axes: (reduce(x, [a + 1 for a in axes]), True),
        kernel=kernel or Reduction(name),
        samples=samples,
    )
    reduce.__name__ = f"reduce_{name}"
    reduce.__doc__ = f"The {name} over axes, all different and not negative."
    return reduce


DTYPES = {"f": np.float64, "c": np.complex128, "i": np.int64, "u": np.uint8, "b": np.bool_}
"""The dtype that samples of each kind have."""


def _float32(kinds: str, params: dict[str, Any]) -> list[Sample]:
    return [Sample((array_type((2, 3), np.float32),), params)] if "f" in kinds else []
