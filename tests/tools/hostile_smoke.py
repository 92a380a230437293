"""Calls whose arguments another thread writes to meanwhile: whatever they read, they touch no memory but their own.

Indices, branches and bounds are read while native code runs without the GIL and a thread of machine code stores numbers
of all kinds into them. Every argument ends, or begins, at a page that may not be touched. Run as a script, which ends
with a crash where anything is wrong; the results are some numbers, or an error of functad's.
"""

from __future__ import annotations

import sys
import threading
import time

import numba
import numpy as np

import functad as fd
from functad.errors import FunctadError
from tests.tools.guard import guarded

lax = fd.lax

N = 40
"""The length of what is indexed."""

HOSTILE = np.array(
    [0, 1, N - 1, -1, -N, N, -N - 1, 2**31, -(2**31), 2**32, 2**60, -(2**60), 2**63 - 1, -(2**63), 3, 7, 12, 20, 30, 39]
)


@numba.njit(nogil=True)
def scribble(arrays, values, rounds):
    """Store the values everywhere, again and again."""
    at = 0
    for _ in range(rounds):
        for k in range(arrays.size):
            arrays[k] = values[at]
            at += 1
            if at == values.size:
                at = 0


def gather(x, i):
    return np.sum(x[i])


def gather_pairs(x, i):
    return np.sum(np.outer(x, x)[i, i[::-1]])


def gradient_of_gather(x, i):
    return fd.grad(lambda x: np.sum(np.sin(x[i]) * x[i]))(x)


def scatter(x, i):
    return x.at[i].add(1.0) + x.at[i].set(2.0)


def gather_in_loop(x, i):
    return lax.fori_loop(0, i.size, lambda k, s: s + x[i[k]] * x[i[(k * 7) % i.size]], 0.0)


def scatter_in_loop(x, i):
    return lax.fori_loop(0, i.size, lambda k, v: v.at[i[k]].set(v[i[k]] + 1.0), x)


def gradient_of_loop(x, i):
    return fd.grad(lambda x: np.sum(lax.fori_loop(0, i.size, lambda k, v: v.at[i[k]].multiply(1.0 + 1e-9), x)))(x)


def branch(x, i):
    kinds = [np.sin, np.cos, lambda c: c * c, lambda c: c[::-1]]
    return lax.fori_loop(0, i.size, lambda k, c: lax.switch(i[k], kinds, c), x)


def bounds(x, i):
    """Inner loops of as many steps as an element says, up to a limit that is compared with the same element."""

    def outer(k, v):
        n = np.minimum(i[k], 50)
        return lax.fori_loop(0, n, lambda j, v: v.at[np.minimum(j, N - 1)].add(1.0), v)

    return lax.fori_loop(0, i.size, outer, x)


def gradient_of_bounds(x, i):
    """Both passes read the number of steps, which may differ between them."""

    def f(x):
        def outer(k, v):
            return lax.fori_loop(0, np.minimum(i[k], 5), lambda j, v: np.sin(v), v)

        return np.sum(lax.fori_loop(0, i.size // 100, outer, x))

    return fd.grad(f)(x)


def slices(x, i):
    return lax.fori_loop(0, i.size, lambda k, c: c + x[np.clip(i[k], 0, N - 4) + np.arange(4)], np.zeros(4))


def mapped(x, i):
    return np.sum(
        fd.vmap(lambda k: lax.while_loop(lambda c: c[1] < 5, lambda c: (c[0] + x[k], c[1] + 1), (0.0, 0)))(i)[0]
    )


CASES = [
    gather,
    gather_pairs,
    gradient_of_gather,
    scatter,
    gather_in_loop,
    scatter_in_loop,
    gradient_of_loop,
    branch,
    bounds,
    gradient_of_bounds,
    slices,
    mapped,
]


def attack(case, side: str, seconds: float) -> tuple[int, int]:
    """Call a function for some time; how many calls gave numbers, and how many raised."""
    x, i = guarded(np.linspace(0.0, 1.0, N), side), guarded(np.arange(60_000) % N, side)
    f = fd.jit(case)
    f(x, i)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            scribble(i, HOSTILE, 20)
            i[...] = np.arange(i.size) % N  # some calls find nothing wrong at first

    thread = threading.Thread(target=work)
    thread.start()
    given = raised = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        try:
            f(x, i)
            given += 1
        except FunctadError:
            raised += 1
    over.set()
    thread.join()
    return given, raised


def main(seconds: float) -> None:
    scribble(np.zeros(3, np.int64), HOSTILE, 1)
    for case in CASES:
        for side in ("end", "start"):
            print(case.__name__, side, *attack(case, side, seconds), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.3)
