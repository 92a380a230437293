"""``pure_callback``: Python functions inside traced code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from functad.core.capture import as_leaf
from functad.core.trace import current_trace
from functad.errors import StructureError
from functad.ir.types import ArrayType, array_type
from functad.lax.bodies import leaves_and_tree, wrap
from functad.primitives.callback import VMAP_METHODS, Callback, pure_callback_p
from functad.tree.containers import TreeDef, flatten, flatten_with_paths

__all__ = ["pure_callback", "stated_types"]


def pure_callback(
    f: Callable[..., Any],
    result_types: Any,
    *args: Any,
    vmap_method: Literal["sequential", "expand_dims", "broadcast_all"] = "sequential",
    **kwargs: Any,
) -> Any:
    """``f(*args, **kwargs)`` for any Python function ``f`` of NumPy arrays, run when the values are there: native code
    calls back into Python.

    ``f`` must be pure: it runs as often as it takes, which may be never. What it raises is raised by the call. It has
    no derivative, unless `custom_jvp` around the call gives it one.

    Parameters
    ----------
    f
        Takes containers of NumPy arrays (copies that it may keep), and scalars where their rank is 0.
    result_types
        What ``f`` returns: a container of anything with ``shape`` and ``dtype``, such as an array or what `eval_shape`
        returns.
    args, kwargs
        Containers of arrays.
    vmap_method
        What `vmap` does: ``"sequential"`` calls ``f`` once for each element of the mapped axis. With the others ``f``
        is called once, with arrays that have the mapped axis in front (``"expand_dims"``: one of length 1 where an
        argument is not mapped; ``"broadcast_all"``: repeated), and returns such arrays.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.jit
    ... def f(x):
    ...     return 2.0 * fd.pure_callback(np.sort, x, x)
    >>> f(np.array([3.0, 1.0, 2.0]))
    array([2., 4., 6.])
    """
    if vmap_method not in VMAP_METHODS:
        raise StructureError(
            f"pure_callback: vmap_method={vmap_method!r}; expected one of {', '.join(map(repr, VMAP_METHODS))}"
        )
    leaves = [leaf for given in (args, kwargs) for leaf in leaves_and_tree(given, "arguments of pure_callback: ")[0]]
    types, result_tree = stated_types("pure_callback", result_types)
    trace = current_trace()
    if trace is not None and trace.outside is not None:
        trace.outside.runs_later(f)
    callback = Callback(f, flatten((args, kwargs))[1], result_tree)
    shapes, dtypes = tuple([t.shape for t in types]), tuple([t.dtype for t in types])
    operands = [leaf.value for leaf in leaves]
    outs = pure_callback_p.bind(*operands, callback=callback, vmap_method=vmap_method, shapes=shapes, dtypes=dtypes)
    return wrap(outs, result_tree)


def stated_types(kind: str, result_types: Any) -> tuple[list[ArrayType], TreeDef]:
    """The types of the results of a callback, and their structure."""
    found, tree = flatten_with_paths(result_types)
    return [_stated_type(kind, x, path) for path, x in found], tree


def _stated_type(kind: str, x: Any, path: str) -> ArrayType:
    if isinstance(x, ArrayType):
        return x
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return array_type(tuple(map(int, x.shape)), np.dtype(x.dtype))
    if isinstance(x, bool | int | float | complex):
        return as_leaf(x, lambda: f"result_types of {kind}").type
    raise StructureError(
        f"{kind}: result_types{path} is {type(x).__name__}; expected a container of anything with shape and dtype, "
        "such as an array of zeros"
    )
