"""NumPy's promotion (NEP 50): the dtype that an operation computes in, asked of NumPy itself and remembered.

An operand takes part with its dtype; a Python number, traced or not, only with its Python type: it is weak, and adapts
to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functad.caches import on_clearing, remember
from functad.core.tracer import Tracer
from functad.errors import DtypeError
from functad.numpy.traced import here

__all__ = ["PYTHON_NUMBERS", "loop_dtype", "python_type", "result_dtype", "strength"]

PYTHON_NUMBERS = frozenset({int, float, complex})
"""The weak types; a Python bool is no weaker than ``np.bool_``."""

_WEAK: dict[str, Any] = {"f": float, "i": int, "c": complex, "b": np.dtype(np.bool_)}
_ZERO: dict[Any, Any] = {int: 0, float: 0.0, complex: 0j}
_loops: dict[Any, np.dtype] = {}
_results: dict[Any, np.dtype] = {}
on_clearing(_loops.clear)
on_clearing(_results.clear)


def python_type(x: Tracer) -> Any:
    """How a traced Python number takes part in promotion."""
    return _WEAK[x._variable.type.dtype.kind]


def strength(x: Any) -> Any:
    """What promotion sees of an operand: its dtype, or the type of a Python number."""
    cls = type(x)
    if cls is Tracer:
        return x._variable.type.dtype if x._kind else python_type(x)
    return cls if cls in PYTHON_NUMBERS else x.dtype


def loop_dtype(ufunc: np.ufunc, operands: Sequence[Any]) -> np.dtype:
    """The dtype that a ufunc converts its operands to before it computes."""
    key = (ufunc, *[strength(x) for x in operands])
    found = _loops.get(key)
    if found is None:
        found = remember(_loops, key, _resolve(ufunc, key[1:]), times=4)
    return found


def _resolve(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> np.dtype:
    if PYTHON_NUMBERS.issuperset(kinds):
        kinds = tuple([np.dtype(k) for k in kinds])
    try:
        dtypes = ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))
    except TypeError as e:
        names = ", ".join(k.__name__ if k in PYTHON_NUMBERS else str(k) for k in kinds)
        raise DtypeError(f"np.{ufunc.__name__}{here()} does not take operands of dtype {names}: {e}") from None
    first, out = dtypes[0], dtypes[-1]
    # NumPy divides small integers in a loop of its own from integers to float64; here the operands become floats first
    return out if first.kind in "iub" and out.kind in "fc" else first


def result_dtype(operands: Sequence[Any]) -> np.dtype:
    """``np.result_type`` of operands."""
    key = tuple([strength(x) for x in operands])
    found = _results.get(key)
    if found is None:
        found = remember(_results, key, np.result_type(*[_ZERO.get(k, k) for k in key]), times=4)
    return found
