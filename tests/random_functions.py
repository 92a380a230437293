"""Random functions of a vector of three and a scalar, made of operations of which NumPy and native code agree to the
last bit.

Each statement computes a value from those before it, which it uses again and again: derivatives add many cotangents.
``Calls`` says how the statements that are functions of their own are called: through ``jit``, ``checkpoint``, loops and
branches, or as they are. Sums are of at most three terms, which NumPy adds from first to last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import functad as fd

__all__ = ["Block", "random_block"]

Value = Any
CONSTANTS = (0.3, -1.0, 2.0, 1.0, 0.1, -0.7)

SCALARS: dict[str, Callable[..., Value]] = {
    "item": lambda k, v: v[k % 3],
    "norm": lambda k, v: np.sum(v * v),
}
"""Of a vector."""

VECTORS: dict[str, Callable[..., Value]] = {
    "line": lambda p, q, r: np.array([1.0, -2.0, 0.5], p.dtype) * p + q * r,
    "stack": lambda p, q, r: np.stack([p, q, r]),
}
"""Of three scalars."""

PAIRS: dict[str, Callable[..., Value]] = {
    "add": lambda p, q: p + q,
    "sub": lambda p, q: p - q,
    "mul": lambda p, q: p * q,
    "div": lambda p, q: p / (q * q + 1.5),
    "maximum": np.maximum,
}
"""Of any two values."""

SINGLES: dict[str, Callable[..., Value]] = {
    "neg": lambda c, p: -p,
    "scale": lambda c, p: c * p,
    "square": lambda c, p: p * 0.7 * p,
    "cube": lambda c, p: p * p * p * 0.2,
    "sqrt": lambda c, p: np.sqrt(p * p + 1.0),
}

JOINS: dict[str, Callable[..., Value]] = {
    "where": lambda v, w: np.where(v > w, v, v * w),
    "shift": lambda v, w: np.concatenate([v[1:], w[:1]]),
}
"""Of two vectors."""

CALLS: dict[str, Callable[..., Value]] = {
    "plain": lambda f, v, s: f(v, s),
    "jit": lambda f, v, s: fd.jit(f)(v, s),
    "checkpoint": lambda f, v, s: fd.checkpoint(f)(v, s),
    "scan": lambda f, v, s: fd.lax.scan(lambda c, _: (0.3 * f(c, s), None), v, None, length=3)[0],
    "loop": lambda f, v, s: fd.lax.fori_loop(0, 2, lambda i, c: 0.3 * f(c, s), v),
    "branch": lambda f, v, s: fd.lax.cond(s > 0.1, f, lambda v, s: v * s * v, v, s),
}
"""Of a function of a vector and a scalar, and of these."""

REAL = (SINGLES, PAIRS, SCALARS, VECTORS, JOINS)
ONLY_REAL = frozenset({"maximum", "sqrt", "norm", "where"})
"""What complex numbers do not have, or NumPy adds in another order."""


@dataclass(frozen=True)
class Statement:
    """An operation on values of these numbers; ``number`` and ``inner`` are what else it takes."""

    name: str
    operands: tuple[int, ...]
    number: float = 0.0
    inner: Block | None = None


@dataclass(frozen=True)
class Block:
    """Statements, as a function of a vector and a scalar to a vector."""

    statements: tuple[Statement, ...]

    def __call__(self, v: Value, s: Value, calls: Callable[[str], str] = str) -> Value:
        """Run them; ``calls`` may put another way of calling in the place of each."""
        values = [v, s]
        for statement in self.statements:
            values.append(self._run(statement, [values[i] for i in statement.operands], calls))
        vectors, scalars = [x for x in values if np.ndim(x)], [x for x in values if not np.ndim(x)]
        return vectors[-1] * 0.5 + scalars[-1] * vectors[len(vectors) // 2]

    def _run(self, statement: Statement, operands: Sequence[Value], calls: Callable[[str], str]) -> Value:
        name, inner = statement.name, statement.inner
        if inner is not None:
            return CALLS[calls(name)](lambda v, s: inner(v, s, calls), *operands)
        if name in SINGLES:
            return SINGLES[name](statement.number, *operands)
        if name in SCALARS:
            return SCALARS[name](int(statement.number), *operands)
        return (PAIRS.get(name) or VECTORS.get(name) or JOINS[name])(*operands)


def random_block(
    rng: np.random.Generator, length: int, calls: Sequence[str] = (), depth: int = 2, complex: bool = False
) -> Block:
    """A block of so many statements, some of which call blocks in these ways."""
    vector = [True, False]  # which values are
    statements = []

    def choose(wanted: bool | None = None) -> int:
        options = [i for i, v in enumerate(vector) if wanted is None or v == wanted]
        return int(rng.choice(options[-5:] if rng.random() < 0.6 else options))

    names = [name for table in REAL for name in table if not (complex and name in ONLY_REAL)] + [
        "mul",
        *(calls if depth else ()),
    ]
    for _ in range(length):
        name = str(rng.choice(names))
        number, inner = 0.0, None
        if name in CALLS:
            operands = choose(True), choose(False)
            inner = random_block(rng, int(rng.integers(2, 6)), calls, depth - 1, complex)
        elif name in PAIRS:
            operands = choose(), choose()
        elif name in SINGLES:
            operands, number = (choose(),), float(rng.choice(CONSTANTS))
        elif name in SCALARS:
            operands, number = (choose(True),), float(rng.integers(3))
        elif name in JOINS:
            operands = choose(True), choose(True)
        else:
            operands = choose(False), choose(False), choose(False)
        statements.append(Statement(name, operands, number, inner))
        single = name in SINGLES or name in PAIRS
        vector.append(any(vector[i] for i in operands) if single else name not in SCALARS)
    return Block(tuple(statements))
