"""The functions by which Python comes to an entry: a builtin function that has one, and an object that has one for each
kind of call.

An entry gives `MISMATCH` where the arguments do not fit it; nothing has happened then. An object with several entries
asks them one after the other, first the one that served the last call that looked like this one. How a call looks is a
hash of types, numbers of axes, sizes and lengths, down to some depth (``functad_look``). It only says where to begin:
the entry itself checks everything.
"""

from __future__ import annotations

from functad.lower.entry import abi
from functad.lower.entry.layout import HINTS, Layout, SelfItem, TableItem

__all__ = ["DISPATCH", "DISPATCH_TEXT", "MISMATCH", "OTHERWISE", "OTHERWISE_TEXT"]

MISMATCH = "inttoptr (i64 1 to ptr)"
"""What an entry gives for arguments that it does not fit: no object, and not null, which says that an exception is
set.
"""

_DEPTH, _MOST_LOOKED_AT = 8, 64
"""So far down into containers, and at so many objects, the hash looks."""

_TUPLE_SUBCLASS = 1 << 26  # a flag of a type

# The builtin function of one entry. %self is the entry's own.
_CALL = f"""define ptr @functad_call(ptr %self, ptr %args, i64 %nargs, ptr %kwnames) {{
entry:
  %block.at = getelementptr i8, ptr %self, i64 {abi.TUPLE_ITEMS + 8 * SelfItem.BLOCK}
  %block = load ptr, ptr %block.at
  %code.at = getelementptr i8, ptr %block, i64 {abi.BYTES_DATA + 8 * Layout.ENTRY}
  %code = load ptr, ptr %code.at
  %result = call ptr %code(ptr %self, ptr %args, i64 %nargs, ptr %kwnames, ptr null)
  %fits = icmp ne ptr %result, {MISMATCH}
  br i1 %fits, label %done, label %slow
done:
  ret ptr %result
slow:
  %slow.at = getelementptr i8, ptr %self, i64 {abi.TUPLE_ITEMS + 8 * SelfItem.SLOW_PATH}
  %slow.path = load ptr, ptr %slow.at
  %slow.result = tail call ptr @PyObject_Vectorcall(ptr %slow.path, ptr %args, i64 %nargs, ptr %kwnames)
  ret ptr %slow.result
}}"""

# What CPython calls for an object with several entries. The table is held, since the call may run code that gives the
# object another. It is null where the object has lost its entries, or the garbage collector has begun to clear it: such
# an object is called as others are, until it has a table again.
_VECTORCALL = f"""define ptr @functad_vectorcall(ptr %self, ptr %args, i64 %flagged, ptr %kwnames) {{
entry:
  %seen = alloca %functad.seen
  store i64 0, ptr %seen
  %nargs = and i64 %flagged, {2**63 - 1}
  %table.at = getelementptr i8, ptr %self, i64 {abi.CALLED_TABLE}
  %table = load ptr, ptr %table.at
  %cleared = icmp eq ptr %table, null
  br i1 %cleared, label %without, label %find
without:
  %function.at = getelementptr i8, ptr %self, i64 {abi.CALLED_FUNCTION}
  store ptr null, ptr %function.at
  %python = tail call ptr @PyObject_Vectorcall(ptr %self, ptr %args, i64 %flagged, ptr %kwnames)
  ret ptr %python
find:
  call void @Py_IncRef(ptr %table)
  %words.at = getelementptr i8, ptr %table, i64 {abi.TUPLE_ITEMS + 8 * TableItem.WORDS}
  %words.object = load ptr, ptr %words.at
  %words.data = getelementptr i8, ptr %words.object, i64 {abi.ARRAY_DATA}
  %words = load ptr, ptr %words.data
  %count = load i64, ptr %words
  %entries = getelementptr i64, ptr %words, i64 {1 + HINTS}
  %single = icmp eq i64 %count, 1
  br i1 %single, label %only, label %several
only:
  %only.result = call ptr @functad_try(ptr %entries, i64 0, ptr %args, i64 %nargs, ptr %kwnames, ptr null)
  %only.fits = icmp ne ptr %only.result, {MISMATCH}
  br i1 %only.fits, label %done, label %otherwise
several:
  %look = call i64 @functad_look_of_call(ptr %args, i64 %nargs, ptr %kwnames)
  %hint.number = urem i64 %look, {HINTS}
  %hints = getelementptr i64, ptr %words, i64 1
  %hint.at = getelementptr i64, ptr %hints, i64 %hint.number
  %hint = load i64, ptr %hint.at
  %hinted = call ptr @functad_try(ptr %entries, i64 %hint, ptr %args, i64 %nargs, ptr %kwnames, ptr %seen)
  %hinted.fits = icmp ne ptr %hinted, {MISMATCH}
  br i1 %hinted.fits, label %done, label %next
next:
  %k = phi i64 [ 0, %several ], [ %k.next, %after ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %other, label %otherwise
other:
  %tried = icmp eq i64 %k, %hint
  br i1 %tried, label %after, label %try
try:
  %result = call ptr @functad_try(ptr %entries, i64 %k, ptr %args, i64 %nargs, ptr %kwnames, ptr %seen)
  %fits = icmp ne ptr %result, {MISMATCH}
  br i1 %fits, label %learn, label %after
after:
  %k.next = add i64 %k, 1
  br label %next
learn:
  store i64 %k, ptr %hint.at
  br label %done
otherwise:
  %slow.result = call ptr @functad_otherwise(ptr %self, ptr %table, ptr %args, i64 %nargs, ptr %kwnames)
  br label %done
done:
  %found = phi ptr [ %only.result, %only ], [ %hinted, %several ], [ %result, %learn ], [ %slow.result, %otherwise ]
  call void @functad_forget_seen(ptr %seen)
  call void @Py_DecRef(ptr %table)
  ret ptr %found
}}

define internal ptr @functad_try(ptr %entries, i64 %k, ptr %args, i64 %nargs, ptr %kwnames, ptr %seen) {{
  %entry = getelementptr [2 x i64], ptr %entries, i64 %k
  %code = load ptr, ptr %entry
  %own.at = getelementptr i64, ptr %entry, i64 1
  %own = load ptr, ptr %own.at
  %result = call ptr %code(ptr %own, ptr %args, i64 %nargs, ptr %kwnames, ptr %seen)
  ret ptr %result
}}"""

# Calls the function of Python that serves what no entry fits, with the object, a tuple and a dict.
_OTHERWISE = f"""define ptr @functad_otherwise(ptr %self, ptr %table, ptr %args, i64 %nargs, ptr %kwnames) {{
entry:
  %given = alloca [3 x ptr]
  %tuple = call ptr @PyTuple_New(i64 %nargs)
  %no.tuple = icmp eq ptr %tuple, null
  br i1 %no.tuple, label %failed, label %fill
fill:
  %items = getelementptr i8, ptr %tuple, i64 {abi.TUPLE_ITEMS}
  br label %item
item:
  %k = phi i64 [ 0, %fill ], [ %k.next, %put ]
  %more = icmp slt i64 %k, %nargs
  br i1 %more, label %put, label %keywords
put:
  %from = getelementptr ptr, ptr %args, i64 %k
  %object = load ptr, ptr %from
  call void @Py_IncRef(ptr %object)
  %to = getelementptr ptr, ptr %items, i64 %k
  store ptr %object, ptr %to
  %k.next = add i64 %k, 1
  br label %item
keywords:
  %dict = call ptr @PyDict_New()
  %no.dict = icmp eq ptr %dict, null
  br i1 %no.dict, label %drop.tuple, label %named
named:
  %none = icmp eq ptr %kwnames, null
  br i1 %none, label %call, label %names
names:
  %count.at = getelementptr i8, ptr %kwnames, i64 {abi.VAR_SIZE}
  %count = load i64, ptr %count.at
  %first.name = getelementptr i8, ptr %kwnames, i64 {abi.TUPLE_ITEMS}
  %values = getelementptr ptr, ptr %args, i64 %nargs
  br label %keyword
keyword:
  %n = phi i64 [ 0, %names ], [ %n.next, %set ]
  %n.more = icmp slt i64 %n, %count
  br i1 %n.more, label %set, label %call
set:
  %name.at = getelementptr ptr, ptr %first.name, i64 %n
  %name = load ptr, ptr %name.at
  %value.at = getelementptr ptr, ptr %values, i64 %n
  %value = load ptr, ptr %value.at
  %status = call i32 @PyDict_SetItem(ptr %dict, ptr %name, ptr %value)
  %n.next = add i64 %n, 1
  %ok = icmp eq i32 %status, 0
  br i1 %ok, label %keyword, label %drop.dict
call:
  %python.at = getelementptr i8, ptr %table, i64 {abi.TUPLE_ITEMS + 8 * TableItem.OTHERWISE}
  %python = load ptr, ptr %python.at
  store ptr %self, ptr %given
  %second = getelementptr ptr, ptr %given, i64 1
  store ptr %tuple, ptr %second
  %third = getelementptr ptr, ptr %given, i64 2
  store ptr %dict, ptr %third
  %result = call ptr @PyObject_Vectorcall(ptr %python, ptr %given, i64 3, ptr null)
  br label %drop.dict
drop.dict:
  %after.dict = phi ptr [ %result, %call ], [ null, %set ]
  call void @Py_DecRef(ptr %dict)
  br label %drop.tuple
drop.tuple:
  %after.tuple = phi ptr [ %after.dict, %drop.dict ], [ null, %keywords ]
  call void @Py_DecRef(ptr %tuple)
  ret ptr %after.tuple
failed:
  ret ptr null
}}"""

# How a call looks. Reads types, sizes and lengths only, and runs no code of Python.
_LOOK = f"""define internal i64 @functad_mix(i64 %hash, i64 %word) {{
  %both = xor i64 %hash, %word
  %product = mul i64 %both, -7046029254386353131
  %high = lshr i64 %product, 29
  %mixed = xor i64 %product, %high
  ret i64 %mixed
}}

define internal i64 @functad_mix_word(i64 %hash, ptr %object, i64 %offset) {{
  %at = getelementptr i8, ptr %object, i64 %offset
  %word = load i64, ptr %at
  %mixed = call i64 @functad_mix(i64 %hash, i64 %word)
  ret i64 %mixed
}}

define internal i64 @functad_look_of_call(ptr %args, i64 %nargs, ptr %kwnames) noinline {{
entry:
  %left = alloca i64
  store i64 {_MOST_LOOKED_AT}, ptr %left
  %positional = call i64 @functad_mix(i64 %nargs, i64 1)
  %none = icmp eq ptr %kwnames, null
  br i1 %none, label %all, label %named
named:
  %count.at = getelementptr i8, ptr %kwnames, i64 {abi.VAR_SIZE}
  %count = load i64, ptr %count.at
  %with.names = call i64 @functad_mix(i64 %positional, i64 %count)
  br label %all
all:
  %start = phi i64 [ %positional, %entry ], [ %with.names, %named ]
  %keywords = phi i64 [ 0, %entry ], [ %count, %named ]
  %total = add i64 %nargs, %keywords
  %look = call i64 @functad_look_at_each(ptr %args, i64 %total, i64 %start, i64 {_DEPTH}, ptr %left)
  ret i64 %look
}}

define internal i64 @functad_look_at_each(ptr %objects, i64 %count, i64 %start, i64 %depth, ptr %left) noinline {{
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %look ]
  %hash = phi i64 [ %start, %entry ], [ %mixed, %look ]
  %more = icmp slt i64 %k, %count
  %budget = load i64, ptr %left
  %some = icmp sgt i64 %budget, 0
  %go.on = and i1 %more, %some
  br i1 %go.on, label %look, label %done
look:
  %at = getelementptr ptr, ptr %objects, i64 %k
  %object = load ptr, ptr %at
  %mixed = call i64 @functad_look(ptr %object, i64 %hash, i64 %depth, ptr %left)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret i64 %hash
}}

define internal i64 @functad_look(ptr %object, i64 %start, i64 %depth, ptr %left) noinline {{
entry:
  %position = alloca i64
  %value.at = alloca ptr
  %budget = load i64, ptr %left
  %budget.next = sub i64 %budget, 1
  store i64 %budget.next, ptr %left
  %type.at = getelementptr i8, ptr %object, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %type.word = ptrtoint ptr %type to i64
  %hash = call i64 @functad_mix(i64 %start, i64 %type.word)
  %is.array = icmp eq ptr %type, @PyArray_Type
  br i1 %is.array, label %array, label %container
array:
  %rank.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_NDIM}
  %rank32 = load i32, ptr %rank.at
  %rank = sext i32 %rank32 to i64
  %descr.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DESCR}
  %descr = load ptr, ptr %descr.at
  %with.class = call i64 @functad_mix_word(i64 %hash, ptr %descr, i64 {abi.OB_TYPE})
  %with.rank = call i64 @functad_mix(i64 %with.class, i64 %rank)
  %dims.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DIMS}
  %dims = load ptr, ptr %dims.at
  br label %dim
dim:
  %axis = phi i64 [ 0, %array ], [ %axis.next, %dim.mix ]
  %shaped = phi i64 [ %with.rank, %array ], [ %shaped.next, %dim.mix ]
  %axis.more = icmp slt i64 %axis, %rank
  br i1 %axis.more, label %dim.mix, label %array.done
dim.mix:
  %offset = shl i64 %axis, 3
  %shaped.next = call i64 @functad_mix_word(i64 %shaped, ptr %dims, i64 %offset)
  %axis.next = add i64 %axis, 1
  br label %dim
array.done:
  ret i64 %shaped
container:
  %deep = icmp sgt i64 %depth, 0
  %below = sub i64 %depth, 1
  br i1 %deep, label %is.it.tuple, label %leaf
is.it.tuple:
  %flags.at = getelementptr i8, ptr %type, i64 {abi.TYPE_FLAGS}
  %flags = load i64, ptr %flags.at
  %tuple.flag = and i64 %flags, {_TUPLE_SUBCLASS}
  %is.tuple = icmp ne i64 %tuple.flag, 0
  br i1 %is.tuple, label %tuple, label %is.it.list
tuple:
  %tuple.items = getelementptr i8, ptr %object, i64 {abi.TUPLE_ITEMS}
  br label %sequence
is.it.list:
  %is.list = icmp eq ptr %type, @PyList_Type
  br i1 %is.list, label %list, label %is.it.dict
list:
  %list.at = getelementptr i8, ptr %object, i64 {abi.LIST_ITEMS}
  %list.items = load ptr, ptr %list.at
  br label %sequence
sequence:
  %items = phi ptr [ %tuple.items, %tuple ], [ %list.items, %list ]
  %size.at = getelementptr i8, ptr %object, i64 {abi.VAR_SIZE}
  %size = load i64, ptr %size.at
  %with.size = call i64 @functad_mix(i64 %hash, i64 %size)
  %inside = call i64 @functad_look_at_each(ptr %items, i64 %size, i64 %with.size, i64 %below, ptr %left)
  ret i64 %inside
is.it.dict:
  %is.dict = icmp eq ptr %type, @PyDict_Type
  br i1 %is.dict, label %dict, label %leaf
dict:
  store i64 0, ptr %position
  %length = call i64 @PyDict_Size(ptr %object)
  %with.length = call i64 @functad_mix(i64 %hash, i64 %length)
  br label %pair
pair:
  %paired = phi i64 [ %with.length, %dict ], [ %paired.next, %look ]
  %some = call i32 @PyDict_Next(ptr %object, ptr %position, ptr null, ptr %value.at)
  %some.left = load i64, ptr %left
  %pair.more = icmp ne i32 %some, 0
  %pair.left = icmp sgt i64 %some.left, 0
  %pair.both = and i1 %pair.more, %pair.left
  br i1 %pair.both, label %look, label %dict.done
look:
  %value = load ptr, ptr %value.at
  %paired.next = call i64 @functad_look(ptr %value, i64 %paired, i64 %below, ptr %left)
  br label %pair
dict.done:
  ret i64 %paired
leaf:
  ret i64 %hash
}}"""

# What an entry gives that refuses its arguments. If looking at them has raised an exception, the slow path meets it
# again; but an interrupt comes only once.
_REFUSE = f"""define ptr @functad_refuse() {{
entry:
  %raised = call ptr @PyErr_Occurred()
  %none = icmp eq ptr %raised, null
  br i1 %none, label %refused, label %look
look:
  %error = load ptr, ptr @PyExc_Exception
  %matches = call i32 @PyErr_ExceptionMatches(ptr %error)
  %is.error = icmp ne i32 %matches, 0
  br i1 %is.error, label %clear, label %interrupted
clear:
  call void @PyErr_Clear()
  br label %refused
refused:
  ret ptr {MISMATCH}
interrupted:
  ret ptr null
}}"""

DISPATCH_TEXT = "\n\n".join([_CALL, _VECTORCALL, _LOOK])

DISPATCH = ("functad_call", "functad_vectorcall")

OTHERWISE_TEXT = "\n\n".join([_REFUSE, _OTHERWISE])

OTHERWISE = ("functad_refuse", "functad_otherwise")
