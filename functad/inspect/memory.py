"""``memory``: which arrays a call needs beside its arguments and results, and when most of them are alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.core.wrapping import Transformed
from functad.inspect.kernels import Array, Sized, sized_kernels
from functad.inspect.tables import quantity, table

__all__ = ["Memory", "Moment", "memory"]


@dataclass(frozen=True)
class Moment:
    """A step of the driver, and the bytes of temporary arrays that are alive while it runs."""

    name: str
    alive: int
    depth: int


@dataclass(frozen=True)
class Memory:
    """The memory of a call in bytes: arguments, results, and temporary arrays moment by moment."""

    name: str
    inputs: int
    outputs: int
    moments: tuple[Moment, ...]

    @property
    def peak(self) -> int:
        """The most bytes of temporary arrays that are alive at a time."""
        return max([m.alive for m in self.moments], default=0)

    def __repr__(self) -> str:
        rows = [["  " * m.depth + m.name, f"{quantity(m.alive)}B", _bar(m.alive, self.peak)] for m in self.moments]
        head = (
            f"{self.name}: {quantity(self.inputs)}B of arguments, {quantity(self.outputs)}B of results, "
            f"{quantity(self.peak)}B of temporary arrays at most"
        )
        return "\n".join([head, table(["step", "alive", ""], [[a, b, c.ljust(20)] for a, b, c in rows])])


def _bar(value: int, most: int) -> str:
    return "#" * round(20 * value / most) if most else ""


def memory(f: Callable[..., Any]) -> Callable[..., Memory]:
    """A function that says what memory a compiled call of ``f`` with given arguments needs, step by step.

    What a loop of unknown length keeps for its reverse pass is not counted: it is not known before.

    Parameters
    ----------
    f
        A function, or what a transform made of one.

    Returns
    -------
    A function of the same arguments that gives a ``Memory``: ``inputs``, ``outputs`` and ``peak`` in bytes, and
    ``moments``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.inspect.memory(lambda x: np.sum(np.outer(x, x) @ x))(np.ones(100))
    >>> found.inputs, found.outputs, found.peak
    (800, 0, 80800)
    """
    return Transformed(_memory, f)


def _memory(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Memory:
    kernels = sized_kernels(make_ir(f)(*args, **kwargs))
    return Memory(name_of(f), _total(kernels.inputs), _total(kernels.outputs), tuple(_moments(kernels)))


def _total(arrays: tuple[Array, ...]) -> int:
    return sum([a.bytes for a in arrays])


def _moments(kernels: Sized) -> list[Moment]:
    """Each temporary lives from the first step that touches it to the last."""
    first: dict[Any, int] = {}
    last: dict[Any, int] = {}
    bytes: dict[Any, int] = {}
    for number, statement in enumerate(kernels.statements):
        for array in statement.touched:
            if array.role == "temp":
                first.setdefault(array.buffer, number)
                last[array.buffer] = number
                bytes[array.buffer] = array.bytes
    return [
        Moment(s.name, sum([bytes[b] for b in first if first[b] <= number <= last[b]]), s.depth)
        for number, s in enumerate(kernels.statements)
    ]
