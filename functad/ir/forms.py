"""Objects among params that text can hold: each class, or object, is declared beside its definition.

``declare_form("Names", Names, fields, make)`` lets ``Names(('a',), True)`` stand for such an object;
``declare_name(dots_saveable)`` lets the name stand for that very object. What is declared neither way is Python's: it
prints, but cannot be read back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functad.errors import InternalError

__all__ = ["FORMS", "NAMES", "Form", "declare_form", "declare_name", "form_of"]


@dataclass(frozen=True)
class Form:
    """How objects of a class are written and read.

    Parameters
    ----------
    name
        What is written in front of the fields.
    cls
        The class; those derived from it are written in the same way.
    fields
        The fields of an object: numbers, strings, types, Programs, tuples of such, and other forms.
    make
        The object of its fields; raises where they do not fit.
    begin
        Where objects may hold themselves, by way of Programs: ``begin(*fields)`` gives one of the first fields, the
        ``heads``, which is completed by ``make(object, *all fields)``.
    brief
        Whether the short text of a Program shows the fields, too.
    canonical
        The one object that stands for all that are the same.
    """

    name: str
    cls: type
    fields: Callable[[Any], tuple[Any, ...]]
    make: Callable[..., Any]
    begin: Callable[..., Any] | None = None
    heads: int = 0
    brief: bool = True
    canonical: Callable[[Any], Any] = lambda value: value


FORMS: dict[str, Form] = {}
NAMES: dict[str, Any] = {}
_by_class: dict[type, Form] = {}


def declare_form(form: Form) -> None:
    """Let text hold objects of a class."""
    if form.name in FORMS or form.name in NAMES:
        raise InternalError(f"the form {form.name!r} is declared twice")
    FORMS[form.name] = _by_class[form.cls] = form


def declare_name(value: Any) -> None:
    """Let text hold an object that has a name, a function of functad's."""
    name = value.__name__
    if name in FORMS or name in NAMES:
        raise InternalError(f"the name {name!r} is declared twice")
    NAMES[name] = value


def form_of(value: Any) -> Form | None:
    """The form of an object, if it has one."""
    for cls in type(value).__mro__:
        found = _by_class.get(cls)
        if found is not None:
            return found
    return None
