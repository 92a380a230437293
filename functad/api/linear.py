"""Derivatives as linear maps: ``jvp``, ``vjp``, ``linearize``, ``linear_transpose``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import abstract_leaf, check_like, fresh_all, leaves_of, name_of, with_aux
from functad.api.differentiated import Differentiated
from functad.api.wanted import Wanted
from functad.core.capture import Leaf, capture, own
from functad.core.evaluator import run_program
from functad.core.primitive import type_of
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.watched import watched
from functad.core.zeros import instantiate
from functad.errors import DtypeError, InternalError, StructureError, TracerConversionError
from functad.front.calls import twin
from functad.identity import Immutable
from functad.ir.dce import dce
from functad.ir.masks import expand, select
from functad.ir.program import Eqn, Program, Var
from functad.ir.types import ArrayType, array_type
from functad.numpy.traced import here
from functad.transforms.jvp import jvp_program
from functad.transforms.linearize import LinearMap
from functad.transforms.plans import derivative_at
from functad.transforms.programs import trace_program
from functad.transforms.transpose import transpose_program
from functad.tree.containers import TreeDef, flatten, leaf_paths, stored, unflatten
from functad.tree.registration import register_pytree_node

__all__ = ["LinearFunction", "Pullback", "jvp", "linear_transpose", "linearize", "vjp"]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of ``f`` at ``primals`` and its derivative along ``tangents`` (a Jacobian-vector product).

    Parameters
    ----------
    f
        Any function of containers of arrays.
    primals, tangents
        Tuples, one entry an argument; tangents have the structure and shapes of the primals, and their dtypes or
        narrower ones (integers for float64, say), which are converted. The tangent of an integer or boolean leaf must
        be zero.
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
    return watched("jvp", f, _jvp, f, primals, tangents, has_aux)


def _jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool) -> Any:
    leaves, dots = primals_and_tangents(f, primals, tangents, "jvp")
    structure = flatten(tuple(primals))[1]

    def call(xs: Sequence[Any]) -> Any:
        result = twin(f)(*unflatten(structure, xs))
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
    leaves, structure = leaves_of(tuple(primals), "primals", "close over it: lambda x: f(x, ...)")
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


class Derivative(Immutable):
    """The derivative of a function at a point, in one direction."""

    kind = ""

    def __init__(
        self,
        linear: LinearMap,
        in_types: tuple[ArrayType, ...],
        in_tree: TreeDef,
        out_types: tuple[ArrayType, ...],
        out_tree: TreeDef,
        name: str,
    ):
        self.linear = linear
        self.in_types, self.in_tree = in_types, in_tree
        self.out_types, self.out_tree = out_types, out_tree
        self.name = name

    def __repr__(self) -> str:
        arguments, results = [", ".join(map(str, types)) for types in (self.in_types, self.out_types)]
        return f"<functad {self.kind} of {self.name}: ({arguments}) -> ({results})>"

    def __reduce__(self) -> tuple[Any, ...]:
        types = (self.in_types, stored(self.in_tree), self.out_types, stored(self.out_tree))
        return stored_linear, (type(self), *self.stored_map(), *types, self.name)

    @abstractmethod
    def stored_map(self) -> tuple[Program, list[Any]]:
        """The derivative as a Program, which needs no Python, and its residuals."""


class LinearFunction(Derivative):
    """The derivative of a function at a point, as a function of tangents; what `linearize` returns."""

    kind = "derivative"

    def __call__(self, *tangents: Any) -> Any:
        """The tangent of the value for tangents of the arguments."""
        return watched(self.kind, self.name, self._call, tangents)

    def _call(self, tangents: tuple[Any, ...]) -> Any:
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

    def stored_map(self) -> tuple[Program, list[Any]]:
        return stored_map(self.linear, LinearMap.forward, self.in_types, self.out_types)


class Pullback(Derivative):
    """The transposed derivative of a function at a point, as a function of a cotangent; what `vjp` returns."""

    kind = "pullback"

    def __call__(self, cotangent: Any) -> Any:
        """The cotangents of the arguments (a tuple) for a cotangent of the value. It may be called any number of
        times.
        """
        return watched(self.kind, self.name, self._call, cotangent)

    def _call(self, cotangent: Any) -> Any:
        given, structure = leaves_of(cotangent, "the cotangent")
        if structure != self.out_tree:
            raise StructureError(f"the pullback takes a cotangent of structure {self.out_tree}, got {structure}")
        cts = []
        for c, ty, p in zip(given, self.out_types, leaf_paths(structure), strict=True):
            cts.append(check_like(c, ty, f"the cotangent{p}") if ty.inexact else None)
        found = self.linear.backward(cts)
        full = [instantiate(c, ty) for c, ty in zip(found, self.in_types, strict=True)]
        return self.in_tree.unflatten(fresh_all(full, [*[c for c in cts if c is not None], *self.linear.residuals]))

    def stored_map(self) -> tuple[Program, list[Any]]:
        return stored_map(self.linear, LinearMap.backward, self.out_types, self.in_types)


# -- derivatives that are pickled --------------------------------------------------------------------------------------


class StoredRule:
    """The linear rule of a derivative that has been pickled, in one direction: a Program of residuals, and tangents or
    cotangents of those types that have any.
    """

    active = True

    def __init__(self, program: Program, given: Sequence[ArrayType]) -> None:
        self.program, self.given = program, given

    def primal(self, eqn: Eqn, ins: Sequence[Any], known: Mapping[Var, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        raise InternalError("a derivative that has been pickled is that of no equation")

    def forward(self, residuals: Sequence[Any], tangents: Sequence[Any]) -> Sequence[Any]:
        full = [instantiate(t, ty) for t, ty in zip(tangents, self.given, strict=True) if ty.inexact]
        return run_program(self.program, [*residuals, *full])

    backward = forward


def stored_map(
    linear: LinearMap,
    apply: Callable[[LinearMap, Sequence[Any]], Sequence[Any]],
    given: Sequence[ArrayType],
    found: Sequence[ArrayType],
) -> tuple[Program, list[Any]]:
    """A derivative in one direction as a Program, which needs no Python, and its residuals."""
    residuals = linear.residuals
    for r in residuals:
        if type(r) is Tracer:
            raise TracerConversionError(
                f"the derivative of a function at a traced value ({type_of(r)}) cannot be pickled{here()}; return it "
                "from the function that is traced"
            )
    inexact = [t.inexact for t in given]

    def f(*args: Any) -> list[Any]:
        results = apply(linear.with_residuals(args[: len(residuals)]), expand(args[len(residuals) :], inexact))
        return [instantiate(x, t) for x, t in zip(results, found, strict=True)]

    return dce(trace_program(f, [*map(type_of, residuals), *select(given, inexact)])), residuals


def stored_linear(
    cls: Callable[..., Any],
    program: Program,
    residuals: Sequence[Any],
    in_types: tuple[ArrayType, ...],
    in_tree: Any,
    out_types: tuple[ArrayType, ...],
    out_tree: Any,
    name: str,
) -> Any:
    """A derivative that has been pickled."""
    ins, outs = [Var(t) for t in in_types], [Var(t) for t in out_types]
    rule = StoredRule(program, in_types if cls is LinearFunction else out_types)
    linear = LinearMap([(rule, residuals, ins, outs, None)], ins, outs)
    return cls(linear, in_types, flatten(in_tree)[1], out_types, flatten(out_tree)[1], name)


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
        return cls(x.linear.with_residuals(residuals), x.in_types, x.in_tree, x.out_types, x.out_tree, x.name)

    register_pytree_node(cls, flat, make)


_register(LinearFunction)
_register(Pullback)


def _linearized(
    cls: type, f: Callable[..., Any], primals: Sequence[Any], transform: str, has_aux: bool, require_inexact: bool
) -> tuple[Any, ...]:
    leaves, structure = leaves_of(tuple(primals), "primals", "close over it: lambda x: f(x, ...)")
    if require_inexact:
        owned = Differentiated(f, primals, {}, Wanted(range(len(primals))), transform).leaves
    else:
        owned = [own(float_of_int(leaf)) for leaf in leaves]

    def call(xs: Sequence[Any]) -> Any:
        result = twin(f)(*unflatten(structure, xs))
        return with_aux(f, result, transform) if has_aux else result

    captured = capture(call, owned, transform, concrete=True, of=f)
    values = [*captured.captures, *[leaf.value for leaf in owned]]
    active = [False] * len(captured.captures) + [leaf.type.inexact for leaf in owned]
    outs, linear = derivative_at(captured.program, values, active, captured.known)
    tree, aux = captured.out_tree, captured.aux
    n = tree.num_leaves
    linear = linear.between(captured.program.inputs[len(captured.captures) :], n)
    types = tuple([leaf.type for leaf in owned])
    function = cls(linear, types, structure, captured.program.out_types[:n], tree, name_of(f))
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
    return watched("vjp", f, _linearized, Pullback, f, primals, "vjp", has_aux, False)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of ``f`` and its derivative as a function of tangents; ``f`` itself runs once.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> y, derivative = fd.linearize(np.sin, 0.0)
    >>> derivative(3.0)
    np.float64(3.0)
    """
    return watched("linearize", f, _linearized, LinearFunction, f, primals, "linearize", has_aux, True)


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
    types = [abstract_leaf(x, "a primal of linear_transpose").type for x in found]
    types = [t if t.inexact else t.with_dtype(np.dtype(np.float64)) for t in types]
    leaves = [Leaf(None, t, ARRAY if t.ndim else SCALAR) for t in types]
    captured = capture(lambda xs: twin(f)(*unflatten(structure, xs)), leaves, "linear_transpose", concrete=False)
    return LinearTranspose(name_of(f), captured.program, captured.captures, captured.out_tree, types, structure)


class LinearTranspose(Immutable):
    """What `linear_transpose` returns: a function of a cotangent of the value."""

    def __init__(
        self,
        name: str,
        program: Program,
        captures: Sequence[Any],
        out_tree: TreeDef,
        types: Sequence[ArrayType],
        in_tree: TreeDef,
    ) -> None:
        self.name, self.program, self.captures = name, program, captures
        self.out_tree, self.types, self.in_tree = out_tree, types, in_tree

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the arguments."""
        given, tree = leaves_of(cotangent, "the cotangent")
        if tree != self.out_tree:
            raise StructureError(
                f"the transpose of {self.name} takes a cotangent of structure {self.out_tree}, got {tree}"
            )
        out_types = self.program.out_types
        cts = [
            check_like(c, ty, f"the cotangent{p}") for c, ty, p in zip(given, out_types, leaf_paths(tree), strict=True)
        ]
        linear = [False] * len(self.captures) + [True] * len(self.types)
        found = transpose_program(self.program, linear, [*self.captures, *[None] * len(self.types)], cts)
        full = [instantiate(c, t) for c, t in zip(found, self.types, strict=True)]
        return tuple(unflatten(self.in_tree, fresh_all(full, [c for c in cts if type_of(c).ndim])))

    def __reduce__(self) -> tuple[Any, ...]:
        trees = stored(self.out_tree), self.types, stored(self.in_tree)
        return stored_transpose, (self.name, self.program, self.captures, *trees)

    def __repr__(self) -> str:
        return f"<functad.linear_transpose of {self.name}>"


def stored_transpose(
    name: str, program: Program, captures: Sequence[Any], out_tree: Any, types: Sequence[ArrayType], in_tree: Any
) -> LinearTranspose:
    """A transpose that has been pickled."""
    return LinearTranspose(name, program, captures, flatten(out_tree)[1], types, flatten(in_tree)[1])
