"""``graph``: a Program as a picture, equations that share a kernel in one box.

Drawn by graphviz where its program ``dot`` is there, else by a plain layering of our own: an equation stands below all
that it takes, as in Sugiyama's method (K. Sugiyama, S. Tagawa, M. Toda, *Methods for visual understanding of
hierarchical system structures*, 1981), in the order of the mean place of these.
"""

from __future__ import annotations

import html
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functad.api.arguments import name_of
from functad.api.programs import make_ir
from functad.core.wrapping import Transformed
from functad.ir.program import Eqn, Literal, Program, Var, sub_programs
from functad.ir.scalars import format_scalar
from functad.lower.fuse.body import Checks
from functad.lower.fuse.draft import Draft
from functad.passes.pipeline import optimize

__all__ = ["Graph", "Node", "graph"]

ROW, CHAR, GAP, HEIGHT = 64, 7.2, 24, 30
"""Pixels: from row to row, a character's width, between boxes, a box's height."""

COLOURS = ("#cfe2f3", "#d9ead3", "#fff2cc", "#f4cccc", "#d9d2e9", "#fce5cd", "#d0e0e3", "#ead1dc")
"""Grounds of boxes, by kernel, on which black is read."""


@dataclass(frozen=True)
class Node:
    """A box: an input, an equation or an output; ``kernel`` counts those that compute it, None: what computes nothing
    of its own."""

    key: str
    label: str
    kind: str
    kernel: int | None = None
    where: str = ""


@dataclass(frozen=True)
class Graph:
    """Boxes, and arrows between them with the types of what goes along."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str, str], ...]

    @property
    def dot(self) -> str:
        """The text for graphviz."""
        lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname=monospace, fontsize=11]']
        lines.append("  edge [fontname=monospace, fontsize=9]")
        for node in self.nodes:
            tip = f', tooltip="{_escaped(node.where)}"' if node.where else ""
            lines.append(f'  {node.key} [label="{_escaped(node.label)}", fillcolor="{_colour(node)}"{tip}]')
        lines += [f'  {a} -> {b} [label="{_escaped(text)}"]' for a, b, text in self.edges]
        return "\n".join([*lines, "}"])

    @property
    def svg(self) -> str:
        """The picture as SVG."""
        program = shutil.which("dot")
        if program is None:
            return self.plain_svg
        made = subprocess.run([program, "-Tsvg"], input=self.dot, capture_output=True, text=True, check=True)
        return made.stdout[made.stdout.index("<svg") :]

    @property
    def plain_svg(self) -> str:
        """The picture without graphviz."""
        return _drawn(self)

    def save(self, path: str) -> None:
        """Write the picture to a file of SVG."""
        with open(path, "w") as file:
            file.write(self.svg)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        kernels = len({n.kernel for n in self.nodes if n.kernel is not None})
        equations = len([n for n in self.nodes if n.kind == "equation"])
        plural = "" if kernels == 1 else "s"
        return f"<graph of {self.name}: {equations} equations in {kernels} kernel{plural}; .svg, .dot, .save(path)>"


def graph(f: Callable[..., Any], optimized: bool = True) -> Callable[..., Graph]:
    """A function that draws the Program of ``f`` for given arguments: boxes of one colour are computed in one kernel.

    Parameters
    ----------
    f
        A function, or what a transform made of one.
    optimized
        Whether to draw the Program after the passes; else as it was traced, without kernels.

    Returns
    -------
    A function of the same arguments that gives a ``Graph``: a picture in notebooks; ``svg`` and ``dot`` are its texts.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.inspect.graph(lambda x: np.sum(np.sin(x) * x))(np.ones(100))
    <graph of <lambda>: 3 equations in 1 kernel; .svg, .dot, .save(path)>
    """
    return Transformed(_graph, f, optimized)


def _graph(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], optimized: bool) -> Graph:
    program = make_ir(f)(*args, **kwargs)
    kernels: dict[int, int] = {}
    if optimized:
        program = optimize(program)
        kernels = _kernels(program)
    return _made(name_of(f), program, kernels)


def _kernels(program: Program) -> dict[int, int]:
    """The kernel that an equation is computed in, by its number; one that is computed in several: the first."""
    draft = Draft(program, Checks(program.eqns), 0)
    found: dict[int, int] = {}
    for number, group in enumerate(draft.grouping.groups):
        nodes = [group.node] if group.node is not None else [r.node for r in group.roots if r.node is not None]
        for node in nodes:
            found.setdefault(node.origin, number)
    users = _users(program)
    for number in range(len(program.eqns) - 1, -1, -1):  # what is not stored is computed where it is used
        if number not in found:
            first = next(iter(users[number]), None)
            if first in found:
                found[number] = found[first]
    return found


def _users(program: Program) -> dict[int, list[int]]:
    made = {v: number for number, eqn in enumerate(program.eqns) for v in eqn.outputs}
    users: dict[int, list[int]] = defaultdict(list)
    for number, eqn in enumerate(program.eqns):
        for atom in eqn.inputs:
            if isinstance(atom, Var) and atom in made:
                users[made[atom]].append(number)
    return users


def _made(name: str, program: Program, kernels: dict[int, int]) -> Graph:
    nodes = [Node(f"i{k}", f"{v.type}", "input") for k, v in enumerate(program.inputs)]
    source = {v: f"i{k}" for k, v in enumerate(program.inputs)}
    edges: list[tuple[str, str, str]] = []
    for number, eqn in enumerate(program.eqns):
        key = f"e{number}"
        nodes.append(Node(key, _label(eqn), "equation", kernels.get(number), str(eqn.loc or "")))
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                edges.append((source[atom], key, str(atom.type)))
        source.update(dict.fromkeys(eqn.outputs, key))
    for k, atom in enumerate(program.outputs):
        nodes.append(Node(f"o{k}", f"{atom.type}" if isinstance(atom, Var) else _literal(atom), "output"))
        if isinstance(atom, Var):
            edges.append((source[atom], f"o{k}", str(atom.type)))
    return Graph(name, tuple(nodes), tuple(edges))


def _label(eqn: Eqn) -> str:
    """The primitive with its literals, and what it holds."""
    parts = [_literal(a) if isinstance(a, Literal) else "·" for a in eqn.inputs]
    inside = sum([len(p.eqns) for p in sub_programs(eqn)])
    held = f" {{{inside} equations}}" if inside else ""
    literals = f" {' '.join(parts)}" if any(isinstance(a, Literal) for a in eqn.inputs) else ""
    return f"{eqn.primitive.name}{literals}{held}"


def _literal(atom: Literal) -> str:
    return f"array {atom.type}" if atom.type.ndim else format_scalar(atom.value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _colour(node: Node) -> str:
    return "#ffffff" if node.kernel is None else COLOURS[node.kernel % len(COLOURS)]


# -- the plain picture -------------------------------------------------------------------------------------------------


def _drawn(graph: Graph) -> str:
    """Boxes in rows, arrows straight between them."""
    places = _places(graph)
    width = max([x + w for x, _, w in places.values()], default=0) + GAP
    height = max([y for _, y, _ in places.values()], default=0) + HEIGHT + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="monospace" font-size="12">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6 z" fill="#666"/></marker></defs>',
    ]
    for a, b, _ in graph.edges:
        (ax, ay, aw), (bx, by, bw) = places[a], places[b]
        parts.append(
            f'<line x1="{ax + aw / 2:.1f}" y1="{ay + HEIGHT}" x2="{bx + bw / 2:.1f}" y2="{by}" stroke="#666" '
            'marker-end="url(#tip)"/>'
        )
    for node in graph.nodes:
        x, y, w = places[node.key]
        parts.append(
            f'<g><title>{html.escape(node.where or node.kind)}</title><rect x="{x:.1f}" y="{y}" width="{w:.1f}" '
            f'height="{HEIGHT}" rx="6" fill="{_colour(node)}" stroke="#444"/><text x="{x + w / 2:.1f}" y="{y + 19}" '
            f'text-anchor="middle" fill="#111">{html.escape(node.label)}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _places(graph: Graph) -> dict[str, tuple[float, int, float]]:
    """Left edge, top and width of each box."""
    before: dict[str, list[str]] = defaultdict(list)
    for a, b, _ in graph.edges:
        before[b].append(a)
    row: dict[str, int] = {}
    for node in graph.nodes:  # in an order in which arrows go forward
        row[node.key] = 1 + max([row[a] for a in before[node.key]], default=-1)
    last = max(row.values(), default=0)
    row.update({n.key: last for n in graph.nodes if n.kind == "output"})
    rows: dict[int, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        rows[row[node.key]].append(node)
    places: dict[str, tuple[float, int, float]] = {}
    for number in sorted(rows):
        x = float(GAP)
        for node in sorted(rows[number], key=lambda n: _mean([places[a] for a in before[n.key]])):
            width = max(40.0, CHAR * len(node.label) + 16)
            wanted = _mean([places[a] for a in before[node.key]]) - width / 2
            x = max(x, wanted)
            places[node.key] = (x, GAP + ROW * number, width)
            x += width + GAP
    return places


def _mean(places: list[tuple[float, int, float]]) -> float:
    return sum([x + w / 2 for x, _, w in places]) / len(places) if places else 0.0
