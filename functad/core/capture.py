"""Capture: run a Python function on tracers and keep what it did as a Program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad import config
from functad.core.seq import Seq
from functad.core.trace import ABSENT, Outside, Trace, current_trace, type_name, using
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import DtypeError, StructureError
from functad.ir.program import Program, Var
from functad.ir.types import ArrayType, array_type
from functad.tree import TreeDef, flatten_with_paths

__all__ = ["Captured", "Leaf", "WithAux", "as_leaf", "capture", "from_outside"]

_PYTHON_NUMBERS: dict[type, type] = {float: np.float64, int: np.int64, bool: np.bool_, complex: np.complex128}


class Leaf:
    """An argument as functad takes it: its value (or tracer), its type, and its kind (Python number, NumPy scalar, array)."""

    __slots__ = ("kind", "type", "value")

    def __init__(self, value: Any, type: ArrayType, kind: int) -> None:
        self.value = value
        self.type = type
        self.kind = kind


def as_leaf(x: Any, where: Callable[[], str]) -> Leaf:
    """An argument as a Leaf: native byte order, no subclass; ``where()`` names it in an error."""
    cls = type(x)
    if cls is Tracer:
        return Leaf(x, x.variable.type, x.kind)
    if cls is Seq:
        return Leaf(x, x.type, ARRAY)
    if cls is np.ndarray:
        if x.dtype.kind not in "fciub":
            raise DtypeError(f"{where()} has dtype {x.dtype}; expected numbers or booleans")
        x = from_outside(x)
        if type(x) is Tracer:
            return Leaf(x, x.variable.type, ARRAY)
        if not x.dtype.isnative:
            x = x.astype(x.dtype.newbyteorder("="))
        return Leaf(x, array_type(x.shape, x.dtype), ARRAY)
    if cls in _PYTHON_NUMBERS:
        try:
            value = _PYTHON_NUMBERS[cls](x)
        except OverflowError:
            raise DtypeError(f"{where()} is the integer {x}, which does not fit int64; use float(x)") from None
        return Leaf(value, array_type((), value.dtype), PYTHON)
    if isinstance(x, np.generic) and x.dtype.kind in "fciub":
        return Leaf(x, array_type((), x.dtype), SCALAR)
    if isinstance(x, np.ma.MaskedArray):
        raise StructureError(f"{where()} is a masked array; fill it (x.filled(...)) and pass the mask as an argument of its own")
    if isinstance(x, np.ndarray):
        return as_leaf(np.asarray(x), where)
    raise StructureError(f"{where()} is a {type_name(x)}; expected an array, a number, or a container of them")


def from_outside(x: np.ndarray) -> Any:
    """A plain array as the current trace takes it: a tracer where the Program is to read it anew at each call."""
    trace = current_trace()
    return x if trace is None or trace.outside is None else trace.outside.operand(x)


@dataclass
class WithAux:
    """The result of a traced function that has auxiliary data beside its value."""

    value: Any
    aux: Any


@dataclass
class Captured:
    """What a traced call did."""

    program: Program  # inputs: captures, then the leaves; outputs: the leaves of the value, then those of the auxiliary data
    captures: list[Tracer]  # the enclosing trace's tracers that the first inputs stand for
    out_tree: TreeDef
    aux_tree: TreeDef | None  # where there is auxiliary data
    out_kinds: list[int]
    known: dict[Var, Any]  # values that were computed on the way
    trace: Trace


def capture(
    f: Callable[[Sequence[Any]], Any],
    leaves: Sequence[Leaf],
    kind: str,
    concrete: bool,
    valued: Sequence[bool] | None = None,
    outside: Outside | None = None,
) -> Captured:
    """Run ``f`` on tracers of ``leaves``.

    ``concrete`` says whether values are computed on demand; ``valued`` which leaves have a value of their own (not
    under a mapped axis); ``outside`` is for a Program that serves later calls.
    """
    trace = Trace(kind, concrete, outside=outside)
    if outside is not None:
        outside.trace = trace
    tracers = []
    for i, leaf in enumerate(leaves):
        has_value = concrete and (valued is None or valued[i])
        tracers.append(Tracer(trace.add_input(leaf.type, leaf.value if has_value else ABSENT), trace, leaf.kind))
    try:
        with using(trace), contextlib.nullcontext() if outside is None else config.tracing():
            result = f(tracers)
            value, aux_tree = result, None
            if type(result) is WithAux:
                value = result.value
                aux, aux_tree = flatten_with_paths(result.aux)
            found, out_tree = flatten_with_paths(value)
            found += aux if aux_tree is not None else []
            outputs = [as_leaf(x, lambda path=path: f"the result{path} of the function under {kind}") for path, x in found]  # type: ignore[misc]
            program, captures = trace.finish([o.value for o in outputs])
    finally:
        trace.open = False
    return Captured(program, captures, out_tree, aux_tree, [o.kind for o in outputs], trace.env, trace)
