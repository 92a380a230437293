"""Helpers for tests of the persistent cache; the fixture ``cache`` is a directory for it."""

from __future__ import annotations

import gc

import numpy as np

import functad as fd

X = np.linspace(0.1, 0.9, 40)


def first_call(f, *args):
    """The result of a function's first call, and where it came from, as in a process that has nothing in memory."""
    fd.clear_caches()
    gc.collect()
    jitted = fd.jit(f)
    return jitted(*args), jitted.stats()[0]


def loss(x):
    return np.sum(np.exp(-x * x) * np.sin(x))
