"""Programs: typed SSA, the one representation that every transform reads and writes.

A ``Program`` is a list of equations over typed variables::

    { lambda a:f64[3] b:f64[] .
        c:f64[3] = sin a
        d:f64[3] = mul c b
      in (d) }

Each variable is assigned once, before its uses; an atom is a variable or a literal (a scalar, or a read-only array).
A Program is closed: what a function closed over is an explicit input or a literal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from functad.caches import cached
from functad.identity import Immutable
from functad.ir.types import ArrayType, array_type
from functad.recycled import copied

if TYPE_CHECKING:
    from functad.core.primitive import Primitive, Signature

__all__ = [
    "Atom", "DerivedLocation", "Eqn", "Literal", "Location", "Program", "ProgramOnDemand", "Var", "frozen",
    "is_frozen", "literal", "programs_in", "sub_programs", "types_of",
]  # fmt: skip


class Var:
    """A variable; its identity is its name."""

    __slots__ = ("type",)

    def __init__(self, type: ArrayType) -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"Var({self.type})"


class Literal:
    """A constant operand: a NumPy scalar, or an array that nobody writes to any more."""

    __slots__ = ("type", "value")

    def __init__(self, value: Any, type: ArrayType | None = None) -> None:
        self.value = value
        self.type = array_type(value.shape, value.dtype) if type is None else type

    def __reduce__(self) -> tuple[Any, ...]:
        return (literal, (self.value,)) if isinstance(self.value, np.ndarray) else (Literal, (self.value, self.type))

    def __repr__(self) -> str:
        return f"Literal({self.value!r})"


Atom = Var | Literal


class Location:
    """Where in the user's code an equation comes from; resolved to file and line only when printed."""

    __slots__ = ("code", "instruction")

    def __init__(self, code: Any, instruction: int) -> None:
        self.code = code
        self.instruction = instruction

    @property
    def filename(self) -> str:
        """The file of the user's code."""
        return str(self.code.co_filename)

    @property
    def line(self) -> int:
        """The line in the user's file."""
        starts, lines = _line_table(self.code)
        return lines[bisect_right(starts, self.instruction) - 1]

    def __reduce__(self) -> tuple[Any, ...]:
        return line_of, (self.filename, self.line)

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}"


class DerivedLocation(Location):
    """The location of an equation that a derivative is made of: ``way`` ("tangent" or "backward") of which primitive,
    ``of``, of the equation at the location ``around``.
    """

    __slots__ = ("around", "of", "way")

    def __init__(self, way: str, of: str, around: Location) -> None:
        super().__init__(around.code, around.instruction)
        self.way, self.of, self.around = way, of, around


class Line(NamedTuple):
    """Stands for the code object of a location that has been pickled: all that is known is the line."""

    co_filename: str
    co_firstlineno: int

    def co_lines(self) -> Iterable[tuple[int, int, int]]:
        """None, beside the first."""
        return ()


def line_of(filename: str, line: int) -> Location:
    """The location of a line."""
    return Location(Line(filename, line), 0)


@cached(64)
def _line_table(code: Any) -> tuple[list[int], list[int]]:
    """Where ranges of instructions start, and their lines."""
    starts, lines = [-1], [code.co_firstlineno]
    for start, _, line in code.co_lines():
        starts.append(start)
        lines.append(code.co_firstlineno if line is None else line)
    return starts, lines


class Eqn:
    """``outputs = primitive[params] inputs``: one operation of a Program.

    Attributes
    ----------
    primitive
        What it does; ``primitive.name`` is the name that is printed.
    inputs
        The operands, each a `Var` or a `Literal` with a ``value``; both have a ``type``.
    params
        What else the operation depends on, by name.
    outputs
        The variables that are its results.
    loc
        The user's line that it comes from, ``loc.filename`` and ``loc.line``; None if nobody knows.
    """

    __slots__ = ("_signature", "inputs", "loc", "outputs", "params", "primitive")

    evaluate: ClassVar[Callable[..., Any]]
    """``evaluate(*operands)``: the result."""
    jvp: ClassVar[Callable[..., tuple[Any, Any]]]
    """``jvp(operands, tangents)``: the result and its tangent."""
    vjp: ClassVar[Callable[..., tuple[Any, Callable[..., tuple[Any, ...]]]]]
    """``vjp(*operands)``: the result and the pullback (``api/walking.py``)."""

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Atom, ...],
        params: Mapping[str, Any],
        outputs: tuple[Var, ...],
        loc: Location | None,
        signature: Signature | None = None,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.outputs = outputs
        self.loc = loc
        self._signature = signature

    def __reduce__(self) -> tuple[Any, ...]:
        return Eqn, (self.primitive, self.inputs, dict(self.params), self.outputs, self.loc)

    @property
    def signature(self) -> Signature:
        """What the primitive knows about operands of these types under these params."""
        if self._signature is None:
            self._signature = self.primitive.signature(tuple([a.type for a in self.inputs]), self.params)
        return self._signature


class Program(Immutable):
    """A closed function of typed inputs: straight-line equations, sub-Programs in their params.

    ``str(program)`` is stable text; ``functad.ir.printer`` gives it, with its grammar. It is pickled by value: rules of
    the user's are traced first, lines of code are those that they are now; of callbacks Python must find the function.

    Attributes
    ----------
    inputs
        The variables that are its arguments.
    eqns
        The equations, in the order in which they run.
    outputs
        The results: variables, or literals.
    name
        That of the function that was traced, if it has one.
    """

    __slots__ = ("derived", "doubtful", "eqns", "inputs", "interned", "name", "outputs", "plan", "script")

    text: ClassVar[Callable[..., str]]
    """The text with all that belongs to the Program, which ``fd.parse_ir`` reads: ``ir/printer.py`` gives it."""
    variables: ClassVar[Any]
    """All variables, in the order in which they are defined (``ir/walking.py``, as the next three)."""
    name_of: ClassVar[Callable[..., str]]
    """``name_of(variable)``: the name that is printed."""
    producer: ClassVar[Callable[..., Eqn | None]]
    """``producer(variable)``: the equation that it is a result of; None for inputs."""
    users: ClassVar[Callable[..., tuple[Eqn, ...]]]
    """``users(variable)``: the equations that take it."""
    values: ClassVar[Callable[..., Mapping[Any, Any]]]
    """``values(*inputs)``: the value of every variable (``api/walking.py``)."""

    def __init__(
        self,
        inputs: Iterable[Var],
        eqns: Iterable[Eqn],
        outputs: Iterable[Atom],
        name: str = "",
    ) -> None:
        self.inputs = tuple(inputs)
        self.eqns = tuple(eqns)
        self.outputs = tuple(outputs)
        self.name = name
        self.plan: Any = None  # the evaluator's: how often it ran, then a Python function
        self.doubtful: frozenset[Var] = (
            frozenset()
        )  # inputs that may be infinite or NaN, as far as derivatives care; see transforms.strong
        self.script: Any = None  # what the next trace of the same function follows; see core.following
        self.derived: dict[Any, Any] = {}  # what was made of this Program: see ir.derived
        self.interned = False  # whether a table holds it: see ir.interned

    @property
    def in_types(self) -> tuple[ArrayType, ...]:
        """The types of the inputs."""
        return tuple(v.type for v in self.inputs)

    @property
    def out_types(self) -> tuple[ArrayType, ...]:
        """The types of the outputs."""
        return tuple(a.type for a in self.outputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return stored_program, (self.inputs, self.eqns, self.outputs, self.name, self.doubtful)


def stored_program(
    inputs: Iterable[Var], eqns: Iterable[Eqn], outputs: Iterable[Atom], name: str, doubtful: frozenset[Var]
) -> Program:
    """A Program that has been pickled."""
    program = Program(inputs, eqns, outputs, name)
    program.doubtful = doubtful
    return program


class ProgramOnDemand(Program):
    """A Program that is made when someone looks at its equations; its types, and how to evaluate it, are known before.

    A call that has been evaluated, as most un-jitted ones have, is differentiated by a rule of its own: nobody asks
    what it consists of.
    """

    __slots__ = ("_make", "_types")

    def __init__(
        self,
        make: Callable[[], Program],
        in_types: Sequence[ArrayType],
        out_types: Sequence[ArrayType],
        evaluate: Callable[..., Sequence[Any]],
    ) -> None:
        self._make = make
        self._types = tuple(in_types), tuple(out_types)
        self.name = ""
        self.plan = evaluate
        self.script = None
        self.derived = {}
        self.interned = False
        self.doubtful = frozenset()

    def __getattr__(self, name: str) -> Any:
        if name not in ("inputs", "eqns", "outputs"):
            raise AttributeError(name)
        made = self._make()
        self.inputs, self.eqns, self.outputs = made.inputs, made.eqns, made.outputs
        return getattr(self, name)

    @property
    def in_types(self) -> tuple[ArrayType, ...]:
        """The types of the inputs."""
        return self._types[0]

    @property
    def out_types(self) -> tuple[ArrayType, ...]:
        """The types of the outputs."""
        return self._types[1]


def literal(value: Any) -> Literal:
    """A literal of a NumPy scalar, or of an array: a private copy of what can be written to."""
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return Literal(value[()])
        if value.flags.writeable or not (value.flags.owndata or is_frozen(value)):
            value = frozen(value)
    return Literal(value)


def frozen(array: np.ndarray) -> np.ndarray:
    """A copy that nobody can write to, in native byte order."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.nbytes > SMALL_BYTES:
        return np.asarray(FrozenMemory(copied(array)))
    return np.ndarray(array.shape, array.dtype, array.tobytes())


SMALL_BYTES = 1 << 16
"""Up to here memory of ``bytes`` is quicker to make; for large arrays NumPy's own is."""


class FrozenMemory:
    """The private memory of an array, to be read only; as the base of another one it keeps it alive."""

    __slots__ = ("__array_interface__", "_array")

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        address = array.__array_interface__["data"][0]
        self.__array_interface__ = {
            "data": (address, True),
            "shape": array.shape,
            "typestr": array.dtype.str,
            "version": 3,
        }


def is_frozen(array: np.ndarray) -> bool:
    """Whether nobody can write to the memory of an array, nor make it writeable."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return type(base) is bytes or type(base) is FrozenMemory


def sub_programs(eqn: Eqn) -> list[Program]:
    """The Programs among the params of an equation, those in tuples included."""
    return programs_in(eqn.params)


def programs_in(params: Mapping[str, Any]) -> list[Program]:
    """The Programs among params, those in tuples included; in the order of the names."""
    found: list[Program] = []
    if not params:
        return found
    stack = [v for _, v in sorted(params.items(), reverse=True)]
    while stack:
        value = stack.pop()
        if isinstance(value, Program):
            found.append(value)
        elif type(value) is tuple:
            stack.extend(reversed(value))
    return found


def types_of(program: Program) -> str:
    """The types of inputs and outputs, for people: ``(f64[3]) -> (f64[])``."""
    arguments, results = [", ".join(map(str, types)) for types in (program.in_types, program.out_types)]
    return f"({arguments}) -> ({results})"
