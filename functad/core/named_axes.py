"""Mapped axes with a name: what is traced under ``vmap(f, axis_name=...)`` finds the axis by walking out of the traces
that it is in.

An axis is known to equations by its *lane*, a traced integer: the number of the element. A collective takes it as an
operand, and whatever runs between (loops, derivatives, calls) carries it there as it does any value that is closed
over. So which axis is meant never depends on a name, and a Program says all that it needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from functad.core.location import here
from functad.core.trace import Trace, current_trace
from functad.core.tracer import Tracer
from functad.errors import UnboundAxisError

__all__ = ["NamedAxis", "axis_of", "bind_axis", "named_axis"]


@dataclass(frozen=True)
class NamedAxis:
    """A mapped axis: its name, how many elements it has, and the number of the element."""

    name: Hashable
    size: int
    lane: Tracer


def bind_axis(name: Hashable, size: int, lane: Tracer) -> None:
    """Name the axis that the current trace maps over."""
    trace = current_trace()
    assert trace is not None
    trace.axis = NamedAxis(name, size, lane)


def named_axis(name: Hashable, what: str) -> NamedAxis:
    """The innermost axis of a name; what is traced now holds for it alone, so a Program of it serves no other call."""
    names = []
    trace: Trace | None = current_trace()
    while trace is not None:
        if trace.axis is not None:
            if trace.axis.name == name:
                current_trace().atom(trace.axis.lane)  # type: ignore[union-attr]
                return trace.axis
            names.append(repr(trace.axis.name))
        trace = trace.parent
    known = f"the axes here are {', '.join(names)}" if names else "no axis has a name here"
    raise UnboundAxisError(
        f"{what}{here()}: no mapped axis is named {name!r}: {known}. Name it where it is mapped, "
        f"fd.vmap(f, axis_name={name!r})"
    )


def axis_of(captures: Sequence[Tracer]) -> Hashable | None:
    """The name of an axis whose lane is among values that are closed over."""
    for lane in captures:
        trace = lane._owner
        while lane._variable in trace.sources:
            lane = trace.sources[lane._variable]
            trace = lane._owner
        if trace.axis is not None and trace.axis.lane._variable is lane._variable:
            return trace.axis.name
    return None
