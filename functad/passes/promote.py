"""Elements of arrays that a loop reads and writes in each step go round as numbers.

    for k in range(j):                   s = a[i, j]
        a[i, j] -= a[i, k] * a[j, k]     for k in range(j):
                                             s -= a[i, k] * a[j, k]
                                         a[i, j] = s

An element can if its index is the same in all steps, and differs from that of whatever else a step reads or writes of
the array (``integers.py``). The index may be out of bounds where the loop makes no step: reading and writing clamp it,
so what is written then is what was read, and the check of the index stays in the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from functad.core.primitive import REGISTRY
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.regions import Region, Regions, control_of, has_control
from functad.ir.rewrite import Rewriting
from functad.ir.types import scalar_type
from functad.passes.integers import Integers, Linear
from functad.passes.steady import steady

__all__ = ["promote"]


def promote(program: Program) -> Program:
    """The Program where loops, at any depth, carry numbers in place of single elements."""
    if not has_control(program):
        return program
    made = _promoted(program, Integers())
    return program if made is program else steady(made)  # of some arrays, nothing is written any more


def _promoted(program: Program, known: Integers) -> Program:
    """The Program itself, if there is nothing to be done."""
    made, changed = Rewriting(), False
    for e in program.eqns:
        eqn = made.reading(e)
        form = control_of(eqn)
        if form is None:
            known.note(eqn)
            if eqn.primitive.name == "from_front" and known.is_index(known.form(eqn.inputs[0])):
                made.replaced[eqn.outputs[0]], changed = eqn.inputs[0], True
            else:
                made.eqns.append(eqn)
            continue
        operands = form.operands(eqn.inputs)
        programs = [_promoted(r.program, known.inside(form, r, operands)) for r in form.regions]
        if any([p is not r.program for p, r in zip(programs, form.regions, strict=True)]):
            eqn, form, changed = form.rebuilt(eqn, programs, operands), form.running(programs), True
        found = _places(eqn, form, known) if form.kind.repeats else {}
        changed |= bool(found)
        _append(eqn, form, found, known, made)
    return Program(program.inputs, made.eqns, made.read(program.outputs), program.name) if changed else program


def _append(
    eqn: Eqn, form: Regions, found: Mapping[int, Mapping[Place, Indices]], known: Integers, made: Rewriting
) -> None:
    """Append a loop with numbers for the elements at these places, reading them in front of it and writing after it."""
    written: list[tuple[Var, Var, list[Var], list[list[Atom]]]] = []
    for k, places in found.items():
        (region,) = form.steps
        array, outside = form.operands(eqn.inputs).carry[k], _Outside(eqn, form, region)
        where = [[outside.made(i, known, made) for i in indices] for indices in places.values()]
        first = [made.emit(REGISTRY["gather"], [array, *i], {"batch": 0}, eqn.loc)[0] for i in where]
        result = form.results(eqn.outputs).carry[k]
        rest, last = Var(result.type), [Var(a.type) for a in first]
        eqn = _with_numbers(eqn, form, known, k, list(places), first, [rest, *last])
        form = control_of(eqn) or form
        written.append((result, rest, last, where))
    made.eqns.append(eqn)
    for result, value, numbers, where in written:
        for number, indices in zip(numbers, where, strict=True):
            (value,) = made.emit(REGISTRY["scatter_set"], [value, number, *indices], {"batch": 0}, eqn.loc)
        made.replaced[result] = value


# -- which elements ----------------------------------------------------------------------------------------------------

Place = tuple[Linear, ...]
Indices = tuple[Atom, ...]


class _Access(NamedTuple):
    """Where an equation reads or writes an element of an array."""

    place: Place
    indices: Indices
    writes: bool


def _places(eqn: Eqn, form: Regions, known: Integers) -> dict[int, dict[Place, Indices]]:
    """For arrays of the carry, by their number, the places of elements that can go round as numbers, each with its
    indices in the body.
    """
    (region,) = form.steps
    outside = _Outside(eqn, form, region)
    found = {}
    for k in range(form.carry):
        inner = known.inside(form, region, form.operands(eqn.inputs))
        accesses = _accesses(form, region, k, inner)
        every = dict.fromkeys([a.place for a in accesses.values()])
        places = {
            a.place: a.indices
            for a in accesses.values()
            if a.writes
            and all(map(outside.has, a.indices))
            and all([p == a.place or any(map(inner.differ, a.place, p)) for p in every])
        }
        if places:
            found[k] = places
    return found


def _accesses(form: Regions, region: Region, k: int, known: Integers) -> dict[Eqn, _Access]:
    """All that a step does to an array of the carry, if these are elements that it reads and writes, and nothing else
    uses the array.
    """
    program = region.program
    x = form.inputs(region, program.inputs).carry[k]
    outputs = form.outputs(region, program.outputs)
    if not x.type.ndim or any(
        [form.inputs(r, r.program.inputs).carry[k] in _used(r.program) for r in form.regions if not r.step]
    ):
        return {}
    versions: set[Atom] = {x}
    found: dict[Eqn, _Access] = {}
    for e in program.eqns:
        if versions.isdisjoint(e.inputs):
            known.note(e)
            continue
        first = {"gather": 1, "scatter_set": 2, "scatter_add": 2}.get(e.primitive.name, 0)
        indices = e.inputs[first:]
        if not first or not versions.isdisjoint(e.inputs[1:]) or len(indices) != x.type.ndim or indices[0].type.ndim:
            return {}
        found[e] = _Access(tuple(map(known.form, indices)), indices, first == 2)
        if first == 2:
            versions.add(e.outputs[0])
    others = [a for i, a in enumerate([*outputs.carry, *outputs.tests, *outputs.written]) if i != k]
    return found if outputs.carry[k] in versions and versions.isdisjoint(others) else {}


def _used(program: Program) -> set[Atom]:
    return {a for e in program.eqns for a in e.inputs} | set(program.outputs)


class _Outside:
    """What a step computes of constants of the loop, which can be computed in front of the loop as well."""

    ARITHMETIC = ("add", "sub", "neg", "mul", "from_front", "check_index")

    def __init__(self, eqn: Eqn, form: Regions, region: Region) -> None:
        consts = form.inputs(region, region.program.inputs).consts
        self._found: dict[Atom, Atom] = dict(zip(consts, form.operands(eqn.inputs).consts[region.group], strict=True))
        self._makers = {e.outputs[0]: e for e in region.program.eqns if e.primitive.name in self.ARITHMETIC}

    def has(self, atom: Atom) -> bool:
        """Whether an integer is one of these."""
        if isinstance(atom, Literal) or atom in self._found:
            return True
        e = self._makers.get(atom)
        return e is not None and all(map(self.has, e.inputs))

    def made(self, atom: Atom, known: Integers, made: Rewriting) -> Atom:
        """It in front of the loop, which is appended; of an index that is checked, what the check would give."""
        if isinstance(atom, Literal):
            return atom
        if atom not in self._found:
            e = self._makers[atom]
            operands = [self.made(a, known, made) for a in e.inputs]
            if e.primitive.name == "check_index":
                length = {"length": e.params["length"]}
                if known.is_index(known.form(operands[0])):
                    self._found[atom] = operands[0]
                else:
                    (self._found[atom],) = made.emit(REGISTRY["from_front"], operands, length, e.loc)
            else:
                (self._found[atom],) = made.emit(e.primitive, operands, e.params, e.loc)
                known.note(made.eqns[-1])
        return self._found[atom]


# -- numbers in their place --------------------------------------------------------------------------------------------


def _with_numbers(
    eqn: Eqn,
    form: Regions,
    known: Integers,
    k: int,
    places: Sequence[Place],
    first: Sequence[Atom],
    last: Sequence[Var],
) -> Eqn:
    """The loop whose carry ends in numbers for the elements at some places of the array with number k. ``last`` are the
    results: the array, and the numbers.
    """
    programs = []
    operands, results = form.operands(eqn.inputs), form.results(eqn.outputs)
    for region in form.regions:
        p = region.program
        inputs, outputs = form.inputs(region, p.inputs), form.outputs(region, p.outputs)
        numbers = [Var(scalar_type(a.type.dtype)) for a in first]
        eqns: Sequence[Eqn] = p.eqns
        if region.step:
            accesses = _accesses(form, region, k, known.inside(form, region, operands))
            step = _Step(inputs.carry[k], dict(zip(places, numbers, strict=True)), accesses)
            step.run(p.eqns)
            eqns = step.made.eqns
            outputs = form.outputs(region, step.made.read(p.outputs))
            outputs.carry[k], values = step.versions[p.outputs[k]]
            outputs.carry.extend([values[place] for place in places])
        taken = [*inputs.consts, *inputs.carry, *numbers, *inputs.elements]
        programs.append(Program(taken, eqns, [*outputs.carry, *outputs.tests, *outputs.written], p.name))
    results.carry[k] = last[0]
    return form.rebuilt(
        eqn,
        programs,
        operands._replace(carry=[*operands.carry, *first]),
        results._replace(carry=[*results.carry, *last[1:]]),
    )


class _Step:
    """A step where numbers stand for elements of an array: for each version of it, the array without what was written
    to these elements, and the numbers.
    """

    def __init__(self, array: Var, numbers: dict[Place, Atom], accesses: Mapping[Eqn, _Access]) -> None:
        self.made = Rewriting()
        self.versions: dict[Atom, tuple[Atom, dict[Place, Atom]]] = {array: (array, numbers)}
        self.accesses = accesses

    def run(self, eqns: Sequence[Eqn]) -> None:
        """Write the equations anew."""
        for e in eqns:
            access = self.accesses.get(e)
            if access is None:
                self.made.eqns.append(self.made.reading(e))
            else:
                self._access(e, access)

    def _access(self, e: Eqn, access: _Access) -> None:
        array, numbers = self.versions[e.inputs[0]]
        rest, out = self.made.read(e.inputs[1:]), e.outputs[0]
        if access.place not in numbers:
            self.made.eqns.append(Eqn(e.primitive, (array, *rest), e.params, e.outputs, e.loc))
            if access.writes:
                self.versions[out] = out, numbers
        elif not access.writes:
            self.made.replaced[out] = numbers[access.place]
        else:
            value = rest[0]
            if e.primitive.name == "scatter_add":
                (value,) = self.made.emit(REGISTRY["add"], [numbers[access.place], value], {}, e.loc)
            self.versions[out] = array, {**numbers, access.place: value}
