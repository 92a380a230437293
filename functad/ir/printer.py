"""The text form of Programs: stable, made in linear time, meant to be read and compared.

Grammar (``[x]`` optional, ``x*`` repeated, words in quotes literally)::

    program   = [name " "] "{ lambda" (" " binder)* " ." newline equation* "  in (" [atom (" " atom)*] ") }"
    binder    = variable ":" type
    equation  = "    " (binder (" " binder)* | "()") " = " primitive ["[" params "]"] (" " atom)* ["  # " file ":" line]
    newline params    = name "=" value (", " name "=" value)*                                            sorted by name
    atom      = variable | scalar | "array(" type ")" scalar    = number [":" dtype]                       the dtype is
    left out where it is float64, int64, bool or complex128 type      = dtype "[" [size ("," size)*] "]"
    f64[3,4]; a size is an integer, or n0, n1, ... where it is run-time data
              | "seq<" type ">"                          a sequence of run-time length, left by a loop
    variable  = a, b, ..., z, aa, ab, ...                in order of definition, anew in each Program; "?0", "?1" where
    undefined

A param is written as Python would, with dtypes by their short names and functions by theirs. An equation whose params
hold Programs has each param on lines of its own::

    { lambda a:f64[] .
        b:f64[] = jit[
            program={ lambda a:f64[] .
                b:f64[] = sin a
              in (b) }
        ] a
      in (b) }
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count, product
from string import ascii_lowercase
from typing import Any

import numpy as np

from functad.ir.program import Atom, Eqn, Literal, Program, Var, sub_programs
from functad.ir.types import dtype_name

__all__ = ["format_equation", "format_program", "format_scalar"]

_RESERVED = frozenset(("in", "inf", "nan"))
_DEFAULT_DTYPES = frozenset(np.dtype(t) for t in (np.float64, np.int64, np.bool_, np.complex128))


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
    return "\n".join(_Printer(locations).program(program, ""))


def format_equation(eqn: Eqn, program: Program) -> str:
    """The text of one equation as it stands in its Program, which may be malformed."""
    printer = _Printer(locations=False)
    printer.binders(program.inputs)
    for other in program.eqns:
        if other is eqn:
            break
        printer.binders(other.outputs)
    return "\n".join(printer.equation(eqn, ""))


def format_scalar(value: np.generic) -> str:
    """A scalar literal: ``2.0``, ``2.0:f32``, ``True``."""
    text = repr(value.item()) if value.dtype.itemsize <= 16 and value.dtype.kind in "biufc" else str(value)
    return text if value.dtype in _DEFAULT_DTYPES else f"{text}:{dtype_name(value.dtype)}"


def variable_names() -> Iterator[str]:
    """``a``, ``b``, ..., ``z``, ``aa``, ``ab``, ... without the words that mean something else."""
    for length in count(1):
        for letters in product(ascii_lowercase, repeat=length):
            name = "".join(letters)
            if name not in _RESERVED:
                yield name


class _Printer:
    """Prints one Program: hands out its names, and gives its text line by line."""

    def __init__(self, locations: bool) -> None:
        self.locations = locations
        self.names: dict[Var, str] = {}
        self.fresh = variable_names()
        self.unknown = 0

    def program(self, program: Program, indent: str) -> Iterator[str]:
        head = " ".join(["{ lambda", *self.binders(program.inputs), "."])
        yield f"{program.name} {head}" if program.name else head
        for eqn in program.eqns:
            yield from self.equation(eqn, indent + "    ")
        yield f"{indent}  in ({' '.join([self.atom(a) for a in program.outputs])}) }}"

    def equation(self, eqn: Eqn, indent: str) -> Iterator[str]:
        arguments = "".join([" " + self.atom(a) for a in eqn.inputs])
        if self.locations and eqn.loc is not None:
            arguments += f"  # {eqn.loc}"
        results = " ".join(self.binders(eqn.outputs)) or "()"
        head = f"{indent}{results} = {eqn.primitive.name}"
        params = sorted(eqn.params.items())
        if sub_programs(eqn):
            yield head + "["
            for i, (name, value) in enumerate(params):
                yield f"{indent}    {name}={self.value(value, indent + '    ')}{',' if i + 1 < len(params) else ''}"
            yield f"{indent}]{arguments}"
        else:
            inside = ", ".join([f"{name}={self.value(value, indent)}" for name, value in params])
            yield f"{head}[{inside}]{arguments}" if inside else head + arguments

    def binders(self, variables: tuple[Var, ...]) -> list[str]:
        """``name:type`` of variables defined here."""
        found = []
        for v in variables:
            name = self.names[v] = next(self.fresh)
            found.append(f"{name}:{v.type}")
        return found

    def atom(self, atom: Atom) -> str:
        if isinstance(atom, Literal):
            return format_scalar(atom.value) if isinstance(atom.value, np.generic) else f"array({atom.type})"
        name = self.names.get(atom)
        if name is None:
            name = self.names[atom] = f"?{self.unknown}"
            self.unknown += 1
        return name

    def value(self, value: Any, indent: str) -> str:
        """The value of a param."""
        if isinstance(value, Program):
            return "\n".join(_Printer(self.locations).program(value, indent))
        if type(value) is tuple:
            inside = ", ".join([self.value(v, indent) for v in value])
            return f"({inside},)" if len(value) == 1 else f"({inside})"
        if isinstance(value, np.dtype):
            return dtype_name(value)
        if isinstance(value, np.generic):
            return format_scalar(value)
        if isinstance(value, np.ndarray):
            return f"array({dtype_name(value.dtype)}[{','.join(map(str, value.shape))}])"
        if isinstance(value, Mapping):
            return f"{{{', '.join([f'{k}: {self.value(v, indent)}' for k, v in sorted(value.items())])}}}"
        if callable(value) and hasattr(value, "__qualname__"):
            return str(value.__qualname__)
        plain: Any = object.__repr__  # shows the address, which is another in each process
        return f"<{type(value).__qualname__}>" if type(value).__repr__ is plain else repr(value)


def format_alone(eqn: Eqn) -> str:
    """The text of an equation by itself, with names of its own.

    Examples
    --------
    >>> import functad as fd
    >>> fd.make_ir(lambda x: 2.0 * x)(1.0).eqns[0]
    b:f64[] = mul 2.0 a
    """
    printer = _Printer(locations=False)
    printer.binders(tuple(dict.fromkeys([a for a in eqn.inputs if isinstance(a, Var)])))
    return "\n".join(printer.equation(eqn, ""))


Program.__str__ = Program.__repr__ = format_program  # type: ignore[method-assign, assignment]
Eqn.__repr__ = format_alone  # type: ignore[method-assign, assignment]
