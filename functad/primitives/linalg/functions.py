r"""Functions of matrices: exponential, logarithm, square root, circular and hyperbolic functions, as SciPy has them.

The derivative of f at a along e (Frechet's) is a block of f at a matrix of twice the size,

    f([a e]) = [f(a) L(a, e)]
      [0 a]    [0    f(a)   ]

and that of L in a direction (da, de) is L of these matrices, by the same rule. L is linear in e, and its transpose is
L(a^T, .). Where eigenvalues coincide, nothing is divided by their difference.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from functad.core.primitive import Primitive, Sample, type_of
from functad.core.zeros import add, zeros
from functad.errors import LinAlgError, ShapeError
from functad.ir.types import ArrayType
from functad.kernel_ir.native import NativeFunction, Operand, family, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.broadcasting import lead_axes
from functad.primitives.joining import concatenate
from functad.primitives.linalg.matrices import check_matrices, items, turned
from functad.primitives.slicing import slice_

__all__ = ["NAMES", "frechet", "matrix_function", "by_python"]

NAMES = ("expm", "logm", "sqrtm", "cosm", "sinm", "tanm", "coshm", "sinhm", "tanhm")


def matrix_function(a: Any, name: str) -> Any:
    """The function of SciPy's of this name, of square matrices, in their dtype."""
    return function_p.bind(a, name=name)


def frechet(a: Any, e: Any, name: str) -> Any:
    """The derivative of a function at a along e."""
    return frechet_p.bind(a, e, name=name)


def _of_one(a: Any, name: str) -> Any:
    if not a.size:
        return a
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # logm estimates its own error, and finds it large
            y = np.asarray(getattr(scipy.linalg, name)(a))
    except (np.linalg.LinAlgError, ValueError) as error:
        raise LinAlgError(f"{name}: {error}") from None
    if y.dtype.kind == "c" and a.dtype.kind != "c":
        if np.any(y.imag):
            raise LinAlgError(f"{name} of this matrix is not real: convert it with .astype(complex)")
        y = y.real
    return y


def _type_rule(a: ArrayType, *, name: str) -> ArrayType:
    check_matrices(name, a, square=True)
    return a


def _evaluate(a: Any, *, name: str) -> Any:
    out = np.empty_like(a)
    for x, y in items(a, out, cores=(2, 2)):
        y[...] = _of_one(x, name)
    return out


def _frechet_evaluate(a: Any, e: Any, *, name: str) -> Any:
    out, n = np.empty_like(a), a.shape[-1]
    for x, t, y in items(a, e, out, cores=(2, 2, 2)):
        y[...] = _of_one(np.block([[x, t], [np.zeros_like(x), x]]), name)[:n, n:]
    return out


def _frechet_jvp(ts: Sequence[Any], xs: Sequence[Any], y: Any, *, name: str) -> Any:
    (ta, te), (a, e) = ts, xs
    along = None if te is None else frechet(a, te, name)
    if ta is None:
        return along
    *lead, n, _ = type_of(a).shape
    both = frechet(_block(a, e), _block(ta, zeros(type_of(ta))), name)
    start = [0] * len(lead)
    return add(slice_(both, (*start, 0, n), (*lead, n, 2 * n)), along)


def _block(a: Any, e: Any) -> Any:
    axis = type_of(a).ndim - 1
    upper = concatenate([a, e], axis)
    lower = concatenate([zeros(type_of(a)), a], axis)
    return concatenate([upper, lower], axis - 1)


def _frechet_type(a: ArrayType, e: ArrayType, *, name: str) -> ArrayType:
    check_matrices(f"frechet of {name}", a, square=True)
    if a is not e:
        raise ShapeError(f"the derivative of {name} takes a matrix and a direction of one type, got {a} and {e}")
    return a


def _frechet_batch(size: int, batched: Sequence[bool], a: Any, e: Any, *, name: str) -> tuple[Any, bool]:
    return frechet_p.bind(*lead_axes(size, batched, (a, e)), name=name), True


# -- in native code: calls of Python -----------------------------------------------------------------------------------


def operands_of(dtype: np.dtype, *ranks: int) -> tuple[Operand, ...]:
    """Arrays of a dtype that are read, and last one that is written."""
    return (*[reads(dtype, rank) for rank in ranks[:-1]], writes(dtype, ranks[-1]))


@family
def calling(primitive: Primitive, dtype: np.dtype, ranks: tuple[int, ...], *params: tuple[str, Any]) -> NativeFunction:
    """A call back into Python of what evaluates a primitive of one result."""

    def evaluate(*arrays: Any) -> None:
        arrays[-1][...] = primitive.evaluate(*arrays[:-1], **dict(params))

    words = [str(value) for _, value in params]
    symbol = "_".join(["functad", primitive.name, *words, dtype.char, *map(str, ranks)]).replace("-", "m")
    return NativeFunction(symbol, None, operands_of(dtype, *ranks), evaluate)


def by_python(
    ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], primitive: Primitive, **params: Any
) -> None:
    """The native form of a primitive of one result that has no native code."""
    ranks = tuple([t.ndim for t in (*in_types, *out_types)])
    function = calling(primitive, out_types[0].dtype, ranks, *params.items())
    ctx.call(function, *[ctx.input(k) for k in range(len(in_types))], ctx.output())


def _samples(operands: int) -> list[Sample]:
    rng = np.random.default_rng(2)
    made = []
    cases: list[tuple[str, tuple[int, ...], str]] = [
        ("expm", (3, 3), "d"),
        ("expm", (2, 2, 2), "D"),
        ("expm", (0, 0), "d"),
        ("expm", (1, 1), "f"),
    ]
    cases += [("sqrtm", (3, 3), "d"), ("sinm", (2, 2), "d"), ("logm", (2, 2), "d")]
    for name, shape, letter in cases:
        values: list[Any] = []
        for _ in range(operands):
            a: Any = rng.uniform(-0.3, 0.3, shape) + (1j * rng.uniform(-0.3, 0.3, shape) if letter == "D" else 0)
            values.append((a + (0 if values else 1) * np.eye(shape[-1])).astype(letter))
        made.append(Sample(tuple(values), {"name": name}))
    return made


function_p: Primitive = Primitive(
    "matrix_function",
    type_rule=_type_rule,
    evaluate=_evaluate,
    jvp=lambda ts, xs, y, *, name: frechet(xs[0], ts[0], name),
    batch=lambda size, batched, a, *, name: (matrix_function(a, name), True),
    kernel=Statements(lambda ctx, ins, outs, **params: by_python(ctx, ins, outs, function_p, **params)),
    may_raise=True,
    samples=lambda: _samples(1),
)

frechet_p: Primitive = Primitive(
    "frechet",
    type_rule=_frechet_type,
    evaluate=_frechet_evaluate,
    jvp=_frechet_jvp,
    linear=(1,),
    transpose=lambda ct, a, e, *, name: (None, frechet(turned(a), ct, name)),
    batch=_frechet_batch,
    kernel=Statements(lambda ctx, ins, outs, **params: by_python(ctx, ins, outs, frechet_p, **params)),
    may_raise=True,
    samples=lambda: _samples(2),
)
