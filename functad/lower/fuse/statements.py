"""The context that a ``Statements`` rule writes into; its methods are described there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from functad.ir.program import Program, Var
from functad.ir.types import Size
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.nodes import Affine, Buffer, Call, Index, KernelProgram, Statement
from functad.kernel_ir.sizes import Extent
from functad.lower.fuse.body import Body, Checks, Element, buffer, buffer_of
from functad.lower.fuse.draft import Draft
from functad.lower.fuse.elements import Elements
from functad.lower.fuse.graph import Node

__all__ = ["Context"]


class Context:
    """What one node appends to a program under construction; ``build`` makes those of its sub-Programs."""

    def __init__(
        self, draft: Draft, node: Node, position: int, build: Callable[[Program, Checks, int], KernelProgram]
    ) -> None:
        self._draft = draft
        self._node = node
        self._position = position
        self._build = build
        self._elements: Elements | None = None

    def kernel(self, axes: Sequence[Size], fn: Callable[[Body, Index], None], name: str = "") -> None:
        body, self._elements = self._draft.open(self._position, self._node.origin)
        fn(body, tuple([Affine.axis(i) for i in range(len(axes))]))
        self._elements = None
        kernel = body.finish(axes, name or self._draft.name_of(self._node))
        self._draft.append(kernel, [self._node.origin, *body.origins])

    def read(self, operand: int) -> Callable[..., Element]:
        def read(index: Index, mask: object = None, fill: object = 0) -> Element:
            assert self._elements is not None, "ctx.read is for use inside a kernel"
            return self._elements.reads(self._node)[operand](index, mask, fill)

        return read

    def input(self, operand: int) -> Buffer:
        atom = self._node.inputs[operand]
        assert isinstance(atom, Var)
        return self._draft.places[atom]

    def output(self, result: int = 0) -> Buffer:
        return self._draft.places[self._node.outputs[result]]

    def temp(self, shape: Sequence[Extent], dtype: np.dtype) -> Buffer:
        return buffer(shape, np.dtype(dtype))

    def spare(self, result: int) -> Buffer:
        return buffer_of(self._node.outputs[result].type)

    def program(self, number: int, program: Program) -> KernelProgram:
        inside = self._draft.checks.inside(self._node.origin, number, program)
        return self._build(program, inside, self._draft.symbols)

    def call(self, function: NativeFunction, *buffers: Buffer) -> None:
        code = self.check(*function.check) if function.check else 0
        sizes = [n for b, operand in zip(buffers, function.operands, strict=True) for n in b.shape[: operand.rank]]
        self.append(Call(function, buffers, tuple(sizes), code))

    def append(self, statement: Statement) -> None:
        self._draft.append(statement, [self._node.origin])

    def check(self, error: str, message: str, *sizes: Extent) -> int:
        return self._draft.checks.code(error, message, sizes, self._node.origin)
