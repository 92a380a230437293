"""Loops over a table of numbers, in every lane at once: see ``kernel_ir.ops.Iteration``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.ops import OPS, Iteration, Op
from functad.lower.emit.memory import splat
from functad.lower.llvm.lanes import Lanes

__all__ = ["iterated"]

BOOL, FLOAT64 = np.dtype(np.bool_), np.dtype(np.float64)

Operation = Callable[[Lanes, str, np.dtype, np.dtype, list[str]], str]


@dataclass(frozen=True, slots=True)
class Emitted:
    """A value that has been computed."""

    name: str
    dtype: np.dtype


class Emitter:
    """Stands for a ``Builder``: the methods named after operations emit them."""

    def __init__(self, lanes: Lanes, operation: Operation) -> None:
        self._lanes = lanes
        self._operation = operation

    def const(self, value: Any, dtype: Any) -> Emitted:
        """A constant."""
        dtype = np.dtype(dtype)
        return Emitted(self._lanes.const(dtype_name(dtype), value), dtype)

    def compute(self, name: str, *args: Any) -> Emitted:
        """The operation ``name``; Python numbers take the dtype of the other operands."""
        dtypes = [a.dtype for a in args if isinstance(a, Emitted)]
        dtype = dtypes[-1]
        values = [a if isinstance(a, Emitted) else self.const(a, dtype) for a in args]
        out = BOOL if OPS[name].result == "bool" else dtype
        return Emitted(self._operation(self._lanes, name, dtype, out, [v.name for v in values]), out)

    def __getattr__(self, name: str) -> Callable[..., Emitted]:
        return lambda *args: self.compute(name, *args)


def iterated(lanes: Lanes, op: Op, args: list[str], operation: Operation) -> str:
    """Emits the loop; its code is there once, whatever the length of the table."""
    loop = op.function
    assert isinstance(loop, Iteration)
    b, operands = Emitter(lanes, operation), [Emitted(a, FLOAT64) for a in args]
    state = [Carried(lanes.ty("f64"), v.name) for v in loop.start(b, *operands)]
    table, columns = _table(lanes, loop.table), len(loop.table[0])
    turn = Carried("i64", "0")
    with lanes.text.repeat([turn, *state]) as again:
        row = tuple([Emitted(_element(lanes, table, turn.name, columns, k), FLOAT64) for k in range(columns)])
        values = loop.step(b, row, tuple([Emitted(c.name, FLOAT64) for c in state]), *operands)
        for carried, value in zip(state, values, strict=True):
            carried.name = value.name
        turn.name = lanes.emit(f"add i64 {turn.name}, 1")
        again(lanes.emit(f"icmp ult i64 {turn.name}, {len(loop.table)}"))
    return state[-1].name


def _table(lanes: Lanes, rows: tuple[tuple[float, ...], ...]) -> str:
    """The name of a constant of the module; equal ones are one."""
    numbers = np.array(rows, np.float64)
    scalar = Lanes(lanes.text, 1)
    elements = ", ".join([f"double {scalar.const('f64', v)}" for v in numbers.ravel()])
    name = f"@functad.table.{hashlib.sha256(numbers.tobytes()).hexdigest()[:16]}"
    lanes.declarations.add(f"{name} = internal constant [{numbers.size} x double] [{elements}]")
    return name


def _element(lanes: Lanes, table: str, row: str, columns: int, column: int) -> str:
    """A number of the table, in all lanes."""
    place = lanes.emit(f"mul i64 {row}, {columns}")
    place = lanes.emit(f"add i64 {place}, {column}")
    address = lanes.emit(f"getelementptr double, ptr {table}, i64 {place}")
    return splat(lanes.text, "double", lanes.width, lanes.emit(f"load double, ptr {address}"))
