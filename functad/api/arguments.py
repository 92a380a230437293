"""What all transforms do with arguments and results: check them, give fresh arrays back."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.capture import Leaf, WithAux, as_leaf
from functad.core.observing import observing
from functad.core.statics import static_leaves
from functad.core.trace import current_trace, type_name
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import DtypeError, ShapeError, StructureError
from functad.ir.types import ArrayType, array_type
from functad.primitives.convert import convert
from functad.tree.containers import TreeDef, flatten, leaf_paths

__all__ = [
    "abstract_leaf", "check_like", "fresh", "fresh_all", "leaf_name", "leaf_of", "leaf_or_type", "leaves_of", "name_of",
    "normal_argnums", "with_aux",
]  # fmt: skip


def name_of(f: Callable[..., Any]) -> str:
    """How messages and Programs name a function."""
    return getattr(f, "__name__", type(f).__name__)


def normal_argnums(argnums: int | Sequence[int], count: int, transform: str) -> tuple[int, ...]:
    """``argnums`` as positions of ``count`` positional arguments."""
    given = (argnums,) if isinstance(argnums, int | np.integer) else tuple(argnums)
    result = []
    for a in given:
        position = operator.index(a)
        if not -count <= position < count:
            raise StructureError(
                f"{transform}: argnums={argnums} names argument {position}, but the function was called with {count} "
                "positional arguments"
            )
        result.append(position % count)
    if len(set(result)) != len(result):
        raise StructureError(f"{transform}: argnums={argnums} names one argument twice")
    return tuple(result)


def leaves_of(tree: Any, what: str, instead: str = "") -> tuple[list[Leaf], TreeDef]:
    """The leaves of an argument, checked, and its structure. Where all of it is differentiated, ``instead`` says what
    to do with strings, functions and the like.
    """
    found, structure = flatten(tree)
    try:
        return [leaf_of(x, functools.partial(leaf_name, what, structure, i)) for i, x in enumerate(found)], structure
    except StructureError:
        for number, x in static_leaves(found).items() if instead else ():
            if type(x) is not bool:
                raise StructureError(
                    f"{leaf_name(what, structure, number)} is a {type_name(x)}, which has no derivative, but all of "
                    f"{what.strip(' :')} is differentiated; {instead}"
                ) from None
        raise


def leaf_of(x: Any, where: Callable[[], str]) -> Leaf:
    """A leaf of an argument; ``where()`` names it in an error."""
    return Leaf(x, x._variable.type, x._kind) if type(x) is Tracer else as_leaf(x, where)


def abstract_leaf(x: Any, what: str) -> Leaf:
    """A leaf from a type, an array, or anything with a shape and a dtype that NumPy knows."""
    if not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "dtype"):
        try:
            type = array_type(tuple(x.shape), np.dtype(x.dtype))
        except TypeError:  # the dtype of another library
            pass
        else:
            return Leaf(None, type, ARRAY if type.ndim else SCALAR)
    return as_leaf(x, lambda: what)


def leaf_or_type(x: Any, where: Callable[[], str]) -> Leaf:
    """A leaf from a type, or of an argument, where types alone count."""
    return abstract_leaf(x, "") if type(x) is ArrayType else as_leaf(x, where)


def leaf_name(what: str, structure: TreeDef, number: int) -> str:
    """How messages name a leaf."""
    return what + leaf_paths(structure)[number]


def with_aux(f: Callable[..., Any], result: Any, transform: str) -> WithAux:
    """The pair that a function returns under ``has_aux=True``."""
    if isinstance(result, tuple) and len(result) == 2:
        return WithAux(*result)
    raise StructureError(
        f"{transform} with has_aux=True: {name_of(f)} must return a pair (value, aux), got {type(result).__name__}"
    )


def fresh(value: Any, seen: set[int]) -> Any:
    """A result that shares memory with nothing else: arguments, constants, other results."""
    if type(value) is np.ndarray:
        if not value.ndim:
            return value[()]
        if value.base is not None or not value.flags.writeable or id(value) in seen:
            copy, observer = value.copy(), observing.get()
            value = copy if observer is None else observer.pass_on(copy, [value])
        seen.add(id(value))
    return value


def fresh_all(values: Sequence[Any], borrowed: Sequence[Any] = ()) -> list[Any]:
    """Results for the user: tracers inside a trace, else arrays of their own."""
    if current_trace() is not None:
        return list(values)
    seen = {id(owner(b)) for b in borrowed}
    return [fresh(v, seen) for v in values]


def owner(value: Any) -> Any:
    """The array whose memory a view looks at; anything else is its own."""
    while isinstance(value, np.ndarray) and value.base is not None:
        value = value.base
    return value


def check_like(given: Leaf, expected: ArrayType, what: str) -> Any:
    """A tangent or cotangent checked against the type it belongs to. Narrower dtypes, whose values all are values of
    its dtype, and Python numbers are converted; what would lose digits, or an imaginary part, is refused.
    """
    if given.type is expected:
        return given.value
    if given.type.shape != expected.shape:
        raise ShapeError(
            f"{what} has shape {given.type.shape}, but the value it belongs to is {expected}; give one of shape "
            f"{expected.shape}"
        )
    narrower = np.can_cast(given.type.dtype, expected.dtype, "safe") or (
        given.kind == PYTHON and not (given.type.dtype.kind == "c" and expected.dtype.kind != "c")
    )
    if expected.inexact and narrower:
        return convert(given.value, expected.dtype)
    instead = (
        ".real, or make the primal complex" if given.type.dtype.kind == "c" else f".astype({expected.dtype.name!r})"
    )
    raise DtypeError(
        f"{what} has dtype {given.type.dtype}, but the value it belongs to is {expected}; convert it with {instead}"
    )
