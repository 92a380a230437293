"""Lambert's W, the inverse of w e^w, and Wright's omega."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp
import scipy.special._ufuncs

from functad.errors import ArgumentError
from functad.numpy.dispatch import implements, register
from functad.numpy.indexing import where
from functad.numpy.operands import as_array, cast
from functad.numpy.traced import here, is_traced
from functad.primitives.scipy_special import lambert
from functad.scipy.special.declaring import plain, real

__all__ = ["lambertw", "wrightomega"]

wrightomega = real(sp.wrightomega, lambert.wrightomega, lambert.complex_wrightomega)


@implements(sp.lambertw)
def lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """``scipy.special.lambertw``: complex numbers w with w exp(w) = z, on the branches ``k``, plain integers."""
    branches = None if is_traced((k,)) else np.asarray(k)
    if branches is None or branches.dtype.kind not in "iu":
        raise ArgumentError(
            f"scipy.special.lambertw{here()}: the branches must be plain integers, got {type(k).__name__}; for a "
            "branch that is traced, choose among several by np.where"
        )
    tolerance = float(plain("lambertw", "tol", tol, float))
    x = as_array(z, "lambertw")
    x = cast(x, np.dtype(np.complex128))
    first, *others = np.unique(branches).tolist() or [0]
    value = lambert.lambertw(x, first, tolerance)
    if branches.ndim:
        value = where(branches == first, value, 0)
    for branch in others:
        value = where(branches == branch, lambert.lambertw(x, branch, tolerance), value)
    return value


# where SciPy's own function has been called as it stands
register(scipy.special._ufuncs._lambertw, lambertw)
