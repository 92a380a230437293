"""The argument ``fastmath`` of ``jit``: LLVM's fast-math flags, as Numba takes them."""

from __future__ import annotations

from collections.abc import Collection

from functad.core.trace import type_name
from functad.errors import ArgumentError
from functad.primitives.calls import FLAGS

__all__ = ["FastMath", "fastmath_flags"]

FastMath = bool | Collection[str]


def fastmath_flags(given: FastMath) -> str:
    """The flags as LLVM text, each set in one spelling.

    Examples
    --------
    >>> fastmath_flags(False), fastmath_flags(True), fastmath_flags({"reassoc", "contract"})
    ('', 'fast', 'contract reassoc')
    """
    if isinstance(given, bool):
        return "fast" if given else ""
    if isinstance(given, str) or not isinstance(given, Collection) or not all(isinstance(flag, str) for flag in given):
        meant = f"; write fastmath={{{given!r}}}" if given in FLAGS else ""
        raise ArgumentError(
            f"jit: fastmath is True, False or a set of flags, got the {type_name(given)} {given!r}{meant}"
        )
    unknown = sorted(set(given) - set(FLAGS))
    if unknown:
        raise ArgumentError(f"jit: there is no fastmath flag {unknown[0]!r}; LLVM has {', '.join(FLAGS)}")
    return " ".join([flag for flag in FLAGS if flag in given])
