"""``Lanes``: writes LLVM text for one element (width 1, ``double``) or for a vector of them (``<8 x double>``) through
the same calls.

Scalar bodies and the math library are written once against it. Every method appends instructions to the current basic
block and returns the name of its result; operands are names or the literals of ``const``. A dtype is its short name:
``f64 f32 f16 i64 i32 i16 i8 u64 u32 u16 u8 bool``; a bool is an ``i1`` in registers, and an f16 a ``float`` that a half
can hold (``round_half`` makes one). What a module needs besides (declarations of intrinsics and libm functions,
internal helper functions) gathers in ``declarations``, whole top-level entries that the module printer emits in any
order.

Arithmetic rounds as IEEE says, each operation by itself: LLVM fuses no product with a sum, and reorders nothing. Whose
arithmetic may be treated more freely writes it through ``Lanes`` that carry fast-math ``flags`` of LLVM: ``contract``
in sums and products of matrices, whose order is free anyway, and what the user asks for by ``jit(f, fastmath=...)``.
Only additions, subtractions, products, quotients, negations and square roots have flags: ``op`` and ``intrinsic``, in
which the math library is written, have none.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import numpy as np

from functad.caches import cached
from functad.kernel_ir.lines import Lines
from functad.kernel_ir.native import NativeFunction
from functad.lower.native.c_library import libm_function

__all__ = ["Lanes"]

T = TypeVar("T")

_SCALARS = {
    "f64": "double", "f32": "float", "f16": "float", "bool": "i1",
    "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8",
    "u64": "i64", "u32": "i32", "u16": "i16", "u8": "i8",
}  # fmt: skip
_BITS = {
    "f64": 64,
    "f32": 32,
    "bool": 1,
    "i64": 64,
    "i32": 32,
    "i16": 16,
    "i8": 8,
    "u64": 64,
    "u32": 32,
    "u16": 16,
    "u8": 8,
}


class Lanes:
    """Code over ``width`` lanes, appended to ``text``.

    It is straight, but for a few rare paths (``sin`` of a huge argument), which branch and go on in a new block: phi
    nodes must read ``text.block`` after what is before them has been written.
    """

    __slots__ = ("_flags", "_known", "declarations", "emit", "text", "width")

    def __init__(self, text: Lines, width: int, flags: str = "") -> None:
        self.text = text
        self.emit = text.emit  # many calls
        self.declarations = text.declarations
        self.width = width
        self._flags = f" {flags}" if flags else ""
        self._known: tuple[str, dict[Hashable, Any]] = (text.block, {})

    # Types and constants.

    def ty(self, dtype: str) -> str:
        """The LLVM type of a value of this dtype: ``double``, ``<8 x double>``."""
        return _type(dtype, self.width)

    def suffix(self, dtype: str) -> str:
        """The type's name in an overloaded intrinsic: ``f64``, ``v8f64``, ``v8i32``."""
        return _suffix(dtype, self.width)

    def const(self, dtype: str, value: float | np.generic) -> str:
        """The literal of a constant, the same in all lanes; floats are exact, rounded to the dtype first."""
        scalar = _literal(dtype, value)
        return scalar if self.width == 1 else f"splat ({_SCALARS[dtype]} {scalar})"

    # Instructions in general.

    def op(self, instruction: str, dtype: str, x: str, y: str) -> str:
        """A binary instruction: ``op("fadd", "f64", x, y)``, ``op("sdiv", "i64", x, y)``."""
        return self.emit(f"{instruction} {self.ty(dtype)} {x}, {y}")

    def intrinsic(self, name: str, dtype: str, *args: str, flags: str = "") -> str:
        """``llvm.<name>`` with operands and result of one dtype."""
        ty = _type(dtype, self.width)
        symbol, declaration = _intrinsic(name, ty, self.suffix(dtype), len(args))
        self.declarations.add(declaration)
        return self.emit(f"call{flags} {ty} {symbol}({ty} {f', {ty} '.join(args)})")

    # Floating point.

    def fadd(self, dtype: str, x: str, y: str) -> str:
        return self.op("fadd" + self._flags, dtype, x, y)

    def fsub(self, dtype: str, x: str, y: str) -> str:
        return self.op("fsub" + self._flags, dtype, x, y)

    def fmul(self, dtype: str, x: str, y: str) -> str:
        return self.op("fmul" + self._flags, dtype, x, y)

    def fdiv(self, dtype: str, x: str, y: str) -> str:
        return self.op("fdiv" + self._flags, dtype, x, y)

    def fma(self, dtype: str, x: str, y: str, z: str) -> str:
        """``x * y + z`` rounded once, on every CPU (where it has no such instruction, by a slow call)."""
        return self.intrinsic("fma", dtype, x, y, z)

    def fmuladd(self, dtype: str, x: str, y: str, z: str) -> str:
        """``x * y + z``, rounded once where the CPU does that fast and twice elsewhere."""
        return self.intrinsic("fmuladd", dtype, x, y, z)

    def fneg(self, dtype: str, x: str) -> str:
        return self.emit(f"fneg{self._flags} {self.ty(dtype)} {x}")

    def fabs(self, dtype: str, x: str) -> str:
        return self.intrinsic("fabs", dtype, x)

    def sqrt(self, dtype: str, x: str) -> str:
        return self.intrinsic("sqrt", dtype, x, flags=self._flags)

    def floor(self, dtype: str, x: str) -> str:
        return self.intrinsic("floor", dtype, x)

    def ceil(self, dtype: str, x: str) -> str:
        return self.intrinsic("ceil", dtype, x)

    def trunc(self, dtype: str, x: str) -> str:
        return self.intrinsic("trunc", dtype, x)

    def rint(self, dtype: str, x: str) -> str:
        """The nearest integer, ties to even, as ``np.rint``."""
        return self.intrinsic("rint", dtype, x)

    def copysign(self, dtype: str, x: str, y: str) -> str:
        """The magnitude of x with the sign of y."""
        return self.intrinsic("copysign", dtype, x, y)

    # Comparison and choice.

    def fcmp(self, predicate: str, dtype: str, x: str, y: str) -> str:
        """A bool; ``o`` predicates (``olt``) are false and ``u`` ones (``une``) true where an operand is NaN."""
        return self.op(f"fcmp {predicate}", dtype, x, y)

    def icmp(self, predicate: str, dtype: str, x: str, y: str) -> str:
        return self.op(f"icmp {predicate}", dtype, x, y)

    def select(self, dtype: str, p: str, x: str, y: str) -> str:
        """``x`` where ``p`` holds, else ``y``."""
        ty = self.ty(dtype)
        return self.emit(f"select {self.ty('bool')} {p}, {ty} {x}, {ty} {y}")

    def any(self, p: str) -> str:
        """Whether a bool holds in any lane: a scalar ``i1``."""
        if self.width == 1:
            return p
        ty, symbol = self.ty("bool"), f"@llvm.vector.reduce.or.{self.suffix('bool')}"
        self.declarations.add(f"declare i1 {symbol}({ty})")
        return self.emit(f"call i1 {symbol}({ty} {p})")

    # Integers and bools. Overflow wraps; a shift count must be less than the number of bits.

    def iadd(self, dtype: str, x: str, y: str) -> str:
        return self.op("add", dtype, x, y)

    def isub(self, dtype: str, x: str, y: str) -> str:
        return self.op("sub", dtype, x, y)

    def imul(self, dtype: str, x: str, y: str) -> str:
        return self.op("mul", dtype, x, y)

    def iand(self, dtype: str, x: str, y: str) -> str:
        return self.op("and", dtype, x, y)

    def ior(self, dtype: str, x: str, y: str) -> str:
        return self.op("or", dtype, x, y)

    def ixor(self, dtype: str, x: str, y: str) -> str:
        return self.op("xor", dtype, x, y)

    def shl(self, dtype: str, x: str, y: str) -> str:
        return self.op("shl", dtype, x, y)

    def lshr(self, dtype: str, x: str, y: str) -> str:
        return self.op("lshr", dtype, x, y)

    def ashr(self, dtype: str, x: str, y: str) -> str:
        return self.op("ashr", dtype, x, y)

    # Conversions.

    def bitcast(self, src: str, dst: str, x: str) -> str:
        """The same bits as another dtype of the same size."""
        return self._convert("bitcast", src, dst, x)

    def cast(self, src: str, dst: str, x: str) -> str:
        """``x.astype(dst)``. A float that no int of the dtype can hold wraps or gives the lowest int, as C code on
        x86-64 does.
        """
        if src == dst:
            return x
        if src == "f16":
            return self.cast("f32", dst, x)
        if dst == "f16":
            return self._to_half(src, x)
        if dst == "bool":
            return (
                self.fcmp("une", src, x, self.const(src, 0.0))
                if src[0] == "f"
                else self.icmp("ne", src, x, self.const(src, 0))
            )
        if src == "bool" and dst[0] == "f":
            return self.select(dst, x, self.const(dst, 1.0), self.const(dst, 0.0))
        if src[0] == "f":
            return self._cast_float(src, dst, x)
        if dst[0] == "f":
            return self._convert("sitofp" if src[0] == "i" else "uitofp", src, dst, x)
        if _BITS[src] == _BITS[dst]:
            return x
        if _BITS[src] > _BITS[dst]:
            return self._convert("trunc", src, dst, x)
        return self._convert("sext" if src[0] == "i" else "zext", src, dst, x)

    def _to_half(self, src: str, x: str) -> str:
        """To a float, and then to a half; rounding an f64 twice must come to rounding it once."""
        if src == "bool":
            return self.cast(src, "f32", x)
        narrow = self.cast(src, "f32", x)
        return self.round_half(self._to_odd(x, narrow) if src == "f64" else narrow)

    def _to_odd(self, x: str, narrow: str) -> str:
        """An f64 as an f32, given the nearest: of the two around it that with an odd last bit, which no further
        rounding takes for a tie.
        """
        wide = self._convert("fpext", "f32", "f64", narrow)
        inexact, beyond = (
            self.fcmp("one", "f64", wide, x),
            self.fcmp("ogt", "f64", self.fabs("f64", wide), self.fabs("f64", x)),
        )
        bits = self.isub("i32", self.bitcast("f32", "i32", narrow), self.cast("bool", "i32", beyond))
        return self.bitcast("i32", "f32", self.ior("i32", bits, self.cast("bool", "i32", inexact)))

    def from_half(self, raw: str) -> str:
        """An f16 in a register, of its bits, an i16."""
        halves = self._halves()
        half = self.emit(f"bitcast {self.ty('i16')} {raw} to {halves}")
        return self.emit(f"fpext {halves} {half} to {self.ty('f16')}")

    def half_bits(self, x: str) -> str:
        """The bits, an i16, of the half nearest to a float; of an f16, its own."""
        halves = self._halves()
        half = self.emit(f"fptrunc {self.ty('f32')} {x} to {halves}")
        return self.emit(f"bitcast {halves} {half} to {self.ty('i16')}")

    def round_half(self, x: str) -> str:
        """The f16 nearest to an f32, ties to even."""
        return self.from_half(self.half_bits(x))

    def _halves(self) -> str:
        return "half" if self.width == 1 else f"<{self.width} x half>"

    def _cast_float(self, src: str, dst: str, x: str) -> str:
        if dst[0] == "f":
            return self._convert("fpext" if _BITS[src] < _BITS[dst] else "fptrunc", src, dst, x)
        if self._flags:  # under nnan x may be poison, which as an index would be another one at each use
            x = self.emit(f"freeze {self.ty(src)} {x}")
        if dst == "u64":
            # 2^63 and above, less 2^63, fits an i64; the sign bit puts it back.
            bound = self.const(src, 2.0**63)
            large = self.fcmp("oge", src, x, bound)
            low = self._fptosi(src, "i64", self.select(src, large, self.op("fsub", src, x, bound), x))
            return self.select("i64", large, self.ixor("i64", low, self.const("i64", -(2**63))), low)
        # Narrower ints wrap modulo 2^bits; unsigned 32 needs 64 bits to hold both its range and the negatives that wrap
        # into it.
        via = "i64" if dst in ("i64", "u32") else "i32"
        return self.cast(via, dst, self._fptosi(src, via, x))

    def _fptosi(self, src: str, dst: str, x: str) -> str:
        """``fptosi``, with the lowest int for NaN and what is out of range: alone it is poison there, and ``select``
        drops the poison.
        """
        bits = _BITS[dst] - 1
        fits = self.fcmp("olt", src, self.fabs(src, x), self.const(src, 2.0**bits))
        return self.select(dst, fits, self._convert("fptosi", src, dst, x), self.const(dst, -(2**bits)))

    def _convert(self, instruction: str, src: str, dst: str, x: str) -> str:
        return self.emit(f"{instruction} {self.ty(src)} {x} to {self.ty(dst)}")

    # Calls of libraries, lane by lane.

    def call_libm(self, dtype: str, symbol: str, args: Sequence[str]) -> str:
        """The libm function ``symbol`` (its double name: ``erf`` means ``erff`` for f32) of each lane."""
        if dtype == "f32":
            symbol += "f"
        return self.call_library(dtype, libm_function(symbol, _SCALARS[dtype], len(args)), args)

    def call_library(self, dtype: str, function: NativeFunction, args: Sequence[str]) -> str:
        """A function of scalars, of each lane; what parameters it has beyond these are zeros."""
        ty, scalar, symbol = self.ty(dtype), _SCALARS[dtype], function.symbol
        more = "".join([f", {t} 0" for t in function.parameters[len(args) :]])
        self.declarations.add(function.declaration)
        if self.width > 1:
            self.declarations.add(_lanewise(symbol, scalar, self.width, len(args), more))
            symbol, more = f"functad.{symbol}.v{self.width}", ""
        return self.emit(f"call {ty} @{symbol}({ty} {f', {ty} '.join(args)}{more})")

    # Control flow.

    def rarely(self, dtype: str, p: str, usual: str, rare: Callable[[], str]) -> str:
        """``rare()`` in the lanes where ``p`` holds, else ``usual``; ``rare`` only runs if ``p`` holds in some lane."""
        text, before = self.text, self.text.block
        then, done = text.label(), text.label()
        # The weights keep what the rare code needs, registers above all, out of the usual path.
        text.line(
            f'br i1 {self.any(p)}, label %{then}, label %{done}, !prof !{{!"branch_weights", i32 1, i32 1000000}}'
        )
        known = self._known[1] if self._known[0] == before else {}
        text.begin(then)
        self._known = (then, known.copy())
        other = self.select(dtype, p, rare(), usual)
        after = text.block
        text.start(done)
        # What was computed before the branch has been computed here too.
        self._known = (done, known)
        return self.emit(f"phi {self.ty(dtype)} [ {usual}, %{before} ], [ {other}, %{after} ]")

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()``, or what it returned for this key before in the same straight-line code (rare paths aside)."""
        if self._known[0] != self.text.block:
            self._known = (self.text.block, {})
        results = self._known[1]
        if key not in results:
            results[key] = compute()
        return results[key]  # type: ignore[no-any-return]


@functools.cache
def _type(dtype: str, width: int) -> str:
    scalar = _SCALARS[dtype]
    return scalar if width == 1 else f"<{width} x {scalar}>"


@functools.cache
def _suffix(dtype: str, width: int) -> str:
    scalar = {"f16": "f32"}.get(dtype, dtype) if dtype[0] == "f" else f"i{_BITS[dtype]}"
    return scalar if width == 1 else f"v{width}{scalar}"


@functools.cache
def _intrinsic(name: str, ty: str, suffix: str, arity: int) -> tuple[str, str]:
    """Symbol and declaration."""
    symbol = f"@llvm.{name}.{suffix}"
    return symbol, f"declare {ty} {symbol}({', '.join([ty] * arity)})"


@functools.cache
def _lanewise(symbol: str, scalar: str, width: int, arity: int, more: str) -> str:
    """A function of vectors that applies a scalar one lane by lane; out of line, since each call in a loop costs the
    compiler time.
    """
    ty, operands = f"<{width} x {scalar}>", range(arity)
    parameters = ", ".join(f"{ty} %x{j}" for j in operands)
    # by way of memory: to insert at a variable place is slow
    cells = "\n".join(f"  %p{j} = alloca {ty}\n  store {ty} %x{j}, ptr %p{j}" for j in operands)
    loads = "\n".join(
        f"  %a{j} = getelementptr {scalar}, ptr %p{j}, i64 %lane\n  %y{j} = load {scalar}, ptr %a{j}" for j in operands
    )
    arguments = ", ".join(f"{scalar} %y{j}" for j in operands)
    return f"""define internal {ty} @functad.{symbol}.v{width}({parameters}) noinline {{
entry:
{cells}
  br label %loop
loop:
  %lane = phi i64 [ 0, %entry ], [ %next, %loop ]
{loads}
  %value = call {scalar} @{symbol}({arguments}{more})
  store {scalar} %value, ptr %a0
  %next = add i64 %lane, 1
  %again = icmp ult i64 %next, {width}
  br i1 %again, label %loop, label %exit
exit:
  %result = load {ty}, ptr %p0
  ret {ty} %result
}}"""


def _literal(dtype: str, value: float | np.generic) -> str:
    if dtype[0] == "f":
        number = float(value)
        # The sign tells 0 from -0, which are equal as keys.
        return _float_literal(dtype, number, math.copysign(1.0, number))
    if dtype == "bool":
        return "true" if value else "false"
    return str(int(value))


@cached(4096)
def _float_literal(dtype: str, value: float, sign: float) -> str:
    # LLVM writes a constant of either type as the bits of the double that equals it.
    with np.errstate(over="ignore"):
        rounded = value if dtype == "f64" else float(np.float16(value) if dtype == "f16" else np.float32(value))
    return f"0x{struct.pack('>d', rounded).hex().upper()}"
