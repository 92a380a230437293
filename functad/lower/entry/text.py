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
    kept       copies of arrays of another layout, which took their place as items; of held items the array itself,
               since what is held is the copy then; and each array whose memory the driver is given once more: NumPy
               resizes none that somebody else refers to. So many as ``kept.count`` says
    inputs     the data pointers for the driver; those of scalars point to copies in ``values``
    outputs    the same for the result
    objects    new objects: arrays, then scalars, then containers; so many as ``made`` says. They are owned here until
    the last step

Every way out releases ``objects``, ``items`` and ``kept`` as far as they are filled.
"""

from __future__ import annotations

from collections.abc import Iterator

from functad.lower.emit.clock import Caller
from functad.lower.entry import abi
from functad.lower.entry.helpers import DECLARATIONS
from functad.lower.entry.layout import Layout, SelfItem
from functad.lower.entry.pack import Packing
from functad.lower.entry.pieces import self_item
from functad.lower.entry.signature import Leaf, Signature
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


class _Entry(Packing):
    """Writes the function from top to bottom."""

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
            f"  %kept = alloca [{max(1, 2 * len(self.argument_arrays) + len(self.given_arrays))} x ptr]",
            "  %held = alloca i64",
            "  %made = alloca i64",
            "  %kept.count = alloca i64",
            "  %call.arguments = alloca [2 x ptr]",
            "  store i64 0, ptr %held",
            "  store i64 0, ptr %made",
            "  store i64 0, ptr %kept.count",
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

    # Arrays.

    def check_arrays(self) -> None:
        """All arrays fit, or do so when those of another layout have been copied; not where arrays are given, which
        could overlap with the original."""
        count = len(self.argument_arrays)
        if not count:
            return
        check = f"call i1 @functad_check_arrays(ptr @argument.arrays, i64 {count}, ptr %items, ptr %inputs, ptr %block)"
        if self.signature.gives_out:
            self.require(check)
            self.keep_arrays("@argument.arrays", count)
            return
        self.lines += [
            f"  %fit = {check}",
            "  br i1 %fit, label %arrays.fit, label %copy.arrays",
            "copy.arrays:",
        ]
        table = f"ptr @argument.arrays, i64 {count}, ptr %items, ptr %held"
        self.require(f"call i1 @functad_copy_arrays({table}, ptr %block, ptr %kept, ptr %kept.count)")
        self.require(check)
        self.lines += ["  br label %arrays.fit", "arrays.fit:"]
        self.keep_arrays("@argument.arrays", count)

    def check_given(self) -> None:
        """The arrays to be written to fit, and overlap with nothing; they are the outputs."""
        given = f"ptr @given.arrays, i64 {len(self.given_arrays)}"
        self.require(f"call i1 @functad_check_arrays({given}, ptr %items, ptr %outputs, ptr %block)")
        arguments = f"ptr @argument.arrays, i64 {len(self.argument_arrays)}, ptr %inputs"
        self.require(f"call i1 @functad_disjoint({given}, ptr %outputs, {arguments}, ptr %block)")
        self.keep_arrays("@given.arrays", len(self.given_arrays))

    def keep_arrays(self, table: str, count: int) -> None:
        """Hold the arrays whose memory the driver is given."""
        self.line(f"call void @functad_keep_arrays(ptr {table}, i64 {count}, ptr %items, ptr %kept, ptr %kept.count)")

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
        arrays = self.argument_arrays or self.given_arrays
        return [*held, *(["  call void @functad_release(ptr %kept, ptr %kept.count)"] if arrays else [])]

    def release_objects(self) -> list[str]:
        return ["  call void @functad_release(ptr %objects, ptr %made)"] if self.objects else []


def _array_entry(item: int, number: int, leaf: Leaf, dims: int, flags: int) -> str:
    """A value of the helpers' type ``%functad.array``."""
    place = f"i64 {item}, i64 {number}, i64 {len(leaf.shape)}, i64 {dims}"
    return f"%functad.array {{ {place}, ptr @{_descr(leaf)}, i64 {leaf.dtype.itemsize}, i32 {flags} }}"


def _descr(leaf: Leaf) -> str:
    return f"functad.descr.{leaf.dtype.name}"
