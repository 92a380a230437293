"""Native functions by name: how an entry says which ones its code calls, so that another process finds the same.

It says where functad declares them (`Origin`). What calls Python, and what a user declares, has no place in an entry.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from functad.kernel_ir.native import NATIVE_FUNCTIONS, NativeFunction

__all__ = ["declared_by", "is_portable", "named"]

LARGEST = 2**16
"""Numbers that say which member of a family is meant are ranks, axes and counts; larger ones are addresses."""


def is_portable(function: NativeFunction) -> bool:
    """Whether other processes find this function: it is functad's own, and native."""
    origin = function.origin
    if function.code is None or origin is None or origin.module.partition(".")[0] != "functad":
        return False
    return _is_plain(origin.kind)


def named(function: NativeFunction) -> list[Any]:
    """What says which portable function it is, in Python's plain types."""
    assert function.origin is not None
    return [function.symbol, function.origin.module, function.origin.family, _written(function.origin.kind)]


def declared_by(name: list[Any]) -> NativeFunction | None:
    """The function that `named` wrote; None where this process has no such function."""
    symbol, module, family, kind = name
    if str(module).partition(".")[0] != "functad":
        return None
    declaring = importlib.import_module(module)
    if family:
        getattr(declaring, family)(*_read(kind))
    return NATIVE_FUNCTIONS.get(symbol)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return abs(value) < LARGEST
    return value is None or isinstance(value, str | np.dtype)


def _written(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_written(v) for v in value])
    return {"dtype": value.str} if isinstance(value, np.dtype) else value


def _read(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_read(v) for v in value])
    return np.dtype(value["dtype"]) if isinstance(value, dict) else value
