"""From a Program to its KernelProgram: the groups, in order, as kernels and other statements."""

from __future__ import annotations

from dataclasses import dataclass, replace

from functad.ir.program import Program, Var
from functad.kernel_ir.control import SequenceCopy
from functad.kernel_ir.in_place import without_copies
from functad.kernel_ir.nodes import Index, KernelProgram, Product
from functad.kernel_ir.rules import Statements
from functad.lower.fuse.body import Body, Checks, Element, Path
from functad.lower.fuse.draft import Draft
from functad.lower.fuse.elements import Elements
from functad.lower.fuse.forms import Folding, MatrixProduct, fold
from functad.lower.fuse.graph import Node
from functad.lower.fuse.groups import Group, Root
from functad.lower.fuse.statements import Context

__all__ = ["Fused", "fuse"]


@dataclass(frozen=True, slots=True)
class Fused:
    """A kernel program, and for each of its error codes the path of the equation that it stems from."""

    program: KernelProgram
    origins: tuple[Path, ...]


def fuse(program: Program, symbols: int = 0) -> Fused:
    """The kernel program of a Program without calls; ``symbols`` is the number of size symbols in its types and
    params.
    """
    checks = Checks(program.eqns)
    made = build(program, checks, symbols)
    return Fused(replace(made, checks=checks.infos), checks.origins)


def build(program: Program, checks: Checks, symbols: int) -> KernelProgram:
    """The kernel program of a Program, or of one inside another: then ``checks`` are shared with that around it."""
    draft = Draft(program, checks, symbols)
    places = draft.places
    for position, group in enumerate(draft.grouping.groups):
        if group.node is None:
            _kernel(draft, position, group)
        else:
            _alone(draft, position, group.node)
    for number, atom in places.sequence_copies:
        draft.statements.append(SequenceCopy(places[atom], places.outputs[number]))  # type: ignore[arg-type]
    return KernelProgram(places.inputs, places.outputs, without_copies(draft.statements), symbols)


def _kernel(draft: Draft, position: int, group: Group) -> None:
    """A loop nest for all roots of a group."""
    body, elements = draft.open(position, 0)
    names: dict[str, None] = {}
    for root in sorted(group.roots, key=lambda root: -1 if root.node is None else root.node.position):
        _root(draft, body, elements, root)
        names[draft.name_of(root.node)] = None
    made = [*[root.node.origin for root in group.roots if root.node is not None], *body.origins]
    draft.append(body.finish(group.space, "_".join(list(names)[:4])), made)


def _root(draft: Draft, body: Body, elements: Elements, root: Root) -> None:
    if root.kind == "reduce":
        _reduce(draft, body, elements, root.node)
        return
    for index in draft.graph.spaces.layout(root.atom.type.shape).indices:
        value = elements(root.atom, index)
        if root.kind != "evaluate":
            buffer = draft.places.outputs[root.output] if root.kind == "copy" else draft.places[root.atom]  # type: ignore[index]
            body.store(buffer, index, value)


def _reduce(draft: Draft, body: Body, elements: Elements, node: Node | None) -> None:
    assert node is not None and isinstance(node.form, Folding)
    body.origin = node.origin
    reads = elements.reads(node)
    values: dict[Index, list[Element]] = {}
    for index in draft.graph.spaces.layout(node.form.shape).indices:
        kept = tuple([index[a] for a in node.form.kept])
        values.setdefault(kept, []).append(node.form.element(body, index, reads))
    for kept, parts in values.items():
        body.reduce(draft.places[node.outputs[0]], kept, node.form.op, fold(body, node.form.op, parts))


def _alone(draft: Draft, position: int, node: Node) -> None:
    """The statements of a node that shares no loop nest."""
    form, places = node.form, draft.places
    if isinstance(form, Statements):
        context = Context(draft, node, position, build)
        form.fn(context, node.in_types, tuple([v.type for v in node.outputs]), **node.params)
        return
    assert isinstance(form, MatrixProduct)
    out, (x, y) = node.outputs[0], node.inputs
    assert isinstance(x, Var) and isinstance(y, Var)
    sizes = form.batch, form.m, form.n, form.k, form.transpose_lhs, form.transpose_rhs
    draft.append(Product(places[out], places[x], places[y], *sizes, out.type.dtype.kind == "c"), [node.origin])
