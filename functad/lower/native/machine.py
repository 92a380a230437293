"""From native functions to machine code: their addresses, for linking code that calls them.

What is compiled (LLVM text, Python by Numba) is so once, when code that calls it is first linked, and lives as long as
the function that it is of, or code that calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, MutableMapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from functad.kernel_ir.native import Address, NativeFunction, Text, declared_functions
from functad.lower.disk.natives import is_portable
from functad.lower.disk.objects import object_code
from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target
from functad.lower.native.callbacks import callback_text, python_function
from functad.lower.native.numba_code import numba_function

__all__ = ["link_native", "machine_code"]

_libraries: MutableMapping[NativeFunction, dict[Target, Library]] = WeakKeyDictionary()
_compiled: MutableMapping[NativeFunction, Any] = WeakKeyDictionary()
_lock = threading.RLock()


def link_native(
    code: bytes,
    calls: Iterable[NativeFunction],
    target: Target,
    exports: Iterable[str],
    variables: dict[str, int] | None = None,
) -> Library:
    """Link object code with the native functions that it calls, and with variables at these addresses."""
    found = {function.symbol: machine_code(function, target) for function in calls}
    symbols = {name: address for name, (address, _) in found.items()}
    return link(code, symbols | (variables or {}), exports, keep=[keep for _, keep in found.values()])


def machine_code(function: NativeFunction, target: Target) -> tuple[int, object]:
    """The address of a function's code, and what that code lives in."""
    match function.code:
        case Address(find):
            return find(), None
        case Text():
            library = _library(function, target)
            return library.address(function.symbol), library
        case None:
            called = python_function(function)
            library = _compile(function, callback_text(function.symbol, called), target, {})
            return library.address(function.symbol), (library, called)
    with _lock:
        compiled = _compiled.get(function)
        if compiled is None:
            compiled = _compiled[function] = numba_function(function)
    return compiled.address, compiled


def _library(function: NativeFunction, target: Target) -> Library:
    """The code of LLVM text; none of it is the user's arithmetic."""
    assert isinstance(function.code, Text)
    target = replace(target, fastmath="")
    with _lock:
        libraries = _libraries.setdefault(function, {})
        if target not in libraries:
            write = function.code.write
            text = write if isinstance(write, str) else write(target)
            libraries[target] = _compile(function, text, target, function.code.variables())
        return libraries[target]


def _compile(function: NativeFunction, text: str, target: Target, variables: dict[str, int]) -> Library:
    calls = declared_functions(text.splitlines())
    made = object_code(text, target, label=f"native function {function.symbol}", keep=is_portable(function))
    return link_native(made.code, calls, target, [function.symbol], variables)
