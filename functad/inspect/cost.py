"""``cost``: how many operations and bytes a function is, line by line, and the least time that they take here.

Operations are counted in the Program after the passes: one for each element that arithmetic gives (a complex product
counts four products and two sums), one for each element that a sum or another reduction takes, 2 m n k for a product of
matrices; elementary functions (exp, sin, ...) are counted by themselves. A loop counts as often as it runs; one whose
steps are not known counts once, a branch as its dearest side. Bytes are those that kernels read and write after fusion,
each array once for each kernel, as if no cache held anything between two kernels.

The least time is that of the roofline model (S. Williams, A. Waterman, D. Patterson, *Roofline*, CACM 52, 2009): the
larger of operations over the rate at which this machine multiplies matrices on one thread, and of bytes over the rate
at which it copies memory. Both rates are measured once for each process.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.core.wrapping import Transformed
from functad.inspect.kernels import Sized, sized_kernels
from functad.inspect.tables import quantity, table
from functad.ir.program import Eqn, Program
from functad.ir.regions import Kind, regions_of
from functad.ir.types import ArrayType, SeqType
from functad.kernel_ir.rules import Contraction, Pointwise, Reduction
from functad.lower.math import MATH
from functad.passes.pipeline import optimize

__all__ = ["Cost", "Line", "cost"]

FREE = frozenset({"select", "convert", "copy", "real", "imag", "conj", "complex"})
"""Primitives that compute nothing."""

COMPLEX = {"mul": 6, "square": 6, "div": 11, "add": 2, "sub": 2, "neg": 2}
"""Real operations in one of complex numbers, by the schoolbook."""


@dataclass(frozen=True)
class Line:
    """What one line of the user's costs: arithmetic operations, elementary functions, equations."""

    location: str
    operations: int
    functions: int
    equations: int


@dataclass(frozen=True)
class Cost:
    """What a call costs. ``lines`` are the user's, the dearest first; ``unknown`` the names of what is not counted."""

    name: str
    lines: tuple[Line, ...]
    bytes: int
    unknown: tuple[str, ...]

    @property
    def operations(self) -> int:
        """Arithmetic operations of a call."""
        return sum([line.operations for line in self.lines])

    @property
    def functions(self) -> int:
        """Elementary functions of a call."""
        return sum([line.functions for line in self.lines])

    @property
    def least_seconds(self) -> float:
        """The roofline bound on this machine, one thread."""
        rates = machine_rates()
        return max(self.operations / rates["operations"], self.bytes / rates["bytes"])

    def __repr__(self) -> str:
        rows = [
            [line.location, quantity(line.operations), quantity(line.functions), str(line.equations)]
            for line in self.lines
        ]
        total = (
            f"{self.name}: {quantity(self.operations)} operations, {quantity(self.functions)} elementary functions, "
            f"{quantity(self.bytes)}B read and written"
        )
        more = [f"not counted: {', '.join(self.unknown)}"] if self.unknown else []
        return "\n".join([total, *more, table(["line", "operations", "functions", "equations"], rows)])


def cost(f: Callable[..., Any]) -> Callable[..., Cost]:
    """A function that says what a compiled call of ``f`` with given arguments costs: operations by the user's lines,
    bytes, and the least time that they take on this machine.

    Parameters
    ----------
    f
        A function, or what a transform made of one.

    Returns
    -------
    A function of the same arguments that gives a ``Cost``: ``operations``, ``functions`` (elementary ones), ``bytes``,
    ``lines``, ``least_seconds`` (the roofline bound), ``unknown`` (primitives that are not counted).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> found = fd.inspect.cost(lambda a, x: np.tanh(a @ x))(np.ones((30, 20)), np.ones(20))
    >>> found.operations, found.functions, found.bytes
    (1200, 30, 5680)
    """
    return Transformed(_cost, f)


def _cost(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Cost:
    traced = make_ir(f)(*args, **kwargs)
    program = optimize(traced)
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    unknown: set[str] = set()
    for eqn, times in _runs(program, 1):
        operations, functions = _counted(eqn, unknown)
        row = found[str(eqn.loc) if eqn.loc else "(nowhere)"]
        row[0] += times * operations
        row[1] += times * functions
        row[2] += 1
    lines = [Line(where, *row) for where, row in found.items()]
    lines.sort(key=lambda line: (-line.operations - 10 * line.functions, line.location))
    return Cost(name_of(f), tuple(lines), moved_bytes(sized_kernels(traced)), tuple(sorted(unknown)))


def _runs(program: Program, times: int) -> Iterator[tuple[Eqn, int]]:
    """The equations that compute, and how often each runs."""
    for eqn in program.eqns:
        form = regions_of(eqn)
        if form is None:
            yield eqn, times
            continue
        steps = form.count if form.kind is Kind.STEPS and isinstance(form.count, int) else 1
        inside = [list(_runs(region.program, times * steps)) for region in form.regions]
        if form.kind is Kind.CHOICE:
            inside = [max(inside, key=lambda runs: sum([k * sum(_counted(e, set())) for e, k in runs]))]
        for runs in inside:
            yield from runs


def _counted(eqn: Eqn, unknown: set[str]) -> tuple[int, int]:
    """Operations and elementary functions of an equation."""
    name, types = eqn.primitive.name, [a.type for a in eqn.inputs]
    rule = None if any(isinstance(t, SeqType) for t in types) else eqn.primitive.kernel_rule(tuple(types), eqn.params)
    out = eqn.outputs[0].type if eqn.outputs else None
    if isinstance(rule, Contraction):
        return _product(types, eqn.params), 0
    if out is None or out.dtype.kind not in "fc":
        return 0, 0
    if isinstance(rule, Reduction):
        return _size(types[0]), 0
    if isinstance(rule, Pointwise):
        if name in FREE:
            return 0, 0
        if name in MATH:
            return 0, _size(out)
        return _size(out) * (COMPLEX.get(name, 2) if out.dtype.kind == "c" else 1), 0
    if name.startswith(("cumsum", "cumprod", "cummax", "cummin")):
        return _size(out), 0
    if name.startswith(("functad", "sort", "fft")) or eqn.primitive.name in _LINEAR_ALGEBRA:
        unknown.add(name)
    return 0, 0


_LINEAR_ALGEBRA = frozenset(
    ["cholesky", "lu", "qr", "svd", "eigh", "eig", "triangular_solve", "schur", "solve_banded", "sylvester"]
)


def _size(type: ArrayType) -> int:
    return prod(type.shape)


def _product(types: list[ArrayType], params: Mapping[str, Any]) -> int:
    """2 m n k for each item of a batch; four products and two sums where numbers are complex."""
    x, y = types
    contracted = prod([x.shape[a] for a in params["contract"][0]])
    batch = prod([x.shape[a] for a in params["batch"][0]])
    whole: int = 2 * _size(x) * _size(y) // max(contracted * batch, 1)
    return whole * (4 if x.dtype.kind == "c" else 1)


def moved_bytes(kernels: Sized) -> int:
    """The bytes of the arrays that statements read and write, each once a statement."""
    return sum([s.times * b.bytes for s in kernels.statements if s.computes for b in s.touched])


@functools.cache
def machine_rates() -> dict[str, float]:
    """Operations and bytes a second of one thread, measured: the best of some products of matrices, and copies."""
    n = 256
    x, big = np.ones((n, n)), np.ones(2**22)
    out, copy = np.empty_like(x), np.empty_like(big)
    product = min([_seconds(lambda: np.dot(x, x, out=out)) for _ in range(20)])
    copied = min([_seconds(lambda: np.copyto(copy, big)) for _ in range(5)])
    return {"operations": 2 * n**3 / product, "bytes": 2 * big.nbytes / copied}


def _seconds(run: Callable[[], Any]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before
