"""Callbacks of SciPy's around compiled code, as LLVM text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target, emit_object
from functad.lower.njit.table import Entry, address_of_array

__all__ = ["CALLBACKS", "Callback", "call", "callback", "constants", "linked"]


class Callback(NamedTuple):
    """A callback of SciPy's: its signature in C and in LLVM, where inputs and result are, and what it returns: the
    result (``value``), or whether all is well.
    """

    signature: str
    parameters: str
    given: tuple[str, ...]  # of arrays; () where each number is one
    result: str
    sizes: tuple[str, ...]  # parameters that must be the size of the array, and that of the result
    value: bool


CALLBACKS = {
    "quad": Callback("double (int, double *)", "i32 %count, ptr %x", (), "", ("i32 %count",), True),
    "filter": Callback(
        "int (double *, npy_intp, double *, void *)",
        "ptr %x, i64 %size, ptr %y, ptr %data", ("%x",), "%y", ("i64 %size",), False,
    ),
    "filter1d": Callback(
        "int (double *, npy_intp, double *, npy_intp, void *)",
        "ptr %x, i64 %size, ptr %y, i64 %length, ptr %data", ("%x",), "%y", ("i64 %size", "i64 %length"), False,
    ),
    "transform": Callback(
        "int (npy_intp *, double *, int, int, void *)",
        "ptr %x, ptr %y, i32 %size, i32 %length, ptr %data", ("%x",), "%y", ("i32 %size", "i32 %length"), False,
    ),
}  # fmt: skip


def callback(kind: Callback, entry: Entry, sizes: Sequence[int]) -> Library:
    """A callback around compiled code for ``sizes``: how many numbers it takes, or the lengths of its array and of its
    result.
    """
    given = list(kind.given) or [f"%x{k}" for k in range(sizes[0])]
    result = kind.result or "%value"
    lines = ["  %value = alloca double", f"  %given = alloca [{len(given) + len(entry.kept) + 1} x ptr]"]
    lines += ["  %results = alloca ptr", f"  store ptr {result}, ptr %results", "  %fits0 = and i1 true, true"]
    if not kind.given:
        lines += [f"  {place} = getelementptr double, ptr %x, i64 {k}" for k, place in enumerate(given)]
    for k, place in enumerate([*given, *constants(entry)]):
        lines += [f"  %fill{k} = getelementptr ptr, ptr %given, i64 {k}", f"  store ptr {place}, ptr %fill{k}"]
    for k, (parameter, size) in enumerate(zip(kind.sizes, sizes, strict=True)):
        lines += [f"  %test{k} = icmp eq {parameter}, {size}", f"  %fits{k + 1} = and i1 %fits{k}, %test{k}"]
    right = "  %found = load double, ptr %value\n  ret double %found" if kind.value else "  ret i32 1"
    lines += [
        f"  br i1 %fits{len(sizes)}, label %call, label %wrong",
        "call:",
        call("code", entry, "%given", "%results", f"ptr inttoptr (i64 {address_of_array(entry.sizes)} to ptr)"),
        "  %failed = icmp ne i32 %code, 0",
        "  br i1 %failed, label %wrong, label %right",
        "wrong:",
        f"  ret {'double 0x7FF8000000000000' if kind.value else 'i32 0'}",
        "right:",
        right,
    ]
    head = f"define {'double' if kind.value else 'i32'} @callback({kind.parameters}) {{"
    return linked("\n".join([head, *lines, "}", ""]), "callback", entry)


def constants(entry: Entry) -> list[str]:
    """The places of what compiled code takes behind the arguments."""
    return [f"inttoptr (i64 {place} to ptr)" for place in entry.more[:-1].tolist()]


def call(name: str, entry: Entry, given: str, results: str, sizes: str) -> str:
    """A call of compiled code."""
    function = f"inttoptr (i64 {entry.compiled.code.foreign} to ptr)"
    return f"  %{name} = call i32 {function}(ptr {given}, ptr {results}, {sizes})"


def linked(text: str, name: str, entry: Entry) -> Library:
    """The code of a function that calls compiled code."""
    return link(emit_object(text, Target.host()), {}, [name], keep=[entry])
