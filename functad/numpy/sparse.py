"""Products with SciPy's sparse matrices and arrays, of which only the elements that are stored take part.

    y[i] = sum over the elements (i, j, a) of a x[j]

in the order in which they are stored, which is SciPy's. What takes x to y is linear: its derivative is itself, and its
transpose the product with the transposed matrix. The matrix is a constant: what is differentiated is x. A compiled
function reads the elements at each call, as those of any array that it closes over; where they stand belongs to its
code.

SciPy asks to turn a traced operand into an array. To be given one of Python objects means to it that it knows nothing
of such operands: it leaves the operator to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.foreign import is_sparse
from functad.core.trace import current_trace
from functad.core.tracer import Tracer
from functad.errors import ShapeError, StructureError
from functad.numpy.indexing import get_item
from functad.numpy.operands import as_array
from functad.numpy.traced import here
from functad.numpy.ufuncs import multiply
from functad.numpy.updates import at
from functad.primitives.broadcasting import broadcast

__all__ = ["product"]


def product(name: str, x: Any, y: Any) -> Any:
    """``x @ y``, or ``x * y`` with a matrix (``csr_matrix``), of which one is sparse and the other traced."""
    import scipy.sparse

    matrix = x if is_sparse(type(x)) else y
    if name != "matmul" and (name != "mul" or isinstance(matrix, scipy.sparse.sparray) or not (x.shape and y.shape)):
        traced = y if matrix is x else x
        instead = (
            "multiply what the matrix gives, c * (matrix @ v)" if not traced.shape else "write it with matrix.toarray()"
        )
        raise StructureError(
            f"an operator other than @ of a traced {traced._variable.type} and a sparse {type(matrix).__name__}"
            f"{here()}: expected a product of matrices; {instead}, or matrix.data, the elements that are stored"
        )
    _watched(matrix)
    return _applied(matrix, y) if matrix is x else _applied(matrix.T, x.T).T


def _watched(matrix: Any) -> None:
    """Note what a Program depends on that has the places of a matrix's elements in it."""
    trace = current_trace()
    if trace is None or trace.outside is None:
        return
    if matrix.format in ("lil", "dok"):
        raise StructureError(
            f"a product with a sparse {type(matrix).__name__}{here()}, whose elements are Python's: they may change "
            f"unseen between calls; write matrix.tocsr() outside of the function under {trace.kind}"
        )
    for held in vars(matrix).values():
        for array in held if isinstance(held, tuple) else (held,):
            if isinstance(array, np.ndarray) and array is not matrix.data:
                trace.outside.depends_on(array)


def _applied(matrix: Any, x: Tracer) -> Any:
    """``matrix @ x``."""
    if matrix.ndim != 2:
        raise StructureError(
            f"a product of a sparse array of shape {matrix.shape} and a traced {x._variable.type}{here()}: expected a "
            "matrix; write it with matrix.toarray()"
        )
    m, n = matrix.shape
    if len(x.shape) not in (1, 2) or x.shape[0] != n:
        raise ShapeError(
            f"a product of a sparse matrix of shape {matrix.shape} and a traced {x._variable.type}{here()}: expected "
            f"{n} elements, or {n} rows, for the {n} columns of the matrix"
        )
    entries = matrix.tocoo(copy=False)
    elements = as_array(entries.data, "a sparse matrix")
    rows, columns = entries.row.astype(np.int64), entries.col.astype(np.int64)
    if len(x.shape) == 2:
        elements = get_item(elements, (slice(None), None))
    terms = multiply(elements, get_item(x, columns))
    return at(broadcast(terms.dtype.type(0), (m, *x.shape[1:]), ()))[rows].add(terms)
