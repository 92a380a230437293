"""A directory of entries that no one else can have written.

What is read here is executed. So the directory must be the user's own, and others must not be able to write to it; the
same goes for each file. Whatever is wrong with a file makes it a miss, and whatever is wrong with the directory makes
all of them misses, with one warning. A file is written under another name and then renamed, so that a reader sees all
of it or nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from functad import config
from functad.core.location import user_stack_level
from functad.errors import CacheWarning
from functad.lower.disk.entries import HEAD, label_of, packed, unpacked

__all__ = ["Directory", "File", "directory"]

SUFFIX = ".functad"

ABANDONED = 3600.0
"""Seconds after which a file that was never renamed belongs to a process that died."""

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class File:
    """An entry as `Directory.files` lists it: its size, and when it was last used (seconds of ``time.time``)."""

    path: Path
    bytes: int
    used: float

    @property
    def label(self) -> str:
        """What it is, for people."""
        try:
            with open(self.path, "rb") as file:
                return label_of(file.read(HEAD + 200))
        except OSError:
            return ""


class Directory:
    """Entries by key, of at most ``config.cache_bytes`` bytes together; those used longest ago are dropped first."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._warned = False
        self._since = -1  # bytes written since all sizes were last added up; -1: never

    def read(self, key: str) -> bytes | None:
        """The content of an entry, which is used now; None where there is none that can be trusted."""
        if not self._trusted():
            return None
        place = self._place(key)
        try:
            with open(os.open(place, os.O_RDONLY | _flag("O_NOFOLLOW") | _flag("O_NONBLOCK")), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or not _own(found):
                    return None
                content = unpacked(key, file.read())
        except OSError:
            return None
        if content is not None:
            with contextlib.suppress(OSError):
                os.utime(place)
        return content

    def write(self, key: str, label: str, content: bytes) -> None:
        """Keep an entry; where that cannot be, the first time says so in a warning."""
        made = packed(key, label, content)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._trusted():
                return
            self._replace(self._place(key), made)
        except OSError as error:
            self._warn(f"cannot be written to: {error.strerror or error}")
            return
        self._bound(len(made))

    def files(self) -> list[File]:
        """All entries, of those used longest ago first."""
        found = []
        with contextlib.suppress(OSError), os.scandir(self.path) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    known = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(known.st_mode) and self._is_ours(entry.name, known.st_mtime):
                        found.append(File(Path(entry.path), known.st_size, known.st_mtime))
        return sorted(found, key=lambda file: (file.used, file.path))

    def clear(self) -> int:
        """Remove all entries; how many there were."""
        return self._remove(self.files())

    def _place(self, key: str) -> Path:
        return self.path / f"{key}{SUFFIX}"

    def _is_ours(self, name: str, used: float) -> bool:
        """Whether a file is an entry, or what is left of writing one."""
        return name.endswith(SUFFIX) or (name.endswith(f"{SUFFIX}.new") and used < time.time() - ABANDONED)

    def _trusted(self) -> bool:
        """Whether the directory is there, and this user's alone."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        if stat.S_ISDIR(found.st_mode) and _own(found):
            return True
        self._warn("is not this user's own, or others may write to it; nothing is loaded from it")
        return False

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            message = f"the cache directory {str(self.path)!r} (FUNCTAD_CACHE_DIR) {why}; functad goes on without it"
            warnings.warn(message, CacheWarning, stacklevel=user_stack_level())

    def _replace(self, place: Path, content: bytes) -> None:
        """Write a file, all at once for who reads it."""
        descriptor, name = tempfile.mkstemp(f"{SUFFIX}.new", dir=self.path)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.replace(name, place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _bound(self, written: int) -> None:
        """Drop what was used longest ago, if there is too much; sizes are added up once in a while."""
        most = config.cache_bytes.value
        if 0 <= self._since + written < most // 16:
            self._since += written
            return
        self._since = 0
        files = self.files()
        surplus = sum(file.bytes for file in files) - most
        if surplus > 0:
            dropped, surplus = 0, surplus + most // 8
            while dropped < len(files) and surplus > 0:
                surplus -= files[dropped].bytes
                dropped += 1
            self._remove(files[:dropped])

    def _remove(self, files: list[File]) -> int:
        removed = 0
        for file in files:
            with contextlib.suppress(OSError):
                file.path.unlink()
                removed += 1
        return removed


def directory() -> Directory | None:
    """The directory that the flag ``cache`` names; None where it names none."""
    value = config.cache.value
    return _directory(os.path.abspath(os.path.expanduser(value))) if value else None


@functools.lru_cache(maxsize=64)
def _directory(path: str) -> Directory:
    return Directory(path)


def _own(found: os.stat_result) -> bool:
    """Whether a file or directory is this user's, and nobody else may write to it; Windows keeps that elsewhere."""
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE


def _flag(name: str) -> int:
    """A flag of ``os.open`` that not every platform has."""
    return int(getattr(os, name, 0))
