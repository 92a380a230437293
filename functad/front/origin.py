"""Whose code a function is: the user's own, that of an installed package, or what is called as it is."""

from __future__ import annotations

import re
import sysconfig
from types import FunctionType

from functad.caches import cached
from functad.core.location import is_internal

__all__ = ["FOREIGN", "INSTALLED", "OWN", "origin", "own_method"]

_STANDARD_LIBRARY = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")

OWN, FOREIGN, INSTALLED = 0, 1, 2


@cached(4096)
def origin(filename: str) -> int:
    """Whose code is in a file."""
    if is_internal(filename) or filename.startswith("<frozen"):
        return FOREIGN
    if _INSTALLED.match(filename):
        return INSTALLED
    return FOREIGN if filename.startswith(_STANDARD_LIBRARY) else OWN


@cached(4096)
def own_method(cls: type, name: str) -> FunctionType | None:
    """The method of this name that a class has from the user's own code, as it is; None if there is no such."""
    found = next((c.__dict__[name] for c in cls.__mro__ if name in c.__dict__), None)
    if type(found) is not FunctionType or origin(found.__code__.co_filename) != OWN:
        return None
    # a dataclass's own __eq__ and the like are generated
    return None if found.__code__.co_filename == "<string>" else found
