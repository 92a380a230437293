"""``profile``: where compiled calls, operations without ``jit``, tracing and compiling spend their time, by kernels and
by the user's lines.

A compiled function is compiled once more with code that counts (``timed.py``), for as long as it is profiled; calls
without profiling run no such code. The time of a kernel is divided among the lines whose equations it computes, by
their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, overload

from functad.api.arguments import name_of
from functad.api.jitted import Jitted
from functad.core.wrapping import Transformed
from functad.errors import ArgumentError
from functad.inspect.session import Session
from functad.inspect.steps import Profile
from functad.inspect.timed import Timed

__all__ = ["profile"]


@overload
def profile(f: None = None, seconds: float = 0.2) -> Session: ...
@overload
def profile(f: Callable[..., Any], seconds: float = 0.2) -> Callable[..., Profile]: ...
def profile(f: Callable[..., Any] | None = None, seconds: float = 0.2) -> Any:
    """Where time goes: of compiled calls of ``f``, or, as a context manager, of all that functad does in a block.

    Parameters
    ----------
    f
        A function, or what a transform made of one. None: the result is a context manager.
    seconds
        For how long to call the function; once at least.

    Returns
    -------
    A function of the same arguments that gives a ``Profile``: ``seconds`` of all ``calls``, ``rows`` (kernels,
    products, loops, with their lines), ``lines`` (seconds by the user's line). Printed, it is two tables.

    Without ``f`` a ``Session``: what runs in its block is counted, in this thread, by what it is (``totals``) and by
    the user's line (``lines``): calls, compiled functions (``functions`` has a ``Profile`` of each), operations that
    run without ``jit``, tracing, compiling.

    Both have ``chrome_trace(path)``, a file for Chrome's trace viewer or Perfetto, and ``flame()``, a figure of
    matplotlib's.

    Raises
    ------
    ArgumentError
        If ``seconds`` is negative.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.profile(lambda a, x: np.sum(np.sin(a @ x)))(np.ones((300, 200)), np.ones(200))
    >>> [row.name for row in found.rows]
    ['product', 'sum']

    >>> with fd.profile() as p:
    ...     for _ in range(10):
    ...         y = fd.grad(lambda x: np.sum(np.sin(x) / x))(np.ones(3))
    >>> sorted([total.name for total in p.totals if total.kind == "operation"])
    ['add', 'broadcast', 'cos', 'div', 'mul', 'neg', 'sin', 'sum']
    >>> {total.name: total.calls for total in p.totals if total.kind == "call"}
    {'grad of <lambda>': 10}
    """
    if f is None:
        return Session()
    if seconds < 0:
        raise ArgumentError(f"profile: seconds is the time to call the function for, got {seconds}")
    return Transformed(_profiled, f, seconds)


def _profiled(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], seconds: float) -> Profile:
    jitted = f if isinstance(f, Jitted) else Jitted(f, (), ())
    traced, given = jitted.trace(args, kwargs)
    values = [*[leaf.value for leaf in given.leaves], *[h.value() for h in traced.hidden]]
    timed = Timed(traced.program, name_of(f))
    timed(values)  # memory is there, caches are warm
    timed.reset()
    end = time.perf_counter() + seconds
    while not timed.calls or time.perf_counter() < end:
        timed(values)
    return timed.profile
