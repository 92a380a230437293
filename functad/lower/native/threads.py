"""Loops over blocks on several threads: Numba's OpenMP pool, called from emitted code.

A module that needs it contains ``RUNTIME_TEXT`` and calls

    call void @functad_parallel(ptr @body, ptr %data, i64 %blocks)

which runs ``void body(ptr data, i64 first, i64 count)`` over disjoint ranges of the blocks ``0 .. blocks - 1``, all of
them done when it returns. ``body`` must give the same result for every division into ranges, and report errors through
``data``. It runs on the calling thread where there is nothing to gain (fewer than two blocks, one thread), where Numba
has no OpenMP pool, and in a forked child, whose OpenMP runtime would hang. The module is linked with
``parallel_symbols()``.

The number of threads belongs to the process. Whoever calls native code sets it before each call, from the flag
``threads`` of its context: the native entry stores ``wanted()`` of the flags that it was made for, Python code calls
``configure``. (A call in another thread may change it meanwhile; what is computed does not depend on it.)
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from functad import config

__all__ = ["RUNTIME_TEXT", "configure", "num_threads", "parallel_symbols", "wanted"]

# numba_parallel_for hands its function one range at a time: the index of the first block as the address args[0],
# counted in steps of steps[0] = 1 from a base, and the number of blocks as dims[0]. The base is 1, since Numba leaves a
# null base null in some releases. The region sets the pool's thread mask of the calling thread, which is the user's
# (numba.set_num_threads), so it is put back.
RUNTIME_TEXT = """
; number of threads, parallel_for, get_num_threads, set_num_threads, limit of the number
%functad.pool = type { i64, ptr, ptr, ptr, i64 }
%functad.region = type { ptr, ptr } ; body, data
@functad_pool = external global %functad.pool

define internal void @functad_parallel_range(ptr %args, ptr %dims, ptr %steps, ptr %region) {
  %address = load ptr, ptr %args
  %biased = ptrtoint ptr %address to i64
  %first = sub i64 %biased, 1
  %count = load i64, ptr %dims
  %body = load ptr, ptr %region
  %data.at = getelementptr %functad.region, ptr %region, i64 0, i32 1
  %data = load ptr, ptr %data.at
  call void %body(ptr %data, i64 %first, i64 %count)
  ret void
}

define internal void @functad_parallel(ptr %body, ptr %data, i64 %blocks) {
  %region = alloca %functad.region
  %args = alloca ptr
  %dims = alloca i64
  %steps = alloca i64
  %threads = load i64, ptr @functad_pool
  %limit.at = getelementptr %functad.pool, ptr @functad_pool, i64 0, i32 4
  %limit = load i64, ptr %limit.at
  %allowed = call i64 @llvm.smin.i64(i64 %threads, i64 %limit)
  %workers = call i64 @llvm.smin.i64(i64 %allowed, i64 %blocks)
  %serial = icmp slt i64 %workers, 2
  br i1 %serial, label %here, label %pool

here:
  %some = icmp sgt i64 %blocks, 0
  br i1 %some, label %all, label %done

all:
  call void %body(ptr %data, i64 0, i64 %blocks)
  ret void

pool:
  store ptr %body, ptr %region
  %data.at = getelementptr %functad.region, ptr %region, i64 0, i32 1
  store ptr %data, ptr %data.at
  store ptr inttoptr (i64 1 to ptr), ptr %args
  store i64 %blocks, ptr %dims
  store i64 1, ptr %steps
  %parallel.at = getelementptr %functad.pool, ptr @functad_pool, i64 0, i32 1
  %get.at = getelementptr %functad.pool, ptr @functad_pool, i64 0, i32 2
  %set.at = getelementptr %functad.pool, ptr @functad_pool, i64 0, i32 3
  %parallel = load ptr, ptr %parallel.at
  %get = load ptr, ptr %get.at
  %set = load ptr, ptr %set.at
  %mask = call i32 %get()
  %team = trunc i64 %workers to i32
  call void %parallel(
    ptr @functad_parallel_range, ptr %args, ptr %dims, ptr %steps, ptr %region, i64 0, i64 1, i32 %team)
  call void %set(i32 %mask)
  ret void

done:
  ret void
}

declare i64 @llvm.smin.i64(i64, i64)
"""


class _Pool(ctypes.Structure):
    """``%functad.pool``: one for the process, read by emitted code at each parallel loop."""

    _fields_ = [
        ("threads", ctypes.c_int64),
        ("parallel_for", ctypes.c_void_p),
        ("get_num_threads", ctypes.c_void_p),
        ("set_num_threads", ctypes.c_void_p),
        ("limit", ctypes.c_int64),  # 1 while there is no pool to use
    ]


_pool = _Pool(threads=1, limit=1)
_forked = False
_UNLIMITED = 1 << 62
_starting = threading.Lock()


def parallel_symbols() -> dict[str, int]:
    """The symbols that ``RUNTIME_TEXT`` leaves undefined, by address."""
    configure()
    return {"functad_pool": ctypes.addressof(_pool)}


def wanted() -> int:
    """How many threads the flag ``threads`` asks for in this context (0: one for each core this process may use)."""
    return config.threads.value or _default_threads()


def configure() -> int:
    """Set the process's number of threads to what is ``wanted`` here, and make the pool ready if there is one; gives
    the number.
    """
    _pool.threads = threads = wanted()
    if threads > 1:
        with _starting:
            _pool.limit = _UNLIMITED if not _forked and _start() else 1
    return threads


def num_threads() -> int:
    """How many threads a parallel loop uses now, at most."""
    return int(min(_pool.threads, _pool.limit))


@functools.lru_cache(maxsize=1)
def _start() -> bool:
    """Make Numba's pool ready; whether there is one."""
    omppool = _load_omppool()
    if omppool is None:
        return False
    ctypes.CFUNCTYPE(None, ctypes.c_int)(omppool.launch_threads)(_default_threads())
    _pool.parallel_for = omppool.parallel_for
    _pool.get_num_threads = omppool.get_num_threads
    _pool.set_num_threads = omppool.set_num_threads
    return True


def _load_omppool() -> ModuleType | None:
    """Numba's OpenMP extension module, without importing Numba: 2 ms against 300. Importing Numba later shares its
    state.
    """
    package = importlib.util.find_spec("numba")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(package.submodule_search_locations[0], "np", "ufunc")
    spec = importlib.machinery.PathFinder.find_spec("numba.np.ufunc.omppool", [str(folder)])
    if spec is None or spec.loader is None:
        return None
    try:
        with _patience():
            module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:  # there is no OpenMP runtime on this machine
        return None
    return module


@contextmanager
def _patience() -> Iterator[None]:
    """While GNU's OpenMP runtime is loaded, which reads it then: how often a thread that waits for others looks before
    it sleeps.

    By default it looks 300 000 times: seven milliseconds in which it keeps a core from what it waits for, where both
    are on one core, or another process or BLAS's threads want it too. After a thousand it sleeps, and at worst a loop
    takes the time that one thread would take.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


def _default_threads() -> int:
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if limit.isdigit() and int(limit) > 0:
        return int(limit)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _after_fork() -> None:
    global _forked, _starting
    _forked, _starting = True, threading.Lock()  # another thread of the parent may have held it
    _pool.limit = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
