"""Looking at Programs: ``make_ir``, its text read back by ``parse_ir``, and ``eval_shape``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import functad.api.walking  # noqa: F401  (gives Programs and equations what one walks with)
from functad import primitives
from functad.api.arguments import abstract_leaf, leaf_or_type, name_of
from functad.api.jitted import Jitted
from functad.core.primitive import REGISTRY, Primitive
from functad.core.statics import merged
from functad.core.typed import P, R
from functad.core.wrapping import Transformed
from functad.errors import ArgumentError, StructureError
from functad.ir.program import Program
from functad.ir.types import ArrayType, array_type

if TYPE_CHECKING:
    from functad.ir.scanner import Scanner

__all__ = ["eval_shape", "make_ir", "parse_ir", "program_of"]


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


def parse_ir(text: str, arrays: Sequence[np.ndarray] = ()) -> Program:
    """The Program of a text: what ``program.text()`` gives, or ``str(program)`` where nothing is left out in that.

    Nothing of the text is run, and each equation is checked, so the text may come from anywhere. Calling
    ``fd.jit``'s or NumPy's functions is what a Program does when it runs.

    Parameters
    ----------
    text
        A Program in the grammar of ``docs/design.md``.
    arrays
        The arrays whose elements the text leaves out, in order.

    Raises
    ------
    ParseError
        Where the text is no Program: says the line and the column.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> program = fd.make_ir(lambda x: np.sin(x) * 2.0)(np.zeros(3))
    >>> print(fd.parse_ir(str(program)))
    { lambda a:f64[3] .
        b:f64[3] = sin a
        c:f64[3] = mul b 2.0
      in (c) }
    >>> print(program.text(locations=False) == str(program))
    True
    """
    from functad.ir.scanner import Scanner

    given = iter(arrays)

    def elements(type: ArrayType) -> np.ndarray:
        found = next(given, None)
        if found is None:
            raise scanner.error(f"the elements of an {type} are left out; program.text() has them, or give arrays=")
        if not isinstance(found, np.ndarray) or array_type(found.shape, found.dtype) is not type:
            raise scanner.error(f"the array that is given for a constant is no {type}")
        return found

    scanner = Scanner(text, "parse_ir")
    program = program_of(scanner, elements)
    if next(given, None) is not None:
        raise ArgumentError("parse_ir: more arrays are given than the text leaves out")
    return program


def program_of(scanner: Scanner, elements: Callable[[ArrayType], np.ndarray]) -> Program:
    """The Program that a text goes on with, to its end."""
    from functad.core.parser import ProgramParser

    program = ProgramParser(scanner, declared_anywhere, elements).program()
    if scanner.kind != "end":
        raise scanner.error("expected the end of the text")
    return program


def declared_anywhere(name: str) -> Primitive | None:
    """The primitive of a name; those that need SciPy are declared when one is asked for that is not known."""
    if name not in REGISTRY:
        _declare_all()
    return REGISTRY.get(name)


@functools.cache
def _declare_all() -> None:
    for module in pkgutil.walk_packages(primitives.__path__, "functad.primitives."):
        importlib.import_module(module.name)


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
