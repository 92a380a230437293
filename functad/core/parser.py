"""Programs from their text: the grammar that ``ir/printer.py`` states, read from left to right with one token ahead.

What is read may come from anywhere. Nothing of it is run: primitives, forms and names are looked up in functad's own
tables. Every equation is held against the type rule of its primitive where it is read, so what comes out is a Program
as a trace makes it, or there is an error. Labels stand for what has been read, so no Program holds itself (a rule may:
``Form.begin``), and what labels multiply is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functad.core.param_kinds import misfit, strange_param
from functad.core.primitive import Primitive
from functad.errors import message_of
from functad.ir.forms import FORMS, NAMES, Form
from functad.ir.occurrences import MOST_NESTED
from functad.ir.program import Atom, Eqn, Literal, Location, Program, Var, line_of, literal
from functad.ir.scalars import array_of, dtype_named, python_number, scalar_of
from functad.ir.scanner import Scanner
from functad.ir.types import ArrayType, Size, Symbol, array_type, seq_type

__all__ = ["ProgramParser"]

MOST_EQUATIONS = 10_000_000
"""So many equations may a Program have where each label stands for what it labels."""

MOST_BYTES = 2**62
MOST_AXES = 32

Elements = Callable[[ArrayType], np.ndarray]
"""What gives the elements of an array that the text leaves out."""


class ProgramParser:
    """Reads values of params, Programs among them, from a text.

    ``primitive`` finds a primitive by its name; ``elements`` gives the arrays whose elements the text leaves out, in
    order.
    """

    def __init__(self, scanner: Scanner, primitive: Callable[[str], Primitive | None], elements: Elements) -> None:
        self.scanner = scanner
        self.primitive = primitive
        self.elements = elements
        self.labels: dict[str, Any] = {}
        self.equations: dict[int, int] = {}  # of Programs and forms that have labels, what labels stand for included
        self.count = 0
        self.depth = 0

    # -- Programs ------------------------------------------------------------------------------------------------------

    def program(self, name: str | None = None) -> Program:
        """A Program, behind its name if that has been read."""
        scanner = self.scanner
        if name is None:
            name = self.name() if scanner.kind in ("word", "string") else ""
        if name and not name.isidentifier():  # it may become part of messages, and of code
            raise scanner.error(f"{name!r} is no name of a Program")
        scanner.expect("{")
        scanner.expect("lambda")
        return _ProgramReader(self).read(name)

    def name(self) -> str:
        return self.scanner.string() if self.scanner.kind == "string" else self.scanner.take("word")

    def counted(self, equations: int) -> None:
        self.count += equations
        if self.count > MOST_EQUATIONS:
            raise self.scanner.error(f"labels make more than {MOST_EQUATIONS} equations of it")

    # -- values of params ----------------------------------------------------------------------------------------------

    def value(self, label: str = "") -> Any:
        """The value of a param; ``label`` stands in front of it."""
        scanner, kind = self.scanner, self.scanner.kind
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise scanner.error(f"more than {MOST_NESTED} values in one another")
        if kind == "label":
            found = self.labelled(self.value)
        elif kind == "number":
            text = scanner.take("number")
            found = scanner.made(scalar_of if ":" in text else python_number, text)
            if type(found) is int and not -(2**63) <= found < 2**64:
                raise scanner.error(f"the integer {text} is too large")
        elif scanner.at("("):
            found = self.sequence()
        elif scanner.at("{"):
            found = self.program("")
        elif kind == "string":
            found = scanner.string()
            if not found.isprintable():
                raise scanner.error("a string has characters that do not print")
            if scanner.at("{"):
                found = self.program(found)
        elif kind == "word":
            found = self.named(scanner.take("word"), label)
        else:
            raise scanner.error("expected a value" + (LEFT_OUT if scanner.at("<") else ""))
        self.depth -= 1
        return found

    def sequence(self) -> tuple[Any, ...]:
        """Values in parentheses, which have to be read."""
        self.scanner.expect("(")
        found = []
        while not self.scanner.at(")"):
            found.append(self.value())
            if not self.scanner.at(")"):
                self.scanner.expect(",")
        self.scanner.expect(")")
        return tuple(found)

    def named(self, word: str, label: str) -> Any:
        """What a word begins, or is."""
        scanner = self.scanner
        if scanner.at("{"):
            return self.program(word)
        if word in FORMS and scanner.at("("):
            return self.form(FORMS[word], label)
        if word == "None":
            return None
        dtype = dtype_named(word)
        if dtype is not None:
            return self.sizes(dtype) if scanner.at("[") else dtype
        if word == "seq":
            return self.type(word)
        if word in NAMES:
            return NAMES[word]
        raise scanner.error(f"`{word}` is nothing that a text can hold{LEFT_OUT}")

    def form(self, form: Form, label: str) -> Any:
        """An object with a form, of its fields."""
        scanner = self.scanner
        if form.begin is None:
            return scanner.made(form.make, *self.sequence())
        scanner.expect("(")
        heads = [self.value() for _ in self.separated(form.heads)]
        made = scanner.made(form.begin, *heads)
        if label:
            self.labels[label], self.equations[id(made)] = made, 0
        programs = []
        while not scanner.at(")"):
            scanner.expect(",")
            programs.append(self.value())
        scanner.expect(")")
        return scanner.made(form.make, made, *heads, *programs)

    def separated(self, count: int) -> Any:
        for k in range(count):
            if k:
                self.scanner.expect(",")
            yield k

    def labelled(self, read: Callable[..., Any]) -> Any:
        """What a label stands for: what has been read, or what follows it."""
        scanner = self.scanner
        label = scanner.take("label")
        if not scanner.at(":"):
            if label not in self.labels:
                raise scanner.error(f"the label {label} stands for nothing yet")
            found = self.labels[label]
            self.counted(self.equations[id(found)])
            return found
        scanner.expect(":")
        if label in self.labels:
            raise scanner.error(f"the label {label} is given twice")
        before = self.count
        found = read(label)
        self.labels[label], self.equations[id(found)] = found, self.count - before
        return found

    # -- atoms and types -----------------------------------------------------------------------------------------------

    def array(self, label: str = "") -> np.ndarray:
        """An array literal."""
        scanner = self.scanner
        scanner.expect("array")
        scanner.expect("(")
        type = self.type(scanner.take("word"))
        if not type.ndim or not all([n.__class__ is int for n in type.shape]):
            raise scanner.error(f"no array literal is {type}")
        if scanner.at(","):
            scanner.expect(",")
            found = scanner.made(array_of, self.numbers(), type.dtype, type.shape)
        else:
            found = self.elements(type)
        scanner.expect(")")
        return found  # type: ignore[no-any-return]

    def numbers(self) -> list[str]:
        scanner = self.scanner
        scanner.expect("[")
        found: list[str] = []
        while not scanner.at("]"):
            if found:
                scanner.expect(",")
            found.append(scanner.take("number"))
        scanner.expect("]")
        return found

    def type(self, word: str) -> ArrayType:
        """A type, whose first word has been read."""
        scanner = self.scanner
        if word == "seq":
            scanner.expect("<")
            element = self.type(scanner.take("word"))
            if element.ndim < 0:
                raise scanner.error("no sequence has sequences as elements")
            scanner.expect(">")
            return seq_type(element)
        dtype = dtype_named(word)
        if dtype is None:
            raise scanner.error(f"there is no dtype `{word}`")
        return self.sizes(dtype)

    def sizes(self, dtype: np.dtype) -> ArrayType:
        scanner = self.scanner
        scanner.expect("[")
        shape: list[Size] = []
        while not scanner.at("]"):
            if shape:
                scanner.expect(",")
            shape.append(self.size())
        scanner.expect("]")
        total = dtype.itemsize
        for n in shape:
            total *= max(n, 1) if isinstance(n, int) else 1
        if total > MOST_BYTES or len(shape) > MOST_AXES:
            raise scanner.error(f"no array has the sizes {tuple(shape)}")
        return array_type(tuple(shape), dtype)  # type: ignore[arg-type]

    def size(self) -> Size:
        scanner = self.scanner
        text = scanner.take("word" if scanner.kind == "word" else "number")
        if text.isdecimal() and len(text) < 20:
            return int(text)
        if text[0] == "n" and text[1:].isdecimal() and len(text) < 20:
            return Symbol(int(text[1:]))
        raise scanner.error(f"`{text}` is no size")


LEFT_OUT = "; str(program) leaves out what program.text() has, and what is Python's is in neither"


class _ProgramReader:
    """Reads one Program: knows its variables."""

    def __init__(self, parser: ProgramParser) -> None:
        self.parser = parser
        self.scanner = parser.scanner
        self.variables: dict[str, Var] = {}
        self.doubtful: list[Var] = []

    def read(self, name: str) -> Program:
        scanner = self.scanner
        inputs = self.binders()
        scanner.expect(".")
        eqns = []
        while not scanner.at("in"):
            eqns.append(self.equation())
            self.parser.counted(1)
        scanner.expect("in")
        scanner.expect("(")
        outputs = self.atoms()
        scanner.expect(")")
        scanner.expect("}")
        made = Program(inputs, eqns, outputs, name)
        made.doubtful = frozenset(self.doubtful)
        return made

    def binders(self) -> list[Var]:
        found = []
        while self.scanner.kind == "binder":
            name = self.scanner.take("binder")[:-1]
            variable = Var(self.parser.type(self.scanner.take("word")))
            if name in self.variables:
                raise self.scanner.error(f"the variable {name} is defined twice")
            self.variables[name] = variable
            found.append(variable)
            if self.scanner.at("?"):
                self.scanner.expect("?")
                self.doubtful.append(variable)
        return found

    def equation(self) -> Eqn:
        scanner = self.scanner
        doubts = len(self.doubtful)
        place = scanner.place
        outputs = self.binders()
        if not outputs:
            scanner.expect("(")
            scanner.expect(")")
        if len(self.doubtful) > doubts:
            raise scanner.error("only inputs are marked by `?`")
        scanner.expect("=")
        name = scanner.take("word")
        primitive = self.parser.primitive(name)
        if primitive is None:
            raise scanner.error(f"there is no primitive `{name}`")
        params = self.params()
        inputs = tuple(self.atoms(excluded=outputs))
        self.check(primitive, inputs, params, outputs, place)
        return Eqn(primitive, inputs, params, tuple(outputs), self.location())

    def params(self) -> dict[str, Any]:
        scanner = self.scanner
        found: dict[str, Any] = {}
        if scanner.at("["):
            scanner.expect("[")
            while not scanner.at("]"):
                if found:
                    scanner.expect(",")
                name = scanner.take("word")
                scanner.expect("=")
                if name in found:
                    raise scanner.error(f"the param {name} is given twice")
                found[name] = self.parser.value()
            scanner.expect("]")
        return found

    def atoms(self, excluded: Sequence[Var] = ()) -> list[Atom]:
        scanner = self.scanner
        found: list[Atom] = []
        while True:
            if scanner.kind == "number":
                found.append(Literal(scanner.made(scalar_of, scanner.take("number"))))
            elif scanner.at("array"):
                found.append(literal(self.parser.array()))
            elif scanner.kind == "label":
                value = self.parser.labelled(self.parser.array)
                if not isinstance(value, np.ndarray):
                    raise scanner.error("the label of an operand is that of no array")
                found.append(literal(value))
            elif scanner.kind == "word" and not scanner.at("in"):
                name = scanner.take("word")
                variable = self.variables.get(name)
                if variable is None or variable in excluded:
                    raise scanner.error(f"the variable {name} is not defined before")
                found.append(variable)
            else:
                return found

    def location(self) -> Location | None:
        """The line that the comment behind an equation names."""
        if self.scanner.kind != "comment":
            return None
        filename, _, line = self.scanner.take("comment")[2:].rpartition(":")
        if not filename.isprintable() or not line.isdecimal() or len(line) > 9:
            raise self.scanner.error("a comment is a file and a line")
        return line_of(filename, int(line))

    def check(
        self, primitive: Primitive, inputs: tuple[Atom, ...], params: dict[str, Any], outputs: list[Var], place: int
    ) -> None:
        """Refuse an equation whose primitive does not take what it is given, or gives something else."""
        types = tuple([a.type for a in inputs])
        strange = strange_param(primitive, params) or misfit(primitive, len(inputs), params)
        if strange is not None:
            raise self.scanner.error(f"{primitive.name} refuses its operands or params: {strange}", place)
        try:
            expected = tuple(primitive.out_types(types, params))
        except Exception as error:
            raise self.scanner.error(
                f"{primitive.name} refuses its operands or params: {type(error).__name__}: {message_of(error)}", place
            ) from None
        found = tuple([v.type for v in outputs])
        if found != expected:
            raise self.scanner.error(f"{primitive.name} gives {expected}, but its results are {found}", place)
        if primitive.own_rules:
            rule, consts = params["rule"], params["consts"]
            if (tuple(rule.in_types), tuple(rule.out_types), rule.consts) != (types, expected, consts):
                raise self.scanner.error(f"the rule of {primitive.name} is that of another function", place)
