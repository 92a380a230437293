"""Capture: run a Python function on tracers and keep what it did as a Program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from functad import config
from functad.core.demand import Integers
from functad.core.following import SCRIPTS, name_of_trace
from functad.core.foreign import as_numpy, conversion, is_foreign
from functad.core.handles import ARGUMENT, snapshot
from functad.core.seq import Seq
from functad.core.statics import is_result
from functad.core.subclasses import plain_array
from functad.core.trace import ABSENT, Outside, Trace, current_trace, is_compiling, not_native, type_name, within
from functad.core.tracer import ARRAY, PYTHON, SCALAR, Tracer
from functad.errors import DtypeError, StructureError
from functad.ir.program import Program, Var, frozen
from functad.ir.types import ArrayType, array_type
from functad.recycled import POOLED_BYTES
from functad.tree.containers import TreeDef, flatten, leaf_paths

__all__ = ["Captured", "Leaf", "WithAux", "as_leaf", "capture", "from_outside", "own", "taken_over"]

_PYTHON_NUMBERS: dict[type, type] = {float: np.float64, int: np.int64, bool: np.bool_, complex: np.complex128}


class Leaf:
    """An argument as functad takes it: its value (or tracer), its type, and its kind (Python number, NumPy scalar,
    array).
    """

    __slots__ = ("kind", "type", "value")

    def __init__(self, value: Any, type: ArrayType, kind: int) -> None:
        self.value = value
        self.type = type
        self.kind = kind


def as_leaf(x: Any, where: Callable[[], str]) -> Leaf:
    """An argument as a Leaf: native byte order, no subclass; ``where()`` names it in an error."""
    cls = type(x)
    if cls is Tracer:  # as it is now: what is made of the argument must not see what is written to it later
        return Leaf(snapshot(x), x._variable.type, x._kind)
    if cls is Seq:
        return Leaf(x, x.type, ARRAY)
    if cls is np.ndarray:
        if x.dtype.kind not in "fciub":
            raise DtypeError(f"{where()} has dtype {x.dtype}; expected numbers or booleans")
        x = from_outside(x)
        if type(x) is Tracer:
            return Leaf(x, x._variable.type, ARRAY)
        found = array_type(x.shape, x.dtype)
        if x.dtype is not found.dtype:  # another byte order, or a second name: long long is i64, too
            x = x.view(found.dtype) if x.dtype.isnative else x.astype(found.dtype)
        return Leaf(x, found, ARRAY)
    if cls in _PYTHON_NUMBERS:
        try:
            value = _PYTHON_NUMBERS[cls](x)
        except OverflowError:
            raise DtypeError(f"{where()} is the integer {x}, which does not fit int64; use float(x)") from None
        return Leaf(value, array_type((), value.dtype), PYTHON)
    if isinstance(x, np.generic) and x.dtype.kind in "fciub":
        return Leaf(x, array_type((), x.dtype), SCALAR)
    if isinstance(x, np.ndarray):
        return as_leaf(plain_array(x, where()), where)
    if is_foreign(cls):
        return as_leaf(taken_over(x, where()), where)
    instead = f"; {conversion(x)}" if hasattr(cls, "shape") else ""
    raise StructureError(f"{where()} is a {type_name(x)}; expected an array, a number, or a container of them{instead}")


def taken_over(x: Any, what: str) -> np.ndarray:
    """The NumPy array that an array of another library gives; what is traced for later calls depends on its being the
    same then.
    """
    array: Any = as_numpy(x, what)
    trace = current_trace()
    if trace is not None and trace.outside is not None and type(array) is not Tracer:
        trace.outside.converted(x, array)
    return array  # type: ignore[no-any-return]


def own(leaf: Leaf) -> Leaf:
    """The leaf with a private, read-only copy of an array that someone else may write to, while the function runs or
    before a pullback is called.

    What counts are the values at the call; they are read when the function has returned.
    """
    value = leaf.value
    if type(value) is not np.ndarray or not changeable(value) or is_compiling():
        return leaf
    if value.nbytes > POOLED_BYTES and value.flags.c_contiguous and value.dtype.isnative:
        return Leaf(frozen(value), leaf.type, leaf.kind)
    private = value.copy(order="K")  # NumPy adds in the order of memory
    private.flags.writeable = False
    return Leaf(private, leaf.type, leaf.kind)


def changeable(array: np.ndarray) -> bool:
    """Whether an array, or what it is a view of, can be written to."""
    while not array.flags.writeable:
        base = array.base
        if not isinstance(base, np.ndarray):
            return base is not None
        array = base
    return True


def result_leaf(x: Any, where: Callable[[], str], trace: Trace) -> Leaf:
    """A result of a traced function as a Leaf."""
    leaf = as_leaf(x, where)
    if trace.native and not leaf.type.native:
        raise not_native(f"{where()} is", leaf.type)
    return leaf


def from_outside(x: np.ndarray) -> Any:
    """A plain array as the current trace takes it: a tracer where the Program is to read it anew at each call."""
    trace = current_trace()
    return x if trace is None or trace.outside is None else trace.outside.operand(x)


@dataclass
class WithAux:
    """The result of a traced function that has auxiliary data beside its value."""

    value: Any
    aux: Any


class Aux:
    """Auxiliary data: traced values, which become results of the Program, among anything else, which is handed through
    as it is.
    """

    def __init__(self, tree: Any) -> None:
        self._leaves, self._tree = flatten(tree)

    def traced(self) -> list[Tracer]:
        """The traced values among the leaves."""
        return [x for x in self._leaves if type(x) is Tracer]

    def with_values(self, values: Sequence[Any]) -> Any:
        """The data with values in place of what was traced."""
        rest = iter(values)
        return self._tree.unflatten([next(rest) if type(x) is Tracer else x for x in self._leaves])


@dataclass(slots=True)
class Captured:
    """What a traced call did."""

    # inputs: captures, then the leaves; outputs: the leaves of the value, then what is traced of the auxiliary data
    program: Program
    captures: list[Tracer]  # the enclosing trace's tracers that the first inputs stand for
    out_tree: TreeDef
    out_static: dict[
        int, Any
    ]  # the leaves of the value that are static, where those may be; the Program has the others
    aux: Aux | None
    out_kinds: list[int]
    known: dict[Var, Any]  # values that were computed on the way
    trace: Trace


def capture(
    f: Callable[[Sequence[Any]], Any],
    leaves: Sequence[Leaf],
    kind: str,
    concrete: bool,
    valued: Sequence[bool] | None = None,
    outside: Outside | None = None,
    of: Callable[..., Any] | None = None,
    integers: Integers | None = None,
    static_results: bool = False,
) -> Captured:
    """Run ``f`` on tracers of ``leaves``.

    ``concrete`` says whether values are computed on demand; ``valued`` which leaves have a value of their own (not
    under a mapped axis); ``outside`` is for a Program that serves later calls. ``of`` is the function whose last trace
    this one follows. ``integers`` are the leaves that Python may ask for, which ends the trace. ``static_results`` says
    whether strings and the like may be among the results.
    """
    name, codes = (
        (None, ()) if of is None or is_compiling() else name_of_trace(of, kind, [leaf.type for leaf in leaves])
    )
    script = None if name is None else SCRIPTS.take(name)
    trace = Trace(kind, concrete, outside=outside, scripted=name is not None, script=script)
    if outside is not None:
        outside.trace = trace
    tracers = []
    for i, leaf in enumerate(leaves):
        has_value = concrete and (valued is None or valued[i])
        tracer = Tracer(trace.add_input(leaf.type, leaf.value if has_value else ABSENT), trace, leaf.kind)
        tracer._memory = ARGUMENT
        tracers.append(tracer)
    if integers is not None:
        integers.stand_for(trace.inputs)
        trace.integers = integers
    try:
        if outside is None:
            return within(trace, traced, f, tracers, trace, static_results)
        return config.while_tracing(lambda: within(trace, traced, f, tracers, trace, static_results))
    finally:
        trace.open = False
        if name is not None and trace.script is not None:
            SCRIPTS.give_back(name, codes, trace.script)


def traced(
    f: Callable[[Sequence[Any]], Any], tracers: Sequence[Tracer], trace: Trace, static_results: bool
) -> Captured:
    """What the call of a function in a trace did."""
    result = f(tracers)
    value, aux = (result.value, Aux(result.aux)) if type(result) is WithAux else (result, None)
    found, out_tree = flatten(value)
    static = {i: x for i, x in enumerate(found) if is_result(type(x))} if static_results else {}

    def where(number: int) -> str:
        return f"the result{leaf_paths(out_tree)[number]} of the function under {trace.kind}"

    outputs = [
        Leaf(x, x._variable.type, x._kind)
        if type(x) is Tracer and not trace.native
        else result_leaf(x, partial(where, i), trace)
        for i, x in enumerate(found)
        if i not in static
    ]
    if aux is not None:
        outputs += [
            result_leaf(x, lambda: f"the auxiliary data of the function under {trace.kind}", trace)
            for x in aux.traced()
        ]
    program, captures = trace.finish([o.value for o in outputs])
    return Captured(program, captures, out_tree, static, aux, [o.kind for o in outputs], trace.env, trace)
