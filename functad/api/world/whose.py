"""Whose code it is: the user's, an installed package's, or what is never followed (NumPy, the standard library)."""

from __future__ import annotations

import re
import sys
import sysconfig
from types import FunctionType
from typing import Any

from functad.caches import cached, cached_by_class
from functad.core.location import is_internal

__all__ = ["NO_DICT", "dict_of", "file_of", "file_of_class", "package_of_file", "package_of", "package_of_class"]

_STANDARD_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\][^/\\]+")


@cached(4096)
def package_of_file(filename: str) -> str | None:
    """The installed package that a file belongs to; None for the user's own files, empty for what is never followed."""
    if not filename or filename.startswith("<frozen") or is_internal(filename):
        return ""
    found = _INSTALLED.match(filename)
    if found:
        return found.group()
    return "" if filename.startswith(_STANDARD_LIBRARY) else None


def package_of(f: Any) -> str | None:
    """The installed package that a function is of, as ``package_of_file`` tells it."""
    while not isinstance(f, FunctionType):
        inner = getattr(f, "func", None) or getattr(f, "__func__", None) or getattr(f, "__wrapped__", None)
        if inner is None:
            return package_of_class(type(f))
        f = inner
    return package_of_file(f.__code__.co_filename)


def package_of_class(cls: type) -> str | None:
    """The installed package that a class is of."""
    return package_of_file(file_of_class(cls))


NO_DICT: dict[str, Any] = {}
"""Stands for the attributes of what has slots only."""


def dict_of(value: Any) -> dict[str, Any]:
    """The dict of an object, as it is without a property of that name."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return NO_DICT
    return found if type(found) is dict else NO_DICT


def file_of_class(value: Any) -> str:
    """The file of a class, or of an object's class."""
    return _definition_file(value if issubclass(type(value), type) else type(value))


@cached_by_class
def _definition_file(cls: Any) -> str:
    """The file of a class: the user's, if a method is the user's (what a class says about its module may be wrong, if
    ``exec`` has made it, or another program runs the user's as ``__main__``).
    """
    for f in list(vars(cls).values()):
        if (
            type(f) is FunctionType
            and f.__code__.co_filename != "<string>"
            and package_of_file(f.__code__.co_filename) is None
        ):
            return f.__code__.co_filename
    if cls.__module__ == "__main__":
        return "<main>"
    return file_of(sys.modules.get(cls.__module__))


def file_of(module: Any) -> str:
    """The file of a module; empty for what Python is made of, and a name that is no file's for what has been typed
    in.
    """
    names = dict_of(module)
    return names.get("__file__") or (
        "" if str(names.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names else "<no file>"
    )
