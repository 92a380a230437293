"""Jacobians, Hessians, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import fresh_all, name_of, with_aux
from functad.api.differentiated import Differentiated
from functad.api.gradients import grad
from functad.api.linear import jvp, vjp
from functad.api.unit_vectors import on_unit_vectors
from functad.api.wanted import Wanted
from functad.core.capture import Leaf, capture
from functad.core.primitive import type_of
from functad.core.tracer import ARRAY, SCALAR
from functad.core.typed import P
from functad.core.wrapping import Transformed
from functad.core.zeros import zeros
from functad.errors import DtypeError
from functad.ir.program import Program, sub_programs
from functad.ir.types import ArrayType
from functad.lax.chunks import chunk_of
from functad.primitives.shapes import reshape, transpose
from functad.transforms.linearize import LinearMap
from functad.transforms.plans import derivative_at
from functad.tree.partition import Predicate

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev", "vhp"]


def jacobian(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, Any]:
    """A function that returns the Jacobian of ``f``, by forward mode if there are no more inputs than outputs, else by
    reverse mode.

    What calls a `custom_vjp` function is always differentiated in reverse mode.

    The result is a container of the structure of the value of ``f``; each leaf of it holds, in the structure of the
    argument, arrays of shape ``value.shape + argument.shape``. A tuple of those if ``argnums`` is a sequence. With
    ``has_aux``, ``f`` returns a pair (value, auxiliary data: see `value_and_grad`), and the result is ``(Jacobian,
    auxiliary data)``.

    With ``chunk_size``, so many columns (forward) or rows (reverse) of each block are computed at a time, and what
    remains in the last: temporary arrays are as large as these need, not all of them. None: all at once.
    ``argnames`` and ``wrt`` say with respect to what, as in `value_and_grad`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    wanted = Wanted(argnums, argnames, wrt)
    return Transformed(run_jacobian, f, "jacobian", wanted, has_aux, holomorphic, chunk_of("jacobian", chunk_size))


def jacfwd(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, Any]:
    """`jacobian` by forward mode: one Jacobian-vector product an input element, all at once, or ``chunk_size`` of them
    at a time.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jacfwd(lambda t: np.array([np.cos(t), np.sin(t), t]))(0.0)
    array([-0.,  1.,  1.])
    """
    wanted = Wanted(argnums, argnames, wrt)
    return Transformed(run_jacobian, f, "jacfwd", wanted, has_aux, holomorphic, chunk_of("jacfwd", chunk_size))


def jacrev(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    *,
    chunk_size: int | None = None,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, Any]:
    """`jacobian` by reverse mode: one vector-Jacobian product an output element, all at once, or ``chunk_size`` of them
    at a time. ``allow_int`` as of `grad`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jacrev(lambda x: np.array([x[0] * x[1], np.sum(x)]))(np.array([2.0, 3.0, 4.0]))
    array([[3., 2., 0.],
           [1., 1., 1.]])
    """
    wanted = Wanted.of(argnums, argnames, wrt, allow_int)
    return Transformed(run_jacobian, f, "jacrev", wanted, has_aux, holomorphic, chunk_of("jacrev", chunk_size))


def hessian(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    chunk_size: int | None = None,
    argnames: str | Sequence[str] | None = None,
    wrt: Predicate | None = None,
) -> Callable[P, Any]:
    """A function that returns the Hessian of ``f``: the Jacobian, forward, of its Jacobian, reverse.

    With ``chunk_size``, so many columns at a time.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    chunk_of("hessian", chunk_size)
    inner = jacrev(f, argnums, has_aux, holomorphic, chunk_size=chunk_size, argnames=argnames, wrt=wrt)
    return jacfwd(inner, argnums, has_aux, holomorphic, chunk_size=chunk_size, argnames=argnames, wrt=wrt)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of the Hessian of the scalar function ``f`` with a vector, forward over reverse: no Hessian is
    formed.

    ``primals`` and ``tangents`` are tuples, one entry an argument; so is the result, unless there is one argument.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    result = jvp(grad(f, tuple(range(len(primals)))), primals, tangents)[1]
    return result[0] if len(primals) == 1 else result


def vhp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of a vector with the Hessian of the scalar function ``f``, reverse over reverse; arguments and result
    as of `hvp`.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.vhp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    result = vjp(grad(f, tuple(range(len(primals)))), *primals)[1](tuple(tangents))
    return result[0] if len(primals) == 1 else result


def run_jacobian(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    transform: str,
    wanted: Wanted,
    has_aux: bool,
    holomorphic: bool,
    chunk: int | None,
) -> Any:
    """What a call of ``jacobian(f)``, ``jacfwd(f)`` or ``jacrev(f)`` does."""
    inputs = Differentiated(f, args, kwargs, wanted, transform)

    def call(leaves: Sequence[Any]) -> Any:
        result = inputs.call(leaves)
        return with_aux(f, result, transform) if has_aux else result

    captured = capture(call, inputs.leaves, transform, concrete=True, of=f)
    n = captured.out_tree.num_leaves
    out_types = captured.program.out_types[:n]
    check_types(f, inputs, out_types, holomorphic, transform)
    values = [*captured.captures, *[leaf.value for leaf in inputs.leaves]]
    active = [False] * len(captured.captures) + [True] * len(inputs.leaves)
    outs, linear = derivative_at(captured.program, values, active, captured.known)
    linear = linear.between(captured.program.inputs[len(captured.captures) :], n)
    in_types = [leaf.type for leaf in inputs.leaves]
    n_in, n_out = sum(t.size for t in in_types), sum(t.size for t in out_types)
    forward = transform == "jacfwd" or (
        transform == "jacobian" and n_in <= n_out and not reverse_only(captured.program)
    )
    made = forward_blocks if forward else reverse_blocks
    if chunk is None and (forward or n_out > len(out_types)):
        blocks = linear.applied((forward, n), lambda x: made(x, in_types, out_types, None))
    else:
        blocks = made(linear, in_types, out_types, chunk)
    results = fresh_all([*outs[n:], *blocks])
    flat = iter(results[len(outs) - n :])
    rows = []
    for _ in out_types:
        rows.append(inputs.derivative([next(flat) for _ in in_types]))
    jacobian = captured.out_tree.unflatten(rows)
    return jacobian if captured.aux is None else (jacobian, captured.aux.with_values(results[: len(outs) - n]))


def reverse_only(program: Program) -> bool:
    """Whether something in a Program has no forward mode."""
    primitives = [e.primitive.reverse_only for e in program.eqns]
    undecided = [e for e, flag in zip(program.eqns, primitives, strict=True) if flag is None]
    return any(primitives) or any(reverse_only(p) for e in undecided for p in sub_programs(e))


def forward_blocks(
    linear: LinearMap, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], chunk: int | None
) -> list[Any]:
    """Blocks [output][input] of the Jacobian, a column an input element."""
    columns = []
    for i, t in enumerate(in_types):
        results = map_unit_vectors(
            lambda e, i=i: linear.forward([e if j == i else None for j in range(len(in_types))]),  # type: ignore[misc]
            t,
            chunk,
        )
        column = []
        for r, out in zip(results, out_types, strict=True):
            if r is None:
                column.append(zeros(out.with_shape(out.shape + t.shape)))
                continue
            moved = transpose(r, (*range(1, out.ndim + 1), 0))
            column.append(reshape(moved, out.shape + t.shape))
        columns.append(column)
    return [column[o] for o in range(len(out_types)) for column in columns]


def reverse_blocks(
    linear: LinearMap, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], chunk: int | None
) -> list[Any]:
    """Blocks [output][input] of the Jacobian, a row an output element."""
    rows: list[Any] = []
    for o, t in enumerate(out_types):
        results = map_unit_vectors(
            lambda e, o=o: linear.backward([e if j == o else None for j in range(len(out_types))]),  # type: ignore[misc]
            t,
            chunk,
        )
        shapes = [t.shape + x.shape for x in in_types]
        rows += [
            zeros(x.with_shape(s)) if r is None else reshape(r, s)
            for r, x, s in zip(results, in_types, shapes, strict=True)
        ]
    return rows


def map_unit_vectors(f: Callable[[Any], list[Any]], type: ArrayType, chunk: int | None) -> list[Any]:
    """``f`` (linear) on every unit vector of a type, stacked on axis 0, ``chunk`` at a time; None where zero."""
    size = type.size
    if size == 1:
        return [None if r is None else reshape(r, (1, *type_of(r).shape)) for r in f(ones(type))]
    present: list[bool] = []

    def call(args: Sequence[Any]) -> list[Any]:
        results = f(args[0])
        present.extend(r is not None for r in results)
        return [r for r in results if r is not None]

    captured = capture(
        call, [Leaf(None, type, ARRAY if type.ndim else SCALAR)], "jacobian", concrete=True, valued=[False]
    )
    found = iter(on_unit_vectors(captured.program, captured.captures, chunk))
    return [next(found) if p else None for p in present]


def ones(type: ArrayType) -> Any:
    """Ones of a type."""
    return np.ones(type.shape, type.dtype) if type.ndim else type.dtype.type(1)


def check_types(
    f: Callable[..., Any], inputs: Differentiated, out_types: Sequence[ArrayType], holomorphic: bool, transform: str
) -> None:
    """Refuse complex Jacobians unless the function is said to be holomorphic."""
    complex_in = [leaf.type for leaf in inputs.leaves if leaf.type.dtype.kind == "c"]
    if complex_in and not holomorphic and transform != "jacrev":
        raise DtypeError(f"{transform} of {name_of(f)} with complex arguments ({complex_in[0]}) needs holomorphic=True")
    for t in out_types:
        if not t.inexact:
            raise DtypeError(
                f"{transform} needs floating-point values; {name_of(f)} returned {t}; convert it with .astype(float)"
            )
        if t.dtype.kind == "c" and not holomorphic:
            raise DtypeError(
                f"{transform} of {name_of(f)} with a complex value ({t}) needs holomorphic=True, or take np.real of it"
            )
