"""Derivatives as linear maps: ``jvp``, ``vjp``, ``linearize``, ``linear_transpose``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import Differentiated, check_like, fresh_all, leaves_of, name_of, with_aux
from functad.core.capture import Leaf, as_leaf, capture, own
from functad.core.primitive import type_of
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.zeros import instantiate
from functad.errors import DtypeError, StructureError
from functad.ir.types import ArrayType, array_type
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import LinearMap
from functad.transforms.plans import derivative_at
from functad.transforms.transpose import transpose_program
from functad.tree import TreeDef, flatten, leaf_paths, register, unflatten

__all__ = ["LinearFunction", "Pullback", "jvp", "linear_transpose", "linearize", "vjp"]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of ``f`` at ``primals`` and its derivative along ``tangents`` (a Jacobian-vector product).

    Parameters
    ----------
    f
        Any function of containers of arrays.
    primals, tangents
        Tuples, one entry an argument; tangents have the structure, shapes and dtypes of the primals. The tangent of an
        integer or boolean leaf must be zero.
    has_aux
        Whether ``f`` returns a pair (value, auxiliary data); then the result is ``(value, tangent, aux)``.

    Raises
    ------
    StructureError, ShapeError, DtypeError
        If tangents do not fit the primals; the message names the leaf.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    leaves, dots = primals_and_tangents(f, primals, tangents, "jvp")
    structure = flatten(tuple(primals))[1]

    def call(xs: Sequence[Any]) -> Any:
        result = f(*unflatten(structure, xs))
        return with_aux(f, result, "jvp") if has_aux else result

    captured = capture(call, leaves, "jvp", concrete=True, of=f)
    values = [*captured.captures, *[leaf.value for leaf in leaves]]
    outs, out_dots = jvp_program(captured.program, values, [None] * len(captured.captures) + dots, captured.known)
    tree, aux = captured.out_tree, captured.aux
    n = tree.num_leaves
    out_dots = [instantiate(t, a.type) for t, a in zip(out_dots[:n], captured.program.outputs, strict=False)]
    results = fresh_all([*outs, *out_dots], [*values, *[d for d in dots if d is not None]])
    value, tangent = tree.unflatten(results[:n]), tree.unflatten(results[len(outs) :])
    return (value, tangent) if aux is None else (value, tangent, aux.with_values(results[n : len(outs)]))


def primals_and_tangents(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], transform: str
) -> tuple[list[Leaf], list[Any]]:
    """The leaves of primals, and their tangents (None where zero), checked against one another."""
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise StructureError(
            f"{transform} takes primals and tangents as tuples, one entry an argument of {name_of(f)}; "
            f"got {type(primals).__name__} and {type(tangents).__name__}: write (x,) and (t,)"
        )
    if len(primals) != len(tangents):
        raise StructureError(
            f"{transform} takes one tangent an argument of {name_of(f)}: got {len(primals)} primals and "
            f"{len(tangents)} tangents"
        )
    leaves, structure = leaves_of(tuple(primals), "primals")
    given, tangent_structure = leaves_of(tuple(tangents), "tangents")
    if structure != tangent_structure:
        raise StructureError(
            f"{transform}: the tangents' structure {tangent_structure} differs from the primals' {structure}"
        )
    result, checked = [], []
    for leaf, t, path in zip(leaves, given, leaf_paths(structure), strict=True):
        leaf = own(float_of_int(leaf))
        checked.append(leaf)
        if leaf.type.inexact:
            result.append(check_like(own(t), leaf.type, f"{transform}: tangents{path}"))
        elif type(t.value) is not Tracer and not np.any(t.value):
            result.append(None)
        else:
            raise DtypeError(
                f"{transform}: primals{path} is {leaf.type}, which has no derivative; its tangent must be zeros, or "
                "convert it with .astype(float)"
            )
    return checked, result


def float_of_int(leaf: Leaf) -> Leaf:
    """A Python integer as a float; anything else as it is."""
    if leaf.kind == 0 and leaf.type.dtype.kind == "i" and type(leaf.value) is not Tracer:
        return Leaf(np.float64(leaf.value), array_type((), np.float64), 0)
    return leaf


class LinearFunction:
    """The derivative of a function at a point, as a function of tangents; what `linearize` returns."""

    def __init__(
        self,
        linear: LinearMap,
        in_types: tuple[ArrayType, ...],
        in_tree: TreeDef,
        out_types: tuple[ArrayType, ...],
        out_tree: TreeDef,
    ):
        self.linear = linear
        self.in_types, self.in_tree = in_types, in_tree
        self.out_types, self.out_tree = out_types, out_tree

    def __call__(self, *tangents: Any) -> Any:
        """The tangent of the value for tangents of the arguments."""
        given, structure = leaves_of(tangents, "tangents")
        if structure != self.in_tree:
            raise StructureError(f"the linear function takes tangents of structure {self.in_tree}, got {structure}")
        dots = [
            check_like(t, ty, f"tangents{p}")
            for t, ty, p in zip(given, self.in_types, leaf_paths(structure), strict=True)
        ]
        outs = self.linear.forward(dots)
        full = [instantiate(t, ty) for t, ty in zip(outs, self.out_types, strict=True)]
        return self.out_tree.unflatten(fresh_all(full, [*dots, *self.linear.residuals]))


class Pullback:
    """The transposed derivative of a function at a point, as a function of a cotangent; what `vjp` returns."""

    def __init__(
        self,
        linear: LinearMap,
        in_types: tuple[ArrayType, ...],
        in_tree: TreeDef,
        out_types: tuple[ArrayType, ...],
        out_tree: TreeDef,
    ):
        self.linear = linear
        self.in_types, self.in_tree = in_types, in_tree
        self.out_types, self.out_tree = out_types, out_tree

    def __call__(self, cotangent: Any) -> Any:
        """The cotangents of the arguments (a tuple) for a cotangent of the value. It may be called any number of
        times.
        """
        given, structure = leaves_of(cotangent, "the cotangent")
        if structure != self.out_tree:
            raise StructureError(f"the pullback takes a cotangent of structure {self.out_tree}, got {structure}")
        cts = []
        for c, ty, p in zip(given, self.out_types, leaf_paths(structure), strict=True):
            cts.append(check_like(c, ty, f"the cotangent{p}") if ty.inexact else None)
        found = self.linear.backward(cts)
        full = [instantiate(c, ty) for c, ty in zip(found, self.in_types, strict=True)]
        return self.in_tree.unflatten(fresh_all(full, [*[c for c in cts if c is not None], *self.linear.residuals]))


class LinearStructure:
    """What two linear maps share exactly if they are the same derivative at different points: their rules and
    variables.
    """

    __slots__ = ("example", "key")

    def __init__(self, example: Any) -> None:
        linear = example.linear
        self.example = example
        self.key = (
            tuple(
                [
                    (id(rule), len(residuals), tuple(ins), tuple(outs))
                    for rule, residuals, ins, outs, _ in linear.entries
                ]
            ),
            *(
                tuple(linear.inputs),
                tuple(linear.outputs),
                example.in_types,
                example.in_tree,
                example.out_types,
                example.out_tree,
            ),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearStructure) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def _register(cls: type) -> None:
    """Make linear maps containers of their residuals, so that they may cross ``jit`` and ``vmap``."""

    def flat(x: Any) -> tuple[Sequence[Any], Any]:
        return x.linear.residuals, LinearStructure(x)

    def make(structure: LinearStructure, residuals: Sequence[Any]) -> Any:
        x = structure.example
        return cls(x.linear.with_residuals(residuals), x.in_types, x.in_tree, x.out_types, x.out_tree)

    register(cls, flat, make)


_register(LinearFunction)
_register(Pullback)


def _linearized(
    cls: type, f: Callable[..., Any], primals: Sequence[Any], transform: str, has_aux: bool, require_inexact: bool
) -> tuple[Any, ...]:
    leaves, structure = leaves_of(tuple(primals), "primals")
    if require_inexact:
        owned = Differentiated(f, primals, {}, range(len(primals)), transform).leaves
    else:
        owned = [own(float_of_int(leaf)) for leaf in leaves]

    def call(xs: Sequence[Any]) -> Any:
        result = f(*unflatten(structure, xs))
        return with_aux(f, result, transform) if has_aux else result

    captured = capture(call, owned, transform, concrete=True, of=f)
    values = [*captured.captures, *[leaf.value for leaf in owned]]
    active = [False] * len(captured.captures) + [leaf.type.inexact for leaf in owned]
    outs, linear = derivative_at(captured.program, values, active, captured.known)
    tree, aux = captured.out_tree, captured.aux
    n = tree.num_leaves
    linear = linear.between(captured.program.inputs[len(captured.captures) :], n)
    types = tuple([leaf.type for leaf in owned])
    function = cls(linear, types, structure, captured.program.out_types[:n], tree)
    results = fresh_all(outs, [*values, *linear.residuals])
    value = tree.unflatten(results[:n])
    return (value, function) if aux is None else (value, function, aux.with_values(results[n:]))


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``f`` and its pullback: from a cotangent of the value to a tuple of cotangents of the arguments.

    The pullback may be called repeatedly, differentiated, and returned from jitted functions. Cotangents of integer and
    boolean arguments are zeros. Complex: pullbacks do not conjugate.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> y, pullback = fd.vjp(np.sin, np.array([0.0, 1.0]))
    >>> pullback(np.array([1.0, 0.0]))
    (array([1., 0.]),)
    """
    return _linearized(Pullback, f, primals, "vjp", has_aux, require_inexact=False)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``f`` and its derivative as a function of tangents; ``f`` itself runs once.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> y, derivative = fd.linearize(np.sin, 0.0)
    >>> derivative(3.0)
    np.float64(3.0)
    """
    return _linearized(LinearFunction, f, primals, "linearize", has_aux, require_inexact=True)


def abstract_type(x: Any) -> ArrayType:
    """The type of a value, or of anything with a shape and a dtype."""
    if not isinstance(x, np.ndarray) and hasattr(x, "shape") and hasattr(x, "dtype"):
        return array_type(tuple(x.shape), x.dtype)
    return as_leaf(x, lambda: "a primal of linear_transpose").type


def linear_transpose(f: Callable[..., Any], *primals: Any) -> Callable[..., tuple[Any, ...]]:
    """The transpose of a linear function, from a cotangent of its value to a tuple of cotangents of its arguments.

    ``primals`` give shapes and dtypes only (arrays, or anything with ``shape`` and ``dtype``). Of an affine function,
    ``A x + b``, it is the transpose of the linear part.

    Raises
    ------
    LinearityError
        If ``f`` is not linear; it names the operation.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.linear_transpose(lambda x: 3.0 * x, 1.0)(2.0)
    (np.float64(6.0),)
    """
    found, structure = flatten(primals)
    types = [abstract_type(x) for x in found]
    types = [t if t.inexact else t.with_dtype(np.dtype(np.float64)) for t in types]
    leaves = [Leaf(None, t, ARRAY if t.ndim else SCALAR) for t in types]
    captured = capture(lambda xs: f(*unflatten(structure, xs)), leaves, "linear_transpose", concrete=False)
    n = len(captured.captures)

    def transposed(cotangent: Any) -> tuple[Any, ...]:
        given, tree = leaves_of(cotangent, "the cotangent")
        if tree != captured.out_tree:
            raise StructureError(
                f"the transpose of {name_of(f)} takes a cotangent of structure {captured.out_tree}, got {tree}"
            )
        out_types = captured.program.out_types
        cts = [
            check_like(c, ty, f"the cotangent{p}") for c, ty, p in zip(given, out_types, leaf_paths(tree), strict=True)
        ]
        linear = [False] * n + [True] * len(types)
        found = transpose_program(captured.program, linear, [*captured.captures, *[None] * len(types)], cts)
        full = [instantiate(c, t) for c, t in zip(found, types, strict=True)]
        return tuple(unflatten(structure, fresh_all(full, [c for c in cts if type_of(c).ndim])))

    return transposed
