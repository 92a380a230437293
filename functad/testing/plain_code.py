"""Random plain NumPy functions: arrays, views of views, writes through any of them, under branches and in loops; held
against NumPy itself.

A function is drawn line by line and run by NumPy as it grows; a line that NumPy refuses is not kept. What functad
makes of it, un-jitted and compiled, must be what NumPy makes of it: every array, and so every alias.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import linecache
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.api.jacobians import jacobian
from functad.api.jit import jit
from functad.api.linear import vjp
from functad.errors import (
    ArgumentError,
    AxisError,
    DtypeError,
    ImmutableError,
    IndexOutOfBoundsError,
    InvalidIndexError,
    ShapeError,
    StructureError,
    TracerConversionError,
    UnsupportedError,
)
from functad.front import loops
from functad.testing.numerics import assert_close

__all__ = ["PlainCode", "Stopped", "check_plain_code", "draw_plain_code", "shortest"]

SIZE = 4
"""The length of the argument, a vector."""

POINT = np.linspace(0.1, 1.0, SIZE)
"""Where functions are run while they are drawn."""

START = (
    "a = np.zeros((3, 4)) + x[0] * 0",
    "b = np.arange(12.0).reshape(3, 4) * x[1]",
    "c = np.array([x[0], x[1], x[2]])",
    "d = np.ones((2, 3, 2))",
)

OF_ANY = (
    "{n}", "{n}", "{n}.T", "{n}.reshape(-1)", "{n}.ravel()", "np.flip({n})", "{n}.copy()", "np.expand_dims({n}, 0)",
    "{n} * 2", "np.squeeze({n})", "{n}.real", "np.asarray({n})", "np.array({n})", "np.atleast_2d({n})", "{n}.flatten()",
    "np.broadcast_to({n}, (2, *{n}.shape))", "np.positive({n})", "{n}.astype(float)", "{n}.astype(float, copy=False)",
    "np.transpose({n})", "np.round({n}, 3)", "np.sum({n}, axis=())", "np.where(True, {n}, {n})", "np.hstack([{n}])",
    "np.stack([{n}])[0]", "np.clip({n}, -100, 100)", "np.repeat({n}, 1)", "np.tile({n}, 1)", "np.roll({n}, 0)",
    "np.ascontiguousarray({n})", "np.copy({n})", "np.nan_to_num({n})", "np.reshape({n}, {n}.shape)",
    "{n}.reshape(-1, 2)",
)  # fmt: skip
"""What gives an array of one: views and copies."""

OF_AXES = (
    "np.swapaxes({n}, 0, -1)", "np.moveaxis({n}, 0, -1)", "{n}[::-1]", "np.split({n}, [1])[0]", "np.rot90({n})",
    "np.diagonal({n})", "np.concatenate([{n}])", "np.fliplr({n})", "np.array_split({n}, 2)[1]", "np.rollaxis({n}, 1)",
)  # fmt: skip

WRITES = (
    "{n}[{i}] = {v}", "{n}[{i}] += {v}", "{n}[{i}] *= {v}", "{n}[{i}] -= {n}[{j}] * 0.5", "{n} += {v}", "{n} *= {v}",
    "np.add({n}, 1.0, out={n})", "{n}.fill({v})", "np.copyto({n}, {v})", "{n}[...] = {n} * {v}", "{n}.flat = {v}",
    "np.multiply({n}[{i}], 2.0, out={n}[{i}])", "np.fill_diagonal({n}, {v})", "np.put({n}, [0, -1], {v})",
    "{n}[{n} > 0.5] = {v}", "np.add.at({n}, ([0, 0],), {v})", "{n}, {m} = {m}, {n}", "{n}[{i}] = {m}[{j}]",
)  # fmt: skip

CONDITIONS = ("x[0] > 0", "x[1] < x[2]", "np.sum({n}) > 1.0", "x[3] * x[0] > 0.1 or x[1] > 1.0", "not x[2] > 0.3")

BLOCKS = (
    "if {c}:\n        {s}\n        {t}\n    else:\n        {u}",
    "if {c}:\n        {s}\n    {t}",
    "for k in range({k}):\n        {s}\n        {t}",
    "for k in range({k}):\n        {s}\n        if {c}:\n            {t}\n        {u}",
    "w = 0\n    while w < {k} and x[0] * 0 == 0:\n        {s}\n        w += 1\n        {t}",
    "{n} = {n} if {c} else {m}",
    "for row in {n}:\n        {s}\n        {m}[...] += np.sum(row) * 0.1",
    "for k in range({k}):\n        r = {n}[k % len({n})]\n        {s}\n        r *= 0.5\n        {m}[0] = r",
    "for k in range({k}):\n        {n}[k % len({n})][...] += {v}\n        {s}",
    "for k in range({k}):\n        {n}, {m} = {m}, {n}\n        {s}\n        {t}",
    "w = 0\n    while w < {k} and x[0] * 0 == 0:\n        {n}, {m} = {m}, {n}\n        {s}\n        w += 1",
    "try:\n        {s}\n        if {c}:\n            {t}\n    except Exception:\n        {u}",
    "u = None\n    for k in range({k}):\n        {s}\n        {n} *= 0.5 if u is None else u\n        u = x[k % 4]",
    "if {c}:\n        p = {n}\n    else:\n        p = {m}\n    {s}\n    {n} = p * 1.0",
)
"""Control flow on what is traced."""

ITERATIONS = (
    "for r, q in zip({n}, {m}):\n        {s}\n        r[...] = {v}\n        {t}",
    "for r, q in zip({n}, {m}):\n        {s}\n        {n}[...] += np.sum(q) * 0.1",
    "for k, r in enumerate({n}):\n        {s}\n        {m}[0] = np.sum(r) * k\n        {t}",
    "for r in reversed({n}):\n        {s}\n        {t}\n        r *= 0.5",
    "for r in [{n}, {n}, {m}]:\n        {s}\n        {m}[0] = np.sum(r)\n        r *= 0.5",
    "for r in [{n} * 2, {n}.copy(), {n} + 1]:\n        {s}\n        {m}[0] += np.sum(r) * 0.1\n        {t}",
    "for k, (r, q) in enumerate(zip({n}, reversed({n}))):\n        {s}\n        q += np.sum(r) * 0.1 + k",
    "for k, v in {{'p': {n}, 'q': {m}, 'r': {n} * 2}}.items():\n        {s}\n        {m}[0] += np.sum(v) * 0.1",
    "for i, j in itertools.product(range(2), range({k})):\n        {s}\n        {n}[i % len({n})] += {v} * j",
    "for r, q in itertools.pairwise({n}):\n        {s}\n        q += np.sum(r) * 0.1",
    "for r in map(lambda w: w * 2, {n}):\n        {s}\n        {m}[0] += np.sum(r) * 0.1",
    "{n} = functools.reduce(lambda p, q: p * 0.5 + np.sum(q) * 0.1, {m}, {n})",
    "{m} = np.array([np.sum(r) * {v} for r in {n}])",
)
"""Loops over what is made of arrays."""

LISTS = (
    "ys = []\n    for k in range({k}):\n        {s}\n        ys.append({n})\n        {t}\n    {m} = np.array(ys)",
    "ys = []\n    for k in range({k}):\n        {s}\n        ys.append({n} * {v})\n        {t}\n    ys[-1][...] = 0.5\n"
    "    {m} = np.stack(ys)",
    "ys, y = [], {n} * 1.0\n    for k in range({k}):\n        y = y * 0.5 + {v}\n        ys.append(y)\n        {s}\n"
    "        y[0] = {v}\n    {m} = np.array(ys)",
    "ys, y = [], {n}\n    for k in range({k}):\n        ys.append(y)\n        y = y * {v}\n        {s}\n    {t}\n"
    "    {m} = np.array(ys)",
    "ys, y = [], {n}\n    for k in range({k}):\n        ys.append(y)\n        y = y * {v}\n        {s}\n"
    "    ys[0][0] = 2.0\n    {m} = np.array(ys)",
    "ys, y = [], {n} * 1.0\n    for k in range({k}):\n        y += {v}\n        ys.append(y)\n        {s}\n"
    "    {m} = np.vstack(ys)",
    "ys = [r * {v} for r in {n}]\n    {s}\n    ys[0] *= 2\n    {m} = np.stack(ys)",
    "ys = [r for r in {n}]\n    {s}\n    ys[0] *= 2\n    {m} = np.stack(ys)",
    "ys = []\n    for k in range({k}):\n        row = []\n        for j in range(3):\n"
    "            row.append({n}[0] * k + j)"
    "\n        {s}\n        ys.append(row)\n    {m} = np.array(ys)",
    "ys = []\n    for k in range({k}):\n        for j in range(3):\n            ys.append({n}[0] * k + j)\n        {s}"
    "\n    {m} = np.array(ys)",
    "ys, zs = [], []\n    for k in range({k}):\n        w = {n} * {v}\n        ys.append(w)\n        zs.append(w[0])\n"
    "        {s}\n    zs[0][...] = 3.0\n    {m} = np.array(ys)",
    "ys = []\n    for k in range({k}):\n        ys.append(({n} + k, {v}))\n        {s}\n    for y, u in ys:\n"
    "        {n} = {n} + y * u\n        {t}",
    "ys = [{n}]\n    for k in range({k}):\n        {s}\n        ys.append(ys[-1] * 0.5 + {v})\n"
    "    {m} = ys[-1] + ys[1]",
    "ys = []\n    for k in range({k}):\n        {s}\n        if {c}:\n            {t}\n        ys.append(np.sum({n}))\n"
    "    {m} = np.array(ys)",
    "ys = []\n    for r in {n}:\n        ys.append(r)\n        {s}\n    ys[0][...] = {v}\n    {m} = np.array(ys)",
    "ys = []\n    for k in range({k}):\n        w = {n} + k\n        ys.append(w)\n        ys.append(w[:1])\n"
    "        {s}\n    ys[0][...] = {v}\n    {m} = np.concatenate(ys)",
)
"""Loops that append to lists: what is appended may share its memory."""

INSIDE = ("{n} = {n} * 0.5", "{n} = {m} + 0.0", "t = {n}[{i}]", "{n}[{i}] = {n}[{j}] + {v}", "{n} = {m}")
"""Statements that stand in blocks, beside those that write."""

VALUES = ("x[0]", "3.0", "x[1] * x[2]", "x[3]", "np.sin(x[0])")


class Stopped(Exception):
    """What functions raise that are drawn with jumps."""


@dataclass(frozen=True)
class PlainCode:
    """The lines of a function of a vector x, and the arrays that it returns."""

    lines: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def source(self) -> str:
        """The function as text."""
        return "\n    ".join(("def f(x):", *self.lines, f"return {', '.join(self.names)},")) + "\n"

    def function(self) -> Callable[[np.ndarray], tuple[Any, ...]]:
        """The function, with a source that can be found."""
        filename = f"<plain code {hash(self)}>"
        lines = self.source.splitlines(keepends=True)
        linecache.cache[filename] = len(self.source), None, lines, filename
        names: dict[str, Any] = {"np": np, "Stopped": Stopped, "functools": functools, "itertools": itertools}
        exec(compile(self.source, filename, "exec"), names)
        return names["f"]  # type: ignore[no-any-return]

    def without(self, number: int) -> PlainCode | None:
        """The function without a line, if NumPy runs that."""
        made = PlainCode((*self.lines[:number], *self.lines[number + 1 :]), self.names)
        kept = tuple([n for n in self.names if any([line.startswith(f"{n} =") for line in made.lines])])
        made = PlainCode(made.lines, kept)
        return made if runs(made) else None


def runs(code: PlainCode, raising: tuple[type[Exception], ...] = ()) -> bool:
    """Whether NumPy runs it, or it raises what it may."""
    try:
        code.function()(POINT)
    except raising:
        return True
    except Exception:
        return False
    return bool(code.names)


def draw_plain_code(rng: random.Random, most: int = 14, blocks: bool = False) -> PlainCode:
    """A random function; with control flow, if ``blocks``."""
    code = PlainCode(START, ("a", "b", "c", "d"))
    for number in range(rng.randint(4, most)):
        shapes = dict(zip(code.names, [y.shape for y in code.function()(POINT)], strict=True))
        name, other = rng.choice(code.names), rng.choice(code.names)
        kind = rng.random()
        if blocks and kind > 0.75:
            line, names = _block(rng, shapes), code.names
        elif kind < 0.4:
            taken = f"{name}[{_index(rng, shapes[name])}]"
            made = f"v{number}"
            expression = rng.choice((taken, taken, taken, rng.choice(OF_ANY), rng.choice(OF_AXES)))
            line = f"{made} = {expression.format(n=name)}"
            names = (*code.names, made)
        else:
            i, j = _index(rng, shapes[name]), _index(rng, shapes[rng.choice((name, other))])
            line = rng.choice(WRITES).format(n=name, m=other, i=i, j=j, v=rng.choice(VALUES))
            names = code.names
        longer = PlainCode((*code.lines, line), names)
        if runs(longer) and all([isinstance(y, np.ndarray) for y in longer.function()(POINT)]):
            code = longer
    return code


def _block(rng: random.Random, shapes: dict[str, tuple[int, ...]]) -> str:
    """A branch or a loop."""

    def statement() -> str:
        name, other = rng.choice(list(shapes)), rng.choice(list(shapes))
        i, j = _index(rng, shapes[name]), _index(rng, shapes[rng.choice((name, other))])
        return rng.choice((*WRITES, *INSIDE)).format(n=name, m=other, i=i, j=j, v=rng.choice(VALUES))

    name, other = rng.choice(list(shapes)), rng.choice(list(shapes))
    condition = rng.choice(CONDITIONS).format(n=name)
    parts = {"s": statement(), "t": statement(), "u": statement()}
    block = rng.choice(rng.choice((BLOCKS, ITERATIONS, LISTS)))
    return block.format(n=name, m=other, c=condition, k=rng.randint(2, 5), v=rng.choice(VALUES), **parts)


def _index(rng: random.Random, shape: Sequence[int]) -> str:
    parts = []
    for n in shape[: rng.randint(0, len(shape))]:
        kind = rng.random()
        if n == 0 or kind < 0.35:
            parts.append(rng.choice((":", "::-1", "1:", "::2", ":2")))
        else:
            parts.append(str(rng.randint(-n, n - 1)) if kind < 0.7 else f"{rng.randint(0, n - 1)}:{n}")
    if rng.random() < 0.15:
        parts.append("...")
    return ", ".join(parts) or "..."


REFUSALS = (
    *(ArgumentError, AxisError, DtypeError, ImmutableError, IndexOutOfBoundsError, InvalidIndexError, ShapeError),
    *(StructureError, TracerConversionError, UnsupportedError, ValueError, IndexError, TypeError),
)
"""What a function may end with: a branch that NumPy does not take is traced, and may be wrong."""


@contextlib.contextmanager
def eager_loops() -> Iterator[None]:
    """However few steps a loop has, they are traced at once."""
    before, loops.MUCH, loops.FEW = (loops.MUCH, loops.FEW), 0, 2
    try:
        yield
    finally:
        loops.MUCH, loops.FEW = before


def check_plain_code(code: PlainCode, compiled: bool = True) -> None:
    """What functad computes is what NumPy does; where it must refuse, nothing is computed."""
    f, rng = code.function(), np.random.default_rng(len(code.lines))
    ways: list[tuple[str, Callable[[np.ndarray], Any]]] = [("un-jitted", lambda x: vjp(f, x)[0])]
    if compiled:
        ways.append(("compiled", jit(f)))
    for way, run in ways:
        for x in (rng.normal(size=SIZE), rng.normal(size=SIZE)):
            try:
                expected = f(x)
            except Exception:  # NumPy's: another branch than that at POINT is wrong
                continue
            try:
                with eager_loops():
                    found = run(x)
            except REFUSALS:
                continue
            for name, value, right in zip(code.names, found, expected, strict=True):
                what = f"{name} {way} at {x} of\n{code.source}"
                # the same operations in the same order, but for elementary functions and sums
                assert_close(value, right, what, rtol=1e-9, atol=1e-9, reference="NumPy's")
    if compiled:
        _check_derivatives(code, f, rng.normal(size=SIZE))


def _check_derivatives(code: PlainCode, f: Callable[[np.ndarray], Any], x: np.ndarray) -> None:
    """The derivatives of compiled code are those of the un-jitted function."""
    try:
        expected = jacobian(f)(x)
        with eager_loops():
            found = jit(jacobian(f))(x)
    except REFUSALS:
        return
    for name, value, right in zip(code.names, found, expected, strict=True):
        assert_close(value, right, f"the derivative of {name} at {x} of\n{code.source}", rtol=1e-8, atol=1e-8)


def shortest(code: PlainCode, check: Callable[[PlainCode], None]) -> PlainCode:
    """The function without the lines that a failure does not need."""
    again = True
    while again:
        again = False
        for number in reversed(range(len(code.lines))):
            fewer = code.without(number)
            if fewer is not None and _fails(fewer, check):
                code, again = fewer, True
    return code


def _fails(code: PlainCode, check: Callable[[PlainCode], None]) -> bool:
    try:
        check(code)
    except Exception:
        return True
    return False
