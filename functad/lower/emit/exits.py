"""Errors of a driver: what its steps gave, and the ways out of it before its end."""

from __future__ import annotations

from collections.abc import Sequence

from functad.lower.emit.code import Code
from functad.lower.emit.failures import Failure, any_failed, note_each, noted_code

__all__ = ["Exits"]


class Exits:
    """The errors of a function while it is written, and the blocks that leave for its end.

    ``early``: whether straight code leaves before it accesses what a failed check is of.
    """

    def __init__(self, code: Code, early: bool) -> None:
        self.code = code
        self.early = early
        self.errors: list[str] = []
        self.checked = False  # whether a check may have failed since the error cell was last read
        self.ways: list[tuple[str, str]] = []  # the blocks that leave, and their errors

    def note(self, error: str) -> None:
        """An error code that a step gave: an i32, 0 where all is well."""
        self.errors.append(error)

    def note_checks(self, some: bool) -> None:
        """A step with or without checks has run; what failed is in the error cell."""
        self.checked |= some

    def stop_on_errors(self) -> None:
        """Leave if anything has failed: a loop must not run on what is wrong."""
        error = self._error()
        if error != "0":
            self.stop_if(self.code.emit(f"icmp ne i32 {error}, 0"), error)

    def stop_if(self, failed: str, error: str) -> None:
        """Leave with an error on a condition."""
        code = self.code
        leave, go = code.label(), code.label()
        code.line(f"br i1 {failed}, label %{leave}, label %{go}")
        code.begin(leave)
        self.ways.append((leave, error))
        code.line("br label %exit")
        code.begin(go)

    def stop_on_failures(self, width: int, failures: Sequence[Failure]) -> None:
        """Leave if one of some checks has failed in some lane: what comes behind runs where all hold."""
        code = self.code
        leave, go = code.label(), code.label()
        code.line(f"br i1 {any_failed(code, width, failures)}, label %{leave}, label %{go}")
        code.begin(leave)
        note_each(code, width, failures, "0")
        error = smallest_error(code, [*self.errors, noted_code(code)])
        self.ways.append((code.block, error))
        code.line("br label %exit")
        code.begin(go)

    def end(self) -> str:
        """The block where all ways meet, and the error there."""
        error = self._error()
        if not self.ways:
            return error
        ways = ", ".join(f"[ {e}, %{block} ]" for block, e in [(self.code.block, error), *self.ways])
        self.code.start("exit")
        return self.code.emit(f"phi i32 {ways}")

    def _error(self) -> str:
        """The smallest error since this was last asked, or 0."""
        errors = self.errors + ([noted_code(self.code)] if self.checked else [])
        self.errors, self.checked = [], False
        return smallest_error(self.code, errors)


def smallest_error(code: Code, errors: Sequence[str]) -> str:
    """The smallest code that is not 0, or 0."""
    if len(errors) < 2:
        return (*errors, "0")[0]
    none = 2**31 - 1
    smallest = ""
    for error in errors:
        failed = code.emit(f"icmp ne i32 {error}, 0")
        error = code.emit(f"select i1 {failed}, i32 {error}, i32 {none}")
        smallest = code.scalar.intrinsic("smin", "i32", smallest, error) if smallest else error
    return code.emit(f"select i1 {code.emit(f'icmp eq i32 {smallest}, {none}')}, i32 0, i32 {smallest}")
