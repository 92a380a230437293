"""The persistent cache of compiled code: how large it is, what it holds, or emptying it."""

from __future__ import annotations

import argparse

from functad.lower.disk.command import cache_command

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", nargs="*", metavar="list | clear", help="list the entries, or remove them")


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; 1 where there is no cache."""
    return cache_command(options.action)
