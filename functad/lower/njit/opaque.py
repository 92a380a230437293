"""Calls of Numba's functions as they are: the equation ``numba_call``, of a function that functad does not look into.

In native code it is a call by address, without the GIL. The function is called with arrays and numbers, and returns
its result, or a tuple of its results.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.np.numpy_support import as_dtype

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import ArgumentError, DtypeError, LinearityError, ShapeError, StructureError, UnsupportedError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.native import NativeFunction, Python, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.lanes import map_over_lanes

__all__ = ["Opaque", "numba_call_p"]

_numbers = itertools.count()

ERROR = "ShapeError"

Form = tuple[tuple[np.dtype, int], ...]
"""dtype and rank of each operand, then of each result."""


class Opaque:
    """A function of Numba's: equal ones call the same object. ``one``: it returns its only result, and no tuple."""

    def __init__(self, f: Any) -> None:
        self.f = _dispatcher(f)
        self.name: str = getattr(f, "__name__", None) or self.f.__name__
        self.identity = id(f)
        self.given = f
        self.derived: dict[Any, Any] = {}  # what is known of calls of it
        self._native: dict[tuple[Form, int, bool], NativeFunction] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Opaque) and self.given is other.given

    def __hash__(self) -> int:
        return self.identity

    def __reduce__(self) -> tuple[Any, ...]:
        return Opaque, (self.given,)

    def __repr__(self) -> str:
        return self.name

    def result_types(self, in_types: Sequence[ArrayType]) -> tuple[list[ArrayType], bool]:
        """The types of the results, of numbers alone, and whether it is one that is not in a tuple: as Numba says."""
        _refuse_unknown(self, in_types)
        kinds = [numba.from_dtype(t.dtype) for t in in_types]
        given = tuple([
            k if not t.ndim else numba.types.Array(k, t.ndim, "C") for k, t in zip(kinds, in_types, strict=True)
        ])  # fmt: skip
        try:
            self.f.compile(given)
            found = self.f.overloads[given].signature.return_type
        except (NumbaError, KeyError) as error:
            raise ArgumentError(
                f"from_numba: {self.name} cannot be compiled for ({', '.join(map(str, given))}): {error}"
            ) from None
        one = not isinstance(found, numba.types.BaseTuple)
        try:
            dtypes = [as_dtype(numba.types.unliteral(t)) for t in ([found] if one else list(found))]
        except (NotImplementedError, NumbaError):
            raise UnsupportedError(
                f"from_numba: {self.name} returns {found}, whose shapes Numba does not know; state them by out="
            ) from None
        return [array_type((), dtype) for dtype in dtypes], one

    def __call__(
        self, operands: Sequence[Any], shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype], one: bool
    ) -> tuple[Any, ...]:
        """The results for values, of which the function gets copies."""
        result = self.f(*[np.array(x)[()] for x in operands])
        values = [result] if one else list(result) if isinstance(result, tuple) else None
        if values is None or len(values) != len(shapes):
            raise StructureError(
                f"from_numba: {self.name} returned a {type(result).__name__}; out= says a tuple of {len(shapes)}"
            )
        for value, shape in zip(values, shapes, strict=True):
            if np.shape(value) != tuple(shape):
                raise ShapeError(self._another_shape().format(value=values.index(value) + 1))
        return tuple([np.array(value, dtype)[()] for value, dtype in zip(values, dtypes, strict=True)])

    def _another_shape(self) -> str:
        return f"from_numba: result {{value}} of {self.name} has another shape than out= says"

    def native(self, form: Form, operands: int, one: bool) -> NativeFunction:
        """What native code calls for operands and results of this form."""
        key = form, operands, one
        if key not in self._native:
            kinds = [(reads if k < operands else writes)(*kind) for k, kind in enumerate(form)]
            names: dict[str, Any] = {"f": self.f}
            exec(_source(form, operands, one), names)
            self._native[key] = NativeFunction(
                f"functad_numba_{next(_numbers)}",
                Python(names["fill"], foreign=True),
                tuple(kinds),
                error=(ERROR, self._another_shape()),
            )
        return self._native[key]


def _source(form: Form, operands: int, one: bool) -> str:
    """The text of a function that calls ``f`` with the first arrays, and writes the results into the others."""
    given = [f"x{k}" if ndim else f"x{k}[()]" for k, (_, ndim) in enumerate(form[:operands])]
    results = form[operands:]
    lines = [f"values = f({', '.join(given)})"]
    for k, (_, ndim) in enumerate(results):
        value = "values" if one else f"values[{k}]"
        if ndim:
            lines += [f"if {value}.shape != y{k}.shape:", f"    return {k + 1}"]
        lines.append(f"y{k}[{'...' if ndim else '()'}] = {value}")
    parameters = [*[f"x{k}" for k in range(operands)], *[f"y{k}" for k in range(len(results))]]
    return "\n".join([f"def fill({', '.join(parameters)}):", *[f"    {line}" for line in lines], "    return 0\n"])


def _dispatcher(f: Any) -> Any:
    """A function of Numba's as an ``@njit`` function."""
    if isinstance(f, Dispatcher):
        return f
    called = f.ctypes if isinstance(f, CFunc) else f
    if not isinstance(called, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        raise ArgumentError(
            f"from_numba takes an @njit function, a @cfunc or a function of ctypes, got a {type(f).__name__}"
        )
    kinds: list[Any] = [None] if called.argtypes is None else [*called.argtypes, called.restype]
    if not all([isinstance(kind, type) and issubclass(kind, ctypes._SimpleCData) for kind in kinds]):
        raise ArgumentError(
            "from_numba: a C function takes and returns numbers, and says which (argtypes, restype); one of pointers "
            "is called by an @njit function, which makes the arrays"
        )
    parameters = ", ".join([f"x{k}" for k in range(len(called.argtypes))])
    names: dict[str, Any] = {"called": called}
    exec(f"def shim({parameters}):\n    return called({parameters})\n", names)
    return numba.njit(names["shim"])


def _refuse_unknown(callee: Opaque, types: Sequence[ArrayType]) -> None:
    for t in types:
        if t.dtype.kind not in "fciub" or t.dtype == np.float16:
            raise DtypeError(f"from_numba: {callee.name} is given {t}; Numba computes numbers, and no float16")


def _type_rule(*types: ArrayType, callee: Opaque, shapes: Any, dtypes: Any, one: bool) -> tuple[ArrayType, ...]:
    _refuse_unknown(callee, types)
    return tuple([array_type(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)])


def _kernel(ctx: Any, in_types: Any, out_types: Any, *, callee: Opaque, shapes: Any, dtypes: Any, one: bool) -> None:
    form = tuple([(t.dtype, t.ndim) for t in (*in_types, *out_types)])
    function = callee.native(form, len(in_types), one)
    ctx.call(function, *[ctx.input(k) for k in range(len(in_types))], *[ctx.output(k) for k in range(len(out_types))])


def _jvp(tangents: Any, primals: Any, outs: Sequence[Any], *, callee: Opaque, **params: Any) -> list[Any]:
    if any(type_of(y).inexact for y in outs):
        raise StructureError(
            f"from_numba: functad does not look into {callee.name}, so it has no derivative; give it one by jvp= or "
            "vjp=, or apply fd.stop_gradient to its arguments"
        )
    return [None] * len(outs)


def _transpose(cts: Any, *operands: Any, callee: Opaque, **params: Any) -> list[Any]:
    raise LinearityError(f"from_numba: functad does not look into {callee.name}, so it has no transpose")


def _sample_function(x: Any, n: int) -> Any:
    return x[::-1] * n


def _samples() -> list[Sample]:
    params = {"callee": Opaque(numba.njit(_sample_function)), "dtypes": (np.dtype(np.int64),), "one": True}
    return [Sample((np.arange(n), np.int64(2)), {**params, "shapes": ((n,),)}) for n in (3, 0)]


numba_call_p: Primitive = Primitive(
    "numba_call",
    type_rule=_type_rule,
    evaluate=lambda *operands, callee, shapes, dtypes, one: callee(operands, shapes, dtypes, one),
    multiple_results=True,
    may_raise=True,
    of_python=True,
    jvp=_jvp,
    transpose=_transpose,
    linear="jointly",
    batch=lambda size, batched, *operands, **params: map_over_lanes(numba_call_p, size, batched, operands, params),
    kernel=Statements(_kernel),
    samples=_samples,
)
