"""Random kernels: every kind of access, of reduction, of mask and of size, from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.ir.types import Symbol
from functad.kernel_ir.builder import Builder
from functad.kernel_ir.nodes import Affine, Buffer, CheckInfo, Kernel, KernelProgram, Value
from functad.kernel_ir.sizes import Poly, poly

F64, F32, I64, I32, BOOL = (np.dtype(t) for t in ("f8", "f4", "i8", "i4", "?"))
SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40]

UNARY = ["neg", "abs", "sqrt", "exp", "tanh", "floor", "sign"]
BINARY = ["add", "sub", "mul", "maximum", "minimum", "div"]


class RandomKernel:
    """A program of one random kernel, with inputs for it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.symbols: list[int] = []
        self.inputs: list[Buffer] = []
        self.outputs: list[Buffer] = []
        self.arrays: list[np.ndarray] = []
        self.b = Builder()
        self.checks = 0
        self.long = False
        rank = int(self.rng.choice([0, 1, 1, 2, 2, 3]))
        self.extents = [self.extent() for _ in range(rank)]
        self.lengths = [n.evaluate(self.symbols) for n in self.extents]
        kind = str(self.rng.choice(["plain", "plain", "plain", "scan", "scatter"]))
        self.kind = kind if rank else "plain"
        self.kernel = self.build()

    def program(self) -> KernelProgram:
        checks = tuple(CheckInfo("IndexOutOfBoundsError", f"check {k}") for k in range(self.checks))
        return KernelProgram(tuple(self.inputs), tuple(self.outputs), (self.kernel,), len(self.symbols), checks)

    # ---- pieces

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def extent(self) -> Poly:
        length = int(self.rng.choice(SIZES))
        if self.chance(0.04) and not self.long:
            length = int(self.rng.choice([1023, 1025, 2100]))
            self.long = True  # one axis at most: the evaluator keeps whole iteration spaces
        if self.chance(0.5):
            self.symbols.append(length)
            return poly(Symbol(len(self.symbols) - 1))
        return poly(length)

    def dtype(self) -> np.dtype:
        return [F64, F64, F64, F32, I64, I32, BOOL][int(self.rng.integers(7))]

    def data(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if dtype.kind == "f":
            array = self.rng.normal(size=shape).astype(dtype)
            if self.chance(0.2) and array.size:
                array.flat[int(self.rng.integers(array.size))] = self.rng.choice([np.nan, np.inf, -np.inf, -0.0])
            return array
        return self.rng.integers(0, 2 if dtype.kind == "b" else 50, size=shape).astype(dtype)

    def input(self, shape: tuple[Poly, ...], dtype: np.dtype) -> Buffer:
        buffer = Buffer(shape, dtype, "input")
        self.inputs.append(buffer)
        self.arrays.append(self.data(tuple(n.evaluate(self.symbols) for n in shape), dtype))
        return buffer

    def output(self, shape: tuple[Poly, ...], dtype: np.dtype) -> Buffer:
        buffer = Buffer(shape, dtype, "output")
        self.outputs.append(buffer)
        return buffer

    def component(self, axis: int) -> tuple[Affine, Poly]:
        """An index that runs along an axis, and a length that it fits in."""
        n, i = self.extents[axis], Affine.axis(axis)
        match self.rng.integers(8):
            case 0:
                return Affine(n - 1, ((axis, -1),)), n
            case 1:
                return i + 1, n + 2
            case 2:
                return i * 2, n * 2
            case 3:
                return i * 3 + 1, n * 3
            case _:
                return i, n

    def index(self, axes: list[int]) -> tuple[tuple[Affine, ...], tuple[Poly, ...]]:
        parts = [self.component(a) for a in axes]
        if self.chance(0.1):
            parts.insert(int(self.rng.integers(len(parts) + 1)), (Affine(1), poly(2)))
        if self.chance(0.15):
            group = int(self.rng.choice([2, 3, 4]))
            parts.append((Affine(int(self.rng.integers(group))), poly(group)))
        return tuple(p[0] for p in parts), tuple(p[1] for p in parts)

    def some_axes(self) -> list[int]:
        axes = [a for a in range(len(self.extents)) if self.chance(0.75)]
        if self.chance(0.3):
            self.rng.shuffle(axes)
        return axes

    def load(self, dtype: np.dtype) -> Value:
        index, shape = self.index(self.some_axes())
        if index and self.extents and self.chance(0.25):
            return self.masked_load(dtype)
        if self.chance(0.15) and self.extents:
            return self.gather(dtype)
        return self.b.load(self.input(shape, dtype), index)

    def masked_load(self, dtype: np.dtype) -> Value:
        """As padding does it: shifted, and masked where it would be out of bounds."""
        axis = int(self.rng.integers(len(self.extents)))
        shift = poly(int(self.rng.integers(-2, 3)))
        if self.chance(0.3):
            self.symbols.append(int(self.rng.choice([0, 1, 2, 8, 9, 30])))
            shift = poly(Symbol(len(self.symbols) - 1)) * int(self.rng.choice([-1, 1]))
        n = self.extents[axis]
        position = self.b.axis(Affine.axis(axis) + shift)
        mask = self.b.bit_and(self.b.ge(position, 0), self.b.lt(position, self.b.size(n)))
        others = [a for a in range(axis) if self.chance(0.7)]
        index = (*(Affine.axis(a) for a in others), Affine.axis(axis) + shift)
        shape = (*(self.extents[a] for a in others), n)
        if self.chance(0.3):
            index, shape = (*index, Affine(1)), (*shape, poly(2))
        return self.b.load(self.input(shape, dtype), index, mask, 1 if dtype.kind == "b" else 3)

    def gather(self, dtype: np.dtype) -> Value:
        axis = int(self.rng.integers(len(self.extents)))
        where = self.input((self.extents[axis],), I64)
        length = int(self.rng.integers(1, 9))
        self.arrays[-1][...] = self.rng.integers(-1, length + 1, self.arrays[-1].shape)
        raw = self.b.load(where, (Affine.axis(axis),))
        if self.chance(0.5):
            self.checks += 1
            self.b.check(self.b.bit_and(self.b.ge(raw, 0), self.b.lt(raw, length)), self.checks)
        clamped = self.b.maximum(self.b.minimum(raw, length - 1), 0)
        rest = int(self.rng.integers(len(self.extents)))
        if self.chance(0.5):
            return self.b.load(
                self.input((poly(length), self.extents[rest]), dtype), (Affine.value(clamped), Affine.axis(rest))
            )
        return self.b.load(self.input((poly(length),), dtype), (Affine.value(clamped),))

    def expression(self, dtype: np.dtype, depth: int) -> Value:
        b, rng = self.b, self.rng
        if depth == 0 or self.chance(0.2):
            if self.chance(0.1):
                return b.const(int(rng.integers(2)), dtype)
            if self.chance(0.1) and self.extents and dtype.kind in "fi":
                return b.cast(b.axis(Affine.axis(int(rng.integers(len(self.extents)))) + 1), dtype)
            return self.load(dtype)
        if self.chance(0.15):
            other = self.dtype()
            if other.kind == "b" or dtype.kind == "b" or other.itemsize >= 4:
                value = self.expression(other, depth - 1)
                if other.kind == "f" and dtype.kind in "iu":
                    value = b.select(b.lt(b.abs(value), 1000.0), value, 0.0)
                return b.cast(value, dtype)
        if self.chance(0.15):
            return b.select(
                self.expression(BOOL, depth - 1), self.expression(dtype, depth - 1), self.expression(dtype, depth - 1)
            )
        if dtype.kind == "b":
            if self.chance(0.5):
                kind = F64 if self.chance(0.5) else I64
                return b.compute(
                    str(rng.choice(["lt", "eq", "ge", "ne"])),
                    self.expression(kind, depth - 1),
                    self.expression(kind, depth - 1),
                )
            return b.compute(
                str(rng.choice(["bit_and", "bit_or", "bit_xor"])),
                self.expression(BOOL, depth - 1),
                self.expression(BOOL, depth - 1),
            )
        if dtype.kind == "f" and self.chance(0.4):
            x = self.expression(dtype, depth - 1)
            op = str(rng.choice(UNARY))
            return b.compute(op, b.minimum(x, 5.0) if op == "exp" else b.abs(x) if op == "sqrt" else x)
        ops = BINARY if dtype.kind == "f" else [*BINARY[:5], "floor_divide", "remainder"]
        x, y = self.expression(dtype, depth - 1), self.expression(dtype, depth - 1)
        op = str(rng.choice(ops))
        if op == "div":
            y = b.add(b.abs(y), 1.0)
        if op == "mul" and dtype.kind in "iu":
            x, y = b.remainder(x, 7), b.remainder(y, 7)
        return b.compute(op, x, y)

    # ---- the kernel

    def build(self) -> Kernel:
        b = self.b
        reverse = self.chance(0.5)
        for _ in range(int(self.rng.integers(1, 4))):
            dtype = self.dtype()
            value = self.expression(dtype, int(self.rng.integers(1, 4)))
            if self.kind == "scan":
                op = str(self.rng.choice(["any", "all"] if dtype.kind == "b" else ["sum", "max", "min"]))
                value = b.scan(op, value, reverse)
            if self.kind == "scatter" and self.chance(0.7):
                self.scatter(value)
            elif self.chance(0.5) or self.kind == "scan":
                self.store(value)
            else:
                self.reduce(value)
        return b.finish(self.extents, self.kind)

    def store(self, value: Value) -> None:
        axes = list(range(len(self.extents)))
        if self.chance(0.2):
            self.rng.shuffle(axes)
        parts = [self.component(a) if self.chance(0.2) else (Affine.axis(a), self.extents[a]) for a in axes]
        index, shape = tuple(p[0] for p in parts), tuple(p[1] for p in parts)
        if self.chance(0.2):
            group = int(self.rng.choice([2, 3, 4]))
            buffer = self.output((*shape, poly(group)), value.dtype)
            for k in range(group if self.chance(0.8) else group - 1):
                self.b.store(
                    buffer,
                    (*index, Affine(k)),
                    value if k % 2 == 0 else self.b.select(self.b.eq(value, value), value, value),
                )
            return
        mask = self.expression(BOOL, 1) if self.chance(0.15) else None
        self.b.store(self.output(shape, value.dtype), index, value, mask)

    def reduce(self, value: Value) -> None:
        axes = [a for a in range(len(self.extents)) if self.chance(0.45)]
        kind = value.dtype.kind
        op = str(
            self.rng.choice(
                ["any", "all"]
                if kind == "b"
                else ["sum", "max", "min"]
                if kind == "f"
                else ["sum", "prod", "max", "min"]
            )
        )
        if self.chance(0.15):
            pair = self.output((*(self.extents[a] for a in axes), poly(2)), value.dtype)
            for k in range(2):
                self.b.reduce(pair, (*(Affine.axis(a) for a in axes), Affine(k)), op, value)
            return
        self.b.reduce(
            self.output(tuple(self.extents[a] for a in axes), value.dtype),
            tuple(Affine.axis(a) for a in axes),
            op,
            value,
        )

    def scatter(self, value: Value) -> None:
        """Into a buffer that the kernel cannot initialise: its start is that of an earlier kernel's, here the output's
        own junk.
        """
        axis = int(self.rng.integers(len(self.extents)))
        where = self.input((self.extents[axis],), I64)
        length = int(self.rng.integers(1, 6))
        self.arrays[-1][...] = self.rng.integers(0, length, self.arrays[-1].shape)
        position = self.b.load(where, (Affine.axis(axis),))
        op = str(self.rng.choice(["set"] if value.dtype.kind == "b" else ["set", "sum", "max", "min"]))
        index: Any = (Affine.value(position),)
        shape: Any = (poly(length),)
        if self.chance(0.5):
            other = len(self.extents) - 1
            index, shape = (*index, Affine.axis(other)), (*shape, self.extents[other])
        self.b.scatter(self.output(shape, value.dtype), index, op, value)
