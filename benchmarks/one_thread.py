"""JAX on one thread: contenders in a process of their own, since JAX's threads are those that it starts with.

Small steps are often faster there: nothing is handed from thread to thread. JAX's dispatch is synchronous in that
process, so a small computation runs in the thread that asks for it.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax

from benchmarks.harness import Contender, Timed

__all__ = ["OneThread", "jax_contenders"]


@dataclass(frozen=True)
class OneThread:
    """The contender that ``make(*arguments)`` gives in the process where JAX has one thread; it is timed there, too."""

    name: str
    make: Callable[..., Contender]
    arguments: tuple[Any, ...]

    def value(self) -> Any:
        """What it computes."""
        return process().submit(value_here, self.make, *self.arguments).result()

    def timer(self) -> OneThread:
        """Itself: it takes turns with those of this process."""
        return self

    def timeit(self, count: int) -> float:
        """Seconds of so many calls."""
        return process().submit(time_here, count, self.make, *self.arguments).result()


def jax_contenders(make: Callable[..., Contender], *arguments: Any) -> Iterator[Timed]:
    """The contender ``make(*arguments)`` as JAX runs by itself, and with one thread."""
    yield make(*arguments)
    yield OneThread("JAX, 1 thread", make, arguments)


@functools.cache
def process() -> ProcessPoolExecutor:
    """The process; it starts with its first task, and ends with this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=become_one_thread)


# -- in that process ---------------------------------------------------------------------------------------------------


def become_one_thread() -> None:
    """Before JAX starts its threads: as many as there are processors, unless this variable says otherwise (loops are
    then not divided, either).
    """
    os.environ["PJRT_NPROC"] = "1"
    jax.config.update("jax_cpu_enable_async_dispatch", False)


@functools.cache
def contender_here(make: Callable[..., Contender], *arguments: Any) -> Contender:
    """Made, and so compiled, once for all turns."""
    return make(*arguments)


def value_here(make: Callable[..., Contender], *arguments: Any) -> Any:
    """What it computes."""
    return contender_here(make, *arguments).value()


def time_here(count: int, make: Callable[..., Contender], *arguments: Any) -> float:
    """Seconds of so many calls."""
    return contender_here(make, *arguments).timer().timeit(count)
