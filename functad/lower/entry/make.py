"""Entries: what Python calls. ``make_entry`` makes one from a driver, emitted or through ctypes."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from functad import config
from functad.caches import cached
from functad.errors import InternalError
from functad.lower.disk.objects import object_code
from functad.lower.entry import abi
from functad.lower.entry.ctypes_entry import make_ctypes_entry
from functad.lower.entry.helpers import HELPERS, HELPERS_TEXT, SELDOM, SELDOM_TEXT
from functad.lower.entry.layout import Layout
from functad.lower.entry.signature import Container, Driver, Signature, Spec, statics_of
from functad.lower.entry.statics import plan_of
from functad.lower.entry.text import ENTRY_SYMBOL, entry_text
from functad.lower.entry.world import unwritten_records, world_objects
from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target
from functad.lower.native.threads import configure, parallel_symbols
from functad.recycled import allocator

__all__ = ["make_entry", "vectorcall_address"]

Function = Callable[..., Any]

# Without a word from the driver the GIL is released where arguments and results have this many elements. It costs 0.04
# us: less than 1 %.
RELEASE_ELEMENTS = 50_000

# Pointers that an emitted entry keeps on the stack.
MOST_POINTERS = 4096

_METH_FASTCALL_KEYWORDS = 0x80 | 0x02


def make_entry(
    signature: Signature,
    driver: Driver,
    slow_path: Function,
    raise_error: Callable[[int], None],
    *,
    name: str = "entry",
) -> Function:
    """A function that runs ``driver`` on arguments that fit ``signature``, and hands all others, as they are, to
    ``slow_path``.

    ``raise_error`` gets the driver's error code and has to raise. Everything given here lives as long as the entry. The
    entry is emitted code unless the flag ``entry`` says ``ctypes`` or this interpreter's memory layout is unknown; both
    behave alike.

    Examples
    --------
    >>> from functad.lower.entry.signature import Leaf
    >>> from functad.lower.llvm.target import emit_object
    >>> text = '''define i32 @double(ptr %inputs, ptr %outputs, ptr %sizes) {
    ...   %in = load ptr, ptr %inputs
    ...   %x = load double, ptr %in
    ...   %y = fmul double %x, 2.0
    ...   %out = load ptr, ptr %outputs
    ...   store double %y, ptr %out
    ...   ret i32 0
    ... }'''
    >>> code = link(emit_object(text, Target.host()), {}, ["double"])
    >>> number = Leaf("python_float", np.dtype("float64"))
    >>> f = make_entry(Signature((number,), number), Driver(code.address("double"), keep=code), print, print)
    >>> f(1.5)
    3.0
    >>> f("not a float")
    not a float
    """
    _check_driver(driver)
    fail = functools.partial(_fail, raise_error)
    pointers = len(signature.inputs) + len(driver.constants) + len(signature.outputs)
    if config.entry.value == "ctypes" or not abi.verified() or pointers > MOST_POINTERS:
        return make_ctypes_entry(signature, driver, slow_path, fail, releases_gil(signature, driver))
    return _make_native_entry(signature, driver, slow_path, fail, name)


def releases_gil(signature: Signature, driver: Driver) -> bool:
    """Whether the GIL is released while the driver runs."""
    if driver.release_gil is not None:
        return driver.release_gil
    return sum(math.prod(leaf.shape) for leaf in (*signature.inputs, *signature.outputs)) >= RELEASE_ELEMENTS


def _make_native_entry(
    signature: Signature, driver: Driver, slow_path: Function, fail: Function, name: str
) -> Function:
    library = _entry_code(signature.structure, len(driver.constants), Target.host())
    encoded = name.encode()
    # in memory that lives as long as the entry: the collector empties what is of ctypes before it frees a cycle
    method = bytes(_MethodDef(encoded, _helpers()[1]["functad_call"], _METH_FASTCALL_KEYWORDS, None))
    given = [*signature.specs, *([signature.result] if signature.gives_out else [])]
    compared = [plan_of(static.value) for spec in given for static in statics_of(spec)]
    records, kept = unwritten_records(signature.checks)
    self_items = (
        slow_path,
        fail,
        _block(signature, driver, library.address(ENTRY_SYMBOL)),
        (*signature.names, *[part for spec in (*signature.specs, signature.result) for part in _parts(spec)]),
        (*compared, *[static.value for static in statics_of(signature.result) if not signature.gives_out]),
        tuple(allocator(leaf.shape, leaf.dtype) for leaf in signature.outputs if leaf.kind == "array"),
        world_objects(signature),
        records,
        (library, method, encoded, driver, kept, signature.checks),
    )
    entry: Function = _new_function(id(method) + abi.BYTES_DATA, self_items, None)
    return entry


@cached(256)
def _entry_code(structure: Signature, constants: int, target: Target) -> Library:
    """The code that entries of one structure share."""
    text = entry_text(structure, constants)
    # The text is loads, compares and calls: optimised code generation would take five times as long, for nothing
    # measurable.
    code = object_code(text, _unoptimised(target), label="entry").code
    helpers, symbols = _helpers()
    used = {name: address for name, address in (symbols | parallel_symbols()).items() if f"@{name}" in text}
    return link(code, used, [ENTRY_SYMBOL], keep=[helpers])


def _unoptimised(target: Target) -> Target:
    return dataclasses.replace(target, opt_level=0)


_helpers_made: list[tuple[Library, dict[str, int]]] = []
_helpers_lock = threading.RLock()  # the collector may run meanwhile, and what it collects may make an entry


def _helpers() -> tuple[Library, dict[str, int]]:
    """The code that all entries share, and the addresses of its functions, beside those of `abi.symbols`. It is never
    freed: objects have its address in them, whatever they refer to.
    """
    with _helpers_lock:
        if not _helpers_made:
            target = Target.host()
            seldom = link(object_code(SELDOM_TEXT, _unoptimised(target), label="entries").code, abi.symbols(), SELDOM)
            symbols = abi.symbols() | {name: seldom.address(name) for name in SELDOM}
            code = link(object_code(HELPERS_TEXT, target, label="entries").code, symbols, HELPERS, keep=[seldom])
            _helpers_made.append((code, symbols | {name: code.address(name) for name in HELPERS}))
    return _helpers_made[0]


def vectorcall_address() -> int:
    """What CPython is to call for a `functad.lower.entry.called.CalledNatively` with native entries."""
    return _helpers()[1]["functad_vectorcall"]


def _block(signature: Signature, driver: Driver, code: int) -> bytes:
    """The words that ``Layout`` describes."""
    layout = Layout(signature, len(driver.constants))
    words = [driver.address, int(releases_gil(signature, driver)), configure(), code]
    for leaf in (*signature.inputs, *signature.outputs):
        if leaf.kind == "array":
            words += leaf.shape
    words += [constant.__array_interface__["data"][0] for constant in driver.constants]
    if len(words) != layout.sizes:
        raise InternalError(
            f"the block of an entry has {len(words)} words before its sizes, and its layout {layout.sizes}"
        )
    return np.array([*words, *driver.sizes], np.int64).tobytes()


def _check_driver(driver: Driver) -> None:
    for constant in driver.constants:
        # A NumPy scalar would do in all but one respect: the address that it shows is of a temporary copy.
        if type(constant) is not np.ndarray:
            raise InternalError(f"a constant of native code is of type {type(constant).__name__}, not ndarray")
        if not (constant.flags.c_contiguous and constant.flags.aligned and constant.dtype.isnative):
            raise InternalError(
                f"a constant of native code is not a C-contiguous native array: {constant.dtype}{constant.shape}"
            )


def _fail(raise_error: Callable[[int], None], code: int) -> None:
    raise_error(code)
    raise InternalError(f"native code failed with error code {code}, for which nothing was raised")


def _parts(spec: Spec) -> Iterator[Any]:
    """The parts of containers, in the order in which the entry's text asks for them: one's own before those of its
    children.
    """
    if isinstance(spec, Container):
        yield from spec.parts
        for child in spec.children:
            yield from _parts(child)


class _MethodDef(ctypes.Structure):
    """CPython's ``PyMethodDef``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_new_function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
    ("PyCFunction_NewEx", ctypes.pythonapi)
)
