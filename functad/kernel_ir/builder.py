"""Building the body of one kernel: every operation of ``ops`` as a method, with local CSE and folding of trivial cases.

Operands are ``Value``s, ``Complex`` pairs of them, or Python numbers, which take the dtype of the other operands::

    b = Builder()
    x = b.load(source, (Affine.axis(0),))
    b.store(target, (Affine.axis(0),), b.mul(b.sin(x), 2))
    kernel = b.finish((n,), "double_sine")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.ir.types import dtype_name
from functad.kernel_ir.complex import Complex
from functad.kernel_ir.complex_functions import COMPLEX
from functad.kernel_ir.folding import FOLD
from functad.kernel_ir.nodes import (
    Affine,
    AxisIndex,
    Buffer,
    Check,
    Compute,
    Const,
    Index,
    Instr,
    Kernel,
    Load,
    Reduce,
    Scan,
    Scatter,
    SizeValue,
    Store,
    Value,
)
from functad.kernel_ir.ops import OPS, Op, evaluate
from functad.kernel_ir.sizes import Extent, poly

__all__ = ["Builder", "Complex", "Operand"]

Operand = Value | Complex | bool | int | float | complex | np.generic

BOOL = np.dtype(np.bool_)
INT64 = np.dtype(np.int64)

_BOOLEAN = {"add": "bit_or", "mul": "bit_and", "maximum": "bit_or", "minimum": "bit_and", "fmod": None, "abs": None}


class Builder:
    """The instructions of one kernel, in order."""

    def __init__(self) -> None:
        self.body: list[Instr] = []
        self._known: dict[Any, Value] = {}
        self._constants: dict[Value, Any] = {}
        self._loads: dict[Buffer, list[Any]] = {}
        self.negated: dict[Value, Value] = {}
        self.widened: dict[Value, Value] = {}
        self.selected: dict[Value, tuple[Value, Value, Value]] = {}

    if TYPE_CHECKING:  # the methods named after operations are added from the table, below

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    # ---- values that are not computed from values

    def const(self, value: Any, dtype: np.dtype | type) -> Any:
        """A small fixed constant; ``Complex`` if ``dtype`` is complex."""
        dtype = np.dtype(dtype)
        if dtype.kind == "c":
            number = complex(value)
            part = np.dtype(f"f{dtype.itemsize // 2}")
            return Complex(self.const(number.real, part), self.const(number.imag, part))
        scalar = _exact(value, dtype)
        key = (dtype, scalar.tobytes())
        out = self._known.get(key)
        if out is None:
            out = self._known[key] = Value(dtype)
            self._constants[out] = scalar
            self.body.append(Const(out, scalar.item()))
        return out

    def size(self, size: Extent) -> Value:
        """A run-time size as an int64 Value."""
        size = poly(size)
        if size.constant is not None:
            return self.const(size.constant, INT64)  # type: ignore[no-any-return]
        return self._once(("size", size), INT64, lambda out: SizeValue(out, size))

    def axis(self, index: Affine) -> Value:
        """An index expression as an int64 Value."""
        total: Any = self.size(index.offset) if index.offset.terms or not index.terms else None
        for atom, scale in index.terms:
            term = self._atom(atom)
            term = term if scale == 1 else self.mul(term, self.size(scale))
            total = term if total is None else self.add(total, term)
        return total  # type: ignore[no-any-return]

    def _atom(self, atom: int | Value) -> Value:
        if isinstance(atom, Value):
            return atom
        return self._once(("axis", atom), INT64, lambda out: AxisIndex(out, atom))

    def _once(self, key: Any, dtype: np.dtype, make: Callable[[Value], Instr]) -> Value:
        out = self._known.get(key)
        if out is None:
            out = self._known[key] = Value(dtype)
            self.body.append(make(out))
        return out

    # ---- computing

    def compute(self, name: str, *args: Operand) -> Any:
        """The operation ``name``; this is what the methods named after operations call."""
        for arg in args:
            if type(arg) is Complex or isinstance(arg, complex | np.complexfloating):
                return self._complex(name, args)
        op = OPS[name]
        values = self._values(op, args)
        dtype = values[-1].dtype
        if dtype.kind == "b" and name in _BOOLEAN:
            replacement = _BOOLEAN[name]
            return values[0] if replacement is None else self.compute(replacement, *values)
        if dtype.kind not in op.kinds:
            if dtype.kind in "biu" and name in _INTEGER:
                return _INTEGER[name](self, values[0])
            raise TypeError(f"{name} takes operands of kind {' or '.join(op.kinds)}, not {dtype_name(dtype)}")
        folded = self._fold(name, values)
        if folded is not None:
            return folded
        return self.emit(name, values, BOOL if op.result == "bool" else dtype)

    def cast(self, x: Operand, dtype: np.dtype | type) -> Any:
        """``x`` in another dtype, as NumPy's ``astype``; a complex value loses its imaginary part, a real one gains
        0.
        """
        dtype = np.dtype(dtype)
        if dtype.kind == "c":
            part = np.dtype(f"f{dtype.itemsize // 2}")
            return Complex(self.cast(self.real(x), part), self.cast(self.imag(x), part))
        if isinstance(x, Complex):
            if dtype.kind == "b":
                return self.ne(x, 0)
            x = x.re
        if not isinstance(x, Value):
            return self.const(x, dtype)
        if x.dtype == dtype:
            return x
        if dtype.kind == "b":
            return self.ne(x, 0)
        if x in self._constants:
            return self.const(evaluate("cast", (self._constants[x],), dtype), dtype)
        narrow = self.widened.get(x)
        if narrow is not None and narrow.dtype == dtype:
            return narrow  # there and back
        out = self.emit("cast", (x,), dtype)
        if x.dtype.kind == dtype.kind == "f" and x.dtype.itemsize < dtype.itemsize:
            self.widened[out] = x
        return out

    def _complex(self, name: str, args: tuple[Operand, ...]) -> Any:
        if name not in COMPLEX:
            raise TypeError(f"{name} is not defined for complex operands")
        return COMPLEX[name](self, *(_parts(self, arg, args) for arg in args))

    def _values(self, op: Op, args: tuple[Operand, ...]) -> tuple[Value, ...]:
        """The operands as Values of one dtype (``select``: the last two)."""
        if len(args) != op.arity:
            raise TypeError(f"{op.name} takes {op.arity} operands, not {len(args)}")
        if op.name == "select":
            predicate = args[0] if isinstance(args[0], Value) else self.const(args[0], BOOL)
            if predicate.dtype != BOOL:
                raise TypeError(f"select takes a bool first, not {dtype_name(predicate.dtype)}")
            return (predicate, *self._same(op, args[1:]))
        return self._same(op, args)

    def _same(self, op: Op, args: Sequence[Operand]) -> tuple[Value, ...]:
        dtype = next((arg.dtype for arg in args if isinstance(arg, Value)), None)
        if dtype is None:
            raise TypeError(f"{op.name} of Python numbers only: make one a Value with const(value, dtype)")
        values = tuple([arg if isinstance(arg, Value) else self.const(arg, dtype) for arg in args])
        for value in values:
            if value.dtype != dtype:
                raise TypeError(
                    f"{op.name} takes operands of one dtype, not {' and '.join(dtype_name(v.dtype) for v in values)}"
                )
        return values

    def emit(self, name: str, values: tuple[Value, ...], dtype: np.dtype) -> Value:
        """The operation without folding; computed once."""
        key = (name, dtype, *values)
        out = self._known.get(key)
        if out is None:
            out = self._known[key] = Value(dtype)
            self.body.append(Compute(out, name, values))
        return out

    def _fold(self, name: str, values: tuple[Value, ...]) -> Value | None:
        """A value that needs no new operation, where one is known; every rule here is exact for NaN, inf and -0 too."""
        constants = self._constants
        last = values[-1]
        if last in constants and all(v in constants for v in values):
            dtype = BOOL if OPS[name].result == "bool" else last.dtype
            return self.const(evaluate(name, tuple(constants[v] for v in values), dtype), dtype)  # type: ignore[no-any-return]
        rule = FOLD.get(name)
        return None if rule is None else rule(self, *values)

    def constant(self, x: Any) -> Any:
        """The number that a Value is known to be, or None."""
        return self._constants.get(x) if isinstance(x, Value) else None

    # ---- complex pairs

    def complex(self, re: Value, im: Value) -> Complex:
        """The complex value of two real ones."""
        return Complex(re, im)

    def real(self, x: Operand) -> Any:
        """The real part."""
        return x.re if isinstance(x, Complex) else x

    def imag(self, x: Operand) -> Any:
        """The imaginary part."""
        return x.im if isinstance(x, Complex) else self.const(0, x.dtype if isinstance(x, Value) else np.float64)

    def conj(self, x: Operand) -> Any:
        """The complex conjugate."""
        return Complex(x.re, self.neg(x.im)) if isinstance(x, Complex) else x

    def square(self, x: Operand) -> Any:
        """``x*x``."""
        return self.mul(x, x)

    def reciprocal(self, x: Operand) -> Any:
        """``1/x``."""
        return COMPLEX["reciprocal"](self, x) if isinstance(x, Complex) else self.div(1, x)

    # ---- memory

    def load(self, buffer: Buffer, index: Index, mask: Value | None = None, fill: Any = 0) -> Value:
        """``buffer[index]``, or ``fill`` where ``mask`` is false."""
        if mask is not None and mask in self._constants:
            if not self._constants[mask]:
                return self.const(fill, buffer.dtype)  # type: ignore[no-any-return]
            mask = None
        fill = 0 if mask is None else fill
        key = ("load", buffer, index, mask, repr(fill))
        out = self._known.get(key)
        if out is None:
            out = self._known[key] = Value(buffer.dtype)
            self._loads.setdefault(buffer.root, []).append(key)
            self.body.append(Load(out, buffer, index, mask, fill))
        return out

    def load_complex(self, buffer: Buffer, index: Index, mask: Value | None = None, fill: Any = 0) -> Complex:
        """A complex element of a buffer of pairs."""
        fill = complex(fill)
        re = self.load(buffer, (*index, Affine(0)), mask, fill.real)
        return Complex(re, self.load(buffer, (*index, Affine(1)), mask, fill.imag))

    def store(self, buffer: Buffer, index: Index, value: Value, mask: Value | None = None) -> None:
        """``buffer[index] = value`` where ``mask`` holds."""
        self._write(buffer, value)
        self.body.append(Store(buffer, index, value, mask))

    def store_complex(self, buffer: Buffer, index: Index, value: Complex, mask: Value | None = None) -> None:
        """A complex element of a buffer of pairs."""
        self.store(buffer, (*index, Affine(0)), value.re, mask)
        self.store(buffer, (*index, Affine(1)), value.im, mask)

    def reduce(self, buffer: Buffer, index: Index, op: str, value: Value) -> None:
        """Accumulates ``value`` over the axes that ``index`` lacks."""
        self._write(buffer, value)
        self.body.append(Reduce(buffer, index, op, value))

    def reduce_complex(self, buffer: Buffer, index: Index, op: str, value: Complex) -> None:
        """A sum of complex values into a buffer of pairs."""
        if op != "sum":
            raise TypeError(f"a complex reduction is a sum, not {op}")
        self.reduce(buffer, (*index, Affine(0)), op, value.re)
        self.reduce(buffer, (*index, Affine(1)), op, value.im)

    def scatter(self, buffer: Buffer, index: Index, op: str, value: Value) -> None:
        """Accumulates ``value`` at a data-dependent index."""
        self._write(buffer, value)
        self.body.append(Scatter(buffer, index, op, value))

    def scatter_complex(self, buffer: Buffer, index: Index, op: str, value: Complex) -> None:
        """``set`` or ``sum`` of complex values into a buffer of pairs."""
        if op not in ("set", "sum"):
            raise TypeError(f"a complex scatter is set or sum, not {op}")
        self.scatter(buffer, (*index, Affine(0)), op, value.re)
        self.scatter(buffer, (*index, Affine(1)), op, value.im)

    def scan(self, op: str, value: Value, reverse: bool = False) -> Value:
        """The accumulation of ``value`` along the innermost axis up to this point."""
        return self._once(("scan", op, value, reverse), value.dtype, lambda out: Scan(out, op, value, reverse))

    def check(self, ok: Value, code: int, value: Value | None = None) -> None:
        """The call fails with error ``code`` where ``ok`` is false; the message may name an int64 ``value``."""
        if not self._constants.get(ok, False):
            self.body.append(Check(ok, code, value))

    def _write(self, buffer: Buffer, value: Value) -> None:
        if value.dtype != buffer.dtype:
            raise TypeError(f"a buffer of {dtype_name(buffer.dtype)} cannot hold {dtype_name(value.dtype)}")
        for key in self._loads.pop(buffer.root, ()):  # what was read may have changed
            del self._known[key]

    def finish(self, axes: Sequence[Extent] = (), name: str = "kernel") -> Kernel:
        """The kernel: everything built so far at every point of ``axes``."""
        return Kernel(tuple(poly(n) for n in axes), tuple(self.body), name)


def _exact(value: Any, dtype: np.dtype) -> Any:
    """A Python number as a scalar of a dtype, refusing what it cannot hold."""
    if dtype.kind in "iu" and not isinstance(value, bool | np.bool_):
        if value != int(value) or not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise TypeError(f"{value!r} is no {dtype_name(dtype)}")
        value = int(value)
    with np.errstate(all="ignore"):
        return np.asarray(value, dtype)[()]


def _parts(b: Builder, arg: Operand, args: tuple[Operand, ...]) -> Value | Complex:
    """An operand of a complex operation: a Value stays real, a Python number takes the dtype of the parts."""
    if isinstance(arg, Value | Complex):
        return arg
    dtype = next((x.re.dtype for x in args if isinstance(x, Complex)), None)
    if dtype is None:
        dtype = next((x.dtype for x in args if isinstance(x, Value) and x.dtype.kind == "f"), np.dtype(np.float64))
    if isinstance(arg, complex | np.complexfloating):
        return Complex(b.const(arg.real, dtype), b.const(arg.imag, dtype))
    return b.const(arg, dtype)  # type: ignore[no-any-return]


_INTEGER: dict[str, Callable[[Builder, Value], Value]] = {
    **{name: lambda b, x: x for name in ("floor", "ceil", "trunc", "rint")},
    **{name: lambda b, x: b.const(False, BOOL) for name in ("isnan", "isinf")},
    "isfinite": lambda b, x: b.const(True, BOOL),
    "signbit": lambda b, x: b.lt(x, 0),
}


def _method(op: Op) -> Callable[..., Any]:
    def method(self: Builder, *args: Operand) -> Any:
        return self.compute(op.name, *args)

    method.__name__ = op.name
    method.__doc__ = f"The operation ``{op.name}``."
    return method


for _op in OPS.values():
    if _op.name != "cast":
        setattr(Builder, _op.name, _method(_op))
