"""``grad`` and ``value_and_grad`` of scalar-valued functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from functad.api.arguments import fresh_all, name_of, with_aux
from functad.api.differentiated import Differentiated
from functad.api.wanted import Wanted
from functad.core.capture import Captured, capture
from functad.core.typed import P, R
from functad.core.wrapping import Transformed
from functad.errors import DtypeError, ShapeError, StructureError
from functad.transforms.plans import derivative_at
from functad.tree.partition import Predicate

__all__ = ["grad", "value_and_grad"]


def value_and_grad(
    f: Callable[P, R],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, tuple[R, Any]]:
    """A function that returns the value of ``f`` and its gradient.

    Parameters
    ----------
    f
        Returns a real scalar (with ``has_aux`` a pair: the scalar, and auxiliary data).
    argnums
        Position of the argument to differentiate, or several; each may be a container.
    has_aux
        Whether ``f`` returns auxiliary data beside its value: a container of anything. Traced values in it become
        values; what else is in it, such as strings and None, is handed through as it is. (Results of `jit` are arrays
        and numbers, here as elsewhere.)
    holomorphic
        Whether ``f`` is a holomorphic function of complex arguments with a complex value.
    allow_int
        Whether integers and booleans may be among what is differentiated: there the gradient has None.
    argnames
        The name of the argument to differentiate, or several names, in place of ``argnums``. It may be given by
        position or by keyword, or have its default.
    wrt
        Which leaves of these arguments are differentiated: a function of a leaf, such as ``fd.tree.is_inexact``, or a
        container of booleans (see `functad.tree.partition`). ``f`` gets the others as they are, and the gradient has
        None in their places. None: all of them.

    Returns
    -------
    callable
        ``(value, gradient)``, with ``has_aux`` ``((value, aux), gradient)``. The gradient is shaped as the argument; a
        tuple if ``argnums`` or ``argnames`` is one. For complex arguments and a real value it is du/dx - i du/dy.

    Raises
    ------
    ShapeError
        If ``f`` does not return a scalar.
    DtypeError
        If what is differentiated is an array of integers or booleans, without ``allow_int``, or the value is not real.
    StructureError
        If something else is differentiated, or an argument is not there.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    >>> model = {"w": np.array([1.0, 2.0]), "power": 2, "name": "first"}
    >>> fd.grad(lambda m: np.sum(m["w"] ** m["power"]), wrt=fd.tree.is_inexact)(model)
    {'w': array([2., 4.]), 'power': None, 'name': None}
    """

    return Transformed(run_value_and_grad, f, Wanted.of(argnums, argnames, wrt, allow_int), has_aux, holomorphic)


def run_value_and_grad(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wanted: Wanted,
    has_aux: bool,
    holomorphic: bool,
) -> Any:
    """What a call of ``value_and_grad(f)`` does."""
    inputs = Differentiated(f, args, kwargs, wanted, "grad")
    if holomorphic and any(leaf.type.dtype.kind != "c" for leaf in inputs.leaves):
        raise DtypeError(
            f"grad with holomorphic=True takes complex arguments, got {', '.join(str(x.type) for x in inputs.leaves)}"
        )

    def call(leaves: Sequence[Any]) -> Any:
        result = inputs.call(leaves)
        return with_aux(f, result, "grad") if has_aux else result

    captured = capture(call, inputs.leaves, "grad", concrete=True, of=f)
    check_scalar(captured, f, holomorphic)
    primals = [*captured.captures, *[leaf.value for leaf in inputs.leaves]]
    active = [False] * len(captured.captures) + [True] * len(inputs.leaves)
    outs, linear = derivative_at(captured.program, primals, active, captured.known)
    one = captured.program.outputs[0].type.dtype.type(1)
    cts = inputs.cotangents(linear.consume([one] + [None] * (len(outs) - 1)))
    results = fresh_all([*outs, *cts], primals)
    gradient = inputs.derivative(results[len(outs) :])
    if has_aux:
        return (results[0], captured.aux.with_values(results[1 : len(outs)])), gradient  # type: ignore[union-attr]
    return results[0], gradient


def grad(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, Any]:
    """A function that returns the gradient of the scalar-valued function ``f``; parameters as of `value_and_grad`.

    With ``has_aux`` it returns ``(gradient, aux)``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.grad(lambda x: np.sum(np.sin(x)))(np.zeros(3))
    array([1., 1., 1.])
    >>> fd.grad(fd.grad(lambda x: x**3))(0.5)
    np.float64(3.0)
    """
    return Transformed(run_grad, f, Wanted.of(argnums, argnames, wrt, allow_int), has_aux, holomorphic)


def run_grad(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    wanted: Wanted,
    has_aux: bool,
    holomorphic: bool,
) -> Any:
    """What a call of ``grad(f)`` does."""
    value, gradient = run_value_and_grad(f, args, kwargs, wanted, has_aux, holomorphic)
    return (gradient, value[1]) if has_aux else gradient


def check_scalar(captured: Captured, f: Callable[..., Any], holomorphic: bool) -> None:
    """Refuse what has no gradient."""
    name, types = name_of(f), captured.program.out_types
    if not captured.out_tree.is_leaf():
        found = (
            f"a container of {captured.out_tree.num_leaves} values"
            if captured.out_tree.num_leaves
            else "None (is a return statement missing?)"
        )
        raise StructureError(
            f"grad needs a function that returns one scalar; {name} returned {found}. "
            "For a value beside auxiliary data use has_aux=True, for several outputs fd.jacobian or fd.vjp"
        )
    out = types[0]
    if out.shape != ():
        raise ShapeError(
            f"grad needs a scalar-valued function; {name} returned {out}. Sum it (np.sum), or use fd.jacobian, or "
            "fd.vjp with a cotangent"
        )
    if out.dtype.kind == "c" and not holomorphic:
        raise DtypeError(
            f"grad needs a real value; {name} returned {out}. Take np.real or np.abs of it, or pass holomorphic=True"
        )
    if holomorphic and out.dtype.kind != "c":
        raise DtypeError(f"grad with holomorphic=True needs a complex value; {name} returned {out}")
    if out.dtype.kind not in "fc":
        raise DtypeError(f"grad needs a floating-point value; {name} returned {out}")
