"""Loops whose steps do not need one another, as equations of arrays: all steps at once.

    for i in range(1, n - 1):                              v[1:-1, 1:-1] = 2.0 * u[2:, 1:-1] + u[:-2, 1:-1]
        for j in range(1, m - 1):
            v[i, j] = 2.0 * u[i + 1, j] + u[i - 1, j]

A nest of loops is divided: its first equation is run for all steps, then the second, and so on. That is right if no
equation touches, in a later step, an element of an array that the loops carry which an equation further down touches in
an earlier one, where one of them writes. Indices are known (``affine.py``), so it can be told: that two equations touch
one element fixes the difference of their steps along each axis whose counter both go by.

The way back of such loops is of the same kind: it reads elements of a cotangent, and sets them to zero. What is added
to other cotangents is left for later by the rule of loops (``primitives/step_sums.py``), as scatters at index arrays,
which are slices again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from functad.core.primitive import REGISTRY
from functad.ir.dce import has_effect
from functad.ir.program import Atom, Eqn, Literal, Location, Program, Var
from functad.ir.regions import Kind, control_of, has_control
from functad.ir.types import SeqType
from functad.kernel_ir.rules import Pointwise
from functad.passes.affine import Affine, Arrays
from functad.passes.integers import increment

__all__ = ["spread"]


def spread(program: Program) -> Program:
    """The Program with array equations in place of loops whose steps do not need one another."""
    if not (has_control(program) or any([e.primitive.name in SCATTERS for e in program.eqns])):
        return program
    made = Arrays()
    for e in program.eqns:
        eqn = made.reading(e)
        found = _at_once(eqn, made)
        if found is None:
            made.take(eqn)
        else:
            made.replaced.update(zip(e.outputs, found, strict=True))
    return Program(program.inputs, made.eqns, made.read(program.outputs), program.name)


SCATTERS = ("scatter_set", "scatter_add")


def _at_once(eqn: Eqn, made: Arrays) -> Sequence[Atom] | None:
    """What an equation gives, otherwise; None where it stays."""
    before = len(made.eqns)
    name = eqn.primitive.name
    if name == "gather" and not eqn.params["batch"] and eqn.inputs[1].type.ndim:
        found = made.reading_slice(eqn.inputs[0], eqn.inputs[1:], eqn.loc)
        return None if found is None else [found]
    if name in SCATTERS and not eqn.params["batch"] and eqn.inputs[2].type.ndim:
        found = made.writing_slice(name, eqn.inputs[0], eqn.inputs[1], eqn.inputs[2:], eqn.loc)
        return None if found is None else [found]
    if control_of(eqn) is None:
        return None
    nest = _Nest(made)
    try:
        values = nest.loop(eqn, [_Value(a) for a in eqn.inputs])
    except _NeedsOrder:
        del made.eqns[before:]
        return None
    return [v.atom for v in values]


class _NeedsOrder(Exception):
    """The steps are to be made one after the other, or nothing else is known."""


@dataclass(frozen=True)
class _Axis:
    """A loop of the nest: its depth, how many steps it makes, and whether it starts with the last element."""

    depth: int
    size: int
    reverse: bool


@dataclass(frozen=True)
class _Value:
    """What a variable of a body holds in all steps: an array with the ``axes`` of those loops first that it differs in.
    Of an array that the loops carry, a version, which is the whole array.
    """

    atom: Atom
    axes: tuple[_Axis, ...] = ()
    version: _Version | None = None


@dataclass(eq=False)
class _Version:
    """A carried array after so many writes."""

    accesses: list[_Access]
    writes: int = 0


@dataclass(frozen=True)
class _Access:
    """An equation that reads or writes a carried array: its place in the order of all, in which loops it is, and for
    each axis of the array an offset and how far a step of each loop goes.
    """

    order: int
    loops: tuple[_Axis, ...]
    place: tuple[tuple[int, dict[_Axis, int]], ...]

    @property
    def writes(self) -> bool:
        return self.order % 2 == 0


class _Nest:
    """A nest of loops that is run for all steps at once."""

    def __init__(self, made: Arrays) -> None:
        self.made = made
        self.loops: tuple[_Axis, ...] = ()

    # -- loops ---------------------------------------------------------------------------------------------------------

    def loop(self, eqn: Eqn, given: Sequence[_Value]) -> list[_Value]:
        """The results of a loop."""
        form = control_of(eqn)
        if form is None or form.kind is not Kind.STEPS or type(form.count) is not int or form.count < 1 or form.own:
            raise _NeedsOrder
        (region,) = form.steps
        program, outermost = region.program, not self.loops
        axis = _Axis(len(self.loops), form.count, form.reverse)
        operands, inputs = form.operands(given), form.inputs(region, program.inputs)
        known = dict(zip(inputs.consts, operands.consts[region.group], strict=True))
        last = form.outputs(region, program.outputs)
        counted = [increment(program, v, a) for v, a in zip(inputs.carry, last.carry, strict=True)]
        for v, value, by in zip(inputs.carry, operands.carry, counted, strict=True):
            known[v] = self._carried(v, value, outermost) if by is None else self._counter(value, by, axis, eqn.loc)
        for v, value in zip(inputs.elements, operands.elements, strict=True):
            if isinstance(value.atom.type, SeqType) or value.version is not None:
                raise _NeedsOrder
            known[v] = _Value(value.atom, (*value.axes, axis))
        self.loops = (*self.loops, axis)
        self._run(program, known)
        self.loops = self.loops[:-1]
        ends = [known[a] if type(a) is Var else _Value(a) for a in last.carry]
        carry = [
            self._array(known[v], end, outermost) if by is None else self._after(value, by * axis.size, eqn.loc)
            for v, end, value, by in zip(inputs.carry, ends, operands.carry, counted, strict=True)
        ]
        return [
            *carry,
            *[self._written(known[a] if type(a) is Var else _Value(a), axis, eqn.loc) for a in last.written],
        ]

    def _carried(self, v: Var, value: _Value, outermost: bool) -> _Value:
        if isinstance(v.type, SeqType) or not v.type.ndim:
            raise _NeedsOrder
        if outermost:
            return _Value(value.atom, (), _Version([]))
        if value.version is None:
            raise _NeedsOrder  # each step of the loops around has one of its own
        return value

    def _array(self, first: _Value, last: _Value, outermost: bool) -> _Value:
        """What is left of a carried array."""
        if last.version is None or first.version is None or last.version.accesses is not first.version.accesses:
            raise _NeedsOrder
        if not outermost:
            return last
        if any([_against_order(a, b) for a, b in combinations_with_replacement(first.version.accesses, 2)]):
            raise _NeedsOrder
        return _Value(last.atom)

    def _counter(self, first: _Value, by: int, axis: _Axis, loc: Location | None) -> _Value:
        """What counts the steps."""
        steps = self.made.result("iota", [], loc, shape=(axis.size,), dtype=np.dtype(np.int64), axis=0)
        if axis.reverse:
            steps = self.made.result("sub", [Literal(np.int64(axis.size - 1)), steps], loc)
        steps = self.made.result("mul", [steps, Literal(np.int64(by))], loc)
        return self._elementwise(REGISTRY["add"], [first, _Value(steps, (axis,))], {}, loc)

    def _after(self, first: _Value, by: int, loc: Location | None) -> _Value:
        return self._elementwise(REGISTRY["add"], [first, _Value(Literal(np.int64(by)))], {}, loc)

    def _written(self, value: _Value, axis: _Axis, loc: Location | None) -> _Value:
        if value.version is not None or isinstance(value.atom.type, SeqType):
            raise _NeedsOrder
        axes = tuple([a for a in value.axes if a is not axis])
        return _Value(self._spread(value, (*axes, axis), loc), axes)

    # -- equations -----------------------------------------------------------------------------------------------------

    def _run(self, program: Program, known: dict[Var, _Value]) -> None:
        for e in program.eqns:
            given = [known[a] if type(a) is Var else _Value(a) for a in e.inputs]
            known.update(zip(e.outputs, self._results(e, given), strict=True))

    def _results(self, e: Eqn, given: Sequence[_Value]) -> Sequence[_Value]:
        name, moving = e.primitive.name, [v for v in given if v.axes or v.version is not None]
        if has_effect(e):
            raise _NeedsOrder
        if name in ("check_index", "from_front") and self.made.within(given[0].atom, e.params["length"]):
            return given
        if not moving:
            found = self.made.again(e, [v.atom for v in given])
            self.made.note(self.made.eqns[-1])
            return [_Value(v) for v in found]
        if name == "gather":
            return [self._gather(e, *given)]
        if name in SCATTERS:
            return [self._scatter(e, *given)]
        if control_of(e) is not None:
            return self.loop(e, given)
        rule = e.primitive.kernel_rule(tuple([a.type for a in e.inputs]), e.params)
        if not isinstance(rule, Pointwise) or e.primitive.may_raise or any([v.version is not None for v in given]):
            raise _NeedsOrder
        return [self._elementwise(e.primitive, given, e.params, e.loc)]

    def _elementwise(self, primitive, given: Sequence[_Value], params, loc: Location | None) -> _Value:  # type: ignore[no-untyped-def]
        axes = _union(given)
        own = max([v.atom.type.shape[len(v.axes) :] for v in given], key=len)
        atoms = [self._spread(v, axes, loc, own) if v.atom.type.ndim else v.atom for v in given]
        (out,) = self.made.emit(primitive, atoms, params, loc)
        self.made.note(self.made.eqns[-1])
        return _Value(out, axes)

    def _spread(
        self, value: _Value, axes: tuple[_Axis, ...], loc: Location | None, own: tuple[int, ...] | None = None
    ) -> Atom:
        """A value with all these axes."""
        mine = value.atom.type.shape[len(value.axes) :]
        own = mine if own is None else own
        shape = (*[a.size for a in axes], *own)
        if value.atom.type.shape == shape:
            return value.atom
        places = [axes.index(a) for a in value.axes] + [len(axes) + k for k in range(len(mine))]
        return self.made.result("broadcast", [value.atom], loc, shape=shape, axes=tuple(places))

    # -- elements of arrays --------------------------------------------------------------------------------------------

    def _gather(self, e: Eqn, array: _Value, *indices: _Value) -> _Value:
        atoms, axes = self._indices(e, array, indices)
        if array.version is not None:
            self._note(array.version, 2 * array.version.writes + 1, atoms, axes)
        found = self.made.reading_slice(array.atom, atoms, e.loc)
        if found is None:
            found = self.made.result("gather", [array.atom, *atoms], e.loc, batch=0)
        return _Value(found, axes)

    def _scatter(self, e: Eqn, array: _Value, value: _Value, *indices: _Value) -> _Value:
        atoms, axes = self._indices(e, array, indices)
        if array.version is None or value.version is not None or not set(value.axes) <= set(axes):
            raise _NeedsOrder
        made = _Version(array.version.accesses, array.version.writes + 1)
        self._note(made, 2 * made.writes, atoms, axes)
        update = self._spread(value, axes, e.loc) if value.atom.type.ndim else value.atom
        found = self.made.writing_slice(e.primitive.name, array.atom, update, atoms, e.loc)
        if found is None:
            update = self._spread(value, axes, e.loc)
            found = self.made.result(e.primitive.name, [array.atom, update, *atoms], e.loc, batch=0)
        return _Value(found, (), made)

    def _indices(self, e: Eqn, array: _Value, indices: Sequence[_Value]) -> tuple[list[Atom], tuple[_Axis, ...]]:
        """Index arrays of one shape, which are known to be in bounds, and their axes."""
        axes = _union(indices)
        if e.params["batch"] or array.axes or any([v.version is not None for v in indices]) or not axes:
            raise _NeedsOrder
        atoms = [self._spread(v, axes, e.loc) for v in indices]
        if atoms[0].type.ndim != len(axes) or not all(map(self.made.within, atoms, array.atom.type.shape)):
            raise _NeedsOrder
        return atoms, axes

    def _note(self, version: _Version, order: int, atoms: Sequence[Atom], axes: tuple[_Axis, ...]) -> None:
        forms = [self.made.form(a) or Affine(0, ()) for a in atoms]
        place = tuple(
            [(f.offset, {a: s for a, s in zip(axes, f.steps, strict=True) if s and a.size > 1}) for f in forms]
        )
        version.accesses.append(_Access(order, self.loops, place))


def _union(values: Sequence[_Value]) -> tuple[_Axis, ...]:
    return tuple(sorted({a for v in values for a in v.axes}, key=lambda a: a.depth))


# -- which steps need others -------------------------------------------------------------------------------------------


def _against_order(a: _Access, b: _Access) -> bool:
    """Whether two equations may touch an element of which one writes, the one that comes first in a later step."""
    first, second = (a, b) if a.order <= b.order else (b, a)
    if not (a.writes or b.writes):
        return False
    shared = [x for x, y in zip(a.loops, b.loops, strict=False) if x is y]
    later = _steps_between(first, second, shared)
    if later is None:
        return False
    for axis in shared:
        if axis.size == 1:
            continue
        if axis not in later:
            return True
        by = -later[axis] if axis.reverse else later[axis]
        if by:
            return by > 0 or a is b
    return False


def _steps_between(first: _Access, second: _Access, shared: Sequence[_Axis]) -> dict[_Axis, int] | None:
    """How many elements further the first is along the axes where that is known, when both touch one element; None
    where they never do.
    """
    found: dict[_Axis, int] = {}
    for (x, by), (y, times) in zip(first.place, second.place, strict=True):
        if not _overlap(x, by, y, times):
            return None
        axes = by.keys() | times.keys()
        if len(axes) != 1 or by != times or not axes <= set(shared):
            continue
        ((axis, step),) = by.items()
        if (
            (y - x) % step
            or abs(y - x) // abs(step) >= axis.size
            or found.setdefault(axis, (y - x) // step) != (y - x) // step
        ):
            return None
    return found


def _overlap(x: int, by: dict[_Axis, int], y: int, times: dict[_Axis, int]) -> bool:
    """Whether the ranges of two indices meet."""
    (low, high), (least, most) = [_range(offset, steps) for offset, steps in ((x, by), (y, times))]
    return low <= most and least <= high


def _range(offset: int, steps: dict[_Axis, int]) -> tuple[int, int]:
    ends = [s * (a.size - 1) for a, s in steps.items()]
    return offset + sum([min(0, e) for e in ends]), offset + sum([max(0, e) for e in ends])
