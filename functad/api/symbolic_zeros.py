"""What rules of the user's see with ``symbolic_zeros=True``: which tangents, cotangents and arguments do not move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from functad.core.zeros import zeros
from functad.ir.types import ArrayType
from functad.tree.containers import flatten

__all__ = ["CustomVJPPrimal", "SymbolicZero", "instantiated_zeros"]


class SymbolicZero:
    """Stands for a tangent or cotangent that is zero everywhere; a rule may return it, too.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.custom_jvp
    ... def product(x, y):
    ...     return x * y
    >>> def product_jvp(primals, tangents):
    ...     (x, y), (tx, ty) = primals, tangents
    ...     moving = [a * t for a, t in ((y, tx), (x, ty)) if not isinstance(t, fd.SymbolicZero)]
    ...     print(len(moving), "moving")
    ...     return product(x, y), sum(moving)
    >>> product.defjvp(product_jvp, symbolic_zeros=True) is product_jvp
    True
    >>> fd.grad(product)(2.0, 3.0)
    1 moving
    np.float64(3.0)
    """

    __slots__ = ("_type",)

    def __init__(self, type: ArrayType) -> None:
        self._type = type

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is zero."""
        return self._type.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of what is zero."""
        return self._type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of what is zero."""
        return self._type.ndim

    def __repr__(self) -> str:
        return f"SymbolicZero({self._type})"


@dataclass(frozen=True, eq=False)
class CustomVJPPrimal:
    """A leaf of an argument of the forward rule of a `custom_vjp` function: its value, and whether it is
    differentiated.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.CustomVJPPrimal(2.0, True).perturbed
    True
    """

    value: Any
    perturbed: bool = field(metadata={"static": True})


def instantiated_zeros(tree: Any) -> Any:
    """A container with zeros in place of symbolic ones."""
    leaves, structure = flatten(tree)
    return structure.unflatten([zeros(x._type) if type(x) is SymbolicZero else x for x in leaves])
