"""What runs a jitted function: the choices of the flag ``backend``. LLVM is imported when it is first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functad import config
from functad.core.evaluator import run_program
from functad.core.observing import observing
from functad.errors import InternalError
from functad.ir.program import Program

__all__ = ["BACKENDS", "Backend", "backend", "execute", "native_function"]

Run = Callable[[Program, Sequence[Any], str], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Backend:
    """A way of running Programs: ``run(program, args, fastmath)`` gives the outputs for values of its types.

    ``compiles``: it makes machine code, which jitted functions then call without coming here.
    """

    name: str
    run: Run
    compiles: bool = False


def _native(program: Program, args: Sequence[Any], fastmath: str) -> Sequence[Any]:
    from functad.lower.execute import native_call

    return native_call(program, fastmath)(*args)


def native_function(program: Program) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Native code for a Program as a function of its inputs in a row, without an entry: one of much work."""
    from functad.lower.compile import compiled_of
    from functad.lower.direct import run

    compiled = compiled_of(program)
    return lambda values: run(compiled, values)


def _by_kernels(program: Program, args: Sequence[Any], fastmath: str) -> Sequence[Any]:
    from functad.lower.kernels import run_kernels

    return run_kernels(program, args)


BACKENDS = {
    b.name: b
    for b in (
        Backend("native", _native, compiles=True),
        Backend("numba", _native, compiles=True),
        Backend("kernel", _by_kernels),
        Backend("evaluator", lambda program, args, fastmath: run_program(program, args)),
    )
}


def backend() -> Backend:
    """The backend that the flag names."""
    found = BACKENDS.get(config.backend.value)
    if found is None:
        *others, last = BACKENDS
        expected = f"{', '.join(others)} or {last}"
        raise InternalError(f"FUNCTAD_BACKEND is {config.backend.value!r}; expected {expected}")
    return found


def execute(program: Program, args: Sequence[Any], fastmath: str = "") -> Sequence[Any]:
    """The outputs of a Program on values of its types, by the backend in force."""
    run, observer = backend().run, observing.get()
    if observer is None:
        return run(program, args, fastmath)
    return observer.native(program, args, fastmath, lambda: run(program, args, fastmath))
