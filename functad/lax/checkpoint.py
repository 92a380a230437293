"""``checkpoint``: trade computation for memory in reverse mode."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from functad.lax.bodies import abstract, leaves_and_tree, trace_body, wrap
from functad.primitives.remat import checkpoint_p
from functad.tree import unflatten

__all__ = ["checkpoint"]


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that saves only its arguments for reverse mode, and computes what else it needs again.

    Memory for the residuals of ``f`` is then needed only while its own reverse pass runs; the price is one more evaluation of ``f``
    (Griewank and Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, chapter 12).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.grad(fd.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = leaves_and_tree((args, kwargs), "arguments of a checkpointed function: ")

        def call(xs: Any) -> Any:
            new_args, new_kwargs = unflatten(tree, xs)
            return f(*new_args, **new_kwargs)

        body = trace_body(call, [abstract(leaf.type, leaf.kind) for leaf in leaves], "checkpoint")
        outs = checkpoint_p.bind(*body.consts, *[leaf.value for leaf in leaves], program=body.program)
        return wrap(outs, body.tree)

    return wrapped
