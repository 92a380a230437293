"""``python -m functad cache``: what the persistent cache holds, and how to empty it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from functad import config
from functad.lower.disk.directory import directory

__all__ = ["USAGE", "cache_command"]

USAGE = "usage: python -m functad cache [list | clear]"


def cache_command(arguments: Sequence[str]) -> int:
    """Print how large the cache is, list its entries, or remove them; the exit status.

    Examples
    --------
    >>> cache_command([])
    no cache: FUNCTAD_CACHE_DIR names no directory
    1
    """
    if list(arguments) not in ([], ["list"], ["clear"]):
        print(USAGE)
        return 2
    where = directory()
    if where is None:
        print("no cache: FUNCTAD_CACHE_DIR names no directory")
        return 1
    if "clear" in arguments:
        print(f"{where.path}: {where.clear()} entries removed")
        return 0
    files = where.files()
    for file in reversed(files) if "list" in arguments else ():
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(file.used))
        print(f"{used}  {_readable(file.bytes):>9}  {file.label}")
    total, most = sum(file.bytes for file in files), config.cache_bytes.value
    print(f"{where.path}: {len(files)} entries, {_readable(total)} of at most {_readable(most)}")
    return 0


def _readable(size: int) -> str:
    """A number of bytes, for people.

    Examples
    --------
    >>> _readable(900), _readable(2**30)
    ('900 B', '1.0 GiB')
    """
    amount, units = float(size), ["B", "KiB", "MiB", "GiB"]
    while amount >= 1024 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"
