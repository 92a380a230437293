"""What a jitted function takes from outside besides its arguments, found while it is traced.

An array that somebody can write to and that meets traced values becomes a *hidden operand*: an input of the Program,
one for all its uses, which each call reads where it is. What Python makes of arrays before functad sees them (``2 *
w``, ``w[0]``) is guarded: the arrays that the function can reach are compared at each call, up to ``MOST_BYTES`` each
and ``MOST_BYTES_IN_ALL``. Arrays that the function made while it ran, and that nobody else holds afterwards, are
constants.
"""

from __future__ import annotations

import contextlib
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from functad import config
from functad.api.world.guards import Converted, Guard, Guards, Never, bits
from functad.api.world.hidden import HiddenOperand
from functad.api.world.reach import Reach
from functad.api.world.views import address, is_plain, view_of
from functad.core.foreign import as_numpy
from functad.core.trace import ABSENT, Trace, escaped, within
from functad.core.tracer import ARRAY, Tracer
from functad.errors import FunctadError
from functad.ir.program import Atom, Eqn, Program, Var, frozen, is_frozen, literal
from functad.ir.types import ArrayType, array_type
from functad.lower.entry.places import Fixed, Place, Unwritten, elements_of

__all__ = ["MOST_BYTES", "MOST_BYTES_IN_ALL", "Outside"]

MOST_BYTES = 64 << 10
"""Larger arrays are compared only where the Program is known to depend on what they hold, or with ``FUNCTAD_DEBUG=1``.
"""

MOST_BYTES_IN_ALL = 1 << 20


class Taken:
    """An array that was met, and what it held then; it is held weakly if it may be the function's own."""

    def __init__(self, array: np.ndarray, own: bool) -> None:
        self.tracer: Tracer | None = None
        self.needed = False  # the Program depends on what it holds now, not only on what it will hold
        self.written = False  # it has changed while the function ran: each use is of what it held then
        self.snapshot = frozen(array)
        root = root_of(array)
        self.weak = weakref.ref(array) if own else lambda: array
        self.weak_root = weakref.ref(root) if own else lambda: root
        self.memory = address(array), array.shape, array.strides, array.dtype

    def unchanged(self, array: np.ndarray) -> bool:
        """Whether an array of this memory holds what this one held."""
        return np.array_equal(bits(array), bits(self.snapshot))

    def survivor(self) -> np.ndarray | None:
        """The array, or one that shows the same, if anybody but its Program can still reach the memory."""
        found, root = self.weak(), self.weak_root()
        return np.asarray(Memory(root, *self.memory)) if found is None and root is not None else found


class Memory:
    """Memory of an array, shown in a way of its own; as the base of an array it keeps the owner alive."""

    def __init__(
        self, root: np.ndarray, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype
    ) -> None:
        self.root = root
        self.__array_interface__ = {
            "data": (address, False),
            "shape": shape,
            "strides": strides,
            "typestr": dtype.str,
            "version": 3,
        }


class Outside:
    """The hidden operands and the guards of one trace of a function that can reach some arrays, of which some are
    ``compared``.
    """

    trace: Trace

    def __init__(
        self, arrays: Sequence[np.ndarray], compared: Sequence[np.ndarray], foreign: Sequence[Any] = ()
    ) -> None:
        self.guards = Guards()
        self.reachable = [a for a in arrays if not is_frozen(a)]
        self.known = {id(root_of(a)) for a in self.reachable}  # not made by the function, and alive as long as this
        self.comparisons = comparisons([a for a in compared if not is_frozen(a)])
        # arrays of other libraries, what they gave, and what that held where it must be the same
        self.conversions: list[tuple[Callable[[], Any], np.ndarray, bytes | None]] = []
        self.taken: dict[Any, Taken] = {}  # the latest of each memory
        self.all: list[Taken] = []
        self.behind: dict[Var, Taken] = {}
        self.hidden: dict[Var, Taken | HiddenOperand] = {}  # the inputs
        self.asked: dict[Var, Callable[[], None]] = {}
        for x in foreign:
            self.compare_foreign(x)

    # -- while the function is traced ----------------------------------------------------------------------------------

    def operand(self, array: np.ndarray) -> Any:
        """A tracer of what the array holds at each call; the array itself, if nobody can write to it."""
        if is_frozen(array):
            return array
        taken = self.take(np.asarray(array))
        if taken.tracer is None:
            shown = self.view(array)
            taken.tracer = (
                self.input(taken, array_type(array.shape, array.dtype.newbyteorder("=")), ARRAY)
                if shown is None
                else shown
            )
            self.behind[taken.tracer._variable] = taken
        return taken.tracer

    def converted(self, x: Any, array: np.ndarray, content: bytes | None = None) -> None:
        """Note that an array of another library gave this one: it must give the same at each call, unless it is the
        function's own, and is not there any more then.
        """
        try:
            found: Callable[[], Any] = weakref.ref(x)
        except TypeError:
            found = lambda: x  # noqa: E731
        self.conversions.append((found, array, content))

    def compare_foreign(self, x: Any) -> None:
        """Note that the function can reach a small array of another library, of which Python may compute something."""
        if bytes_of(x) <= MOST_BYTES:
            with contextlib.suppress(FunctadError):  # then it is of no use to the function, either
                array = as_numpy(x, "a closed-over array")
                self.converted(x, array, array.tobytes())

    def view(self, array: np.ndarray) -> Tracer | None:
        """A view that native code does not take as it is: equations over the memory that it shows."""
        if is_plain(array):
            return None
        found = view_of(array, [a for a in self.reachable if root_of(a) is root_of(array)])
        if found is None:
            return None
        shown = within(self.trace, lambda: found.of(self.operand(found.base)))
        return Tracer(shown._variable, self.trace, ARRAY)

    def hide(self, place: Place, type: ArrayType, kind: int, asked: Callable[[], None] | None = None) -> Tracer:
        """A further hidden operand: what ``place`` holds at each call.

        Where Python asks for its value (``if``, ``float``, a shape), ``asked`` is called and the value given; without
        it that is an error.
        """
        tracer = self.input(HiddenOperand(place, type, kind), type, kind)
        if asked is not None:
            self.asked[tracer._variable] = asked
        return tracer

    def input(self, source: Taken | HiddenOperand, type: ArrayType, kind: int) -> Tracer:
        """A new input of the Program."""
        var = self.trace.add_input(type)
        self.hidden[var] = source
        return Tracer(var, self.trace, kind)

    def depends_on(self, array: np.ndarray) -> None:
        """Note that the Program is right only as long as the array holds what it holds now."""
        if not is_frozen(array):
            self.take(np.asarray(array)).needed = True

    def value(self, trace: Trace, var: Var) -> Any:
        """What is behind a variable holds now, which is noted; ABSENT if nothing is."""
        while trace is not self.trace:
            source = trace.sources.get(var)
            if source is None:
                return ABSENT
            trace, var = source._owner, source._variable
        if var in self.asked:
            self.asked[var]()
            operand = self.hidden[var]
            assert isinstance(operand, HiddenOperand)
            return operand.value()
        taken = self.behind.get(var)
        if taken is None:
            return ABSENT
        taken.needed = True
        return taken.snapshot[()]

    def take(self, array: np.ndarray) -> Taken:
        """What is known of an array's memory."""
        root = root_of(array)
        key = id(root), address(array), array.shape, array.strides, array.dtype.str
        found = self.taken.get(key)
        known = found is not None and found.weak_root() is root
        if found is None or not known or not found.unchanged(array):
            made = Taken(array, own=id(root) not in self.known and root.flags.owndata)
            if found is not None and known:
                found.written = made.written = True
            self.taken[key] = made
            self.all.append(made)
            return made
        return found

    def runs_later(self, f: Any) -> None:
        """Note that a function runs when the Program does."""
        self.reads_no_operand(Reach(f))
        self.guards.later.append(f)

    def reads_no_operand(self, reach: Reach) -> None:
        """Refuse functions that run later, and would then find a tracer in a cell or a global that is an operand."""
        for node in reach.nodes.values():
            found = node.value
            if type(found) is Tracer and (found._variable in self.hidden or found._variable in self.behind):
                raise escaped(found)

    def inherit(self, guards: Guards) -> None:
        """The guards of a function that is called in this one."""
        self.guards.later += guards.later
        known = {id(g) for g in self.guards.guards}
        compared = {id(c.array) for c in self.comparisons if c.content is not None}
        for guard in guards.guards:
            if id(guard) not in known and not (isinstance(guard, Unwritten) and id(guard.array) in compared):
                self.guards.add(guard)

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def settle(self, program: Program) -> tuple[Program, tuple[HiddenOperand, ...], Guards]:
        """The Program with its hidden inputs last; where they are read; and what it was made for."""
        self.conversions = [c for c in self.conversions if c[0]() is not None]
        used = {a for e in program.eqns for a in e.inputs} | set(program.outputs)
        constants: dict[Var, Atom] = {}
        operands: dict[Var, HiddenOperand] = {}
        for var, source in self.hidden.items():
            if var not in used:
                continue
            if isinstance(source, HiddenOperand):
                operands[var] = source
                continue
            array = source.survivor()
            source.written |= array is not None and not source.unchanged(array)
            if array is None or source.written:
                constants[var] = literal(source.snapshot)
            else:
                operands[var] = HiddenOperand(Fixed(array), var.type, ARRAY)
        inputs = [v for v in program.inputs if v not in self.hidden]
        settled = replaced(Program([*inputs, *operands], program.eqns, program.outputs, program.name), constants)
        foreign = {(id(x := found()), c is None): Converted(x, array, c) for found, array, c in self.conversions}
        compared = self.compared(operands.values())
        guards = Guards([*self.guards.guards, *compared, *foreign.values()], self.guards.later)
        self.conversions.clear()
        for table in (self.taken, self.all, self.behind, self.hidden):
            table.clear()  # tracers that have escaped must keep nothing alive
        return settled, tuple(operands.values()), guards

    def compared(self, operands: Iterable[HiddenOperand]) -> list[Guard]:
        """What is compared at each call."""
        read = {
            id(o.place.value) for o in operands if isinstance(o.place, Fixed)
        }  # the entry looks at their shapes anyway
        found = {id(c.array): c for c in self.comparisons if c.content is not None or id(c.array) not in read}
        contents = {id(c.array) for c in found.values() if c.content is not None}
        for taken in self.all:
            array = taken.survivor() if taken.needed or taken.written else None
            if array is None or id(array) in contents:
                continue
            if taken.written or not taken.unchanged(array):  # it must have been as it was before the function ran
                if id(root_of(array)) not in contents:
                    return [Never()]
            else:
                found[id(array)] = Unwritten.since_now(array, content=True)
        return list(found.values())


def comparisons(arrays: Sequence[np.ndarray]) -> list[Unwritten]:
    """What is to be compared of arrays that a function can reach: the shapes of all, what small ones hold."""
    left = MOST_BYTES_IN_ALL
    found = []
    for array in arrays:
        size = elements_of(array).nbytes
        content = config.debug.value or size <= min(left, MOST_BYTES)
        left -= size if content else 0
        found.append(Unwritten.since_now(array, content))
    return found


def bytes_of(x: Any) -> int:
    """About how large an array of another library is; more than is compared where it does not say so."""
    shape = getattr(x, "shape", None)
    if not isinstance(shape, tuple) or not all([isinstance(n, int) for n in shape]):
        return MOST_BYTES + 1
    return 8 * math.prod(shape)


def replaced(program: Program, atoms: dict[Var, Atom]) -> Program:
    """The Program with atoms in the place of variables."""
    if not atoms:
        return program

    def put(a: Atom) -> Atom:
        return atoms.get(a, a) if type(a) is Var else a

    eqns = [
        Eqn(e.primitive, tuple([put(a) for a in e.inputs]), e.params, e.outputs, e.loc)
        if any([a in atoms for a in e.inputs])
        else e
        for e in program.eqns
    ]
    return Program(program.inputs, eqns, [put(a) for a in program.outputs], program.name)


def root_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory, or the last one before something else does."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
