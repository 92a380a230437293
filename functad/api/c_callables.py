"""Compiled functions for those who call C: SciPy's callbacks, and NumPy's ufuncs."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from optree import PyTreeKind

from functad.api.arguments import name_of
from functad.api.jit import jit
from functad.api.jitted import Jitted
from functad.api.mapped import vectorize
from functad.api.vectorize import vmap
from functad.errors import ArgumentError, StructureError, UnsupportedError
from functad.ir.key import structural_key
from functad.ir.types import array_type
from functad.lower.abstract.abstract import Abstract, abstract
from functad.numpy.dispatch import register

if TYPE_CHECKING:
    from functad.lower.ufunc_loops import Loop

__all__ = ["as_ufunc", "low_level_callable"]

DOUBLE = np.dtype(np.float64)


def low_level_callable(
    f: Callable[..., Any],
    kind: Literal["quad", "filter", "filter1d", "transform"] = "quad",
    *,
    count: int | None = None,
    size: int | None = None,
) -> Any:
    """A function, or a derivative, as a ``scipy.LowLevelCallable``: SciPy calls its machine code, without the GIL.

    A call that fails gives NaN to ``quad``, and an error to the others. The memory of arrays that ``f`` closes over is
    read at each call; all else is as it is now. The code lives as long as the object.

    Parameters
    ----------
    f
        The function, jitted or not.
    kind
        ``"quad"``: ``f`` takes numbers, and gives one: for `scipy.integrate.quad` (with ``args``), ``nquad``,
        ``dblquad``. ``"filter"``: ``f`` takes an array of ``size`` numbers, and gives one: for
        `scipy.ndimage.generic_filter`. ``"filter1d"``: ``f`` takes a line of ``size`` numbers, those of the array
        and what the filter needs beside them, and gives the line that becomes of it: for ``generic_filter1d``.
        ``"transform"``: ``f`` takes ``size`` integers, output coordinates, and gives an array of input coordinates: for
        ``geometric_transform``.
    count
        For ``"quad"``: how many numbers; None: as many as ``f`` has parameters.
    size
        For the others: the length of the array.

    Raises
    ------
    ArgumentError
        If ``kind``, ``count`` or ``size`` do not fit.
    StructureError
        If ``f`` returns something else.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> from scipy import integrate, ndimage
    >>> slope = fd.low_level_callable(fd.grad(lambda x, a: np.exp(-a * x**2)))
    >>> integrate.quad(slope, 0.0, 1.0, args=(2.0,))[0], np.expm1(-2.0)
    (-0.864664716763..., np.float64(-0.864664716763...))
    >>> spread = fd.low_level_callable(lambda x: np.max(x) - np.min(x), "filter", size=3)
    >>> ndimage.generic_filter(np.array([1.0, 2.0, 4.0, 8.0]), spread, size=3)
    array([1., 3., 6., 4.])
    """
    from scipy import LowLevelCallable

    from functad.lower.njit.table import Entry
    from functad.lower.scipy_callbacks import CALLBACKS, callback

    name = name_of(f)
    if kind not in CALLBACKS:
        raise ArgumentError(f"low_level_callable: kind={kind!r}; expected one of {', '.join(map(repr, CALLBACKS))}")
    if kind == "quad":
        number = count if count is not None else _parameters(f, "low_level_callable: state count=")
        args: list[Any] = [1.0] * number
        sizes = [number]
    else:
        if size is None or size < 0:
            raise ArgumentError(f"low_level_callable: kind={kind!r} needs size=, the length of the array; got {size!r}")
        args = [array_type((size,), np.dtype(np.int64) if kind == "transform" else DOUBLE)]
        sizes = [size]
    version = _jitted(f).version(args)
    outs, scalar = version.program.out_types, kind in ("quad", "filter")
    one = version.tree.kind == PyTreeKind.LEAF and len(outs) == 1
    if not one or outs[0].dtype != DOUBLE or outs[0].ndim != (not scalar):
        wanted = "one float64" if scalar else "an array of float64 with one axis"
        raise StructureError(f"low_level_callable: {name} returns {', '.join(map(str, outs))}; expected {wanted}")
    if version.fixed:
        raise UnsupportedError(f"low_level_callable: {name} needs the values of its arguments to be traced")
    if kind in ("filter1d", "transform"):
        sizes.append(outs[0].shape[0])
    made = CALLBACKS[kind]
    library = callback(made, Entry(version, ()), sizes)
    result = ctypes.c_double if made.value else ctypes.c_int
    function: Any = ctypes.CFUNCTYPE(result, *[ctypes.c_void_p] * made.parameters.count(","), ctypes.c_void_p)(
        library.address("callback")
    )
    function.functad = library
    return LowLevelCallable(function, signature=made.signature)


def as_ufunc(f: Callable[..., Any], dtypes: Sequence[Any] = (np.float32, np.float64)) -> np.ufunc:
    """A function of numbers as a ufunc of NumPy's, of its compiled code: with broadcasting, ``dtype=``, ``out=``,
    ``where=``, ``reduce``, ``accumulate``, ``outer`` and ``at``. In traced code it is ``np.vectorize(f)``.

    Where a check of ``f`` fails (an index that is out of bounds, ``raise``), the element is NaN, and NumPy warns of an
    invalid value. The memory of arrays that ``f`` closes over is read at each call; all else is as it is now. The code
    lives as long as the process.

    Parameters
    ----------
    f
        The function, jitted or not, or a derivative (``fd.grad(f)``); its results are a number or a tuple of numbers.
    dtypes
        For which dtypes of its arguments there is code: a dtype for all, or a tuple of dtypes. NumPy takes the first
        one that it can convert the arguments to.

    Raises
    ------
    StructureError
        If ``f`` returns something else.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> def softabs(x, width):
    ...     return np.sqrt(x * x + width * width) - width if width > 0 else abs(x)
    >>> u, slope = fd.as_ufunc(softabs), fd.as_ufunc(fd.grad(softabs))
    >>> u
    <ufunc 'softabs'>
    >>> x = np.array([-3.0, 0.0, 4.0])
    >>> u(x, [[3.0], [0.0]], out=np.empty((2, 3)))
    array([[1.24264069, 0.        , 2.        ],
           [3.        , 0.        , 4.        ]])
    >>> slope(x, 3, where=x != 0, out=np.zeros(3))
    array([-0.70710678,  0.        ,  0.8       ])
    >>> u.types
    ['ff->f', 'dd->d']
    """
    from functad.lower.ufuncs import make_ufunc

    name = name_of(f)
    count = _parameters(f, "as_ufunc: write a function with as many parameters as it has operands")
    mapped = f.around(vmap(f._f)) if isinstance(f, Jitted) else jit(vmap(f))
    kinds = [tuple(map(np.dtype, d)) if isinstance(d, tuple) else (np.dtype(d),) * count for d in dtypes]
    if not kinds or any([len(kind) != count for kind in kinds]):
        raise ArgumentError(f"as_ufunc: dtypes={dtypes!r}; expected dtypes, or tuples of the {count} that {name} takes")
    ufunc = make_ufunc(name, inspect.getdoc(f) or "", [_loop(mapped, name, kind) for kind in kinds])
    register(ufunc, vectorize(f))
    return ufunc


LENGTHS = 1009, 2003
"""Primes: lengths of the arrays for which a function is traced."""


def _loop(mapped: Jitted[..., Any], name: str, operands: tuple[np.dtype, ...]) -> Loop:
    """The code for arrays of these dtypes; what it is for two lengths must be the same."""
    from functad.lower.njit.table import Entry
    from functad.lower.ufunc_loops import Loop
    from functad.passes.pipeline import optimize

    versions = [mapped.version([array_type((n,), kind) for kind in operands]) for n in LENGTHS]
    version = versions[0]
    tree, outs = version.tree, version.program.out_types
    flat = tree.kind == PyTreeKind.LEAF or (tree.kind == PyTreeKind.TUPLE and tree.num_nodes == len(outs) + 1)
    if not flat or not outs or version.static or any([t.ndim != 1 for t in outs]):
        raise StructureError(f"as_ufunc: {name} returns {tree}; expected a number or a tuple of numbers")
    if any([kind == np.float16 for kind in (*operands, *[t.dtype for t in outs])]):
        raise UnsupportedError(f"as_ufunc: {name}: no float16; leave it out of dtypes=")
    entry = Entry(version, ())
    if len({_apart_from_length(abstract(optimize(v.program)), n) for v, n in zip(versions, LENGTHS, strict=True)}) > 1:
        raise UnsupportedError(f"as_ufunc: what {name} computes depends on how many elements there are")
    return Loop(entry, operands, tuple([t.dtype for t in outs]), LENGTHS[0])


def _apart_from_length(found: Abstract, length: int) -> Hashable:
    """What code computes, apart from the length of arrays: its structure, other sizes, numbers."""
    sizes = tuple([None if n == length else n for n in found.symbols])
    return structural_key(found.program), sizes, tuple([c.tobytes() for c in found.constants])


def _jitted(f: Callable[..., Any]) -> Jitted[..., Any]:
    return f if isinstance(f, Jitted) else jit(f)


def _parameters(f: Callable[..., Any], instead: str) -> int:
    """How many parameters without a default a function has."""
    try:
        found = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        raise ArgumentError(f"{instead}; the parameters of {name_of(f)} are not known") from None
    if any([p.kind is p.VAR_POSITIONAL for p in found]):
        raise ArgumentError(f"{instead}; {name_of(f)} takes any number of arguments")
    return len([p for p in found if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
