"""Functions and arguments as a command line names them: ``module:function``, ``--like f64[100] 0.5``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

import functad as fd
from functad.errors import ArgumentError, ParseError
from functad.ir.scalars import python_number
from functad.ir.types import ArrayType

__all__ = ["add_function", "example_arguments", "function_of"]

TRANSFORMS: dict[str, Callable[..., Any]] = {
    "grad": fd.grad,
    "value_and_grad": fd.value_and_grad,
    "jacobian": fd.jacobian,
    "hessian": fd.hessian,
}


def add_function(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that say which function is meant, and for what."""
    parser.add_argument("function", help="module:function, or path/to/file.py:function; a.b for what an object holds")
    parser.add_argument(
        "--like",
        nargs="*",
        default=[],
        metavar="TYPE",
        help="the arguments: types as Programs print them (f64[100,3], i64[]), or numbers",
    )
    parser.add_argument("--of", choices=TRANSFORMS, help="its derivative in place of the function")


def function_of(options: argparse.Namespace) -> Callable[..., Any]:
    """The function that is named.

    Raises
    ------
    ArgumentError
        Where there is none.
    """
    place, colon, name = options.function.rpartition(":")
    if not colon:
        raise ArgumentError(f"{options.function!r} is no module:function; write package.module:function")
    module = _module(place)
    try:
        found = attrgetter(name)(module)
    except AttributeError:
        names = [k for k, v in vars(module).items() if callable(v) and not k.startswith("_")]
        raise ArgumentError(f"{place} has no {name!r}; it has {', '.join(names) or 'no functions'}") from None
    if not callable(found):
        raise ArgumentError(f"{options.function} is a {type(found).__name__}, and no function")
    return TRANSFORMS[options.of](found) if options.of else found  # type: ignore[no-any-return]


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name != place.partition(".")[0] and error.name != place:
                raise
            raise ArgumentError(f"there is no module {place!r}; for a file write path/to/file.py:function") from None
    path = Path(place)
    if not path.is_file():
        raise ArgumentError(f"there is no file {place}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example_arguments(options: argparse.Namespace) -> list[Any]:
    """Arguments of the types that are given: arrays of ones, and numbers as they are.

    Examples
    --------
    >>> import argparse
    >>> example_arguments(argparse.Namespace(like=["f64[2]", "i64[]", "0.5"]))
    [array([1., 1.]), np.int64(1), 0.5]
    """
    return [_example(text) for text in options.like]


def _example(text: str) -> Any:
    try:
        return python_number(text)
    except ValueError:
        pass
    try:
        type: ArrayType = fd.parse_ir(f"{{ lambda a:{text if '[' in text else text + '[]'} .\n  in () }}").in_types[0]
    except ParseError:
        raise ArgumentError(f"--like {text}: expected a number, or a type such as f64[100,3], i64[], bool[2]") from None
    return np.ones(type.shape, type.dtype)[()]
