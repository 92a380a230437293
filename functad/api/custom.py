"""Functions with derivative rules of the user's own: ``custom_jvp``, ``custom_vjp``."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.api.arguments import leaves_of, name_of
from functad.core.capture import Captured, Leaf, capture
from functad.core.evaluator import run_program
from functad.core.trace import current_trace
from functad.core.tracer import ARRAY, SCALAR, Tracer
from functad.core.zeros import add, instantiate, zeros
from functad.errors import StructureError
from functad.ir.program import Program
from functad.ir.types import ArrayType
from functad.primitives.convert import convert
from functad.primitives.custom import Rule, custom_jvp_p, custom_vjp_p
from functad.transforms.programs import trace_program
from functad.tree import TreeDef, flatten, leaf_paths, unflatten

__all__ = ["custom_jvp", "custom_vjp"]


@dataclass
class Call:
    """One call of a function with a custom rule: its traced body, and how to name and rebuild its arguments."""

    name: str
    leaves: list[Leaf]
    tree: TreeDef  # of the tuple of differentiable arguments
    body: Captured

    @property
    def types(self) -> list[ArrayType]:
        """The types of the arguments' leaves."""
        return [leaf.type for leaf in self.leaves]

    def rule(self, f: Callable[[Sequence[Any]], Any], types: Sequence[ArrayType], kind: str) -> Captured:
        """Trace one of the rules."""
        return capture(f, [Leaf(None, t, ARRAY if t.ndim else SCALAR) for t in types], kind, concrete=False)


@dataclass
class OpenRules:
    """The rules of a call while they are traced; ``known`` if this is the function's call of itself in its own rule."""

    rules: tuple[Rule, ...]
    known: bool
    recursive: bool = False


_open_rules: ContextVar[dict[Any, OpenRules]] = ContextVar("functad_open_rules", default={})  # noqa: B039  never written to


class Custom(ABC):
    """What both kinds have in common."""

    kind = ""

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        functools.update_wrapper(self, fun)  # type: ignore[arg-type]
        self._fun = fun
        self._nondiff = frozenset(nondiff_argnums)

    @abstractmethod
    def __call__(self, *args: Any) -> Any:
        """Call the function."""

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self.__call__, instance)

    def _call(self, args: tuple[Any, ...]) -> tuple[Call, list[Any]]:
        """Trace the function itself; returns the arguments that are not differentiated, too."""
        fixed = [a for i, a in enumerate(args) if i in self._nondiff]
        moving = tuple([a for i, a in enumerate(args) if i not in self._nondiff])
        leaves, tree = leaves_of(moving, f"arguments of {name_of(self._fun)}: ")
        body = capture(lambda xs: self._fun(*self._join(args, unflatten(tree, xs))), leaves, self.kind, concrete=False)
        return Call(name_of(self._fun), leaves, tree, body), fixed

    @contextmanager
    def _rules_of(self, call: Call, fixed: Sequence[Any], count: int) -> Iterator[OpenRules]:
        """The rules for a call; inside of a rule that calls its own function on the same types, that rule itself."""
        key = (id(self), call.tree, *[id(f) for f in fixed], *[(leaf.type, leaf.kind) for leaf in call.leaves])
        around = _open_rules.get()
        if key in around:
            around[key].recursive = True
            yield OpenRules(around[key].rules, known=True)
            return
        opened = OpenRules(tuple([Rule() for _ in range(count)]), known=False)
        token = _open_rules.set({**around, key: opened})
        try:
            yield opened
        finally:
            _open_rules.reset(token)

    def _check_constants(self, call: Call, consts: Sequence[Tracer], opened: OpenRules) -> None:
        """A rule that calls its own function must not close over traced values: which they are is not known while it is traced."""
        if (opened.known and call.body.captures) or (opened.recursive and consts):
            raise StructureError(
                f"the rule of {self.kind} function {call.name} calls {call.name} itself, and they close over traced values; "
                "call the underlying function in the rule, or pass the values as arguments"
            )

    def _merge(self, fixed: Sequence[Any], moving: Sequence[Any]) -> list[Any]:
        """All arguments, from those that are not differentiated and those that are."""
        first, second = iter(fixed), iter(moving)
        return [next(first) if i in self._nondiff else next(second) for i in range(len(fixed) + len(moving))]

    def _join(self, args: tuple[Any, ...], moving: Sequence[Any]) -> list[Any]:
        """All arguments, from those that are not differentiated and new ones that are."""
        rest = iter(moving)
        return [a if i in self._nondiff else next(rest) for i, a in enumerate(args)]


def with_constants(captured: Captured, constants: Sequence[Tracer], arguments: int) -> Program:
    """The Program that takes all constants where the traced one takes those that it captured; its last ``arguments`` inputs stay."""
    own = [t.variable for t in captured.captures]
    places = [next(i for i, c in enumerate(constants) if c.variable is v) for v in own]
    types = captured.program.in_types[len(own) :]
    assert len(types) == arguments

    def f(*args: Any) -> Sequence[Any]:
        return run_program(captured.program, (*[args[i] for i in places], *args[len(constants) :]))

    return trace_program(f, (*[c.type for c in constants], *types))


def all_constants(*captured: Captured) -> list[Tracer]:
    """What several traced functions captured, each once."""
    found = {t.variable: t for c in captured for t in c.captures}
    return list(found.values())


class custom_jvp(Custom):
    """A function with a Jacobian-vector product rule of its own; it serves forward and reverse mode.

    Parameters
    ----------
    fun
        The function; containers of arrays in and out.
    nondiff_argnums
        Positions of arguments that are no arrays (functions, say) or are not differentiated; rules get them first.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.custom_jvp
    ... def log1pexp(x):
    ...     return np.log1p(np.exp(x))
    >>> @log1pexp.defjvp
    ... def log1pexp_jvp(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return log1pexp(x), t / (1 + np.exp(-x))
    >>> fd.grad(log1pexp)(1000.0)
    np.float64(1.0)
    """

    kind = "custom_jvp"

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self._rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule ``rule(primals, tangents) -> (value, tangent)``, linear in the tangents; tuples, one entry an argument."""
        self._rule = rule
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set one rule an argument, ``rule(tangent, value, *arguments) -> tangent of the value``; None where it is zero."""

        def rule(*given: Any) -> Any:
            *fixed, primals, tangents = given
            value = self(*self._merge(fixed, primals))
            parts = [r(t, value, *primals) for r, t in zip(rules, tangents, strict=True) if r is not None]
            leaves, tree = flatten(value)
            total: list[Any] = [None] * len(leaves)
            for part in parts:
                total = [add(a, leaf.value) for a, leaf in zip(total, leaves_of(part, "the tangent")[0], strict=True)]
            return value, unflatten(tree, [0.0 * v if t is None else t for t, v in zip(total, leaves, strict=True)])

        self._rule = rule

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        if current_trace() is None:
            return self._fun(*args)
        if self._rule is None:
            raise StructureError(f"custom_jvp function {name_of(self._fun)} has no rule; define one with @{name_of(self._fun)}.defjvp")
        call, fixed = self._call(args)
        with self._rules_of(call, fixed, 1) as opened:
            (rule,), consts = opened.rules, []
            if not opened.known:
                inexact = [t for t in call.types if t.inexact]
                traced = call.rule(lambda xs: self._apply(call, fixed, xs), (*call.types, *inexact), "custom_jvp")
                consts = all_constants(call.body, traced)
                rule.program = with_constants(traced, consts, len(call.leaves) + len(inexact))
            self._check_constants(call, consts, opened)
        program = with_constants(call.body, consts, len(call.leaves))
        values = [leaf.value for leaf in call.leaves]
        outs = custom_jvp_p.bind(*consts, *values, program=program, rule=rule, consts=len(consts), name=call.name)
        return unflatten(call.body.out_tree, outs)

    def _apply(self, call: Call, fixed: Sequence[Any], xs: Sequence[Any]) -> list[Any]:
        assert self._rule is not None
        primals, dots = xs[: len(call.types)], iter(xs[len(call.types) :])
        tangents = [next(dots) if t.inexact else zeros(t) for t in call.types]
        result = self._rule(*fixed, unflatten(call.tree, primals), unflatten(call.tree, tangents))
        if not (isinstance(result, tuple) and len(result) == 2):
            raise StructureError(f"the jvp rule of {call.name} must return a pair (value, tangent), got {type(result).__name__}")
        types = call.body.program.out_types
        values = results_like(result[0], call.body.out_tree, types, f"the value that the jvp rule of {call.name} returns")
        found = results_like(result[1], call.body.out_tree, types, f"the tangent that the jvp rule of {call.name} returns")
        return [*values, *[t for t, ty in zip(found, types, strict=True) if ty.inexact]]


class custom_vjp(Custom):
    """A function with a vector-Jacobian product rule of its own, for reverse mode.

    Set it with ``defvjp(fwd, bwd)``: ``fwd(*arguments) -> (value, residuals)`` and ``bwd(residuals, cotangent) -> tuple of cotangents``, one an
    argument, None where it is zero. Parameters as of `custom_jvp`; ``bwd`` gets arguments that are not differentiated first.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.custom_vjp
    ... def clipped_gradient(x):
    ...     return x
    >>> clipped_gradient.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    >>> fd.grad(lambda x: clipped_gradient(x) ** 2)(10.0)
    np.float64(1.0)
    """

    kind = "custom_vjp"

    def __init__(self, fun: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        super().__init__(fun, nondiff_argnums)
        self._rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rules."""
        self._rules = fwd, bwd

    def __call__(self, *args: Any) -> Any:
        """Call the function."""
        if current_trace() is None:
            return self._fun(*args)
        if self._rules is None:
            raise StructureError(f"custom_vjp function {name_of(self._fun)} has no rule; define one with {name_of(self._fun)}.defvjp(fwd, bwd)")
        call, fixed = self._call(args)
        with self._rules_of(call, fixed, 2) as opened:
            fwd, bwd = opened.rules
            consts = [] if opened.known else self._trace_rules(call, args, fixed, fwd, bwd)
            self._check_constants(call, consts, opened)
        program = with_constants(call.body, consts, len(call.leaves))
        values = [leaf.value for leaf in call.leaves]
        outs = custom_vjp_p.bind(*consts, *values, program=program, fwd=fwd, bwd=bwd, consts=len(consts), name=call.name)
        return unflatten(call.body.out_tree, outs)

    def _trace_rules(self, call: Call, args: tuple[Any, ...], fixed: Sequence[Any], fwd: Rule, bwd: Rule) -> list[Tracer]:
        """Trace both rules; returns what they and the function close over."""
        trees: list[TreeDef] = []
        types = call.body.program.out_types
        forward = call.rule(lambda xs: self._forward(call, args, xs, trees), call.types, "custom_vjp")
        residuals = forward.program.out_types[len(types) :]
        given = (*residuals, *[t for t in types if t.inexact])
        backward = call.rule(lambda xs: self._backward(call, fixed, xs, trees[0], len(residuals)), given, "custom_vjp")
        consts = all_constants(call.body, forward, backward)
        fwd.program = with_constants(forward, consts, len(call.leaves))
        bwd.program = with_constants(backward, consts, len(given))
        return consts

    def _forward(self, call: Call, args: tuple[Any, ...], xs: Sequence[Any], trees: list[TreeDef]) -> list[Any]:
        assert self._rules is not None
        result = self._rules[0](*self._join(args, unflatten(call.tree, xs)))
        if not (isinstance(result, tuple) and len(result) == 2):
            raise StructureError(f"fwd of {call.name} must return a pair (value, residuals), got {type(result).__name__}")
        values = results_like(result[0], call.body.out_tree, call.body.program.out_types, f"the value that fwd of {call.name} returns")
        residuals, tree = leaves_of(result[1], f"the residuals of {call.name}")
        trees.append(tree)
        return [*values, *[r.value for r in residuals]]

    def _backward(self, call: Call, fixed: Sequence[Any], xs: Sequence[Any], tree: TreeDef, residuals: int) -> list[Any]:
        assert self._rules is not None
        given = iter(xs[residuals:])
        cts = [next(given) if t.inexact else zeros(t) for t in call.body.program.out_types]
        result = self._rules[1](*fixed, unflatten(tree, xs[:residuals]), unflatten(call.body.out_tree, cts))
        children = call.tree.children()
        if not isinstance(result, tuple | list) or len(result) != len(children):
            raise StructureError(f"bwd of {call.name} must return a tuple of {len(children)} cotangents, one an argument, got {result!r}")
        found: list[Any] = []
        types = iter(call.types)
        for number, (ct, child) in enumerate(zip(result, children, strict=True)):
            own = [next(types) for _ in range(child.num_leaves)]
            what = f"the cotangent that bwd of {call.name} returns for argument {number}"
            values = [None] * len(own) if ct is None else results_like(ct, child, own, what)
            found += [instantiate(v, t) for v, t in zip(values, own, strict=True) if t.inexact]
        return found


def results_like(tree: Any, structure: TreeDef, types: Sequence[ArrayType], what: str) -> list[Any]:
    """The leaves of what a rule returned, checked against what they belong to."""
    leaves, found = leaves_of(tree, what)
    if found != structure:
        raise StructureError(f"{what} has the structure {found}; expected {structure}")
    values = []
    for leaf, t, path in zip(leaves, types, leaf_paths(structure), strict=True):
        if leaf.type.shape != t.shape or not np.can_cast(leaf.type.dtype, t.dtype, "same_kind"):
            raise StructureError(f"{what}{path} is {leaf.type}; expected {t}")
        values.append(leaf.value if leaf.type is t else convert(leaf.value, t.dtype))
    return values
