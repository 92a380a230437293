"""The LLVM text of an entry: a C function that CPython calls directly, and that does in machine code what a Python
wrapper would do.

    PyObject *functad_entry(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)

It unpacks the arguments, checks them against the signature, makes the arrays of the result, calls the driver, and packs
the result. ``self`` is a tuple, whose items ``SelfItem`` lists; numbers that differ between specialisations (shapes,
addresses) stand in its block, as ``Layout`` says, so that all signatures of one structure share one entry. Its
variables are

    items      the arguments and what is in their containers. What is reached through a list or a dict could be dropped
    from it by another
               thread (while the GIL is released) or by code that runs during the call (``__eq__`` of a foreign key): it
               stands first among the items, and is held, as far as ``held`` says
    inputs     the data pointers for the driver; those of scalars point to copies in ``values``
    outputs    the same for the result
    objects    new objects: arrays, then scalars, then containers; so many as ``made`` says. They are owned here until
    the last step

Every way out releases ``objects`` and ``items`` as far as they are filled.
"""

from __future__ import annotations

from collections.abc import Iterator

from functad.lower.emit.clock import Caller
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
    "declare void @PyErr_Clear()",
    "declare ptr @PyErr_Occurred()",
    "declare void @PyEval_RestoreThread(ptr)",
    "declare ptr @PyEval_SaveThread()",
    "declare ptr @PyFloat_FromDouble(double)",
    "declare ptr @PyList_New(i64)",
    "declare double @PyLong_AsDouble(ptr)",
    "declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)",
    "declare ptr @PyLong_FromLongLong(i64)",
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
        self.may_raise = False  # a mismatch may be noticed through an exception
        # Counters of what has been met so far.
        self.unpacked = 0  # inputs
        self.held = 0  # held items
        # items; these come after the held ones
        self.borrowed = sum(_held_items(spec) for spec in signature.args) + held_places(signature.hidden)
        self.keys = 0
        self.statics = 0

    def text(self) -> str:
        """The whole module."""
        self.unpack_arguments()
        self.check_world()
        for hidden in self.signature.hidden:
            self.unpack_hidden(hidden)
        self.check_arrays()
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
        return [
            # A frame larger than a page must not step over the guard page of the stack.
            f'define ptr @{ENTRY_SYMBOL}(ptr %self, ptr %args, i64 %nargs, ptr %kwnames) "probe-stack"="inline-asm" {{',
            f"  %items = alloca [{max(1, self.borrowed)} x ptr]",
            f"  %inputs = alloca [{max(1, len(self.inputs) + self.constants)} x ptr]",
            f"  %outputs = alloca [{max(1, len(self.outputs))} x ptr]",
            f"  %values = alloca [{max(1, len(self.inputs) + len(self.outputs))} x i128]",
            f"  %objects = alloca [{max(1, self.objects)} x ptr]",
            "  %held = alloca i64",
            "  %made = alloca i64",
            "  %code.argument = alloca ptr",
            "  store i64 0, ptr %held",
            "  store i64 0, ptr %made",
            *self_item("block.object", SelfItem.BLOCK),
            f"  %block = getelementptr i8, ptr %block.object, i64 {abi.BYTES_DATA}",
            *self_item("keys", SelfItem.KEYS),
            *self_item("statics", SelfItem.STATICS),
            *self_item("allocators", SelfItem.ALLOCATORS),
            *self_item("world", SelfItem.WORLD),
            f"  %count.ok = icmp eq i64 %nargs, {len(self.signature.args)}",
            "  %keywords.ok = icmp eq ptr %kwnames, null",
            "  %call.ok = and i1 %count.ok, %keywords.ok",
            "  br i1 %call.ok, label %start, label %mismatch",
            "start:",
        ]

    def tables(self) -> Iterator[str]:
        """The tables that the helpers read, one entry an array."""
        arguments = [
            _array_entry(item, number, leaf, 8 * dims)
            for (item, number, leaf), dims in zip(self.argument_arrays, self.layout.argument_dims, strict=True)
        ]
        arrays = [(number, leaf) for number, leaf in enumerate(self.outputs) if leaf.kind == "array"]
        results = [
            _array_entry(0, number, leaf, 8 * dims)
            for (number, leaf), dims in zip(arrays, self.layout.result_dims, strict=True)
        ]
        self.variables |= {_descr(leaf) for leaf in (*self.inputs, *self.outputs) if leaf.kind == "array"}
        for name, entries in (("argument.arrays", arguments), ("result.arrays", results)):
            yield f"@{name} = internal constant [{len(entries)} x %functad.array] [{', '.join(entries)}]"

    # Arguments.

    def unpack_arguments(self) -> None:
        """Check containers, read scalars, and note where the arrays are: they come last, when no more Python code can
        run.
        """
        self.unpack_children(self.signature.args, "%args")
        if self.constants:
            source, target = (
                self.address("%block", 8 * self.layout.constants),
                self.address("%inputs", 8 * len(self.inputs)),
            )
            self.line(f"call void @functad_copy(ptr {source}, i64 {self.constants}, ptr {target})")

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
                self.require(f"icmp eq ptr {self.item(item)}, {self.peek(('statics', self.statics - 1))}")
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
            case Container():
                obj = self.item(item)
                self.require_type(obj, "PyTuple_Type")
                self.require_size(obj, len(spec.children))
                self.unpack_children(spec.children, self.address(obj, abi.TUPLE_ITEMS))

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
        keys = self.address("%keys", abi.TUPLE_ITEMS + 8 * self.keys)
        self.keys += len(children)
        if spec.has_int_keys:
            self.require(f"call i1 @functad_int_keys(ptr {obj})")
        if children:
            self.may_raise = True
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
        self.may_raise = True
        self.require(f"icmp eq ptr {overflow}, null")
        return self.value(f"bitcast double {value} to i64")

    def check_arrays(self) -> None:
        count = len(self.argument_arrays)
        if count:
            self.require(
                f"call i1 @functad_check_arrays(ptr @argument.arrays, i64 {count}, ptr %items, ptr %inputs, ptr %block)"
            )

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
        call = f"call i32 {driver}(ptr %inputs, ptr %outputs, ptr {sizes}, i64"
        self.lines += [
            f"  %keep.gil = icmp eq i64 {release}, 0",
            "  br i1 %keep.gil, label %locked, label %unlocked",
            "locked:",
            f"  %status.locked = {call} {Caller.WITH_GIL:d})",
            "  br label %called",
            "unlocked:",
            "  %thread = call ptr @PyEval_SaveThread()",
            f"  %status.unlocked = {call} {Caller.WITHOUT_GIL:d})",
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
                case Container(kind="dict"):
                    first, self.keys = self.keys, self.keys + len(spec.children)
                    return self.pack_dict(first, [build(child) for child in spec.children])
                case Container():
                    return self.pack_sequence(spec.kind, [build(child) for child in spec.children])

        return self.take(build(self.signature.result))

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

    def pack_dict(self, first_key: int, children: list[Part]) -> Part:
        mapping = self.new_object("call ptr @PyDict_New()")
        place = "objects", self.objects - 1
        for number, child in enumerate(children, first_key):
            # The dict takes a reference of its own; until it has one, the value stays where it is.
            key = self.load("ptr", "%keys", abi.TUPLE_ITEMS + 8 * number)
            status = self.value(f"call i32 @PyDict_SetItem(ptr {mapping}, ptr {key}, ptr {self.peek(child)})")
            self.require(f"icmp eq i32 {status}, 0", otherwise="failure")
            if child[0] == "objects":
                self.line(f"call void @Py_DecRef(ptr {self.take(child)})")
        return place

    # The other ways out.

    def mismatch(self) -> list[str]:
        """The arguments do not fit: hand them to the slow path."""
        return [
            "mismatch:",
            *(["  call void @PyErr_Clear()"] if self.may_raise else []),
            *self.release_items(),
            *self_item("slow", SelfItem.SLOW_PATH),
            "  %slow.result = tail call ptr @PyObject_Vectorcall(ptr %slow, ptr %args, i64 %nargs, ptr %kwnames)",
            "  ret ptr %slow.result",
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
            "  store ptr %code.object, ptr %code.argument",
            *self_item("raise.error", SelfItem.RAISE_ERROR),
            "  %exception = call ptr @PyObject_Vectorcall(ptr %raise.error, ptr %code.argument, i64 1, ptr null)",
            "  call void @Py_DecRef(ptr %code.object)",
            "  br label %raised",
            "raised:",
            "  %nothing = phi ptr [ null, %error ], [ %exception, %raise ]",
            "  ret ptr %nothing",
        ]

    def release_items(self) -> list[str]:
        return ["  call void @functad_release(ptr %items, ptr %held)"] if self.held else []

    def release_objects(self) -> list[str]:
        return ["  call void @functad_release(ptr %objects, ptr %made)"] if self.objects else []


def _array_entry(item: int, number: int, leaf: Leaf, dims: int) -> str:
    """A value of the helpers' type ``%functad.array``."""
    return f"%functad.array {{ i64 {item}, i64 {number}, i64 {len(leaf.shape)}, i64 {dims}, ptr @{_descr(leaf)} }}"


def _descr(leaf: Leaf) -> str:
    return f"functad.descr.{leaf.dtype.name}"


def _held_items(spec: Spec) -> int:
    """How many items are reached directly through a list or a dict."""
    if not isinstance(spec, Container):
        return 0
    return (len(spec.children) if spec.kind != "tuple" else 0) + sum(_held_items(child) for child in spec.children)


def _runs(places: list[Part]) -> Iterator[tuple[Part, int]]:
    """Neighbouring slots of ``objects`` as (first, number); each other place by itself."""
    start = 0
    for end in range(1, len(places) + 1):
        array, number = places[start]
        if end == len(places) or array != "objects" or places[end] != (array, number + end - start):
            yield places[start], end - start
            start = end
