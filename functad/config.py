"""Debug and tuning flags: each an environment variable ``FUNCTAD_*`` and, in code, ``config.flag(value)`` as a context
manager.

All flags together are the ``Settings`` of a context: one object for each combination of values, so that compiled code
can tell by a pointer whether it was made for the flags in force.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = [
    "Flag", "Settings", "backend", "cache", "cache_bytes", "cache_size", "cpu", "current", "debug", "dump", "entry",
    "first", "front", "frozen_random", "imported_at", "profile", "settings", "threads", "unset", "vector_bits",
    "while_tracing",
]  # fmt: skip

imported_at = time.time_ns()
"""When this process imported functad, or began to: source files that are older are those that it runs."""

T = TypeVar("T")
R = TypeVar("R")


class Settings:
    """The values of all flags; equal ones are one object, which lives as long as the process."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, Hashable]) -> None:
        self.values = dict(values)

    def __repr__(self) -> str:
        return f"Settings({', '.join([f'{k}={v!r}' for k, v in self.values.items()])})"

    def having(self, name: str, value: Hashable) -> Settings:
        """These settings with one flag changed."""
        changed = {**self.values, name: value}
        with _lock:
            return _settings.setdefault(tuple(changed.items()), Settings(changed))


_lock = threading.RLock()  # a signal may come while it is held
_settings: dict[tuple[tuple[str, Hashable], ...], Settings] = {}
first = Settings({})
"""What the environment says."""

current: ContextVar[Settings] = ContextVar("functad_settings")
"""The settings of this context, where a flag has been set in it; those of the environment elsewhere."""


unset = ctypes.c_void_p(id(first))
"""Holds the address of the environment's settings as long as no context has others, else 0.

Machine code that finds there what it was made for need not ask the context. Once a flag has been set, it has to, for
good: a context in which one is set can outlive the with statement, in a task.
"""

_any_set = False
_open_traces: set[object] = set()


def while_tracing(f: Callable[[], T]) -> T:
    """What a function returns that traces another, whose Program serves later calls: no compiled function is to be
    called natively in this context meanwhile.

    Its result would be a constant of the Program, though it may depend on arrays that change.
    """
    around, opened = settings(), object()
    try:  # two, since the handler of a signal may raise behind any call
        try:
            with _lock:
                unset.value = None
                _open_traces.add(opened)
            current.set(around.having("tracing", True))
            return f()
        finally:
            current.set(around)
    finally:
        with _lock:
            _open_traces.discard(opened)
            unset.value = None if _any_set or _open_traces else id(first)


def settings() -> Settings:
    """The settings in force in this context."""
    return current.get(first)


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
        first.values[name] = parse(os.environ.get(name, default))  # type: ignore[assignment]
        _settings.clear()
        _settings[tuple(first.values.items())] = first

    @property
    def value(self) -> T:
        """The value in force in this context."""
        return current.get(first).values[self.name]  # type: ignore[return-value]

    @contextmanager
    def __call__(self, value: T) -> Iterator[None]:
        before = self.value
        self._set(value)
        try:
            yield
        finally:
            self._set(before)  # this flag alone: another may have been set meanwhile, and stay so

    def during(self, value: T, f: Callable[[], R]) -> R:
        """What a function returns with this value in force, for what looks at the flag by itself.

        Compiled functions that are called meanwhile may not see it; ``with flag(value):`` makes them look.
        """
        around = settings()
        try:
            current.set(around.having(self.name, value))  # type: ignore[arg-type]
            return f()
        finally:
            current.set(around)

    def _set(self, value: T) -> None:
        global _any_set
        _any_set, unset.value = True, None
        given = frozenset(value) if isinstance(value, set | list) else value
        current.set(settings().having(self.name, given))  # type: ignore[arg-type]


def _bool(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")


def _stages(text: str) -> frozenset[str]:
    return frozenset(part for part in text.replace(",", " ").split())


debug = Flag(
    "FUNCTAD_DEBUG",
    "0",
    _bool,
    "Run the IR checker after every pass and transform; compare all arrays that a function can reach.",
)
dump = Flag("FUNCTAD_DUMP", "", _stages, "Stages to print to stderr: ir, passes, kernel, llvm, asm (or all).")
backend = Flag(
    "FUNCTAD_BACKEND",
    "native",
    str,
    "What runs a jitted function: native, numba, evaluator or kernel (slow; for debugging).",
)
entry = Flag("FUNCTAD_ENTRY", "native", str, "How Python calls native code: native (emitted entry) or ctypes.")
profile = Flag("FUNCTAD_PROFILE", "0", _bool, "Print why each new kind of call is compiled, and what each stage takes.")
front = Flag(
    "FUNCTAD_FRONT",
    "1",
    _bool,
    "Whether functions are rewritten while they are traced: NumPy's creation functions, math and builtins then know "
    "traced values.",
)
frozen_random = Flag(
    "FUNCTAD_FROZEN_RANDOM", "0", _bool, "Let compiled functions keep the draws of NumPy's generators as constants."
)
threads = Flag("FUNCTAD_THREADS", "0", int, "Threads for large loops; 0 means one per core.")
vector_bits = Flag("FUNCTAD_VECTOR_BITS", "0", int, "Vector width in bits; 0 means the CPU's own.")
cpu = Flag("FUNCTAD_CPU", "", str, "CPU name that LLVM compiles for; empty means this one.")
cache_size = Flag("FUNCTAD_CACHE_SIZE", "1024", int, "How much is kept of what was traced and compiled.")
cache = Flag(
    "FUNCTAD_CACHE_DIR",
    "",
    os.fspath,
    "Directory that keeps compiled code for later processes; empty means none.",
)
cache_bytes = Flag(
    "FUNCTAD_CACHE_BYTES", str(2**30), int, "How large that directory may become; what was used longest ago goes first."
)
