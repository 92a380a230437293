"""Magnitude and sign, rounding, and division with remainder."""

from __future__ import annotations

from typing import Any

import numpy as np

from functad.core.primitive import type_of
from functad.kernel_ir.rules import Pointwise
from functad.primitives.arithmetic import div, mul, neg, sub
from functad.primitives.comparison import eq
from functad.primitives.complex import conj, imag, make_complex, real, real_dtype
from functad.primitives.elementwise import Op, elementwise
from functad.primitives.selection import select

__all__ = ["absolute", "ceil", "copysign", "floor", "floor_divide", "fmod", "remainder", "rint", "sign", "trunc"]

# -- magnitude and sign ------------------------------------------------------------------------------------------------


# d|z| = Re(conj(s) dz) with s = sign z = z / |z|, which is 0 at 0
def _absolute_jvp(t: Any, y: Any, x: Any) -> Any:
    s = sign(x)
    return real(mul(t, conj(s))) if type_of(x).dtype.kind == "c" else mul(t, s)


# a complex sign turns as z goes round 0: ds = i s Im(conj(s) dz) / |z|, and 0 at 0; a real one is piecewise constant
def _sign_jvp(t: Any, s: Any, x: Any) -> Any:
    if type_of(x).dtype.kind != "c":
        return None
    size = absolute(x)
    angle = div(imag(mul(t, conj(s))), select(eq(size, 0), 1, size))
    return mul(make_complex(0, angle), s)


absolute = elementwise("absolute", np.absolute, kinds="fciub", kernel="abs", result=real_dtype, jvp=_absolute_jvp)

sign = elementwise("sign", np.sign, kinds="fciu", jvp=_sign_jvp, doc="-1, 0 or 1; z / |z| of a complex z.")

# copysign(x, y) = |x| sign y, where the sign of a zero y is that of the zero
copysign: Op = elementwise(
    "copysign", np.copysign, kinds="f", operands=2,
    jvp=(lambda t, z, x, y: mul(t, mul(sign(x), copysign(1, y))), None),
    doc="The magnitude of x with the sign of y.",
)  # fmt: skip

# -- rounding: piecewise constant --------------------------------------------------------------------------------------

floor = elementwise("floor", np.floor, kinds="fiub")
ceil = elementwise("ceil", np.ceil, kinds="fiub")
trunc = elementwise("trunc", np.trunc, kinds="fiub")
rint = elementwise("rint", np.rint, kinds="fc")

# -- division with remainder -------------------------------------------------------------------------------------------


def _division(op: str) -> Pointwise:
    return Pointwise(lambda b, x, y: getattr(b, op)(x, y), divisors=(1,))


floor_divide = elementwise(
    "floor_divide", np.floor_divide, kinds="fiu", operands=2, low=0.5, singular=(1,), kernel=_division("floor_divide"),
    doc="The quotient, rounded down.",
)  # fmt: skip

# x mod y = x - q y with q = floor(x / y) constant between the jumps
remainder = elementwise(
    "remainder", np.remainder, kinds="fiu", operands=2, low=0.5, singular=(1,), kernel=_division("remainder"),
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(mul(t, floor_divide(x, y)))),
    doc="The remainder with the sign of the divisor.",
)  # fmt: skip

# the same with q = trunc(x / y), found as (x - z) / y, which is whole: x / y may round up to the next whole number
fmod = elementwise(
    "fmod", np.fmod, kinds="fiu", operands=2, low=0.5, singular=(1,), kernel=_division("fmod"),
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(mul(t, rint(div(sub(x, z), y))))),
    doc="The remainder with the sign of the dividend.",
)  # fmt: skip
