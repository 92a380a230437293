"""Calling compiled code through ctypes, without an entry: what takes or gives sequences, and tests."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.ir.types import SeqType
from functad.lower.compile import Compiled
from functad.lower.emit.clock import Caller
from functad.lower.native.threads import configure
from functad.lower.sequences import Cells

__all__ = ["run"]

_Called = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


def run(compiled: Compiled, args: Sequence[Any]) -> list[Any]:
    """The results for arguments of the compiled types."""
    configure()
    cells = Cells()
    inputs = [
        cells.given(x, t) if isinstance(t, SeqType) else np.require(x, t.dtype, ["C", "A"])
        for x, t in zip(args, compiled.in_types, strict=True)
    ]
    for x, t in zip(inputs, compiled.in_types, strict=True):
        if isinstance(x, np.ndarray) and x.shape != t.shape:
            raise InternalError(f"an array of shape {x.shape} was given to code that was compiled for {t}")
    outputs: list[Any] = [
        cells.made() if isinstance(t, SeqType) else np.empty(t.shape, t.dtype) for t in compiled.out_types
    ]
    driver = compiled.driver
    function = _Called(driver.address)
    sizes = np.array(driver.sizes or (0,), np.int64)
    given, made = _pointers([*inputs, *driver.constants]), _pointers(outputs)
    code = function(_address(given), _address(made), _address(sizes), Caller.WITHOUT_GIL)
    if code:
        for x, t in zip(outputs, compiled.out_types, strict=True):
            if isinstance(t, SeqType):
                cells.free(x, t)
        compiled.raise_error(code)
    return [
        cells.taken(x, t) if isinstance(t, SeqType) else x[()] for x, t in zip(outputs, compiled.out_types, strict=True)
    ]


def _pointers(values: Sequence[Any]) -> np.ndarray:
    """The addresses of arrays and cells, as an array. (An array of ctypes has a class of its own, which only the
    garbage collector finds.)
    """
    return np.array([_address(x) if isinstance(x, np.ndarray) else ctypes.addressof(x) for x in values] or [0], np.intp)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]  # type: ignore[no-any-return]
