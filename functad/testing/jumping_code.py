"""Random plain functions with jumps: ``break``, ``continue``, ``return``, ``raise``, ``assert`` and ``else`` of loops,
in branches and loops in one another, on conditions of all kinds; held against Python.

What functad makes of a function (un-jitted, compiled, mapped, and its derivatives) must be what Python makes of it, the
exceptions that it raises included.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from functad.api.jacobians import jacobian
from functad.api.jit import jit
from functad.api.linear import vjp
from functad.api.vectorize import vmap
from functad.errors import EscapedTracerError
from functad.testing.numerics import assert_close
from functad.testing.plain_code import REFUSALS, SIZE, PlainCode, Stopped, eager_loops, runs

__all__ = ["check_jumping_code", "draw_jumping_code"]

START = ("s, t, n, u = x[0], 0.5, 0, None", "a = np.zeros(4) + x")
NAMES = ("s", "t", "a", "n * 1.0")

SIMPLE = (
    "s = s * 0.7 + x[{k}]", "t = t + s * 0.1", "t = t * 0.5", "a[{k}] = s", "a[{k}] += t", "a = a * 0.9 + t", "u = s",
    "n += 1", "n = n * 2 % 17", "s = s if u is None else s + u * 0.1", "s = np.sin(s) + t", "s, t = t, s",
    "a[n % 4] = t", "t = a[{k}] * a[n % 4]", "s = max(s, a[{k}])", "b = a * 0.5", "a = b + x[{k}]", "r = s * t",
    "s = r * 0.5",
)  # fmt: skip

CONDITIONS = (
    "s > {c}", "t < {c}", "x[{k}] > {c}", "a[{k}] < s", "n % 3 == {k} % 3", "s > {c} and t > 0.1",
    "n > 4 or abs(s) < {c}", "not s > t", "{c} < s < 1.5", "u is None", "n < 3", "np.sum(a) > {c}",
    "any([s > 1, t > {c}])", "(z := s * t) > {c}",
)  # fmt: skip

LOOPS = (
    "for {i} in range({m}):", "for {i} in range({m}):", "for {i} in x:", "for {i} in [s, t, 0.3]:",
    "for {i} in range({m}, 0, -2):", "while True:", "while {d}:", "while {d}:", "for {i} in a * 1.0:",
)  # fmt: skip


class JumpingCode(PlainCode):
    """A function that returns the same in each place, or raises what it may."""

    def without(self, number: int) -> JumpingCode | None:
        """The function without a line, if Python runs that."""
        made = JumpingCode((*self.lines[:number], *self.lines[number + 1 :]), self.names)
        return made if runs(made, (Stopped, AssertionError)) else None


class _Drawing:
    """A function while it is drawn; at most so many statements."""

    def __init__(self, rng: random.Random, most: int) -> None:
        self.rng = rng
        self.left = most
        self.loops = 0

    def condition(self) -> str:
        return self.filled(self.rng.choice(CONDITIONS))

    def filled(self, text: str) -> str:
        k, c = self.rng.randint(0, SIZE - 1), round(self.rng.uniform(-0.5, 1.0), 2)
        return text.format(k=k, c=c)

    def block(self, depth: int, in_loop: bool) -> list[str]:
        """Some statements, one of them at least."""
        made: list[str] = []
        for _ in range(self.rng.randint(1, 3)):
            made += self.statement(depth, in_loop)
        return made

    def statement(self, depth: int, in_loop: bool) -> list[str]:
        self.left -= 1
        kind = self.rng.random()
        if depth > 3 or self.left < 0 or kind < 0.4:
            return [self.filled(self.rng.choice(SIMPLE))]
        if kind < 0.6:
            return self.jump(in_loop)
        if kind < 0.75:
            made = [f"if {self.condition()}:", *indented(self.block(depth + 1, in_loop))]
            return [*made, "else:", *indented(self.block(depth + 1, in_loop))] if self.rng.random() < 0.5 else made
        if kind < 0.79:
            head = self.rng.choice(("with np.errstate(all='ignore'):", "try:"))
            last = ["finally:", *indented([self.filled(self.rng.choice(SIMPLE))])] if head == "try:" else []
            return [head, *indented(self.block(depth + 1, in_loop)), *last]
        return self.loop(depth)

    def jump(self, in_loop: bool) -> list[str]:
        """A jump on a condition."""
        ways = ["return {r}", "raise Stopped('here {k}', n)", "assert {d}, f'not {k} {{n}}'"]
        if in_loop:
            ways += ["break", "break", "break", "continue", "continue"]
        way = self.rng.choice(ways).replace("{r}", ", ".join(NAMES)).replace("{d}", self.condition())
        way = way.replace("{k}", str(self.rng.randint(0, 9))).replace("{{", "{").replace("}}", "}")
        if way.startswith("assert") and self.rng.random() < 0.5:
            return [way]
        made = [f"if {self.condition()}:"]
        if self.rng.random() < 0.4:
            made += indented([self.filled(self.rng.choice(SIMPLE))])
        return [*made, *indented([way])]

    def loop(self, depth: int) -> list[str]:
        self.loops += 1
        i, w = f"i{self.loops}", f"w{self.loops}"
        head = self.rng.choice(LOOPS).replace("{d}", self.condition())
        head = head.format(i=i, m=self.rng.randint(0, 6))
        body = self.block(depth + 1, True)
        before: list[str] = []
        if head.startswith("while"):
            before, limit = [f"{w} = 0"], self.rng.randint(1, 9)
            body = [f"{w} += 1", f"if {w} > {limit}:", *indented(["break"]), *body]
        elif "range" in head:
            body = [*body, f"s = s + 0.01 * {i}"]
        made = [*before, head, *indented(body)]
        return [*made, "else:", *indented(self.block(depth + 1, False))] if self.rng.random() < 0.25 else made


def indented(lines: list[str]) -> list[str]:
    """Lines of a block."""
    return ["    " + line for line in lines]


def draw_jumping_code(rng: random.Random, most: int = 14) -> JumpingCode:
    """A random function that Python runs, or that raises what it says."""
    while True:
        drawing, lines = _Drawing(rng, most), list(START)
        for _ in range(rng.randint(1, 4)):
            made = drawing.statement(0, False)
            lines.append("\n    ".join(made))
        code = JumpingCode(tuple(lines), NAMES)
        if runs(code, (Stopped, AssertionError)):
            return code


def check_jumping_code(code: PlainCode) -> None:
    """What functad computes, or raises, is what Python does; where it must refuse, nothing is computed."""
    f, rng = code.function(), np.random.default_rng(len(code.source))
    points = [rng.normal(size=SIZE) for _ in range(3)]
    expected = [outcome(f, x) for x in points]
    points = [x for x, y in zip(points, expected, strict=True) if not isinstance(y, Unbound)]
    expected = [y for y in expected if not isinstance(y, Unbound)]
    compiled = jit(f)
    for x, right in zip(points, expected, strict=True):
        for way, run in (("un-jitted", lambda x: vjp(f, x)[0]), ("compiled", compiled)):
            compare(run, x, right, f"{way} at {x} of\n{code.source}")
    good = [(x, y) for x, y in zip(points, expected, strict=True) if isinstance(y, tuple)]
    if len(good) > 1:
        lanes = tuple([np.stack(part) for part in zip(*[y for _, y in good], strict=True)])
        compare(
            jit(vmap(f)), np.stack([x for x, _ in good]), lanes, f"mapped over {[x for x, _ in good]} of\n{code.source}"
        )
    if good:
        x = good[0][0]
        slopes = outcome(jacobian(f), x)
        if isinstance(slopes, tuple):
            compare(jit(jacobian(f)), x, slopes, f"the derivatives at {x} of\n{code.source}")


class Unbound:
    """What a function comes to that reads a variable without a value, or fails in another way of its own."""


def outcome(f: Callable[..., Any], x: Any) -> Any:
    """What a function gives, or the exception that it means to raise."""
    try:
        return tuple(f(x))
    except (Stopped, AssertionError) as error:
        return error
    except Exception:
        return Unbound()


def compare(run: Callable[..., Any], x: Any, right: Any, what: str) -> None:
    """One way of running a function."""
    try:
        with eager_loops():
            found = run(x)
    except (Stopped, AssertionError) as error:
        if isinstance(right, Exception) and not hasattr(error, "__notes__"):
            return  # whatever its arguments are, the function raises: the last one while it is traced
        assert type(error) is type(right) and str(error) == str(right), f"{error!r}, not {right!r}: {what}"
        return
    except (*REFUSALS, NameError, OverflowError):
        return
    except EscapedTracerError as error:  # of a ``finally`` that a refusal runs
        assert isinstance(error.__context__, REFUSALS), what
        return
    assert isinstance(right, tuple), f"nothing is raised, not {right!r}: {what}"
    for name, value, y in zip(NAMES, found, right, strict=True):
        assert_close(value, y, f"{name} {what}", rtol=1e-8, atol=1e-8, reference="Python's")
