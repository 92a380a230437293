"""Where the time before a first result goes: stages are measured where they run, for the record that is open.

    record = Record("loss", "f64[3]", "the first call")
    with record:
        with stage("trace"): ...

A stage inside another takes its time away from that one, so the times of a record add up.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

__all__ = ["Record", "Stats", "compiled", "loaded", "stage"]


class _Open(threading.local):
    """The record that is open in this thread, and for each open stage what stages inside it have taken."""

    record: Record | None = None

    def __init__(self) -> None:
        self.inner: list[float] = []


_open = _Open()


@dataclass
class Record:
    """One kind of call of a function: why it was traced, and what each stage took.

    Attributes
    ----------
    function, call
        The name of the function, and the types of the arguments.
    why
        What was new about the call.
    equations
        How many equations were traced.
    compiled
        How many modules LLVM compiled; 0 where the code was there already, as for another size.
    loaded
        How many modules the persistent cache had, from an earlier process.
    stages
        Seconds by stage: ``trace``, ``load``, ``passes``, ``fusion``, ``text``, ``LLVM``, ``link`` and ``entry``.
    """

    function: str = ""
    call: str = ""
    why: str = ""
    equations: int = 0
    compiled: int = 0
    loaded: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    _around: list[Record | None] = field(default_factory=list, repr=False, compare=False)

    def __enter__(self) -> Record:
        self._around.append(_open.record)
        _open.record = self
        return self

    def __exit__(self, *_: object) -> None:
        _open.record = self._around.pop()

    @property
    def seconds(self) -> float:
        """The time that all stages took."""
        return sum(self.stages.values())

    def __str__(self) -> str:
        parts = ", ".join([f"{name} {_readable(t)}" for name, t in self.stages.items()])
        made = [f"{n} {what}" for n, what in ((self.compiled, "compiled"), (self.loaded, "loaded")) if n]
        code = ", ".join(made) or "no code compiled"
        work = f"{self.equations} equations, {code}, {_readable(self.seconds)}"
        return f"{self.function}({self.call}): {self.why}; {work}: {parts}"


class Stats(tuple[Record, ...]):
    """What a function was traced and compiled for, in order; as text, a line for each."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "not called yet"


class stage:
    """Measures a stage for the record that is open, if any."""

    __slots__ = ("_name", "_start")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        _open.inner.append(0.0)
        self._start = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        taken = time.perf_counter() - self._start
        inside, record = _open.inner.pop(), _open.record
        if record is not None:
            record.stages[self._name] = record.stages.get(self._name, 0.0) + taken - inside
        if _open.inner:
            _open.inner[-1] += taken


def compiled() -> None:
    """Note that LLVM has compiled a module."""
    if _open.record is not None:
        _open.record.compiled += 1


def loaded() -> None:
    """Note that a module that an earlier process compiled was loaded."""
    if _open.record is not None:
        _open.record.loaded += 1


def _readable(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"
