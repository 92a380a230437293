"""The text form of Programs: stable, made in linear time, meant to be read and compared.

Grammar (``[x]`` optional, ``x*`` repeated, words in quotes literally; ``core/parser.py`` reads it)::

    program   = [name " "] "{ lambda" (" " binder)* " ." newline equation* "  in (" [atom (" " atom)*] ") }"
    binder    = variable ":" type ["?"]                where the value may be infinite or NaN, for all that is known
    equation  = "    " (binder (" " binder)* | "()") " = " primitive ["[" params "]"] (" " atom)*
                ["  # " file ":" line] newline
    params    = name "=" value (", " name "=" value)*                                            sorted by name
    atom      = variable | scalar | array
    scalar    = number [":" dtype]                     the dtype is left out where it is float64, int64, bool or
                                                       complex128 (ir/scalars.py)
    array     = "array(" type [", [" number (", " number)* "]"] ")"
    type      = dtype "[" [size ("," size)*] "]"       f64[3,4]; a size is an integer, or n0, n1, ... where it is
                                                       run-time data
              | "seq<" type ">"                        a sequence of run-time length, left by a loop
    value     = Python's number, string or None | scalar with its dtype | dtype | type | program | declared name
              | "(" [value ("," value)* [","]] ")" | form "(" [value ("," value)*] ")"           ir/forms.py
    variable  = a, b, ..., z, aa, ab, ...              in order of definition, anew in each Program; "?0", "?1" where
                                                       undefined
    name      = a word, or a string of Python's

A Program, an array or a form may have a label in front, ``"@" number ": "``, which stands for it from there on; a form
that holds Programs which refer to it, in these, too.

The short text, ``str(program)``, is for reading: it has neither elements of arrays nor rules of the user's, no labels
and no "?". ``whole_text`` has all.

An equation whose params hold Programs has each param on lines of its own::

    { lambda a:f64[] .
        b:f64[] = jit[
            program={ lambda a:f64[] .
                b:f64[] = sin a
              in (b) }
        ] a
      in (b) }
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, product
from string import ascii_lowercase
from typing import Any

import numpy as np

from functad.errors import UnsupportedError
from functad.ir.forms import NAMES, form_of
from functad.ir.occurrences import shared_objects
from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.scalars import format_elements, format_scalar
from functad.ir.types import ArrayType, dtype_name

__all__ = [
    "Naming", "Printer", "Style", "format_equation", "format_named", "format_program", "format_value", "variable_names",
    "whole_text",
]  # fmt: skip

_RESERVED = frozenset(("in", "inf", "nan"))


class Naming:
    """Names for the variables of Programs, in place of those that come in order."""

    def __init__(self) -> None:
        self._names: dict[int, tuple[Mapping[Var, str], Mapping[Var, str]]] = {}

    def add(self, program: Program, names: Mapping[Var, str], read_as: Mapping[Var, str]) -> None:
        """Name all variables of a Program; ``read_as`` is what is printed where some of them are read."""
        self._names[id(program)] = names, read_as

    def knows(self, program: Program) -> bool:
        """Whether the variables of a Program have names."""
        return id(program) in self._names

    def of(self, program: Program) -> tuple[Mapping[Var, str], Mapping[Var, str]]:
        """The names of a Program's variables, and what is printed where they are read."""
        return self._names.get(id(program), ({}, {}))


@dataclass(frozen=True)
class Style:
    """How a Program is printed: with locations; ``whole``, with all that belongs to it."""

    locations: bool = False
    whole: bool = False
    arrays: list[np.ndarray] | None = None  # takes the elements of arrays, which the text then leaves out
    shared: frozenset[int] = frozenset()  # the identities of what occurs more than once
    labels: dict[int, int] = field(default_factory=dict)  # of those that have been printed
    naming: Naming = field(default_factory=Naming)


def format_program(program: Program, locations: bool = False) -> str:
    """The text of a Program.

    Parameters
    ----------
    program
        The Program.
    locations
        Whether each equation is followed by the user's file and line that it comes from.

    Examples
    --------
    >>> import numpy as np
    >>> from functad.ir.types import array_type
    >>> x = Var(array_type((3,), np.float64))
    >>> print(format_program(Program([x], [], [x, Literal(np.float32(2))])))
    { lambda a:f64[3] .
      in (a 2.0:f32) }
    """
    return "\n".join(Printer(Style(locations)).program(program, ""))


def whole_text(program: Program, locations: bool = True, arrays: list[np.ndarray] | None = None) -> str:
    """The text of a Program with all that belongs to it: what is parsed from it is the same Program.

    Parameters
    ----------
    program
        The Program.
    locations
        Whether each equation is followed by the user's file and line that it comes from.
    arrays
        A list that is given the arrays, in the order in which the text names them; None: the text has their elements.

    Raises
    ------
    UnsupportedError
        Where the Program holds what only Python knows: a callback, a rule that looks at values.
    """
    shared = shared_objects(program)
    return "\n".join(Printer(Style(locations, True, arrays, shared)).program(program, ""))


def format_named(program: Program, naming: Naming) -> str:
    """The text of a Program with names of its own for variables; what is read as something else is noted."""
    return "\n".join(Printer(Style(naming=naming)).program(program, ""))


def format_equation(eqn: Eqn, program: Program) -> str:
    """The text of one equation as it stands in its Program, which may be malformed."""
    printer = Printer(Style())
    printer.binders(program.inputs)
    for other in program.eqns:
        if other is eqn:
            break
        printer.binders(other.outputs)
    return "\n".join(printer.equation(eqn, ""))


def format_value(value: Any) -> str:
    """The short text of the value of a param; a Program is its size."""
    if isinstance(value, Program):
        return f"<{value.name or 'a Program'} of {len(value.eqns)} equations>"
    if type(value) is tuple and any(isinstance(v, Program) for v in value):
        return f"({', '.join(map(format_value, value))})"
    return Printer(Style()).value(value, "")


def variable_names() -> Iterator[str]:
    """``a``, ``b``, ..., ``z``, ``aa``, ``ab``, ... without the words that mean something else."""
    for length in count(1):
        for letters in product(ascii_lowercase, repeat=length):
            name = "".join(letters)
            if name not in _RESERVED:
                yield name


class Printer:
    """Prints one Program: hands out its names, and gives its text line by line."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.names: dict[Var, str] = {}
        self.fresh = variable_names()
        self.given: tuple[Mapping[Var, str], Mapping[Var, str]] = ({}, {})
        self.unknown = 0

    def program(self, program: Program, indent: str) -> Iterator[str]:
        self.given = self.style.naming.of(program)
        doubtful = program.doubtful if self.style.whole else frozenset()
        head = " ".join(["{ lambda", *self.binders(program.inputs, doubtful), "."])
        name = program.name if program.name.isidentifier() or not self.style.whole else ""
        yield f"{_word(name)} {head}" if name else head
        for eqn in program.eqns:
            yield from self.equation(eqn, indent + "    ")
        yield f"{indent}  in ({' '.join([self.atom(a) for a in program.outputs])}) }}"

    def equation(self, eqn: Eqn, indent: str) -> Iterator[str]:
        arguments = "".join([" " + self.atom(a) for a in eqn.inputs])
        if self.style.locations and eqn.loc is not None:
            name = eqn.loc.filename
            arguments += f"  # {name if name.isprintable() else ascii(name)}:{eqn.loc.line}"
        results = " ".join(self.binders(eqn.outputs)) or "()"
        names, read_as = self.given
        arguments += "".join([f"  # {names[v]} is {read_as[v]}" for v in eqn.outputs if v in read_as])
        head = f"{indent}{results} = {eqn.primitive.name}"
        params = sorted(eqn.params.items())
        if sub_programs(eqn):
            yield head + "["
            for i, (name, value) in enumerate(params):
                text = self.param(eqn, name, value, indent + "    ")
                yield f"{indent}    {name}={text}{',' if i + 1 < len(params) else ''}"
            yield f"{indent}]{arguments}"
        else:
            inside = ", ".join([f"{name}={self.param(eqn, name, value, indent)}" for name, value in params])
            yield f"{head}[{inside}]{arguments}" if inside else head + arguments

    def param(self, eqn: Eqn, name: str, value: Any, indent: str) -> str:
        try:
            return self.value(value, indent)
        except _UnwritableError as error:
            raise UnsupportedError(
                f"{eqn.primitive.name} holds {error}, which is Python's, so this Program is no text that can be read "
                f"back (its param {name!r}); keep that part out of the function"
            ).at(eqn.loc) from None

    def binders(self, variables: tuple[Var, ...], doubtful: frozenset[Var] = frozenset()) -> list[str]:
        """``name:type`` of variables defined here."""
        found = []
        names, read_as = self.given
        for v in variables:
            name = names[v] if v in names else next(self.fresh)
            self.names[v] = read_as.get(v, name)
            found.append(f"{name}:{v.type}?" if v in doubtful else f"{name}:{v.type}")
        return found

    def atom(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            value = atom.value
            return format_scalar(value) if isinstance(value, np.generic) else self.labelled(value, "")
        name = self.names.get(atom)
        if name is None:
            name = self.names[atom] = f"?{self.unknown}"
            self.unknown += 1
        return name

    def labelled(self, value: Any, indent: str) -> str:
        """The text of a Program, an array or an object with a form; only its label where it has been printed before."""
        labels = self.style.labels
        if id(value) not in self.style.shared:
            return self.unlabelled(value, indent)
        if id(value) in labels:
            return f"@{labels[id(value)]}"
        labels[id(value)] = len(labels)
        return f"@{labels[id(value)]}: {self.unlabelled(value, indent)}"

    def unlabelled(self, value: Any, indent: str) -> str:
        if isinstance(value, Program):
            return "\n".join(type(self)(self.style).program(value, indent))
        if isinstance(value, np.ndarray):
            return self.array(value)
        form = form_of(value)
        assert form is not None
        return f"{form.name}({', '.join([self.value(x, indent) for x in form.fields(value)])})"

    def array(self, array: np.ndarray) -> str:
        type = f"{dtype_name(array.dtype)}[{','.join(map(str, array.shape))}]"
        if self.style.arrays is not None:
            self.style.arrays.append(array)
        return f"array({type}, [{format_elements(array)}])" if self._has_elements else f"array({type})"

    @property
    def _has_elements(self) -> bool:
        return self.style.whole and self.style.arrays is None

    def value(self, value: Any, indent: str) -> str:
        """The value of a param."""
        if isinstance(value, Program | np.ndarray):
            return self.labelled(value, indent)
        if type(value) is tuple:
            inside = ", ".join([self.value(v, indent) for v in value])
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        if isinstance(value, np.dtype):
            return dtype_name(value)
        if isinstance(value, np.generic):
            return format_scalar(value, suffix=True)
        if isinstance(value, Mapping):
            return f"{{{', '.join([f'{k}: {self.value(v, indent)}' for k, v in sorted(value.items())])}}}"
        form = form_of(value)
        if form is not None and (form.brief or self.style.whole):
            return self.labelled(form.canonical(value), indent)
        text = _text_of_object(value)
        if self.style.whole and not _is_plain(value):
            raise _UnwritableError(text)
        return text


class _UnwritableError(Exception):
    """What cannot be written, so that it can be read back."""


def _word(name: str) -> str:
    """A name as it is where it is a word, else as a string."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else ascii(name)


def _is_plain(value: Any) -> bool:
    """Whether an object is read back from what Python prints of it, or by its name."""
    plain = value is None or type(value) in (bool, int, float, complex, str) or isinstance(value, ArrayType)
    return plain or NAMES.get(getattr(value, "__name__", "")) is value


def _text_of_object(value: Any) -> str:
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    plain: Any = object.__repr__  # shows the address, which is another in each process
    return f"<{type(value).__qualname__}>" if type(value).__repr__ is plain else repr(value)


Program.__str__ = Program.__repr__ = format_program  # type: ignore[method-assign, assignment]
Program.text = whole_text
