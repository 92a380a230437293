"""Straight-line code of NumPy calls over registers: what runs again and again with other values.

A routine is made in microseconds, and a step of it costs the call of its NumPy function and an eighth of a
microsecond. A register is free after the last use of what it holds, so arrays live no longer than they must. What
ufuncs make of large arrays is written over arrays that nobody needs any more, of this run or one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from functad.core.buffers import BUFFERS, owned_by_list
from functad.errors import IndexOutOfBoundsError
from functad.ir.program import Literal, Location, Program, Var
from functad.ir.types import ArrayType

__all__ = ["Code", "Routine"]

LARGE = 1 << 15
"""Bytes from which writing over an array pays."""


class Routine:
    """Steps to run on values; see ``Code``."""

    __slots__ = (
        "_constants",
        "_left",
        "_lent",
        "_results",
        "_scratch",
        "_sources",
        "_steps",
        "_taken",
        "loans",
        "plain",
    )

    def __init__(
        self,
        steps: Sequence[tuple[Callable[..., Any], Callable[..., Any], int]],
        sources: Sequence[int],
        constants: Sequence[Any],
        scratch: int,
        results: Callable[[list[Any]], Any],
    ) -> None:
        self._steps = steps
        self._sources = sources  # of each step: the number of the equation that it belongs to
        self._constants = constants
        self._scratch = [None] * scratch
        self._results = results
        self._taken: Sequence[tuple[int, ArrayType]] = ()  # registers that are given memory to write to
        self._left: Sequence[tuple[int, ArrayType]] = ()  # registers with memory that is not needed in the end
        self._lent: Sequence[int] = ()  # given values that are written over
        self.plain: Sequence[int] = ()
        """Results, by their positions, that are contiguous arrays, or numbers."""
        self.loans: dict[int, ArrayType] = {}
        """Results, by their positions, that are arrays of their own: who gets them may write over them."""

    def may_consume(self, values: list[Any]) -> bool:
        """Whether nobody else refers to those of the values that are written over."""
        return all([owned_by_list(values, i) for i in self._lent])

    def __call__(self, values: list[Any], locate: Callable[[int], Location | None]) -> Any:
        """The results; ``locate`` says where in the user's code an equation is, for an error. The list of the values
        must not be used afterwards.
        """
        registers = values
        registers += self._constants
        registers += self._scratch
        for register, type in self._taken:
            registers[register] = BUFFERS.take(type)
        steps = iter(self._steps)
        try:
            for f, read, write in steps:
                registers[write] = f(*read(registers))
        except IndexOutOfBoundsError as error:
            error.at(locate(self._sources[len(self._sources) - steps.__length_hint__() - 1]))  # type: ignore[attr-defined]
            raise
        for register, type in self._left:
            if owned_by_list(registers, register):
                BUFFERS.give(type, registers[register])
        return self._results(registers)


class Code:
    """A routine that is being written. Values have numbers: the first are those that a run is given."""

    def __init__(self, given: int) -> None:
        self.source = 0
        """The equation that steps belong to from now on."""
        self._given = given
        self._values = given
        self._constants: dict[int, Any] = {}
        self._steps: list[tuple[Callable[..., Any], Sequence[int], int, int]] = []
        self._plain: set[int] = set()  # arrays that are contiguous
        self._large: dict[int, ArrayType] = {}  # arrays that a ufunc has made, contiguous ones
        self._shared: set[int] = set()  # what other functions were given: their results may be views of it

    def plain(self, numbers: Sequence[int]) -> None:
        """Note that given values are contiguous arrays, or numbers."""
        self._plain.update(numbers)

    def lend(self, number: int, type: ArrayType) -> None:
        """Note that a given value is an array that the routine may write over."""
        self._plain.add(number)
        self._large[number] = type

    def constant(self, value: Any) -> int:
        """A value that is always the same."""
        number = self._new()
        if isinstance(value, np.generic):
            self._plain.add(number)
        self._constants[number] = value
        return number

    def call(self, f: Callable[..., Any], operands: Sequence[int], copies: bool = False) -> int:
        """What a function returns; ``copies`` says that it shares no memory with an operand."""
        if not copies:
            self._shared.update(operands)
        return self._step(f, operands)

    def parts(self, number: int, count: int) -> list[int]:
        """The items of a value."""
        return [self._step(itemgetter(i), [number]) for i in range(count)]

    def equation(self, primitive: Any, operands: Sequence[int], params: Any, types: Sequence[ArrayType]) -> list[int]:
        """The results of an equation, of these types."""
        f = primitive.computing(tuple(types))
        if primitive.multiple_results:
            return self.parts(self.call(partial(f, **params) if params else f, operands), len(types))
        (out,) = types
        if primitive.ufunc is not None and out.ndim and out.dtype.kind == "f":
            # the order in which a sum adds up depends on the layout, so that must be what NumPy gives
            plain = out.ndim == 1 or self._plain.issuperset(operands)
            large = plain and out.size * out.dtype.itemsize >= LARGE
            number = self._step(partial(written, primitive.ufunc) if large else primitive.ufunc, operands)
            if plain:
                self._plain.add(number)
            if large:
                self._large[number] = out
            return [number]
        copies = primitive.copies or not out.ndim or isinstance(f, np.ufunc)
        number = self.call(partial(f, **params) if params else f, operands, copies)
        if not out.ndim:
            self._plain.add(number)
        return [number]

    def program(self, program: Program, operands: Sequence[int], locate: bool = False) -> list[int]:
        """The results of a Program; ``locate`` if its equations are those that errors are about."""
        numbers: dict[Any, int] = dict(zip(program.inputs, operands, strict=True))
        for i, e in enumerate(program.eqns):
            if locate:
                self.source = i
            read = [self._atom(a, numbers) for a in e.inputs]
            found = self.equation(e.primitive, read, e.params, [v.type for v in e.outputs])
            numbers.update(zip(e.outputs, found, strict=True))
        return [self._atom(a, numbers) for a in program.outputs]

    def _atom(self, atom: Any, numbers: dict[Var, int]) -> int:
        return self.constant(atom.value) if type(atom) is Literal else numbers[atom]

    def _new(self) -> int:
        self._values += 1
        return self._values - 1

    def _step(self, f: Callable[..., Any], operands: Sequence[int]) -> int:
        number = self._new()
        self._steps.append((f, operands, number, self.source))
        return number

    def routine(self, results: Sequence[int]) -> Routine:
        """The routine that gives these values."""
        last = {number: step for step, (_, operands, _, _) in enumerate(self._steps) for number in operands}
        last.update(dict.fromkeys([*results, *self._constants], len(self._steps)))  # constants stay for the next run
        register = {number: i for i, number in enumerate([*range(self._given), *self._constants])}
        first = count = len(register)
        free: list[int] = []
        memory: dict[ArrayType, list[int]] = {}  # registers that hold arrays to write over
        taken: list[tuple[int, ArrayType]] = []
        steps = []
        for step, (f, operands, number, _) in enumerate(self._steps):
            read = [register[n] for n in operands]
            for n in dict.fromkeys(operands):
                if last[n] == step:
                    where = memory.setdefault(self._large[n], []) if self._own(n) else free
                    where.append(register[n])
            type = self._large.get(number)
            if type is None:
                if not free:
                    free.append(count)
                    count += 1
                register[number] = free.pop()
            else:
                if not memory.get(type):
                    memory[type] = [count]
                    taken.append((count, type))
                    count += 1
                register[number] = memory[type].pop()
                read.append(register[number])
            steps.append((f, reader(read), register[number]))
            if number not in last:
                (free if type is None else memory[type]).append(register[number])
        routine = Routine(
            steps,
            [source for *_, source in self._steps],
            list(self._constants.values()),
            count - first,
            reader([register[n] for n in results]),
        )
        routine._taken = taken
        routine._left = [(r, type) for type, registers in memory.items() for r in registers]
        routine._lent = [n for n in self._large if n < self._given]
        routine.plain = [i for i, n in enumerate(results) if n in self._plain]
        routine.loans = {i: self._large[n] for i, n in enumerate(results) if self._own(n) and results.count(n) == 1}
        return routine

    def _own(self, number: int) -> bool:
        """Whether a value is an array that nothing but the routine's ufuncs has seen."""
        return number in self._large and number not in self._shared


def written(ufunc: Callable[..., Any], *operands: Any) -> Any:
    """What a ufunc gives, written to the array behind its operands."""
    return ufunc(*operands[:-1], out=operands[-1])


def reader(registers: Sequence[int]) -> Callable[[list[Any]], Any]:
    """A function from all registers to the values in some, in a row."""
    if len(registers) > 1:
        return itemgetter(*registers)
    first = registers[0] if registers else 0
    return itemgetter(slice(first, first + len(registers)))
