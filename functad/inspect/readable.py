"""``readable``: a Program for reading alone, with indices as NumPy writes them.

    b:f64[1] = slice[starts=(0,), steps=(1,), stops=(1,)] a
    c:f64[] = reshape[shape=()] b                                        c:f64[] = a[0]

    b:i64[] = check_index[axis=0, length=3] i
    c:f64[] = gather[batch=0] a b                                        c:f64[] = a[i]

What is only a step on the way to an element has no line; names are those of ``str(program)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.core.wrapping import Transformed
from functad.ir.printer import Printer, Style
from functad.ir.program import Atom, Eqn, Program, Var

__all__ = ["Readable", "readable"]


class Readable:
    """A Program as text for reading; ``str`` of it, or ``.text``, is the text."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.program = program

    @property
    def text(self) -> str:
        """The text."""
        return "\n".join(_Reader(Style()).program(self.program, ""))

    def __repr__(self) -> str:
        return self.text


def readable(f: Callable[..., Any], optimized: bool = False) -> Callable[..., Readable]:
    """A function that gives the Program of ``f`` for given arguments as text for reading: an index is an index, where
    ``make_ir`` prints the slices, reshapes and checks that it is.

    Parameters
    ----------
    f
        A function, or what a transform made of one.
    optimized
        Whether to run the passes that come before compiling.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.inspect.readable(lambda a, i: a[0] * a[1:3] + a[i])(np.arange(5.0), 1)
    { lambda a:f64[5] b:i64[] .
        d:f64[] = a[0]
        e:f64[2] = a[1:3]
        f:f64[2] = mul d e
        h:f64[] = a[b]
        i:f64[2] = add f h
      in (i) }
    """
    return Transformed(_readable, f, optimized)


def _readable(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], optimized: bool) -> Readable:
    return Readable(name_of(f), make_ir(f, optimized)(*args, **kwargs))


class _Reader(Printer):
    """Prints indices as such."""

    inside: Program

    def program(self, program: Program, indent: str) -> Iterator[str]:
        self.inside = program
        yield from super().program(program, indent)

    def equation(self, eqn: Eqn, indent: str) -> Iterator[str]:
        if self._goes_into_an_index(eqn):
            self.binders(eqn.outputs)  # the names that follow stay what they are
            return
        index = self._index(eqn)
        if index is None:
            yield from super().equation(eqn, indent)
        else:
            yield f"{indent}{self.binders(eqn.outputs)[0]} = {index}"

    def _goes_into_an_index(self, eqn: Eqn) -> bool:
        """Whether an equation is read by one index alone, which shows it."""
        if eqn.primitive.name not in ("slice", "check_index") or eqn.outputs[0] in self.inside.outputs:
            return False
        users = self.inside.users(eqn.outputs[0])
        if eqn.primitive.name == "slice":
            return len(users) == 1 and _taken_axes(eqn, users[0]) is not None
        return bool(users) and all(u.primitive.name == "gather" and eqn.outputs[0] in u.inputs[1:] for u in users)

    def _index(self, eqn: Eqn) -> str | None:
        name = eqn.primitive.name
        if name == "slice":
            return self._sliced(eqn, set())
        if name == "reshape":
            part = self.inside.producer(eqn.inputs[0])
            taken = None if part is None or part.primitive.name != "slice" else _taken_axes(part, eqn)
            if part is not None and taken is not None and self._goes_into_an_index(part):
                return self._sliced(part, taken)
        if name == "gather" and not eqn.params["batch"]:
            return f"{self.atom(eqn.inputs[0])}[{', '.join([self._unchecked(a) for a in eqn.inputs[1:]])}]"
        return None

    def _unchecked(self, atom: Atom) -> str:
        """An index array, without the check that it lies inside."""
        eqn = self.inside.producer(atom) if isinstance(atom, Var) else None
        checked = eqn is not None and eqn.primitive.name == "check_index" and self._goes_into_an_index(eqn)
        return self.atom(eqn.inputs[0] if checked and eqn is not None else atom)

    def _sliced(self, eqn: Eqn, taken: set[int]) -> str:
        """A slice as it is written; of the axes that are ``taken`` it has one element."""
        sizes, params = eqn.inputs[0].type.shape, eqn.params
        parts = [
            str(start) if axis in taken else _part(start, stop, step, size)
            for axis, (start, stop, step, size) in enumerate(
                zip(params["starts"], params["stops"], params["steps"], sizes, strict=True)
            )
        ]
        while len(parts) > 1 and parts[-1] == ":":
            parts.pop()
        return f"{self.atom(eqn.inputs[0])}[{', '.join(parts)}]"


def _part(start: int, stop: int, step: int, size: int) -> str:
    text = f"{start or ''}:{'' if stop == size else stop}"
    return text if step == 1 else f"{text}:{step}"


def _taken_axes(part: Eqn, reshaped: Eqn) -> set[int] | None:
    """The axes of which a slice has one element, if a reshape takes exactly these away; None if it does not."""
    if reshaped.primitive.name != "reshape":
        return None
    shape = part.outputs[0].type.shape
    single = {i for i, (n, size) in enumerate(zip(shape, part.inputs[0].type.shape, strict=True)) if n == 1 != size}
    left = tuple([n for i, n in enumerate(shape) if i not in single])
    return single if single and left == reshaped.outputs[0].type.shape else None
