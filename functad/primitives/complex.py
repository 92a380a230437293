"""Complex numbers and their parts.

A cotangent c of a complex z stands for the linear map dz -> Re(c dz): for real-valued f it is du/dx - i du/dy, and
pullbacks do not conjugate. With z = x + iy, Re(c dz) = Re(c) dx - Im(c) dy, from which the transposes of the
real-linear maps below follow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.errors import DtypeError
from functad.primitives.arithmetic import is_linear, neg
from functad.primitives.elementwise import Op, elementwise, unbroadcast

__all__ = ["complex_dtype", "conj", "imag", "joined", "make_complex", "real", "real_dtype"]


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the parts of a complex dtype; any other as it is."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


def complex_dtype(dtype: np.dtype) -> np.dtype:
    """The complex dtype whose parts are of a real dtype; a complex one as it is."""
    if dtype == np.float16:
        raise DtypeError("there are no complex numbers of half precision; convert with .astype(np.float32)")
    return dtype if dtype.kind == "c" else np.dtype(f"c{dtype.itemsize * 2}")


def joined(x: Any, y: Any) -> Any:
    """The complex numbers of these real and imaginary parts, in NumPy."""
    out = np.empty(
        np.broadcast_shapes(x.shape, y.shape), complex_dtype(x.dtype)
    )  # x + 1j * y would lose signed zeros, and inf * 0 is NaN
    out.real, out.imag = x, y
    return out[()]


def _make_complex_transpose(ct: Any, x: Any, y: Any) -> tuple[Any, Any]:
    return (
        unbroadcast(real(ct), x) if is_linear(x) else None,
        unbroadcast(neg(imag(ct)), y) if is_linear(y) else None,
    )


# the parts are copied: np.real gives a view, and results own their memory
real: Op = elementwise(
    "real", lambda z: z.real.copy(), kinds="c", result=real_dtype,
    jvp=lambda t, x, z: real(t),
    linear="jointly", transpose=lambda ct, z: (make_complex(ct, 0),),
)  # fmt: skip

imag: Op = elementwise(
    "imag", lambda z: z.imag.copy(), kinds="c", result=real_dtype,
    jvp=lambda t, y, z: imag(t),
    linear="jointly", transpose=lambda ct, z: (make_complex(0, neg(ct)),),
)  # fmt: skip

conj: Op = elementwise(
    "conj", np.conjugate, kinds="c",
    jvp=lambda t, w, z: conj(t),
    linear="jointly", transpose=lambda ct, z: (conj(ct),),
)  # fmt: skip

make_complex: Op = elementwise(
    "make_complex", joined, kinds="f", operands=2, result=complex_dtype, kernel=lambda b, x, y: b.complex(x, y),
    jvp=(lambda t, z, x, y: make_complex(t, 0), lambda t, z, x, y: make_complex(0, t)),
    linear="jointly", transpose=_make_complex_transpose,
)  # fmt: skip
