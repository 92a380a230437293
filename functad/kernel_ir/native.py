"""Native functions: machine code that a program calls and does not contain, by the name of its symbol.

BLAS, the C math library, loops on several threads, Python callbacks, and whatever a primitive calls are
`NativeFunction` records. One that a statement of the kernel IR calls (`nodes.Call`) is, to C,

    int32_t symbol(void **buffers, int64_t *sizes)

``buffers`` are the addresses of its operands, C-contiguous; ``sizes`` the lengths of all axes of the first, then of the
second, and so on. It returns 0; a positive number where it failed, which the message of its ``error`` calls
``{value}``; or ``codes.OUT_OF_MEMORY``. It may run on any thread, on several at once, without the GIL, and keeps no
state.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec
from weakref import WeakValueDictionary

import numpy as np

from functad.errors import InternalError
from functad.ir.types import dtype_name

__all__ = [
    "MOST_BLOCKS", "NATIVE_FUNCTIONS", "Address", "NativeFunction", "Operand", "Origin", "Python", "Text",
    "declared_functions", "family", "reads", "updates", "writes",
]  # fmt: skip

NATIVE_FUNCTIONS: MutableMapping[str, NativeFunction] = WeakValueDictionary()
"""Every native function that is alive, by its symbol."""

CALL = "i32 (ptr, ptr)"

MOST_BLOCKS = 64
"""``functad_blocks`` (``lower/native/blocks.py``) divides a loop into so many blocks at most."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Address:
    """Code of this process; ``find()`` is asked when a program that calls it is compiled."""

    find: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Text:
    """LLVM text of a module that defines the symbol; it may declare, and call, other native functions.

    It is compiled once for each target, when it is first needed. ``write`` is the text, or a function of the target;
    ``variables()`` gives the addresses of external variables by name.
    """

    write: str | Callable[[Any], str]
    variables: Callable[[], dict[str, int]] = dict


@dataclass(frozen=True, slots=True)
class Python:
    """A Python function of the operands as arrays, which Numba compiles when it is first needed; the evaluator runs it
    as it is. It returns an int, and divides by zero as NumPy does.
    """

    function: Callable[..., int]


@dataclass(frozen=True, slots=True)
class Operand:
    """An array that a native function takes: its dtype and rank, and what becomes of it."""

    dtype: np.dtype
    rank: int
    effect: Literal["read", "written", "updated"]

    def view(self, memory: np.ndarray) -> np.ndarray:
        """The memory of a buffer, in which complex numbers are pairs of reals, as an array of this dtype."""
        if memory.dtype == self.dtype:
            return memory
        return memory.reshape(-1).view(self.dtype).reshape(memory.shape[: self.rank])

    @property
    def stored(self) -> tuple[np.dtype, int]:
        """Dtype and rank of the buffer."""
        return (
            (np.empty(0, self.dtype).real.dtype, self.rank + 1) if self.dtype.kind == "c" else (self.dtype, self.rank)
        )

    def __str__(self) -> str:
        return f"{dtype_name(self.dtype)}, rank {self.rank}"


@dataclass(frozen=True, slots=True)
class Origin:
    """What another process makes a native function by: to import a module, or to call a `family` in it for a kind."""

    module: str
    family: str = ""
    kind: tuple[Any, ...] = ()


def reads(dtype: Any, rank: int) -> Operand:
    """An operand that stays as it is."""
    return Operand(np.dtype(dtype), rank, "read")


def writes(dtype: Any, rank: int) -> Operand:
    """An operand that is undefined before, and all of which is written."""
    return Operand(np.dtype(dtype), rank, "written")


def updates(dtype: Any, rank: int) -> Operand:
    """An operand that is read and written."""
    return Operand(np.dtype(dtype), rank, "updated")


@dataclass(frozen=True, eq=False)
class NativeFunction:
    """A native function, known by its symbol to all that is compiled.

    ``code`` is where its machine code comes from: an `Address`, LLVM `Text`, `Python` that Numba compiles; or None,
    where native code calls ``evaluate`` back, with the GIL. ``evaluate(*operands)`` is what it does, on arrays, and
    gives back; the evaluator of the kernel IR runs this. ``error`` is what a positive result raises: an error class of
    ``functad.errors`` by name, and a message.

    Functions with another ``signature`` (LLVM's, as in a declaration) are called by emitted code alone; these have
    neither operands nor ``evaluate``. ``origin`` is where other processes find the same one, None where they cannot.

    Examples
    --------
    >>> def reverse(x, out):
    ...     for i in range(x.size):
    ...         out[i] = x[x.size - 1 - i]
    ...     return 0
    >>> function = NativeFunction("example_reverse", Python(reverse), (reads(float, 1), writes(float, 1)))
    >>> out = np.empty(3)
    >>> function.run([np.arange(3.0), out]), out
    (0, array([2., 1., 0.]))
    """

    symbol: str
    code: Address | Text | Python | None = None
    operands: tuple[Operand, ...] = ()
    evaluate: Callable[..., int | None] | None = None
    error: tuple[str, str] | None = None
    signature: str = CALL
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if self.symbol in NATIVE_FUNCTIONS:
            raise InternalError(f"native function {self.symbol!r} is declared twice")
        if not re.fullmatch(r"[A-Za-z_.$][\w.$]*", self.symbol):
            raise InternalError(f"native function {self.symbol!r}: expected letters, digits, '_', '.' or '$'")
        if self.operands and self._evaluator is None:
            raise InternalError(f"native function {self.symbol!r} does not say what it is in Python: state evaluate=")
        NATIVE_FUNCTIONS[self.symbol] = self

    @property
    def declaration(self) -> str:
        """Its declaration in LLVM text."""
        result, _, rest = self.signature.partition(" (")
        return f"declare {result} @{self.symbol}({rest}"

    @property
    def parameters(self) -> list[str]:
        """The LLVM types of its parameters."""
        return self.signature.partition(" (")[2].partition(")")[0].split(", ")

    @property
    def result(self) -> str:
        """The LLVM type of what it returns."""
        return self.signature.partition(" (")[0].split()[-1]

    @property
    def _evaluator(self) -> Callable[..., int | None] | None:
        return self.code.function if self.evaluate is None and isinstance(self.code, Python) else self.evaluate

    @property
    def check(self) -> tuple[str, str] | None:
        """The check of a program that fails where the result is positive; None if that cannot be."""
        undeclared = "InternalError", f"native function {self.symbol!r} returned {{value}}, but has no error to raise"
        return self.error or (undeclared if self.code is not None else None)

    def run(self, memory: Sequence[np.ndarray]) -> int:
        """Do what it does to the memory of buffers; what it returns."""
        evaluate = self._evaluator
        assert evaluate is not None
        code = int(evaluate(*[operand.view(m) for operand, m in zip(self.operands, memory, strict=True)]) or 0)
        if code > 0 and self.check is None:
            raise InternalError(f"native function {self.symbol!r} returned {code}, but has no error to raise")
        return code


def family(make: Callable[P, NativeFunction]) -> Callable[P, NativeFunction]:
    """Native functions of many kinds: ``make`` is called once for each kind, whatever threads ask for it, and what it
    makes lives for good.
    """
    lock = threading.RLock()

    @functools.cache
    def made(*kind: Any, **named: Any) -> NativeFunction:
        function = make(*kind, **named)  # type: ignore[arg-type]
        if not named and function.origin is None:
            object.__setattr__(function, "origin", Origin(make.__module__, make.__name__, kind))
        return function

    @functools.wraps(make)
    def member(*kind: P.args, **named: P.kwargs) -> NativeFunction:
        with lock:
            return made(*kind, **named)  # type: ignore[arg-type]

    return member


def declared_functions(declarations: Iterable[str]) -> list[NativeFunction]:
    """The native functions among the declarations of a module, or in the lines of its text."""
    names = {found[1] for line in declarations if (found := re.match(r"declare [^@]*@([\w.$]+)\(", line))}
    called = sorted([name for name in names if not name.startswith("llvm.")])
    if unknown := [name for name in called if name not in NATIVE_FUNCTIONS]:
        raise InternalError(f"native code calls {', '.join(unknown)}, which no NativeFunction declares")
    return [NATIVE_FUNCTIONS[name] for name in called]
