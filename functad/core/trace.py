"""Tracing: ``bind`` emits equations into the current trace, and values are computed on demand where they are known.

A trace collects the equations of one function call. Traces nest; a tracer of an enclosing trace that is used in an
inner one becomes an explicit extra input ("capture") of every trace in between, so that inner Programs are closed and
no transform can confuse the variables of another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from functad.core.advice import advice, only_advice, quoted
from functad.core.constants import Constants
from functad.core.demand import Integers, demand
from functad.core.following import Script
from functad.core.foreign import type_name as type_name
from functad.core.location import scipy_call, user_frame, user_location
from functad.core.observing import Observer, observing
from functad.core.outside import Outside
from functad.core.seq import Seq
from functad.core.subclasses import plain_array
from functad.core.tracer import ARRAY, PLAIN_SCIPY, SCALAR, Tracer
from functad.errors import OF_VALUES, DtypeError, EscapedTracerError, StructureError, TracerConversionError
from functad.ir.program import Atom, Eqn, Literal, Location, Program, Var, literal
from functad.ir.types import ArrayType, array_type

if TYPE_CHECKING:
    from functad.core.named_axes import NamedAxis
    from functad.core.primitive import Primitive

__all__ = [
    "ABSENT", "Outside", "Trace", "current_trace", "described", "entered", "inherited_location", "is_compiling",
    "left", "not_native", "within",
]  # fmt: skip

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""Stands for a value that is not known while tracing."""

T = TypeVar("T")

_current: ContextVar[Trace | None] = ContextVar("functad_trace", default=None)

current_trace = _current.get

FLOAT64 = array_type((), np.float64)

SMALL = 500
"""Elements up to which an array is copied in less time than it is looked at."""

floating_rules: ContextVar[Any] = getattr(
    np._core.umath,  # type: ignore[attr-defined]
    "_extobj_contextvar",
    ContextVar("floating_rules", default=None),
)
"""What NumPy does about floating-point errors, as ``np.errstate`` sets it. Should NumPy keep it elsewhere, the rules
are those in force when a value is computed.
"""


def within(trace: Trace | None, f: Callable[..., T], *args: Any) -> T:
    """What a function returns while ``trace`` is the one that ``bind`` emits into; None: where all is evaluated.

    However it ends, the trace around it is the current one again. (The handler of a signal may raise wherever a
    function of Python begins or has returned: so where a context manager is entered or left.)
    """
    around = _current.get()
    try:
        _current.set(trace)
        return f(*args)
    finally:
        _current.set(around)


def entered(trace: Trace) -> Token[Trace | None]:
    """Make a trace the current one until it is ``left``, inside of what runs ``within`` another."""
    return _current.set(trace)


left = _current.reset


def is_compiling() -> bool:
    """Whether what is traced now is part of a Program that serves other values too (it is under ``jit``, or in the body
    of a loop).
    """
    trace = _current.get()
    while trace is not None:
        if not trace.concrete:
            return True
        trace = trace.parent
    return False


class inherited_location:
    """A scope in which equations are emitted from given locations: rules inherit the location of what they
    differentiate.

    ``with inherited_location() as at:`` and then ``at.loc = eqn.loc`` before each rule. Where nothing is traced, the
    rule is evaluated, and it is an error that inherits the location.
    """

    __slots__ = ("loc", "trace")

    def __enter__(self) -> Trace | Observer | Nowhere:
        self.trace = _current.get() or observing.get() or Nowhere()
        self.loc = self.trace.loc
        return self.trace

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OF_VALUES):
            error.at(self.trace.loc)
        self.trace.loc = self.loc


class Nowhere:
    """Stands for the current trace where there is none."""

    __slots__ = ("loc",)

    def __init__(self) -> None:
        self.loc: Location | None = None


def not_native(what: str, type: ArrayType) -> DtypeError:
    """The error for a dtype that native code does not have; ``what`` takes, gives or is an array of it."""
    convert = "complex" if type.dtype.kind == "c" else "float"
    return DtypeError(
        f"{what} {type.dtype}, which native code does not have; convert with .astype({convert}), or leave jit out"
    )


class Trace:
    """The equations of one function call while it runs.

    Parameters
    ----------
    kind
        The transform that traces, for messages: ``"grad"``, ``"vmap"``, ``"jit"`` ...
    concrete
        Whether values are computed where they are known. Under ``jit`` they are not: the Program must serve other
        values too.
    locate
        Whether equations know the user's line. Derivation of a rule that serves many places turns it off.
    outside
        What reads arrays anew at each call; that of the parent if none is given.
    scripted
        Whether it follows a script, or leaves one; see ``core/following.py``.
    """

    __slots__ = (
        "axis",
        "bound",
        "captures",
        "concrete",
        "constants",
        "cursor",
        "env",
        "eqns",
        "inputs",
        "integers",
        "kind",
        "loc",
        "locate",
        "native",
        "observer",
        "open",
        "outside",
        "parent",
        "raised",
        "rules",
        "script",
        "scripted",
        "sources",
        "start_rules",
        "steps",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        concrete: bool,
        locate: bool = True,
        outside: Outside | None = None,
        scripted: bool = False,
        script: Script | None = None,
    ) -> None:
        self.scripted = scripted
        self.script = script
        self.steps: Sequence[Eqn] = () if script is None else script.steps  # empty once it differs from the script
        self.bound: list[int] = []  # equations that hold constants, or what belongs to this trace alone
        self.kind = kind
        self.loc: Location | None = None  # where equations come from, if not from the user's innermost frame
        self.locate = locate
        self.concrete = concrete
        self.parent = _current.get()
        self.native: bool = kind == "jit" or (
            self.parent is not None and self.parent.native
        )  # whether all of it becomes native code
        self.outside: Outside | None = self.parent.outside if outside is None and self.parent is not None else outside
        self.inputs: list[Var] = []
        self.eqns: list[Eqn] = []
        self.env: dict[Var, Any] = {}
        self.sources: dict[Var, Tracer] = {}  # inputs whose value is that of a tracer of the parent
        self.captures: dict[Var, tuple[Var, Tracer]] = {}  # parent's variable -> own input, parent's tracer
        self.cursor = 0  # equations before it have been evaluated, or cannot be
        self.rules = self.start_rules = (
            floating_rules.get()
        )  # np.errstate: where the last equation was emitted, where the function was called
        self.raised: set[Var] = set()  # results of equations whose evaluation raised, and of those that need them
        self.axis: NamedAxis | None = None  # the one that it maps over, if that has a name
        self.constants: Constants | None = None
        self.integers: Integers | None = None  # those among the inputs that Python may ask for
        self.observer = observing.get() if concrete else None
        self.open = True

    # -- inputs --------------------------------------------------------------------------------------------------------

    def add_input(self, type: ArrayType, value: Any = ABSENT) -> Var:
        """A new input variable, with its value (or the parent's tracer of it) where that is known."""
        var = self.variable_of(type, () if self.script is None else self.script.inputs, len(self.inputs))
        self.inputs.append(var)
        if value is ABSENT:
            return var
        if isinstance(value, Tracer):
            self.sources[var] = value
        else:
            self.env[var] = value
        return var

    def variable_of(self, type: ArrayType, scripted: Sequence[Var], number: int) -> Var:
        """The variable of an input: that of the script, if it has one of this type in its place."""
        if number < len(scripted) and scripted[number].type is type and self.steps:
            return scripted[number]
        self.steps = ()
        return Var(type)

    def capture(self, tracer: Tracer) -> Var:
        """The input that stands for a tracer of an enclosing trace."""
        if self.parent is None:
            raise escaped(tracer)
        outer = self.parent.atom(tracer)
        assert isinstance(outer, Var)
        found = self.captures.get(outer)
        if found is None:
            handle = Tracer(outer, self.parent, tracer._kind)
            var = self.variable_of(outer.type, () if self.script is None else self.script.captures, len(self.captures))
            self.sources[var] = handle
            found = self.captures[outer] = (var, handle)
        return found[0]

    def atom(self, value: Any) -> Atom:
        """The operand that stands for a value in this trace."""
        if type(value) is Tracer:
            if value._owner is self:
                return value._variable
            if not value._owner.open:
                raise escaped(value)
            return self.capture(value)
        if isinstance(value, np.generic):
            return Literal(value, FLOAT64) if type(value) is np.float64 else Literal(value)
        if isinstance(value, np.ndarray):
            if type(value) is not np.ndarray:
                value = plain_array(
                    value, f"what meets traced values{f' at {where}' if (where := user_location()) else ''}"
                )
            if self.outside is None:
                return self.constant(value)
            found = self.outside.operand(value)
            return self.atom(found) if type(found) is Tracer else literal(found)
        if isinstance(value, Seq):
            return Literal(value, value.type)
        raise StructureError(
            f"expected an array or a number, got {type_name(value)}; convert it with np.asarray before it meets traced "
            "values"
        )

    def constant(self, array: np.ndarray) -> Literal:
        """A literal of what an array holds now, for as long as this trace lives."""
        type = array_type(array.shape, array.dtype)
        if array.dtype is not type.dtype or not array.ndim or (array.size > SMALL and not array.flags.writeable):
            return literal(array)
        own = array.copy()
        own.setflags(write=False)
        return Literal(own, type)

    # -- equations -----------------------------------------------------------------------------------------------------

    def emit(
        self, primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any], values: Sequence[Any] | None = None
    ) -> Any:
        """Append ``primitive[params] args`` and return a tracer of its result (a tuple of them, if it has several).

        ``values`` are the results, where they have been computed before.
        """
        if self.concrete and floating_rules.get() is not self.rules:
            # what was emitted before is computed by the rules that it was emitted under
            self.run()
            self.rules = floating_rules.get()
        eqns = self.eqns
        step = self.steps[len(eqns)] if len(eqns) < len(self.steps) else None
        found = []
        for a in args:
            found.append(a._variable if type(a) is Tracer and a._owner is self else self.atom(a))
        inputs: tuple[Atom, ...] = tuple(found)
        if step is None or step.primitive is not primitive or step.inputs != inputs or step.params != params:
            eqn = self.another(step, primitive, inputs, params)
        elif type(step) is Eqn:
            eqn = step
        else:
            self.bound.append(len(eqns))
            eqn = Eqn(primitive, inputs, params, step.outputs, step.loc, step._signature)
        loc = self.loc
        if loc is None and self.locate:
            loc = eqn.loc
            frame = user_frame(3)  # not this, nor ``bind``
            if frame is not None and (loc is None or loc.code is not frame.f_code or loc.instruction != frame.f_lasti):
                loc = Location(frame.f_code, frame.f_lasti)
        if loc is not eqn.loc:
            if eqn is step:
                eqn = Eqn(primitive, inputs, params, step.outputs, loc, step._signature)
            eqn.loc = loc
        if self.native and eqn.signature.strange is not None:
            raise not_native(f"{primitive.name}{f' at {loc}' if loc else ''} takes or gives", eqn.signature.strange)
        eqns.append(eqn)
        outputs = eqn.outputs
        if values is not None:
            self.env.update(zip(outputs, values, strict=True))
        elif primitive.may_raise or self.rules is not self.start_rules:
            self.evaluate_now(eqn)
        if primitive.multiple_results:
            return tuple([Tracer(v, self, ARRAY if v.type.ndim else SCALAR) for v in outputs])
        (out,) = outputs
        return Tracer(out, self, ARRAY if out.type.ndim else SCALAR)

    def another(
        self, step: Eqn | None, primitive: Primitive, inputs: tuple[Atom, ...], params: Mapping[str, Any]
    ) -> Eqn:
        """A new equation, without location; with the results of the script's, if only rules of the user's own differ,
        on which nothing in a script depends."""
        if primitive.owned or Literal in map(type, inputs):
            self.bound.append(len(self.eqns))
        if step is not None and step.primitive is primitive and primitive.own_rules and step.inputs == inputs:
            signature = step.signature
            if primitive.signature(signature.in_types, params) is signature:
                return Eqn(primitive, inputs, params, step.outputs, step.loc, signature)
        self.steps = ()
        signature = primitive.signature(tuple([a.type for a in inputs]), params)
        types = signature.out_types
        outputs = (Var(types[0]),) if len(types) == 1 else tuple([Var(t) for t in types])
        return Eqn(primitive, inputs, params, outputs, None, signature)

    def evaluate_now(self, eqn: Eqn) -> None:
        """Evaluate the last equation, which raises now what it raises."""
        if not self.concrete or self.outside is not None:
            return
        try:
            for out in eqn.outputs[:1]:
                self.value(out)
        except BaseException as error:  # where the user catches it, nothing has happened: it must not raise again
            self.eqns.pop()
            self.steps = ()
            self.bound = [i for i in self.bound if i < len(self.eqns)]
            self.cursor = min(self.cursor, len(self.eqns))
            if isinstance(error, OF_VALUES):
                error.at(eqn.loc or user_location())
            raise

    def finish(self, outputs: Sequence[Any]) -> tuple[Program, list[Tracer]]:
        """Close the trace: its Program, captures first among the inputs, and the parent's tracers that they stand
        for.
        """
        atoms = [self.atom(o) for o in outputs]
        self.open = False
        if self.raised:  # the user caught that, and goes on without the value: it must not raise again
            dead = {v for e in self.divide({a for a in atoms if type(a) is Var})[1] for v in e.outputs} & self.raised
            self.eqns = [e for e in self.eqns if dead.isdisjoint(e.outputs)]
            self.script, self.scripted = None, False
        captured = list(self.captures.values())
        program = Program([v for v, _ in captured] + self.inputs, self.eqns, atoms)
        if self.scripted:
            script = self.script
            if script is None or not self.has_followed(script, atoms):
                captures = [v for v, _ in captured]
                script = self.script = Script(self.inputs, captures, self.eqns, self.bound, atoms)
            program.script = script
        return program, [t for _, t in captured]

    def has_followed(self, script: Script, outputs: Sequence[Atom]) -> bool:
        """Whether all equations are those of the script."""
        return (
            len(self.eqns) == len(self.steps) == len(script.steps)
            and len(self.inputs) == len(script.inputs)
            and len(self.captures) == len(script.captures)
            and script.ends_with(outputs)
        )

    # -- values --------------------------------------------------------------------------------------------------------

    def lookup(self, atom: Atom) -> Any:
        """The value of an atom where it is known already or comes from outside; ABSENT if not."""
        if isinstance(atom, Literal):
            return atom.value
        value = self.env.get(atom, ABSENT)
        if value is ABSENT and self.concrete:
            source = self.sources.get(atom)
            if source is not None:
                value = source._owner.value(source._variable)
                if value is not ABSENT:
                    self.env[atom] = value
        return value

    def run(self) -> None:
        """Evaluate all equations that are not evaluated yet and whose operands have values.

        What an evaluation raises is none of Python's business yet: nobody may ever ask for that value. It is raised by
        ``value``, of what needs it.
        """
        rules = floating_rules.get()
        try:
            if rules is not self.rules:
                floating_rules.set(self.rules)
            within(None, self._run)
        finally:
            if rules is not self.rules:
                floating_rules.set(rules)

    def _run(self) -> None:
        evaluate = self.evaluate
        for eqn in self.eqns[self.cursor :]:
            try:
                evaluate(eqn)
            # only an error of the operation: whatever else comes (Ctrl-C), the equation is still to be evaluated
            except Exception as error:
                try:
                    evaluate(eqn)
                except Exception:
                    self.raised.update(eqn.outputs)
                else:
                    raise error  # of the handler of a signal, that of a time limit say
            self.cursor += 1

    def evaluate(self, eqn: Eqn) -> None:
        """Evaluate an equation, unless it is evaluated already or an operand has no value."""
        env, outputs = self.env, eqn.outputs
        if outputs and outputs[0] in env:
            return
        try:
            values = [a.value if type(a) is Literal else env[a] for a in eqn.inputs]  # type: ignore[index]
        except KeyError:  # rare: it comes from outside, or there is none
            values = [self.lookup(a) for a in eqn.inputs]
            for atom, value in zip(eqn.inputs, values, strict=True):
                if value is ABSENT:
                    if atom in self.raised:
                        self.raised.update(outputs)
                    return
        if self.observer is not None:
            env.update(zip(outputs, self.observer.equation(eqn.primitive, values, eqn.params, eqn.loc), strict=True))
            return
        result = eqn.signature.compute(*values, **eqn.params)
        if eqn.primitive.multiple_results:
            env.update(zip(outputs, result, strict=True))
        else:
            env[outputs[0]] = result

    def value(self, var: Var) -> Any:
        """The value of a variable of this trace, computed now if need be; ABSENT if it has none. Raises what its
        computation raises.
        """
        if not self.concrete:
            return ABSENT if self.outside is None else self.outside.value(self, var)
        value = self.lookup(var)
        if value is ABSENT:
            self.run()
            if var in self.raised:
                self.run_again(var)
            value = self.env.get(var, ABSENT)
        return value

    def run_again(self, var: Var) -> None:
        """Evaluate what raised before among what a variable needs; it raises again, unless ``np.errstate`` is another
        now.
        """
        for eqn in self.divide({var})[0]:
            within(None, self.evaluate, eqn)

    def divide(self, needed: set[Var]) -> tuple[list[Eqn], list[Eqn]]:
        """The equations that some variables need, and the others."""
        parts: tuple[list[Eqn], list[Eqn]] = ([], [])
        for eqn in reversed(self.eqns):
            other = needed.isdisjoint(eqn.outputs)
            if not other:
                needed.update([a for a in eqn.inputs if type(a) is Var])
            parts[other].append(eqn)
        return parts[0][::-1], parts[1][::-1]

    def force(self, var: Var, reason: str) -> Any:
        """The value of a variable, or an error that says why there is none and what to write instead.

        This is the one place where Python asks for the value of a traced variable.
        """
        value = self.ask(var)
        if value is ABSENT:
            demand(self, var)
            error = TracerConversionError(self.why_unknown(var, reason))
            current = _current.get()
            raise error if current is None else current.refused(error)
        return value

    def refused(self, error: Exception) -> BaseException:
        """What is raised where Python must not go on."""
        return error

    def ask(self, var: Var) -> Any:
        """The value of a variable where Python may see it: not inside of a function that is traced for other values too
        (ABSENT then).
        """
        if self.hidden_by() is None:
            value = self.value(var)
        else:
            value = ABSENT if self.outside is None else self.outside.value(self, var)
        return self.known_constant(var) if value is ABSENT else value

    def known_constant(self, var: Var) -> Any:
        """The value of a variable that depends on no input; ABSENT for others."""
        value = within(None, self._constants().value, var, self._outer_constant)
        return ABSENT if value is None else value

    def _constants(self) -> Constants:
        if self.constants is None:
            self.constants = Constants(self.eqns)
        return self.constants

    def made_by(self, var: Var) -> Eqn | None:
        """The equation that has a variable as a result; None for inputs."""
        return self._constants().made_by(var)

    def _outer_constant(self, var: Var) -> Any:
        """The value of an input: of one that stands for a constant of an enclosing trace, or for an array that is read
        at each call, which the Program then depends on.
        """
        if self.outside is not None:
            value = self.outside.value(self, var)
            if value is not ABSENT:
                return value
        outer = next((t for v, t in self.captures.values() if v is var), None)
        if outer is None:
            return None
        value = outer._owner.known_constant(outer._variable)
        return None if value is ABSENT else value

    def hidden_by(self) -> Trace | None:
        """The trace, between the current one and this, that serves other values too: what it saw of a value would be
        stale in the next call.
        """
        trace = _current.get()
        while trace is not None and trace is not self:
            if not trace.concrete:
                return trace
            trace = trace.parent
        return None

    def why_unknown(self, var: Var, reason: str) -> str:
        """The message for a value that Python asked for and that is not known while tracing."""
        blame: Trace = self.hidden_by() or self
        while blame.concrete and blame.kind != "vmap" and blame.parent is not None:
            blame = blame.parent
        where, called = user_location(), scipy_call()
        if called is not None:
            return (
                f"{reason} of a traced {var.type} has no value at {where} (called at {quoted(called)}): {PLAIN_SCIPY}"
            )
        alone = only_advice(where)
        if where is not None and alone is not None and blame.kind == "jit":
            return (
                f"{reason} of a traced {var.type} has no value at {quoted(where)}: a function under jit is traced once "
                f"for all values of its arguments; {alone}, or leave jit out"
            )
        instead = advice(where)
        if blame.kind == "jit" and var.type.dtype.kind in "iu":
            instead = f"pass a Python integer, int(n), which is static where its value is needed; {instead}"
        explained = {
            "jit": f"a function under jit is traced once for all values of its arguments; {instead}, use "
            "np.where(condition, x, y) for elements, "
            "mark the argument with static_argnums, or leave jit out (grad alone runs Python control flow)",
            "vmap": f"under vmap it has a different value for each element of the mapped axis; {instead}, or use "
            "np.where(condition, x, y)",
        }.get(blame.kind, f"it has no value while {blame.kind} traces; {instead}, or use np.where(condition, x, y)")
        return f"{reason} of a traced {var.type} has no value{f' at {quoted(where)}' if where else ''}: {explained}"


def escaped(tracer: Tracer) -> EscapedTracerError:
    """The error for a tracer that outlived its function."""
    return EscapedTracerError(
        f"{described(tracer)} was used after that function had returned; return it from the function instead of "
        "storing it"
    )


def described(tracer: Tracer) -> str:
    """What messages call a tracer of a function that has returned."""
    made = next((f" made at {e.loc}" for e in tracer._owner.eqns if tracer._variable in e.outputs), " an argument")
    return f"a traced value ({tracer._variable.type},{made}) of a function under {tracer._owner.kind}"
