"""What equations with derivative rules of the user's own have in common.

What the function, its rules and its nondifferentiable arguments close over is found when the function is called, and
fixed: traced values are explicit operands, ``consts`` of them, in front of the arguments; ``program`` and the rules
take all of them. A rule says nothing about how the result moves with these, so one that is used must not be
differentiated.

A rule is run when the equation is differentiated: in the trace that is open then, or on values where none is. Only
vectorisation asks for its Programs, and so must whoever stores a Program: they need no Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from functad.caches import remember
from functad.core.evaluator import run_program
from functad.core.primitive import Primitive
from functad.errors import FunctadError, StructureError
from functad.ir.forms import Form, declare_form
from functad.ir.program import Program, sub_programs
from functad.ir.regions import CALL, call_types
from functad.ir.types import ArrayType
from functad.transforms.programs import transpose_call

__all__ = ["Rule", "declare", "moves"]


MOST_ORDERS = 10
"""So many rules within rules are stored."""


class Rule(ABC):
    """The rule of one call, a param of its equation; its Programs are traced once, when someone asks for them.

    Pickled, it is its Programs.
    """

    stored: ClassVar[Callable[..., Rule]]
    """What makes a rule that is to be given its Programs: ``stored(None, in_types, out_types, consts)``."""

    _programs: tuple[Program, ...] | None = None
    _mapped: dict[tuple[int, tuple[Any, ...]], Rule] | None = None
    _depth = 0  # in how many other rules it was found when it was pickled

    def __init__(self, in_types: Sequence[ArrayType], consts: int) -> None:
        self.in_types, self.consts = in_types, consts

    @property
    @abstractmethod
    def out_types(self) -> Sequence[ArrayType]:
        """The types of the results."""

    @abstractmethod
    def trace(self) -> tuple[Program, ...]:
        """The rule as Programs."""

    @property
    def programs(self) -> tuple[Program, ...]:
        """The rule as Programs, which need nothing else: traced now, if they are not yet."""
        if self._programs is None:
            self._programs = self.trace()
        return self._programs

    def canonical(self) -> Rule:
        """The one rule for all that are the same: a rule may call its own function, whose rule is itself again."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        one = self.canonical()
        if one is not self:
            return same_rule, (one,)
        return self.stored, (None, self.in_types, self.out_types, self.consts), {"_programs": self.stored_programs()}

    def stored_programs(self) -> tuple[Program, ...]:
        """The Programs that stand for the rule in another process."""
        if self._depth > MOST_ORDERS:
            raise StructureError(
                "a function with derivative rules of its own that call it, and that close over something, cannot be "
                "stored as a Program: there would be one for each order of derivatives. Let the function and its "
                "rules take what they close over as arguments"
            )
        for rule in rules_in(self.programs):
            rule._depth = self._depth + 1
        return self.programs

    @classmethod
    def declare_form(cls, name: str, types: Callable[[Rule, Sequence[Program]], bool]) -> None:
        """Let text hold rules of this kind, as their Programs; ``types`` says whether these have the right types."""

        def begin(in_types: tuple[ArrayType, ...], out_types: tuple[ArrayType, ...], consts: int) -> Rule:
            all_types = type(in_types) is type(out_types) is tuple and all(
                isinstance(t, ArrayType) for t in (*in_types, *out_types)
            )
            if not all_types or type(consts) is not int or not 0 <= consts <= len(in_types):
                raise StructureError(
                    f"{name} takes the types of its operands and results, and how many are closed over"
                )
            return cls.stored(None, in_types, out_types, consts)

        def complete(rule: Rule, *parts: Any) -> Rule:
            programs = parts[3:]
            if not all(isinstance(p, Program) for p in programs) or not types(rule, programs):
                raise StructureError(f"the Programs of {name} have other types than it says")
            rule._programs = programs
            return rule

        def fields(rule: Rule) -> tuple[Any, ...]:
            return tuple(rule.in_types), tuple(rule.out_types), rule.consts, *rule.stored_programs()

        declare_form(
            Form(name, cls, fields, complete, begin, heads=3, brief=False, canonical=lambda rule: rule.canonical())
        )

    def mapped(self, size: int, batched: tuple[Any, ...], make: Callable[[], Rule]) -> Rule:
        """The rule over a mapped axis of the operands flagged, made once."""
        if self._mapped is None:
            self._mapped = {}
        found = self._mapped.get((size, batched))
        return remember(self._mapped, (size, batched), make(), times=4) if found is None else found


def rules_in(programs: Sequence[Program]) -> Iterator[Rule]:
    """The rules of the equations of Programs, and of those in them."""
    for program in programs:
        for eqn in program.eqns:
            if eqn.primitive.own_rules:
                yield eqn.params["rule"]
            yield from rules_in(sub_programs(eqn))


def same_rule(rule: Rule) -> Rule:
    """A rule that has been pickled more than once."""
    return rule


def moves(mask: Sequence[bool], program: Program, rule: Rule, consts: int, kind: str, name: str) -> bool:
    """Whether an argument is differentiated; refuses derivatives with respect to what is closed over, if it is used."""
    if not consts:
        return True in mask
    for i in range(consts):
        if mask[i] and _is_used(i, program, rule):
            raise StructureError(
                f"{kind} function {name} closes over a value ({program.in_types[i]}) that is being differentiated, or "
                "takes it in nondiff_argnums, but its rule covers only the other arguments; pass the value as one of "
                "these, "
                "or wrap it in fd.stop_gradient"
            )
    return True in mask[consts:]


def _is_used(number: int, program: Program, rule: Rule) -> bool:
    """Whether the function or its rule uses an operand."""
    try:
        return any(_reads(p, number) for p in (program, *rule.programs))
    except FunctadError:  # Python looks at values: nothing can be said
        return True


def _reads(program: Program, number: int) -> bool:
    """Whether a Program uses an input; a function with rules is given what it closes over, used or not."""
    variable = program.inputs[number]
    for eqn in program.eqns:
        for i, a in enumerate(eqn.inputs):
            passed = eqn.primitive.own_rules and i < eqn.params["consts"]
            if a is variable and not (passed and not _reads(eqn.params["program"], i)):
                return True
    return variable in program.outputs


def declare(name: str, **rules: Any) -> Primitive:
    """Declare the primitive of one kind of equations with rules; ``rules`` are those in which the kinds differ."""
    return Primitive(
        name,
        type_rule=lambda *types, program, rule, consts, name: call_types(types, program),
        evaluate=lambda *args, program, rule, consts, name: tuple(run_program(program, args)),
        multiple_results=True,
        transpose=_transpose,
        linear="jointly",
        control=CALL,
        own_rules=True,
        singular=True,
        **rules,
    )


def _transpose(cts: Sequence[Any], *operands: Any, program: Program, **params: Any) -> list[Any]:
    """Where the function is linear its transpose is, whatever its rules say about derivatives."""
    return transpose_call(run_program, program, cts, operands)
