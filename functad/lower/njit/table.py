"""What is compiled for one kind of call of a jitted function in ``@njit`` code: one version for each set of shapes.

Numba knows dtypes and ranks, functad compiles for shapes. So a call looks in a table for the version for its shapes,
and asks Python, which traces and compiles, where there is none. The table is a list in memory, the latest entry first,
that is read without a lock: an entry is whole before it is in the list, and stays for good, as Numba's code does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from functad.core.statics import merged
from functad.core.trace import within
from functad.errors import StructureError, UnsupportedError
from functad.ir.program import Program
from functad.ir.types import ArrayType, SeqType, array_type
from functad.lower.compile import Compiled, compiled_of
from functad.lower.native.threads import configure
from functad.primitives.calls import Options
from functad.tree.containers import TreeDef

__all__ = ["Callee", "Entry", "Leaf", "Table", "Version", "address_of_array"]


class Leaf(NamedTuple):
    """An array or a number among the arguments, as Numba knows it."""

    dtype: np.dtype
    ndim: int
    scalar: bool

    def value(self, shape: Sequence[int], number: int) -> Any:
        """What the function is traced with: a type, or a number as plain Python would have it."""
        if not self.scalar:
            return array_type(tuple(shape), self.dtype)
        if self.dtype.kind == "b":
            return np.bool_(number)
        value = self.dtype.type(number)
        return value.item() if self.dtype.name in ("float64", "int64", "complex128") else value


@dataclass(frozen=True)
class Version:
    """What a function does with arguments of some shapes: a Program, whose last inputs are ``hidden``, and what is made
    of its results. The arguments' leaves in ``fixed`` are no inputs: integers that the Program was made for.
    """

    program: Program
    hidden: tuple[Any, ...]
    tree: TreeDef
    static: dict[int, Any]
    fixed: frozenset[int]
    options: Options

    @property
    def kind(self) -> tuple[Any, ...]:
        """What must be the same for all shapes."""
        outputs = [(t.dtype, t.ndim) for t in self.program.out_types if not isinstance(t, SeqType)]
        return self.tree, tuple(outputs), tuple([(k, repr(v)) for k, v in sorted(self.static.items())]), self.fixed


class Callee(Protocol):
    """A jitted function."""

    __name__: str

    def version(self, args: Sequence[Any]) -> Version:
        """What it does with such arguments: `ArrayType`s and numbers, in containers."""
        ...

    def suggested_shapes(self, leaves: Sequence[Leaf]) -> Iterator[list[tuple[int, ...]]]:
        """Shapes of arguments of these kinds that it may take, the most likely ones first."""
        ...


class Entry:
    """A version, compiled, as words in memory.

    The words: the address of the next entry; the function, its sizes; how many addresses it takes behind the
    arguments, and where they are; the shapes and integers that it is for; the shapes of the results.
    """

    HEAD = 5

    def __init__(self, version: Version, key: Sequence[int]) -> None:
        self.compiled: Compiled = compiled_of(version.program, version.options)
        driver = self.compiled.driver
        self.kept = [*[readable(x, self.compiled.name) for x in version.hidden], *driver.constants]
        self.sizes = np.array([*driver.sizes, 0], np.int64)
        self.more = np.array([*map(address_of_array, self.kept), 0], np.int64)
        shapes = [n for t in version.program.out_types for n in t.shape]
        head = [
            0,
            self.compiled.code.foreign,
            address_of_array(self.sizes),
            len(self.kept),
            address_of_array(self.more),
        ]
        self.words = np.array([*head, *key, *shapes], np.int64)

    @property
    def address(self) -> int:
        """Where the words are."""
        return address_of_array(self.words)


class Table:
    """The versions for arguments of one kind; ``args`` makes them of their leaves."""

    def __init__(
        self, callee: Callee, leaves: Sequence[Leaf], args: Callable[[Sequence[Any]], tuple[Any, ...]]
    ) -> None:
        self.callee = callee
        self.leaves = leaves
        self.args = args
        self.head = np.zeros(1, np.int64)
        self.entries: dict[int, Entry] = {}
        self.lock = threading.Lock()
        self.example = self._example()
        self.asked = sorted(self.example.fixed)
        """The leaves whose values are part of what a version is for."""

    @property
    def address(self) -> int:
        """Where the address of the first entry is."""
        return address_of_array(self.head)

    def _example(self) -> Version:
        """A version for some shapes: it tells the types of the results."""
        first: Exception | None = None
        for shapes in self.callee.suggested_shapes(self.leaves):
            try:
                return self._version(shapes, {})
            except Exception as error:  # the function may be one of other shapes
                first = first or error
        name = self.callee.__name__
        raise StructureError(
            f"{name} is called in @njit code with arguments whose shapes are not known when it is compiled, and could "
            f"not be traced for shapes like those that it was tried with ({type(first).__name__}: {first}). Call "
            f"{name} once from Python with such arguments, before the @njit function is compiled"
        )

    def _version(self, shapes: Sequence[tuple[int, ...]], numbers: dict[int, int]) -> Version:
        values = [
            leaf.value(shape, numbers.get(i, 2))
            for i, (leaf, shape) in enumerate(zip(self.leaves, shapes, strict=True))
        ]
        return within(None, self.callee.version, self.args(values))  # type: ignore[no-any-return]

    def missing(self, *key: int) -> int:
        """The entry for shapes and integers that there is none for, made now; another thread may make one, too."""
        rest = iter(key)
        shapes = [tuple([next(rest) for _ in range(leaf.ndim)]) for leaf in self.leaves]
        try:
            version = self._version(shapes, dict(zip(self.asked, rest, strict=True)))
            if version.kind != self.example.kind:
                raise self._another(shapes, version)
            entry = Entry(version, key)
        except Exception as error:
            report(error)
            raise
        configure()
        with self.lock:
            entry.words[0] = self.head[0]
            self.entries[entry.address] = entry
            self.head[0] = entry.address
        return entry.address

    def _another(self, shapes: Sequence[tuple[int, ...]], version: Version) -> StructureError:
        name, given = self.callee.__name__, ", ".join(map(str, shapes))
        if version.fixed != self.example.fixed:
            return StructureError(
                f"{name}, called in @njit code with shapes {given}, needs the values of other integers than at the "
                f"shapes that it was compiled for; call it once from Python with such arguments before"
            )
        return StructureError(
            f"{name}, called in @njit code with shapes {given}, returns {_shown(version)}; the @njit function was "
            f"compiled for {_shown(self.example)}. Call {name} once from Python with such arguments, before the @njit "
            "function is compiled"
        )

    def failed(self, address: int, code: int) -> int:
        """Raise what an entry's code means."""
        error = self.entries[address].compiled.failures.error(code)
        report(error)
        raise error


def report(error: BaseException) -> None:
    """Show an error that is about to be raised in a thread of a ``prange``, where Numba loses it, as what ends a thread
    is shown.
    """
    if sys._getframe(1).f_back is None:  # no Python runs in this thread that could catch it
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))


def _shown(version: Version) -> str:
    types = [f"{t.dtype} of rank {t.ndim}" if isinstance(t, ArrayType) else str(t) for t in version.program.out_types]
    return str(version.tree.unflatten(merged(version.static, types)))


def readable(value: Any, name: str) -> np.ndarray:
    """What a function closes over, as memory that code reads at each call; a number as it is now."""
    if not isinstance(value, np.ndarray):
        return np.array(value)
    if value.flags.c_contiguous and value.flags.aligned and value.dtype.isnative:
        return value
    raise UnsupportedError(
        f"{name} closes over an array that is not C-contiguous, which Numba code cannot read: make it an argument, or "
        "an array np.ascontiguousarray(...)"
    )


def address_of_array(array: np.ndarray) -> int:
    """Where the memory of an array is."""
    return int(array.__array_interface__["data"][0])
