"""Looking at Programs: ``make_ir`` and ``eval_shape``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from functad.api.arguments import abstract_leaf, leaf_or_type, name_of
from functad.api.jit import Jitted
from functad.core.statics import merged
from functad.core.typed import P, R
from functad.core.wrapping import Transformed
from functad.errors import StructureError
from functad.ir.program import Program

__all__ = ["eval_shape", "make_ir"]


def make_ir(f: Callable[P, R], optimized: bool = False) -> Callable[..., Program]:
    """A function that returns the Program of ``f`` for given arguments; print it to read it.

    Arrays that ``f`` closes over are constants in it, as they are now. (Those of a jitted function are further inputs
    of what ``fd.jit(f).lower(*args)`` shows: each call reads them.)

    Parameters
    ----------
    optimized
        Whether to run the passes that come before compiling.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.make_ir(lambda x: np.sin(x) * 2.0)(np.zeros(3))
    { lambda a:f64[3] .
        b:f64[3] = sin a
        c:f64[3] = mul b 2.0
      in (c) }
    """
    return Transformed(run_make_ir, f._f if isinstance(f, Jitted) else f, optimized)


def run_make_ir(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], optimized: bool) -> Program:
    """What a call of ``make_ir(f)`` does."""
    traced = Jitted(f, (), ()).captured(args, kwargs, leaf_or_type)
    if traced.captures:
        raise StructureError(f"make_ir: {name_of(f)} closes over traced values; make them arguments")
    if not optimized:
        return traced.program
    from functad.passes.pipeline import optimize

    return optimize(traced.program)


def eval_shape(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The types (``.shape``, ``.dtype``) of the results of ``f``, without computing anything.

    Arguments may be arrays, or anything with ``shape`` and ``dtype``.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.eval_shape(np.outer, np.zeros(3), np.zeros(4))
    f64[3,4]
    """
    jitted = Jitted(f._f if isinstance(f, Jitted) else f, (), ())
    traced = jitted.captured(args, kwargs, lambda x, where: abstract_leaf(x, where()))
    return traced.out_tree.unflatten(merged(traced.out_static, traced.program.out_types))
