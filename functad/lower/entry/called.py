"""Objects that Python calls without running Python code: they have a pointer to machine code where CPython looks.

A class with ``__call__`` is called through a method that is looked up, with a tuple made of the arguments: 55 ns. An
object whose class has the flag ``Py_TPFLAGS_HAVE_VECTORCALL`` holds the address of the function that CPython calls at
once, with the arguments as they lie on its stack: 5 ns. While that address is null ``__call__`` serves; it is also what
the machine code calls where no entry fits.

Only a class made by C code can say where the address is, so `_Pointer` is made by ``PyType_FromSpec``; a class written
in Python that derives from it sets the flag by the decorator `called_natively`.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from functad.core.tracebacks import shortened
from functad.lower.entry import abi
from functad.lower.entry.layout import HINTS, Layout, SelfItem, TableItem

__all__ = ["MISMATCH", "CalledNatively", "called_natively", "mismatch"]

MISMATCH: Any = type("Mismatch", (), {"__repr__": lambda self: "MISMATCH"})()
"""What an entry of a `CalledNatively` gives for arguments that it does not fit."""

C = TypeVar("C", bound=type)


def mismatch(*args: Any, **kwargs: Any) -> Any:
    """The slow path of such entries."""
    return MISMATCH


class _Member(ctypes.Structure):
    """CPython's ``PyMemberDef``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    """CPython's ``PyType_Slot``."""

    _fields_ = [("slot", ctypes.c_int), ("function", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    """CPython's ``PyType_Spec``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


_PY_TP_MEMBERS = 72
_T_PYSSIZET = 19
_READONLY = 1
_BASETYPE, _HAVE_VECTORCALL, _METHOD_DESCRIPTOR = 1 << 10, 1 << 11, 1 << 17  # flags of a type

_members = (_Member * 2)(_Member(b"__vectorcalloffset__", _T_PYSSIZET, abi.CALLED_FUNCTION, _READONLY, None))
_slots = (_Slot * 2)(_Slot(_PY_TP_MEMBERS, ctypes.addressof(_members)))
_spec = _Spec(b"functad.lower.entry.called._Pointer", abi.CALLED_FUNCTION + 8, 0, _BASETYPE | _HAVE_VECTORCALL, _slots)

if TYPE_CHECKING or sys.implementation.name != "cpython":

    class _Pointer:
        """Room for the address."""

        __slots__ = ()
else:
    _Pointer = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(("PyType_FromSpec", ctypes.pythonapi))(
        ctypes.addressof(_spec)
    )


class CalledNatively(_Pointer):
    """Something with an entry for each kind of call, in native code or not."""

    __slots__ = ("_table", "_without_code")

    _table: tuple[Any, ...]  # absent where there is no native entry
    _without_code: tuple[Callable[..., Any], ...]

    def __init__(self) -> None:
        self.set_entries(())

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._without_native_entry(args, kwargs)
        except Exception as error:
            raise shortened(error)  # noqa: B904  # the same one

    def _without_native_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for entry in self._without_code:
            result = entry(*args, **kwargs)
            if result is not MISMATCH:
                return result
        return self.call_without_entry(args, kwargs)

    def call_without_entry(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What serves a call that no entry fits."""
        raise NotImplementedError

    @property
    def entries(self) -> tuple[Callable[..., Any], ...]:
        """Those of all kinds of call."""
        table = getattr(self, "_table", None)
        return (*self._without_code, *(table[TableItem.KEEP] if table else ()))

    def set_entries(self, entries: Sequence[Callable[..., Any]]) -> None:
        """From now on these serve the calls that they fit; their slow path is `mismatch`.

        Several threads may do so, and call, at once: after each step, in whatever order those of different threads
        come, the object can be called. The address of the machine code stays: it looks itself whether there is a table.
        """
        natively = is_called_natively(type(self))
        native = [e for e in entries if natively and isinstance(e, BuiltinFunctionType)]
        self._without_code = tuple([e for e in entries if not (natively and isinstance(e, BuiltinFunctionType))])
        if native:
            from functad.lower.entry.make import vectorcall_address

            self._table = _table_of(native)
            _function_of(self).value = vectorcall_address()
        else:
            with contextlib.suppress(AttributeError):
                del self._table


def _table_of(entries: Sequence[Any]) -> tuple[Any, ...]:
    """What the machine code of a call reads: the items of ``TableItem``."""
    words = [len(entries), *[0] * HINTS]
    for entry in entries:
        own = entry.__self__
        address = own[SelfItem.BLOCK][8 * Layout.ENTRY : 8 * (Layout.ENTRY + 1)]
        words += [int.from_bytes(address, sys.byteorder), id(own)]
    items = {
        TableItem.OTHERWISE: CalledNatively._without_native_entry,
        TableItem.WORDS: np.array(words, np.int64),
        TableItem.KEEP: tuple(entries),
    }
    return tuple([items[item] for item in TableItem])


def called_natively(cls: C) -> C:
    """Let CPython look for the address in the instances of a class, and call them as methods without binding them first
    (``Py_TPFLAGS_METHOD_DESCRIPTOR``); without effect where it cannot.
    """
    if abi.verified() and _layout_holds():
        _flags_of(cls).value |= _HAVE_VECTORCALL | _METHOD_DESCRIPTOR
    return cls


@functools.lru_cache(maxsize=1)
def _layout_holds() -> bool:
    """Whether types, and instances of `CalledNatively`, are laid out as machine code takes them to be."""
    for cls in (_Pointer, CalledNatively, type, dict, np.ndarray, tuple):
        if _word(cls, abi.TYPE_FLAGS) != cls.__flags__ or _word(cls, abi.TYPE_BASICSIZE) != cls.__basicsize__:
            return False
    if not is_called_natively(_Pointer) or CalledNatively.__basicsize__ < abi.CALLED_TABLE + 16:
        return False
    called, table = CalledNatively(), (object(),)
    called._table = table
    return _word(called, abi.CALLED_FUNCTION) == 0 and _word(called, abi.CALLED_TABLE) == id(table)


def _word(object: object, offset: int) -> int:
    return ctypes.c_ulong.from_address(id(object) + offset).value


def is_called_natively(cls: type) -> bool:
    """Whether `called_natively` had an effect."""
    return bool(cls.__flags__ & _HAVE_VECTORCALL)


def _flags_of(cls: type) -> ctypes.c_ulong:
    return ctypes.c_ulong.from_address(id(cls) + abi.TYPE_FLAGS)


def _function_of(called: CalledNatively) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(called) + abi.CALLED_FUNCTION)
