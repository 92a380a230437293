"""``explain``: what became of a function's statements and arguments under ``jit``, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.api.arguments import name_of
from functad.api.jitted import Jitted
from functad.core.wrapping import Transformed
from functad.front.report import Explanation, collected, note
from functad.ir.program import Program, sub_programs

__all__ = ["explain"]


def explain(f: Callable[..., Any]) -> Callable[..., Explanation]:
    """A function that says what ``jit`` makes of ``f`` for given arguments; print it to read it.

    It says of each loop and each branch on traced values what it became: one native loop, unrolled, a branch of which
    one side runs; why, in a sentence; and how many equations came of it: those of a step, or all of an unrolled loop.

    Parameters
    ----------
    f
        A function, or what a transform made of one: also ``fd.grad(g)``, whose loops are those of ``g``. Of a jitted
        function the options count; it is traced anew, and what has been compiled stays.

    Returns
    -------
    A function of the same arguments that gives an ``Explanation``, with ``notes``, one ``Note`` for each decision
    (``what``, ``outcome``, ``reason``, ``filename``, ``line``, ``equations``), the ``equations`` of all, and
    ``of("for")``: the notes about one kind of statement.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> def f(x):
    ...     y, total = np.zeros(100), 0.0
    ...     for i in range(100):
    ...         y[i] = np.sin(x[0] * i)
    ...         if y[i] > 0:
    ...             total += y[i]
    ...     for v in x:
    ...         total += v
    ...     return total
    >>> for n in fd.explain(f)(np.ones(3)).notes:
    ...     print(n.line, n.what, "->", n.outcome + ":", n.reason)
    3 for -> one native loop of 100 steps:
    5 if -> a branch of which one side runs: its condition is traced
    7 for -> unrolled, 3 steps: 3 steps of 1 equations are faster one by one
    """
    return Transformed(_explained, f)


def _explained(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explanation:
    jitted = f.around(f._f) if isinstance(f, Jitted) else Jitted(f, (), ())

    def traced() -> Program:
        program = jitted.trace(args, kwargs)[0].program
        for x in jitted.static_arguments(*args, **kwargs):
            note("argument", f"{x.name} = {x.value!r} is static", x.why, x.location)
        return program

    program, notes = collected(traced)
    return Explanation(name_of(f), notes, _size(program))


def _size(program: Program) -> int:
    return sum([1 + sum([_size(p) for p in sub_programs(e)]) for e in program.eqns])
