"""``jit``: trace a function once for each kind of argument, compile it to native code, and call that."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, overload

from functad.api.fastmath import FastMath, fastmath_flags
from functad.api.jitted import Jitted
from functad.api.static import complete_static
from functad.core.trace import type_name
from functad.core.typed import P, R
from functad.errors import StructureError
from functad.lower.backends import checked_name
from functad.primitives.calls import Options

__all__ = ["jit"]


@overload
def jit(
    f: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    backend: str | None = None,
    front: bool = True,
) -> Jitted[P, R]: ...
@overload
def jit(
    f: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    backend: str | None = None,
    front: bool = True,
) -> Callable[[Callable[P, R]], Jitted[P, R]]: ...
def jit(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    fastmath: FastMath = False,
    backend: str | None = None,
    front: bool = True,
) -> Any:
    """Compile a function to native code; also a decorator, with or without arguments.

    The function is traced once for each structure, dtype, shape and kind of its arguments; it must be pure, but what it
    closes over may change between calls. An array that meets traced values as it is (``x * w``, also ``w[1:]``,
    ``w.T``) is read anew at each call, whatever its size. What Python or NumPy computes from one before (``2 * w``,
    ``w[0]``, ``np.sum(w)``) is traced again when the array has changed, and so is what depends on a number, a string or
    a function in a closure cell, a global, an attribute of an object, or a list. Numbers and arrays that keep changing
    are read anew, too. docs/closures.md says what is seen and what is not.

    Strings, booleans, enums, functions, types and objects of classes among the arguments, also in containers, are
    static: the function is traced for each of their values. So is a Python integer whose value Python needs (a shape,
    a slice, ``if n > 3``); one that is computed with, or bounds a native loop, is data. ``static_arguments`` of the
    jitted function tells which are, and why.

    Parameters
    ----------
    static_argnums, static_argnames
        Further arguments that are Python values (hashable), not traced: a value of another type, or that differs,
        traces again (1, 1.0 and True are three values, and so are (0.0,) and (-0.0,) two). Given by position they are
        static by name too, and the other way round, where the signature tells.
    fastmath
        By default compiled arithmetic is NumPy's to the last bit: ``+ - * /`` and ``sqrt`` round once each. A set of
        LLVM's flags, with Numba's meaning (``"contract"``: products may be fused with sums; ``"reassoc"``, ``"arcp"``,
        ``"nsz"``, ``"nnan"``, ``"ninf"``, ``"afn"``, and ``"fast"`` for all), or True for ``{"fast"}``, lets LLVM
        change it: in this function, its derivatives, and the jitted functions that it calls, whose own flags then do
        not count. Elementary functions keep their accuracy.
    backend
        What runs this function, in place of what ``FUNCTAD_BACKEND`` and ``fd.config.backend`` say: ``"native"``,
        ``"numba"`` (docs/numba.md), ``"evaluator"`` or ``"kernel"`` (for debugging). Its derivatives inherit it; of
        nested jits the outermost decides.
    front
        Whether the function is rewritten first, so that it may be plain Python (docs/plain_code.md); False runs it, and
        what it calls, as it is, as ``FUNCTAD_FRONT=0`` does. ``fd.explain(f)(*args)`` says what was made of it.

    A call of the jitted function may give arrays to write the results to, ``out=``: the container that the function
    returns, with an array for each result, of its shape (``()`` for a number) and dtype, which shares no memory with
    another one or with an argument. The call returns that container. Where an error is raised in the middle, what the
    arrays hold is not specified. A parameter ``out`` of the function's own wins.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> @fd.jit
    ... def f(x, y):
    ...     return np.sum(np.sin(x) * y)
    >>> f(np.zeros(3), np.ones(3))
    np.float64(0.0)

    Results in an array of one's own:

    >>> doubled, buffer = fd.jit(lambda x: 2 * x), np.empty(3)
    >>> doubled(np.ones(3), out=buffer) is buffer
    True
    >>> buffer
    array([2., 2., 2.])

    A method, of an object that changes, with an argument that is no array:

    >>> class Model:
    ...     def __init__(self, w):
    ...         self.w = w
    ...     @fd.jit
    ...     def predict(self, x, activation):
    ...         return activation(x @ self.w)
    >>> model = Model(np.array([1.0, 2.0]))
    >>> model.predict(np.ones(2), np.abs)
    np.float64(3.0)
    >>> model.w = np.array([-1.0, -4.0])
    >>> model.predict(np.ones(2), np.abs)
    np.float64(5.0)

    An array that is written to between calls:

    >>> weights = np.ones(3)
    >>> weighted = fd.jit(lambda x: np.sum(weights * x))
    >>> weighted(np.ones(3))
    np.float64(3.0)
    >>> weights[:] = 2.0
    >>> weighted(np.ones(3))
    np.float64(6.0)
    """
    if f is None or isinstance(f, staticmethod | classmethod):
        again: Any = functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            fastmath=fastmath,
            backend=backend,
            front=front,
        )
        # in the body of a class jit may be above the other decorator
        return again if f is None else type(f)(again(f.__func__))
    if not callable(f):
        raise StructureError(f"jit takes a function, got {type_name(f)}")
    nums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    names = (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
    nums, names = complete_static(f, nums, names)
    return Jitted(f, nums, names, Options(fastmath_flags(fastmath), checked_name(backend)), front)
