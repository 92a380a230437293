"""Policies of ``fd.checkpoint``: which results are saved for reverse mode; all others are computed again.

A policy is a function of an equation (the name of its primitive, the types of its operands, its params), as ``fd.make_ir`` prints them; it returns
whether to save the equation's results. Calls of jitted functions are seen through. A loop or a branch is one equation: its results are saved as a
whole or computed again as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functad.ir.types import ArrayType

__all__ = ["dots_saveable", "everything_saveable", "nothing_saveable"]


def nothing_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save the arguments alone: least memory."""
    return False


def everything_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save all that the derivative needs, as without ``checkpoint``."""
    return True


def dots_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save the results of matrix products, which cost much and are small for what they cost; compute the rest again."""
    return primitive == "dot_general"
