r"""``banded_solve``: x of ``a x = b`` where a has ``below`` diagonals under the main one and ``above`` over it.

The diagonals are the rows of ``bands``, element (i, j) of a in ``bands[above + i - j, j]``, as LAPACK and SciPy have
them.

    dx = a^-1 (db - da x),   and a^T has the same diagonals in the opposite order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg.lapack import get_lapack_funcs

from functad.core.primitive import Linear, Primitive, Sample, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, LinAlgError, ShapeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.lapack import Call, lapack_function
from functad.kernel_ir.native import NativeFunction, family, updates
from functad.kernel_ir.rules import Statements
from functad.primitives.arithmetic import mul, neg
from functad.primitives.broadcasting import broadcast, lead_axes
from functad.primitives.joining import concatenate
from functad.primitives.linalg.matrices import check_matrices, in_rows, items
from functad.primitives.linalg.triangular import as_columns
from functad.primitives.shapes import reshape
from functad.primitives.slicing import pad, slice_

__all__ = ["banded_solve"]

SINGULAR = "the banded matrix is singular"
INDEFINITE = "the banded matrix is not positive definite"


def banded_solve(bands: Any, b: Any, *, below: int, above: int, definite: bool = False) -> Any:
    """``a^-1 b``. A ``definite`` matrix is Hermitian and positive definite: of it, the upper diagonals decide the
    value.
    """
    return banded_p.bind(bands, b, below=below, above=above, definite=definite)


def _type_rule(bands: ArrayType, b: ArrayType, *, below: int, above: int, definite: bool) -> ArrayType:
    check_matrices("banded_solve", bands)
    if bands.dtype != b.dtype:
        raise DtypeError(f"banded_solve takes a matrix and right-hand sides of one dtype, got {bands} and {b}")
    rows = below + above + 1
    if bands.ndim != b.ndim or bands.shape[-2] != rows or (*bands.shape[:-2], bands.shape[-1]) != b.shape[:-1]:
        raise ShapeError(f"banded_solve takes {rows} diagonals of a matrix and right-hand sides, got {bands} and {b}")
    return b


def _evaluate(bands: Any, b: Any, *, below: int, above: int, definite: bool) -> Any:
    out = np.array(b, order="C")
    if out.size:
        for a, x in items(bands, out, cores=(2, 2)):
            found, info = _solved(a, x, below, above, definite)
            if info:
                raise LinAlgError(INDEFINITE if definite else SINGULAR)
            x[...] = found
    return out


def _solved(a: Any, b: Any, below: int, above: int, definite: bool) -> tuple[Any, int]:
    if definite:
        (pbsv,) = get_lapack_funcs(("pbsv",), (a,))
        _, x, info = pbsv(a[: above + 1], b, lower=0)
    else:
        (gbsv,) = get_lapack_funcs(("gbsv",), (a,))
        _, _, x, info = gbsv(below, above, np.pad(a, ((below, 0), (0, 0))), b)
    return x, info


# -- derivatives -------------------------------------------------------------------------------------------------------


def _row(bands: Any, row: int, start: int, stop: int) -> Any:
    """Some elements of a diagonal."""
    lead = type_of(bands).shape[:-2]
    part = slice_(bands, (*[0] * len(lead), row, start), (*lead, row + 1, stop))
    return reshape(part, (*lead, stop - start))


def _times(bands: Any, x: Any, below: int, above: int) -> Any:
    """``a x``, diagonal by diagonal."""
    *lead, n, k = type_of(x).shape
    zero, start, total = x.dtype.type(0), [0] * len(lead), None
    for d in range(-below, above + 1):  # elements (j - d, j)
        first, last = max(0, d), min(n, n + d)
        if first >= last:
            continue
        part = slice_(x, (*start, first, 0), (*lead, last, k))
        diagonal = _row(bands, above - d, first, last)
        product = mul(part, broadcast(diagonal, type_of(part).shape, range(len(lead) + 1)))
        widths = [(0, 0, 0)] * len(lead) + [(first - d, n - (last - d), 0), (0, 0, 0)]
        total = add(total, pad(product, zero, widths))
    return total


def _transposed(bands: Any, below: int, above: int) -> Any:
    """The diagonals of the transposed matrix: element (i, j) of it, in row below + i - j, is in row above + j - i of
    a.
    """
    *lead, _, n = type_of(bands).shape
    zero, rows = bands.dtype.type(0), []
    for d in range(below, -above - 1, -1):  # elements (j - d, j) of the transposed matrix, (j, j - d) of a
        first, last = max(0, d), max(0, d, min(n, n + d))
        row = _row(bands, above + d, max(first - d, 0), max(first - d, 0) + last - first) if last > first else None
        rows.append(
            pad(row, zero, [*[(0, 0, 0)] * len(lead), (first, n - last, 0)])
            if row is not None
            else broadcast(zero, (*lead, n), ())
        )
    return concatenate([reshape(row, (*lead, 1, n)) for row in rows], len(lead))


def _jvp(ts: Sequence[Any], xs: Sequence[Any], x: Any, *, below: int, above: int, definite: bool) -> Any:
    (ta, tb), (bands, _) = ts, xs
    if ta is not None:
        change = _times(ta, x, below, above)
        tb = tb if change is None else add(tb, neg(change))
    return None if tb is None else banded_solve(bands, tb, below=below, above=above, definite=definite)


def _transpose(ct: Any, bands: Any, b: Linear, *, below: int, above: int, definite: bool) -> tuple[None, Any]:
    back = _transposed(bands, below, above)
    return None, banded_solve(back, ct, below=above, above=below, definite=definite)


def _batch(size: int, batched: Sequence[bool], bands: Any, b: Any, **params: Any) -> tuple[Any, bool]:
    if not batched[0]:
        side, undo = as_columns(size, b)
        return undo(banded_p.bind(bands, side, **params)), True
    return banded_p.bind(*lead_axes(size, batched, (bands, b)), **params), True


# -- native code -------------------------------------------------------------------------------------------------------


@family
def gbsv(dtype: np.dtype, lead: int, below: int, above: int, definite: bool) -> NativeFunction:
    """Of diagonals in columns, with room for ``below`` more of them in front; or of a definite matrix' upper ones."""

    def write(call: Call) -> None:
        n, rows, k = call.length(0, 0), call.length(0, 1), call.length(1, 0)
        after = [call.item(0), call.count(rows)]
        right = [call.item(1), call.leading(n), call.info]
        if definite:
            call.call("pbsv", call.char("U"), call.count(n), call.count(str(above)), call.count(k), *after, *right)
        else:
            sizes = [call.count(n), call.count(str(below)), call.count(str(above)), call.count(k)]
            call.call("gbsv", *sizes, *after, call.room(n, 4), *right)

    def evaluate(a: Any, b: Any) -> int:
        if not b.size:
            return 0
        x, info = _solved(a.T[0 if definite else below :], b.T, below, above, definite)
        b[...] = x.T
        return int(info)

    error = ("LinAlgError", INDEFINITE if definite else SINGULAR)
    name = f"pbsv_{above}" if definite else f"gbsv_{below}_{above}"
    return lapack_function(name, dtype, lead, (updates(dtype, 2), updates(dtype, 2)), write, evaluate, error)


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, below: int, above: int, definite: bool) -> None:
    bands, (out,) = in_types[0], out_types
    *lead, _, n = bands.shape
    before, rows = (0, above + 1) if definite else (below, below + above + 1)
    columns = ctx.temp((*lead, n, before + rows), bands.dtype)
    right = ctx.temp((*lead, out.shape[-1], n), out.dtype)
    read_bands, read_right = ctx.read(0), ctx.read(1)

    def clear(b: Any, index: Any) -> None:
        b.store(columns, index, b.const(0, bands.dtype))

    def turn(b: Any, index: Any) -> None:
        b.store(columns, (*index[:-2], index[-1], index[-2] + before), read_bands(index))

    def turn_right(b: Any, index: Any) -> None:
        b.store(right, (*index[:-2], index[-1], index[-2]), read_right(index))

    if before:
        ctx.kernel((*lead, n, before), clear, "room")
    ctx.kernel((*lead, rows, n), turn, "diagonals")
    ctx.kernel(out.shape, turn_right, "right-hand sides")
    ctx.call(gbsv(out.dtype, len(lead), below, above, definite), columns, right)
    in_rows(ctx, right, 0, out)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(4)
    made = []
    cases = [((), 5, 1, 1, 2, "d"), ((2,), 4, 2, 0, 1, "d"), ((), 4, 0, 2, 1, "D"), ((), 3, 1, 2, 2, "f")]
    cases += [((), 1, 1, 1, 1, "d"), ((), 0, 1, 1, 1, "d"), ((), 20, 1, 2, 3, "d")]
    for lead, n, below, above, k, letter in cases:
        a: Any = rng.uniform(-0.3, 0.3, (*lead, below + above + 1, n))
        a = a + (1j * rng.uniform(-0.3, 0.3, a.shape) if letter in "DF" else 0)
        a[..., above, :] += 2
        params = {"below": below, "above": above, "definite": False}
        made.append(Sample((a.astype(letter), array_type((*lead, n, k), np.dtype(letter))), params))
    for letter in "dD":
        a = np.array([[0.0, 0.3, 0.2], [2.0, 2.5, 3.0], [0.3, 0.2, 0.0]]).astype(letter)
        params = {"below": 1, "above": 1, "definite": True}
        made.append(Sample((a, array_type((3, 2), np.dtype(letter))), params, smooth=False))
    return made


banded_p: Primitive = Primitive(
    "banded_solve",
    type_rule=_type_rule,
    evaluate=_evaluate,
    jvp=_jvp,
    linear=(1,),
    transpose=_transpose,
    batch=_batch,
    kernel=Statements(_kernel, static=("below", "above", "definite")),
    may_raise=True,
    samples=_samples,
)
