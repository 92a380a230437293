"""What printed code shows of the user's: arguments and variables by their names, lines as comments.

Code that is compiled shows nothing: it is shared by all Programs of one structure.
"""

from __future__ import annotations

import dis
import linecache
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functad.caches import cached
from functad.ir.program import Location, Program
from functad.kernel_ir.nodes import Statement
from functad.lower.failures import location

__all__ = ["NOTHING", "Shown"]

MOST_LINES = 4
"""Of a kernel that comes from more lines the first ones are shown."""


@dataclass(frozen=True)
class Shown:
    """The names of the inputs, as many as are known; the Program whose equations statements stem from; whether it is
    what the user wrote, and no derivative, whose values are others than the user's variables hold.
    """

    inputs: Sequence[str] = ()
    program: Program | None = None
    as_written: bool = False

    def locations(self, statement: Statement) -> list[Location]:
        """Where in the user's code a statement comes from."""
        if self.program is None:
            return []
        found = [location(self.program, path) for path in statement.paths]
        return [where for where in found if isinstance(where, Location)]

    def comments(self, statement: Statement) -> list[str]:
        """The user's lines, in their order."""
        places = sorted({(where.filename, where.line) for where in self.locations(statement)})
        texts = list(dict.fromkeys([linecache.getline(*place).strip() for place in places]))
        texts = [text for text in texts if text]
        return [f"# {text}" for text in texts[:MOST_LINES]] + (["# ..."] if len(texts) > MOST_LINES else [])

    def name(self, statement: Statement) -> str:
        """The variable that the user gives the last result of a statement to; "" if there is none.

        What comes from a line above one that has been computed before is a derivative, too.
        """
        if self.program is None or not self.as_written or not statement.paths:
            return ""
        last = max(statement.paths)
        where = location(self.program, last)
        if not isinstance(where, Location):
            return ""
        before = [e.loc for e in self.program.eqns[: last[0]] if e.loc and e.loc.code is where.code]
        return "" if any([loc.line > where.line for loc in before]) else _assigned(where)


NOTHING = Shown()


@cached(4096)
def _instructions(code: Any) -> tuple[list[int], list[dis.Instruction]]:
    """The instructions of a code object, and where they begin."""
    found = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "NOP", "EXTENDED_ARG")]
    return [i.offset for i in found], found


def _assigned(where: Location) -> str:
    """The variable that is assigned what the instruction at a location gives."""
    if not hasattr(where.code, "co_code"):  # of a Program that was pickled
        return ""
    offsets, found = _instructions(where.code)
    after = found[bisect_right(offsets, where.instruction) :][:1]
    stores = [i.argval for i in after if i.opname in ("STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF")]
    return stores[0] if stores else ""
