"""The equations of a Program as forms, in order, with what each reads and costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from functad.core.primitive import Primitive
from functad.errors import InternalError
from functad.ir.program import Atom, Eqn, Literal, Program, Var
from functad.ir.types import ArrayType
from functad.kernel_ir.nodes import Affine, Index
from functad.kernel_ir.rules import Alias, Contraction, KernelRule, Pointwise, Pull, Reduction, Statements
from functad.lower.fuse.contraction import contracted, product_form
from functad.lower.fuse.forms import Folding, Form, View, constant_form, reduction_form, transposition
from functad.lower.fuse.profile import Profile, Read, profile
from functad.lower.fuse.spaces import Reshape, Shape, Space, Spaces, axes_of, core, long_axes

__all__ = ["Access", "Graph", "Node", "kernel_rule"]


class Access(NamedTuple):
    """A variable that a node reads.

    ``same``: it has the iteration space of the node and is read at the node's own point. ``expands``: not every loop
    axis of the node takes part in the index, or a component does, so that elements are read again and again.
    """

    var: Var
    same: bool
    expands: bool


class Node:
    """One computation: an equation, or a part of one."""

    __slots__ = (
        "accesses",
        "form",
        "in_types",
        "inline",
        "inputs",
        "origin",
        "outputs",
        "params",
        "position",
        "profile",
        "shape",
        "space",
    )

    def __init__(
        self,
        position: int,
        origin: int,
        form: Form,
        inputs: tuple[Atom, ...],
        outputs: tuple[Var, ...],
        params: Mapping[str, Any],
    ) -> None:
        self.position = position
        self.origin = origin  # the number of the equation
        self.form = form
        self.inputs = inputs
        self.outputs = outputs
        self.params = params
        self.in_types = tuple([a.type for a in inputs])
        self.inline = isinstance(form, Pointwise | Pull | View)
        self.shape: Shape = form.shape if isinstance(form, Folding) else outputs[0].type.shape if outputs else ()
        self.profile: Profile = profile(form, self.in_types, tuple([v.type for v in outputs]), params)
        self.space: Space = ()  # both are set when it is known which shapes have components
        self.accesses: tuple[Access, ...] = ()


class Graph:
    """A Program as nodes; ``node_of`` gives the node that computes a variable (none for inputs).

    The results of the equations ``in_memory`` are known to be stored, which some rules do in a way of their own.
    """

    def __init__(self, program: Program, in_memory: Collection[int] = ()) -> None:
        self.program = program
        self.in_memory = in_memory
        self.nodes: list[Node] = []
        self.node_of: dict[Var, Node] = {}
        for number, eqn in enumerate(program.eqns):
            self._equation(number, eqn)
        self.spaces = Spaces(self._divided())
        for node in self.nodes:
            node.space = self.spaces.layout(node.shape).space
            node.accesses = tuple(self._accesses(node))

    def source(self, var: Var) -> Var:
        """The variable that owns the memory of this one, which may be a view."""
        node = self.node_of.get(var)
        while node is not None and type(node.form) is View:
            (operand,) = node.inputs
            assert isinstance(operand, Var)
            var = operand
            node = self.node_of.get(var)
        return var

    def is_inline(self, atom: Atom) -> bool:
        """Whether a variable is computed wherever it is read, unless it is stored."""
        node = self.node_of.get(self.source(atom)) if isinstance(atom, Var) else None
        return node is not None and node.inline

    # -- reading -------------------------------------------------------------------------------------------------------

    def _divided(self) -> set[Shape]:
        """The shapes that get components: those that then share a loop with another shape which reads them, or which
        they read.
        """
        found: set[Shape] = set()
        for node in self.nodes:
            if node.inline or isinstance(node.form, Folding):
                for read in node.profile.reads:
                    shape = node.in_types[read.operand].shape
                    if long_axes(read.axes) == axes_of(read.axes) and long_axes(shape) == axes_of(shape):
                        continue
                    if not self.is_inline(node.inputs[read.operand]) or is_same(
                        read, axes_of(read.axes), shape, axes_of(shape)
                    ):
                        continue
                    if is_same(read, long_axes(read.axes), shape, long_axes(shape)):
                        found |= {core(read.axes), core(shape)}
        return found

    def _accesses(self, node: Node) -> list[Access]:
        layout = self.spaces.layout
        if isinstance(node.form, Pointwise):
            return [
                Access(a, layout(a.type.shape).space == node.space, False) for a in node.inputs if isinstance(a, Var)
            ]
        if isinstance(node.form, View) and not node.form.map.affine:
            (operand,) = node.inputs
            assert isinstance(operand, Var)
            return [Access(operand, not node.space and not layout(operand.type.shape).space, False)]
        alone = not node.inline and not isinstance(node.form, Folding)
        found: dict[tuple[Var, Index], Access] = {}
        for read in node.profile.reads:
            operand = node.inputs[read.operand]
            if isinstance(operand, Var):
                found[operand, read.index] = self._access(read, operand, alone)
        return list(found.values())

    def _access(self, read: Read, var: Var, alone: bool) -> Access:
        loops = axes_of(read.axes) if alone else self.spaces.layout(read.axes).loops
        own = self.spaces.layout(var.type.shape).loops
        same = not alone and is_same(read, loops, var.type.shape, own)
        mentioned = {atom for affine in read.index for atom, _ in affine.terms}
        strange = any(atom not in loops for k in own for atom, _ in read.index[k].terms)
        return Access(var, same, strange or not mentioned.issuperset(loops))

    # -- building ------------------------------------------------------------------------------------------------------

    def _equation(self, number: int, eqn: Eqn) -> None:
        in_types = tuple([a.type for a in eqn.inputs])
        rule = kernel_rule(eqn.primitive, in_types, eqn.params)
        if isinstance(rule, Contraction):
            self._contraction(number, eqn)
            return
        form: Form
        if isinstance(rule, Alias):
            form = View(Reshape.of(in_types[0].shape, eqn.outputs[0].type.shape))
            if isinstance(eqn.inputs[0], Literal):  # a constant has no memory to look at
                form = Pull(lambda b, index, reads, in_types, out_type, **params: reads[0](()))
        elif isinstance(rule, Reduction):
            form = reduction_form(rule, in_types[0], eqn.params["axes"])
        elif isinstance(rule, Pull) and rule.in_memory is not None and number in self.in_memory:
            form = rule.in_memory
        elif isinstance(rule, Pointwise | Pull | Statements):
            form = rule
        else:
            raise InternalError(f"{eqn.primitive.name} has a kernel rule of the unknown kind {type(rule).__name__}")
        self._add(number, form, eqn.inputs, eqn.outputs, eqn.params)

    def _add(
        self, number: int, form: Form, inputs: Sequence[Atom], outputs: Sequence[Var], params: Mapping[str, Any]
    ) -> None:
        node = Node(len(self.nodes), number, form, tuple(inputs), tuple(outputs), params)
        if any(isinstance(node.inputs[k], Literal) for k in node.profile.memory):
            inputs = [self._constant(number, a) if k in node.profile.memory else a for k, a in enumerate(inputs)]
            node = Node(len(self.nodes), number, form, tuple(inputs), tuple(outputs), params)
        self.nodes.append(node)
        for v in outputs:
            self.node_of[v] = node

    def _define(self, number: int, form: Pull, inputs: Sequence[Atom], type: ArrayType) -> Var:
        var = Var(type)
        self._add(number, form, inputs, (var,), {})
        return var

    def _constant(self, number: int, atom: Atom) -> Atom:
        return self._define(number, constant_form(atom.value), (), atom.type) if isinstance(atom, Literal) else atom

    def _contraction(self, number: int, eqn: Eqn) -> None:
        """A contraction for BLAS reads its operands under the transpositions that made them, so that these need not be
        carried out.
        """
        x, y = eqn.inputs
        c, fused = contracted(x.type, y.type, **eqn.params)
        if fused is not None:
            self._add(number, fused, eqn.inputs, eqn.outputs, {})
            return
        (x, stored_x), (y, stored_y) = self._stored(x, c.x), self._stored(y, c.y)
        form, order_x, order_y = product_form(c, stored_x, stored_y)
        operands = [self._ordered(number, x, stored_x, order_x), self._ordered(number, y, stored_y, order_y)]
        self._add(number, form, operands, eqn.outputs, {})

    def _stored(self, atom: Atom, names: list[int]) -> tuple[Atom, list[int]]:
        """The array that an operand is a transposition of, and the names of its axes."""
        node = self.node_of.get(atom) if isinstance(atom, Var) else None
        while (
            node is not None and "axes" in node.params and self.program.eqns[node.origin].primitive.name == "transpose"
        ):
            axes = node.params["axes"]
            names = [names[axes.index(a)] for a in range(len(axes))]
            (atom,) = node.inputs
            node = self.node_of.get(atom) if isinstance(atom, Var) else None
        return atom, names

    def _ordered(self, number: int, atom: Atom, stored: list[int], order: list[int]) -> Atom:
        """The array with its axes in another order, by a copy."""
        if order == stored:
            return atom
        axes = tuple([stored.index(a) for a in order])
        return self._define(
            number, transposition(axes), (atom,), atom.type.with_shape(tuple([atom.type.shape[a] for a in axes]))
        )


def is_same(read: Read, loops: tuple[int, ...], shape: Shape, own: tuple[int, ...]) -> bool:
    """Whether an array of this shape, with loop axes ``own``, is read at the own point of a reader with loop axes
    ``loops``.
    """
    if [read.axes[k] for k in loops] != [shape[k] for k in own]:
        return False
    if any(read.index[k] != Affine.axis(axis) for k, axis in zip(own, loops, strict=True)):
        return False
    rest = [atom for k, affine in enumerate(read.index) if k not in own for atom, _ in affine.terms]
    return all(isinstance(atom, int) and atom not in loops for atom in rest)


def kernel_rule(primitive: Primitive, in_types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> KernelRule:
    """The kernel rule of a primitive for these operands."""
    rule = primitive.kernel_rule(in_types, params)
    if rule is None:
        raise InternalError(
            f"the primitive {primitive.name} has no native form; it must be rewritten by a pass before lowering"
        )
    return rule
