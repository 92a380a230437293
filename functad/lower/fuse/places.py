"""Where variables live: inputs and outputs in the caller's memory, the rest in temporaries; a view is the memory of its
operand.
"""

from __future__ import annotations

from functad.ir.program import Atom, Literal, Program, Var
from functad.ir.types import SeqType
from functad.kernel_ir.nodes import Buffer
from functad.lower.fuse.body import buffer_of
from functad.lower.fuse.graph import Graph

__all__ = ["Places"]


class Places:
    """The buffers of a graph's variables, made when they are asked for.

    An output that nothing else is in memory for is the memory of the variable itself; ``copies`` lists the others
    (number, atom): inputs, constants, and what is an output already, since results share no memory with arguments nor
    with one another.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        program: Program = graph.program
        self.inputs = tuple([buffer_of(v.type, "input") for v in program.inputs])
        self.outputs = tuple([buffer_of(a.type, "output") for a in program.outputs])
        self.copies: list[tuple[int, Atom]] = []
        self.sequence_copies: list[tuple[int, Var]] = []
        self._buffers: dict[Var, Buffer] = dict(zip(program.inputs, self.inputs, strict=True))
        for number, (atom, buffer) in enumerate(zip(program.outputs, self.outputs, strict=True)):
            self._output(number, atom, buffer)

    def _output(self, number: int, atom: Atom, buffer: Buffer) -> None:
        source = atom if isinstance(atom, Literal) else self._graph.source(atom)
        if isinstance(atom, Var) and isinstance(atom.type, SeqType) and atom in self._buffers:
            self.sequence_copies.append((number, atom))
        elif isinstance(source, Literal) or source in self._buffers:
            self.copies.append((number, atom))
        elif source is atom:
            self._buffers[source] = buffer
        else:
            self._buffers[source] = buffer_of(source.type, buffer.role, buffer)

    def __getitem__(self, var: Var) -> Buffer:
        """The buffer of a variable that is in memory."""
        found = self._buffers.get(var)
        if found is None:
            source = self._graph.source(var)
            found = self._buffers[var] = buffer_of(var.type) if source is var else self._view(var, self[source])
        return found

    def _view(self, var: Var, source: Buffer) -> Buffer:
        viewed = buffer_of(var.type, source.role, source.root)
        return source.root if viewed.shape == source.root.shape else viewed
