"""The vocabulary of scalar operations: one table, with NumPy's own functions as their meaning.

An operation takes operands of one dtype (except ``select``, whose first operand is a bool, and the shift count) and its
result has that dtype, or is a bool, or, for ``cast``, is what ``out.dtype`` says. Semantics are NumPy's: ``maximum``
and ``minimum`` propagate NaN, integers wrap, integer division by zero gives 0, shifts by the width or more give 0 (or
-1). ``a*b + c`` is rounded twice, ``fma(a, b, c)`` once. An integer to a negative power is 0: rules refuse it before.

The table is closed, but for what primitives declare: functions of libraries (``library_operation``), of which all that
anybody has to know is how they are called, and loops over a short table of numbers (``iteration``), as quadrature and
series are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from functad.errors import InternalError
from functad.kernel_ir.native import NativeFunction

__all__ = [
    "ACCUMULATE", "BUILT_IN", "NUMPY", "OPS", "Iteration", "Op", "evaluate", "identity", "in_blocks", "in_single",
    "iteration", "library_operation",
]  # fmt: skip


Step = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Iteration:
    """A loop over the rows of a table: ``state = step(b, row, state, *operands)``, from ``start(b, *operands)`` on.

    Both are written in operations, ``b.add(x, y)``, on values of float64, and give a tuple of values; the result is the
    last value of the last state.
    """

    table: tuple[tuple[float, ...], ...]
    start: Step
    step: Step

    def __call__(self, *operands: Any) -> Any:
        state = self.start(NUMPY, *operands)
        for row in self.table:
            state = self.step(NUMPY, row, state, *operands)
        return state[-1]


@dataclass(frozen=True, slots=True)
class Op:
    """One scalar operation: ``kinds`` are the dtype kinds it takes, ``result`` is ``same``, ``bool`` or ``given``.

    ``library()`` is, for a function of a library, the native function of float64 that computes it; ``function`` is, for
    a loop over a table, that ``Iteration``.
    """

    name: str
    arity: int
    kinds: str
    result: str
    function: Callable[..., Any]
    library: Callable[[], NativeFunction] | None = None


def in_single(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is not NumPy's, for float16 too: in float32, and rounded once, as NumPy does it."""

    @functools.wraps(function)
    def wide(*args: Any, **params: Any) -> Any:
        if args[0].dtype == np.float16:
            return function(*[x.astype(np.float32) for x in args], **params).astype(np.float16)
        return function(*args, **params)

    return wide


BLOCK = 8192
"""Elements that fit into the cache with some temporaries of as many."""


def in_blocks(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of several of NumPy's, each element by itself: of large arrays block by block, so that what is between
    stays in the cache. Fresh memory costs ten times an operation.
    """

    @functools.wraps(function)
    def blockwise(*args: Any) -> Any:
        x = args[0]
        if x.size <= BLOCK or not all([a.shape == x.shape and a.flags.c_contiguous for a in args]):
            return function(*args)
        out, given = np.empty_like(x), [a.reshape(-1) for a in args]
        flat = out.reshape(-1)
        for k in range(0, x.size, BLOCK):
            flat[k : k + BLOCK] = function(*[a[k : k + BLOCK] for a in given])
        return out

    return blockwise


def _power(x: Any, y: Any) -> Any:
    if np.asarray(y).dtype.kind == "i":
        return np.where(np.less(y, 0), np.zeros_like(x), np.power(x, np.maximum(y, 0)))
    return np.power(x, y)


def _fma(x: Any, y: Any, z: Any) -> Any:
    """``x*y + z`` rounded once, where NumPy's complex product is made of it: the real part of (x - iz)(y + i). Nothing
    else uses it."""
    x, y, z = np.broadcast_arrays(x, y, z)
    dtype = np.result_type(x, np.complex64)
    first, second = np.empty(x.shape, dtype), np.empty(x.shape, dtype)
    first.real, first.imag, second.real, second.imag = x, -z, y, 1
    return (first * second).real


@in_blocks
@in_single
def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))  # never overflows; 1 / (1 + e^-x) = e^x / (1 + e^x)
    return np.where(np.signbit(x), e, np.ones_like(e)) / (1 + e)


@in_blocks
@in_single
def _sigmoid_slope(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    whole = e + 1
    whole *= whole
    e /= whole
    return e


@in_blocks
@in_single
def _tanh_slope(x: Any) -> Any:
    e = np.abs(x)
    e *= -2
    e = np.exp(e)
    whole = e + 1
    whole *= whole
    e /= whole
    e *= 4
    return e


def _unit(x: Any, y: Any) -> tuple[Any, Any]:
    """x / r and y / r with r = hypot(x, y), by the quotient of the smaller by the larger: right where r overflows or is
    subnormal, too.
    """
    steep = np.abs(x) < np.abs(y)
    larger, smaller = np.where(steep, y, x), np.where(steep, x, y)
    origin = (larger == 0) & (smaller == 0)
    quotient = smaller / np.where(origin, 1, np.abs(larger))
    inverse = 1 / np.sqrt(1 + quotient * quotient)
    main, other = np.where(origin, larger, np.copysign(inverse, larger)), quotient * inverse
    return np.where(steep, other, main)[()], np.where(steep, main, other)[()]


def _over_square(part: Any, x: Any, y: Any) -> Any:
    """x or y over x^2 + y^2, and 0 where an operand is infinite."""
    r = np.hypot(x, y)
    vanishes = np.isinf(r) & ~np.isnan(x) & ~np.isnan(y)
    return np.where(vanishes, np.copysign(0, part), _unit(x, y)[part is not x] / r)[()]


def _special(name: str) -> Callable[..., Any]:
    @in_single
    def function(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return function


@in_blocks
@in_single
def _lgamma(x: Any) -> Any:
    """SciPy's, but for subnormal numbers, where that overflows and is -log |x|, and for -inf, where that has the wrong
    sign.
    """
    size = np.abs(x)
    return np.select([size < np.finfo(size.dtype).tiny, np.isneginf(x)], [-np.log(size), size], _special("gammaln")(x))


def _table() -> dict[str, Op]:
    table: dict[str, Op] = {}

    def add(names: str, arity: int, kinds: str, result: str = "same", **functions: Callable[..., Any]) -> None:
        for name in names.split():
            table[name] = Op(name, arity, kinds, result, functions.get(name) or getattr(np, name))

    add("add sub mul", 2, "iuf", sub=np.subtract, mul=np.multiply)
    add("maximum minimum", 2, "iuf")
    add("floor_divide remainder fmod", 2, "iuf")
    add("power", 2, "iuf", power=_power)
    add("div copysign arctan2 hypot logaddexp nextafter", 2, "f", div=np.divide)
    add("fma", 3, "f", fma=_fma)
    add("neg abs sign", 1, "iuf", neg=np.negative)
    add("floor ceil trunc rint sqrt cbrt", 1, "f")
    add("exp exp2 expm1 log log2 log10 log1p", 1, "f")
    add("sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh", 1, "f")
    add(
        "expm1_slope sigmoid_slope tanh_slope",
        1,
        "f",
        expm1_slope=np.exp,
        sigmoid_slope=_sigmoid_slope,
        tanh_slope=_tanh_slope,
    )
    add("tanh_half", 1, "f", tanh_half=in_single(lambda x: np.tanh(x * 0.5)))
    add(
        "unit_x unit_y",
        2,
        "f",
        unit_x=in_blocks(in_single(lambda x, y: _unit(x, y)[0])),
        unit_y=in_blocks(in_single(lambda x, y: _unit(x, y)[1])),
    )
    add("x_over_square", 2, "f", x_over_square=in_blocks(in_single(lambda x, y: _over_square(x, x, y))))
    add("y_over_square", 2, "f", y_over_square=in_blocks(in_single(lambda x, y: _over_square(y, x, y))))
    add("sigmoid softplus", 1, "f", sigmoid=_sigmoid, softplus=lambda x: np.logaddexp(x, np.zeros_like(x)))
    add(
        "erf erfc digamma lgamma",
        1,
        "f",
        erf=_special("erf"),
        erfc=_special("erfc"),
        digamma=_special("digamma"),
        lgamma=_lgamma,
    )
    add("eq ne", 2, "biuf", "bool", eq=np.equal, ne=np.not_equal)
    add("lt le gt ge", 2, "biuf", "bool", lt=np.less, le=np.less_equal, gt=np.greater, ge=np.greater_equal)
    add("isnan isfinite isinf signbit", 1, "f", "bool")
    add("bit_and bit_or bit_xor", 2, "biu", bit_and=np.bitwise_and, bit_or=np.bitwise_or, bit_xor=np.bitwise_xor)
    add("bit_not", 1, "biu", bit_not=np.invert)
    add("shift_left shift_right", 2, "iu", shift_left=np.left_shift, shift_right=np.right_shift)
    add("select", 3, "biuf", select=np.where)
    add("cast", 1, "biuf", "given", cast=np.asarray)
    return table


OPS = _table()
"""Every operation by name."""

BUILT_IN = dict(OPS)
"""Those that no primitive has declared."""


NUMPY: Any = SimpleNamespace(
    compute=lambda name, *args: OPS[name].function(*args),
    const=lambda value, dtype: np.dtype(dtype).type(value),
    **{name: op.function for name, op in OPS.items()},
)
"""Stands for a ``Builder`` where a formula written in operations is evaluated: ``f(NUMPY, x)`` in place of ``f(b, x)``.
"""

ACCUMULATE = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum", "any": "bit_or", "all": "bit_and"}
"""The operation that ``Reduce``, ``Scan`` and ``Scatter`` apply, by the name that they use."""


def library_operation(name: str, arity: int, function: Callable[..., Any], native: Callable[[], NativeFunction]) -> str:
    """Declare an operation on float64 that calls a pure function of a library; its name."""
    if name in OPS:
        raise InternalError(f"operation {name!r} is declared twice")
    OPS[name] = Op(name, arity, "f", "same", function, native)
    return name


def iteration(name: str, arity: int, table: tuple[tuple[float, ...], ...], start: Step, step: Step) -> str:
    """Declare an operation on float64 that is a loop over a table, see ``Iteration``; its name. One that has been
    declared stays as it is.
    """
    OPS.setdefault(name, Op(name, arity, "f", "same", Iteration(table, start, step)))
    return name


def evaluate(op: str, args: tuple[Any, ...], dtype: np.dtype) -> Any:
    """The NumPy value of an operation on scalars or arrays."""
    with np.errstate(all="ignore"):
        if op == "cast":
            return np.asarray(args[0]).astype(dtype)[()]
        return np.asarray(OPS[op].function(*args))[()]


def identity(op: str, dtype: np.dtype) -> Any:
    """The neutral element of an accumulation: what a ``Reduce`` starts from."""
    if op in ("sum", "any"):
        return dtype.type(0)
    if op in ("prod", "all"):
        return dtype.type(1)
    if dtype.kind == "f":
        return dtype.type(-np.inf if op == "max" else np.inf)
    info = np.iinfo(dtype)
    return dtype.type(info.min if op == "max" else info.max)
