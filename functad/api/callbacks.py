"""Callbacks that are run once, in order, where they stand: ``io_callback``, and what ``functad.debug`` is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.api.custom_calls import known_values
from functad.core.capture import as_leaf, own
from functad.core.statics import static_leaves
from functad.core.trace import current_trace, within
from functad.lax.bodies import wrap
from functad.lax.callback import stated_types
from functad.primitives.callback import Callback, io_callback_p
from functad.tree.containers import flatten, leaf_paths

__all__ = ["call_once", "io_callback"]


def io_callback(f: Callable[..., Any], result_types: Any, *args: Any, ordered: bool = True, **kwargs: Any) -> Any:
    """``f(*args, **kwargs)`` for a Python function that does something besides: it is called once where it stands, in
    order, whether or not its results are used.

    It is called once for each step of a loop and for each element of a mapped axis, and in a branch where that is
    taken. Derivatives call it in their run forward; real results have none, and raise where arguments are
    differentiated (`stop_gradient` of these says that this is meant).

    Parameters
    ----------
    f
        Takes containers of NumPy arrays (copies that it may keep), and scalars where their rank is 0.
    result_types
        What ``f`` returns: a container of anything with ``shape`` and ``dtype``; None for nothing.
    args, kwargs
        Containers of arrays and of anything else.
    ordered
        Taken for the sake of JAX's signature: the order is kept in any case.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> lines = iter(["1.5", "2.5"])
    >>> read = fd.jit(lambda x: x + fd.io_callback(lambda: np.float64(next(lines)), fd.ShapeDtypeStruct((), float)))
    >>> read(10.0), read(10.0)
    (np.float64(11.5), np.float64(12.5))
    """
    return call_once("io_callback", f, args, kwargs, result_types)


def call_once(kind: str, f: Callable[..., Any], args: Any, kwargs: Any, result_types: Any = ()) -> Any:
    """The results of a call that is made now, where all values are known, else by an equation; those of what is to
    return nothing are dropped.
    """
    found, tree = flatten((args, kwargs))
    fixed = static_leaves(found)
    where = [path for i, path in enumerate(leaf_paths(tree)) if i not in fixed]
    given = [x for i, x in enumerate(found) if i not in fixed]
    leaves = [own(as_leaf(x, lambda p=p: f"arguments of {kind}: {p}")) for x, p in zip(given, where, strict=True)]  # type: ignore[misc]
    operands = [leaf.value for leaf in leaves]
    types, result_tree = stated_types(kind, result_types)
    trace = current_trace()
    if trace is not None and trace.outside is not None:
        trace.outside.runs_later(f)
    callback = Callback(f, tree, result_tree, kind, fixed)
    shapes, dtypes = tuple([t.shape for t in types]), tuple([t.dtype for t in types])
    values = operands if trace is None else known_values(trace, operands)
    if trace is None or (values is not None and not types):
        return wrap(within(None, callback, values, shapes, dtypes), result_tree)
    return wrap(io_callback_p.bind(*operands, callback=callback, shapes=shapes, dtypes=dtypes), result_tree)
