"""The sorts that NumPy names: all are one here, which is stable."""

from __future__ import annotations

from typing import Any

from functad.errors import ArgumentError
from functad.numpy.traced import here

__all__ = ["check_kind"]

KINDS = {None, "quicksort", "mergesort", "heapsort", "stable"}


def check_kind(kind: Any, stable: Any, name: str) -> None:
    """Refuse what NumPy has no sort for; all others are the same here."""
    if kind not in KINDS:
        raise ArgumentError(f"np.{name}{here()}: kind must be one of {sorted(map(str, KINDS))}, got {kind!r}")
    if kind is not None and stable is not None:
        raise ArgumentError(f"np.{name}{here()}: give kind= or stable=, not both")
