"""The functions that all entries call: loops over tables of arrays and over the items of containers.

With them the text of an entry grows with its containers and scalars, but not with its arrays. They are compiled once a
process, and optimised, in 12 ms: without that each call would take 9 ns more.
"""

from __future__ import annotations

from functad.lower.entry import abi
from functad.lower.entry.checks import CHECKS, CHECKS_TEXT

__all__ = ["DECLARATIONS", "HELPERS", "HELPERS_TEXT"]

# An array among the arguments: where its object stands among the items, where its data pointer goes among the inputs.
# An array of the result: nothing, and where its data pointer goes among the outputs. Then rank, offset of the dims in
# the block, descriptor.
_ARRAY_TYPE = "%functad.array = type { i64, i64, i64, i64, ptr }"

# Whether all array arguments are of the wanted type, rank, layout, dims and dtype; stores their data pointers into the
# inputs. Most arrays carry the native descriptor itself. Unpickled ones carry a copy: those pass by the descriptor's
# class and byte order.
_CHECK_ARRAYS = f"""define i1 @functad_check_arrays(ptr %table, i64 %count, ptr %items, ptr %inputs, ptr %block) {{
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %good ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %fetch, label %yes
fetch:
  %item.at = getelementptr %functad.array, ptr %table, i64 %k, i32 0
  %item = load i64, ptr %item.at
  %object.at = getelementptr ptr, ptr %items, i64 %item
  %object = load ptr, ptr %object.at
  %type.at = getelementptr i8, ptr %object, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %is.array = icmp eq ptr %type, @PyArray_Type
  br i1 %is.array, label %array, label %no
array:
  %rank.at = getelementptr %functad.array, ptr %table, i64 %k, i32 2
  %rank = load i64, ptr %rank.at
  %ndim.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_NDIM}
  %ndim32 = load i32, ptr %ndim.at
  %ndim = sext i32 %ndim32 to i64
  %ndim.ok = icmp eq i64 %ndim, %rank
  %flags.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_FLAGS}
  %flags = load i32, ptr %flags.at
  %flags.wanted = and i32 %flags, {abi.C_ALIGNED}
  %flags.ok = icmp eq i32 %flags.wanted, {abi.C_ALIGNED}
  %layout.ok = and i1 %ndim.ok, %flags.ok
  br i1 %layout.ok, label %dims, label %no
dims:
  %have.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DIMS}
  %have = load ptr, ptr %have.at
  %want.at = getelementptr %functad.array, ptr %table, i64 %k, i32 3
  %want.offset = load i64, ptr %want.at
  %want = getelementptr i8, ptr %block, i64 %want.offset
  br label %axis
axis:
  %axis.number = phi i64 [ 0, %dims ], [ %axis.next, %dim ]
  %axis.more = icmp slt i64 %axis.number, %rank
  br i1 %axis.more, label %dim, label %dtype
dim:
  %have.dim.at = getelementptr i64, ptr %have, i64 %axis.number
  %have.dim = load i64, ptr %have.dim.at
  %want.dim.at = getelementptr i64, ptr %want, i64 %axis.number
  %want.dim = load i64, ptr %want.dim.at
  %axis.next = add i64 %axis.number, 1
  %dim.ok = icmp eq i64 %have.dim, %want.dim
  br i1 %dim.ok, label %axis, label %no
dtype:
  %own.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DESCR}
  %own = load ptr, ptr %own.at
  %descr.at = getelementptr %functad.array, ptr %table, i64 %k, i32 4
  %descr = load ptr, ptr %descr.at
  %native = icmp eq ptr %own, %descr
  br i1 %native, label %good, label %copied
copied:
  %own.class.at = getelementptr i8, ptr %own, i64 {abi.OB_TYPE}
  %own.class = load ptr, ptr %own.class.at
  %class.at = getelementptr i8, ptr %descr, i64 {abi.OB_TYPE}
  %class = load ptr, ptr %class.at
  %class.ok = icmp eq ptr %own.class, %class
  br i1 %class.ok, label %order, label %no
order:
  %own.order.at = getelementptr i8, ptr %own, i64 {abi.DESCR_BYTEORDER}
  %own.order = load i8, ptr %own.order.at
  %order.at = getelementptr i8, ptr %descr, i64 {abi.DESCR_BYTEORDER}
  %wanted.order = load i8, ptr %order.at
  %order.ok = icmp eq i8 %own.order, %wanted.order
  br i1 %order.ok, label %good, label %no
good:
  %data.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DATA}
  %data = load ptr, ptr %data.at
  %input.at = getelementptr %functad.array, ptr %table, i64 %k, i32 1
  %input = load i64, ptr %input.at
  %slot = getelementptr ptr, ptr %inputs, i64 %input
  store ptr %data, ptr %slot
  %k.next = add i64 %k, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""

# Makes the arrays of the result, the first objects; false, with an exception set, where one cannot be made.
_MAKE_ARRAYS = f"""define i1 @functad_make_arrays(
  ptr %table, i64 %count, ptr %allocators, ptr %objects, ptr %made, ptr %outputs, ptr %block
) {{
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %store ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %allocate, label %yes
allocate:
  %allocator.first = getelementptr i8, ptr %allocators, i64 {abi.TUPLE_ITEMS}
  %allocator.at = getelementptr ptr, ptr %allocator.first, i64 %k
  %allocator = load ptr, ptr %allocator.at
  %plain = icmp eq ptr %allocator, @_Py_NoneStruct
  br i1 %plain, label %numpy, label %other
numpy:
  %rank.at = getelementptr %functad.array, ptr %table, i64 %k, i32 2
  %rank64 = load i64, ptr %rank.at
  %rank = trunc i64 %rank64 to i32
  %dims.at = getelementptr %functad.array, ptr %table, i64 %k, i32 3
  %dims.offset = load i64, ptr %dims.at
  %dims = getelementptr i8, ptr %block, i64 %dims.offset
  %descr.at = getelementptr %functad.array, ptr %table, i64 %k, i32 4
  %descr = load ptr, ptr %descr.at
  call void @Py_IncRef(ptr %descr) ; which the array takes over
  %new = call ptr @PyArray_NewFromDescr(
    ptr @PyArray_Type, ptr %descr, i32 %rank, ptr %dims, ptr null, ptr null, i32 0, ptr null)
  br label %allocated
other:
  %given = call ptr @PyObject_Vectorcall(ptr %allocator, ptr null, i64 0, ptr null)
  br label %allocated
allocated:
  %array = phi ptr [ %new, %numpy ], [ %given, %other ]
  %failed = icmp eq ptr %array, null
  br i1 %failed, label %no, label %store
store:
  %k.next = add i64 %k, 1
  %made.at = getelementptr ptr, ptr %objects, i64 %k
  store ptr %array, ptr %made.at
  store i64 %k.next, ptr %made
  %data.at = getelementptr i8, ptr %array, i64 {abi.ARRAY_DATA}
  %data = load ptr, ptr %data.at
  %output.at = getelementptr %functad.array, ptr %table, i64 %k, i32 1
  %output = load i64, ptr %output.at
  %slot = getelementptr ptr, ptr %outputs, i64 %output
  store ptr %data, ptr %slot
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""

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

HELPERS_TEXT = "\n\n".join([
    _ARRAY_TYPE,
    "@PyArray_Type = external global i8",
    "@PyLong_Type = external global i8",
    "declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)",
    "@_Py_NoneStruct = external global i8",
    "declare void @Py_IncRef(ptr)",
    "declare void @Py_DecRef(ptr)",
    "declare ptr @PyDict_GetItemWithError(ptr, ptr)",
    "declare void @PyErr_Clear()",
    "declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)",
    "@functad.settings = external global i8",
    "@functad.settings_first = external global i8",
    "@functad.settings_unset = external global ptr",
    "declare i32 @PyContextVar_Get(ptr, ptr, ptr)",
    "declare i32 @memcmp(ptr, ptr, i64)",
    "declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)",
    _CHECK_ARRAYS, _MAKE_ARRAYS, _LOOK_UP, _INT_KEYS, CHECKS_TEXT, _HOLD, _COPY, _MOVE, _RELEASE,
])  # fmt: skip

_CHECKS_DECLARED = "\n".join([f"declare i1 @{name}(ptr)" for name in CHECKS])

# The same for the text of an entry.
DECLARATIONS = f"""{_ARRAY_TYPE}
declare i1 @functad_check_arrays(ptr, i64, ptr, ptr, ptr)
declare i1 @functad_make_arrays(ptr, i64, ptr, ptr, ptr, ptr, ptr)
declare i1 @functad_look_up(ptr, ptr, i64, ptr, i64, ptr)
declare i1 @functad_int_keys(ptr)
{_CHECKS_DECLARED}
declare void @functad_hold(ptr, i64, ptr, i64, ptr)
declare void @functad_copy(ptr, i64, ptr)
declare void @functad_move(ptr, i64, ptr)
declare void @functad_release(ptr, ptr)
"""

HELPERS = (
    "functad_check_arrays",
    "functad_make_arrays",
    "functad_look_up",
    "functad_int_keys",
    *CHECKS,
    "functad_hold",
    "functad_copy",
    "functad_move",
    "functad_release",
)
