"""Python's source text as a syntax tree, in any number of threads."""

from __future__ import annotations

import ast
import threading

__all__ = ["parsed"]

ATTEMPTS = 8
"""How often a text is parsed before the interpreter's complaint is believed."""

_parsing = threading.RLock()  # a finalizer may run in the midst of it, and parse


def parsed(text: str) -> ast.Module:
    """The syntax tree of a text.

    CPython up to 3.13 counts in one place, shared by all threads, how deep it is in the tree that it makes
    (gh-106905): where two threads parse at once, one of them may be told ``SystemError: AST constructor recursion depth
    mismatch``. Our own parse one after another. Somebody else's may still come between, and then it is done again.

    Raises
    ------
    SyntaxError, ValueError
        Where the text is not Python.
    """
    for _ in range(ATTEMPTS - 1):
        try:
            with _parsing:
                return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)
