"""Tracing of the functions that control flow is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.core.capture import Leaf, as_leaf, capture, own
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import DtypeError, StructureError
from functad.ir.interned import interned
from functad.ir.program import Program
from functad.ir.types import ArrayType
from functad.numpy.traced import here
from functad.primitives.convert import convert
from functad.tree.containers import TreeDef, flatten_with_paths, leaf_paths

__all__ = ["Body", "check_boolean", "check_carry", "leaves_and_tree", "promoted", "reused", "trace_body", "wrap"]


@dataclass
class Body:
    """A traced function: its Program takes what it closed over, then its arguments."""

    program: Program
    consts: list[Any]
    tree: TreeDef


def leaves_and_tree(tree: Any, what: str) -> tuple[list[Leaf], TreeDef]:
    """The leaves of an argument, checked, with the values that they have now, and its structure."""
    found, structure = flatten_with_paths(tree)
    return [own(as_leaf(x, lambda path=path: f"{what}{path}")) for path, x in found], structure  # type: ignore[misc]


def abstract(type: ArrayType, kind: int | None = None) -> Leaf:
    """A leaf without a value."""
    return Leaf(None, type, kind if kind is not None and not type.ndim else ARRAY if type.ndim else SCALAR)


def trace_body(f: Callable[[Sequence[Any]], Any], leaves: Sequence[Leaf], kind: str) -> Body:
    """Trace a function of leaves."""
    captured = capture(f, leaves, kind, concrete=False)
    return Body(captured.program, list(captured.captures), captured.out_tree)


def reused(body: Body) -> Body:
    """The body with the Program of an equal one: without ``jit``, where bodies are traced at each call."""
    trace = current_trace()
    if trace is not None and trace.native:
        return body
    program, constants = interned(body.program)
    return Body(program, [*constants, *body.consts], body.tree)


def promoted(leaves: Sequence[Leaf], types: Sequence[ArrayType]) -> list[Leaf] | None:
    """The carry with Python numbers in the dtype that the body gives them; None if that changes nothing.

    ``scan(lambda c, x: (c + x, None), 0, xs)`` of floats starts from 0.0, as ``0 + x`` would in NumPy.
    """
    changed = False
    result = []
    for leaf, t in zip(leaves, types, strict=True):
        if (
            leaf.kind == PYTHON
            and leaf.type is not t
            and t.shape == ()
            and np.can_cast(leaf.type.dtype, t.dtype, "same_kind")
        ):
            value = convert(leaf.value, t.dtype) if type(leaf.value) is Tracer else t.dtype.type(leaf.value)
            result.append(Leaf(value, t, SCALAR))
            changed = True
        else:
            result.append(leaf)
    return result if changed else None


def check_boolean(function: str, what: str, type: ArrayType) -> None:
    """Refuse a condition that is no scalar boolean; a number is none, though Python would take it for one: ``~True`` is
    -2, which is true.
    """
    if type.shape != ():
        raise DtypeError(
            f"{function}{here()}: {what} a scalar boolean, got {type}; use np.any or np.all, or fd.vmap over it"
        )
    if type.dtype.kind != "b":
        raise DtypeError(
            f"{function}{here()}: {what} a scalar boolean, got {type}; compare a number (x != 0), and negate a boolean "
            "with np.logical_not(x): "
            "~x of a Python bool is an integer (~True is -2) that would be taken for true"
        )


def check_carry(
    what: str, leaves: Sequence[Leaf], tree: TreeDef, types: Sequence[ArrayType], out_tree: TreeDef
) -> None:
    """Refuse a carry whose structure or types change from one step to the next."""
    if tree != out_tree:
        raise StructureError(
            f"{what}: the body takes a carry of structure {tree} and returns one of structure {out_tree}; they must be "
            "the same"
        )
    for leaf, t, path in zip(leaves, types, leaf_paths(tree), strict=True):
        if leaf.type is not t:
            raise StructureError(
                f"{what}: the carry{path} is {leaf.type} before a step and {t} after it; a carry keeps its shape and "
                "dtype: "
                f"start from one of the right type, or convert it in the body (.astype, np.broadcast_to, np.reshape)"
            )


def wrap(values: Sequence[Any], tree: TreeDef) -> Any:
    """Results as the user sees them."""
    if current_trace() is None:
        values = [v[()] if isinstance(v, np.ndarray) and not v.ndim else v for v in values]
    return tree.unflatten(values)
