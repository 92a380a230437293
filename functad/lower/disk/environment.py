"""What compiled code depends on besides what it is made from: functad's own source, and versions of other code."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import numpy as np

from functad import config
from functad.lower.disk.directory import Directory
from functad.lower.disk.entries import digest

__all__ = ["environment"]

PACKAGE = Path(__file__).parents[2]
"""functad's own folder."""

LIBRARIES = ("numpy", "scipy", "llvmlite", "numba")
"""Whose code native code calls, or is made by."""


@functools.lru_cache(maxsize=64)
def environment(directory: Directory) -> str | None:
    """A digest of all of that, the same in processes that make the same code; None where there is none to rely on.

    To read all source files takes longer than to load an entry, so the directory has an entry that says what they came
    to when they were last read, by their sizes and times of change; Python itself trusts its compiled files by these.
    """
    try:
        sources, versions = sorted(_sources()), list(_versions())
        # what this process runs may have been read before a file changed
        if not sources or max([changed for _, _, changed in sources]) >= config.imported_at:
            return None
        key = digest("sources", repr(sources), repr(versions))
        content = directory.read(key)
        if content is None:
            content = _contents([path for path, _, _ in sources], [path for path, _, _ in versions]).encode()
            directory.write(key, "functad's source files", content)
    except OSError:  # functad is not in files, say
        return None
    return digest(content, sys.version, sys.platform, np.__version__, llvmlite.__version__)


def _sources() -> Iterator[tuple[str, int, int]]:
    """Path, size and time of change of each of functad's source files."""
    waiting = [str(PACKAGE)]
    for folder in waiting:  # grows
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name.endswith(".py"):
                    found = entry.stat()
                    yield entry.path, found.st_size, found.st_mtime_ns


def _versions() -> Iterator[tuple[str, int, int]]:
    """The same of the files in which libraries say their versions; they need not be imported for that."""
    for name in LIBRARIES:
        with contextlib.suppress(ValueError):  # what stands for a module may have no spec
            spec = importlib.util.find_spec(name)
            for folder in () if spec is None else spec.submodule_search_locations or ():
                for path in sorted(Path(folder).glob("*version.py")):
                    found = path.stat()
                    yield str(path), found.st_size, found.st_mtime_ns


def _contents(sources: list[str], versions: list[str]) -> str:
    """A digest of files."""
    own = [part for path in sources for part in (os.path.relpath(path, PACKAGE), Path(path).read_bytes())]
    return digest(*own, *[Path(path).read_bytes() for path in versions])
