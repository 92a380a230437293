"""The words of the text form of Programs, one after the other."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from functad.errors import FunctadError, ParseError, message_of
from functad.ir.scalars import NUMBER

__all__ = ["Scanner"]

_TOKEN = re.compile(
    rf"""(?P<number>{NUMBER})
    |(?P<binder>[a-z]+:(?=[a-z]))
    |(?P<word>[A-Za-z_]\w*)
    |(?P<label>@\d{{1,9}})
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<comment>\#\ [^\n]*)
    |(?P<sign>[][{{}}().,:=?*<>])
    |(?P<end>\Z)""".replace(NUMBER, NUMBER.replace(" ", r"\ ")),
    re.VERBOSE | re.ASCII,
)
_SPACE = re.compile(r"[ \n]*")


class Scanner:
    """Goes through a text: ``kind`` and ``text`` are those of the token that comes next.

    Kinds are those of the groups of the regular expression; a sign, or a word, is asked for by ``at`` and ``expect``.
    """

    def __init__(self, source: str, what: str) -> None:
        self.source = source
        self.what = what
        self.end = 0
        self.advance()

    def advance(self) -> None:
        """Go on to the next token."""
        space = _SPACE.match(self.source, self.end)
        self.place = self.end if space is None else space.end()
        found = _TOKEN.match(self.source, self.place)
        if found is None:
            self.kind = self.text = ""
            raise self.error("there is no such token")
        self.kind, self.text, self.end = str(found.lastgroup), found.group(), found.end()

    def at(self, text: str) -> bool:
        """Whether a sign or a word comes next."""
        return self.text == text and self.kind in ("sign", "word")

    def expect(self, text: str) -> None:
        """Go past a sign or a word."""
        if not self.at(text):
            raise self.error(f"expected `{text}`")
        self.advance()

    def take(self, kind: str) -> str:
        """The text of the next token, which must be of a kind."""
        if self.kind != kind:
            raise self.error(f"expected a {kind}")
        text = self.text
        self.advance()
        return text

    def string(self) -> str:
        """The value of a string."""
        if self.kind != "string":
            raise self.error("expected a string")
        found = self.literal(self.text)
        self.advance()
        return found

    def literal(self, text: str) -> str:
        """The value of the text of a string."""
        found: Any = self.made(ast.literal_eval, text)
        if type(found) is not str:
            raise self.error("expected a string")
        return found

    def made(self, make: Callable[..., Any], *args: Any) -> Any:
        """What a function makes of what has been read; what it refuses is an error at this place."""
        try:
            return make(*args)
        except (FunctadError, ValueError, TypeError, SyntaxError, OverflowError) as error:
            raise self.error(message_of(error)) from None

    def error(self, message: str, place: int | None = None) -> ParseError:
        """An error at a place of the text: that of the next token."""
        at = self.place if place is None else place
        line, column = self.source.count("\n", 0, at) + 1, at - self.source.rfind("\n", 0, at)
        found = self.source[at : at + 40].partition("\n")[0]
        return ParseError(f"{self.what}: line {line}, column {column}: {message}; found `{found}`")
