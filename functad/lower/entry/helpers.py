"""The functions that all entries call: loops over tables of arrays and over the items of containers.

With them the text of an entry grows with its containers and scalars, but not with its arrays. They are compiled once a
process; those that most calls need are optimised, in 20 ms: without that each call would take 9 ns more. The others
(``SELDOM``), for odd arrays, static values and what takes Python's time anyway, are not: that would take as long again.
"""

from __future__ import annotations

from functad.lower.entry import abi
from functad.lower.entry.arrays import ARRAY_TYPE, ARRAYS, ARRAYS_TEXT, ODD_ARRAYS, ODD_ARRAYS_TEXT
from functad.lower.entry.checks import CHECKS, CHECKS_TEXT
from functad.lower.entry.dispatch import DISPATCH, DISPATCH_TEXT, OTHERWISE, OTHERWISE_TEXT
from functad.lower.entry.opening import OPENING, OPENING_TEXT, SEEN_TYPE, TAKING_APART, TAKING_APART_TEXT

__all__ = ["DECLARATIONS", "HELPERS", "HELPERS_TEXT", "SELDOM", "SELDOM_TEXT"]

# Looks up keys in a dict; the values found become items first, first + 1, ..., which are held. False where one is
# missing.
_LOOK_UP = """define i1 @functad_look_up(ptr %dict, ptr %keys, i64 %count, ptr %items, i64 %first, ptr %held) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %found ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %key.at = getelementptr ptr, ptr %keys, i64 %k
  %key = load ptr, ptr %key.at
  %value = call ptr @PyDict_GetItemWithError(ptr %dict, ptr %key)
  %missing = icmp eq ptr %value, null
  br i1 %missing, label %no, label %found
found:
  call void @Py_IncRef(ptr %value)
  %item = add i64 %first, %k
  %item.at = getelementptr ptr, ptr %items, i64 %item
  store ptr %value, ptr %item.at
  %k.next = add i64 %k, 1
  %count.held = add i64 %item, 1
  store i64 %count.held, ptr %held
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}"""


# Whether all keys of a dict are ints, not bools or floats that are equal to ints.
_INT_KEYS = f"""define i1 @functad_int_keys(ptr %dict) {{
entry:
  %position = alloca i64
  %key.at = alloca ptr
  store i64 0, ptr %position
  br label %next
next:
  %more = call i32 @PyDict_Next(ptr %dict, ptr %position, ptr %key.at, ptr null)
  %done = icmp eq i32 %more, 0
  br i1 %done, label %yes, label %look
look:
  %key = load ptr, ptr %key.at
  %type.at = getelementptr i8, ptr %key, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %is.int = icmp eq ptr %type, @PyLong_Type
  br i1 %is.int, label %next, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}"""


def _for_each(signature: str, body: str, before: str = "", after: str = "") -> str:
    """A function that runs its body for each k below %count."""
    return f"""define void {signature} {{
entry:{before}
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %body ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %body, label %done
body:{body}
  %k.next = add i64 %k, 1
  br label %next
done:{after}
  ret void
}}"""


# Copies the items of a list, and holds them.
_HOLD = _for_each(
    "@functad_hold(ptr %source, i64 %count, ptr %items, i64 %first, ptr %held)",
    """
  %from = getelementptr ptr, ptr %source, i64 %k
  %object = load ptr, ptr %from
  call void @Py_IncRef(ptr %object)
  %item = add i64 %first, %k
  %to = getelementptr ptr, ptr %items, i64 %item
  store ptr %object, ptr %to""",
    after="""
  %count.held = add i64 %first, %count
  store i64 %count.held, ptr %held""",
)

_COPY = _for_each(
    "@functad_copy(ptr %source, i64 %count, ptr %target)",
    """
  %from = getelementptr ptr, ptr %source, i64 %k
  %pointer = load ptr, ptr %from
  %to = getelementptr ptr, ptr %target, i64 %k
  store ptr %pointer, ptr %to""",
)

# Moves objects, with the references to them, into a new tuple or list.
_MOVE = _for_each(
    "@functad_move(ptr %source, i64 %count, ptr %target)",
    """
  %from = getelementptr ptr, ptr %source, i64 %k
  %object = load ptr, ptr %from
  store ptr null, ptr %from
  %to = getelementptr ptr, ptr %target, i64 %k
  store ptr %object, ptr %to""",
)

_RELEASE = _for_each(
    "@functad_release(ptr %objects, ptr %filled)",
    """
  %at = getelementptr ptr, ptr %objects, i64 %k
  %object = load ptr, ptr %at
  call void @Py_DecRef(ptr %object) ; which takes null""",
    before="""
  %count = load i64, ptr %filled""",
)

_HEAD = "\n\n".join(
    [
        ARRAY_TYPE,
        SEEN_TYPE,
        "@PyArray_Type = external global i8",
        "@PyDict_Type = external global i8",
        "@PyList_Type = external global i8",
        "@PyLong_Type = external global i8",
        "@PyTuple_Type = external global i8",
        "@PyUnicode_Type = external global i8",
        "@_Py_FalseStruct = external global i8",
        "@_Py_NoneStruct = external global i8",
        "@_Py_TrueStruct = external global i8",
        "declare ptr @PyArray_FromArray(ptr, ptr, i32)",
        "declare ptr @PyDict_New()",
        "declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)",
        "declare i32 @PyDict_SetItem(ptr, ptr, ptr)",
        "declare i64 @PyDict_Size(ptr)",
        "declare ptr @PyObject_GetAttr(ptr, ptr)",
        "declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)",
        "declare ptr @PySequence_Tuple(ptr)",
        "declare ptr @PyTuple_New(i64)",
        "declare void @Py_IncRef(ptr)",
        "declare void @Py_DecRef(ptr)",
        "declare ptr @PyDict_GetItemWithError(ptr, ptr)",
        "@PyExc_Exception = external global ptr",
        "declare void @PyErr_Clear()",
        "declare i32 @PyErr_ExceptionMatches(ptr)",
        "declare ptr @PyErr_Occurred()",
        "declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)",
        "@functad.settings = external global i8",
        "@functad.settings_first = external global i8",
        "@functad.settings_unset = external global ptr",
        "declare i32 @PyContextVar_Get(ptr, ptr, ptr)",
        "declare i32 @memcmp(ptr, ptr, i64)",
        "declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)",
    ]
)

HELPERS_TEXT = "\n\n".join([
    _HEAD,
    "declare ptr @functad_otherwise(ptr, ptr, ptr, i64, ptr)",
    TAKING_APART_TEXT, ARRAYS_TEXT, _LOOK_UP, _INT_KEYS, CHECKS_TEXT, _HOLD, _COPY, _MOVE, _RELEASE, DISPATCH_TEXT,
])  # fmt: skip

SELDOM_TEXT = "\n\n".join([_HEAD, ODD_ARRAYS_TEXT, OPENING_TEXT, OTHERWISE_TEXT])

_CHECKS_DECLARED = "\n".join([f"declare i1 @{name}(ptr)" for name in CHECKS])

# The same for the text of an entry.
DECLARATIONS = f"""{ARRAY_TYPE}
declare i1 @functad_check_arrays(ptr, i64, ptr, ptr, ptr)
declare i1 @functad_copy_arrays(ptr, i64, ptr, ptr, ptr, ptr, ptr)
declare i1 @functad_disjoint(ptr, i64, ptr, ptr, i64, ptr, ptr)
declare i1 @functad_make_arrays(ptr, i64, ptr, ptr, ptr, ptr, ptr)
declare void @functad_keep_arrays(ptr, i64, ptr, ptr, ptr)
declare ptr @functad_refuse()
declare i1 @functad_keywords(ptr, ptr, i64, ptr, ptr)
declare i1 @functad_same(ptr, ptr)
declare i1 @functad_fields(ptr, ptr, i64, ptr, i64, ptr)
declare i1 @functad_flatten(ptr, ptr, ptr, ptr, i64, ptr, i64, ptr)
declare i1 @functad_look_up(ptr, ptr, i64, ptr, i64, ptr)
declare i1 @functad_int_keys(ptr)
{_CHECKS_DECLARED}
declare void @functad_hold(ptr, i64, ptr, i64, ptr)
declare void @functad_copy(ptr, i64, ptr)
declare void @functad_move(ptr, i64, ptr)
declare void @functad_release(ptr, ptr)
"""

HELPERS = (
    *ARRAYS,
    "functad_look_up",
    "functad_int_keys",
    *CHECKS,
    *TAKING_APART,
    *DISPATCH,
    "functad_hold",
    "functad_copy",
    "functad_move",
    "functad_release",
)

SELDOM = (*ODD_ARRAYS, *OPENING, *OTHERWISE)
