"""Which functions may meet classes of the user's with methods that Python calls by itself: operators, properties."""

from __future__ import annotations

from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from functad.caches import cached
from functad.front.origin import OWN, origin

__all__ = ["may_meet_special_methods"]

_CREATION = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__class_getitem__"})


def is_special(name: str) -> bool:
    """Whether a method of this name is one that Python calls by itself, other than where an object is made."""
    return name.startswith("__") and name.endswith("__") and name not in _CREATION


@cached(4096)
def has_special_methods(cls: type) -> bool:
    """Whether a class has operators, properties, or other methods of the user's own that Python calls by itself."""
    return any([_is_called_by_python(name, x) for c in cls.__mro__ for name, x in c.__dict__.items()])


def _is_called_by_python(name: str, x: Any) -> bool:
    """Whether something in a class is a method or a property of the user's that Python calls by itself."""
    f = x.fget if isinstance(x, property) else getattr(x, "func", x)
    if type(f) is not FunctionType or f.__code__.co_filename == "<string>":
        return False
    return (f is not x or is_special(name)) and origin(f.__code__.co_filename) == OWN


def may_meet_special_methods(f: FunctionType) -> bool:
    """Whether a function may meet objects of the user's classes that have operators and the like: it defines such a
    class, refers to one or an object of one, or is in a module with one, or refers to one.
    """
    names, code = f.__globals__, f.__code__
    if _defines_special_methods(code):
        return True
    referred = [names[n] for n in code.co_names if n in names]
    referred += [c.cell_contents for c in f.__closure__ or () if c != CellType()]
    modules = [m for m in referred if isinstance(m, ModuleType) and origin(getattr(m, "__file__", None) or "") == OWN]
    modules = [m for m in modules if getattr(m, "__file__", None)]
    held = [x for space in (names, *map(vars, modules)) for x in list(space.values()) if isinstance(x, type)]
    return any([has_special_methods(x if isinstance(x, type) else type(x)) for x in (*held, *referred)])


def _defines_special_methods(code: CodeType) -> bool:
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return any([is_special(c.co_name) or "property" in c.co_names or _defines_special_methods(c) for c in inner])
