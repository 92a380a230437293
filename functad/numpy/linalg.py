"""``numpy.linalg`` for traced values: what factors matrices is imported when it is first used; every other name is
NumPy's own.
"""

from typing import Any as _Any

import numpy as _np

from functad.numpy.contractions import linalg_cross as cross
from functad.numpy.contractions import linalg_matmul as matmul
from functad.numpy.contractions import linalg_vecdot as vecdot
from functad.numpy.contractions import outer as outer
from functad.numpy.contractions import tensordot as tensordot
from functad.numpy.diagonals import linalg_diagonal as diagonal
from functad.numpy.diagonals import linalg_trace as trace
from functad.numpy.shapes import matrix_transpose as matrix_transpose
from functad.numpy.statistics import linalg_norm as norm
from functad.numpy.statistics import matrix_norm as matrix_norm
from functad.numpy.statistics import vector_norm as vector_norm

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def __getattr__(name: str) -> _Any:
    plain = getattr(_np.linalg, name)
    if name.startswith("_"):
        return plain
    from functad.numpy.linear import FUNCTIONS

    return FUNCTIONS.get(name, plain)


def __dir__() -> list[str]:
    return sorted({*globals(), *_np.linalg.__all__})
