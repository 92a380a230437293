"""The LLVM text of an entry: a C function that CPython calls directly, and that does in machine code what a Python
wrapper would do.

    PyObject *functad_entry(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, Seen *seen)

It unpacks the arguments, checks them against the signature, makes the arrays of the result, calls the driver, and packs
the result; where the arguments do not fit it gives `MISMATCH`. What functions of Python take objects apart to is kept
in ``seen`` for the entries that are asked next, unless that is null. ``self`` is a tuple, whose items ``SelfItem``
lists; numbers that differ between specialisations (shapes, addresses) stand in its block, as ``Layout`` says, so that
all signatures of one structure share one entry. Its variables are

    items      the arguments and what is in their containers. What is reached through a list or a dict, or taken out of
               an object, could be dropped from it by another
               thread (while the GIL is released) or by code that runs during the call (``__eq__`` of a foreign key): it
               stands first among the items, and is held, as far as ``held`` says
    copies     copies of arrays of another layout, which took their place as items; of held items the array itself,
               since what is held is the copy then; so many as ``copied`` says
    inputs     the data pointers for the driver; those of scalars point to copies in ``values``
    outputs    the same for the result
    objects    new objects: arrays, then scalars, then containers; so many as ``made`` says. They are owned here until
    the last step

Every way out releases ``objects``, ``items`` and ``copies`` as far as they are filled.
"""

from __future__ import annotations

from collections.abc import Iterator

from functad.lower.entry import abi
from functad.lower.entry.helpers import DECLARATIONS
from functad.lower.entry.layout import Layout, SelfItem
from functad.lower.entry.pieces import Part, self_item
from functad.lower.entry.signature import Container, Hidden, Leaf, Signature, Spec, Static
from functad.lower.entry.world import World, held_places, is_held
from functad.lower.native.threads import parallel_symbols

__all__ = ["ENTRY_SYMBOL", "entry_text"]

ENTRY_SYMBOL = "functad_entry"

_FUNCTIONS = (
    "declare ptr @PyComplex_FromDoubles(double, double)",
    "declare ptr @PyDict_New()",
    "declare ptr @PyDict_GetItemWithError(ptr, ptr)",
    "declare i32 @PyDict_SetItem(ptr, ptr, ptr)",
    "declare i64 @PyDict_Size(ptr)",
    "declare ptr @PyErr_Occurred()",
    "declare void @PyEval_RestoreThread(ptr)",
    "declare ptr @PyEval_SaveThread()",
    "declare ptr @PyFloat_FromDouble(double)",
    "declare ptr @PyList_New(i64)",
    "declare double @PyLong_AsDouble(ptr)",
    "declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)",
    "declare ptr @PyLong_FromLongLong(i64)",
    "declare ptr @PyObject_Call(ptr, ptr, ptr)",
    "declare i32 @PyObject_GenericSetAttr(ptr, ptr, ptr)",
    "declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)",
    "declare ptr @PyTuple_New(i64)",
    "declare void @Py_DecRef(ptr)",
    "declare void @Py_IncRef(ptr)",
)


def entry_text(signature: Signature, constants: int) -> str:
    """The text of the module that defines ``ENTRY_SYMBOL`` for signatures of this structure and drivers with this many
    constants.
    """
    return _Entry(signature, constants).text()


class _Entry(World):
    """Writes the function from top to bottom."""

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

    def text(self) -> str:
        """The whole module."""
        given = self.unpack_arguments()
        self.check_world()
        for hidden in self.signature.hidden:
            self.unpack_hidden(hidden)
        self.check_arrays()
        if given is not None:
            self.check_given()
            self.call_driver()
            result = self.item(given)
            self.line(f"call void @Py_IncRef(ptr {result})")
        else:
            self.make_arrays()
            self.call_driver()
            self.make_scalars()
            result = self.pack_result()
        self.lines += self.release_items()
        self.line(f"ret ptr {result}")
        endings = [*self.mismatch(), *self.failure(), *self.error()]
        function = [*self.opening(), *self.lines, *endings, "}"]
        tables = list(self.tables())
        variables = [f"@{name} = external global i8" for name in sorted(self.variables | parallel_symbols().keys())]
        return "\n".join([DECLARATIONS, *_FUNCTIONS, *variables, *tables, "", *function, ""])

    def opening(self) -> list[str]:
        """The head of the function and its variables, written last, when their sizes are known."""
        # A frame larger than a page must not step over the guard page of the stack.
        probed = '"probe-stack"="inline-asm"'
        return [
            f"define ptr @{ENTRY_SYMBOL}(ptr %self, ptr %args, i64 %nargs, ptr %kwnames, ptr %seen) {probed} {{",
            f"  %items = alloca [{max(1, self.borrowed)} x ptr]",
            f"  %inputs = alloca [{max(1, len(self.inputs) + self.constants)} x ptr]",
            f"  %outputs = alloca [{max(1, len(self.outputs))} x ptr]",
            f"  %values = alloca [{max(1, len(self.inputs) + len(self.outputs))} x i128]",
            f"  %objects = alloca [{max(1, self.objects)} x ptr]",
            f"  %copies = alloca [{max(1, len(self.argument_arrays))} x ptr]",
            "  %held = alloca i64",
            "  %made = alloca i64",
            "  %copied = alloca i64",
            "  %call.arguments = alloca [2 x ptr]",
            "  store i64 0, ptr %held",
            "  store i64 0, ptr %made",
            "  store i64 0, ptr %copied",
            *self_item("block.object", SelfItem.BLOCK),
            f"  %block = getelementptr i8, ptr %block.object, i64 {abi.BYTES_DATA}",
            *self_item("parts", SelfItem.PARTS),
            *self_item("statics", SelfItem.STATICS),
            *self_item("allocators", SelfItem.ALLOCATORS),
            *self_item("world", SelfItem.WORLD),
            f"  %count.ok = icmp eq i64 %nargs, {len(self.signature.args)}",
            "  br i1 %count.ok, label %start, label %mismatch",
            "start:",
        ]

    def tables(self) -> Iterator[str]:
        """The tables that the helpers read, one entry an array."""
        dims = dict(zip(self.arrays_made(), self.layout.result_dims, strict=True))
        arguments = [
            _array_entry(item, number, leaf, 8 * at, abi.C_ALIGNED)
            for (item, number, leaf), at in zip(self.argument_arrays, self.layout.argument_dims, strict=True)
        ]
        results = [_array_entry(0, number, self.outputs[number], 8 * at, 0) for number, at in dims.items()]
        given = [
            _array_entry(item, number, leaf, 8 * dims.get(number, 0), abi.C_ALIGNED | abi.WRITEABLE)
            for item, number, leaf in self.given_arrays
        ]
        arrays = [leaf for _, _, leaf in (*self.argument_arrays, *self.given_arrays)]
        self.variables |= {_descr(leaf) for leaf in (*arrays, *[self.outputs[number] for number in dims])}
        for name, entries in (("argument.arrays", arguments), ("result.arrays", results), ("given.arrays", given)):
            yield f"@{name} = internal constant [{len(entries)} x %functad.array] [{', '.join(entries)}]"

    def arrays_made(self) -> list[int]:
        """The numbers of outputs that are arrays."""
        return [number for number, leaf in enumerate(self.outputs) if leaf.kind == "array"]

    # Arguments.

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

    def check_arrays(self) -> None:
        """All arrays fit, or do so when those of another layout have been copied; not where arrays are given, which
        could overlap with the original."""
        count = len(self.argument_arrays)
        if not count:
            return
        check = f"call i1 @functad_check_arrays(ptr @argument.arrays, i64 {count}, ptr %items, ptr %inputs, ptr %block)"
        if self.signature.gives_out:
            self.require(check)
            return
        self.lines += [
            f"  %fit = {check}",
            "  br i1 %fit, label %arrays.fit, label %copy.arrays",
            "copy.arrays:",
        ]
        table = f"ptr @argument.arrays, i64 {count}, ptr %items, ptr %held"
        self.require(f"call i1 @functad_copy_arrays({table}, ptr %block, ptr %copies, ptr %copied)")
        self.require(check)
        self.lines += ["  br label %arrays.fit", "arrays.fit:"]

    def check_given(self) -> None:
        """The arrays to be written to fit, and overlap with nothing; they are the outputs."""
        given = f"ptr @given.arrays, i64 {len(self.given_arrays)}"
        self.require(f"call i1 @functad_check_arrays({given}, ptr %items, ptr %outputs, ptr %block)")
        arguments = f"ptr @argument.arrays, i64 {len(self.argument_arrays)}, ptr %inputs"
        self.require(f"call i1 @functad_disjoint({given}, ptr %outputs, {arguments}, ptr %block)")

    # The call.

    def make_arrays(self) -> None:
        """Fill ``outputs``: with new arrays, the first ``objects``, and with places for scalars."""
        for number, leaf in enumerate(self.outputs):
            if leaf.kind != "array":
                self.line(f"store ptr {self.result_value(number)}, ptr {self.address('%outputs', 8 * number)}")
        self.objects = len(self.layout.result_dims)
        if self.objects:
            arguments = (
                f"ptr @result.arrays, i64 {self.objects}, ptr %allocators, ptr %objects, ptr %made, ptr "
                "%outputs, ptr %block"
            )
            self.require(f"call i1 @functad_make_arrays({arguments})", otherwise="failure")

    def result_value(self, number: int) -> str:
        """The address where the driver leaves a scalar result."""
        return self.address("%values", 16 * (len(self.inputs) + number))

    def call_driver(self) -> None:
        driver = self.load("ptr", "%block", 8 * Layout.DRIVER)
        release = self.load("i64", "%block", 8 * Layout.RELEASE_GIL)
        sizes = self.address("%block", 8 * self.layout.sizes)
        self.line(f"store i64 {self.load('i64', '%block', 8 * Layout.THREADS)}, ptr @functad_pool")
        call = f"call i32 {driver}(ptr %inputs, ptr %outputs, ptr {sizes})"
        self.lines += [
            f"  %keep.gil = icmp eq i64 {release}, 0",
            "  br i1 %keep.gil, label %locked, label %unlocked",
            "locked:",
            f"  %status.locked = {call}",
            "  br label %called",
            "unlocked:",
            "  %thread = call ptr @PyEval_SaveThread()",
            f"  %status.unlocked = {call}",
            "  call void @PyEval_RestoreThread(ptr %thread)",
            "  br label %called",
            "called:",
            "  %status = phi i32 [ %status.locked, %locked ], [ %status.unlocked, %unlocked ]",
            "  %status.ok = icmp eq i32 %status, 0",
            "  br i1 %status.ok, label %succeeded, label %error",
            "succeeded:",
        ]

    # The result.

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

    # The other ways out.

    def mismatch(self) -> list[str]:
        """The arguments do not fit."""
        return [
            "mismatch:",
            *self.release_items(),
            "  %refused = call ptr @functad_refuse()",
            "  ret ptr %refused",
        ]

    def failure(self) -> list[str]:
        """Something could not be made, and an exception says so."""
        return ["failure:", *self.release_objects(), *self.release_items(), "  ret ptr null"]

    def error(self) -> list[str]:
        """The driver gave an error code: let Python raise what it stands for."""
        return [
            "error:",
            *self.release_objects(),
            *self.release_items(),
            "  %code = sext i32 %status to i64",
            "  %code.object = call ptr @PyLong_FromLongLong(i64 %code)",
            "  %code.ok = icmp ne ptr %code.object, null",
            "  br i1 %code.ok, label %raise, label %raised",
            "raise:",
            "  store ptr %code.object, ptr %call.arguments",
            *self_item("raise.error", SelfItem.RAISE_ERROR),
            "  %exception = call ptr @PyObject_Vectorcall(ptr %raise.error, ptr %call.arguments, i64 1, ptr null)",
            "  call void @Py_DecRef(ptr %code.object)",
            "  br label %raised",
            "raised:",
            "  %nothing = phi ptr [ null, %error ], [ %exception, %raise ]",
            "  ret ptr %nothing",
        ]

    def release_items(self) -> list[str]:
        held = ["  call void @functad_release(ptr %items, ptr %held)"] if self.held else []
        return [*held, *(["  call void @functad_release(ptr %copies, ptr %copied)"] if self.argument_arrays else [])]

    def release_objects(self) -> list[str]:
        return ["  call void @functad_release(ptr %objects, ptr %made)"] if self.objects else []


def _array_entry(item: int, number: int, leaf: Leaf, dims: int, flags: int) -> str:
    """A value of the helpers' type ``%functad.array``."""
    place = f"i64 {item}, i64 {number}, i64 {len(leaf.shape)}, i64 {dims}"
    return f"%functad.array {{ {place}, ptr @{_descr(leaf)}, i64 {leaf.dtype.itemsize}, i32 {flags} }}"


def _descr(leaf: Leaf) -> str:
    return f"functad.descr.{leaf.dtype.name}"


def _held_items(spec: Spec) -> int:
    """How many items are reached directly through what is no tuple, and could let go of them."""
    if not isinstance(spec, Container):
        return 0
    return (len(spec.children) if spec.kind not in ("tuple", "namedtuple") else 0) + sum(
        _held_items(child) for child in spec.children
    )


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
