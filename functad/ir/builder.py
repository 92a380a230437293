"""Making Programs equation by equation, for passes and tests; functions are traced instead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from functad.ir.program import Atom, Eqn, Literal, Program, Var, literal
from functad.ir.types import ArrayType

if TYPE_CHECKING:
    from functad.core.primitive import Primitive

__all__ = ["ProgramBuilder"]


class ProgramBuilder:
    """A Program under construction.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.core.primitive import REGISTRY
    >>> from functad.ir.types import array_type
    >>> import functad.primitives
    >>> b = ProgramBuilder()
    >>> x = b.input(array_type((3,), np.float64))
    >>> y = b.emit(REGISTRY["mul"], x, np.float64(2))
    >>> print(b.build(y))
    { lambda a:f64[3] .
        b:f64[3] = mul a 2.0
      in (b) }
    """

    def __init__(self) -> None:
        self.inputs: list[Var] = []
        self.eqns: list[Eqn] = []

    def input(self, type: ArrayType) -> Var:
        """A new input."""
        var = Var(type)
        self.inputs.append(var)
        return var

    def equation(self, primitive: Primitive, operands: Iterable[Any], params: dict[str, Any]) -> tuple[Var, ...]:
        """Append an equation and return its results; operands are atoms, arrays or NumPy scalars."""
        inputs = tuple([a if isinstance(a, Var | Literal) else literal(a) for a in operands])
        types = primitive.out_types(tuple([a.type for a in inputs]), params)
        outputs = tuple([Var(t) for t in types])
        self.eqns.append(Eqn(primitive, inputs, params, outputs, None))
        return outputs

    def emit(self, primitive: Primitive, *operands: Any, **params: Any) -> Var:
        """Append an equation with one result and return it."""
        (out,) = self.equation(primitive, operands, params)
        return out

    def build(self, *outputs: Atom, name: str = "") -> Program:
        """The Program with these outputs."""
        return Program(self.inputs, self.eqns, outputs, name)
