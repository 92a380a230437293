"""What a body that is traced for all steps at once has no one value of: using it ends the attempt."""

from __future__ import annotations

from typing import Any

from functad.front.failures import refused
from functad.front.values import Undecided

__all__ = ["Unread", "check_read"]


class Unread(Undecided):
    """Something that differs from step to step, or that steps change; it may be passed on, but not be used."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise _error(self)


def _error(x: Unread) -> BaseException:
    return refused(object.__getattribute__(x, "_reason"))


def _refuses(self: Unread, *args: Any, **kwargs: Any) -> Any:
    raise _error(self)


for _name, _method in list(vars(Undecided).items()):
    if callable(_method) and _method.__name__ == "_raises":
        setattr(Unread, _name, _refuses)


def check_read(x: Any) -> None:
    """Refuse to use a list to which the loop appends: while its body is traced, it holds only what says so."""
    if type(x) is list and len(x) == 1 and type(x[0]) is Unread:
        raise _error(x[0])
