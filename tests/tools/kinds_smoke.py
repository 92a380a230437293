"""Calls of many kinds in turn, and results in given arrays next to protected pages: a script for ``valgrind.py``, and
for a plain run. It prints "done", or ends with a segmentation fault.
"""

from __future__ import annotations

import collections
import dataclasses
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

import functad as fd
from functad import tree
from tests.tools.guard import guarded


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Layer:
    w: Any
    name: str = dataclasses.field(default="a", metadata={"static": True})


@dataclasses.dataclass(frozen=True)
class Options:
    steps: int
    rate: float
    name: str = "abc"


class Pair:
    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


tree.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda _, children: Pair(*children))


def make(k: int) -> Any:
    """A container of the kind of this number."""
    x = guarded(np.arange(4.0) + k, "end" if k % 2 else "start")
    return [
        lambda: x, lambda: {"a": x, "b": [x, 1.5]}, lambda: Point(x, None), lambda: Layer(x, "b"),
        lambda: Pair(x, (2, x)), lambda: guarded(np.arange(12.0).reshape(4, 3)).T, lambda: x.astype(">f8"),
        lambda: x.astype(np.float32),
        lambda: collections.OrderedDict(z=x, a=Point(Layer(x), [Pair(1.0, x[::2])])),
    ][k % 9]()  # fmt: skip


def kinds() -> None:
    fast = fd.jit(lambda x, *, s, t=1.0: tree.map(lambda leaf: leaf * s.steps + t, x), static_argnames="s")
    for k in range(45):
        found = tree.flatten(fast(make(k), s=Options(int("2"), float(k % 2))))[0]
        for a, b in zip(found, tree.flatten(make(k))[0], strict=True):
            assert np.array_equal(a, np.asarray(b) * 2 + 1.0)
        fast(t=2.0, x=make(k), s=Options(int("2"), 0.5, "".join(["a", "bc"])))


def results() -> None:
    fast = fd.jit(lambda x: {"a": (np.sum(x), np.cumsum(x)), "b": x.reshape(2, -1).T * 2})
    for n in (2, 6, 14, 50):
        for side in ("start", "end"):
            x = guarded(np.arange(float(n)), side)
            out = {"a": (guarded(np.zeros(()), side), guarded(np.zeros(n), side)),
                   "b": guarded(np.zeros((n // 2, 2)), side)}  # fmt: skip
            for _ in range(2):
                assert fast(x, out=out) is out and out["a"][1].tolist() == np.cumsum(x).tolist()
            for wrong in ({**out, "b": x.reshape(-1, 2)}, {**out, "a": (out["b"][0], x)}):
                try:
                    fast(x, out=wrong)
                except fd.errors.FunctadError:
                    continue
                raise AssertionError


kinds()
results()
print("done")
