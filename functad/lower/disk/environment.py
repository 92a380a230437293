"""What compiled code depends on besides what it is made from: functad's own source, and versions of other code."""

from __future__ import annotations

import functools
import importlib.metadata
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
    files = sorted(_sources())
    # what this process runs may have been read before a file changed
    if not files or max(changed for _, _, changed in files) >= config.imported_at:
        return None
    known = digest("sources", repr([*files, *_libraries()]))
    content = directory.read(known)
    if content is None:
        content = _contents([path for path, _, _ in files]).encode()
        directory.write(known, "functad's source files", content)
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


def _libraries() -> Iterator[tuple[str, int, int]]:
    """The same of what another version of a library would replace; they need not be imported for that."""
    for name in LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            found = os.stat(spec.origin)
            yield spec.origin, found.st_size, found.st_mtime_ns


def _contents(paths: list[str]) -> str:
    """A digest of files and of the versions of libraries."""
    files = [part for path in paths for part in (os.path.relpath(path, PACKAGE), Path(path).read_bytes())]
    return digest(*files, *[f"{name} {_version(name)}" for name in LIBRARIES])


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
