"""The small pieces of an entry's text: loads, checks, ownership of new objects."""

from __future__ import annotations

from functad.kernel_ir.lines import Lines
from functad.lower.entry import abi
from functad.lower.entry.layout import SelfItem

__all__ = ["Pieces", "Part", "self_item"]

# Where a part of the result stands: "objects" or "statics", and its number there.
Part = tuple[str, int]

# Objects are aligned to 8 bytes at least, and values in them to their size up to 8.
_ALIGNMENT = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "i128": 8, "ptr": 8, "double": 8}


def self_item(name: str, item: SelfItem) -> list[str]:
    """Text that loads an item of ``self``."""
    return [
        f"  %{name}.at = getelementptr i8, ptr %self, i64 {abi.TUPLE_ITEMS + 8 * item}",
        f"  %{name} = load ptr, ptr %{name}.at",
    ]


class Pieces(Lines):
    """Writes the body of the function."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()  # symbols of abi.symbols that are used by their address
        self.objects = 0  # so many slots are filled

    value = Lines.emit

    def address(self, base: str, offset: int) -> str:
        """``base`` plus so many bytes."""
        return self.value(f"getelementptr i8, ptr {base}, i64 {offset}") if offset else base

    def load(self, kind: str, base: str, offset: int) -> str:
        """The value of an LLVM type at ``base`` plus so many bytes."""
        return self.value(f"load {kind}, ptr {self.address(base, offset)}, align {_ALIGNMENT[kind]}")

    def item(self, number: int) -> str:
        """The object of an item."""
        return self.load("ptr", "%items", 8 * number)

    def variable(self, name: str) -> str:
        """A symbol of ``abi.symbols`` as the address that it stands for."""
        self.variables.add(name)
        return f"@{name}"

    def require(self, condition: str, *, otherwise: str = "mismatch") -> None:
        """Leave for the block ``otherwise`` unless the instruction ``condition`` gives true."""
        passed = self.value(condition)
        self.line(f"br i1 {passed}, label {passed}.ok, label %{otherwise}")
        self.begin(f"{passed[1:]}.ok")

    def require_type(self, obj: str, name: str) -> None:
        """The exact type, no subclass."""
        self.require(f"icmp eq ptr {self.load('ptr', obj, abi.OB_TYPE)}, {self.variable(name)}")

    def require_size(self, sequence: str, size: int) -> None:
        """The length of a tuple or list."""
        self.require(f"icmp eq i64 {self.load('i64', sequence, abi.VAR_SIZE)}, {size}")

    def new_object(self, call: str) -> str:
        """Make an object, or leave with the exception of its maker."""
        obj = self.value(call)
        self.require(f"icmp ne ptr {obj}, null", otherwise="failure")
        self.own(obj)
        return obj

    def own(self, obj: str) -> None:
        """Put a new reference into the next slot of ``objects``."""
        self.line(f"store ptr {obj}, ptr {self.address('%objects', 8 * self.objects)}")
        self.objects += 1
        self.line(f"store i64 {self.objects}, ptr %made")

    def peek(self, place: Part) -> str:
        """A borrowed reference to the object in a place."""
        array, number = place
        return self.load("ptr", f"%{array}", 8 * number + (abi.TUPLE_ITEMS if array == "statics" else 0))

    def take(self, place: Part) -> str:
        """A reference of the caller's own to the object in a place: moved out of ``objects``, a new one from
        ``statics``.
        """
        obj = self.peek(place)
        if place[0] == "objects":
            self.line(f"store ptr null, ptr {self.address('%objects', 8 * place[1])}")
        else:
            self.line(f"call void @Py_IncRef(ptr {obj})")
        return obj
