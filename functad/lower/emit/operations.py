"""Each operation of ``kernel_ir.ops`` as LLVM text, on one element or on a vector of them.

What has a formula worth its own page (exp, sin, ...) comes from ``lower.math``; the rest is here: arithmetic,
comparisons, rounding, integer division with NumPy's rules, remainders, shifts, accumulation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.lines import Carried
from functad.kernel_ir.ops import ACCUMULATE, OPS, identity
from functad.lower.emit.code import Code
from functad.lower.emit.iterations import iterated
from functad.lower.emit.special import digamma, lgamma, next_half, nextafter
from functad.lower.llvm.lanes import Lanes
from functad.lower.math import MATH

__all__ = ["accumulate", "cost", "is_long", "neutral", "operation", "outlined"]


def operation(lanes: Lanes, op: str, operand: np.dtype, out: np.dtype, args: list[str]) -> str:
    """Emits ``op`` on operands of dtype ``operand``; returns the name of the result."""
    dtype = dtype_name(operand)
    if op == "cast":
        return lanes.cast(dtype, dtype_name(out), args[0])
    if dtype == "f16":
        return _half(lanes, op, args)
    return _operation(lanes, op, dtype, args)


def _operation(lanes: Lanes, op: str, dtype: str, args: list[str]) -> str:
    basic = _BASIC.get(op)
    if basic is not None:
        return basic(lanes, dtype, *args)
    if op in _LONG:
        return _LONG[op](lanes, dtype, *args)
    declared = OPS[op]
    if declared.library is not None:
        return lanes.call_library(dtype, declared.library(), args)
    return iterated(lanes, declared, args, operation)


def _half(lanes: Lanes, op: str, args: list[str]) -> str:
    """In float32, rounded to float16 after each operation, as NumPy does it."""
    if op == "nextafter":
        return next_half(lanes, *args)
    result = _operation(lanes, op, "f32", args)
    return result if op in _HALVES or OPS[op].result == "bool" else lanes.round_half(result)


_HALVES = frozenset(
    ["neg", "abs", "sign", "maximum", "minimum", "floor", "ceil", "trunc", "rint", "copysign", "select", "fmod"]
)
"""Operations that give halves for halves."""


def outlined(code: Code, op: str, dtype: np.dtype, args: list[str], width: int) -> str:
    """Emits a call of a function of the module that computes ``op``: long code that uses it often is compiled much
    faster.
    """
    name, ty = f"@functad_{op}_{dtype_name(dtype)}_{width}", code.lanes(width).ty(dtype_name(dtype))
    if width not in code.outlined[op, dtype]:
        code.outlined[op, dtype].add(width)
        body = Code(code.declarations)
        parameters = [f"%x{k}" for k in range(len(args))]
        result = operation(body.lanes(width), op, dtype, dtype, parameters)
        signature = f"internal {ty} {name}({', '.join(f'{ty} {x}' for x in parameters)}) nounwind"
        code.declarations.add(body.function(signature, f"{ty} {result}"))
    return code.emit(f"call {ty} {name}({', '.join(f'{ty} {x}' for x in args)})")


def is_long(op: str) -> bool:
    """Whether an operation is a function of the math library."""
    return op in _LONG


def accumulate(lanes: Lanes, op: str, dtype: np.dtype, total: str, value: str) -> str:
    """``total op value`` for an accumulation (sum, prod, max, min, any, all)."""
    return operation(lanes, ACCUMULATE[op], dtype, dtype, [value, total])


def neutral(lanes: Lanes, op: str, dtype: np.dtype) -> str:
    """The literal that an accumulation starts from."""
    return lanes.const(dtype_name(dtype), identity(op, dtype))


DECLARED = 200
"""The cost of a function of a library, or of a loop: it takes some tens of nanoseconds or more."""


def cost(op: str, dtype: np.dtype) -> int:
    """About how many instructions an operation takes: what the shape of a loop is decided by."""
    if op in ("cast", "maximum", "minimum", "sign"):
        return 3
    if op in ("div", "sqrt", "floor_divide", "remainder", "fmod"):
        return 8 if dtype.kind == "f" else 16
    return 1 if op in _BASIC else 24 if op in _LONG else DECLARED


# ---- arithmetic and bits

Emit = Callable[..., str]


def _by_kind(real: Emit, whole: Emit, unsigned: Emit | None = None) -> Emit:
    def emit(lanes: Lanes, dtype: str, *args: str) -> str:
        chosen = real if dtype[0] == "f" else whole if dtype[0] == "i" or unsigned is None else unsigned
        return chosen(lanes, dtype, *args)

    return emit


def _compare(ordered: str, signed: str) -> Emit:
    def emit(lanes: Lanes, dtype: str, x: str, y: str) -> str:
        if dtype[0] == "f":
            return lanes.fcmp(ordered, dtype, x, y)
        return lanes.icmp(signed if dtype[0] == "i" else signed.replace("s", "u", 1), dtype, x, y)

    return emit


def _integer_abs(lanes: Lanes, dtype: str, x: str) -> str:
    zero = lanes.const(dtype, 0)
    return lanes.select(dtype, lanes.icmp("slt", dtype, x, zero), lanes.isub(dtype, zero, x), x)


def _extreme(real: str, signed: str) -> Emit:
    """The larger (or smaller) operand, or NaN: the first comparison compiles to one instruction, which gives y where
    either is NaN.
    """

    def emit(lanes: Lanes, dtype: str, x: str, y: str) -> str:
        if dtype[0] != "f":
            return lanes.intrinsic(("s" if dtype[0] == "i" else "u") + signed, dtype, x, y)
        best = lanes.select(dtype, lanes.fcmp(real, dtype, x, y), x, y)
        return lanes.select(dtype, lanes.fcmp("uno", dtype, x, x), x, best)

    return emit


def _sign(lanes: Lanes, dtype: str, x: str) -> str:
    zero, one = lanes.const(dtype, 0), lanes.const(dtype, 1)
    if dtype[0] == "f":
        of_nonzero = lanes.select(dtype, lanes.fcmp("une", dtype, x, x), x, lanes.copysign(dtype, one, x))
        return lanes.select(dtype, lanes.fcmp("oeq", dtype, x, zero), zero, of_nonzero)
    positive = lanes.select(dtype, lanes.icmp("ne", dtype, x, zero), one, zero)
    if dtype[0] == "u":
        return positive
    return lanes.select(dtype, lanes.icmp("slt", dtype, x, zero), lanes.const(dtype, -1), positive)


def _isinf(lanes: Lanes, dtype: str, x: str) -> str:
    return lanes.fcmp("oeq", dtype, lanes.fabs(dtype, x), lanes.const(dtype, np.inf))


def _isfinite(lanes: Lanes, dtype: str, x: str) -> str:
    return lanes.fcmp("olt", dtype, lanes.fabs(dtype, x), lanes.const(dtype, np.inf))


def _signbit(lanes: Lanes, dtype: str, x: str) -> str:
    bits = "i" + dtype[1:]
    return lanes.icmp("slt", bits, lanes.bitcast(dtype, bits, x), lanes.const(bits, 0))


def _not(lanes: Lanes, dtype: str, x: str) -> str:
    return lanes.ixor(dtype, x, lanes.const(dtype, 1 if dtype == "bool" else -1))


def _shift_left(lanes: Lanes, dtype: str, x: str, n: str) -> str:
    return _guarded_shift(lanes, dtype, n, lambda count: lanes.shl(dtype, x, count), lanes.const(dtype, 0))


def _shift_right(lanes: Lanes, dtype: str, x: str, n: str) -> str:
    if dtype[0] == "u":
        return _guarded_shift(lanes, dtype, n, lambda count: lanes.lshr(dtype, x, count), lanes.const(dtype, 0))
    sign = lanes.ashr(dtype, x, lanes.const(dtype, _bits(dtype) - 1))
    return _guarded_shift(lanes, dtype, n, lambda count: lanes.ashr(dtype, x, count), sign)


def _guarded_shift(lanes: Lanes, dtype: str, n: str, shift: Callable[[str], str], beyond: str) -> str:
    """A shift by any count: negative ones and those of the width or more give ``beyond``."""
    fits = lanes.icmp("ult", dtype, n, lanes.const(dtype, _bits(dtype)))
    return lanes.select(dtype, fits, shift(lanes.select(dtype, fits, n, lanes.const(dtype, 0))), beyond)


def _bits(dtype: str) -> int:
    return int(dtype[1:])


# ---- division with remainder: NumPy's rounds down, fmod's towards zero; by zero gives 0 for integers


def _divide(lanes: Lanes, dtype: str, x: str, y: str) -> tuple[str, str, str, str]:
    """Truncated quotient and remainder of integers; whether y is 0; a divisor that never traps (1 for 0, and for -1
    below the lowest).
    """
    zero, one = lanes.const(dtype, 0), lanes.const(dtype, 1)
    none = lanes.icmp("eq", dtype, y, zero)
    unsafe = none
    if dtype[0] == "i":
        lowest = lanes.icmp("eq", dtype, x, lanes.const(dtype, -(2 ** (_bits(dtype) - 1))))
        unsafe = lanes.ior("bool", none, lanes.iand("bool", lowest, lanes.icmp("eq", dtype, y, lanes.const(dtype, -1))))
    divisor = lanes.select(dtype, unsafe, one, y)
    quotient = lanes.op("sdiv" if dtype[0] == "i" else "udiv", dtype, x, divisor)
    return quotient, lanes.isub(dtype, x, lanes.imul(dtype, quotient, divisor)), none, divisor


def _rounds_down(lanes: Lanes, dtype: str, rest: str, divisor: str) -> str:
    """Whether the truncated quotient is one too large: the remainder is not 0 and has the other sign than the
    divisor.
    """
    zero = lanes.const(dtype, 0)
    apart = lanes.icmp("slt", dtype, lanes.ixor(dtype, rest, divisor), zero)
    return lanes.iand("bool", apart, lanes.icmp("ne", dtype, rest, zero))


def _floor_divide(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    if dtype[0] == "f":
        return _float_floor_divide(lanes, dtype, x, y)
    quotient, rest, none, divisor = _divide(lanes, dtype, x, y)
    if dtype[0] == "i":
        below = lanes.isub(dtype, quotient, lanes.const(dtype, 1))
        quotient = lanes.select(dtype, _rounds_down(lanes, dtype, rest, divisor), below, quotient)
    return lanes.select(dtype, none, lanes.const(dtype, 0), quotient)


def _remainder(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    if dtype[0] == "f":
        return _float_remainder(lanes, dtype, x, y)
    _, rest, none, divisor = _divide(lanes, dtype, x, y)
    if dtype[0] == "i":
        rest = lanes.select(dtype, _rounds_down(lanes, dtype, rest, divisor), lanes.iadd(dtype, rest, divisor), rest)
    return lanes.select(dtype, none, lanes.const(dtype, 0), rest)


def _fmod(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    if dtype[0] == "f":
        return MATH["fmod"](lanes, dtype, x, y)
    _, rest, none, _ = _divide(lanes, dtype, x, y)
    return lanes.select(dtype, none, lanes.const(dtype, 0), rest)


def _float_remainder(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    """fmod, moved by y where its sign is not that of y; a zero has the sign of y."""
    rest, zero = MATH["fmod"](lanes, dtype, x, y), lanes.const(dtype, 0.0)
    moved = lanes.select(dtype, _apart(lanes, dtype, rest, y), lanes.op("fadd", dtype, rest, y), rest)
    return lanes.select(dtype, lanes.fcmp("oeq", dtype, rest, zero), lanes.copysign(dtype, zero, y), moved)


def _apart(lanes: Lanes, dtype: str, rest: str, y: str) -> str:
    """Whether a nonzero remainder has the other sign than y."""
    zero = lanes.const(dtype, 0.0)
    below, above = lanes.fcmp("olt", dtype, rest, zero), lanes.fcmp("ogt", dtype, rest, zero)
    return lanes.select("bool", lanes.fcmp("olt", dtype, y, zero), above, below)


def _float_floor_divide(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    """(x - fmod) / y, which is near an integer, less 1 where fmod and y have other signs; the plain quotient where y is
    0.
    """
    rest, zero = MATH["fmod"](lanes, dtype, x, y), lanes.const(dtype, 0.0)
    plain = lanes.op("fdiv", dtype, x, y)
    whole = lanes.op("fdiv", dtype, lanes.op("fsub", dtype, x, rest), y)
    below = lanes.op("fsub", dtype, whole, lanes.const(dtype, 1.0))
    whole = lanes.select(dtype, _apart(lanes, dtype, rest, y), below, whole)
    whole = lanes.rint(dtype, whole)
    whole = lanes.select(dtype, lanes.fcmp("oeq", dtype, whole, zero), lanes.copysign(dtype, zero, plain), whole)
    return lanes.select(dtype, lanes.fcmp("oeq", dtype, y, zero), plain, whole)


# ---- integer powers


def _integer_power(lanes: Lanes, dtype: str, x: str, n: str) -> str:
    """By squaring, as long as a lane has bits left; 0 for negative exponents."""
    zero, one = lanes.const(dtype, 0), lanes.const(dtype, 1)
    count = n
    if dtype[0] == "i":
        count = lanes.select(dtype, lanes.icmp("slt", dtype, n, zero), zero, n)
    power, left, total = [Carried(lanes.ty(dtype), name) for name in (x, count, one)]
    with lanes.text.repeat([power, left, total]) as again:
        odd = lanes.icmp("ne", dtype, lanes.iand(dtype, left.name, one), zero)
        total.name = lanes.select(dtype, odd, lanes.imul(dtype, total.name, power.name), total.name)
        power.name, left.name = lanes.imul(dtype, power.name, power.name), lanes.lshr(dtype, left.name, one)
        again(lanes.any(lanes.icmp("ne", dtype, left.name, zero)))
    if dtype[0] == "i":
        return lanes.select(dtype, lanes.icmp("slt", dtype, n, zero), zero, total.name)
    return total.name


def _power(lanes: Lanes, dtype: str, x: str, y: str) -> str:
    return MATH["power"](lanes, dtype, x, y) if dtype[0] == "f" else _integer_power(lanes, dtype, x, y)


_BASIC: dict[str, Emit] = {
    "add": _by_kind(Lanes.fadd, Lanes.iadd),
    "sub": _by_kind(Lanes.fsub, Lanes.isub),
    "mul": _by_kind(Lanes.fmul, Lanes.imul),
    "div": Lanes.fdiv,
    "neg": _by_kind(Lanes.fneg, lambda lanes, dtype, x: lanes.isub(dtype, lanes.const(dtype, 0), x)),
    "abs": _by_kind(Lanes.fabs, _integer_abs, lambda lanes, dtype, x: x),
    "sign": _sign,
    "maximum": _extreme("ogt", "max"),
    "minimum": _extreme("olt", "min"),
    "floor": Lanes.floor,
    "ceil": Lanes.ceil,
    "trunc": Lanes.trunc,
    "rint": Lanes.rint,
    "sqrt": Lanes.sqrt,
    "copysign": Lanes.copysign,
    "fma": Lanes.fma,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "fmod": _fmod,
    "eq": _compare("oeq", "eq"),
    "ne": _compare("une", "ne"),
    "lt": _compare("olt", "slt"),
    "le": _compare("ole", "sle"),
    "gt": _compare("ogt", "sgt"),
    "ge": _compare("oge", "sge"),
    "isnan": lambda lanes, dtype, x: lanes.fcmp("uno", dtype, x, x),
    "isinf": _isinf,
    "isfinite": _isfinite,
    "signbit": _signbit,
    "bit_and": Lanes.iand,
    "bit_or": Lanes.ior,
    "bit_xor": Lanes.ixor,
    "bit_not": _not,
    "shift_left": _shift_left,
    "shift_right": _shift_right,
    "select": lambda lanes, dtype, p, x, y: lanes.select(dtype, p, x, y),
}

_LONG: dict[str, Emit] = {**MATH, "power": _power, "digamma": digamma, "lgamma": lgamma, "nextafter": nextafter}
