"""Functions of ``scipy.special`` of complex numbers: primitives whose values are SciPy's, natively by the loops of its
ufuncs over whole arrays. Orders and parameters are real numbers: the real parts of complex ones.

Their derivatives are holomorphic, and composed of these and of elementary functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special._ufuncs

from functad.core.primitive import Sample
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.scipy_functions import ufunc_arrays
from functad.primitives.complex import make_complex, real
from functad.primitives.elementwise import Op, TangentRule, elementwise
from functad.primitives.scipy_special.library import unknown

__all__ = ["holomorphic"]


def holomorphic(
    name: str,
    slope: Callable[..., Any],
    *,
    parameters: str = "",
    result: int = 0,
    results: int = 1,
    constants: int = 0,
    low: float = 0.3,
    high: float = 1.5,
    as_name: str | None = None,
) -> Op:
    """The primitive that a ufunc of SciPy's is of complex numbers.

    Parameters
    ----------
    slope
        The tangent ``slope(t, y, *parameters, z)`` of the result.
    parameters
        The names of the real parameters before z, separated by spaces; in these no derivative is known.
    result, results
        Which of how many results.
    constants
        How many operands come after z that are params: ``c0`` an integer, ``c1`` the text of a real number.
    """
    ufunc: Any = getattr(scipy.special._ufuncs, name)
    names = parameters.split()
    count = len(names) + 1
    static = tuple([f"c{k}" for k in range(constants)])

    def types_of(dtype: np.dtype) -> str:
        real, own = ("d", "D") if dtype == np.complex128 else ("f", "F")
        return real * len(names) + own + ("l" + real if constants else "") + "->" + own * results

    def evaluate(*xs: Any, **params: Any) -> Any:
        *own, z = xs
        found = ufunc(*[np.real(x) for x in own], z, *[_number(params[c]) for c in static])
        return (found[result] if results > 1 else found).astype(z.dtype, copy=False)

    def kernel(ctx: Any, in_types: Sequence[ArrayType], out_types: Sequence[ArrayType], **params: Any) -> None:
        (out,) = out_types
        ranks = tuple([t.ndim for t in in_types])
        values = tuple([_number(params[c]) for c in static])
        function = ufunc_arrays(name, types_of(out.dtype), out.dtype, ranks, result, values)
        ctx.call(function, *[ctx.input(k) for k in range(count)], ctx.output())

    params: dict[str, Any] = {"c0": 0, "c1": (1e-8).hex()} if constants else {}

    def samples() -> list[Sample]:
        vector, scalar = array_type((2,), np.complex128), array_type((), np.complex128)
        shapes = [[scalar] * (count - 1) + [vector], [array_type((0,), np.complex128)] * count]
        shapes += [[array_type((2,), np.complex64)] * count]
        return [Sample(tuple(s), params, low, high, smooth=k == 0) for k, s in enumerate(shapes)]

    def jvp(t: Any, y: Any, *xs: Any, **params: Any) -> Any:
        *own, z = xs
        return slope(t, y, *[make_complex(real(x), 0) for x in own], z, **params)

    rules: list[TangentRule] = [unknown(name, argument) for argument in names]
    return elementwise(
        f"complex_{as_name or name}",
        evaluate,
        kinds="c",
        operands=count,
        jvp=[*rules, jvp],
        kernel=Statements(kernel, static=static),
        singular=True,
        samples=samples,
        doc=f"``scipy.special.{name}`` of complex numbers.",
    )


def _number(param: int | str) -> int | float:
    return param if isinstance(param, int) else float.fromhex(param)
