"""``closure_convert`` and ``custom_gradient``: functions that close over traced values, without their closures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from functad.api.arguments import name_of
from functad.api.custom import custom_vjp
from functad.core.evaluator import run_program
from functad.core.wrapping import look_like
from functad.errors import StructureError
from functad.front.calls import twin
from functad.lax.bodies import abstract, leaves_and_tree, trace_body, wrap
from functad.numpy.traced import here
from functad.tree.containers import unflatten

__all__ = ["closure_convert", "custom_gradient"]


def closure_convert(fun: Callable[..., Any], *example_args: Any) -> tuple[Callable[..., Any], list[Any]]:
    """A function that takes as further arguments the traced values that ``fun`` closes over, and these.

    So it can be handed to what calls it when these are there no more, or to what has derivative rules of its own, and
    is to be differentiated with respect to them.

    Parameters
    ----------
    fun
        The function.
    example_args
        Arguments of the types that it will be called with; only types count.

    Returns
    -------
    (callable, list)
        ``converted`` and ``consts``: ``converted(*args, *consts)`` is ``fun(*args)``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> def f(a):
    ...     g, consts = fd.closure_convert(lambda x: np.sin(a * x), 1.0)
    ...     return len(consts) * g(2.0, *consts)
    >>> fd.grad(f)(0.0)
    np.float64(2.0)
    """
    leaves, tree = leaves_and_tree(example_args, "example arguments of closure_convert: ")
    types = [leaf.type for leaf in leaves]
    taken = [abstract(leaf.type, leaf.kind) for leaf in leaves]
    body = trace_body(lambda xs: twin(fun)(*unflatten(tree, xs)), taken, "closure_convert")
    count, name = len(example_args), name_of(fun)

    def converted(*args: Any) -> Any:
        given, found = leaves_and_tree(args[:count], f"arguments of {name}: ")
        if found != tree or [leaf.type for leaf in given] != types or len(args) != count + len(body.consts):
            raise StructureError(
                f"closure_convert{here()}: call what {name} was converted to as converted(*args, *consts), with "
                f"arguments of the types {_described(types)} and {len(body.consts)} of what it closes over; got "
                f"{_described([leaf.type for leaf in given])} and {max(len(args) - count, 0)}"
            )
        return wrap(run_program(body.program, [*args[count:], *[leaf.value for leaf in given]]), body.tree)

    return converted, list(body.consts)


def _described(types: list[Any]) -> str:
    return ", ".join(map(str, types)) or "none"


@dataclasses.dataclass
class Pullback:
    """What a function gave as its own derivative, with the traced values that that closes over apart."""

    consts: list[Any]
    converted: Callable[..., Any] = dataclasses.field(metadata={"static": True})


def custom_gradient(fun: Callable[..., Any]) -> Any:
    """A function that returns its value, and a function that gives the cotangents of its arguments: for reverse mode.

    Parameters
    ----------
    fun
        ``fun(*args) -> (value, pullback)``, where ``pullback(cotangent)`` is a tuple of cotangents, one an argument
        (None where zero); for one argument the cotangent alone will do. It may close over what ``fun`` computes.

    Returns
    -------
    callable
        The function of the value alone, a `custom_vjp` function.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.custom_gradient
    ... def log1pexp(x):
    ...     e = np.exp(x)
    ...     return np.log(1 + e), lambda ct: ct * (1 - 1 / (1 + e))
    >>> fd.grad(log1pexp)(0.0)
    np.float64(0.5)
    """

    def value(*args: Any) -> Any:
        return _parts(fun, args)[0]

    def fwd(*args: Any) -> tuple[Any, Pullback]:
        result, pullback = _parts(fun, args)
        converted, consts = closure_convert(pullback, result)
        return result, Pullback(consts, converted)

    def bwd(pullback: Pullback, cotangent: Any) -> tuple[Any, ...]:
        found = pullback.converted(cotangent, *pullback.consts)
        return found if isinstance(found, tuple) else (found,)

    look_like(value, fun)
    made = custom_vjp(value)
    made.defvjp(fwd, bwd)
    return made


def _parts(fun: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Callable[..., Any]]:
    """The value and the pullback."""
    found = twin(fun)(*args)
    if not (isinstance(found, tuple) and len(found) == 2 and callable(found[1])):
        raise StructureError(
            f"custom_gradient: {name_of(fun)} must return a pair (value, pullback), where pullback(cotangent) gives "
            f"the cotangents of the arguments; got {type(found).__name__}"
        )
    return found
