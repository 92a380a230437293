"""``check_jit`` and ``check_vmap``: compiled and mapped functions against the plain ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import name_of
from functad.api.jit import jit
from functad.api.jitted import Jitted
from functad.api.vectorize import argument_axes, spread, vmap
from functad.core.evaluator import run_program
from functad.errors import StructureError
from functad.ir.program import Program, Var
from functad.lower.backends import execute
from functad.testing.numerics import assert_close, is_double
from functad.tree.containers import flatten, leaf_paths, unflatten

__all__ = ["check_jit", "check_vmap"]


def check_jit(f: Callable[..., Any], args: Sequence[Any], rtol: float | None = None, atol: float | None = None) -> None:
    """Check that ``fd.jit(f)`` does what ``f`` does with these arguments, in a first call and in a second one.

    Parameters
    ----------
    f
        A function, or what a transform made of one.
    args
        The arguments, as a tuple; both calls get copies.
    rtol, atol
        Allowed relative and absolute error; by default 1e-9 where all results have double precision, else 1e-4.

    Raises
    ------
    AssertionError
        If results differ in structure, shape, dtype or value, or ``f`` changes its arguments: the message names the
        leaf, the index and both values, and the line whose operation differs first, or says that it is tracing that
        makes the difference.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.testing import check_jit
    >>> check_jit(lambda x, n: {"y": np.cumsum(np.sin(x)), "n": n + 1}, (np.ones(3), 2))
    """
    args = as_tuple(args, "check_jit")
    given, plain_args = copy.deepcopy(args), copy.deepcopy(args)
    expected = f(*plain_args)
    compiled = jit(f)
    for call in ("the first call", "the second call"):
        jit_args = copy.deepcopy(given)
        found = compiled(*jit_args)
        what = f"jit of {name_of(f)}, {call}"
        try:
            compare(found, expected, f"{what}: result", f"{name_of(f)} itself gives", rtol, atol)
            compare(jit_args, plain_args, f"{what}: afterwards args", f"{name_of(f)} itself leaves", rtol, atol)
        except AssertionError as error:
            why = reason(f, given, rtol, atol)
            raise AssertionError(f"{error}\n{why}" if why else str(error)) from None


def reason(f: Callable[..., Any], args: tuple[Any, ...], rtol: float | None, atol: float | None) -> str:
    """Which operation gives something else in native code; or that none does."""
    traced, given = Jitted(f, (), ()).trace(copy.deepcopy(args), {})
    values = [*[leaf.value for leaf in given.leaves], *[h.value() for h in traced.hidden]]
    program = traced.program
    made = [v for e in program.eqns for v in e.outputs if type(v) is Var and v.type.native]
    whole = Program(program.inputs, program.eqns, made)
    places = {v: e for e in program.eqns for v in e.outputs}
    for v, x, y in zip(made, execute(whole, values), run_program(whole, values), strict=True):
        eqn = places[v]
        try:
            compare(x, y, f"{eqn.primitive.name}{f' at {eqn.loc}' if eqn.loc else ''}", "NumPy gives", rtol, atol)
        except AssertionError as error:
            return f"the first operation that differs in native code: {error}"
    return (
        f"operation by operation, native code does what NumPy does: when it is traced, {name_of(f)} does something "
        "else (it writes to an argument, draws random numbers, or depends on what Python or NumPy computed before)"
    )


def check_vmap(
    f: Callable[..., Any],
    args: Sequence[Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Check that ``fd.vmap(f)`` gives what ``f`` gives for one element after the other.

    Parameters
    ----------
    f
        A function, or what a transform made of one.
    args
        The arguments of the mapped function, as a tuple.
    in_axes, out_axes
        As of `vmap`.
    rtol, atol
        Allowed relative and absolute error; by default 1e-9 where all results have double precision, else 1e-4.

    Raises
    ------
    AssertionError
        If results differ: the message names the element, the leaf, the index and both values.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.testing import check_vmap
    >>> check_vmap(lambda x, y: np.sort(x) * y, (np.eye(3), 2.0), in_axes=(0, None))
    """
    args = as_tuple(args, "check_vmap")
    mapped = vmap(f, in_axes, out_axes)(*args)
    leaves, structure = flatten((args, {}))
    axes = argument_axes(f, in_axes, args, structure)
    size = next(np.shape(x)[a] for x, a in zip(leaves, axes, strict=True) if a is not None)
    found, tree = flatten(mapped)
    out = spread(out_axes, tree, "out_axes")
    for k in range(size):
        one = [x if a is None else np.take(x, k, axis=a)[()] for x, a in zip(leaves, axes, strict=True)]
        expected = f(*unflatten(structure, one)[0])
        element = tree.unflatten(
            [x if a is None else np.take(x, k, axis=a)[()] for x, a in zip(found, out, strict=True)]
        )
        compare(
            element, expected, f"vmap of {name_of(f)}, element {k}: result", f"{name_of(f)} itself gives", rtol, atol
        )


def as_tuple(args: Sequence[Any], check: str) -> tuple[Any, ...]:
    """The arguments, checked."""
    if not isinstance(args, tuple | list):
        raise StructureError(f"{check} takes the arguments of f as a tuple, got {type(args).__name__}: write (x,)")
    return tuple(args)


def compare(found: Any, expected: Any, what: str, reference: str, rtol: float | None, atol: float | None) -> None:
    """Raise where two containers of arrays differ."""
    leaves, structure = flatten(found)
    others, other_structure = flatten(expected)
    if structure != other_structure:
        raise AssertionError(f"{what} has the structure {structure}, {reference} {other_structure}")
    for x, y, path in zip(leaves, others, leaf_paths(structure), strict=True):
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype.kind not in "fciub":
            if not np.array_equal(x, y):
                raise AssertionError(f"{what}{path} is {x!r}, {reference} {y!r}")
            continue
        if x.dtype != y.dtype:
            raise AssertionError(f"{what}{path} has dtype {x.dtype}, {reference} {y.dtype}")
        default = 1e-9 if is_double(x.dtype) else 1e-4
        relative, absolute = [default if tolerance is None else tolerance for tolerance in (rtol, atol)]
        assert_close(x, y, f"{what}{path}", relative, absolute, reference)
