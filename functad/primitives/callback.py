"""Calls of Python functions of NumPy arrays, of which functad sees values alone: the equations ``pure_callback``, which
is run as often as its results are needed, and ``io_callback``, which is run once where it stands, in order.

In native code it is a call of a `NativeFunction` without code of its own, one for each form of operands and results.
What the function raises waits, for the thread that runs the code, until the code has come back.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType, MethodType
from typing import Any

import numpy as np

from functad.core.foreign import as_numpy, is_foreign
from functad.core.primitive import Primitive, Sample, type_of
from functad.core.statics import is_constant, merged
from functad.core.subclasses import plain_array
from functad.core.zeros import repeated
from functad.errors import DtypeError, LinearityError, ShapeError, StructureError
from functad.identity import identity_key
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.native import NativeFunction, reads, writes
from functad.kernel_ir.rules import Statements
from functad.primitives.lanes import map_over_lanes
from functad.primitives.shapes import reshape
from functad.tree.containers import TreeDef, flatten, stored, structure_key

__all__ = ["VMAP_METHODS", "Callback", "io_callback_p", "pure_callback_p"]

VMAP_METHODS = ("sequential", "expand_dims", "broadcast_all")

Form = tuple[tuple[np.dtype, int], ...]
"""dtype and rank of each operand, then of each result."""


class Callback:
    """A function of ``*args, **kwargs``, containers of arrays, as one of leaves; equal where structures and what is
    fixed are, and the function is the same object, or method of one.

    ``args`` is the structure of ``(args, kwargs)``, of which the leaves ``fixed`` are no arrays; ``result`` that of the
    result, which is dropped if it has no leaves. ``kind`` is by what the callback is called, for messages.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: TreeDef,
        result: TreeDef,
        kind: str = "pure_callback",
        fixed: Mapping[int, Any] = MappingProxyType({}),
    ) -> None:
        self.f, self.args, self.result, self.kind, self.fixed = f, args, result, kind, dict(fixed)
        self.name: str = getattr(f, "__name__", type(f).__name__)
        self.derived: dict[Any, Any] = {}  # what is known of calls of it
        self._native: dict[tuple[Form, int], NativeFunction] = {}
        # a callable object need not be hashable, and what it is equal to may change; methods are made anew each time
        # that they are looked up
        function = (id(f.__self__), id(f.__func__)) if isinstance(f, MethodType) else id(f)
        values = tuple([(i, identity_key(x) if is_constant(type(x)) else id(x)) for i, x in self.fixed.items()])
        self.identity: Hashable = kind, function, structure_key(args), structure_key(result), values
        """What equal ones share, which keeps none of them alive: for as long as there is one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return stored_callback, (self.f, stored(self.args), stored(self.result), self.kind, self.fixed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Callback) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return self.name

    def __call__(
        self, operands: Sequence[Any], shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype]
    ) -> list[Any]:
        """The results, checked. The function gets copies: it may keep or change them."""
        args, kwargs = self.args.unflatten(merged(self.fixed, [np.array(x)[()] for x in operands]))  # type: ignore[misc]
        result = self.f(*args, **kwargs)
        if not self.result.num_leaves:
            return []
        found, structure = flatten(result)
        if structure != self.result:
            raise StructureError(f"{self.kind}: {self.name} returned {structure}, but result_types is {self.result}")
        return [self._checked(x, shape, dtype) for x, shape, dtype in zip(found, shapes, dtypes, strict=True)]

    def _checked(self, x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        what = f"{self.kind}: what {self.name} returned"
        if isinstance(x, np.ndarray):
            value = plain_array(x, what)
        else:
            value = as_numpy(x, what) if is_foreign(type(x)) else np.asarray(x)
        if value.shape != tuple(shape):
            raise ShapeError(
                f"{self.kind}: {self.name} returned an array of shape {value.shape}, but result_types says "
                f"{tuple(shape)}"
            )
        weak = type(x) in (bool, int, float, complex) and np.can_cast(value.dtype, dtype, "same_kind")
        if value.dtype != dtype and not weak:
            raise DtypeError(
                f"{self.kind}: {self.name} returned {value.dtype}, but result_types says {dtype}; "
                "convert the result with .astype, or state its dtype"
            )
        return np.array(value, dtype)[()]

    def native(self, form: Form, operands: int) -> NativeFunction:
        """What native code calls for operands and results of this form."""
        if (form, operands) not in self._native:
            kinds = [(reads if k < operands else writes)(*kind) for k, kind in enumerate(form)]
            symbol = f"functad_callback_{next(_numbers)}"
            fill = functools.partial(self.fill, operands)
            self._native[form, operands] = NativeFunction(symbol, operands=tuple(kinds), evaluate=fill)
        return self._native[form, operands]

    def fill(self, count: int, *arrays: np.ndarray) -> None:
        """Read the first ``count`` arrays, call the function, write the results into the others."""
        operands, results = arrays[:count], arrays[count:]
        values = self(operands, [x.shape for x in results], [x.dtype for x in results])
        for array, value in zip(results, values, strict=True):
            array[...] = value


def stored_callback(f: Callable[..., Any], args: Any, result: Any, kind: str, fixed: dict[int, Any]) -> Callback:
    """A callback that has been pickled."""
    return Callback(f, flatten(args)[1], flatten(result)[1], kind, fixed)


_numbers = itertools.count()


def _type_rule(
    *types: ArrayType, callback: Callback, shapes: Any, dtypes: Any, vmap_method: str = ""
) -> tuple[ArrayType, ...]:
    return tuple([array_type(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)])


def _native(
    ctx: Any, in_types: Any, out_types: Any, *, callback: Callback, shapes: Any, dtypes: Any, vmap_method: str = ""
) -> None:
    function = callback.native(tuple([(t.dtype, t.ndim) for t in (*in_types, *out_types)]), len(in_types))
    inputs = [ctx.input(k) for k in range(len(in_types))]
    ctx.call(function, *inputs, *[ctx.output(k) for k in range(len(out_types))])


def _jvp(
    tangents: Sequence[Any], primals: Sequence[Any], outs: Sequence[Any], *, callback: Callback, **params: Any
) -> list[Any]:
    if any(type_of(y).inexact for y in outs):
        raise StructureError(
            f"{callback.kind}: {callback.name} is a Python function of which functad sees values alone, so it has no "
            "derivative; "
            "give it one with fd.custom_jvp around the call, or apply fd.stop_gradient to its arguments"
        )
    return [None] * len(outs)


def _transpose(cts: Sequence[Any], *operands: Any, callback: Callback, **params: Any) -> list[Any]:
    raise LinearityError(
        f"{callback.kind}: {callback.name} is a Python function of which functad sees values alone, so it has no "
        "transpose; "
        "give it a reverse rule with fd.custom_vjp around the call, and use fd.vjp"
    )


def _batch(size: int, batched: Sequence[Any], *operands: Any, **params: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    if params["vmap_method"] == "sequential":
        return map_over_lanes(pure_callback_p, size, batched, operands, params)

    def aligned(x: Any) -> Any:
        return repeated(x, size) if params["vmap_method"] == "broadcast_all" else reshape(x, (1, *type_of(x).shape))

    values = [x if flag else aligned(x) for x, flag in zip(operands, batched, strict=True)]
    outs = pure_callback_p.bind(*values, **{**params, "shapes": tuple([(size, *shape) for shape in params["shapes"]])})
    return outs, [True] * len(outs)


def _sample_function(x: Any, n: Any) -> Any:
    return x[::-1] * n, np.int64(math.prod(x.shape))


def _sample(**params: Any) -> Sample:
    args, result = flatten(((0, 0), {}))[1], flatten((0, 0))[1]
    types = {"shapes": ((3,), ()), "dtypes": (np.dtype(np.int64),) * 2}
    return Sample(
        (np.arange(3), np.int64(2)), {"callback": Callback(_sample_function, args, result), **types, **params}
    )


def _declare(name: str, **rules: Any) -> Primitive:
    return Primitive(
        name,
        type_rule=_type_rule,
        evaluate=lambda *operands, callback, shapes, dtypes, vmap_method="": tuple(callback(operands, shapes, dtypes)),
        multiple_results=True,
        of_python=True,
        jvp=_jvp,
        transpose=_transpose,
        linear="jointly",
        kernel=Statements(_native),
        **rules,
    )


pure_callback_p = _declare("pure_callback", batch=_batch, samples=lambda: [_sample(vmap_method="sequential")])

io_callback_p: Primitive = _declare(
    "io_callback",
    batch=lambda size, batched, *operands, **params: map_over_lanes(io_callback_p, size, batched, operands, params),
    samples=lambda: [_sample()],
    may_raise=True,
    effect=True,
)
