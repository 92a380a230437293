"""``python -m functad``: sub-commands. A command is a module here with ``configure(parser)``, which declares its
arguments, and ``run(options)``, which may return an exit status; its docstring is its help. A line in ``COMMANDS`` adds
one.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Sequence

from functad.errors import FunctadError
from functad.version import VERSION

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": "fit two of NIST's data sets with compiled derivatives, and show what that took (the default)",
    "info": "versions, CPU, threads, flags, what is remembered",
    "cache": "how large the persistent cache is, what it holds, or emptying it",
    "explain": "what becomes of a function's loops, branches and arguments under jit",
    "export": "a function as a C library, as Numba source, or as bytes that fd.export.deserialize reads",
}
"""The commands, modules of this package, and what each does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 1 where functad refuses something, 2 where the command line is wrong."""
    parser = argparse.ArgumentParser("python -m functad", description="Derivatives of NumPy functions, compiled.")
    parser.add_argument("--version", action="version", version=f"functad {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    given = list(sys.argv[1:] if argv is None else argv) or ["demo"]
    for name, summary in COMMANDS.items():
        own = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name in given[:1]:
            module = importlib.import_module(f"{__name__}.{name}")
            own.description = inspect.cleandoc(module.__doc__ or summary)
            module.configure(own)
            own.set_defaults(run=module.run)
    options = parser.parse_args(given)
    try:
        return options.run(options) or 0
    except FunctadError as error:
        print(f"functad: {error}", file=sys.stderr)
        return 1
