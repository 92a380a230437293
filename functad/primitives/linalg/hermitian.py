r"""``eigh``: real eigenvalues w in ascending order and orthonormal eigenvectors v of a Hermitian matrix, ``a v = v w``.

With p = v^H da v,

    dw_i = p_ii,   dv = v (f p element by element),   f_ij = 1 / (w_j - w_i), 0 where i = j

where da is the Hermitian matrix whose triangle (the one that is read) is the tangent's. Where two eigenvalues
coincide up to rounding, v is any basis of their common space and has no derivative. f is 0 there: the basis is held
fixed. What does not depend on the choice of the basis and on how the two eigenvalues part, then has its derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.linalg

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ArgumentError, LinAlgError
from functad.ir.types import ArrayType
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import mul, reciprocal, sub
from functad.primitives.bitwise import bit_or
from functad.primitives.broadcasting import broadcast
from functad.primitives.comparison import eq, le
from functad.primitives.complex import real, real_dtype
from functad.primitives.convert import convert
from functad.primitives.linalg.definite import samples_of_hermitian
from functad.primitives.linalg.matrices import (
    adjoint,
    cast_result,
    check_matrices,
    diagonal,
    double,
    hermitian,
    in_columns,
    in_rows,
    items,
    matmul,
    places,
)
from functad.primitives.reductions import reduce_max
from functad.primitives.rounding import absolute
from functad.primitives.selection import select
from functad.primitives.stops import stop_gradient

__all__ = ["apart", "eigh", "eigvalsh", "times_columns"]

MESSAGE = "the eigenvalues did not converge; are there NaNs or infinities in the matrix?"


def eigh(a: Any, lower: bool = True, driver: str = "evd") -> tuple[Any, Any]:
    """Eigenvalues and eigenvectors; one triangle of a is read. ``driver`` names LAPACK's routine: NumPy takes "evd",
    SciPy "evr", whose vectors may have other signs.
    """
    return eigh_p.bind(a, lower=lower, vectors=True, driver=driver)  # type: ignore[no-any-return]


def eigvalsh(a: Any, lower: bool = True) -> Any:
    """Eigenvalues alone."""
    return eigh_p.bind(a, lower=lower, vectors=False, driver="evd")[0]


def times_columns(x: Any, factors: Any) -> Any:
    """The columns of matrices times real factors."""
    shape = type_of(x).shape
    lead = range(len(shape) - 2)
    return mul(x, broadcast(convert(factors, type_of(x).dtype), shape, (*lead, len(shape) - 1)))


def apart(w: Any, n: int) -> tuple[Any, Any, Any]:
    """What the numbers w are as columns (j) and rows (i) of a square, and where the two are equal up to the rounding
    of a factorisation of n rows.
    """
    *lead, k = type_of(w).shape
    square, axes = (*lead, k, k), range(len(lead))
    of_column, of_row = broadcast(w, square, (*axes, len(lead) + 1)), broadcast(w, square, (*axes, len(lead)))
    if not k:
        return of_column, of_row, eq(of_column, of_row)
    fixed = stop_gradient(w)
    scale = mul(reduce_max(absolute(fixed), (len(lead),)), n * float(np.finfo(w.dtype).eps))
    distance = absolute(sub(stop_gradient(of_column), stop_gradient(of_row)))
    row, column = places(of_column)
    return of_column, of_row, bit_or(eq(row, column), le(distance, broadcast(scale, square, axes)))


def _type_rule(a: ArrayType, *, lower: bool, vectors: bool, driver: str) -> tuple[ArrayType, ...]:
    check_matrices("eigh", a, square=True)
    if driver not in ("evd", "evr"):
        raise ArgumentError(f"eigh has the drivers evd and evr, not {driver!r}")
    w = a.with_dtype(real_dtype(a.dtype)).with_shape(a.shape[:-1])
    return (w, a) if vectors else (w,)


def _evaluate(a: Any, *, lower: bool, vectors: bool, driver: str) -> tuple[Any, ...]:
    triangle: Any = "L" if lower else "U"
    try:
        if not vectors:
            return (np.linalg.eigvalsh(a, triangle),)
        if driver == "evd":
            return tuple(np.linalg.eigh(a, triangle))
        w, v = np.empty(a.shape[:-1], real_dtype(a.dtype)), np.empty(a.shape, a.dtype)
        for x, values, found in items(a, w, v, cores=(2, 1, 2)):
            values[...], found[...] = by_evr(x.astype(double(x.dtype)), lower)
    except np.linalg.LinAlgError:
        raise LinAlgError(MESSAGE) from None
    return w, v


def by_evr(a: Any, lower: bool) -> Any:
    """SciPy's eigenvalues and eigenvectors of one matrix."""
    if not a.size:
        return np.empty(0), a
    return scipy.linalg.eigh(a, lower=lower, check_finite=False)


def _jvp(
    ts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any], *, lower: bool, vectors: bool, driver: str
) -> tuple[Any, ...]:
    w, v = outs if vectors else eigh(xs[0], lower)
    p = matmul(adjoint(v), matmul(hermitian(ts[0], lower), v))
    found = diagonal(p)
    dw = real(found) if found.dtype.kind == "c" else found
    if not vectors:
        return (dw,)
    of_column, of_row, together = apart(w, type_of(w).shape[-1])
    f = select(together, 0, reciprocal(select(together, 1, sub(of_column, of_row))))
    return dw, matmul(v, mul(convert(f, p.dtype), p))


@family
def syevd(dtype: np.dtype, lead: int, lower: bool, vectors: bool) -> NativeFunction:
    """Eigenvectors in place, in columns."""
    real = real_dtype(dtype)

    def write(call: Call) -> None:
        n = call.length(0, 0)
        job, triangle, size, leading = (
            call.char("V" if vectors else "N"),
            call.char("L" if lower else "U"),
            call.count(n),
            call.leading(n),
        )
        squares = call.times(n, n)
        integers = call.plus(call.times(n, "5"), "3")
        if call.complex:
            # documented: LWORK at least n^2 + 2 n, LRWORK 1 + 5 n + 2 n^2, LIWORK 3 + 5 n
            reals = call.plus(call.plus(call.times(n, "5"), call.times(squares, "2")), "1")
            work = call.plus(call.times(n, "66"), squares)
            after = [
                call.room(work, call.itemsize),
                call.count(work),
                call.room(reals, call.real_size),
                call.count(reals),
            ]
        else:
            # documented: LWORK at least 1 + 6 n + 2 n^2, LIWORK 3 + 5 n
            work = call.plus(call.plus(call.times(n, "66"), call.times(squares, "2")), "1")
            after = [call.room(work, call.itemsize), call.count(work)]
        call.call(
            "heevd" if call.complex else "syevd", job, triangle, size, call.item(0), leading, call.item(1), *after,
            call.room(integers, 4), call.count(integers), call.info,
        )  # fmt: skip

    def evaluate(a: Any, w: Any) -> int:
        try:
            w[...], found = np.linalg.eigh(a.T, "L" if lower else "U")
        except np.linalg.LinAlgError:
            return 1
        a[...] = found.T
        return 0

    operands = updates(dtype, 2), writes(real, 1)
    symbol = f"heevd{'l' if lower else 'u'}{'v' if vectors else 'n'}"
    return lapack_function(symbol, dtype, lead, operands, write, evaluate, ("LinAlgError", MESSAGE))


@family
def syevr(dtype: np.dtype, lead: int, lower: bool) -> NativeFunction:
    """The matrix is lost; eigenvectors in columns."""

    def write(call: Call) -> None:
        n = call.length(0, 0)
        name = "heevr" if call.complex else "syevr"
        first = [call.char("V"), call.char("A"), call.char("L" if lower else "U"), call.count(n)]
        leading, none, zero = call.leading(n), call.anything, call.count("0")
        support, count = call.room(call.times(n, "2"), 4), call.count("0")
        # documented: LIWORK at least 10 n; LWORK 26 n, and for complex matrices 2 n with LRWORK 24 n
        integers, work = call.plus(call.times(n, "10"), "1"), call.plus(call.times(n, "66"), "1")
        after = [call.room(work, call.itemsize), call.count(work)]
        if call.complex:
            reals = call.plus(call.times(n, "24"), "1")
            after += [call.room(reals, call.real_size), call.count(reals)]
        after += [call.room(integers, 4), call.count(integers), call.info]
        call.call(
            name, *first, call.item(0), leading, none, none, zero, zero, none, count, call.item(1), call.item(2),
            leading, support, *after,
        )  # fmt: skip

    def evaluate(a: Any, w: Any, v: Any) -> int:
        try:
            w[...], found = by_evr(a.T, lower)
        except np.linalg.LinAlgError:
            return 1
        v[...] = found.T
        return 0

    operands = updates(dtype, 2), writes(real_dtype(dtype), 1), writes(dtype, 2)
    symbol = f"heevr{'l' if lower else 'u'}"
    return lapack_function(symbol, dtype, lead, operands, write, evaluate, ("LinAlgError", MESSAGE))


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, lower: bool, vectors: bool, driver: str) -> None:
    (a,) = in_types
    dtype = double(a.dtype)
    columns = in_columns(ctx, 0, a, dtype)
    w = ctx.temp(out_types[0].shape, real_dtype(dtype))
    if vectors and driver == "evr":
        found = ctx.temp(a.shape, dtype)
        ctx.call(syevr(dtype, a.ndim - 2, lower), columns, w, found)
    else:
        found = columns
        ctx.call(syevd(dtype, a.ndim - 2, lower, vectors), columns, w)
    cast_result(ctx, w, 0, out_types[0])
    if vectors:
        in_rows(ctx, found, 1, a)


def _samples() -> list[Sample]:
    made = []
    for vectors, driver in ((True, "evd"), (False, "evd"), (True, "evr")):
        params = {"lower": vectors, "vectors": vectors, "driver": driver}
        every = samples_of_hermitian(params, definite=False, smooth=not vectors)
        for sample in every if params["lower"] and driver == "evd" else every[::3]:  # the real, the empty, the complex
            # LAPACK's signs may change from one point to the next: evr's, and those of larger matrices
            steady = driver == "evd" and sample.operands[0].shape[-1] < 10
            made.append(Sample(sample.operands, params, smooth=sample.smooth and (steady or not vectors)))
    return made


eigh_p: Primitive = Primitive(
    "eigh",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    jvp=_jvp,
    batch=lambda size, batched, a, **params: (eigh_p.bind(a, **params), (True,) * (1 + params["vectors"])),
    kernel=Statements(_kernel, static=("lower", "vectors")),
    may_raise=True,
    samples=_samples,
)
