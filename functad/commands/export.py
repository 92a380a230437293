"""A function, or its derivative, as a file: Numba source, which needs no functad; or bytes, which
fd.export.deserialize makes a function of.

python -m functad export package.module:loss --of grad --like f64[100] --output loss.py
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


def _numba(f: Callable[..., Any], args: Sequence[Any], options: argparse.Namespace) -> bytes:
    text: str = fd.export.numba(f, *args, sizes=options.sizes)
    return text.encode()


def _bytes(f: Callable[..., Any], args: Sequence[Any], options: argparse.Namespace) -> bytes:
    if options.output is None:
        raise ArgumentError("export --to bytes: say where to, with --output")
    data: bytes = fd.export.serialize(f, *args)
    return data


FORMATS: dict[str, Callable[[Callable[..., Any], Sequence[Any], argparse.Namespace], bytes]] = {
    "numba": _numba,
    "bytes": _bytes,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_function(parser)
    parser.add_argument("--to", choices=FORMATS, default="numba", help="what to write (default: numba)")
    parser.add_argument("--output", type=Path, help="the file to write (default: print it)")
    parser.add_argument(
        "--sizes", choices=("examples", "any"), default="examples", help="whether other lengths may be given (numba)"
    )


def run(options: argparse.Namespace) -> None:
    """Write the file."""
    content = FORMATS[options.to](function_of(options), example_arguments(options), options)
    if options.output is None:
        sys.stdout.write(content.decode())
        return
    options.output.write_bytes(content)
    print(f"{options.output}: {len(content)} bytes")
