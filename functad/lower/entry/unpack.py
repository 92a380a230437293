"""The part of an entry's text that takes the arguments of a call apart."""

from __future__ import annotations

from functad.lower.entry import abi
from functad.lower.entry.layout import Layout
from functad.lower.entry.signature import Container, Hidden, Leaf, Signature, Spec, Static
from functad.lower.entry.world import World, held_places, is_held

__all__ = ["Unpacking"]


class Unpacking(World):
    """Makes objects into items, and scalars into inputs; see ``text``."""

    def __init__(self, signature: Signature, constants: int) -> None:
        super().__init__()
        self.signature = signature
        self.inputs = signature.inputs
        self.outputs = signature.outputs
        self.constants = constants
        self.layout = Layout(signature, constants)
        self.argument_arrays: list[tuple[int, int, Leaf]] = []  # item, input
        self.given_arrays: list[tuple[int, int, Leaf]] = []  # item, output: where the call gives what to write to
        self.is_given = False  # what is unpacked now is to be written to
        # Counters of what has been met so far.
        self.unpacked = 0  # inputs
        self.held = 0  # held items
        # items; these come after the held ones
        given = (*signature.specs, *([signature.result] if signature.gives_out else []))
        self.borrowed = sum(_held_items(spec) for spec in given) + held_places(signature.hidden)
        self.parts = len(signature.names)  # the first ones are the keywords
        self.statics = 0

    def unpack_arguments(self) -> int | None:
        """Check containers, read scalars, and note where the arrays are: they come last, when no more Python code can
        run. The item that is to be written to, if any.
        """
        signature = self.signature
        first, self.borrowed = self.borrowed, self.borrowed + len(signature.args) + len(signature.names)
        items = self.address("%items", 8 * first)
        positional = len(signature.args)
        if positional:
            self.line(f"call void @functad_copy(ptr %args, i64 {positional}, ptr {items})")
        self.take_keywords(first + positional)
        for item, spec in enumerate(signature.specs, first):
            self.unpack(spec, item)
        given = None
        if signature.gives_out:
            given = first + len(signature.specs)
            self.unpack_given(signature.result, given)
        if self.constants:
            source, target = (
                self.address("%block", 8 * self.layout.constants),
                self.address("%inputs", 8 * len(self.inputs)),
            )
            self.line(f"call void @functad_copy(ptr {source}, i64 {self.constants}, ptr {target})")
        return given

    def take_keywords(self, first: int) -> None:
        """The values of keywords become items."""
        count = len(self.signature.names)
        if not count:
            self.require("icmp eq ptr %kwnames, null")
            return
        names = self.address("%parts", abi.TUPLE_ITEMS)
        values = self.address("%args", 8 * len(self.signature.args))
        items = self.address("%items", 8 * first)
        self.require(f"call i1 @functad_keywords(ptr %kwnames, ptr {names}, i64 {count}, ptr {values}, ptr {items})")

    def unpack_children(self, children: tuple[Spec, ...], objects: str) -> None:
        """What a tuple or the call itself keeps alive is only copied."""
        first, self.borrowed = self.borrowed, self.borrowed + len(children)
        if children:
            self.line(
                f"call void @functad_copy(ptr {objects}, i64 {len(children)}, ptr {self.address('%items', 8 * first)})"
            )
        for item, child in enumerate(children, first):
            self.unpack(child, item)

    def unpack(self, spec: Spec, item: int) -> None:
        match spec:
            case Static():
                self.statics += 1
                plan = self.peek(("statics", self.statics - 1))
                self.require(f"call i1 @functad_same(ptr {self.item(item)}, ptr {plan})")
            case Leaf() if self.is_given:
                self.given_arrays.append((item, len(self.given_arrays), spec))
            case Leaf(kind="array"):
                self.argument_arrays.append((item, self.unpacked, spec))
                self.unpacked += 1
            case Leaf():
                self.read_scalar(spec, self.item(item))
                self.unpacked += 1
            case Container(kind="dict"):
                self.unpack_dict(spec, self.item(item))
            case Container(kind="list"):
                self.unpack_list(spec.children, self.item(item))
            case Container(kind="tuple"):
                obj = self.item(item)
                self.require_type(obj, "PyTuple_Type")
                self.unpack_tuple(spec.children, obj)
            case Container(kind="namedtuple"):
                obj = self.item(item)
                self.require_class(obj)
                self.unpack_tuple(spec.children, obj)
            case Container():
                self.unpack_object(spec, self.item(item))

    def unpack_tuple(self, children: tuple[Spec, ...], obj: str) -> None:
        """The items of a tuple, or of an instance of a subclass."""
        self.require_size(obj, len(children))
        self.unpack_children(children, self.address(obj, abi.TUPLE_ITEMS))

    def unpack_object(self, spec: Container, obj: str) -> None:
        """What attributes hold, or what a function of Python takes out; all of it is held."""
        count = len(spec.children)
        first, self.held = self.held, self.held + count
        self.require_class(obj)
        if spec.kind == "fields":
            names = self.address("%parts", abi.TUPLE_ITEMS + 8 * self.parts)
            self.parts += count
            call = f"@functad_fields(ptr {obj}, ptr {names}, i64 {count}"
        else:
            flatten, _, rest = (self.next_part() for _ in range(3))
            call = f"@functad_flatten(ptr {obj}, ptr {flatten}, ptr {rest}, ptr %seen, i64 {count}"
        self.require(f"call i1 {call}, ptr %items, i64 {first}, ptr %held)")
        for item, child in enumerate(spec.children, first):
            self.unpack(child, item)

    def unpack_given(self, spec: Spec, item: int) -> None:
        """The container of the result, whose arrays are to be written to."""
        self.is_given = True
        self.unpack(spec, item)
        self.is_given = False

    def next_part(self) -> str:
        """The next of the parts of containers."""
        self.parts += 1
        return self.load("ptr", "%parts", abi.TUPLE_ITEMS + 8 * (self.parts - 1))

    def require_class(self, obj: str) -> None:
        """The exact class that is the next part."""
        cls = self.next_part()
        self.require(f"icmp eq ptr {self.load('ptr', obj, abi.OB_TYPE)}, {cls}")

    def unpack_hidden(self, hidden: Hidden) -> None:
        """What a place holds becomes an item; an array that the place might let go of during the call is held."""
        obj = self.fetch(hidden.place)
        if is_held(hidden):
            item, self.held = self.held, self.held + 1
            self.line(f"call void @Py_IncRef(ptr {obj})")
        else:
            item, self.borrowed = self.borrowed, self.borrowed + 1
        self.line(f"store ptr {obj}, ptr {self.address('%items', 8 * item)}")
        if is_held(hidden):
            self.line(f"store i64 {self.held}, ptr %held")
        self.unpack(hidden.leaf, item)

    def unpack_dict(self, spec: Container, obj: str) -> None:
        """A dict of as many keys as expected, in which each expected key is found."""
        children = spec.children
        self.require_type(obj, "PyDict_Type")
        size = self.value(f"call i64 @PyDict_Size(ptr {obj})")
        self.require(f"icmp eq i64 {size}, {len(children)}")
        first, self.held = self.held, self.held + len(children)
        keys = self.address("%parts", abi.TUPLE_ITEMS + 8 * self.parts)
        self.parts += len(children)
        if spec.has_int_keys:
            self.require(f"call i1 @functad_int_keys(ptr {obj})")
        if children:
            self.require(
                f"call i1 @functad_look_up(ptr {obj}, ptr {keys}, i64 {len(children)}, ptr %items, i64 {first}, ptr "
                "%held)"
            )
        for item, child in enumerate(children, first):
            self.unpack(child, item)

    def unpack_list(self, children: tuple[Spec, ...], obj: str) -> None:
        """A list, all of whose items are held before anything is done with one: a dict among them may run code that
        changes the list.
        """
        self.require_type(obj, "PyList_Type")
        self.require_size(obj, len(children))
        first, self.held = self.held, self.held + len(children)
        if children:
            objects = self.load("ptr", obj, abi.LIST_ITEMS)
            self.line(
                f"call void @functad_hold(ptr {objects}, i64 {len(children)}, ptr %items, i64 {first}, ptr %held)"
            )
        for item, child in enumerate(children, first):
            self.unpack(child, item)

    def read_scalar(self, leaf: Leaf, obj: str) -> None:
        """Check a scalar argument and make a copy of its value the next input."""
        copy = self.address("%values", 16 * self.unpacked)
        bits = 8 * leaf.dtype.itemsize
        match leaf.kind:
            case "python_bool":
                true = self.value(f"icmp eq ptr {obj}, {self.variable('_Py_TrueStruct')}")
                false = self.value(f"icmp eq ptr {obj}, {self.variable('_Py_FalseStruct')}")
                self.require(f"or i1 {true}, {false}")
                value = self.value(f"zext i1 {true} to i8")
            case "python_int":
                self.require_type(obj, "PyLong_Type")
                value = self.read_int(obj, copy) if leaf.dtype.kind == "i" else self.read_int_as_double(obj)
            case "python_float":
                self.require_type(obj, "PyFloat_Type")
                value = self.load(f"i{bits}", obj, abi.FLOAT_VALUE)
            case "python_complex":
                self.require_type(obj, "PyComplex_Type")
                value = self.load(f"i{bits}", obj, abi.COMPLEX_VALUE)
            case _:
                self.require_type(obj, f"functad.scalar.{leaf.dtype.name}")
                value = self.load(f"i{bits}", obj, abi.SCALAR_VALUE)
        self.line(f"store i{bits} {value}, ptr {copy}")
        self.line(f"store ptr {copy}, ptr {self.address('%inputs', 8 * self.unpacked)}")

    def read_int(self, obj: str, scratch: str) -> str:
        value = self.value(f"call i64 @PyLong_AsLongLongAndOverflow(ptr {obj}, ptr {scratch})")
        overflow = self.value(f"load i32, ptr {scratch}")
        self.require(f"icmp eq i32 {overflow}, 0")
        return value

    def read_int_as_double(self, obj: str) -> str:
        value = self.value(f"call double @PyLong_AsDouble(ptr {obj})")
        overflow = self.value("call ptr @PyErr_Occurred()")
        self.require(f"icmp eq ptr {overflow}, null")
        return self.value(f"bitcast double {value} to i64")


def _held_items(spec: Spec) -> int:
    """How many items are reached directly through what is no tuple, and could let go of them."""
    if not isinstance(spec, Container):
        return 0
    return (len(spec.children) if spec.kind not in ("tuple", "namedtuple") else 0) + sum(
        _held_items(child) for child in spec.children
    )
