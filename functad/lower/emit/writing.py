"""A loop nest while it is written: what is known at the point that has been reached.

``kernel.py`` writes the loops, ``strips.py`` the one along the vectors, ``turn.py`` what is in them; this is what they
share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.nodes import Buffer, Value
from functad.lower.emit.access import Addresses, Place
from functad.lower.emit.body import Body
from functad.lower.emit.code import Code
from functad.lower.emit.exits import Exits
from functad.lower.emit.failures import Failure, note_failures
from functad.lower.emit.loops import LoopNest
from functad.lower.emit.memory import splat

__all__ = ["Block", "Writing"]

Block = tuple[int, str, str]
"""An axis, and the range of its indices to run over."""


class Writing:
    """What a nest's values, scalars and addresses are called now, and what has been checked.

    ``body`` is the version of the nest's body that is being written; ``inline`` says that ``registers``, the values of
    scalars, take new values. With ``exits`` the function ends where a check fails; else the failure is noted.
    """

    def __init__(
        self,
        nest: LoopNest,
        code: Code,
        pointers: Mapping[Buffer, str],
        registers: dict[Buffer, str],
        inline: bool,
        block: Block | None,
        exits: Exits | None,
    ) -> None:
        self.nest = nest
        self.code = code
        self.body = nest.body
        self.registers = registers
        self.inline = inline
        self.block = block
        self.exits = exits
        self.values: dict[Value, str] = known_indices(self.body)
        self.splats: dict[tuple[Value, int], str] = {}
        self.scans: dict[int, Carried] = {}
        self.addresses = Addresses(code, pointers, self.values, len(nest.axes), nest.nest.vector)
        self._failures: list[Failure] | None = None

    def bounds(self, axis: int) -> tuple[str, str]:
        """The range of indices of a loop."""
        if self.block is not None and self.block[0] == axis:
            return self.block[1:]
        return "0", self.code.size(self.nest.axes[axis])

    # ---- values

    def spread(self, value: Value, name: str, width: int) -> str:
        """A value from outside of the vector loop in all lanes; usually its splat was made where it was computed."""
        found = self.splats.get((value, width))
        return splat(self.code, self.code.scalar.ty(dtype_name(value.dtype)), width, name) if found is None else found

    def write_register(self, place: Place, value: str, mask: str | None) -> bool:
        """Note the new value of a scalar that lives in a register; whether it lives in memory as well."""
        root = place.root
        if self.inline:
            if mask is not None:
                value = self.code.scalar.select(dtype_name(root.dtype), mask, value, self.registers[root])
            self.registers[root] = value
        return root in self.addresses.pointers

    @contextmanager
    def version(self, body: Body) -> Iterator[None]:
        """The innermost loop is written with another body."""
        whole, self.body = self.body, body
        self.values.update(known_indices(body))
        yield
        self.body = whole

    # ---- checks

    @contextmanager
    def together(self) -> Iterator[None]:
        """The checks of several strips of the innermost loop take one branch."""
        failures: list[Failure] = []
        self._failures = failures
        yield
        self._failures = None
        self.note(self.nest.width, failures)

    @property
    def leaves_early(self) -> bool:
        """Whether nothing is accessed that a failed check is of."""
        return self.exits is not None and self.exits.early and not self.nest.axes

    def note(self, width: int, failures: Sequence[Failure]) -> None:
        """Note what has failed in a turn of a loop."""
        if self._failures is not None:
            self._failures += failures
        elif failures and self.exits is not None:
            self.exits.stop_on_failures(width, failures)
        elif failures:
            note_failures(self.code, width, failures, "0" if self.block is None else self.block[1])


def known_indices(body: Body) -> dict[Value, str]:
    """The integers that are constants of a body."""
    return {v: str(c) for v, c in body.constants.items() if v.dtype.kind in "iu"}
