"""The memory layout of CPython's and NumPy's objects, and the addresses of their functions, for emitted code.

Both are stable where functad runs, but neither is promised: ``verified`` compares every offset with live objects, once,
before the first entry is emitted. Where anything differs (another interpreter, a debug or free-threaded build), entries
are made with ctypes instead.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import platform
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from functad import config
from functad.lower.entry.signature import DTYPES

__all__ = [
    "ARRAY_DATA", "ARRAY_DESCR", "ARRAY_DIMS", "ARRAY_FLAGS", "ARRAY_NDIM", "ARRAY_STRIDES", "BYTES_DATA",
    "CALLED_FUNCTION", "CALLED_TABLE", "CELL_CONTENT", "COMPLEX_VALUE", "C_ALIGNED", "DESCR_BYTEORDER", "DICT_USED",
    "DICT_VERSION", "FLOAT_VALUE", "FUNCTION_CODE", "LIST_ITEMS", "OB_TYPE", "SCALAR_VALUE", "TUPLE_ITEMS",
    "TYPE_BASICSIZE", "TYPE_FLAGS", "VAR_SIZE", "WRITEABLE", "dicts_have_versions", "slot_offset", "symbols",
    "verified", "word",
]  # fmt: skip

# Offsets in bytes.
OB_TYPE = 8
VAR_SIZE = 16  # ob_size of a tuple or list
TUPLE_ITEMS = 24 if sys.version_info < (3, 14) else 32  # inline; 3.14 put the cached hash before them
LIST_ITEMS = 24  # a pointer
BYTES_DATA = bytes.__basicsize__ - 1
FLOAT_VALUE = 16
COMPLEX_VALUE = 16
CELL_CONTENT = 16
SCALAR_VALUE = 16  # of every NumPy scalar in DTYPES
ARRAY_DATA = 16
ARRAY_NDIM = 24  # an int
ARRAY_DIMS = 32
ARRAY_STRIDES = 40
ARRAY_DESCR = 56
ARRAY_FLAGS = 64  # an int
DESCR_BYTEORDER = 26  # a char
FUNCTION_CODE = 48
TYPE_BASICSIZE = 32
TYPE_FLAGS = 168
CALLED_FUNCTION = object.__basicsize__  # of functad.lower.entry.called.CalledNatively
CALLED_TABLE = CALLED_FUNCTION + 8
DICT_USED = 16  # the number of items
DICT_VERSION = 24  # until 3.13: a number that no dict has had before, new with every change of the dict

C_ALIGNED = 0x1 | 0x100  # NPY_ARRAY_C_CONTIGUOUS | NPY_ARRAY_ALIGNED
WRITEABLE = 0x400

_PYTHON_FUNCTIONS = (
    "PyComplex_FromDoubles", "PyContextVar_Get", "PyDict_GetItemWithError", "PyDict_New", "PyDict_Next",
    "PyDict_SetItem", "PyDict_Size", "PyErr_Clear", "PyErr_ExceptionMatches", "PyErr_NoMemory", "PyErr_Occurred",
    "PyEval_RestoreThread", "PyEval_SaveThread",
    "PyFloat_FromDouble", "PyList_New", "PyLong_AsDouble", "PyLong_AsLongLongAndOverflow",
    "PyLong_FromLongLong", "PyObject_Call", "PyObject_GenericSetAttr", "PyObject_GetAttr", "PyObject_RichCompareBool",
    "PyObject_Vectorcall", "PySequence_Tuple", "PyTuple_New", "Py_DecRef", "Py_IncRef",
)  # fmt: skip

_PYTHON_OBJECTS: dict[str, Any] = {
    "PyBool_Type": bool, "PyComplex_Type": complex, "PyDict_Type": dict, "PyFloat_Type": float, "PyList_Type": list,
    "PyLong_Type": int, "PyTuple_Type": tuple, "PyUnicode_Type": str, "_Py_FalseStruct": False,
    "_Py_NoneStruct": None, "_Py_TrueStruct": True, "PyArray_Type": np.ndarray, "functad.numpy_false": np.False_,
    "functad.numpy_true": np.True_, "functad.object_new": object.__new__, "functad.settings": config.current,
    "functad.settings_first": config.first,
}  # fmt: skip

# Slots of NumPy's C API table, part of its ABI.
_NUMPY_FUNCTIONS = {"PyArray_FromArray": 109, "PyArray_NewFromDescr": 94, "PyArray_SetBaseObject": 282}
_NUMPY_ARRAY_TYPE = 2

_PY_TP_ALLOC = 47  # of PyType_GetSlot


@functools.lru_cache(maxsize=1)
def symbols() -> dict[str, int]:
    """The addresses of functions and immortal objects, by the names that emitted code gives them.

    Besides the C names there are, for each dtype of ``DTYPES``, ``functad.descr.NAME`` (the native descriptor),
    ``functad.scalar.NAME`` (the scalar type) and ``functad.scalar_alloc.NAME`` (its ``tp_alloc``).
    """
    table = _numpy_table()
    found = {name: _function_address(name) for name in _PYTHON_FUNCTIONS}
    found |= {name: id(value) for name, value in _PYTHON_OBJECTS.items()}
    found |= {name: table[slot] for name, slot in _NUMPY_FUNCTIONS.items()}
    found["PyExc_Exception"] = ctypes.addressof(ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyExc_Exception"))
    found["functad.settings_unset"] = ctypes.addressof(config.unset)
    for name in DTYPES:
        dtype = np.dtype(name)
        found[f"functad.descr.{name}"] = id(dtype)
        found[f"functad.scalar.{name}"] = id(dtype.type)
        found[f"functad.scalar_alloc.{name}"] = _type_slot(dtype.type, _PY_TP_ALLOC)
    return found


@functools.lru_cache(maxsize=1)
def verified() -> bool:
    """Whether objects of this interpreter and this NumPy are laid out as emitted code takes them to be."""
    if (
        platform.python_implementation() != "CPython"
        or sysconfig.get_config_var("Py_GIL_DISABLED")
        or hasattr(sys, "gettotalrefcount")
    ):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    # Lazily, in this order: each check makes sure of what the next ones dereference.
    return all(
        check() for check in (_containers_hold, _scalars_hold, _arrays_hold, _numpy_functions_hold, _functions_hold)
    )


@functools.lru_cache(maxsize=1)
def dicts_have_versions() -> bool:
    """Whether the version of a module's dict changes when the dict does, and only then."""
    module = types.ModuleType("module")
    names = vars(module)
    names.update({f"name{k}": object() for k in range(9)})

    def assign() -> None:  # as specialised code does, too, once it has run for some times
        module.name3 = object()  # type: ignore[attr-defined]

    changes: list[Callable[[], object]] = [
        lambda: names.update(name3=object()),
        lambda: names.update(new=object()),
        lambda: names.pop("name5"),
    ]
    seen = [_pointer(names, DICT_VERSION)]
    for change in [*changes, *[assign] * 50, names.clear]:
        change()
        seen.append(_pointer(names, DICT_VERSION))
        names.get("name3"), names.get("none")
        if _pointer(names, DICT_VERSION) != seen[-1]:
            return False
    return len(set(seen)) == len(seen)


def _containers_hold() -> bool:
    first, second = object(), object()
    pair, items, data = (first, second), [first, second], b"functad!"
    if (
        _pointer(pair, OB_TYPE) != id(tuple)
        or _pointer(items, OB_TYPE) != id(list)
        or _pointer(data, OB_TYPE) != id(bytes)
    ):
        return False
    if _pointer(pair, VAR_SIZE) != 2 or _pointer(items, VAR_SIZE) != 2 or word({1: 1, 2: 2}, DICT_USED) != 2:
        return False
    if [_pointer(pair, TUPLE_ITEMS), _pointer(pair, TUPLE_ITEMS + 8)] != [id(first), id(second)]:
        return False
    # The list's item pointer cannot be compared with a known value: read through it only where it lies after a
    # plausible object.
    stored = _pointer(items, LIST_ITEMS)
    if not stored or stored % 8 or list.__basicsize__ != LIST_ITEMS + 16:
        return False
    cell = types.CellType(first)
    if (
        types.CellType.__basicsize__ < CELL_CONTENT + 8
        or _pointer(cell, CELL_CONTENT) != id(first)
        or _pointer(types.CellType(), CELL_CONTENT)
    ):
        return False
    inside = [ctypes.c_void_p.from_address(stored + 8 * k).value for k in range(2)]
    return inside == [id(first), id(second)] and _read(data, BYTES_DATA, 8) == data


def _scalars_hold() -> bool:
    value = 0.1 + 0.2j
    if _read(value.real, FLOAT_VALUE, 8) != np.float64(value.real).tobytes():
        return False
    if _read(value, COMPLEX_VALUE, 16) != np.complex128(value).tobytes():
        return False
    for name in DTYPES:
        scalar = np.ones((), name)[()]
        if type(scalar) is not np.dtype(name).type or _pointer(scalar, OB_TYPE) != id(type(scalar)):
            return False
        if (
            type(scalar).__basicsize__ < SCALAR_VALUE + scalar.itemsize
            or _read(scalar, SCALAR_VALUE, scalar.itemsize) != scalar.tobytes()
        ):
            return False
    return True


def _arrays_hold() -> bool:
    return np.ndarray.__basicsize__ >= ARRAY_FLAGS + 4 and all(_array_holds(array) for array in _sample_arrays())


def _sample_arrays() -> Iterator[np.ndarray[Any, Any]]:
    yield np.zeros((3, 5), "float32")
    yield np.zeros((3, 5), "complex128").T
    yield np.zeros((4, 6), "int64")[::2, ::-1]
    yield np.zeros(17, "int8")[1:].view("float64")
    yield np.zeros((2, 0, 3), ">f8")
    yield np.ones((), "bool")


def _array_holds(array: np.ndarray[Any, Any]) -> bool:
    if (
        _pointer(array, OB_TYPE) != id(np.ndarray)
        or _pointer(array, ARRAY_DATA) != array.__array_interface__["data"][0]
    ):
        return False
    if _int(array, ARRAY_NDIM) != array.ndim or _int(array, ARRAY_FLAGS) != array.flags.num:
        return False
    if bool(array.flags.num & C_ALIGNED == C_ALIGNED) != (array.flags.c_contiguous and array.flags.aligned):
        return False
    if (
        _pointer(array, ARRAY_DESCR) != id(array.dtype)
        or _read(array.dtype, DESCR_BYTEORDER, 1).decode() != array.dtype.byteorder
    ):
        return False
    return array.ndim == 0 or all(
        [ctypes.c_ssize_t.from_address(_pointer(array, at) + 8 * k).value for k in range(array.ndim)] == list(numbers)
        for at, numbers in ((ARRAY_DIMS, array.shape), (ARRAY_STRIDES, array.strides))
    )


def _numpy_functions_hold() -> bool:
    """Whether the API table's slots are what they should be: seen by calling them."""
    if _numpy_table()[_NUMPY_ARRAY_TYPE] != id(np.ndarray) or _type_slot(float, _PY_TP_ALLOC) != _function_address(
        "PyType_GenericAlloc"
    ):
        return False
    pointer, integer, py_object = ctypes.c_void_p, ctypes.c_int, ctypes.py_object
    new = ctypes.PYFUNCTYPE(py_object, py_object, pointer, integer, pointer, pointer, pointer, integer, pointer)
    ctypes.pythonapi.Py_IncRef(py_object(np.dtype("float32")))  # NewFromDescr takes over a reference
    shape = (ctypes.c_ssize_t * 2)(2, 3)
    array = new(symbols()["PyArray_NewFromDescr"])(
        np.ndarray, id(np.dtype("float32")), 2, ctypes.addressof(shape), None, None, 0, None
    )
    if type(array) is not np.ndarray or array.shape != (2, 3) or array.dtype != np.float32 or not array.flags.carray:
        return False
    ctypes.pythonapi.Py_IncRef(py_object(np.dtype("float64")))
    swapped = np.arange(6, dtype=">f8")[::2]
    copy = ctypes.PYFUNCTYPE(py_object, py_object, pointer, integer)(symbols()["PyArray_FromArray"])(
        swapped, id(np.dtype("float64")), C_ALIGNED
    )
    if copy.dtype != np.float64 or not copy.dtype.isnative or not copy.flags.carray or copy.tolist() != [0.0, 2.0, 4.0]:
        return False
    allocate = ctypes.PYFUNCTYPE(py_object, py_object, ctypes.c_ssize_t)
    scalar = allocate(symbols()["functad.scalar_alloc.float64"])(np.float64, 0)
    ctypes.c_double.from_address(id(scalar) + SCALAR_VALUE).value = 2.5
    return type(scalar) is np.float64 and bool(scalar == 2.5)


def _functions_hold() -> bool:
    value: object = 1

    def function() -> object:
        return value

    def other() -> object:
        return -value  # type: ignore[operator]

    (cell,) = function.__closure__ or ()
    if _pointer(cell, CELL_CONTENT) != id(value) or _pointer(function, FUNCTION_CODE) != id(function.__code__):
        return False
    value = function.__code__ = other.__code__
    slotted: Any = _Slotted()
    slotted.second = value
    held = tuple([word(slotted, slot_offset(vars(_Slotted)[name])) for name in ("second", "first")])
    return _pointer(cell, CELL_CONTENT) == id(value) == _pointer(function, FUNCTION_CODE) and held == (id(value), 0)


class _Slotted:
    __slots__ = ("first", "second")


def slot_offset(descriptor: Any) -> int:
    """Where in an object the slot is that a member descriptor gives: behind the name and type of its definition."""
    definition = word(descriptor, _MEMBER_DEFINITION)
    return ctypes.c_ssize_t.from_address(definition + 16).value


_MEMBER_DEFINITION = 40


def word(object: object, offset: int) -> int:
    """What an object holds at an offset."""
    return ctypes.c_ssize_t.from_address(id(object) + offset).value


def _numpy_table() -> ctypes.Array[Any]:
    umath = importlib.import_module("numpy._core._multiarray_umath")
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    length = max(_NUMPY_FUNCTIONS.values()) + 1
    return (ctypes.c_void_p * length).from_address(get_pointer(umath._ARRAY_API, None))


def _function_address(name: str) -> int:
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    assert address is not None
    return address


def _type_slot(cls: type, slot: int) -> int:
    get_slot = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_int)(("PyType_GetSlot", ctypes.pythonapi))
    return get_slot(cls, slot) or 0


def _pointer(obj: object, offset: int) -> int:
    return ctypes.c_void_p.from_address(id(obj) + offset).value or 0


def _int(obj: object, offset: int) -> int:
    return ctypes.c_int.from_address(id(obj) + offset).value


def _read(obj: object, offset: int, size: int) -> bytes:
    return ctypes.string_at(id(obj) + offset, size)
