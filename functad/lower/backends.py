"""What runs a jitted function: the choices of the flag ``backend``, and of ``jit(f, backend=...)``. LLVM is imported
when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functad import config
from functad.core.evaluator import run_program
from functad.core.observing import observing
from functad.errors import ArgumentError, InternalError
from functad.ir.program import Program
from functad.primitives.calls import PLAIN, Options

__all__ = ["BACKENDS", "Backend", "backend", "checked_name", "execute", "native_function"]

Run = Callable[[Program, Sequence[Any], Options], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Backend:
    """A way of running Programs: ``run(program, args, options)`` gives the outputs for values of its types.

    ``compiles``: it makes machine code, which jitted functions then call without coming here.
    """

    name: str
    run: Run
    compiles: bool = False


def _native(program: Program, args: Sequence[Any], options: Options) -> Sequence[Any]:
    from functad.lower.execute import native_call

    return native_call(program, options)(*args)


def native_function(program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Native code for a Program as a function of its inputs in a row, without an entry: one of much work."""
    from functad.lower.compile import compiled_of
    from functad.lower.direct import run

    compiled = compiled_of(program)
    return lambda values: run(compiled, values)


def _by_kernels(program: Program, args: Sequence[Any], options: Options) -> Sequence[Any]:
    from functad.lower.kernels import run_kernels

    return run_kernels(program, args)


BACKENDS = {
    b.name: b
    for b in (
        Backend("native", _native, compiles=True),
        Backend("numba", _native, compiles=True),
        Backend("kernel", _by_kernels),
        Backend("evaluator", lambda program, args, options: run_program(program, args)),
    )
}


def backend(name: str = "") -> Backend:
    """The backend of a name; without one that which the flag names."""
    found = BACKENDS.get(name or config.backend.value)
    if found is None:
        raise InternalError(f"FUNCTAD_BACKEND is {config.backend.value!r}; expected {_expected()}")
    return found


def checked_name(given: str | None) -> str:
    """The argument ``backend`` of ``jit``; "" where there is none."""
    if given is None:
        return ""
    if not isinstance(given, str) or given not in BACKENDS:
        raise ArgumentError(f"jit: backend={given!r}; expected {_expected()}")
    return given


def _expected() -> str:
    *others, last = BACKENDS
    return f"{', '.join(others)} or {last}"


def execute(program: Program, args: Sequence[Any], options: Options = PLAIN) -> Sequence[Any]:
    """The outputs of a Program on values of its types, by the backend that the options name, or else that in force."""
    run, observer = backend(options.backend).run, observing.get()
    if observer is None:
        return run(program, args, options)
    return observer.native(program, args, options, lambda: run(program, args, options))
