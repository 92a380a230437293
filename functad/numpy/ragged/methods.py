"""What parts share with arrays: operators, methods, properties and NumPy's protocols; installed on ``Ragged`` here and
nowhere else.

A NumPy function that is in neither table takes a part as an array if its length is known, and says so if not.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import numpy as np

from functad.core.foreign import is_foreign
from functad.core.tracer import Tracer, Varying
from functad.errors import DtypeError, TracerConversionError, UnsupportedError
from functad.numpy import conversion, shapes
from functad.numpy.axes import normal_axes, normal_axis
from functad.numpy.dispatch import call_declared, stands_for, traced_form
from functad.numpy.methods import NDARRAY
from functad.numpy.operands import as_array, cast, fresh_array, operand
from functad.numpy.promotion import PYTHON_NUMBERS
from functad.numpy.protocols import declared
from functad.numpy.ragged import ordering, products, reductions
from functad.numpy.ragged.items import part, set_part, write_part
from functad.numpy.ragged.regions import Chosen, Window
from functad.numpy.ragged.value import Ragged, elementwise, made, plain, shapeless
from functad.numpy.traced import here
from functad.primitives.broadcasting import broadcast
from functad.tree.containers import flatten

__all__ = ["install"]

# -- functions ---------------------------------------------------------------------------------------------------------

ELEMENTWISE: tuple[Any, ...] = (
    *(np.where, np.clip, np.round, np.around, np.nan_to_num, np.isclose, np.angle, np.fix, np.copy),
)
"""NumPy's functions of elements that are no ufuncs, which take other arguments by keyword only."""

POSITIONS = (np.nonzero, np.argwhere, np.flatnonzero)


def flip(m: Any, axis: Any = None) -> Any:
    """``numpy.flip``."""
    axes = normal_axes(axis, len(m._regions), "flip")
    return part(m, tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(len(m._regions))]))


def transpose(a: Any, axes: Any = None) -> Any:
    """``numpy.transpose``."""
    ndim = len(a._regions)
    if any([r.width > 1 for r in a._regions]):
        raise shapeless(a, "np.transpose")
    order = tuple(range(ndim)[::-1]) if axes is None else normal_axes(axes, ndim, "transpose")
    return made(shapes.transpose(a._full, order), [a._regions[i] for i in order], a._fill)


def expand_dims(a: Any, axis: Any) -> Any:
    """``numpy.expand_dims``."""
    axes = normal_axes(axis, len(a._regions) + (len(axis) if isinstance(axis, tuple | list) else 1), "expand_dims")
    return part(a, tuple([None if i in axes else slice(None) for i in range(len(a._regions) + len(axes))]))


def like(x: Any, value: Any, dtype: Any = None) -> Any:
    """A new array of the shape of a part that holds one number: ``numpy.full_like`` and its relatives."""
    number = cast(as_array(value, "full_like"), x._full.dtype if dtype is None else np.dtype(dtype))
    return Ragged(broadcast(number, x._full.shape, ()), x._regions, None if type(number) is Tracer else number)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """``numpy.diff``."""
    lead = (*[slice(None)] * normal_axis(axis, len(a._regions), "diff"),)
    return a if n == 0 else diff(a[(*lead, slice(1, None))] - a[(*lead, slice(None, -1))], n - 1, axis)


def shape_of_part(a: Any) -> tuple[Any, ...]:
    """``x.shape``, in which traced lengths are traced."""
    return tuple([r.length.number for r in a._regions])


def size(a: Any, axis: Any = None) -> Any:
    """``numpy.size``."""
    lengths = shape_of_part(a)
    if axis is not None:
        return lengths[axis]
    total: Any = 1
    for n in lengths:
        total = n if type(total) is int and total == 1 else total * n
    return total


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: reductions.sum_, np.prod: reductions.prod, np.mean: reductions.mean, np.var: reductions.var,
    np.std: reductions.std, np.max: reductions.max_, np.amax: reductions.max_, np.min: reductions.min_,
    np.amin: reductions.min_, np.ptp: reductions.ptp, np.any: reductions.any_, np.all: reductions.all_,
    np.argmax: reductions.argmax, np.argmin: reductions.argmin, np.count_nonzero: reductions.count_nonzero,
    np.cumsum: reductions.cumsum, np.cumprod: reductions.cumprod, np.linalg.norm: reductions.norm,
    np.dot: products.dot, np.inner: products.inner, np.vdot: products.vdot, np.outer: products.outer,
    np.flip: flip, np.flipud: lambda m: flip(m, 0), np.fliplr: lambda m: flip(m, 1), np.transpose: transpose,
    np.expand_dims: expand_dims, np.full_like: like, np.zeros_like: lambda a, dtype=None: like(a, 0, dtype),
    np.ones_like: lambda a, dtype=None: like(a, 1, dtype), np.empty_like: lambda a, dtype=None: like(a, 0, dtype),
    np.diff: diff, np.copyto: lambda dst, src: write_part(dst, src),
    np.sort: ordering.sort, np.argsort: ordering.argsort, np.median: ordering.median,
    np.shape: shape_of_part, np.size: size, np.ndim: lambda a: len(a._regions),
}  # fmt: skip


def real(x: Ragged) -> Any:
    """``x.real``, a view."""
    return made(conversion.real(x._full), x._regions)


def imag(x: Ragged) -> Any:
    """``x.imag``, a view."""
    return made(conversion.imag(x._full), x._regions)


FUNCTIONS |= {np.real: real, np.imag: imag}


REDUCTIONS = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
"""Functions that are methods of ufuncs."""


def function(self: Ragged, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``__array_function__``."""
    name = func.__name__
    f = FUNCTIONS.get(func)
    if f is not None and any([type(x) is Ragged for x in args]):
        return call_declared(f, args, kwargs, name)
    if func in ELEMENTWISE and (func is not np.where or len(args) == 3):
        declared_form = traced_form(func)
        assert declared_form is not None
        return elementwise(name, partial(declared_form, **kwargs), args)
    if func in POSITIONS or func is np.where:
        raise TracerConversionError(
            f"np.{name}{here()} of a slice with traced bounds: how many elements it finds is not known while it is "
            "traced; write np.where(mask, x, y), or a loop over the indices"
        )
    leaves, structure = flatten((args, kwargs))
    new: Any = structure.unflatten([_as_array(x, f"np.{name}") if type(x) is Ragged else x for x in leaves])
    return func(*new[0], **new[1])


def _as_array(x: Ragged, name: str) -> Tracer:
    try:
        return plain(x)
    except TracerConversionError:
        raise shapeless(x, name) from None


def ufunc(self: Ragged, f: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``__array_ufunc__``."""
    out = kwargs.pop("out", None)
    if kwargs.pop("where", True) is not True:
        raise UnsupportedError(
            f"np.{f.__name__}{here()}: where= is not available for slices with traced bounds; write np.where(m, x, y)"
        )
    if method == "__call__" and not kwargs:
        if f is np.matmul:
            result = products.matmul(*inputs)
        elif f is np.vecdot:
            result = products.vdot(*inputs)
        else:
            result = elementwise(f.__name__, declared(f), inputs, f)
    elif method == "reduce" and f in REDUCTIONS:
        result = call_declared(FUNCTIONS[REDUCTIONS[f]], inputs, {"axis": 0, **kwargs}, f.__name__)
    elif method == "outer" and f is np.multiply:
        result = products.outer(*inputs)
    else:
        given = ", ".join(kwargs)
        raise UnsupportedError(
            f"np.{f.__name__}{'' if method == '__call__' else '.' + method}{here()}"
            f"{f': the arguments {given} are' if given else ' is'} not available for slices with traced bounds"
        )
    if out is None:
        return result
    (target,) = out
    return _into(target, result, f"np.{f.__name__}")


def _into(target: Any, value: Any, name: str) -> Any:
    """Write a result where an array, or a part of one, is."""
    if type(target) not in (Ragged, Tracer):
        raise UnsupportedError(f"{name}{here()} would write traced values into a plain array; make it with np.zeros")
    dtype = (target._full if type(target) is Ragged else target).dtype
    given = operand(value._full if type(value) is Ragged else value, name)
    given = given.dtype if type(given) not in PYTHON_NUMBERS else np.result_type(given)
    if not np.can_cast(given, dtype, "same_kind"):
        raise DtypeError(f"{name}{here()}: values of dtype {given} cannot be stored in an array of dtype {dtype}")
    write_part(target, value)
    return target


# -- operators ---------------------------------------------------------------------------------------------------------

UFUNCS: dict[str, tuple[str, np.ufunc]] = {
    "add": ("+", np.add), "sub": ("-", np.subtract), "mul": ("*", np.multiply), "truediv": ("/", np.true_divide),
    "floordiv": ("//", np.floor_divide), "mod": ("%", np.remainder), "pow": ("**", np.power),
    "matmul": ("@", np.matmul), "and": ("&", np.bitwise_and), "or": ("|", np.bitwise_or), "xor": ("^", np.bitwise_xor),
    "lshift": ("<<", np.left_shift), "rshift": (">>", np.right_shift),
}  # fmt: skip
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}


def _takes(y: Any) -> bool:
    cls = type(y)
    return (
        cls is Tracer
        or cls in PYTHON_NUMBERS
        or isinstance(y, Varying | np.ndarray | np.generic | bool | list | tuple)
        or is_foreign(cls)
    )


def _operators() -> dict[str, Callable[..., Any]]:
    made_: dict[str, Callable[..., Any]] = {}

    def binary(symbol: str, f: np.ufunc) -> tuple[Callable[..., Any], ...]:
        def forward(x: Any, y: Any) -> Any:
            return ufunc(x, f, "__call__", x, y) if _takes(y) else NotImplemented

        def reflected(x: Any, y: Any) -> Any:
            return ufunc(x, f, "__call__", y, x) if _takes(y) else NotImplemented

        def in_place(x: Any, y: Any) -> Any:
            value = forward(x, y)
            return value if value is NotImplemented else _into(x, value, f"x {symbol}= y")

        return forward, reflected, in_place

    for name, (symbol, f) in UFUNCS.items():
        forward, reflected, in_place = binary(symbol, f)
        made_ |= {f"__{name}__": forward, f"__r{name}__": reflected, f"__i{name}__": in_place}
    for name, f in COMPARISONS.items():
        made_[f"__{name}__"] = binary("", f)[0]
    for name, f in UNARY.items():
        made_[f"__{name}__"] = partial_method(f)
    return made_


def partial_method(f: np.ufunc) -> Callable[[Any], Any]:
    """The method of a unary operator."""
    return lambda x: ufunc(x, f, "__call__", x)


def reflected(x: Ragged, symbol: str, y: Any) -> Any:
    """``y symbol x``, where y is a traced array."""
    f = next(f for s, f in UFUNCS.values() if s == symbol)
    return ufunc(x, f, "__call__", y, x)


# -- methods -----------------------------------------------------------------------------------------------------------


def astype(
    x: Ragged, dtype: Any, order: str = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
) -> Any:
    """``ndarray.astype``."""
    if not np.can_cast(x._full.dtype, dtype, casting):
        raise DtypeError(
            f"x.astype{here()}: {x._full.dtype} cannot be cast to {np.dtype(dtype)} by the rule {casting!r}"
        )
    return elementwise("astype", lambda y: cast(y, np.dtype(dtype)), [x])


def copy(x: Ragged, *_: Any) -> Ragged:
    """``ndarray.copy``."""
    return Ragged(fresh_array(x._full, x._full), x._regions, x._fill)


def refuses(what: str, instead: str) -> Callable[..., Any]:
    """What Python asks of an object and a part has not."""

    def method(x: Ragged, *_: Any) -> NoReturn:
        raise TracerConversionError(f"{what} of a slice with traced bounds, or of what a mask took{here()}: {instead}")

    return method


def iterate(x: Ragged) -> Any:
    """Going over a part: over the array that it is, if its length is known."""
    region = x._regions[0]
    if (isinstance(region, Window) and not region.short and region.length.known is None) or isinstance(region, Chosen):
        refuses("iteration", "how many elements it has is traced; write for k in range(i, j): v = x[k]")(x)
    return iter(plain(x))


def missing(x: Ragged, name: str) -> Any:
    """``__getattr__``: what an array has besides is asked of the part as an array."""
    if name in NDARRAY:
        return getattr(_as_array(x, f"x.{name}"), name)
    raise AttributeError(f"a slice with traced bounds has no attribute {name!r}", name=name, obj=x)


METHODS: dict[str, Callable[..., Any]] = {
    "sum": reductions.sum_, "prod": reductions.prod, "mean": reductions.mean, "var": reductions.var,
    "std": reductions.std, "max": reductions.max_, "min": reductions.min_, "any": reductions.any_,
    "all": reductions.all_, "argmax": reductions.argmax, "argmin": reductions.argmin, "argsort": ordering.argsort,
    "sort": ordering.sort_in_place, "cumsum": reductions.cumsum, "cumprod": reductions.cumprod, "dot": products.dot,
    "astype": astype, "copy": copy,
}  # fmt: skip


def install() -> None:
    """Give ``Ragged`` what an array has."""
    members: dict[str, Any] = {
        **METHODS,
        **_operators(),
        "T": property(transpose),
        "clip": lambda x, *bounds, **kwargs: function(x, np.clip, (), (x, *bounds), kwargs),
        "conj": partial_method(np.conjugate),
        "conjugate": partial_method(np.conjugate),
        "dtype": property(lambda x: x._full.dtype),
        "fill": lambda x, value: write_part(x, value),
        "imag": property(imag, lambda x, v: write_part(imag(x), v)),
        "ndim": property(lambda x: len(x._regions)),
        "real": property(real, lambda x, v: write_part(real(x), v)),
        "like": like,
        "reflected": reflected,
        "round": lambda x, decimals=0: function(x, np.round, (), (x,), {"decimals": decimals}),
        "shape": property(shape_of_part),
        "size": property(size),
        "transpose": lambda x, *axes: transpose(x, None if not axes else axes[0] if len(axes) == 1 else axes),
        "__array_function__": function,
        "__array_ufunc__": ufunc,
        "__bool__": refuses("the truth value", "use np.any or np.all"),
        "__copy__": copy,
        "__deepcopy__": copy,
        "__getattr__": missing,
        "__getitem__": part,
        "__hash__": refuses("the hash", "arrays have none"),
        "__iter__": iterate,
        "__len__": refuses("len()", "its length is traced; write j - i for x[i:j], np.sum(mask) for x[mask]"),
        "__setitem__": set_part,
    }
    for name, member in members.items():
        setattr(Ragged, name, member)


@stands_for(len)
def len_(x: Any, /) -> Any:
    """``len(x)``, which may be traced."""
    if type(x) is Ragged and x._regions:
        return x._regions[0].length.number
    return builtins.len(x)
