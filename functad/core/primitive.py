"""The ``Primitive`` record: all that functad knows about one operation, declared once."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from functad.caches import on_clearing, remember
from functad.core.seq import Seq
from functad.core.trace import current_trace, escaped
from functad.core.tracer import Tracer
from functad.errors import InternalError
from functad.ir.derived import derived
from functad.ir.program import Program, programs_in
from functad.ir.regions import Control
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import KernelRule

__all__ = ["REGISTRY", "Linear", "Primitive", "Sample", "Signature", "Singular", "type_of"]

Singular = bool | tuple[int, ...]

REGISTRY: dict[str, Primitive] = {}
"""Every primitive by its name."""


@dataclass(frozen=True)
class Linear:
    """Stands, in a transpose rule, for an operand that the result is linear in; its value does not exist.

    ``like()`` is, for a sequence, one of its length.
    """

    type: ArrayType
    like: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Sample:
    """One call of a primitive for the registry-driven tests: operand types (or arrays; sequences by their types) and
    params.

    ``low`` and ``high`` bound the random operands, so that they stay where the operation is defined and smooth.
    ``unmapped`` are the positions of operands that are the same for all elements of a mapped axis. Special values are
    tested up to the size ``largest``: some loops of libraries have no end beyond.
    """

    operands: tuple[Any, ...]
    params: dict[str, Any]
    low: float = -2.0
    high: float = 2.0
    smooth: bool = True
    unmapped: tuple[int, ...] = ()
    largest: float = math.inf


class Signature:
    """What follows from a primitive's operand types and params alone."""

    __slots__ = ("compute", "in_types", "out_types", "rules", "singular", "strange")

    def __init__(
        self,
        in_types: tuple[ArrayType, ...],
        out_types: tuple[ArrayType, ...],
        singular: Singular,
        compute: Callable[..., Any],
        rules: MutableMapping[Any, Any] | None = None,
    ) -> None:
        self.compute = compute  # what ``evaluate`` does, for operands of these types
        self.in_types = in_types
        self.out_types = out_types
        self.singular = singular
        self.strange = next(
            (t for t in (*in_types, *out_types) if not t.native), None
        )  # one of a dtype that native code has not
        self.rules: MutableMapping[Any, Any] = {} if rules is None else rules
        """Linear rules by which operands are active; see transforms.linearize."""


class Primitive:
    """One operation: type rule, NumPy evaluation, derivative, transpose, batching and native form.

    Parameters
    ----------
    name
        Its name in printed Programs, unique.
    type_rule
        ``type_rule(*in_types, **params)`` gives the result's type (a tuple of types if ``multiple_results``), or
        raises.
    evaluate
        ``evaluate(*values, **params)``: the specification, in NumPy.
    jvp
        ``jvp(tangents, primals, out, **params)``: the tangent of the result; a tangent is None where it is zero; at
        least one is not. None: the result has no derivative (integer or piecewise constant), its tangent is zero.
    transpose
        ``transpose(ct, *operands, **params)``: one cotangent (or None) an operand; linear operands come as ``Linear``.
    linear
        The operands in which the result is linear: ``"jointly"`` all together, ``"each"`` each alone, or the positions
        that are so together.
    batch
        ``batch(size, batched, *operands, **params)``: operands flagged in ``batched`` carry the mapped axis as axis 0;
        returns (result, whether it is batched).
    kernel
        Its native form, or a function ``(in_types, params) -> KernelRule``.
    samples
        ``samples()`` gives calls for the registry-driven tests.
    may_raise
        Whether evaluation can raise on some values (an index out of bounds).
    effect
        Whether evaluation does something that is seen outside, so that two of them are not one; it may raise, too.
    linearize
        For primitives with sub-Programs: ``linearize(in_types, params, mask) -> LinearRule`` in place of what jvp and
        transpose give.
    control
        For primitives with sub-Programs that it runs: what an equation is made of (``functad.ir.regions``). Passes and
        rules need nothing else; a call (``CALL``) is inlined.
    jvp_call
        For primitives with sub-Programs: ``jvp_call(primals, tangents, **params) -> (results, their tangents)`` in
        place of ``jvp``.
    cheap
        Whether a result takes a few cycles an element: it is computed again where it is needed rather than kept.
    reverse_only
        Whether it can be differentiated in reverse mode, but not in forward mode; None: as its sub-Programs.
    own_rules
        Whether each call brings derivative rules of its own: what follows from its params is found for each equation.
    ufunc, infix
        NumPy's ufunc that ``evaluate`` is for real arrays (or a function that takes an array for the result as a ufunc
        does: it may be an operand), and Python's operator that it is for real numbers, if any.
    copies
        Whether what ``evaluate`` gives shares no memory with its operands; nor does what a ufunc gives, or a number.
    of_python
        Whether a param holds a Python function: what follows from such params lives no longer than they do. Those that
        hold one have a dict ``derived`` for it.
    singular
        Whether a result, or what its derivative multiplies a tangent by, may be infinite or NaN where the operands are
        finite (a root at 0, a quotient, an exponential that overflows): an exactly zero tangent then stays zero. Or the
        positions of the operands that make it so where they are 0 (divisors: a fixed number other than 0 does not), or
        a function of (in_types, params) that says. A primitive with sub-Programs is singular where anything in them is;
        one with rules of its own says it for all calls.
    doubting
        For primitives with sub-Programs: ``doubting(params, doubts) -> (params, doubts)``. From which operands may be
        infinite or NaN, the params with sub-Programs that know which of their inputs may be so, and which results may
        be so.
    undifferentiated
        Operands in which the derivative is not known: its ``jvp`` raises an error where one of them has a tangent.
    """

    __slots__ = (
        "_signatures", "batch", "cheap", "control", "copies", "doubting", "effect", "evaluate", "infix", "jvp",
        "jvp_call", "kernel", "linear", "linearize", "may_raise", "module", "multiple_results", "name", "of_python",
        "own_rules", "owned", "piecewise_constant", "reverse_only", "samples", "singular", "transpose", "type_rule",
        "ufunc", "undifferentiated",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        type_rule: Callable[..., Any],
        evaluate: Callable[..., Any],
        jvp: Callable[..., Any] | None = None,
        transpose: Callable[..., Any] | None = None,
        linear: str | tuple[int, ...] | None = None,
        batch: Callable[..., Any] | None = None,
        kernel: KernelRule | Callable[..., KernelRule] | None = None,
        may_raise: bool = False,
        effect: bool = False,
        multiple_results: bool = False,
        samples: Callable[[], Iterable[Sample]] = tuple,
        linearize: Callable[..., Any] | None = None,
        jvp_call: Callable[..., Any] | None = None,
        control: Control | None = None,
        cheap: bool = False,
        reverse_only: bool | None = None,
        own_rules: bool = False,
        ufunc: Callable[..., Any] | None = None,
        infix: Callable[..., Any] | None = None,
        copies: bool = False,
        of_python: bool = False,
        singular: Singular | Callable[..., Singular] = False,
        doubting: Callable[..., tuple[Mapping[str, Any], Sequence[bool]]] | None = None,
        undifferentiated: tuple[int, ...] = (),
    ) -> None:
        if name in REGISTRY:
            raise InternalError(f"primitive {name!r} is declared twice")
        self.name = name
        self.module = importing_module()  # what declares it
        self.type_rule = type_rule
        self.evaluate = evaluate
        self.jvp = jvp
        self.transpose = transpose
        self.linear = linear
        self.batch = batch
        self.kernel = kernel
        self.may_raise = may_raise
        self.effect = effect
        self.multiple_results = multiple_results
        self.samples = samples
        self.linearize = linearize
        self.jvp_call = jvp_call
        self.control = control
        self.cheap = cheap
        self.reverse_only = reverse_only
        self.own_rules = own_rules
        self.ufunc = ufunc
        self.infix = infix
        self.copies = copies
        self.singular = singular
        self.doubting = doubting
        self.undifferentiated = undifferentiated
        self.piecewise_constant = jvp is None and jvp_call is None and linearize is None
        self.of_python = of_python
        self.owned = of_python or linearize is not None or jvp_call is not None
        self._signatures: dict[Any, Signature] = {}
        REGISTRY[name] = self

    def signature(self, in_types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> Signature:
        """What is known once and for all about operands of these types under these params; memoised, if params recur.

        Params are compared by ``==``: they are integers, booleans (one of the two for each param), strings, dtypes,
        tuples of these, and objects that are equal only where they mean the same.
        """
        if self.own_rules:  # whose Programs are made only if someone asks for them: what follows from the types is all
            out_types = tuple(self.type_rule(*in_types, **params))
            found = self._signatures.get((in_types, out_types))
            if found is None:
                made = Signature(in_types, out_types, bool(self.singular), self.evaluate)
                found = remember(self._signatures, (in_types, out_types), made, times=4)
            return found
        if self.owned:
            return self._signature_of_owned(in_types, params)
        key = (in_types, *params.items()) if params else in_types
        found = self._signatures.get(key)
        if found is None:
            found = remember(self._signatures, key, self._signature(in_types, params), times=4)
        return found

    def _signature_of_owned(self, in_types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> Signature:
        """The same with Programs or Python functions among the params: kept by the first of them, and free with it.

        So that this does not take the garbage collector, nothing in its table refers to it: neither the key nor, since
        they live only as long as they are used, the rules (unless a table holds the Program).
        """
        key: list[Any] = [in_types]
        first: Any = None
        table: dict[Any, Any] | None = None
        for name, value in params.items():
            if table is None:
                first, rest = (value[0], value[1:]) if type(value) is tuple and value else (value, ())
                table = getattr(first, "derived", None)
                key.append((name, value if table is None else rest))
            else:
                key.append((name, value))
        if table is None:
            table, place = self._signatures, tuple(key)
        else:
            place = ("signature", self, *key)
        found: Signature | None = table.get(place)
        if found is None:
            rules: Any = {} if getattr(first, "interned", False) else WeakValueDictionary()
            found = remember(table, place, self._signature(in_types, params, rules), times=4)
        return found

    def _signature(
        self,
        in_types: tuple[ArrayType, ...],
        params: Mapping[str, Any],
        rules: MutableMapping[Any, Any] | None = None,
    ) -> Signature:
        result = self.type_rule(*in_types, **params)
        singular = self.singular(in_types, params) if callable(self.singular) else self.singular
        singular = singular or any([is_singular(p) for p in programs_in(params)])
        out_types = tuple(result) if self.multiple_results else (result,)
        return Signature(in_types, out_types, singular, self.computing(out_types), rules)

    def computing(self, out_types: tuple[ArrayType, ...]) -> Callable[..., Any]:
        """What ``evaluate`` does where the results have these types."""
        out = out_types[0] if len(out_types) == 1 else None
        real = out is not None and not out.ndim and out.dtype.kind == "f"
        return self.evaluate if self.infix is None or not real else self.infix

    def out_types(self, in_types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> tuple[ArrayType, ...]:
        """The types of the results."""
        return self.signature(in_types, params).out_types

    def kernel_rule(self, in_types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> KernelRule | None:
        """The native form for operands of these types, if there is one."""
        rule = self.kernel
        return rule if rule is None or isinstance(rule, KernelRule) else rule(in_types, params)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply the primitive: an equation of the current trace, or NumPy's result where there is none."""
        trace = current_trace()
        if trace is not None:
            return trace.emit(self, args, params)
        for a in args:
            if type(a) is Tracer:
                raise escaped(a)
        return self.evaluate(*args, **params)

    def __reduce__(self) -> tuple[Any, ...]:
        return declared, (self.name, getattr(self.evaluate, "__module__", None))

    def __repr__(self) -> str:
        return f"Primitive({self.name})"


def importing_module() -> str:
    """The module that is being imported, and calls this, in a function or not; empty where none is."""
    frame = sys._getframe(1)
    while frame.f_code.co_name != "<module>":
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def declared(name: str, module: str | None = None) -> Primitive:
    """The primitive of a name, which a module declares; it may not have been imported yet."""
    if name not in REGISTRY and module is not None:
        importlib.import_module(module)
    return REGISTRY[name]


@on_clearing
def forget() -> None:
    """Forget what is known about operands of types and params that recur."""
    for primitive in REGISTRY.values():
        primitive._signatures.clear()


@derived
def is_singular(program: Program) -> bool:
    """Whether anything in a Program is singular."""
    return any([bool(e.signature.singular) for e in program.eqns])


def type_of(value: Any) -> ArrayType:
    """The type of a tracer, an array or a NumPy scalar."""
    if type(value) is Tracer:
        return value._variable.type
    if type(value) is Seq:
        return value.type
    return array_type(value.shape, value.dtype)


def bind_all(primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[Any, ...]:
    """``bind`` with the results always as a tuple."""
    out = primitive.bind(*args, **params)
    return tuple(out) if primitive.multiple_results else (out,)
