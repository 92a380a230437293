"""The part of an entry's text that makes the result: scalars of what the driver has left, and containers."""

from __future__ import annotations

from collections.abc import Iterator

from functad.lower.entry import abi
from functad.lower.entry.pieces import Part
from functad.lower.entry.signature import Container, Leaf, Spec, Static
from functad.lower.entry.unpack import Unpacking

__all__ = ["Packing"]


class Packing(Unpacking):
    """Makes new objects; see ``text``."""

    def make_scalars(self) -> None:
        for number, leaf in enumerate(self.outputs):
            if leaf.kind != "array":
                self.make_scalar(leaf, self.result_value(number))

    def make_scalar(self, leaf: Leaf, value: str) -> None:
        """A new object of the scalar that the driver left at the address ``value``."""
        match leaf.kind:
            case "python_bool":
                self.new_bool(value, "_Py_TrueStruct", "_Py_FalseStruct")
            case "python_int":
                integer = self.load("i64", value, 0)
                self.new_object(f"call ptr @PyLong_FromLongLong(i64 {integer})")
            case "python_float":
                real = self.load("double", value, 0)
                self.new_object(f"call ptr @PyFloat_FromDouble(double {real})")
            case "python_complex":
                real, imag = self.load("double", value, 0), self.load("double", value, 8)
                self.new_object(f"call ptr @PyComplex_FromDoubles(double {real}, double {imag})")
            case _ if leaf.dtype.name == "bool":
                self.new_bool(value, "functad.numpy_true", "functad.numpy_false")
            case _:
                allocate, cls = (
                    self.variable(f"functad.{what}.{leaf.dtype.name}") for what in ("scalar_alloc", "scalar")
                )
                scalar = self.new_object(f"call ptr {allocate}(ptr {cls}, i64 0)")
                bits = 8 * leaf.dtype.itemsize
                self.line(
                    f"store i{bits} {self.load(f'i{bits}', value, 0)}, ptr {self.address(scalar, abi.SCALAR_VALUE)}, "
                    "align 8"
                )

    def new_bool(self, value: str, true: str, false: str) -> None:
        truth = self.value(f"icmp ne i8 {self.load('i8', value, 0)}, 0")
        chosen = self.value(f"select i1 {truth}, ptr {self.variable(true)}, ptr {self.variable(false)}")
        self.line(f"call void @Py_IncRef(ptr {chosen})")
        self.own(chosen)

    def result_value(self, number: int) -> str:
        """The address where the driver leaves a scalar result."""
        return self.address("%values", 16 * (len(self.inputs) + number))

    def pack_result(self) -> str:
        """Build the containers, innermost first; the finished result, which nothing else owns any more."""
        # Leaves in the order in which they were made: arrays before the driver ran, scalars after it.
        made = sorted(range(len(self.outputs)), key=lambda number: self.outputs[number].kind != "array")
        slots = {number: slot for slot, number in enumerate(made)}
        numbers = iter(range(len(self.outputs)))

        def build(spec: Spec) -> Part:
            match spec:
                case Leaf():
                    return "objects", slots[next(numbers)]
                case Static():
                    self.statics += 1
                    return "statics", self.statics - 1
                case Container():
                    first, self.parts = self.parts, self.parts + _part_count(spec)
                    return self.pack(spec, first, [build(child) for child in spec.children])

        return self.take(build(self.signature.result))

    def pack(self, spec: Container, first_part: int, children: list[Part]) -> Part:
        """A container of the children; its parts begin there."""
        match spec.kind:
            case "tuple" | "list":
                return self.pack_sequence(spec.kind, children)
            case "dict":
                return self.pack_dict(first_part, children, spec.order or tuple(range(len(children))))
            case "fields":
                return self.pack_fields(first_part, children)
        items = self.pack_sequence("tuple", children)
        if spec.kind == "namedtuple":
            cls = self.part(first_part)
            self.new_object(f"call ptr @PyObject_Call(ptr {cls}, ptr {self.peek(items)}, ptr null)")
        else:
            put_together, rest = self.part(first_part + 2), self.part(first_part + 3)
            self.line(f"store ptr {rest}, ptr %call.arguments")
            self.line(f"store ptr {self.peek(items)}, ptr {self.address('%call.arguments', 8)}")
            self.new_object(f"call ptr @PyObject_Vectorcall(ptr {put_together}, ptr %call.arguments, i64 2, ptr null)")
        place = "objects", self.objects - 1
        self.line(f"call void @Py_DecRef(ptr {self.take(items)})")
        return place

    def pack_fields(self, first_part: int, children: list[Part]) -> Part:
        """An instance made without ``__init__``, which may convert or check its arguments."""
        self.line(f"store ptr {self.part(first_part)}, ptr %call.arguments")
        new = self.variable("functad.object_new")
        made = self.new_object(f"call ptr @PyObject_Vectorcall(ptr {new}, ptr %call.arguments, i64 1, ptr null)")
        place = "objects", self.objects - 1
        for number, child in enumerate(children, first_part + 1):
            value = self.peek(child)
            status = self.value(f"call i32 @PyObject_GenericSetAttr(ptr {made}, ptr {self.part(number)}, ptr {value})")
            self.require(f"icmp eq i32 {status}, 0", otherwise="failure")
            self.drop(child)
        return place

    def part(self, number: int) -> str:
        """One of the parts of containers."""
        return self.load("ptr", "%parts", abi.TUPLE_ITEMS + 8 * number)

    def drop(self, child: Part) -> None:
        """The reference to something that a container has its own reference to now."""
        if child[0] == "objects":
            self.line(f"call void @Py_DecRef(ptr {self.take(child)})")

    def pack_sequence(self, kind: str, children: list[Part]) -> Part:
        new = "PyList_New" if kind == "list" else "PyTuple_New"
        sequence = self.new_object(f"call ptr @{new}(i64 {len(children)})")
        place = "objects", self.objects - 1
        items, offset = sequence, abi.TUPLE_ITEMS
        if kind == "list" and children:
            items, offset = self.load("ptr", sequence, abi.LIST_ITEMS), 0
        position = 0
        for first, count in _runs(children):
            target = self.address(items, offset + 8 * position)
            if first[0] == "objects":
                self.line(
                    f"call void @functad_move(ptr {self.address('%objects', 8 * first[1])}, i64 {count}, ptr {target})"
                )
            else:
                self.line(f"store ptr {self.take(first)}, ptr {target}")
            position += count
        return place

    def pack_dict(self, first_part: int, children: list[Part], order: tuple[int, ...]) -> Part:
        mapping = self.new_object("call ptr @PyDict_New()")
        place = "objects", self.objects - 1
        for number in order:
            # The dict takes a reference of its own; until it has one, the value stays where it is.
            key, child = self.part(first_part + number), children[number]
            status = self.value(f"call i32 @PyDict_SetItem(ptr {mapping}, ptr {key}, ptr {self.peek(child)})")
            self.require(f"icmp eq i32 {status}, 0", otherwise="failure")
            self.drop(child)
        return place


def _part_count(spec: Container) -> int:
    """How many parts a container has, which its structure does not say."""
    match spec.kind:
        case "dict":
            return len(spec.children)
        case "fields":
            return 1 + len(spec.children)
        case "namedtuple":
            return 1
        case "custom":
            return 4
    return 0


def _runs(places: list[Part]) -> Iterator[tuple[Part, int]]:
    """Neighbouring slots of ``objects`` as (first, number); each other place by itself."""
    start = 0
    for end in range(1, len(places) + 1):
        array, number = places[start]
        if end == len(places) or array != "objects" or places[end] != (array, number + end - start):
            yield places[start], end - start
            start = end
