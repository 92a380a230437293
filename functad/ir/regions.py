"""What equations with Programs inside are made of: one description, which serves all passes and rules.

An equation of control flow runs *regions*, the Programs in its params. Which operands a region is given and where what
it gives goes is the same for all kinds of control flow, up to which parts there are::

    operands of the equation   heads, constants (in groups), carry, elements
    results of the equation    last carry, results of its own, written
    inputs of a region         constants (one of the groups), carry, elements of the step
    outputs of a region        next carry, tests, written

*Heads* say how often or which region runs (a number of steps, an index). A *constant* is the same whenever a region
runs. The *carry* goes from step to step, and comes out as the last one; results of the equation's *own* come from no
region (a number of steps). *Elements* are arrays with the steps along axis 0, or sequences, of which a step reads its
own; *written* is what steps leave behind in such arrays or sequences, and what the one region that runs gives where
nothing is repeated. *Tests* are for the equation alone. A region that is no ``step`` only tests: it takes its constants
and the carry.

How often regions run is the ``Kind``:

    ======== ========================= ===================================================================
    kind     runs                      parts
    ======== ========================= ===================================================================
    CALL     its region, once          constants, written
    CHOICE   one of its regions, once  heads, constants, written
    STEPS    a known number of times   all; the first head is the number, unless it is ``count``
    WHILE    until tests end it        all but elements; the first result of its own is the number of steps
    ======== ========================= ===================================================================

Any equation of control flow may be asked to write more: reverse mode lets steps and branches write what the way back
reads.

A primitive declares this once, as a ``Control``: how its params are read as ``Regions``, and how ``Regions`` that
have changed are written into params. ``regions_of(eqn)`` gives the description of an equation, and its ``rebuilt`` the
equation with other regions and operands; its counts follow from what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from functad.errors import StructureError
from functad.ir.masks import cut, select
from functad.ir.program import Atom, Eqn, Program, Var
from functad.ir.types import ArrayType

if TYPE_CHECKING:
    from functad.core.primitive import Primitive

__all__ = [
    "CALL", "OPEN_CALL", "Control", "Inputs", "Kind", "Operands", "Outputs", "Region", "Regions", "Results", "call_of",
    "call_types", "control_of", "has_control", "regions_of",
]  # fmt: skip

T = TypeVar("T")


class Kind(Enum):
    """How often the regions of an equation run."""

    CALL = "once"
    CHOICE = "one of them, once"
    STEPS = "a known number of times"
    WHILE = "until a test ends it"

    @property
    def repeats(self) -> bool:
        """Whether there are steps."""
        return self in (Kind.STEPS, Kind.WHILE)


class Operands(NamedTuple, Generic[T]):
    """What belongs to the operands of an equation (atoms, values, tangents, flags), by their roles."""

    heads: list[T]
    consts: list[list[T]]
    carry: list[T]
    elements: list[T]

    @property
    def all(self) -> list[T]:
        """All of them in order."""
        return [*self.heads, *[c for group in self.consts for c in group], *self.carry, *self.elements]

    def where(self, flags: Operands[bool]) -> Operands[T]:
        """Those that are flagged."""
        consts = [select(*pair) for pair in zip(self.consts, flags.consts, strict=True)]
        carry, elements = select(self.carry, flags.carry), select(self.elements, flags.elements)
        return Operands(select(self.heads, flags.heads), consts, carry, elements)


class Results(NamedTuple, Generic[T]):
    """What belongs to the results of an equation, by their roles."""

    carry: list[T]
    own: list[T]
    written: list[T]

    @property
    def all(self) -> list[T]:
        """All of them in order."""
        return [*self.carry, *self.own, *self.written]

    def where(self, flags: Results[bool]) -> Results[T]:
        """Those that are flagged."""
        return Results(*[select(*pair) for pair in zip(self, flags, strict=True)])


class Inputs(NamedTuple, Generic[T]):
    """What belongs to the inputs of a region, by their roles."""

    consts: list[T]
    carry: list[T]
    elements: list[T]


class Outputs(NamedTuple, Generic[T]):
    """What belongs to the outputs of a region, by their roles."""

    carry: list[T]
    tests: list[T]
    written: list[T]


@dataclass(eq=False, slots=True)
class Region:
    """A Program that an equation runs: the ``group`` of constants that it takes, and how many of its outputs are
    tests.
    """

    program: Program
    group: int = 0
    tests: int = 0
    step: bool = True


@dataclass(eq=False, slots=True)
class Regions:
    """The regions of an equation, and how many of its operands and results play which role.

    ``consts`` holds the size of each group. Of the kind ``STEPS``, ``count`` is the number of steps where it is static,
    and ``reverse`` says that the last elements come first; with one region and no results of its own, ``turn`` is the
    number of steps that native code is to make at a time.
    """

    kind: Kind
    regions: tuple[Region, ...]
    consts: tuple[int, ...] = (0,)
    carry: int = 0
    heads: int = 0
    own: int = 0
    count: Any = None
    reverse: bool = False
    turn: int = 1

    @property
    def programs(self) -> list[Program]:
        """The Programs of the regions."""
        return [r.program for r in self.regions]

    @property
    def steps(self) -> list[Region]:
        """The regions that make a step, or one of which runs: all but those that only test."""
        return [r for r in self.regions if r.step]

    def operands(self, values: Sequence[T]) -> Operands[T]:
        """What belongs to the operands, by their roles."""
        heads, *consts, carry, elements = cut(values, self.heads, *self.consts, self.carry)
        return Operands(heads, consts, carry, elements)

    def results(self, values: Sequence[T]) -> Results[T]:
        """What belongs to the results, by their roles."""
        return Results(*cut(values, self.carry, self.own))

    def inputs(self, region: Region, values: Sequence[T]) -> Inputs[T]:
        """What belongs to the inputs of a region, by their roles."""
        return Inputs(*cut(values, self.consts[region.group], self.carry))

    def outputs(self, region: Region, values: Sequence[T]) -> Outputs[T]:
        """What belongs to the outputs of a region, by their roles."""
        return Outputs(*cut(values, self.carry if region.step else 0, region.tests))

    def given(self, region: Region, operands: Operands[T], elements: Sequence[T] | None = None) -> list[T]:
        """What a region is given of the operands; ``elements`` are those of a step."""
        read = operands.elements if elements is None else elements
        return [*operands.consts[region.group], *operands.carry, *(read if region.step else ())]

    def running(self, programs: Sequence[Program]) -> Regions:
        """The description with other Programs."""
        return self._made(programs, self.consts, self.carry, self.count, self.turn)

    def with_parts(self, programs: Sequence[Program], operands: Operands[Any], **counts: Any) -> Regions:
        """The description with other Programs, of an equation with these operands; ``counts`` are another ``count`` and
        ``turn``.
        """
        consts = tuple([len(group) for group in operands.consts])
        counts = counts or {"count": self.count, "turn": self.turn}
        return self._made(programs, consts, len(operands.carry), **counts)

    def _made(self, programs: Sequence[Program], consts: tuple[int, ...], carry: int, count: Any, turn: int) -> Regions:
        regions = [Region(p, r.group, r.tests, r.step) for r, p in zip(self.regions, programs, strict=True)]
        return Regions(
            self.kind, tuple(regions), consts, carry, self.heads, self.own, count=count, reverse=self.reverse, turn=turn
        )

    def with_constants(
        self, programs: Sequence[Program], more: Sequence[Sequence[Atom]], operands: Operands[Atom]
    ) -> tuple[list[Program], Operands[Atom]]:
        """Programs and operands where each of ``programs``, which stand for those of the regions, takes constants of
        its own before all others; what shares a group with it ignores them.
        """
        of_groups: list[list[Atom]] = [[] for _ in self.consts]
        taking = []
        for k, (region, program) in enumerate(zip(self.regions, programs, strict=True)):
            of_groups[region.group] += more[k]
            own, rest = cut(program.inputs, len(more[k]))
            others = [
                own if j == k else [Var(a.type) for a in more[j]]
                for j, other in enumerate(self.regions)
                if other.group == region.group
            ]
            inputs = [*[v for part in others for v in part], *rest]
            taking.append(Program(inputs, program.eqns, program.outputs, program.name))
        consts = [[*first, *group] for first, group in zip(of_groups, operands.consts, strict=True)]
        return taking, operands._replace(consts=consts)

    def rebuilt(
        self,
        eqn: Eqn,
        programs: Sequence[Program],
        operands: Operands[Atom],
        results: Results[Var] | None = None,
        **counts: Any,
    ) -> Eqn:
        """The equation with other Programs, operands and results; ``counts`` as for ``with_parts``."""
        params = self.with_parts(programs, operands, **counts).params(eqn.primitive, eqn.params)
        outputs = eqn.outputs if results is None else tuple(results.all)
        return Eqn(eqn.primitive, tuple(operands.all), params, outputs, eqn.loc)

    def bind(
        self,
        primitive: Primitive,
        params: Mapping[str, Any],
        programs: Sequence[Program],
        operands: Operands[Any],
    ) -> Results[Any]:
        """The results of such an equation with other Programs and operands, which are values."""
        made = self.with_parts(programs, operands)
        return made.results(primitive.bind(*operands.all, **made.params(primitive, params)))

    def params(self, primitive: Primitive, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The params of such an equation, from those of one that was described otherwise."""
        assert primitive.control is not None
        return primitive.control.params(params, self)


@dataclass(frozen=True, slots=True)
class Control:
    """How the params of a primitive are read as ``Regions``, and how changed ``Regions`` are written into them.

    ``params(params, regions)`` gives all params of an equation, from those of one that was described otherwise.
    ``open``: any Program may take the place of a call's, also one of fewer results; it is not where the primitive's
    rules count on the form of theirs.
    """

    regions: Callable[[Mapping[str, Any]], Regions]
    params: Callable[[Mapping[str, Any], Regions], Mapping[str, Any]]
    open: bool = False


def regions_of(eqn: Eqn) -> Regions | None:
    """The description of an equation with regions; None for what has none."""
    control = eqn.primitive.control
    return None if control is None else control.regions(eqn.params)


def has_control(program: Program) -> bool:
    """Whether any equation of a Program has regions."""
    return any([e.primitive.control is not None for e in program.eqns])


def call_of(eqn: Eqn) -> Program | None:
    """The Program of an equation that is a call, which inlining may put in its place; None for what is no call."""
    form = regions_of(eqn)
    return form.regions[0].program if form is not None and form.kind is Kind.CALL else None


def control_of(eqn: Eqn) -> Regions | None:
    """The description of an equation that decides what runs; None for calls and for what has no regions."""
    form = regions_of(eqn)
    return None if form is None or form.kind is Kind.CALL else form


def call_types(types: tuple[ArrayType, ...], program: Program) -> tuple[ArrayType, ...]:
    """The types of the results of a call, whose operands must be those that its Program takes."""
    if types != program.in_types:
        raise StructureError(f"a call of a Program of {program.in_types} is given {types}")
    return program.out_types


CALL = Control(
    lambda p: Regions(Kind.CALL, (Region(p["program"]),), consts=(len(p["program"].in_types),)),
    lambda p, made: {**p, "program": made.regions[0].program},
)
"""A call of the param ``program``, which has a form of its own."""

OPEN_CALL = replace(CALL, open=True)
"""A call of the param ``program``, whatever that is."""
