"""Functions with batching rules of the user's own: ``custom_vmap``, ``sequential_vmap``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import name_of
from functad.api.custom import positional
from functad.core.capture import Leaf
from functad.core.trace import current_trace
from functad.core.tracer import Tracer
from functad.core.wrapping import Wrapper, look_like
from functad.errors import StructureError
from functad.front.calls import twin
from functad.ir.types import ArrayType
from functad.lax.bodies import abstract, leaves_and_tree, trace_body, wrap
from functad.lax.loops import map as map_elements
from functad.primitives.convert import convert
from functad.primitives.custom_vmap import BatchingRule, custom_vmap_p
from functad.tree.containers import TreeDef, leaf_paths, unflatten

__all__ = ["custom_vmap", "sequential_vmap"]


class custom_vmap(Wrapper):
    """A function with a rule of its own for what it is over a mapped axis.

    Derivatives are those of the function where it is differentiated first, and of the rule where it is mapped first.

    Parameters
    ----------
    fun
        The function; containers of arrays in and out.

    Raises
    ------
    StructureError
        If it is mapped without a rule, or the rule returns what does not fit.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.custom_vmap
    ... def solve(a, b):
    ...     return np.linalg.solve(a, b)
    >>> @solve.def_vmap
    ... def solve_many(axis_size, in_batched, a, b):
    ...     if in_batched == [False, True]:              # one factorisation for all right-hand sides
    ...         return np.linalg.solve(a, b.T).T, True
    ...     a, b = [x if flag else np.broadcast_to(x, (axis_size, *x.shape)) for x, flag in zip((a, b), in_batched)]
    ...     return np.linalg.solve(a, b[..., None])[..., 0], True
    >>> fd.vmap(solve, in_axes=(None, 0))(2 * np.eye(2), np.array([[2.0, 4.0], [6.0, 8.0]]))
    array([[1., 2.],
           [3., 4.]])
    """

    closes_over = ("_f", "_rule")
    runs_later = True

    def __init__(self, fun: Callable[..., Any]) -> None:
        look_like(self, fun)
        self._f = fun
        self._rule: Callable[..., Any] | None = None

    def def_vmap(self, vmap_rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule, ``rule(axis_size, in_batched, *args) -> (out, out_batched)``.

        Arguments have the mapped axis in front where ``in_batched``, a list with a container of booleans for each, says
        so; ``out_batched`` says so of the results: a container of booleans, or one for all.
        """
        self._rule = vmap_rule
        return vmap_rule

    def around(self, fun: Callable[..., Any], rule: Callable[..., Any] | None) -> custom_vmap:
        """The same of other functions."""
        made = custom_vmap(fun)
        made._rule = rule
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if current_trace() is None:
            return self._f(*args, **kwargs)
        name = name_of(self._f)
        if self._rule is None:
            raise StructureError(f"custom_vmap function {name} has no rule; define one with @{name}.def_vmap")
        if kwargs:
            args = positional(self._f, args, kwargs)
        leaves, tree = leaves_and_tree(args, f"arguments of {name}: ")
        taken = [abstract(leaf.type, leaf.kind) for leaf in leaves]
        body = trace_body(lambda xs: twin(self._f)(*unflatten(tree, xs)), taken, "custom_vmap")
        rule = PythonRule(self._rule, name, tree, body.tree)
        operands = [*body.consts, *[leaf.value for leaf in leaves]]
        outs = custom_vmap_p.bind(*operands, program=body.program, rule=rule, consts=len(body.consts), name=name)
        return wrap(outs, body.tree)


class PythonRule(BatchingRule):
    """The user's rule, for arguments and results of these structures."""

    def __init__(self, f: Callable[..., Any], name: str, tree: TreeDef, out_tree: TreeDef) -> None:
        self.f, self.name, self.tree, self.out_tree = f, name, tree, out_tree

    def __call__(
        self, size: int, batched: Sequence[bool], operands: Sequence[Any], out_types: Sequence[ArrayType]
    ) -> tuple[Sequence[Any], Sequence[bool]]:
        flags = list(unflatten(self.tree, batched))
        found = twin(self.f)(size, flags, *unflatten(self.tree, [_for_user(x) for x in operands]))
        if not (isinstance(found, tuple) and len(found) == 2):
            raise StructureError(
                f"the vmap rule of {self.name} must return a pair (out, out_batched), got {type(found).__name__}"
            )
        leaves, tree = leaves_and_tree(found[0], f"the result of the vmap rule of {self.name}: ")
        if tree != self.out_tree:
            raise StructureError(f"the vmap rule of {self.name} returns {tree}, the function {self.out_tree}")
        given = self._flags(found[1])
        outs = [
            self._fitting(leaf, t.with_shape((size, *t.shape)) if flag else t, flag, path)
            for leaf, t, flag, path in zip(leaves, out_types, given, leaf_paths(tree), strict=True)
        ]
        return outs, given

    def _flags(self, given: Any) -> list[bool]:
        """Which results have the mapped axis."""
        if isinstance(given, bool | np.bool_):
            return [bool(given)] * self.out_tree.num_leaves
        leaves, tree = leaves_and_tree(given, f"out_batched of the vmap rule of {self.name}: ")
        if tree != self.out_tree:
            raise StructureError(
                f"the vmap rule of {self.name} returns out_batched={given}; expected a boolean, or a container of them "
                f"like {self.out_tree}"
            )
        return [bool(leaf.value) for leaf in leaves]

    def _fitting(self, leaf: Leaf, expected: ArrayType, flag: bool, path: str) -> Any:
        if leaf.type.shape == expected.shape and np.can_cast(leaf.type.dtype, expected.dtype, "same_kind"):
            return convert(leaf.value, expected.dtype)
        raise StructureError(
            f"the vmap rule of {self.name}: the result{path} is {leaf.type}, but out_batched={flag} for a function "
            f"that returns {expected.with_shape(expected.shape[1:]) if flag else expected} means {expected}"
        )


def _for_user(x: Any) -> Any:
    """An operand that the rule may not write to."""
    if isinstance(x, Tracer) or not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def sequential_vmap(fun: Callable[..., Any]) -> custom_vmap:
    """A function that is called for one element after the other, where it is mapped.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.sequential_vmap
    ... def total(x):
    ...     fd.debug.print("{}", x)
    ...     return np.sum(x)
    >>> fd.vmap(total)(np.array([[1.0, 2.0], [3.0, 4.0]]))
    [1. 2.]
    [3. 4.]
    array([3., 7.])
    """
    made = custom_vmap(fun)

    def rule(axis_size: int, in_batched: list[Any], *args: Any) -> Any:
        leaves, tree = leaves_and_tree(args, f"arguments of {name_of(fun)}: ")
        flags = leaves_and_tree(in_batched, "in_batched")[0]
        mapped = [bool(flag.value) for flag in flags]
        xs = [leaf.value for leaf, flag in zip(leaves, mapped, strict=True) if flag]

        def element(own: Sequence[Any]) -> Any:
            each = iter(own)
            values = [next(each) if flag else leaf.value for leaf, flag in zip(leaves, mapped, strict=True)]
            return twin(fun)(*unflatten(tree, values))

        return map_elements(element, xs), True

    made.def_vmap(rule)
    return made
