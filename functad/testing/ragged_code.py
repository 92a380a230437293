"""Random functions with slices of traced bounds and masks, held against NumPy itself at many bounds.

The bounds i, j are arguments, beyond the ends of the arrays and negative, too, or indices of loops. A function is drawn
line by line; what NumPy refuses at some bounds, functad must refuse there, and it may refuse more (an operand of length
1 that is stretched), but what it computes is what NumPy does. Some of the data are NaN or infinite.
"""

from __future__ import annotations

import linecache
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.api.gradients import grad
from functad.api.jit import jit
from functad.api.vectorize import vmap
from functad.errors import FunctadError
from functad.testing.numerics import assert_close
from functad.testing.plain_code import eager_loops

__all__ = ["RaggedCode", "check_ragged_code", "draw_ragged_code"]

SIZE = 6
"""The lengths of the arrays."""

START = ("y = x * 1.5 + 0.1", "B = A * 1.0", "r = 0.0")

SLICES = (
    "i:j", ":i", "i:", "-i:", ":-i", "i:i+3", "i-1:i+2", "i::2", "i::-1", "j:i:-1", "i:j:-2", ":i:-1", "i+1:", "1:i",
    ":j", "j:", "i:j:2", "i-2:i+1", "max(i, 1):", "i:i+1", "::-1", "1:-1", ":", "i:j:3", "min(i, j):max(i, j)",
)  # fmt: skip

VECTORS = (
    "x[{s}]", "x[{s}]", "y[{s}]", "A[1, {s}]", "A[{s}, 2]", "x[{s}][{t}]", "np.flip(x[{s}])", "A[k, {s}]", "A[{s}, k]",
    "x[{s}].copy()", "((x > 0.1)[{s}] * 1.0)",
)  # fmt: skip

MATRICES = ("A[{s}, {t}]", "A[{s}, :]", "A[:, {s}]", "A[{s}]", "A[1:4, {s}]", "A[{s}, {t}].T", "A[{s}][:, {t}]")

OF_ONE = (
    "{v} * 2", "np.sin({v})", "np.log(np.abs({v}) + 1)", "-{v}", "{v} ** 2", "1 / ({v} + 3)", "np.exp({v})",
    "np.where({v} > 0, {v}, 0.5)", "np.clip({v}, -0.5, 0.5)", "{v} * x[0]", "np.sqrt(np.abs({v}))", "np.cumsum({v})",
    "{v}[::-1]", "{v}[:, None] * 1.0", "np.maximum({v}, 0.1)", "{v}.astype(float)", "np.log({v})",
)  # fmt: skip

OF_TWO = ("{v} + {w}", "{v} * {w}", "{v} - {w}", "np.maximum({v}, {w})", "{v} / ({w} + 3.5)")

REDUCTIONS = (
    "np.sum({v})", "{v}.sum()", "np.mean({v})", "np.max({v})", "np.min({v})", "np.prod({v})", "np.linalg.norm({v})",
    "{v}.std()", "np.any({v} > 0) * 1.0", "np.argmax({v}) * 1.0", "{v} @ {v}", "np.dot({v}, {v})", "{v}[-1]",
    "np.count_nonzero({v} > 0) * 1.0", "np.sum({v}, axis=0)", "np.sum({v}, axis=-1)", "np.max({v}, initial=0.0)",
    "{v}.var()", "np.sum(np.outer({v}, {v}))", "len({v}) * 1.0", "{v}.shape[0] * 1.0", "{v}[0]", "{v}[k]",
    "np.sum(np.diff({v}))", "np.vdot({v}, {v})", "np.sum({v}[{v} > 0])", "np.sum(np.ones_like({v}))",
    "np.linalg.norm({v}, 1)", "np.sum(x[1] * {v})", "np.cumsum({v})[-1]",
)  # fmt: skip

OF_MATRICES = (
    "np.sum({m}, axis=0).sum()", "np.sum({m} @ {q})", "np.mean({m}, axis=1).sum()", "np.sum({m} * 1.5)",
    "np.max({m}, axis=0).sum()", "np.linalg.norm({m})", "np.sum({m} @ {v})", "np.sum({v} @ {m})",
)  # fmt: skip

WRITES = (
    "y[{s}] = {e}", "y[{s}] += {e}", "y[{s}] *= {e}", "B[{s}, 1] = {e}", "B[k, {s}] -= {e}", "y[{s}] = x[0]",
    "v = y[{s}]; v += {e}", "v = y[{s}]; v[:] = 0.5", "v = y[{s}]; v[k] = 3.0", "B[{s}, {t}] += 1.0",
    "B[{s}, {t}] = np.outer(x[{s}], x[{t}])", "B[{s}] = 2.0", "B[{s}] *= x[2]", "y[{s}].fill(2.0)", "y += {e}",
    "v = y[{s}]; y[1] = 7.0; y[2] += np.sum(v)", "np.add(x[{s}], 1.0, out=y[{s}])", "B[:, {s}] += x[{s}]",
    "C = B[{s}].T; C[...] = 1.5", "v = y[{s}]; v[v > 0] = 0.0", "v = y[{s}]; v[v > 0.3] *= 2.0", "y[{s}][k] = 4.0",
    "m = x > 0; v = x[m]; m[0] = True; m[1] = False; r = r + np.sum(v)", "B[{s}][A[{s}] > 0] = x[1]",
    "n = np.array(i); v = x[:n]; n += 1; r = r + np.sum(v)",
    "v = x[{s}] * 2; v += x[{s}]; r = r + np.sum(v[v > 0])", "B[{s}, {t}] -= np.outer(A[{s}, 1], A[k, {t}])",
)  # fmt: skip

ASSIGNED = ("1.0", "x[0]", "x[{s}]", "x[{s}] * 2", "np.sin(y[{s}])", "A[1, {s}]", "x[{s}][::-1]", "y[{s}]")

MASKS = ("m = x > x[0] * 0.5", "m = y < 0.2", "m = np.abs(x) > 0.3")

UNDER_MASKS = (
    "y[m] = {q}", "y[m] += {q}", "y[m] *= {q}", "y[m] = y[m] ** 2 + x[m]", "B[m] = 2.0", "B[m] *= 0.5",
    "B[:, m] += 1.0", "B[m] = B[m] * 0.5 + A[m]", "y[~m] = 1.0", "B[1, m] = x[m]", "y[m] = x[:2]",
    "y[m] = np.arange(3.0)", "B[A > 0] = A[A > 0] * 2",
    "B[m, m] += 1.0", "D = np.stack([A, A]); r = r + D[0, :, m][0].sum() + np.sum(D[0, m, 1] * y[m])",
    "D = np.stack([A, B]); r = r + np.sum(D[:, m, 0].sum(axis=0) * x[m]) + np.sum(D[m[:2], :, 0][:, 0])",
    *[f"r = r + {e}" for e in (
        "np.sum(A[m, m])",
        "np.sum(x[m])", "x[m].mean()", "np.sum(x[m] ** 2)", "x[m].max()", "len(x[m]) * 1.0", "x[m].size * 1.0",
        "np.sum(A[m])", "np.sum(A[m], axis=0).sum()", "np.sum(A[:, m])", "x[m] @ y[m]", "np.sum(x[m] * x[0])",
        "np.sum(np.log(np.abs(x[m]) + 1) * y[m])", "np.sum(A[A > 0])", "(A[A > 0] ** 2).mean()", "np.sum(A[m] @ x)",
        "np.cumsum(x[m]).max()", "np.max(A[A > 0.1])", "np.linalg.norm(x[m])",
    )],
)  # fmt: skip

LOOPS = (
    ("", 4),
    ("for i in range({n}):", 8),
    ("for i in range(1, {n}):\n        for j in range(i):", 12),
    ("for i in range({n}):\n        for j in range(i + 1, {n}):", 12),
    ("for i in range({n} - 1, 0, -2):", 8),
)
"""What lines stand in, and how deep: i and j are arguments, or indices of loops."""


TOTAL = "def total(*args):\n    y, B, r = f(*args)\n    return np.sum(y) + np.sum(B * 0.5) + r\n"


@dataclass(frozen=True)
class RaggedCode:
    """The lines of a function of a vector x, a matrix A and integers i, j, k, and the number of the loop they are
    in.
    """

    lines: tuple[str, ...]
    loop: int = 0

    @property
    def source(self) -> str:
        """The function as text."""
        head, depth = LOOPS[self.loop]
        body = ["pass", *self.lines] if head else self.lines
        lines = [*START, *([head.format(n="len(x)")] if head else [])]
        text = "\n    ".join(lines) + "".join([f"\n{' ' * depth}{line}" for line in body])
        return f"def f(x, A, i, j, k):\n    {text}\n    return y, B, np.sum(r)\n{TOTAL}"

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The function, and one that gives a number which depends on all its results; their source can be found."""
        filename = f"<ragged code {hash(self)}>"
        linecache.cache[filename] = len(self.source), None, self.source.splitlines(keepends=True), filename
        names: dict[str, Any] = {"np": np}
        exec(compile(self.source, filename, "exec"), names)
        return names["f"], names["total"]

    def without(self, number: int) -> RaggedCode | None:
        """The function without a line."""
        return RaggedCode((*self.lines[:number], *self.lines[number + 1 :]), self.loop) if len(self.lines) > 1 else None


def draw_ragged_code(rng: random.Random) -> RaggedCode:
    """A random function."""
    lines: list[str] = []
    masked = rng.random() < 0.4
    if masked:
        lines.append(rng.choice(MASKS))
    for _ in range(rng.randint(1, 3)):
        lines.append(_line(rng, masked))
    return RaggedCode(tuple(lines), rng.choice((0, 0, 0, *range(1, len(LOOPS)))))


def _line(rng: random.Random, masked: bool) -> str:
    kind, s, t = rng.random(), rng.choice(SLICES), rng.choice(SLICES)
    if masked and kind < 0.5:
        return rng.choice(UNDER_MASKS).format(q=rng.choice(("x[m]", "2.0", "np.sin(x[m]) * 2", "x[1]")))
    if kind < 0.6:
        return rng.choice(WRITES).format(s=s, t=t, e=rng.choice((*ASSIGNED, _vector(rng))).format(s=s))
    if kind < 0.85:
        return "r = r + " + rng.choice(REDUCTIONS).format(v=_vector(rng))
    m, q = [rng.choice(MATRICES).format(s=a, t=b) for a, b in ((s, t), (t, rng.choice(SLICES)))]
    return "r = r + " + rng.choice(OF_MATRICES).format(m=m, q=q, v=f"x[{rng.choice((s, t))}]")


def _vector(rng: random.Random) -> str:
    v = rng.choice(VECTORS).format(s=rng.choice(SLICES), t=rng.choice(SLICES))
    if rng.random() < 0.4:
        v = f"({rng.choice(OF_ONE).format(v=v)})"
    if rng.random() < 0.25:
        w = rng.choice(VECTORS).format(s=rng.choice(SLICES), t=":") if rng.random() < 0.4 else v.replace("x[", "y[")
        v = f"({rng.choice(OF_TWO).format(v=v, w=w)})"
    return v


# -- what must hold ----------------------------------------------------------------------------------------------------


def check_ragged_code(code: RaggedCode) -> None:
    """What functad computes is what NumPy does, at many bounds; and so are gradients, and what is mapped."""
    (f, total), rng = code.functions(), np.random.default_rng(len(code.source))
    compiled = jit(f)
    bounds = [*rng.integers(-SIZE - 2, SIZE + 3, (5, 2)), *rng.integers(0, SIZE + 1, (4, 2))]
    agreed: list[tuple[Any, ...]] = []
    for number, (i, j) in enumerate(bounds if code.loop == 0 else bounds[:3]):
        args = (*_data(rng), int(i), int(j), int(rng.integers(0, SIZE)))
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning), eager_loops():
            what = f"i, j, k = {args[2:]}, x = {args[0]}, of\n{code.source}"
            if _compare(f, compiled, args, what) and number % 3 == 0:
                _compare_gradients(total, args, what)
                agreed.append(args)
    if len(agreed) > 1 and code.loop == 0:
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            _compare_mapped(f, agreed[:2], code)


def _data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, a = rng.normal(size=SIZE), rng.normal(size=(SIZE, SIZE))
    if rng.random() < 0.4:
        x[rng.integers(SIZE)] = rng.choice([np.nan, np.inf])
        a[rng.integers(SIZE), rng.integers(SIZE)] = rng.choice([np.nan, -np.inf])
    return x, a


def _compare(f: Callable[..., Any], compiled: Callable[..., Any], args: tuple[Any, ...], what: str) -> bool:
    """Whether both give results, which must be equal then; functad may refuse what NumPy does, not the reverse."""
    try:
        expected = f(*args)
    except Exception as error:
        try:
            compiled(*args)
        except Exception:
            return False
        raise AssertionError(f"NumPy raises {error!r}, compiled code does not, at {what}") from None
    try:
        found = compiled(*args)
    except FunctadError:
        return False
    for name, value, right in zip(("y", "B", "r"), found, expected, strict=True):
        assert_close(value, right, f"{name} at {what}", rtol=1e-9, atol=1e-9, reference="NumPy's")
    return True


def _compare_gradients(total: Callable[..., Any], args: tuple[Any, ...], what: str) -> None:
    if not np.isfinite(total(*args)):
        return  # that does not say which derivatives are finite
    expected = grad(total, argnums=(0, 1))(*args)
    found = jit(grad(total, argnums=(0, 1)))(*args)
    for name, value, right in zip("xA", found, expected, strict=True):
        assert_close(value, right, f"the derivative in {name} at {what}", rtol=1e-7, atol=1e-8)


def _compare_mapped(f: Callable[..., Any], several: list[tuple[Any, ...]], code: RaggedCode) -> None:
    """Over bounds, too."""
    stacked = [np.stack([np.asarray(args[n]) for args in several]) for n in range(5)]
    try:
        found = jit(vmap(f))(*stacked)
    except FunctadError:
        return
    for number, args in enumerate(several):
        for name, value, right in zip(("y", "B", "r"), found, f(*args), strict=True):
            what = f"{name} mapped, i, j, k = {args[2:]}, of\n{code.source}"
            assert_close(value[number], right, what, rtol=1e-9, atol=1e-9)
