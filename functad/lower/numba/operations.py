"""Each operation of ``kernel_ir.ops`` as a Python expression that Numba compiles to the same arithmetic.

Numba computes small integers in 64 bits and joins int64 with uint64 to float64: what is no float64, int64 or bool is
converted to its dtype after each operation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functad.kernel_ir.ops import ACCUMULATE, identity
from functad.lower.numba.support import FUNCTIONS, INTRINSICS

__all__ = ["ATOM", "Text", "accumulated", "constant", "dtype_text", "neutral", "operation"]


class Text(NamedTuple):
    """An expression, and how tightly it binds (Python's order of operators)."""

    text: str
    binds: int

    def within(self, binds: int) -> str:
        """As an operand of something that binds so tightly."""
        return self.text if self.binds >= binds else f"({self.text})"


CHOICE, OR, AND, NOT, COMPARED, BITS_OR, BITS_XOR, BITS_AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(14)

INFIX = {
    "add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT),
    "eq": ("==", COMPARED), "ne": ("!=", COMPARED), "lt": ("<", COMPARED), "le": ("<=", COMPARED),
    "gt": (">", COMPARED), "ge": (">=", COMPARED),
    "bit_and": ("&", BITS_AND), "bit_or": ("|", BITS_OR), "bit_xor": ("^", BITS_XOR),
}  # fmt: skip

LOGIC = {"bit_and": ("and", AND), "bit_or": ("or", OR), "bit_xor": ("!=", COMPARED), "eq": ("==", COMPARED)}
"""The same of bools: a choice of Python's, which takes what is on both sides of it without side effects."""

NUMPY = frozenset({
    "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "floor", "ceil", "trunc", "rint",
    "copysign", "arctan2", "hypot", "logaddexp", "nextafter", "isnan", "isfinite", "isinf", "signbit",
})  # fmt: skip
"""Functions that are NumPy's in Numba code, too."""

OTHERS = {"erf": "math.erf", "erfc": "math.erfc", "lgamma": "math.lgamma", "expm1_slope": "np.exp"}
"""Those of other names."""

PLAIN = frozenset({"float64", "int64", "bool"})
"""Dtypes whose operations Numba does as they are."""


def operation(op: str, operand: np.dtype, out: np.dtype, args: Sequence[Text], needs: Callable[[str], Any]) -> Text:
    """The expression of an operation on operands of a dtype; ``needs`` is told the functions of ``support`` that it
    calls.
    """
    if op == "cast":
        return _cast(operand, out, args[0], needs)
    if op == "select":
        p, x, y = args
        return Text(f"{x.within(OR)} if {p.within(OR)} else {y.within(CHOICE)}", CHOICE)
    if op == "neg":
        return _converted(Text(f"-{args[0].within(UNARY)}", UNARY), out)
    if op == "bit_not":
        sign, binds = ("not ", NOT) if operand.kind == "b" else ("~", UNARY)
        return _converted(Text(f"{sign}{args[0].within(binds)}", binds), out)
    infix = LOGIC.get(op) if operand.kind == "b" else None
    infix = infix or INFIX.get(op)
    if infix is not None:
        sign, binds = infix
        left, right = args[0].within(binds), args[1].within(binds + 1)
        if binds == COMPARED:
            left = args[0].within(COMPARED + 1)
        return _converted(Text(f"{left} {sign} {right}", binds), out)
    name, more = _function(op, operand, args)
    if name in FUNCTIONS or name in INTRINSICS:
        needs(name)
    return _converted(Text(f"{name}({', '.join([*[a.text for a in args], *more])})", ATOM), out)


def _function(op: str, operand: np.dtype, args: Sequence[Text]) -> tuple[str, list[str]]:
    """The function for an operation, and further arguments."""
    floating, bits = operand.kind == "f", 8 * operand.itemsize
    if op in ("floor_divide", "remainder"):
        return {"f": f"float_{op}", "i": op}.get(operand.kind, f"unsigned_{op}"), []
    if op == "fmod":
        return {"f": "np.fmod", "i": "truncated_remainder"}.get(operand.kind, "unsigned_remainder"), []
    if op == "power":
        return ("np.power", []) if floating else ("integer_power", [constant(1, operand).text])
    if op == "shift_left":
        return op, [str(bits)]
    if op == "shift_right":
        return op if operand.kind == "i" else "shift_right_unsigned", [str(bits)]
    if op == "abs":
        return "abs", []
    if op in ("maximum", "minimum"):
        return (op if floating else op[:3]), []
    if op in NUMPY:
        return f"np.{op}", []
    return OTHERS.get(op, op), []


def _converted(text: Text, out: np.dtype) -> Text:
    return text if out.name in PLAIN else Text(f"{dtype_text(out)}({text.text})", ATOM)


def _cast(operand: np.dtype, out: np.dtype, x: Text, needs: Callable[[str], Any]) -> Text:
    if out.kind == "b":
        return x if operand.kind == "b" else Text(f"{x.within(COMPARED + 1)} != 0", COMPARED)
    if operand.kind == "f" and out.kind in "iu":
        needs("int64_of")
        x = Text(f"int64_of({x.text})", ATOM)
        if out == np.int64:
            return x
    return Text(f"{dtype_text(out)}({x.text})", ATOM)


def dtype_text(dtype: np.dtype) -> str:
    """How Numba code names a dtype."""
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}"


def constant(value: Any, dtype: np.dtype) -> Text:
    """A number of a dtype."""
    number = dtype.type(value).item()
    text = repr(number)
    if dtype.kind == "f":
        text = {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}.get(text, text)
    binds = UNARY if text.startswith("-") else ATOM
    if dtype == np.int64 and number == -(2**63):
        return Text("(-9223372036854775807 - 1)", ATOM)
    return Text(text, binds) if dtype.name in PLAIN else Text(f"{dtype_text(dtype)}({text})", ATOM)


def accumulated(op: str, dtype: np.dtype, total: Text, value: Text, needs: Callable[[str], Any]) -> Text:
    """``total op value``, for a reduction: sums and products may be taken in any order."""
    if op in ("sum", "prod") and dtype.kind == "f":
        needs("plus" if op == "sum" else "times")
        return Text(f"{'plus' if op == 'sum' else 'times'}({total.text}, {value.text})", ATOM)
    name = ACCUMULATE[op]
    return operation(name, dtype, dtype, [total, value], needs)


def neutral(op: str, dtype: np.dtype) -> Text:
    """What an accumulation starts from."""
    return constant(identity(op, dtype), dtype)
