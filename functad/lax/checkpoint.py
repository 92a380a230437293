"""``checkpoint``: trade computation for memory in reverse mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functad.core.capture import as_leaf, own
from functad.core.statics import merged, static_leaves
from functad.core.tracer import PYTHON, Tracer
from functad.core.typed import P, R
from functad.core.wrapping import Transformed
from functad.errors import StructureError
from functad.front.calls import twin
from functad.lax.bodies import abstract, leaves_and_tree, trace_body, wrap
from functad.primitives.remat import checkpoint_p, name_p
from functad.primitives.saving import Policy
from functad.tree.containers import flatten, leaf_paths, unflatten

__all__ = ["checkpoint", "checkpoint_name"]


def checkpoint(
    f: Callable[P, R],
    *,
    prevent_cse: bool = True,
    policy: Policy | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Callable[P, R]:
    """A function that saves only its arguments for reverse mode, and computes what else it needs again.

    Memory for the residuals of ``f`` is then needed only while its own reverse pass runs; the price is one more
    evaluation of ``f`` (Griewank and Walther, "Evaluating Derivatives", 2nd ed., SIAM 2008, chapter 12).

    Parameters
    ----------
    f
        The function.
    policy
        What to save beside the arguments: ``policy(primitive, in_types, params)`` says, of each equation, whether its
        results are saved and not computed again. It is asked about what is inside loops, branches and jitted functions,
        too; what it accepts in the body of a loop is saved at each step. ``fd.lax.checkpoint_policies`` has
        ``nothing_saveable`` (what None stands for), ``dots_saveable``, policies by name (`checkpoint_name`) and others.

    prevent_cse, static_argnums
        Taken for the sake of JAX's signature: what is computed again is never merged with what was computed before, and
        arguments that are no arrays, and Python's integers, are static.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.grad(fd.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    >>> layer = fd.checkpoint(lambda w, x: np.tanh(w @ x), policy=fd.lax.checkpoint_policies.dots_saveable)
    >>> fd.grad(lambda w: np.sum(layer(w, np.ones(2))))(np.zeros((2, 2)))
    array([[1., 1.],
           [1., 1.]])

    A value with a name, in the body of a loop: the sine is computed once a step, the rest again.

    >>> def step(c, x):
    ...     return fd.checkpoint_name(np.sin(c), "sine") * x, None
    >>> policy = fd.lax.checkpoint_policies.save_only_these_names("sine")
    >>> f = fd.checkpoint(lambda a: fd.lax.scan(step, a, np.ones(9))[0], policy=policy)
    >>> fd.grad(f)(0.0)
    np.float64(1.0)
    """
    if policy is not None and not callable(policy):
        raise StructureError(
            f"checkpoint: policy={policy!r}; expected a function (primitive, in_types, params) -> bool, such as "
            "fd.lax.checkpoint_policies.dots_saveable"
        )

    return Transformed(run_checkpoint, f, policy)


def run_checkpoint(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], policy: Policy | None) -> Any:
    """What a call of ``checkpoint(f)`` does."""
    found, tree = flatten((args, kwargs))
    fixed = static_leaves(found) | {i: x for i, x in enumerate(found) if is_integer(x)}  # the Program is of this call
    paths = [path for i, path in enumerate(leaf_paths(tree)) if i not in fixed]
    dynamic = [x for i, x in enumerate(found) if i not in fixed]
    what = "arguments of a checkpointed function: "
    leaves = [own(as_leaf(x, lambda p=p: f"{what}{p}")) for x, p in zip(dynamic, paths, strict=True)]  # type: ignore[misc]

    def call(xs: Any) -> Any:
        new_args, new_kwargs = unflatten(tree, merged(fixed, xs))
        return twin(f)(*new_args, **new_kwargs)

    body = trace_body(call, [abstract(leaf.type, leaf.kind) for leaf in leaves], "checkpoint")
    outs = checkpoint_p.bind(*body.consts, *[leaf.value for leaf in leaves], program=body.program, policy=policy)
    return wrap(outs, body.tree)


def is_integer(x: Any) -> bool:
    """Whether a value is a Python integer, traced or not: Python may ask for it."""
    return type(x) is int or (type(x) is Tracer and x._kind == PYTHON and x.dtype.kind == "i")


def checkpoint_name(x: Any, name: str) -> Any:
    """``x`` itself, with a name that policies of `checkpoint` can go by
    (``fd.lax.checkpoint_policies.save_only_these_names``).

    Parameters
    ----------
    x
        A container of arrays or numbers.
    name
        The name.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> f = lambda x: np.sum(fd.checkpoint_name(np.sin(x), "sine") ** 2)
    >>> g = fd.checkpoint(f, policy=fd.lax.checkpoint_policies.save_only_these_names("sine"))
    >>> fd.grad(g)(np.zeros(2))
    array([0., 0.])
    """
    if not isinstance(name, str):
        raise StructureError(f"checkpoint_name: name={name!r}; expected a string")
    leaves, tree = leaves_and_tree(x, "the value that checkpoint_name names: ")
    return wrap([name_p(leaf.value, name=name) for leaf in leaves], tree)
