"""Debug and tuning flags: each an environment variable ``FUNCTAD_*`` and, in code, ``config.flag(value)`` as a context manager."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = ["Flag", "backend", "cpu", "debug", "dump", "entry", "threads", "vector_bits"]

T = TypeVar("T")


class Flag(Generic[T]):
    """A setting with a context-local value; its first value comes from the environment.

    Examples
    --------
    >>> with debug(True):
    ...     print(debug.value)
    True
    """

    def __init__(self, name: str, default: str, parse: Callable[[str], T], doc: str) -> None:
        self.name = name
        self.__doc__ = doc
        self._first = parse(os.environ.get(name, default))
        self._value: ContextVar[T] = ContextVar(name)

    @property
    def value(self) -> T:
        """The value in force in this context."""
        return self._value.get(self._first)

    @contextmanager
    def __call__(self, value: T) -> Iterator[None]:
        token = self._value.set(value)
        try:
            yield
        finally:
            self._value.reset(token)


def _bool(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")


def _stages(text: str) -> frozenset[str]:
    return frozenset(part for part in text.replace(",", " ").split())


debug = Flag("FUNCTAD_DEBUG", "0", _bool, "Run the IR checker after every pass and transform.")
dump = Flag("FUNCTAD_DUMP", "", _stages, "Stages to print to stderr: ir, passes, kernel, llvm, asm (or all).")
backend = Flag("FUNCTAD_BACKEND", "native", str, "What runs a jitted function: native, evaluator or kernel (slow; for debugging).")
entry = Flag("FUNCTAD_ENTRY", "native", str, "How Python calls native code: native (emitted entry) or ctypes.")
threads = Flag("FUNCTAD_THREADS", "0", int, "Threads for large loops; 0 means one per core.")
vector_bits = Flag("FUNCTAD_VECTOR_BITS", "0", int, "Vector width in bits; 0 means the CPU's own.")
cpu = Flag("FUNCTAD_CPU", "", str, "CPU name that LLVM compiles for; empty means this one.")
