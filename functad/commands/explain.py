"""What becomes of a function's loops, branches and arguments under jit: what fd.explain says.

python -m functad explain package.module:simulate --like f64[100] 0.01
"""

from __future__ import annotations

import argparse

import functad as fd
from functad.commands.functions import add_function, example_arguments, function_of

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_function(parser)


def run(options: argparse.Namespace) -> None:
    """Print the explanation."""
    print(fd.explain(function_of(options))(*example_arguments(options)))
