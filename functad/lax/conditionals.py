"""``cond``, ``switch``, ``select`` and ``select_n``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.capture import as_leaf
from functad.core.tracer import Tracer
from functad.errors import DtypeError, ShapeError, StructureError
from functad.front.calls import twin
from functad.lax.bodies import Body, abstract, check_boolean, leaves_and_tree, trace_body, wrap
from functad.primitives.cond import bind_cond
from functad.primitives.convert import convert
from functad.primitives.selection import select as strict_select
from functad.tree.containers import leaf_paths, unflatten

__all__ = ["cond", "select", "select_n", "switch"]


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands)`` if ``pred`` else ``false_fun(*operands)``; only one of them runs, under every transform.

    Parameters
    ----------
    pred
        A scalar boolean. Numbers are refused, whatever they are: ``~flag`` of a Python bool is one, and never zero;
        write ``np.logical_not(flag)``.
    true_fun, false_fun
        Functions whose results agree in structure, shapes and dtypes.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.grad(lambda x: fd.lax.cond(x > 0, np.log, lambda x: -x, x))(2.0)
    np.float64(0.5)
    """
    leaf = as_leaf(pred, lambda: "the predicate of cond")
    check_boolean("cond", "the predicate must be", leaf.type)
    index = convert(leaf.value, np.dtype(np.int64)) if isinstance(leaf.value, Tracer) else np.int64(leaf.value)
    return _choose("cond", index, (false_fun, true_fun), operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, with the index clamped to the branches there are; only one of them runs.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.switch(1, [np.sin, np.cos], 0.0)
    np.float64(1.0)
    """
    leaf = as_leaf(index, lambda: "the index of switch")
    if leaf.type.shape != () or leaf.type.dtype.kind not in "iu":
        raise DtypeError(f"switch takes a scalar integer index, got {leaf.type}")
    if not branches:
        raise StructureError("switch needs at least one branch")
    value = leaf.value
    if leaf.type.dtype == np.uint64:  # numbers that are too large for int64 are clamped first
        value = np.minimum(value, np.uint64(len(branches) - 1))
    value = value if leaf.type.dtype == np.int64 else convert(value, np.dtype(np.int64))
    return _choose("switch", value, branches, operands)


def select(pred: Any, on_true: Any, on_false: Any) -> Any:
    """Elements of ``on_true`` where ``pred`` holds, else of ``on_false``: arrays of one shape and dtype (the predicate
    may be a scalar).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.select(np.array([True, False]), np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array([1., 4.])
    """
    return _choose_elements("select", pred, [on_false, on_true])


def select_n(which: Any, *cases: Any) -> Any:
    """Elements of ``cases[which]``: arrays of one shape and dtype; ``which`` is of that shape too, or a scalar.

    It holds integers, which are clamped to the cases there are, or booleans to choose from two.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.select_n(np.array([2, 0]), np.array([1.0, 2.0]), np.array([3.0, 4.0]), np.array([5.0, 6.0]))
    array([5., 2.])
    """
    return _choose_elements("select_n", which, cases)


def _choose_elements(what: str, which: Any, cases: Sequence[Any]) -> Any:
    index, *leaves = [as_leaf(x, lambda: f"an operand of {what}") for x in (which, *cases)]
    types = [leaf.type for leaf in leaves]
    if not leaves:
        raise StructureError(f"{what} needs at least one case")
    if any(t is not types[0] for t in types):
        raise ShapeError(
            f"{what} takes cases of one shape and dtype, got {', '.join(map(str, types))}; np.where broadcasts and "
            "promotes"
        )
    if index.type.shape not in ((), types[0].shape):
        raise ShapeError(
            f"{what} chooses from {types[0]} by a scalar or an array of that shape, got {index.type}; np.where "
            "broadcasts"
        )
    if index.type.dtype.kind == "b":
        if len(leaves) > 2:
            raise DtypeError(f"{what} of {len(leaves)} cases takes integers to choose by, got {index.type}")
        return strict_select(index.value, leaves[-1].value, leaves[0].value)
    if index.type.dtype.kind not in "iu" or what == "select":
        raise DtypeError(
            f"{what} takes {'booleans' if what == 'select' else 'integers'} to choose by, got {index.type}"
        )
    chosen = leaves[-1].value
    for k in range(len(leaves) - 2, -1, -1):
        chosen = strict_select(index.value <= k, leaves[k].value, chosen)
    return chosen


def _choose(what: str, index: Any, functions: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    leaves, structure = leaves_and_tree(tuple(operands), f"operands of {what}")
    bodies = [
        trace_body(lambda xs, f=f: twin(f)(*unflatten(structure, xs)), [abstract(x.type, x.kind) for x in leaves], what)  # type: ignore[misc]
        for f in functions
    ]
    check_branches(
        what, bodies, ("false_fun", "true_fun") if what == "cond" else [f"branch {k}" for k in range(len(bodies))]
    )
    outs = bind_cond(index, [(b.program, b.consts) for b in bodies], [x.value for x in leaves])
    return wrap(outs, bodies[0].tree)


def check_branches(what: str, bodies: Sequence[Body], names: Sequence[str]) -> None:
    """Refuse branches whose results differ in structure or types."""
    first = bodies[0]
    for name, other in zip(names[1:], bodies[1:], strict=True):
        if other.tree != first.tree:
            raise StructureError(
                f"{what}: {names[0]} returns the structure {first.tree}, {name} {other.tree}; they must be the same"
            )
        for a, b, path in zip(first.program.out_types, other.program.out_types, leaf_paths(first.tree), strict=True):
            if a is not b:
                raise StructureError(
                    f"{what}: the result{path} is {a} in {names[0]} and {b} in {name}; convert one with .astype or "
                    "np.broadcast_to"
                )
