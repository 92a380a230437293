"""The functions that entries call to see whether the world is as their code takes it to be; see ``entry_helpers``."""

from __future__ import annotations

from functad.lower.entry import abi

__all__ = ["CHECKS", "CHECKS_TEXT"]

# Whether these are the flags in force. While no flag has been set in any context, one word tells.
_IN_FORCE = """define i1 @functad_in_force(ptr %settings) {
entry:
  %found = alloca ptr
  %unset = load ptr, ptr @functad.settings_unset
  %first = icmp eq ptr %unset, %settings
  br i1 %first, label %yes, label %second
second:
  %none = icmp eq ptr %unset, null
  br i1 %none, label %ask, label %no
ask:
  store ptr null, ptr %found
  %status = call i32 @PyContextVar_Get(ptr @functad.settings, ptr @functad.settings_first, ptr %found)
  %value = load ptr, ptr %found
  call void @Py_DecRef(ptr %value) ; settings live as long as the process
  %same = icmp eq ptr %value, %settings
  ret i1 %same
yes:
  ret i1 true
no:
  ret i1 false
}"""

# Whether the places of an `Unchanged`, whose words begin at %words, hold what they held. A dict is searched only where
# its version is another.
_UNCHANGED = """define i1 @functad_unchanged(ptr %words) {
entry:
  %words.count = load i64, ptr %words
  %dicts.at = getelementptr i64, ptr %words, i64 1
  %dicts = load i64, ptr %dicts.at
  %first = getelementptr i64, ptr %words, i64 2
  br label %word
word:
  %w = phi i64 [ 0, %entry ], [ %w.next, %look ]
  %place = phi ptr [ %first, %entry ], [ %place.next, %look ]
  %w.more = icmp slt i64 %w, %words.count
  br i1 %w.more, label %look, label %dict
look:
  %at = load ptr, ptr %place
  %now = load i64, ptr %at
  %held.at = getelementptr i64, ptr %place, i64 1
  %held = load i64, ptr %held.at
  %w.next = add i64 %w, 1
  %place.next = getelementptr i64, ptr %place, i64 2
  %w.same = icmp eq i64 %now, %held
  br i1 %w.same, label %word, label %no
dict:
  %d = phi i64 [ 0, %word ], [ %d.next, %dict.done ]
  %head = phi ptr [ %place, %word ], [ %head.next, %dict.done ]
  %d.more = icmp slt i64 %d, %dicts
  br i1 %d.more, label %open, label %yes
open:
  %names.at = getelementptr i64, ptr %head, i64 3
  %names = load i64, ptr %names.at
  %pairs = getelementptr i64, ptr %head, i64 4
  %size = mul i64 %names, 2
  %head.next = getelementptr i64, ptr %pairs, i64 %size
  %d.next = add i64 %d, 1
  %version.of = load ptr, ptr %head
  %versioned = icmp ne ptr %version.of, null
  br i1 %versioned, label %compare, label %search
compare:
  %version.held.at = getelementptr i64, ptr %head, i64 1
  %version.held = load i64, ptr %version.held.at
  %version.now = load i64, ptr %version.of
  %version.same = icmp eq i64 %version.now, %version.held
  br i1 %version.same, label %dict.done, label %search
search:
  %version.seen = phi i64 [ 0, %open ], [ %version.now, %compare ]
  %mapping.at = getelementptr i64, ptr %head, i64 2
  %mapping = load ptr, ptr %mapping.at
  br label %name
name:
  %n = phi i64 [ 0, %search ], [ %n.next, %name.look ]
  %pair = phi ptr [ %pairs, %search ], [ %pair.next, %name.look ]
  %n.more = icmp slt i64 %n, %names
  br i1 %n.more, label %name.look, label %name.done
name.look:
  %key = load ptr, ptr %pair
  %value = call ptr @PyDict_GetItemWithError(ptr %mapping, ptr %key)
  %value.held.at = getelementptr i64, ptr %pair, i64 1
  %value.held = load ptr, ptr %value.held.at
  %n.next = add i64 %n, 1
  %pair.next = getelementptr i64, ptr %pair, i64 2
  %n.same = icmp eq ptr %value, %value.held
  br i1 %n.same, label %name, label %missed
name.done:
  %version.at = getelementptr i64, ptr %head, i64 1
  store i64 %version.seen, ptr %version.at
  br label %dict.done
dict.done:
  br label %dict
yes:
  ret i1 true
missed:
  call void @PyErr_Clear()
  br label %no
no:
  ret i1 false
}"""

# Whether arrays show the memory that their records say, in the same way, and whether it holds what it held. The record
# of an array: the object, data pointer, descriptor, rank, address of shape and strides; where the first row of bytes
# begins behind the first element, how many rows there are, their step, their length, and what they held.
_UNWRITTEN = f"""define i1 @functad_unwritten(ptr %records) {{
entry:
  %count = load i64, ptr %records
  %first = getelementptr i64, ptr %records, i64 1
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %held ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %record = getelementptr [10 x i64], ptr %first, i64 %k
  %object = load ptr, ptr %record
  %data.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DATA}
  %data = load ptr, ptr %data.at
  %data.then.at = getelementptr i64, ptr %record, i64 1
  %data.then = load ptr, ptr %data.then.at
  %data.ok = icmp eq ptr %data, %data.then
  %descr.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DESCR}
  %descr = load ptr, ptr %descr.at
  %descr.then.at = getelementptr i64, ptr %record, i64 2
  %descr.then = load ptr, ptr %descr.then.at
  %descr.ok = icmp eq ptr %descr, %descr.then
  %rank.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_NDIM}
  %rank32 = load i32, ptr %rank.at
  %rank = sext i32 %rank32 to i64
  %rank.then.at = getelementptr i64, ptr %record, i64 3
  %rank.then = load i64, ptr %rank.then.at
  %rank.ok = icmp eq i64 %rank, %rank.then
  %place.ok = and i1 %data.ok, %descr.ok
  %head.ok = and i1 %place.ok, %rank.ok
  br i1 %head.ok, label %shape, label %no
shape:
  %bytes = shl i64 %rank, 3
  %shape.then.at = getelementptr i64, ptr %record, i64 4
  %shape.then = load ptr, ptr %shape.then.at
  %strides.then = getelementptr i8, ptr %shape.then, i64 %bytes
  %dims.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_DIMS}
  %dims = load ptr, ptr %dims.at
  %strides.at = getelementptr i8, ptr %object, i64 {abi.ARRAY_STRIDES}
  %strides = load ptr, ptr %strides.at
  %dims.differ = call i32 @memcmp(ptr %dims, ptr %shape.then, i64 %bytes)
  %strides.differ = call i32 @memcmp(ptr %strides, ptr %strides.then, i64 %bytes)
  %shape.differs = or i32 %dims.differ, %strides.differ
  %shape.ok = icmp eq i32 %shape.differs, 0
  br i1 %shape.ok, label %content, label %no
content:
  %low.at = getelementptr i64, ptr %record, i64 5
  %low = load i64, ptr %low.at
  %begin = getelementptr i8, ptr %data, i64 %low
  %rows.at = getelementptr i64, ptr %record, i64 6
  %rows = load i64, ptr %rows.at
  %step.at = getelementptr i64, ptr %record, i64 7
  %step = load i64, ptr %step.at
  %length.at = getelementptr i64, ptr %record, i64 8
  %length = load i64, ptr %length.at
  %then.at = getelementptr i64, ptr %record, i64 9
  %then = load ptr, ptr %then.at
  br label %row
row:
  %r = phi i64 [ 0, %content ], [ %r.next, %compare ]
  %row.more = icmp slt i64 %r, %rows
  br i1 %row.more, label %compare, label %held
compare:
  %now.offset = mul i64 %r, %step
  %now.at = getelementptr i8, ptr %begin, i64 %now.offset
  %then.offset = mul i64 %r, %length
  %row.then = getelementptr i8, ptr %then, i64 %then.offset
  %differs = call i32 @memcmp(ptr %now.at, ptr %row.then, i64 %length)
  %r.next = add i64 %r, 1
  %row.ok = icmp eq i32 %differs, 0
  br i1 %row.ok, label %row, label %no
held:
  %k.next = add i64 %k, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""

CHECKS_TEXT = "\n\n".join([_IN_FORCE, _UNCHANGED, _UNWRITTEN])

CHECKS = ("functad_in_force", "functad_unchanged", "functad_unwritten")
