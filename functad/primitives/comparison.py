"""Comparisons and tests of floating-point values: results are bools, derivatives zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.primitives.elementwise import Op, elementwise

__all__ = ["eq", "ge", "gt", "isfinite", "isinf", "isnan", "le", "lt", "ne", "signbit"]


def _test(name: str, evaluate: Any, *, kinds: str = "fciub", operands: int = 1) -> Op:
    return elementwise(
        name, evaluate, kinds=kinds, operands=operands, result=lambda dtype: np.dtype(np.bool_), cheap=True
    )


# complex numbers are ordered as in NumPy: by real part, then by imaginary part
eq = _test("eq", np.equal, operands=2)
ne = _test("ne", np.not_equal, operands=2)
lt = _test("lt", np.less, operands=2)
le = _test("le", np.less_equal, operands=2)
gt = _test("gt", np.greater, operands=2)
ge = _test("ge", np.greater_equal, operands=2)

isnan = _test("isnan", np.isnan)
isinf = _test("isinf", np.isinf)
isfinite = _test("isfinite", np.isfinite)
signbit = _test("signbit", np.signbit, kinds="fiu")
