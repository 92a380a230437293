"""Operations that are functions of their own but not of the math library: nextafter, and lgamma and digamma, which
promise less accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from functad.lower.llvm.lanes import Lanes
from functad.lower.math import MATH
from functad.lower.math.values import Value, copysign, fabs, horner, rint, where

__all__ = ["digamma", "lgamma", "next_half", "nextafter"]

ROOT = {"f64": (1.4616321449683622, 9.549995429965697e-17), "f32": (1.4616321325302124, 1.243815e-08)}
"""The positive zero of digamma, in two parts."""

# digamma(ROOT + t) = t p(t), the Taylor series; its radius of convergence is ROOT itself
NEAR_ROOT = (
    0.9676722454476212, -0.4427631689835921, 0.258499760955651, -0.16394270544240652, 0.10782405069126237,
    -0.07219956125645471, 0.04880428816414311, -0.03316112647484736, 0.022597648232218104, -0.01542476590494896,
    0.010538791616612175, -0.007204534386356869, 0.004926781395729853, -0.003369801655439328, 0.002305126326734928,
    -0.0015769367714301972, 0.0010788252019162967, -0.0007380709389960052, 0.000504953265834602, -0.0003454680251063077,
)  # fmt: skip

# B(2k) / 2k: digamma(x) = log x - 1 / 2x - sum of these times x^(-2k)
ASYMPTOTIC = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)

FAR = 10
"""From here on the asymptotic series has all digits; smaller arguments are moved there, digamma(x) = digamma(x + 1) - 1
/ x.
"""


def _value(lanes: Lanes, function: str, x: Value) -> Value:
    return Value(lanes, x.dtype, MATH[function](lanes, x.dtype, x.name))


def digamma(lanes: Lanes, dtype: str, name: str) -> str:
    """By recurrence and asymptotic series, by Taylor series near the positive zero, by reflection for x < 0.

    Reflection is digamma(x) = digamma(1 - x) - pi / tan(pi x); the poles are NaN, but 0, which is -inf and +inf for -0.
    """
    x = Value(lanes, dtype, name)
    negative = x < 0.0
    y = where(negative, 1.0 - x, x)
    value = _positive(lanes, y)
    rest = (x - rint(x)) * math.pi
    value = where(negative, value - math.pi / _value(lanes, "tan", rest), value)
    value = where(negative & rest.equals(0.0), math.nan, value)
    return where(x.equals(0.0), copysign(math.inf, -x), value).name


def _positive(lanes: Lanes, x: Value) -> Value:
    high, low = ROOT[x.dtype]
    t = (x - high) - low
    far, shift = x, x.const(0.0)
    for _ in range(FAR):
        small = far < float(FAR)
        shift = where(small, shift + 1.0 / far, shift)
        far = where(small, far + 1.0, far)
    inverse = 1.0 / far
    square = inverse * inverse
    value = _value(lanes, "log", far) - (0.5 * inverse + square * horner(square, ASYMPTOTIC)) - shift
    return where(fabs(t) < 0.25, t * horner(t, NEAR_ROOT), value)


def lgamma(lanes: Lanes, dtype: str, x: str) -> str:
    """The C library's."""
    return lanes.call_libm(dtype, "lgamma", (x,))


def nextafter(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    """The neighbour of x towards y."""
    a, b = Value(lanes, dtype, x), Value(lanes, dtype, y)
    return _neighbour(a, b, a.bits(), Value.floating).name


def next_half(lanes: Lanes, x: str, y: str) -> str:
    """``nextafter`` of halves."""
    a, b = Value(lanes, "f32", x), Value(lanes, "f32", y)
    bits = Value(lanes, "i16", lanes.half_bits(x))
    return _neighbour(a, b, bits, lambda moved: Value(lanes, "f32", lanes.from_half(moved.name))).name


def _neighbour(a: Value, b: Value, bits: Value, floating: Callable[[Value], Value]) -> Value:
    """The bits of a float, as an integer, count floats away from zero."""
    lanes = a.lanes
    outwards = (b > a).name, (a > 0.0).name
    step = where(Value(lanes, "bool", lanes.icmp("eq", "bool", *outwards)), bits.const(1), -1)
    moved = floating(bits + step)
    moved = where(a.equals(0.0), copysign(floating(bits.const(1)), b), moved)
    moved = where(a.equals(b), b, moved)
    return where(a.differs(a), a, where(b.differs(b), b, moved))
