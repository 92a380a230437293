"""Arrays that end, or begin, at a page that must not be touched: an access out of bounds ends the process at once.

For tests that run native code in a subprocess; POSIX only.

    x = guarded(np.arange(5.0))            # x[5] crashes
    x = guarded(np.arange(5.0), "start")   # x[-1] of the memory crashes
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any, Literal

import numpy as np

__all__ = ["guarded"]

_PROT_NONE = 0
_PAGE = mmap.PAGESIZE


def guarded(array: np.ndarray[Any, Any], side: Literal["end", "start"] = "end") -> np.ndarray[Any, Any]:
    """A C-contiguous copy of ``array`` whose last byte (first, for ``side="start"``) is next to a protected page.

    The memory on its other side is filled with 0xff bytes (NaN as floats), and protected from a page boundary on.
    """
    pages = max(1, -(-array.nbytes // _PAGE))
    memory = mmap.mmap(-1, (pages + 2) * _PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    whole = np.frombuffer(memory, np.uint8)
    whole[_PAGE:-_PAGE] = 0xFF
    offset = _PAGE if side == "start" else (pages + 1) * _PAGE - array.nbytes
    copy = whole[offset : offset + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    _protect(whole.ctypes.data)
    _protect(whole.ctypes.data + (pages + 1) * _PAGE)
    return copy


def _protect(address: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(_PAGE), _PROT_NONE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
