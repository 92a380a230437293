"""The ``pure_callback`` equation: a call of a Python function of NumPy arrays, of which functad sees values alone.

In native code it is a ``Call`` of a helper whose symbol names a `Site`: the function, and how its operands and results
lie in memory. What the function raises waits, for the thread that runs the code, until the code has come back with
`CALLBACK_FAILED`.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Hashable, Sequence
from types import MethodType
from typing import Any

import numpy as np

from functad.core.foreign import as_numpy, is_foreign
from functad.core.primitive import Primitive, Sample, type_of
from functad.core.subclasses import plain_array
from functad.core.zeros import repeated
from functad.errors import DtypeError, LinearityError, ShapeError, StructureError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.evaluator import HELPERS
from functad.kernel_ir.nodes import Call
from functad.kernel_ir.rules import Statements
from functad.kernel_ir.sizes import poly
from functad.primitives.lanes import map_over_lanes
from functad.primitives.shapes import reshape
from functad.tree import TreeDef, flatten, stored, structure_key

__all__ = ["CALLBACK_FAILED", "VMAP_METHODS", "Callback", "Site", "pure_callback_p", "take_exception"]

CALLBACK_FAILED = -3
"""What a helper returns when its function has raised; less than all other error codes, so it is the one that is seen.
"""

VMAP_METHODS = ("sequential", "expand_dims", "broadcast_all")

Form = tuple[tuple[np.dtype, int], ...]
"""dtype and rank of each operand, then of each result."""


class Callback:
    """A function of containers of arrays as one of leaves; equal where structures are and the function is the same
    object, or method of one.
    """

    def __init__(self, f: Callable[..., Any], args: TreeDef, result: TreeDef) -> None:
        self.f, self.args, self.result = f, args, result
        self.name: str = getattr(f, "__name__", type(f).__name__)
        self.derived: dict[Any, Any] = {}  # what is known of calls of it
        self._sites: dict[Form, Site] = {}
        # a callable object need not be hashable, and what it is equal to may change; methods are made anew each time
        # that they are looked up
        function = (id(f.__self__), id(f.__func__)) if isinstance(f, MethodType) else id(f)
        self.identity: Hashable = function, structure_key(args), structure_key(result)
        """What equal ones share, which keeps none of them alive: for as long as there is one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return stored_callback, (self.f, stored(self.args), stored(self.result))

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
        found, structure = flatten(self.f(*self.args.unflatten([np.array(x)[()] for x in operands])))
        if structure != self.result:
            raise StructureError(f"pure_callback: {self.name} returned {structure}, but result_types is {self.result}")
        return [self._checked(x, shape, dtype) for x, shape, dtype in zip(found, shapes, dtypes, strict=True)]

    def _checked(self, x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        what = f"pure_callback: what {self.name} returned"
        if isinstance(x, np.ndarray):
            value = plain_array(x, what)
        else:
            value = as_numpy(x, what) if is_foreign(type(x)) else np.asarray(x)
        if value.shape != tuple(shape):
            raise ShapeError(
                f"pure_callback: {self.name} returned an array of shape {value.shape}, but result_types says "
                f"{tuple(shape)}"
            )
        weak = type(x) in (bool, int, float, complex) and np.can_cast(value.dtype, dtype, "same_kind")
        if value.dtype != dtype and not weak:
            raise DtypeError(
                f"pure_callback: {self.name} returned {value.dtype}, but result_types says {dtype}; "
                "convert the result with .astype, or state its dtype"
            )
        return np.array(value, dtype)[()]

    def site(self, form: Form, operands: int) -> Site:
        """How native code calls the function for operands and results of this form."""
        if form not in self._sites:
            self._sites[form] = Site(self, form, operands)
        return self._sites[form]


def stored_callback(f: Callable[..., Any], args: Any, result: Any) -> Callback:
    """A callback that has been pickled."""
    return Callback(f, flatten(args)[1], flatten(result)[1])


_numbers = itertools.count()
_raised = threading.local()


class Site:
    """A helper of native code: operands and results in memory, and the sizes of all their axes in one list."""

    def __init__(self, callback: Callback, form: Form, operands: int) -> None:
        self.callback, self.form, self.operands = callback, form, operands
        self.symbol = f"functad_callback_{next(_numbers)}"
        HELPERS[self.symbol] = self

    def shapes(self, sizes: Sequence[int]) -> list[tuple[int, ...]]:
        """The shapes of operands and results."""
        rest = iter(sizes)
        return [tuple(itertools.islice(rest, rank)) for _, rank in self.form]

    def __call__(self, buffers: Sequence[np.ndarray], sizes: Sequence[int]) -> int:
        """Read the operands, call the function, write the results (zeros if it raises); `CALLBACK_FAILED` or 0."""
        shapes, dtypes = self.shapes(sizes), [dtype for dtype, _ in self.form]
        # the memory of a complex array is one of pairs of reals
        arrays = [
            b.reshape(-1).view(dtype).reshape(shape) for b, dtype, shape in zip(buffers, dtypes, shapes, strict=True)
        ]
        operands, results = arrays[: self.operands], arrays[self.operands :]
        try:
            values = self.callback(operands, shapes[self.operands :], dtypes[self.operands :])
        except (
            BaseException
        ) as error:  # native code cannot be unwound; KeyboardInterrupt too is raised when it has come back
            _raised.error = error
            for array in results:
                array[...] = 0
            return CALLBACK_FAILED
        for array, value in zip(results, values, strict=True):
            array[...] = value
        return 0


def take_exception() -> BaseException:
    """What a function raised in this thread, after `CALLBACK_FAILED`."""
    error: BaseException = _raised.error
    del _raised.error
    return error


def _type_rule(
    *types: ArrayType, callback: Callback, shapes: Any, dtypes: Any, vmap_method: str
) -> tuple[ArrayType, ...]:
    return tuple([array_type(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)])


def _native(
    ctx: Any, in_types: Any, out_types: Any, *, callback: Callback, shapes: Any, dtypes: Any, vmap_method: str
) -> None:
    types = (*in_types, *out_types)
    site = callback.site(tuple([(t.dtype, t.ndim) for t in types]), len(in_types))
    results = tuple([ctx.output(k) for k in range(len(out_types))])
    buffers = (*[ctx.input(k) for k in range(len(in_types))], *results)
    ctx.append(Call(site.symbol, buffers, tuple([poly(n) for t in types for n in t.shape]), results))


def _jvp(
    tangents: Sequence[Any], primals: Sequence[Any], outs: Sequence[Any], *, callback: Callback, **params: Any
) -> list[Any]:
    if any(type_of(y).inexact for y in outs):
        raise StructureError(
            f"pure_callback: {callback.name} is a Python function of which functad sees values alone, so it has no "
            "derivative; "
            "give it one with fd.custom_jvp around the call, or apply fd.stop_gradient to its arguments"
        )
    return [None] * len(outs)


def _transpose(cts: Sequence[Any], *operands: Any, callback: Callback, **params: Any) -> list[Any]:
    raise LinearityError(
        f"pure_callback: {callback.name} is a Python function of which functad sees values alone, so it has no "
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


def _samples() -> list[Sample]:
    args, result = flatten(((0, 0),))[1].children()[0], flatten((0, 0))[1]
    types = {"shapes": ((3,), ()), "dtypes": (np.dtype(np.int64),) * 2}
    params = {"callback": Callback(_sample_function, args, result), **types, "vmap_method": "sequential"}
    return [Sample((np.arange(3), np.int64(2)), params)]


pure_callback_p = Primitive(
    "pure_callback",
    type_rule=_type_rule,
    evaluate=lambda *operands, callback, shapes, dtypes, vmap_method: tuple(callback(operands, shapes, dtypes)),
    multiple_results=True,
    of_python=True,
    jvp=_jvp,
    transpose=_transpose,
    linear="jointly",
    batch=_batch,
    kernel=Statements(_native),
    samples=_samples,
)
