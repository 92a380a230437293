"""Functions with derivative rules of the user's own: ``custom_jvp``, ``custom_vjp``."""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from functad.api.arguments import leaves_of, name_of
from functad.api.custom_calls import Call, PythonJvp, PythonVjp, evaluate, has_values, known_values
from functad.api.frozen import Frozen, closes_over_nothing, freeze
from functad.core.capture import Leaf
from functad.core.primitive import Primitive, type_of
from functad.core.trace import Trace, current_trace
from functad.core.typed import P, R
from functad.core.wrapping import Wrapper, look_like
from functad.core.zeros import add
from functad.errors import StructureError
from functad.ir.program import ProgramOnDemand
from functad.primitives.custom import Rule
from functad.primitives.custom_jvp import custom_jvp_p
from functad.primitives.custom_vjp import custom_vjp_p
from functad.tree.containers import flatten, unflatten

__all__ = ["custom_jvp", "custom_vjp"]

REVERSE = frozenset(("grad", "vjp", "jacobian", "jacrev"))
"""Transforms that go on to reverse mode at the values they traced with: the forward run gives value and residuals."""

PLAIN = frozenset((float, int, bool, complex, np.ndarray, np.float64, np.float32, np.int64))
"""Arguments that hold no tracers."""


class Custom(Generic[P, R], Wrapper):
    """What both kinds have in common."""

    kind = ""
    primitive: Primitive
    rule: Callable[[Call], Rule]

    closes_over = ("_functions",)
    runs_later = True

    def __init__(self, fun: Callable[P, R], nondiff_argnums: int | Sequence[int] = ()) -> None:
        look_like(self, fun)
        self._define(fun)
        self._nondiff = frozenset((nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums)

    def _define(self, *functions: Callable[..., Any], symbolic_zeros: bool = False) -> None:
        """Set the function and its rules."""
        self._functions = functions
        self._symbolic = symbolic_zeros
        self._name = name_of(functions[0])
        self._arguments = f"arguments of {self._name}: "
        self._frozen = Frozen(functions, 0) if all([closes_over_nothing(f) for f in functions]) else None

    @abstractmethod
    def _no_rule(self) -> StructureError:
        """The error where no rule has been defined."""

    def around(self, functions: tuple[Callable[..., Any], ...]) -> Any:
        """The same of other functions."""
        made = type(self).__new__(type(self))
        vars(made).update(vars(self))
        made._functions = functions
        return made

    def __repr__(self) -> str:
        return f"<functad.{self.kind} of {self._name}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self.__call__, instance)

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            raise NotImplementedError

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        trace, fun = current_trace(), self._functions[0]
        if trace is None:
            return fun(*args, **kwargs)
        if len(self._functions) == 1:
            raise self._no_rule()
        if self._frozen is not None and PLAIN.issuperset(map(type, args)) and not kwargs and has_values(trace):
            return evaluate(self.kind, self._name, fun, args)
        if kwargs or (type(fun) is FunctionType and fun.__defaults__ and len(args) < fun.__code__.co_argcount):
            args = positional(fun, args, kwargs)
        fixed, parts = self._nondiff, self._functions
        moving = args
        if fixed:
            moving = tuple([a for i, a in enumerate(args) if i not in fixed])
            parts = (*parts, *[a for i, a in enumerate(args) if i in fixed])
        leaves, tree = leaves_of(moving, self._arguments, "name it in nondiff_argnums")
        if self._frozen is not None and not fixed:
            frozen = self._frozen
        else:
            frozen, consts = freeze(parts, trace)
            leaves = [*[Leaf(t, type_of(t), t._kind) for t in consts], *leaves]
        operands = [leaf.value for leaf in leaves]
        call = Call(self.kind, self._name, len(self._functions), fixed, frozen, leaves, tree, self._symbolic)
        rule, values = self.rule(call), known_values(trace, operands)
        if values is None:
            program, results = call.traced(operands, trace.kind, trace.concrete), None
        else:
            results = self._evaluate(call, rule, trace, values)
            make = functools.partial(call.traced_with_values, values, call.out_types)
            program = ProgramOnDemand(make, call.types, call.out_types, call.values)
        if not call.out_types:
            return call.results(())
        params = {"program": program, "rule": rule, "consts": call.consts, "name": call.name}
        return call.results(trace.emit(self.primitive, operands, params, results))

    if not TYPE_CHECKING:
        __call__ = _called

    def _evaluate(self, call: Call, rule: Rule, trace: Trace, values: Sequence[Any]) -> list[Any]:
        """The leaves of the result, where the operands have values."""
        return call.values(*values)


def positional(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments by position, defaults included: so rules get them."""
    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise StructureError(
            f"{name_of(fun)} has rules of its own, which take arguments by position, but "
            f"{', '.join(bound.kwargs)} can be given by keyword only; make it a positional parameter"
        )
    return bound.args


class custom_jvp(Custom[P, R]):
    """A function with a Jacobian-vector product rule of its own; it serves forward and reverse mode.

    The rule runs when the function is differentiated; what it closes over is fixed when the function is called. Without
    `jit`, the function and its rule get plain values where these are known.

    Parameters
    ----------
    fun
        The function; containers of arrays in and out.
    nondiff_argnums
        Positions of arguments that are no arrays (functions, say) or are not differentiated; rules get them first. They
        may be traced, and close over traced values.

    Raises
    ------
    StructureError
        If a rule is missing or returns what does not fit, or for derivatives with respect to what is closed over.
    EscapedTracerError
        If the function or its rule uses a traced value that is neither an argument nor in a closure.

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
    primitive, rule = custom_jvp_p, PythonJvp

    def _no_rule(self) -> StructureError:
        return StructureError(f"custom_jvp function {self._name} has no rule; define one with @{self._name}.defjvp")

    def defjvp(self, rule: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set ``rule(primals, tangents) -> (value, tangent)``, linear in the tangents; an entry an argument. Tangents
        that are zero are zeros; with ``symbolic_zeros``, a `SymbolicZero`.
        """
        self._define(self._functions[0], rule, symbolic_zeros=symbolic_zeros)
        return rule

    def defjvps(self, *rules: Callable[..., Any] | None) -> None:
        """Set one rule an argument, ``rule(tangent, value, *arguments)``: the tangent of the value; None where zero."""

        def rule(*given: Any) -> Any:
            *fixed, primals, tangents = given
            first, second = iter(fixed), iter(primals)
            value = self._called(
                *[next(first) if i in self._nondiff else next(second) for i in range(len(fixed) + len(primals))]
            )
            parts = [r(t, value, *primals) for r, t in zip(rules, tangents, strict=True) if r is not None]
            leaves, tree = flatten(value)
            total: list[Any] = [None] * len(leaves)
            for part in parts:
                total = [add(a, leaf.value) for a, leaf in zip(total, leaves_of(part, "the tangent")[0], strict=True)]
            return value, unflatten(tree, [0.0 * v if t is None else t for t, v in zip(total, leaves, strict=True)])

        self._define(self._functions[0], rule)


class custom_vjp(Custom[P, R]):
    """A function with a vector-Jacobian product rule of its own, for reverse mode.

    Set it with ``defvjp(fwd, bwd)``: ``fwd(*arguments) -> (value, residuals)`` and ``bwd(residuals, cotangent) ->
    tuple of cotangents``, one an argument, None where it is zero. Parameters as of `custom_jvp`; ``bwd`` gets
    arguments that are not differentiated first, ``fwd`` all in their order. Under reverse mode the value is that of
    ``fwd``.

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
    primitive, rule = custom_vjp_p, PythonVjp

    def _evaluate(self, call: Call, rule: Rule, trace: Trace, values: Sequence[Any]) -> list[Any]:
        if trace.kind in REVERSE and trace.parent is None and not self._symbolic:
            assert isinstance(rule, PythonVjp)
            try:
                return rule.ahead(values)
            except Exception:  # is raised where the derivative is needed, if it is
                return call.values(*values)
        return super()._evaluate(call, rule, trace, values)

    def _no_rule(self) -> StructureError:
        return StructureError(
            f"custom_vjp function {self._name} has no rule; define one with {self._name}.defvjp(fwd, bwd)"
        )

    def defvjp(
        self,
        fwd: Callable[..., Any],
        bwd: Callable[..., Any],
        symbolic_zeros: bool = False,
        optimize_remat: bool = False,
    ) -> None:
        """Set the rules.

        With ``symbolic_zeros``, each leaf of what ``fwd`` gets is a `CustomVJPPrimal`, which says whether it is
        differentiated, and cotangents that are zero are a `SymbolicZero` in place of zeros. ``optimize_remat`` is taken
        for the sake of JAX's signature.
        """
        self._define(self._functions[0], fwd, bwd, symbolic_zeros=symbolic_zeros)
