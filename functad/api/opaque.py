"""``from_numba``: Numba's and C's functions as native primitives, with derivative rules of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.api.arguments import leaf_of
from functad.api.custom import custom_jvp, custom_vjp
from functad.core.capture import own
from functad.errors import ArgumentError, StructureError
from functad.lax.bodies import wrap
from functad.lax.callback import stated_types
from functad.tree.containers import flatten

__all__ = ["from_numba"]


def from_numba(
    f: Any,
    jvp: Callable[..., Any] | None = None,
    vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    out: Any = None,
) -> Callable[..., Any]:
    """An ``@njit`` function as it is: functad does not look into it, and compiled code calls it by its address, without
    the GIL.

    It is mapped by `vmap` as a loop over calls, and may be called in loops and branches. What it raises is raised by
    the call. It must be pure, and gets copies of what it writes to.

    Parameters
    ----------
    f
        An ``@njit`` function of arrays and numbers, by position, that returns an array, a number, or a tuple of these;
        a Numba ``@cfunc`` or a function of ctypes, of numbers, with ``argtypes`` and ``restype``.
    jvp
        A rule as that of `custom_jvp`: ``jvp(primals, tangents) -> (value, tangent)``.
    vjp
        A pair ``(fwd, bwd)`` as `custom_vjp` takes it. Without either, derivatives raise an error.
    out
        What ``f`` returns: anything with ``shape`` and ``dtype``, or a tuple of such; or a function that gives that for
        arguments' types (which have ``shape`` and ``dtype``). May be left out where it returns numbers alone.

    Raises
    ------
    ArgumentError
        If ``f`` is no such function, or both rules are given.
    ShapeError
        By the call, if ``f`` returns another shape than ``out`` says.

    Examples
    --------
    >>> import functad as fd, numba, numpy as np
    >>> @numba.njit
    ... def solve(a):                                  # x = cos(a x), by a loop
    ...     x = 1.0
    ...     for _ in range(200):
    ...         x = np.cos(a * x)
    ...     return x
    >>> def rule(primals, tangents):                   # by the implicit function theorem
    ...     (a,), (t,) = primals, tangents
    ...     x = root(a)
    ...     return x, -x * np.sin(a * x) / (1 + a * np.sin(a * x)) * t
    >>> root = fd.from_numba(solve, jvp=rule)
    >>> fd.jit(fd.vmap(fd.value_and_grad(root)))(np.array([0.5, 1.0]))
    (array([0.90036722, 0.73908513]), array([-0.32177126, -0.29747434]))

    An array, with a rule for reverse mode:

    >>> @numba.njit
    ... def running(x):
    ...     return np.cumsum(x)
    >>> total = fd.from_numba(
    ...     running, out=lambda x: x, vjp=(lambda x: (total(x), None), lambda _, ct: (np.cumsum(ct[::-1])[::-1],))
    ... )
    >>> fd.grad(lambda x: total(x) @ x)(np.array([1.0, 2.0, 3.0]))
    array([7., 8., 9.])
    """
    from functad.lower.njit.opaque import Opaque, numba_call_p

    if jvp is not None and vjp is not None:
        raise ArgumentError("from_numba takes jvp= or vjp=, not both: a rule for forward mode serves reverse mode, too")
    callee = Opaque(f)

    def call(*args: Any) -> Any:
        leaves = [own(leaf_of(x, lambda i=i: f"argument {i} of {callee.name}")) for i, x in enumerate(args)]  # type: ignore[misc]
        if out is None:
            types, one = callee.result_types([leaf.type for leaf in leaves])
            tree = flatten(0.0 if one else (0.0,) * len(types))[1]
        else:
            stated = out(*[leaf.type for leaf in leaves]) if callable(out) else out
            types, tree = stated_types("from_numba", stated)
            one = not isinstance(stated, tuple)
            if tree.num_nodes != len(types) + (not one):
                raise StructureError(f"from_numba: out= of {callee.name} is {stated}; expected one result or a tuple")
        outs = numba_call_p.bind(
            *[leaf.value for leaf in leaves],
            callee=callee,
            shapes=tuple([t.shape for t in types]),
            dtypes=tuple([t.dtype for t in types]),
            one=one,
        )
        return wrap(outs, tree)

    call.__name__ = call.__qualname__ = callee.name
    call.__doc__ = getattr(f, "__doc__", None)
    if jvp is not None:
        forward = custom_jvp(call)
        forward.defjvp(jvp)
        return forward
    if vjp is not None:
        reverse = custom_vjp(call)
        reverse.defvjp(*vjp)
        return reverse
    return call
