"""NumPy's protocols: what ``np.sin(x)``, ``np.add.reduce(x)`` and ``np.sum(x)`` of a tracer do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from functad.core.handles import snapshot
from functad.core.tracer import Tracer, Varying
from functad.errors import DtypeError, UnsupportedError
from functad.numpy.dispatch import call_declared, traced_form
from functad.numpy.indexing import where
from functad.numpy.memory import into
from functad.numpy.operands import as_array, cast
from functad.numpy.traced import here, is_traced
from functad.tree.containers import flatten

__all__ = ["array_function", "array_ufunc", "declared"]


def array_ufunc(self: Tracer, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``__array_ufunc__``."""
    given = kwargs.pop("out", None)
    if any([isinstance(x, Varying) for x in inputs]) or (
        given is not None and any([isinstance(x, Varying) for x in given])
    ):
        return NotImplemented  # it answers for itself
    if given is not None:
        return _into(given, self, ufunc, method, inputs, kwargs)
    if method != "__call__":
        f = traced_form(getattr(np.ufunc, method))
        if f is None:
            raise UnsupportedError(f"np.{ufunc.__name__}.{method}{here()} is not available for traced values")
        return f(ufunc, *inputs, **kwargs)
    f = declared(ufunc)
    if kwargs:
        dtype, casting = kwargs.pop("dtype", None), kwargs.pop("casting", "same_kind")
        unknown = [k for k, v in kwargs.items() if k != "order" and v is not _NEUTRAL.get(k, kwargs)]
        if unknown:
            advice = (
                "without out=, what where= leaves out would be uninitialised: give out=, or use np.where"
                if unknown == ["where"]
                else f"the arguments {', '.join(unknown)} are not available for traced values"
            )
            raise UnsupportedError(f"np.{ufunc.__name__}{here()}: {advice}")
        if dtype is not None:
            inputs = tuple([_as_dtype(x, np.dtype(dtype), casting, ufunc) for x in inputs])
    return f(*inputs)


_NEUTRAL: dict[str, Any] = {"where": True, "subok": True, "signature": None, "sig": None}
"""What arguments may be that say nothing; an order is that of memory, which a traced value has not."""


def _as_dtype(x: Any, dtype: np.dtype, casting: Any, ufunc: np.ufunc) -> Any:
    """An operand in the dtype that the ufunc computes in."""
    v = as_array(x, ufunc.__name__)
    if not np.can_cast(v.dtype, dtype, casting):
        raise DtypeError(
            f"np.{ufunc.__name__}{here()}: an operand of dtype {v.dtype} cannot be cast to {dtype} by the rule "
            f"{casting!r}"
        )
    return cast(v, dtype)


def _into(given: Any, self: Tracer, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Any) -> Any:
    """A ufunc with ``out=``: computed, then written there; elements that ``where=`` leaves out stay."""
    mask = kwargs.pop("where", True)
    traced = is_traced(inputs) or is_traced(kwargs.values())
    f: Any = ufunc if method == "__call__" else getattr(ufunc, method)
    value = array_ufunc(self, ufunc, method, *inputs, **kwargs) if traced else f(*inputs, **kwargs)
    values = value if isinstance(value, tuple) else (value,)
    for out, v in zip(given, values, strict=True):
        if out is not None:
            kept = v if mask is True or type(out) is not Tracer else where(mask, v, snapshot(out))
            into(out, kept, f"np.{ufunc.__name__}")
    results = tuple([v if out is None else out for out, v in zip(given, values, strict=True)])
    return results[0] if len(results) == 1 else results


def declared(ufunc: np.ufunc) -> Callable[..., Any]:
    """What a ufunc does on traced values."""
    f = traced_form(ufunc)
    if f is None:
        import functad.scipy.special  # noqa: F401  scipy.special's functions are ufuncs too; importing SciPy is left to those who use it

        f = traced_form(ufunc)
    if f is None:
        raise UnsupportedError(f"the ufunc {ufunc.__name__}{here()} is not available for traced values{_ADVICE}")
    return f


_ADVICE = "; compute it before tracing, or compose it of functions that functad.numpy has"


def plain_values(tree: Any) -> Any:
    """Arguments with the values of what depends on nothing that is traced; None where something does."""
    leaves, structure = flatten(tree)
    values = [x._constant() if type(x) is Tracer else x for x in leaves]
    return (
        None
        if any([v is None and type(x) is Tracer for v, x in zip(values, leaves, strict=True)])
        else (structure.unflatten(values))
    )


def array_function(
    self: Tracer, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``__array_function__``."""
    if any([issubclass(t, Varying) for t in types]):
        return NotImplemented
    f = traced_form(func)
    if f is None and func.__module__ == "numpy.linalg":
        import functad.numpy.linear  # noqa: F401  declares what factors matrices, with SciPy

        f = traced_form(func)
    if f is not None and not kwargs:
        return f(*args)
    name = f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}"
    if f is None:
        plain = plain_values((args, kwargs))
        if plain is not None:
            return func(*plain[0], **plain[1])
        raise UnsupportedError(f"{name}{here()} is not available for traced values{_ADVICE}")
    return call_declared(f, args, kwargs, name.removeprefix("np."))
