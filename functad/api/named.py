"""Functions that functad wraps are copied and pickled as Python's are: by name, where they are found under theirs."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any, SupportsIndex

__all__ = ["ByName"]


class ByName:
    """Something that is the same object wherever it is unpickled, and its own copy, if a module has it under its name.

    Examples
    --------
    >>> import copy, functad as fd, numpy as np
    >>> sine = fd.jit(lambda x: np.sin(x))
    >>> copy.deepcopy(sine)(0.0)
    np.float64(0.0)
    """

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        name = getattr(self, "__qualname__", None)
        try:
            found = attrgetter(name)(sys.modules[self.__module__]) if name else None
        except (AttributeError, KeyError):
            found = None
        return name if found is self else super().__reduce_ex__(protocol)  # type: ignore[return-value]
