"""``Value``: an SSA name that reads as a number, so that the math library reads as formulas.

``x * y + 1.0`` appends an ``fmul`` and an ``fadd`` to the ``Lanes`` behind ``x``; Python numbers become constants of
the other operand's dtype. The operators round as IEEE says, whatever flags the ``Lanes`` carry for the user's
arithmetic, so compensated steps may be written down as they are; ``fma`` rounds once on every CPU, ``muladd`` (for
polynomials) once where that is fast. Comparisons are false where an operand is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from functad.lower.llvm.lanes import Lanes

__all__ = [
    "Format", "Value", "copysign", "fabs", "flip_sign", "fma", "horner", "libm", "muladd", "once", "polynomial",
    "rarely", "rint", "sqrt", "trunc", "where",
]  # fmt: skip

Number = float | int
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format: ``digits`` stored bits of significand, exponent ``bias``, the int dtype of the
    same size.

    Adding ``shifter`` to a number below 2^(digits - 2) in magnitude rounds it to an integer (ties to even), which is
    then also in the low bits of the sum; subtracting ``shifter`` again gives the integer as a float.
    """

    ints: str
    bits: int
    digits: int
    bias: int

    @property
    def shifter(self) -> float:
        return 1.5 * 2.0**self.digits

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def sign_bit(self) -> int:
        return -(1 << (self.bits - 1))


_FORMATS = {"f64": Format("i64", 64, 52, 1023), "f32": Format("i32", 32, 23, 127)}


@dataclass(slots=True, eq=False)
class Value:
    """A value of one dtype in every lane."""

    lanes: Lanes
    dtype: str
    name: str

    @property
    def format(self) -> Format:
        """The format of a floating-point value."""
        return _FORMATS[self.dtype]

    def const(self, value: Number) -> Value:
        """A constant of this value's dtype."""
        return Value(self.lanes, self.dtype, self.lanes.const(self.dtype, value))

    def bits(self) -> Value:
        """The bits of a float, as an int."""
        ints = self.format.ints
        return Value(self.lanes, ints, self.lanes.bitcast(self.dtype, ints, self.name))

    def floating(self) -> Value:
        """The float whose bits an int holds."""
        dtype = "f" + self.dtype[1:]
        return Value(self.lanes, dtype, self.lanes.bitcast(self.dtype, dtype, self.name))

    def _binary(self, floats: str, ints: str, other: Value | Number) -> Value:
        instruction = floats if self.dtype[0] == "f" else ints
        return Value(self.lanes, self.dtype, self.lanes.op(instruction, self.dtype, self.name, _name(self, other)))

    def __add__(self, other: Value | Number) -> Value:
        return self._binary("fadd", "add", other)

    def __sub__(self, other: Value | Number) -> Value:
        return self._binary("fsub", "sub", other)

    def __mul__(self, other: Value | Number) -> Value:
        return self._binary("fmul", "mul", other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._binary("fdiv", "", other)

    def __radd__(self, other: Number) -> Value:
        return self.const(other) + self

    def __rsub__(self, other: Number) -> Value:
        return self.const(other) - self

    def __rmul__(self, other: Number) -> Value:
        return self.const(other) * self

    def __rtruediv__(self, other: Number) -> Value:
        return self.const(other) / self

    def __and__(self, other: Value | Number) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Value | Number) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Value | Number) -> Value:
        return self._binary("", "xor", other)

    def __lshift__(self, other: Value | Number) -> Value:
        return self._binary("", "shl", other)

    def __rshift__(self, other: Value | Number) -> Value:
        """Logical: zeros come in."""
        return self._binary("", "lshr", other)

    def __neg__(self) -> Value:
        return Value(self.lanes, self.dtype, self.lanes.emit(f"fneg {self.lanes.ty(self.dtype)} {self.name}"))

    def _compare(self, floats: str, ints: str, other: Value | Number) -> Value:
        name = _name(self, other)
        if self.dtype[0] == "f":
            return Value(self.lanes, "bool", self.lanes.fcmp(floats, self.dtype, self.name, name))
        return Value(self.lanes, "bool", self.lanes.icmp(ints, self.dtype, self.name, name))

    def __lt__(self, other: Value | Number) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Value | Number) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Value | Number) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Value | Number) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Value | Number) -> Value:
        return self._compare("oeq", "eq", other)

    def differs(self, other: Value | Number) -> Value:
        """True where an operand is NaN."""
        return self._compare("une", "ne", other)

    def clamp(self, low: Number | None = None, high: Number | None = None) -> Value:
        """The nearest number in [low, high]; NaN stays NaN."""
        x = self
        if low is not None:
            x = where(x < low, low, x)
        if high is not None:
            x = where(x > high, high, x)
        return x


def fma(x: Value, y: Value | Number, z: Value | Number) -> Value:
    """``x * y + z`` rounded once."""
    return Value(x.lanes, x.dtype, x.lanes.fma(x.dtype, x.name, _name(x, y), _name(x, z)))


def muladd(x: Value, y: Value | Number, z: Value | Number) -> Value:
    """``x * y + z`` rounded once or twice, whichever is fast."""
    return Value(x.lanes, x.dtype, x.lanes.fmuladd(x.dtype, x.name, _name(x, y), _name(x, z)))


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """``c[0] + c[1] x + c[2] x^2 + ...`` by Horner's rule, the odd terms apart where they are many.

    That halves the chain of dependent steps, but rounds more where the two sums nearly cancel; there ``horner`` is the
    one to use.
    """
    if len(coefficients) < 6:
        return horner(x, coefficients)
    square = x * x
    return muladd(horner(square, coefficients[1::2]), x, horner(square, coefficients[::2]))


def horner(x: Value, coefficients: Sequence[float]) -> Value:
    """``c[0] + x (c[1] + x (c[2] + ...))``."""
    *others, last = coefficients
    value = x.const(last)
    for c in reversed(others):
        value = muladd(value, x, c)
    return value


def where(p: Value, x: Value | Number, y: Value | Number) -> Value:
    """``x`` where ``p`` holds, else ``y``; one of them a ``Value``."""
    like = x if isinstance(x, Value) else y
    assert isinstance(like, Value)
    return Value(p.lanes, like.dtype, p.lanes.select(like.dtype, p.name, _name(like, x), _name(like, y)))


def sqrt(x: Value) -> Value:
    return Value(x.lanes, x.dtype, x.lanes.intrinsic("sqrt", x.dtype, x.name))


def rint(x: Value) -> Value:
    return Value(x.lanes, x.dtype, x.lanes.rint(x.dtype, x.name))


def trunc(x: Value) -> Value:
    return Value(x.lanes, x.dtype, x.lanes.trunc(x.dtype, x.name))


def fabs(x: Value) -> Value:
    return Value(x.lanes, x.dtype, x.lanes.fabs(x.dtype, x.name))


def copysign(x: Value | Number, y: Value) -> Value:
    """The magnitude of ``x`` with the sign of ``y``."""
    return Value(y.lanes, y.dtype, y.lanes.copysign(y.dtype, _name(y, x), y.name))


def flip_sign(x: Value, y: Value) -> Value:
    """``x``, negated where the sign bit of the int ``y`` is set."""
    return (x.bits() ^ (y & x.format.sign_bit)).floating()


def libm(function: str, *operands: Value) -> Value:
    """A function of the C math library, lane by lane."""
    x = operands[0]
    return Value(x.lanes, x.dtype, x.lanes.call_libm(x.dtype, function, [y.name for y in operands]))


def rarely(p: Value, usual: Value, rare: Callable[[], Value]) -> Value:
    """``rare()`` where ``p`` holds, else ``usual``, by a branch that is taken if ``p`` holds in any lane."""
    return Value(usual.lanes, usual.dtype, usual.lanes.rarely(usual.dtype, p.name, usual.name, lambda: rare().name))


def once(function: Callable[[Value], T], x: Value) -> T:
    """``function(x)``, computed once for functions of x that share it."""
    return x.lanes.once((function.__name__, x.dtype, x.name), lambda: function(x))


def _name(like: Value, x: Value | Number) -> str:
    return x.name if isinstance(x, Value) else like.lanes.const(like.dtype, x)
