"""``checkpoint``: trade computation for memory in reverse mode."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from functad.errors import StructureError
from functad.lax.bodies import abstract, leaves_and_tree, trace_body, wrap
from functad.primitives.remat import Policy, checkpoint_p
from functad.tree import unflatten

__all__ = ["checkpoint"]


def checkpoint(f: Callable[..., Any], policy: Policy | None = None) -> Callable[..., Any]:
    """A function that saves only its arguments for reverse mode, and computes what else it needs again.

    Memory for the residuals of ``f`` is then needed only while its own reverse pass runs; the price is one more evaluation of ``f``
    (Griewank and Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, chapter 12).

    Parameters
    ----------
    f
        The function.
    policy
        What to save beside the arguments: ``policy(primitive, in_types, params)`` says, of each equation, whether its results are saved and not
        computed again. ``fd.lax.checkpoint_policies`` has ``nothing_saveable`` (what None stands for), ``dots_saveable`` and ``everything_saveable``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.grad(fd.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    >>> layer = fd.checkpoint(lambda w, x: np.tanh(w @ x), policy=fd.lax.checkpoint_policies.dots_saveable)
    >>> fd.grad(lambda w: np.sum(layer(w, np.ones(2))))(np.zeros((2, 2)))
    array([[1., 1.],
           [1., 1.]])
    """
    if policy is not None and not callable(policy):
        raise StructureError(
            f"checkpoint: policy={policy!r}; expected a function (primitive, in_types, params) -> bool, such as "
            "fd.lax.checkpoint_policies.dots_saveable"
        )

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = leaves_and_tree((args, kwargs), "arguments of a checkpointed function: ")

        def call(xs: Any) -> Any:
            new_args, new_kwargs = unflatten(tree, xs)
            return f(*new_args, **new_kwargs)

        body = trace_body(call, [abstract(leaf.type, leaf.kind) for leaf in leaves], "checkpoint")
        outs = checkpoint_p.bind(*body.consts, *[leaf.value for leaf in leaves], program=body.program, policy=policy)
        return wrap(outs, body.tree)

    return wrapped
