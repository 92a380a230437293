"""``python -m functad export``: a function of a module as a C library."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from functad.errors import ArgumentError
from functad.export.c_library import c
from functad.export.c_text import C_TYPES
from functad.ir.types import ArrayType, array_type, dtype_name

__all__ = ["export_command", "type_from_text"]

DTYPES = {dtype_name(np.dtype(name)): np.dtype(name) for name in C_TYPES}
"""Dtypes by the names that Programs show."""


def export_command(arguments: Sequence[str]) -> int:
    """Write a function of a module as a C library, for arguments of given types; the exit status.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> export_command(["numpy:sinc", "--like", "f64[100]", "--path", folder.name + "/sinc"])
    /...sinc.h
    /...sinc.o
    /...sinc.so
    0
    """
    parser = argparse.ArgumentParser("python -m functad export", description="Write a function as a C library.")
    parser.add_argument("function", help="module:function; a derivative is a function of a module, too")
    parser.add_argument("--like", nargs="*", default=[], metavar="TYPE", help="f64[100,3], f32, i64[5], ...")
    parser.add_argument("--path", type=Path, help="where to write, without .h, .o, .so; by default its name")
    parser.add_argument("--name", help="what the function is called in C")
    parser.add_argument("--openmp", action="store_true", help="large loops run on OpenMP's threads")
    given = parser.parse_args(arguments)
    f = _function(given.function)
    path = given.path or Path(given.name or given.function.rpartition(":")[2].rpartition(".")[2])
    types = [type_from_text(text) for text in given.like]
    made = c(f, *types, path=path, name=given.name, openmp=given.openmp)
    for written in (made.header, made.object, made.library):
        if written is not None:
            print(written)
    return 0


def type_from_text(text: str) -> ArrayType:
    """The type that a text means.

    Examples
    --------
    >>> type_from_text("f32[2,3]").shape, type_from_text("i64").dtype
    ((2, 3), dtype('int64'))
    """
    found = re.fullmatch(r"(\w+)(?:\[(\d*(?:,\d+)*)\])?", text.replace(" ", ""))
    if found is None or found[1] not in DTYPES:
        raise ArgumentError(f"export: a type is written as f64[100,3], with one of {', '.join(DTYPES)}; got {text!r}")
    return array_type(tuple([int(n) for n in (found[2] or "").split(",") if n]), DTYPES[found[1]])


def _function(text: str) -> Any:
    """The function of ``module:function``; modules of the working directory are found."""
    module, _, name = text.partition(":")
    if not name:
        raise ArgumentError(f"export: the function is to be given as module:function, got {text!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        if not hasattr(found, part):
            raise ArgumentError(f"export: module {module} has no {name}")
        found = getattr(found, part)
    return found
