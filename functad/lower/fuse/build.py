"""From a Program to its KernelProgram: the groups, in order, as kernels and other statements."""

from __future__ import annotations

from dataclasses import dataclass, replace

from functad.ir.program import Program, Var
from functad.kernel_ir.control import SequenceCopy
from functad.kernel_ir.in_place import without_copies
from functad.kernel_ir.nodes import Index, KernelProgram, Product, Statement
from functad.kernel_ir.rules import Statements
from functad.lower.fuse.body import Body, Checks, Element, Path
from functad.lower.fuse.elements import Elements
from functad.lower.fuse.forms import Folding, MatrixProduct, fold
from functad.lower.fuse.graph import Graph, Node
from functad.lower.fuse.groups import Group, Grouping, Root
from functad.lower.fuse.places import Places
from functad.lower.fuse.statements import Context
from functad.lower.fuse.storage import Storage

__all__ = ["Build", "Fused", "fuse"]


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
    made = Build(program, checks, symbols).program
    return Fused(replace(made, checks=checks.infos), checks.origins)


class Build:
    """A kernel program under construction."""

    def __init__(self, program: Program, checks: Checks, symbols: int) -> None:
        self.symbols = symbols
        self.graph = Graph(program)
        storage = Storage(self.graph)
        if written := storage.written():
            self.graph = Graph(program, written)
            storage = Storage(self.graph)
        self.places = Places(self.graph)
        self.grouping = Grouping(self.graph, storage, self.places.copies)
        self.checks = checks
        self.statements: list[Statement] = []
        for position, group in enumerate(self.grouping.groups):
            if group.node is None:
                self._kernel(position, group)
            else:
                self._alone(position, group.node)
        for number, atom in self.places.sequence_copies:
            self.statements.append(SequenceCopy(self.places[atom], self.places.outputs[number]))  # type: ignore[arg-type]
        self.program = KernelProgram(self.places.inputs, self.places.outputs, without_copies(self.statements), symbols)

    def inside(self, origin: int, number: int, program: Program) -> KernelProgram:
        """The kernel program of a sub-Program of an equation."""
        return Build(program, self.checks.inside(origin, number, program), self.symbols).program

    def open(self, position: int, origin: int) -> tuple[Body, Elements]:
        """A new kernel body, and the elements that it can read."""
        body = Body(self.checks)
        body.origin = origin
        return body, Elements(body, self.graph, self.places, self.grouping, position)

    def name_of(self, node: Node | None) -> str:
        """The name of the primitive that a node stems from."""
        return "copy" if node is None else self.graph.program.eqns[node.origin].primitive.name

    def _kernel(self, position: int, group: Group) -> None:
        body, elements = self.open(position, 0)
        names: dict[str, None] = {}
        for root in sorted(group.roots, key=lambda root: -1 if root.node is None else root.node.position):
            self._root(body, elements, root)
            names[self.name_of(root.node)] = None
        self.statements.append(body.finish(group.space, "_".join(list(names)[:4])))

    def _root(self, body: Body, elements: Elements, root: Root) -> None:
        if root.kind == "reduce":
            self._reduce(body, elements, root.node)
            return
        for index in self.graph.spaces.layout(root.atom.type.shape).indices:
            value = elements(root.atom, index)
            if root.kind != "evaluate":
                buffer = self.places.outputs[root.output] if root.kind == "copy" else self.places[root.atom]  # type: ignore[index]
                body.store(buffer, index, value)

    def _reduce(self, body: Body, elements: Elements, node: Node | None) -> None:
        assert node is not None and isinstance(node.form, Folding)
        body.origin = node.origin
        reads = elements.reads(node)
        values: dict[Index, list[Element]] = {}
        for index in self.graph.spaces.layout(node.form.shape).indices:
            kept = tuple([index[a] for a in node.form.kept])
            values.setdefault(kept, []).append(node.form.element(body, index, reads))
        for kept, parts in values.items():
            body.reduce(self.places[node.outputs[0]], kept, node.form.op, fold(body, node.form.op, parts))

    def _alone(self, position: int, node: Node) -> None:
        form = node.form
        if isinstance(form, Statements):
            context = Context(self, node, position)
            form.fn(context, node.in_types, tuple([v.type for v in node.outputs]), **node.params)
            return
        assert isinstance(form, MatrixProduct)
        out, (x, y) = node.outputs[0], node.inputs
        assert isinstance(x, Var) and isinstance(y, Var)
        sizes = form.batch, form.m, form.n, form.k, form.transpose_lhs, form.transpose_rhs
        self.statements.append(
            Product(self.places[out], self.places[x], self.places[y], *sizes, out.type.dtype.kind == "c")
        )
