"""A flame plot: bars on a line of time, what is inside of another below it.

Source: B. Gregg, *The Flame Graph*, CACM 59, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functad.errors import MissingExtraError

__all__ = ["Bar", "flame"]

COLOURS = ("#f4a582", "#92c5de", "#fddbc7", "#d1e5f0", "#b8e186", "#f1b6da", "#fee08b", "#c2a5cf")

SMALL = 0.03
"""The part of the width below which a bar has no text."""


@dataclass(frozen=True)
class Bar:
    """Something that has taken time: when, how long, inside of how many others; the user's lines, as text."""

    name: str
    start: float
    seconds: float
    depth: int
    lines: str = ""


def flame(bars: Sequence[Bar]) -> Any:
    """A figure of bars."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("flame draws with matplotlib; pip install functad[plots]") from None
    depth = 1 + max([b.depth for b in bars], default=0)
    figure = Figure(figsize=(9, 0.6 + 0.35 * depth), layout="constrained")
    axes = figure.add_subplot()
    start = min([b.start for b in bars], default=0.0)
    width = max([b.start + b.seconds - start for b in bars], default=1.0) or 1.0
    names = {name: k for k, name in enumerate(dict.fromkeys([b.name for b in bars]))}
    for b in bars:
        colour = COLOURS[names[b.name] % len(COLOURS)]
        axes.barh(
            b.depth, 1e3 * b.seconds, 0.92, 1e3 * (b.start - start), color=colour, edgecolor="white", linewidth=0.5
        )
        if b.seconds >= SMALL * width:
            most = max(int(110 * b.seconds / width), 1)
            axes.text(1e3 * (b.start - start + b.seconds / 2), b.depth, b.name[:most], ha="center", va="center", size=8)
    axes.set(xlabel="ms", yticks=[], xlim=(0, 1e3 * width), ylim=(depth - 0.5, -0.5))
    axes.spines[["top", "left", "right"]].set_visible(False)
    return figure
