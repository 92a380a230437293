"""Calls of functions with rules of the user's own, and how the user's functions are run, now and later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.api.arguments import leaves_of
from functad.api.frozen import Frozen
from functad.api.world.kept import Kept
from functad.api.world.outside import Outside
from functad.core.capture import Leaf, capture
from functad.core.named_axes import axis_of
from functad.core.trace import ABSENT, Trace, current_trace, within
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.core.zeros import zeros
from functad.errors import EscapedTracerError, StructureError
from functad.front.calls import twin
from functad.ir.program import Program
from functad.ir.types import ArrayType, array_type
from functad.primitives.convert import convert
from functad.primitives.custom import Rule
from functad.primitives.custom_jvp import JvpRule
from functad.primitives.custom_vjp import VjpRule
from functad.tree import LEAF, TreeDef, leaf_paths, tuple_of_leaves

__all__ = ["Call", "PythonJvp", "PythonVjp", "evaluate", "has_values", "known_values"]


class Call:
    """A call as it was: the functions with what they close over, and the structures of arguments and results.

    Its operands are the traced values that were closed over, then the leaves of the arguments. It is run on operands
    of the same types: on values, or on tracers of whatever trace is open.
    """

    __slots__ = (
        "consts",
        "count",
        "fixed",
        "flat",
        "frozen",
        "kind",
        "kinds",
        "name",
        "out_kinds",
        "out_tree",
        "out_types",
        "tree",
        "types",
    )

    out_tree: TreeDef
    out_types: Sequence[ArrayType]
    out_kinds: Sequence[int]

    def __init__(
        self,
        kind: str,
        name: str,
        count: int,
        fixed: frozenset[int],
        frozen: Frozen,
        leaves: Sequence[Leaf],
        tree: TreeDef,
    ) -> None:
        self.kind = kind
        self.name = name
        self.count = count  # of the function and its rules
        self.fixed = fixed  # positions of arguments that are not differentiated
        self.frozen = frozen
        self.consts = frozen.slots
        self.types = [leaf.type for leaf in leaves]
        self.kinds = [leaf.kind for leaf in leaves]
        self.tree = tree
        self.flat = tree is tuple_of_leaves(len(leaves) - self.consts)  # no argument is a container

    # -- running the user's functions ----------------------------------------------------------------------------------

    def run(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call one of them: what it emits has its own lines, and traced values that it must not use are explained."""
        trace = current_trace()
        if trace is None:
            return self.evaluate(f, args)
        loc, trace.loc = trace.loc, None
        try:
            return twin(f)(*args)
        except EscapedTracerError as error:
            raise self.not_found(error) from error
        finally:
            trace.loc = loc

    def evaluate(self, f: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call one of them where nothing is traced."""
        try:
            return within(None, f, *args)
        except EscapedTracerError as error:
            raise self.not_found(error) from error

    def not_found(self, error: EscapedTracerError | None = None) -> EscapedTracerError:
        """The error for a traced value that comes neither as an argument nor from a closure."""
        return not_found(self.kind, self.name, error)

    def not_together(self, captures: Sequence[Tracer]) -> StructureError:
        """The error for a collective in the function."""
        return StructureError(
            f"{self.kind} function {self.name} uses the mapped axis {axis_of(captures)!r}, but its rule is run where "
            "the axis may be mapped no more; take the collective out of the function, or pass its result as an argument"
        )

    def closed(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """The functions, then arguments that are not differentiated, with what stands for traced values closed over."""
        if not self.consts:
            return self.frozen.parts
        return self.frozen.with_values(list(map(as_python, operands[: self.consts], self.kinds)))

    def arguments(self, operands: Sequence[Any]) -> tuple[Any, ...]:
        """The differentiable arguments."""
        kinds = self.kinds
        if self.consts:
            operands, kinds = operands[self.consts :], kinds[self.consts :]
        found = map(as_python, operands, kinds)
        return tuple(found) if self.flat else self.tree.unflatten(found)  # type: ignore[return-value]

    def apply(
        self, number: int, operands: Sequence[Any], run: Callable[[Callable[..., Any], Sequence[Any]], Any]
    ) -> Any:
        """What one of the functions returns, which takes all arguments in their order."""
        parts, args = self.closed(operands), self.arguments(operands)
        if self.fixed:
            first, second = iter(parts[self.count :]), iter(args)
            args = tuple(
                [next(first) if i in self.fixed else next(second) for i in range(len(parts) - self.count + len(args))]
            )
        return run(parts[number], args)

    # -- the function as a Program -------------------------------------------------------------------------------------

    def values(self, *operands: Any) -> list[Any]:
        """The leaves of the result on values of the operands."""
        return self.taken(self.apply(0, operands, self.evaluate))

    def taken(self, result: Any) -> list[Any]:
        """The leaves of what the function returned, whose structure is that of the call's result."""
        own = owned(result)
        if own is not None:
            self.out_tree, self.out_types = LEAF, [array_type(own.shape, own.dtype)]
            self.out_kinds = [ARRAY if type(own) is np.ndarray else SCALAR]
            return [own]
        leaves, self.out_tree = leaves_of(result, f"the result of {self.name}: ")
        self.out_types, self.out_kinds = [leaf.type for leaf in leaves], [leaf.kind for leaf in leaves]
        if any([type(leaf.value) is Tracer for leaf in leaves]):
            raise self.not_found()
        return [private(leaf.value) for leaf in leaves]

    def traced_with_values(self, values: Sequence[Any], types: Sequence[ArrayType]) -> Program:
        """The function's Program, after it has been evaluated on these values, with results of these types."""
        program = within(None, lambda: self.traced(values, self.kind, concrete=True))
        if list(program.out_types) != list(types):
            raise StructureError(
                f"{self.kind} function {self.name} returns {', '.join(map(str, program.out_types))}, "
                f"but its rule returns {', '.join(map(str, types))} for the value; both must be the same"
            )
        return program

    def traced(self, operands: Sequence[Any], kind: str, concrete: bool) -> Program:
        """The function's Program; ``kind`` is what traces, for messages."""
        leaves = [Leaf(x, t, k) for x, t, k in zip(operands, self.types, self.kinds, strict=True)]
        around = current_trace()
        outside = Kept(around.outside) if around is not None and isinstance(around.outside, Outside) else None
        if outside is not None:
            outside.depends_on_all(self.frozen.parts)
        captured = capture(lambda xs: self.apply(0, xs, self.run), leaves, kind, concrete, outside=outside)
        if captured.captures:
            raise self.not_found() if axis_of(captured.captures) is None else self.not_together(captured.captures)
        self.out_tree, self.out_types, self.out_kinds = (
            captured.out_tree,
            captured.program.out_types,
            captured.out_kinds,
        )
        return captured.program

    def results(self, outs: Sequence[Tracer]) -> Any:
        """The result as the user sees it."""
        if self.out_tree is LEAF and outs[0]._kind == self.out_kinds[0]:
            return outs[0]
        for number, (out, kind) in enumerate(zip(outs, self.out_kinds, strict=True)):
            if out._kind != kind:
                outs = [*outs[:number], Tracer(out._variable, out._owner, kind), *outs[number + 1 :]]
        return self.out_tree.unflatten(outs)

    def canonical(self, rule: Rule) -> Rule:
        """The first of the rules of calls like this one: as long as the function lives, if it closes over nothing."""
        key = type(rule), tuple(self.types), tuple(self.kinds), self.tree
        found: Rule = self.frozen.rules.setdefault(key, rule)
        return found

    # -- what rules take and return ------------------------------------------------------------------------------------

    def like_arguments(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Tangents of the arguments, from those of their leaves (None where zero)."""
        types = self.types[self.consts :] if self.consts else self.types
        return self.tree.unflatten(map(instantiated, values, types))  # type: ignore[return-value]

    def like_results(self, values: Sequence[Any]) -> Any:
        """The cotangent of the result, from those of its leaves (None where zero)."""
        if self.out_tree is LEAF:
            return instantiated(values[0], self.out_types[0])
        return self.out_tree.unflatten(map(instantiated, values, self.out_types))

    def leaves_like(self, tree: Any, structure: TreeDef, types: Sequence[ArrayType], what: str) -> list[Any]:
        """The leaves of what a rule returned, checked against what they belong to."""
        if structure is LEAF:
            value = fitting(tree, types[0])
            if value is not None:
                return [value]
        leaves, found = leaves_of(tree, f"{what} of {self.name}")
        if found != structure:
            raise StructureError(f"{what} of {self.name} has the structure {found}; expected {structure}")
        values = []
        for number, (leaf, t) in enumerate(zip(leaves, types, strict=True)):
            if leaf.type is t:
                values.append(private(leaf.value))
            elif leaf.type.shape == t.shape and np.can_cast(leaf.type.dtype, t.dtype, "same_kind"):
                values.append(convert(leaf.value, t.dtype))
            else:
                raise StructureError(
                    f"{what} of {self.name}{leaf_paths(structure)[number]} is {leaf.type}; expected {t}"
                )
        return values

    def pair(self, result: Any, what: str, expected: str) -> tuple[Any, Any]:
        """The two things that a rule returned."""
        if not (isinstance(result, tuple) and len(result) == 2):
            raise StructureError(f"{what} of {self.name} must return a pair {expected}, got {type(result).__name__}")
        return result


def evaluate(kind: str, name: str, f: Callable[..., Any], args: Sequence[Any]) -> Any:
    """Call a function, or its rule, where nothing is traced."""
    try:
        return within(None, f, *args)
    except EscapedTracerError as error:
        raise not_found(kind, name, error) from error


def not_found(kind: str, name: str, error: EscapedTracerError | None = None) -> EscapedTracerError:
    """The error for a traced value that is neither an argument nor in a closure; that of a call inside stays."""
    if error is not None and isinstance(error.__cause__, EscapedTracerError):
        return error
    return EscapedTracerError(
        f"{kind} function {name}, or its rule, uses a traced value that is neither among its arguments nor in a "
        "closure: an attribute of an object, a global, or what was stored in an earlier call. Pass it as an argument"
    )


def as_python(x: Any, kind: int) -> Any:
    """An operand as the user's functions see it: of the kind that it was, and not to be written to."""
    if type(x) is np.ndarray:
        x = x.view()
        x.setflags(write=False)
        return x
    if kind != PYTHON:
        return x
    if type(x) is Tracer:
        return x if x._kind == PYTHON else Tracer(x._variable, x._owner, PYTHON)
    return x.item()


def private(x: Any) -> Any:
    """What a user's function returned, which may be an array that it writes to again later."""
    return x.copy() if type(x) is np.ndarray and x.flags.writeable else x


def fitting(x: Any, type_: ArrayType) -> Any:
    """What a rule returned for a value of this type, made private; None where it is not just that. So most take no
    search.
    """
    cls = type(x)
    if cls is np.ndarray:
        if x.shape == type_.shape and x.dtype is type_.dtype:
            return x.copy() if x.flags.writeable else x
    elif cls is np.float64:
        return x if type_.dtype is x.dtype and not type_.ndim else None
    elif cls is Tracer and x._variable.type is type_:
        return x
    return None


def owned(x: Any) -> Any:
    """A result that is one plain array or number, made private; None for anything else. So most take no search."""
    if type(x) is np.float64:
        return x
    if type(x) is np.ndarray and x.dtype.kind in "fciub" and x.dtype.isnative:
        return x.copy() if x.flags.writeable else x
    return None


def instantiated(value: Any, type: ArrayType) -> Any:
    """A tangent or cotangent as the user's functions see it."""
    return zeros(type) if value is None else as_python(value, ARRAY)


def has_values(trace: Trace) -> bool:
    """Whether neither a trace nor one around it is to serve other values too."""
    t: Trace | None = trace
    while t is not None:
        if not t.concrete:
            return False
        t = t.parent
    return True


def known_values(trace: Trace, operands: Sequence[Any]) -> list[Any] | None:
    """The values of all operands; None where one is not known, or where the trace is to serve other values too."""
    if not has_values(trace):
        return None
    values = []
    for x in operands:
        if type(x) is Tracer:
            value = x._owner.env.get(x._variable, ABSENT)
            x = x._owner.ask(x._variable) if value is ABSENT else value
            if x is ABSENT:
                return None
        values.append(x)
    return values


class PythonJvp(JvpRule):
    """The rule of one call of a `custom_jvp` function."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.types, call.consts)
        self._call = call

    def canonical(self) -> Rule:
        return self._call.canonical(self)

    @property
    def out_types(self) -> Sequence[ArrayType]:
        return self._call.out_types

    def __call__(self, operands: Sequence[Any], tangents: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        call = self._call
        parts = call.closed(operands)
        result = call.run(parts[1], (*parts[2:], call.arguments(operands), call.like_arguments(tangents)))
        value, tangent = call.pair(result, "the jvp rule", "(value, tangent)")
        values = call.leaves_like(value, call.out_tree, call.out_types, "the value from the jvp rule")
        return values, call.leaves_like(tangent, call.out_tree, call.out_types, "the tangent from the jvp rule")


class PythonVjp(VjpRule):
    """The rule of one call of a `custom_vjp` function; its form is the structure of the residuals, and their kinds."""

    _done: tuple[list[Any], list[Any], Any] | None = None

    def __init__(self, call: Call) -> None:
        super().__init__(call.types, call.consts)
        self._call = call

    def canonical(self) -> Rule:
        return self._call.canonical(self)

    @property
    def out_types(self) -> Sequence[ArrayType]:
        return self._call.out_types

    def ahead(self, values: Sequence[Any]) -> list[Any]:
        """The results on values of the operands, by the forward run, which is kept for the derivative there."""
        call = self._call
        value, kept = call.pair(call.apply(1, values, call.evaluate), "fwd", "(value, residuals)")
        results = call.taken(value)
        self._done = results, *self._residuals(kept)
        return results

    def forward(self, operands: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any], Any]:
        call = self._call
        if self._done is not None and current_trace() is None:
            found, self._done = self._done, None
            return found
        value, kept = call.pair(call.apply(1, operands, call.run), "fwd", "(value, residuals)")
        values = call.leaves_like(value, call.out_tree, call.out_types, "the value from fwd")
        return values, *self._residuals(kept)

    def _residuals(self, kept: Any) -> tuple[list[Any], Any]:
        own = owned(kept)
        if own is not None:
            return [own], (LEAF, (ARRAY if type(own) is np.ndarray else SCALAR,))
        leaves, tree = leaves_of(kept, f"the residuals of {self._call.name}")
        return [private(leaf.value) for leaf in leaves], (tree, [leaf.kind for leaf in leaves])

    def backward(
        self, form: Any, consts: Sequence[Any], residuals: Sequence[Any], cotangents: Sequence[Any]
    ) -> Sequence[Any]:
        call, (tree, kinds) = self._call, form
        parts = call.closed(consts)
        kept = as_python(residuals[0], kinds[0]) if tree is LEAF else tree.unflatten(map(as_python, residuals, kinds))
        result = call.run(parts[2], (*parts[3:], kept, call.like_results(cotangents)))
        children = (LEAF,) * (len(call.types) - call.consts) if call.flat else call.tree.children()
        if not isinstance(result, tuple | list) or len(result) != len(children):
            raise StructureError(
                f"bwd of {call.name} must return a tuple of {len(children)} cotangents, one an argument, got {result!r}"
            )
        found: list[Any] = []
        for number, (ct, child) in enumerate(zip(result, children, strict=True)):
            first = call.consts + len(found)
            value = fitting(ct, call.types[first]) if child is LEAF or child == LEAF else None
            if value is not None and call.types[first].inexact:
                found.append(value)
                continue
            types = call.types[first : first + child.num_leaves]
            found += [None] * len(types) if ct is None else self._cotangents(ct, child, types, number)
        return found

    def _cotangents(self, ct: Any, structure: TreeDef, types: Sequence[ArrayType], number: int) -> Sequence[Any]:
        """The cotangents of the leaves of an argument; those without derivative have none."""
        structure = LEAF if structure == LEAF else structure
        values = self._call.leaves_like(ct, structure, types, f"the cotangent of argument {number} from bwd")
        return [v if t.inexact else None for v, t in zip(values, types, strict=True)]
