"""Straight-line code of NumPy calls over registers: what runs again and again with other values.

A routine is made in microseconds, and a step of it costs the call of its NumPy function and an eighth of a
microsecond. A register is free after the last use of what it holds, so arrays live no longer than they must; a sum or
product of large arrays is written over an operand that nobody needs any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from functad.errors import IndexOutOfBoundsError
from functad.ir.program import Literal, Location, Program, Var
from functad.ir.types import ArrayType

__all__ = ["Code", "Routine"]

LARGE = 1 << 14
"""Bytes from which writing over an operand pays."""


class Routine:
    """Steps to run on values; see ``Code``."""

    __slots__ = ("_constants", "_results", "_scratch", "_sources", "_steps")

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

    def __call__(self, values: Sequence[Any], locate: Callable[[int], Location | None]) -> list[Any]:
        """The results; ``locate`` says where in the user's code an equation is, for an error."""
        registers = [*values, *self._constants, *self._scratch]
        steps = iter(self._steps)
        try:
            for f, read, write in steps:
                registers[write] = f(*read(registers))
        except IndexOutOfBoundsError as error:
            error.at(locate(self._sources[len(self._sources) - steps.__length_hint__() - 1]))  # type: ignore[attr-defined]
            raise
        return self._results(registers)  # type: ignore[no-any-return]


class Code:
    """A routine that is being written. Values have numbers: the first are those that a run is given."""

    def __init__(self, given: int) -> None:
        self.source = 0
        """The equation that steps belong to from now on."""
        self._given = given
        self._values = given
        self._constants: dict[int, Any] = {}
        self._steps: list[tuple[Callable[..., Any], Sequence[int], int, int]] = []
        self._large: dict[int, ArrayType] = {}  # arrays that a ufunc has made
        self._shared: set[int] = set()  # what other functions were given: their results may be views of it

    def constant(self, value: Any) -> int:
        """A value that is always the same."""
        number = self._new()
        self._constants[number] = value
        return number

    def call(self, f: Callable[..., Any], operands: Sequence[int]) -> int:
        """What a function returns."""
        self._shared.update(operands)
        return self._step(f, operands)

    def parts(self, number: int, count: int) -> list[int]:
        """The items of a value."""
        return [self._step(itemgetter(i), [number]) for i in range(count)]

    def equation(self, primitive: Any, operands: Sequence[int], params: Any, types: Sequence[ArrayType]) -> list[int]:
        """The results of an equation, of these types."""
        f = primitive.evaluate
        if primitive.multiple_results:
            return self.parts(self.call(partial(f, **params) if params else f, operands), len(types))
        (out,) = types
        if primitive.infix is not None and not out.ndim and out.dtype.kind == "f":
            return [self._step(primitive.infix, operands)]
        if primitive.ufunc is not None and out.ndim and out.dtype.kind == "f":
            number = self._step(primitive.ufunc, operands)
            if out.size * out.dtype.itemsize >= LARGE:
                self._large[number] = out
            return [number]
        return [self.call(partial(f, **params) if params else f, operands)]

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
        for number in results:
            last[number] = len(self._steps)
        for number in self._constants:
            last[number] = len(self._steps)  # it stays for the next run
        register = {number: i for i, number in enumerate([*range(self._given), *self._constants])}
        count = len(register)
        free: list[int] = []
        steps = []
        for step, (f, operands, number, _) in enumerate(self._steps):
            read = [register[n] for n in operands]
            dead = [n for n in dict.fromkeys(operands) if last[n] == step]
            over = next((n for n in dead if self._may_be_written(n, number)), None)
            free += [register[n] for n in dead]
            if over is not None:
                read.append(register[over])
                free.remove(register[over])
                register[number] = register[over]
            elif free:
                register[number] = free.pop()
            else:
                register[number] = count
                count += 1
            steps.append((f, reader(read), register[number]))
            if number not in last:
                free.append(register[number])
        scratch = count - self._given - len(self._constants)
        return Routine(
            steps,
            [source for *_, source in self._steps],
            list(self._constants.values()),
            scratch,
            reader([register[n] for n in results]),
        )

    def _may_be_written(self, dead: int, result: int) -> bool:
        """Whether a result can be written over an operand of its step that is not used any more."""
        return dead in self._large and dead not in self._shared and self._large[dead] is self._large.get(result)


def reader(registers: Sequence[int]) -> Callable[[list[Any]], Any]:
    """A function from all registers to the values in some, in a row."""
    if len(registers) > 1:
        return itemgetter(*registers)
    first = registers[0] if registers else 0
    return itemgetter(slice(first, first + len(registers)))
