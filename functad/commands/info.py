"""What functad runs on: versions, the CPU that it compiles for, threads, flags, and how much is remembered.

An issue should quote it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Iterator

from functad import config
from functad.lower.llvm.target import Target
from functad.version import VERSION

__all__ = ["configure", "run"]

PACKAGES = ("numpy", "scipy", "llvmlite", "numba", "optree", "opt_einsum", "matplotlib", "graphviz")


def configure(parser: argparse.ArgumentParser) -> None:
    """It takes no arguments."""


def run(options: argparse.Namespace) -> None:
    """Print a table of what is in force."""
    for name, value in _rows():
        print(f"{name:<12}  {value}")


def _rows() -> Iterator[tuple[str, str]]:
    yield "functad", VERSION
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()}), {platform.platform()}"
    for package in PACKAGES:
        yield package, _version(package)
    target = Target.host()
    yield "CPU", f"{target.cpu}, vectors of {target.vector_bits} bits"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "threads", f"{config.threads.value or cores} of {cores} cores"
    yield "remembered", f"{config.cache_size.value} of each kind, in this process"
    flags = [f"{name}={os.environ[name]}" for name in sorted(config.settings().values) if name in os.environ]
    yield "flags", ", ".join(flags) or "none are set"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
