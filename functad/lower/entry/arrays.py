"""The functions by which entries check the arrays of a call, copy those of another layout, and make those of the
result: loops over tables, an entry for each array.
"""

from __future__ import annotations

from functad.lower.entry import abi

__all__ = ["ARRAYS", "ARRAYS_TEXT", "ARRAY_TYPE", "ODD_ARRAYS", "ODD_ARRAYS_TEXT"]

# An array among the arguments: where its object stands among the items, where its data pointer goes among the inputs.
# An array of the result: the same among the outputs; it has an item where the call gives it. Then rank, offset of the
# dims in the block, descriptor, bytes of an element, flags that it must have.
ARRAY_TYPE = "%functad.array = type { i64, i64, i64, i64, ptr, i64, i32 }"

# Whether an array is as its entry in the table says: 0 no, 1 yes, 2 all but its layout, which a copy would mend. Most
# arrays carry the native descriptor itself. Unpickled ones carry a copy: those pass by the descriptor's class and byte
# order.
_FITS = f"""define internal i32 @functad_fits(ptr %want, ptr %object, ptr %block) {{
entry:
  %type.at = getelementptr i8, ptr %object, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %is.array = icmp eq ptr %type, @PyArray_Type
  br i1 %is.array, label %array, label %no
array:
  %rank.at = getelementptr %functad.array, ptr %want, i64 0, i32 2
  %rank = load i64, ptr %rank.at
  %ndim.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_NDIM}
  %ndim32 = load i32, ptr %ndim.at
  %ndim = sext i32 %ndim32 to i64
  %ndim.ok = icmp eq i64 %ndim, %rank
  br i1 %ndim.ok, label %dims, label %no
dims:
  %have.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DIMS}
  %have = load ptr, ptr %have.at
  %dims.at = getelementptr %functad.array, ptr %want, i64 0, i32 3
  %dims.offset = load i64, ptr %dims.at
  %wanted = getelementptr i8, ptr %block, i64 %dims.offset
  br label %axis
axis:
  %axis.number = phi i64 [ 0, %dims ], [ %axis.next, %dim ]
  %axis.more = icmp slt i64 %axis.number, %rank
  br i1 %axis.more, label %dim, label %dtype
dim:
  %have.dim.at = getelementptr i64, ptr %have, i64 %axis.number
  %have.dim = load i64, ptr %have.dim.at
  %want.dim.at = getelementptr i64, ptr %wanted, i64 %axis.number
  %want.dim = load i64, ptr %want.dim.at
  %axis.next = add i64 %axis.number, 1
  %dim.ok = icmp eq i64 %have.dim, %want.dim
  br i1 %dim.ok, label %axis, label %no
dtype:
  %flags.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_FLAGS}
  %flags = load i32, ptr %flags.at
  %flags.wanted.at = getelementptr %functad.array, ptr %want, i64 0, i32 6
  %flags.wanted = load i32, ptr %flags.wanted.at
  %flags.have = and i32 %flags, %flags.wanted
  %flags.ok = icmp eq i32 %flags.have, %flags.wanted
  %own.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DESCR}
  %own = load ptr, ptr %own.at
  %descr.at = getelementptr %functad.array, ptr %want, i64 0, i32 4
  %descr = load ptr, ptr %descr.at
  %native = icmp eq ptr %own, %descr
  %good = and i1 %native, %flags.ok
  br i1 %good, label %yes, label %copied
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
  %layout.ok = and i1 %order.ok, %flags.ok
  %status = select i1 %layout.ok, i32 1, i32 2
  ret i32 %status
yes:
  ret i32 1
no:
  ret i32 0
}}"""

# Whether all arrays of a table fit; stores their data pointers into the inputs.
_CHECK_ARRAYS = f"""define i1 @functad_check_arrays(ptr %table, i64 %count, ptr %items, ptr %inputs, ptr %block) {{
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %good ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %fetch, label %yes
fetch:
  %want = getelementptr %functad.array, ptr %table, i64 %k
  %item = load i64, ptr %want
  %object.at = getelementptr ptr, ptr %items, i64 %item
  %object = load ptr, ptr %object.at
  %status = call i32 @functad_fits(ptr %want, ptr %object, ptr %block)
  %fits = icmp eq i32 %status, 1
  br i1 %fits, label %good, label %no
good:
  %data.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DATA}
  %data = load ptr, ptr %data.at
  %input.at = getelementptr %functad.array, ptr %want, i64 0, i32 1
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

# Puts copies in the place of items that fit but for their layout (strided, in Fortran's order, misaligned, of another
# byte order). False where that would not help, and nothing is copied then. NumPy may release the GIL meanwhile: the
# arrays are checked once more afterwards.
_COPY_ARRAYS = f"""define i1 @functad_copy_arrays(
  ptr %table, i64 %count, ptr %items, ptr %held, ptr %block, ptr %kept, ptr %kept.count
) {{
entry:
  br label %check
check:
  %c = phi i64 [ 0, %entry ], [ %c.next, %checked ]
  %odd = phi i32 [ 0, %entry ], [ %odd.next, %checked ]
  %c.more = icmp slt i64 %c, %count
  br i1 %c.more, label %look, label %any
look:
  %c.want = getelementptr %functad.array, ptr %table, i64 %c
  %c.item = load i64, ptr %c.want
  %c.object.at = getelementptr ptr, ptr %items, i64 %c.item
  %c.object = load ptr, ptr %c.object.at
  %c.status = call i32 @functad_fits(ptr %c.want, ptr %c.object, ptr %block)
  %c.fits = icmp ne i32 %c.status, 0
  br i1 %c.fits, label %checked, label %no
checked:
  %odd.next = or i32 %odd, %c.status
  %c.next = add i64 %c, 1
  br label %check
any:
  %some = icmp sge i32 %odd, 2
  br i1 %some, label %next, label %no
next:
  %k = phi i64 [ 0, %any ], [ %k.next, %done ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %again, label %yes
again:
  %want = getelementptr %functad.array, ptr %table, i64 %k
  %item = load i64, ptr %want
  %object.at = getelementptr ptr, ptr %items, i64 %item
  %object = load ptr, ptr %object.at
  %status = call i32 @functad_fits(ptr %want, ptr %object, ptr %block)
  %is.odd = icmp eq i32 %status, 2
  br i1 %is.odd, label %copy, label %done
copy:
  %descr.at = getelementptr %functad.array, ptr %want, i64 0, i32 4
  %descr = load ptr, ptr %descr.at
  call void @Py_IncRef(ptr %descr) ; which the call takes over
  %new = call ptr @PyArray_FromArray(ptr %object, ptr %descr, i32 {abi.C_ALIGNED})
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %no, label %keep
keep:
  %number = load i64, ptr %kept.count
  %copy.at = getelementptr ptr, ptr %kept, i64 %number
  %count.held = load i64, ptr %held
  %is.held = icmp slt i64 %item, %count.held
  %owned = select i1 %is.held, ptr %object, ptr %new ; a held item is released where it is, and now is the copy
  store ptr %owned, ptr %copy.at
  %number.next = add i64 %number, 1
  store i64 %number.next, ptr %kept.count
  store ptr %new, ptr %object.at
  br label %done
done:
  %k.next = add i64 %k, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""

# Whether no array that the call is to write to shares memory with another of them, or with one that it reads.
_DISJOINT = """define internal i64 @functad_end(ptr %want, ptr %start, ptr %block) {
entry:
  %rank.at = getelementptr %functad.array, ptr %want, i64 0, i32 2
  %rank = load i64, ptr %rank.at
  %dims.at = getelementptr %functad.array, ptr %want, i64 0, i32 3
  %dims.offset = load i64, ptr %dims.at
  %dims = getelementptr i8, ptr %block, i64 %dims.offset
  %size.at = getelementptr %functad.array, ptr %want, i64 0, i32 5
  %size = load i64, ptr %size.at
  br label %axis
axis:
  %k = phi i64 [ 0, %entry ], [ %k.next, %dim ]
  %bytes = phi i64 [ %size, %entry ], [ %bytes.next, %dim ]
  %more = icmp slt i64 %k, %rank
  br i1 %more, label %dim, label %done
dim:
  %at = getelementptr i64, ptr %dims, i64 %k
  %length = load i64, ptr %at
  %bytes.next = mul i64 %bytes, %length
  %k.next = add i64 %k, 1
  br label %axis
done:
  %first = ptrtoint ptr %start to i64
  %end = add i64 %first, %bytes
  ret i64 %end
}

define internal i1 @functad_apart(
  ptr %want, ptr %start, ptr %others, i64 %count, ptr %pointers, ptr %block
) {
entry:
  %first = ptrtoint ptr %start to i64
  %end = call i64 @functad_end(ptr %want, ptr %start, ptr %block)
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %look ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %other = getelementptr %functad.array, ptr %others, i64 %k
  %number.at = getelementptr %functad.array, ptr %other, i64 0, i32 1
  %number = load i64, ptr %number.at
  %other.at = getelementptr ptr, ptr %pointers, i64 %number
  %other.start = load ptr, ptr %other.at
  %other.first = ptrtoint ptr %other.start to i64
  %other.end = call i64 @functad_end(ptr %other, ptr %other.start, ptr %block)
  %low = icmp ult i64 %first, %other.end
  %high = icmp ult i64 %other.first, %end
  %some = icmp ult i64 %first, %end
  %other.some = icmp ult i64 %other.first, %other.end
  %crossed = and i1 %low, %high
  %neither.empty = and i1 %some, %other.some
  %shared = and i1 %crossed, %neither.empty
  %k.next = add i64 %k, 1
  br i1 %shared, label %no, label %next
yes:
  ret i1 true
no:
  ret i1 false
}

define i1 @functad_disjoint(
  ptr %given, i64 %count, ptr %outputs, ptr %arguments, i64 %argument.count, ptr %inputs, ptr %block
) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %from.others ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %want = getelementptr %functad.array, ptr %given, i64 %k
  %number.at = getelementptr %functad.array, ptr %want, i64 0, i32 1
  %number = load i64, ptr %number.at
  %start.at = getelementptr ptr, ptr %outputs, i64 %number
  %start = load ptr, ptr %start.at
  %from.arguments = call i1 @functad_apart(
    ptr %want, ptr %start, ptr %arguments, i64 %argument.count, ptr %inputs, ptr %block)
  br i1 %from.arguments, label %from.others, label %no
from.others:
  %from.others.k = call i1 @functad_apart(ptr %want, ptr %start, ptr %given, i64 %k, ptr %outputs, ptr %block)
  %k.next = add i64 %k, 1
  br i1 %from.others.k, label %next, label %no
yes:
  ret i1 true
no:
  ret i1 false
}"""

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

# Holds the arrays of a table. NumPy moves the memory of an array (``resize``) if it has no more references than the
# container that it is in and whoever asks: one from here makes it refuse.
_KEEP_ARRAYS = """define void @functad_keep_arrays(ptr %table, i64 %count, ptr %items, ptr %kept, ptr %number) {
entry:
  %before = load i64, ptr %number
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %keep ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %keep, label %done
keep:
  %want = getelementptr %functad.array, ptr %table, i64 %k
  %item = load i64, ptr %want
  %object.at = getelementptr ptr, ptr %items, i64 %item
  %object = load ptr, ptr %object.at
  call void @Py_IncRef(ptr %object)
  %at = add i64 %before, %k
  %slot = getelementptr ptr, ptr %kept, i64 %at
  store ptr %object, ptr %slot
  %k.next = add i64 %k, 1
  br label %next
done:
  %after = add i64 %before, %count
  store i64 %after, ptr %number
  ret void
}"""

ARRAYS_TEXT = "\n\n".join([_FITS, _CHECK_ARRAYS, _MAKE_ARRAYS, _KEEP_ARRAYS])

ARRAYS = ("functad_check_arrays", "functad_make_arrays", "functad_keep_arrays")

ODD_ARRAYS_TEXT = "\n\n".join([_FITS, _COPY_ARRAYS, _DISJOINT])

ODD_ARRAYS = ("functad_copy_arrays", "functad_disjoint")
