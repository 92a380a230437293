"""``stages``: a function on its way from the trace to machine code, each pass as a diff."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.core.wrapping import Transformed
from functad.inspect.aligned import changed_lines
from functad.ir.program import Program
from functad.lower.compile import Compiled, compiled_of, with_stages
from functad.passes.pipeline import STEPS

__all__ = ["Stage", "Stages", "stages"]


@dataclass(frozen=True)
class Stage:
    """What one pass has made: its name, the Program before and after."""

    name: str
    before: Program
    after: Program

    @property
    def diff(self) -> str:
        """The lines that it has changed: those taken away with ``-``, those added with ``+``. Variables have the names
        of ``before`` in both; ``# c is b`` says what is read from now on in place of a result that is gone.
        """
        return "\n".join(changed_lines(self.before, self.after))

    def __repr__(self) -> str:
        return f"-- {self.name}\n{self.diff}"


class Stages:
    """The stages of one function for arguments of one kind; print it to read all but LLVM's."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.trace = program
        """The Program as it was traced."""
        self.passes: list[Stage] = list(_passes(program))
        """The passes that have changed it, in order."""

    @property
    def program(self) -> Program:
        """The Program after the passes."""
        return self.passes[-1].after if self.passes else self.trace

    @property
    def kernels(self) -> str:
        """The loop nests."""
        return self._compiled.kernel_ir

    @property
    def numba(self) -> str:
        """The loop nests as source that Numba compiles."""
        from functad.lower.kernels import kernels_of
        from functad.lower.numba.module import Shown, print_module

        return print_module(kernels_of(self.trace)[1].program, shown=Shown(program=self.program)).text

    @property
    def llvm(self) -> str:
        """The LLVM text."""
        return self._compiled.llvm

    @property
    def assembly(self) -> str:
        """The machine code."""
        return self._compiled.assembly()

    @property
    def _compiled(self) -> Compiled:
        return with_stages(self.trace, compiled_of(self.trace))

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield "trace", str(self.trace)
        for stage in self.passes:
            yield stage.name, stage.diff
        yield "program", str(self.program)
        yield "kernels", self.kernels

    def __repr__(self) -> str:
        return "\n".join([f"-- {name}\n{text}" for name, text in self._texts()])

    def _repr_html_(self) -> str:
        parts = []
        for name, text in [*self._texts(), ("LLVM", self.llvm), ("machine code", self.assembly)]:
            shown = "open" if name in ("trace", "kernels") else ""
            parts.append(
                f"<details {shown}><summary>{html.escape(name)}</summary><pre>{_coloured(text)}</pre></details>"
            )
        return f"<div><b>{html.escape(self.name)}</b>{''.join(parts)}</div>"


def _coloured(text: str) -> str:
    """HTML of lines, those of a diff in colours that are read on light and on dark ground."""
    colours = {"+ ": "#2e9d4f", "- ": "#d0463b"}
    lines = []
    for line in text.splitlines():
        colour = colours.get(line[:2])
        line = html.escape(line)
        lines.append(f'<span style="color:{colour}">{line}</span>' if colour else line)
    return "\n".join(lines)


def _passes(program: Program) -> Iterator[Stage]:
    for step in STEPS:
        after = step(program)
        if str(after) != str(program):
            yield Stage(step.__name__, program, after)
        program = after


def stages(f: Callable[..., Any]) -> Callable[..., Stages]:
    """A function that gives the stages of ``f`` for given arguments: the trace, what each pass changes, the loop nests,
    LLVM text and machine code.

    Parameters
    ----------
    f
        A function, or what a transform made of one.

    Returns
    -------
    A function of the same arguments that gives ``Stages``: ``trace`` and ``program`` (a Program before and after the
    passes), ``passes`` (those that change it, each with its ``diff``), ``kernels``, ``numba``, ``llvm``, ``assembly``
    (texts, made when they are asked for).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.inspect.stages(lambda x: np.sum(x * 1.0 + 0.0 * 2.0))(np.zeros(100))
    >>> print(found.trace)
    { lambda a:f64[100] .
        b:f64[100] = mul a 1.0
        c:f64[100] = add b 0.0
        d:f64[] = sum[axes=(0,)] c
      in (d) }
    >>> found.passes[0]
    -- simplify
    -     b:f64[100] = mul a 1.0  # b is a
    """
    return Transformed(_stages, f)


def _stages(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stages:
    return Stages(name_of(f), make_ir(f)(*args, **kwargs))
