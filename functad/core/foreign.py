"""Arrays of other libraries: pandas columns, xarray's arrays, JAX arrays, torch tensors, polars columns.

What offers its elements by ``__array__``, ``__array_interface__`` or DLPack is taken for the NumPy array that it gives,
as NumPy's own functions take it: labels are dropped. What gives none, or one that is not made of numbers, is refused
with the conversion to write.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from functad.caches import cached_by_class
from functad.core.subclasses import has_units, refuse_units
from functad.core.tracer import Tracer, Varying
from functad.errors import DtypeError, StructureError, TracerConversionError

__all__ = ["as_numpy", "conversion", "is_foreign", "is_sparse", "type_name"]

_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")


def is_foreign(cls: type) -> bool:
    """Whether objects of a class are arrays of another library: no NumPy arrays, but they give one.

    Examples
    --------
    >>> is_foreign(memoryview), is_foreign(np.ndarray), is_foreign(type("Column", (), {"__array__": np.zeros}))
    (False, False, True)
    """
    return _offers_an_array(cls)


@cached_by_class
def _offers_an_array(cls: Any) -> bool:
    if cls is Tracer or issubclass(cls, np.ndarray | np.generic | type):
        return False
    return _converts(cls) or hasattr(cls, "__dlpack__")


@cached_by_class
def _converts(cls: Any) -> bool:
    """Whether ``np.asarray`` makes an array of it."""
    return any([hasattr(cls, name) for name in _PROTOCOLS])


@cached_by_class
def is_sparse(cls: Any) -> bool:
    """Whether a class is one of SciPy's sparse matrices and arrays."""
    sparse: Any = sys.modules.get("scipy.sparse")  # else there is none
    return sparse is not None and issubclass(cls, sparse.spmatrix | sparse.sparray)


def as_numpy(x: Any, what: str) -> np.ndarray:
    """The NumPy array that an array of another library gives, of the same memory if it can; ``what`` it is, for
    errors.
    """
    cls: Any = type(x)
    if isinstance(x, Varying):
        return x.as_array(what)  # type: ignore[no-any-return]
    if has_units(cls):
        refuse_units(x, what)
    try:
        array = np.asarray(x) if _converts(cls) else np.from_dlpack(x)
    except TracerConversionError:  # what it holds is traced
        raise
    except Exception as error:
        held = x.__array__() if isinstance(error, ValueError) and hasattr(cls, "__array__") else None
        if type(held) is Tracer:  # it was made in the function that is traced
            return held  # type: ignore[return-value]
        raise StructureError(
            f"{what} is a {type_name(x)}, which gives no NumPy array ({error}); {conversion(x)}"
        ) from error
    if array.dtype.kind not in "fciub":
        raise DtypeError(
            f"{what} is a {type_name(x)} of dtype {getattr(x, 'dtype', array.dtype)}; expected numbers or booleans: "
            f"{conversion(x)}"
        )
    return array


def conversion(x: Any) -> str:
    """What to write instead of something that gives no array of numbers."""
    cls = type(x)
    if getattr(x, "requires_grad", False) is True:
        return "use x.detach().numpy(); its derivative stays outside"
    if not str(getattr(x, "device", "cpu")).lower().startswith("cpu"):
        return "use x.cpu().numpy(), or what else copies it from its device"
    if any([callable(getattr(x, name, None)) and getattr(x, name)() is True for name in ("is_conj", "is_neg")]):
        return "use x.resolve_conj().resolve_neg().numpy(): the tensor's elements are not those in memory"
    for method, call in (
        ("toarray", "x.toarray()"),
        ("todense", "x.todense()"),
        ("to_numpy", "x.to_numpy(dtype=float), which takes na_value for what is missing"),
    ):
        if hasattr(cls, method):
            return f"use {call}"
    if hasattr(cls, "to_dense") and hasattr(cls, "numpy"):
        return "use x.to_dense().numpy() if it is sparse, and x.float().numpy() if it is of a dtype that NumPy has not"
    return "convert it to an array of numbers that NumPy knows first, x.astype(float) say"


def type_name(value: object) -> str:
    """How messages name the type of a value."""
    cls = type(value)
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
