"""A function, or its derivative, as a file: a C library and Numba source, which need no functad; or bytes, which
fd.export.deserialize makes a function of.

python -m functad export package.module:loss --of grad --like f64[100] --path loss
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import functad as fd
from functad.commands.functions import add_function, example_arguments, function_of
from functad.errors import ArgumentError

__all__ = ["FORMATS", "configure", "run"]


def _c(f: Callable[..., Any], args: Sequence[Any], options: argparse.Namespace) -> None:
    path = options.path or Path(options.name or options.function.rpartition(":")[2].rpartition(".")[2])
    made = fd.export.c(f, *args, path=path, name=options.name, openmp=options.openmp)
    for written in (made.header, made.object, made.library):
        if written is not None:
            print(written)


def _numba(f: Callable[..., Any], args: Sequence[Any], options: argparse.Namespace) -> None:
    text = fd.export.numba(f, *args, path=options.path, sizes=options.sizes)
    sys.stdout.write(text if options.path is None else f"{options.path}\n")


def _bytes(f: Callable[..., Any], args: Sequence[Any], options: argparse.Namespace) -> None:
    if options.path is None:
        raise ArgumentError("export --to bytes: say where to, with --path")
    options.path.write_bytes(fd.export.serialize(f, *args))
    print(options.path)


FORMATS: dict[str, Callable[[Callable[..., Any], Sequence[Any], argparse.Namespace], None]] = {
    "c": _c,
    "numba": _numba,
    "bytes": _bytes,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_function(parser)
    parser.add_argument("--to", choices=FORMATS, default="c", help="what to write (default: c)")
    parser.add_argument("--path", type=Path, help="where to write; c: without .h, .o, .so; numba: printed by default")
    parser.add_argument("--name", help="what the function is called in C")
    parser.add_argument("--openmp", action="store_true", help="c: large loops run on OpenMP's threads")
    sizes = ("examples", "any")
    parser.add_argument("--sizes", choices=sizes, default=sizes[0], help="numba: whether other lengths may be given")


def run(options: argparse.Namespace) -> None:
    """Write the file."""
    FORMATS[options.to](function_of(options), example_arguments(options), options)
