"""``Seq``: the evaluator's sequence of run-time length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functad.ir.types import SeqType

__all__ = ["Seq"]


class Seq:
    """What a loop of unknown length wrote, one element a step; immutable once the loop is done."""

    __slots__ = ("elements", "type")

    def __init__(self, type: SeqType, elements: Sequence[Any]) -> None:
        self.type = type
        self.elements = elements

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, index: int) -> Any:
        return self.elements[index]

    def __repr__(self) -> str:
        return f"Seq({self.type}, length {len(self.elements)})"
