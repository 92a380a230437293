"""The functions by which entries take apart what is not a tuple, list or dict, recognise keywords and static values.

Some run code of Python. Where that raises, the exception stays set until the entry is left: see ``functad_refuse``.
"""

from __future__ import annotations

from functad.lower.entry import abi
from functad.lower.entry.statics import PlanItem

__all__ = ["OPENING", "OPENING_TEXT", "SEEN_TYPE", "TAKING_APART", "TAKING_APART_TEXT"]

_EQUAL = 2  # Py_EQ

MOST_SEEN = 4
"""Objects of which a call keeps what they have been taken apart to."""

SEEN_TYPE = f"%functad.seen = type {{ i64, [{MOST_SEEN} x {{ ptr, ptr, ptr }}] }}"

# Puts the values of keywords into the items, in the order in which they are expected. Names are almost always the very
# strings, in one order or another.
_KEYWORDS = f"""define i1 @functad_keywords(ptr %kwnames, ptr %names, i64 %count, ptr %values, ptr %items) {{
entry:
  %none = icmp eq ptr %kwnames, null
  br i1 %none, label %no, label %named
named:
  %size.at = getelementptr i8, ptr %kwnames, i64 {abi.VAR_SIZE}
  %size = load i64, ptr %size.at
  %size.ok = icmp eq i64 %size, %count
  %given = getelementptr i8, ptr %kwnames, i64 {abi.TUPLE_ITEMS}
  br i1 %size.ok, label %next, label %no
next:
  %k = phi i64 [ 0, %named ], [ %k.next, %found ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %name.at = getelementptr ptr, ptr %names, i64 %k
  %name = load ptr, ptr %name.at
  br label %search
search:
  %tried = phi i64 [ 0, %look ], [ %tried.next, %other ]
  %here.0 = add i64 %k, %tried
  %past = icmp sge i64 %here.0, %count
  %wrapped = sub i64 %here.0, %count
  %here = select i1 %past, i64 %wrapped, i64 %here.0
  %some = icmp slt i64 %tried, %count
  br i1 %some, label %compare, label %no
compare:
  %this.at = getelementptr ptr, ptr %given, i64 %here
  %this = load ptr, ptr %this.at
  %same = icmp eq ptr %this, %name
  br i1 %same, label %found, label %equal
equal:
  %type.at = getelementptr i8, ptr %this, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %is.str = icmp eq ptr %type, @PyUnicode_Type
  br i1 %is.str, label %strings, label %no
strings:
  %equals = call i32 @PyObject_RichCompareBool(ptr %this, ptr %name, i32 {_EQUAL})
  %is.equal = icmp eq i32 %equals, 1
  br i1 %is.equal, label %found, label %other
other:
  %tried.next = add i64 %tried, 1
  br label %search
found:
  %value.at = getelementptr ptr, ptr %values, i64 %here
  %value = load ptr, ptr %value.at
  %item.at = getelementptr ptr, ptr %items, i64 %k
  store ptr %value, ptr %item.at
  %k.next = add i64 %k, 1
  br label %next
yes:
  ret i1 true
no:
  ret i1 false
}}"""


def _plan_item(name: str, item: PlanItem) -> str:
    return f"""%{name}.at = getelementptr i8, ptr %plan, i64 {abi.TUPLE_ITEMS + 8 * item}
  %{name} = load ptr, ptr %{name}.at"""


# Whether a static value is that of a plan (``functad.lower.entry.statics``).
_SAME = f"""define i1 @functad_same(ptr %object, ptr %plan) {{
entry:
  %argument = alloca ptr
  {_plan_item("value", PlanItem.OBJECT)}
  %same = icmp eq ptr %object, %value
  br i1 %same, label %yes, label %typed
typed:
  {_plan_item("class", PlanItem.CLASS)}
  %type.at = getelementptr i8, ptr %object, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %type.ok = icmp eq ptr %type, %class
  br i1 %type.ok, label %kind, label %no
kind:
  {_plan_item("compare", PlanItem.COMPARE)}
  %by.identity = icmp eq ptr %compare, @_Py_NoneStruct
  br i1 %by.identity, label %no, label %children.or.value
children.or.value:
  {_plan_item("children", PlanItem.CHILDREN)}
  %no.children = icmp eq ptr %children, @_Py_NoneStruct
  br i1 %no.children, label %alone, label %parts
parts:
  %count.at = getelementptr i8, ptr %children, i64 {abi.VAR_SIZE}
  %count = load i64, ptr %count.at
  %first.child = getelementptr i8, ptr %children, i64 {abi.TUPLE_ITEMS}
  {_plan_item("names", PlanItem.NAMES)}
  %is.tuple = icmp eq ptr %names, @_Py_NoneStruct
  br i1 %is.tuple, label %tuple, label %fields
tuple:
  %size.at = getelementptr i8, ptr %object, i64 {abi.VAR_SIZE}
  %size = load i64, ptr %size.at
  %size.ok = icmp eq i64 %size, %count
  %first.item = getelementptr i8, ptr %object, i64 {abi.TUPLE_ITEMS}
  br i1 %size.ok, label %item, label %no
item:
  %k = phi i64 [ 0, %tuple ], [ %k.next, %item.look ]
  %item.more = icmp slt i64 %k, %count
  br i1 %item.more, label %item.look, label %yes
item.look:
  %item.at = getelementptr ptr, ptr %first.item, i64 %k
  %this = load ptr, ptr %item.at
  %child.at = getelementptr ptr, ptr %first.child, i64 %k
  %child = load ptr, ptr %child.at
  %item.same = call i1 @functad_same(ptr %this, ptr %child)
  %k.next = add i64 %k, 1
  br i1 %item.same, label %item, label %no
fields:
  %first.name = getelementptr i8, ptr %names, i64 {abi.TUPLE_ITEMS}
  br label %field
field:
  %n = phi i64 [ 0, %fields ], [ %n.next, %field.compare ]
  %field.more = icmp slt i64 %n, %count
  br i1 %field.more, label %field.look, label %yes
field.look:
  %name.at = getelementptr ptr, ptr %first.name, i64 %n
  %name = load ptr, ptr %name.at
  %attribute = call ptr @PyObject_GetAttr(ptr %object, ptr %name)
  %missing = icmp eq ptr %attribute, null
  br i1 %missing, label %no, label %field.compare
field.compare:
  %field.child.at = getelementptr ptr, ptr %first.child, i64 %n
  %field.child = load ptr, ptr %field.child.at
  %field.same = call i1 @functad_same(ptr %attribute, ptr %field.child)
  call void @Py_DecRef(ptr %attribute)
  %n.next = add i64 %n, 1
  br i1 %field.same, label %field, label %no
alone:
  %by.equality = icmp eq ptr %compare, @_Py_TrueStruct
  br i1 %by.equality, label %equality, label %bits.or.function
equality:
  %equals = call i32 @PyObject_RichCompareBool(ptr %object, ptr %value, i32 {_EQUAL})
  %is.equal = icmp eq i32 %equals, 1
  br i1 %is.equal, label %yes, label %no
bits.or.function:
  %by.bits = icmp eq ptr %compare, @_Py_FalseStruct
  br i1 %by.bits, label %bits, label %function
bits:
  %basic.at = getelementptr i8, ptr %class, i64 {abi.TYPE_BASICSIZE}
  %basic = load i64, ptr %basic.at
  %length = sub i64 %basic, {abi.FLOAT_VALUE}
  %these = getelementptr i8, ptr %object, i64 {abi.FLOAT_VALUE}
  %those = getelementptr i8, ptr %value, i64 {abi.FLOAT_VALUE}
  %differ = call i32 @memcmp(ptr %these, ptr %those, i64 %length)
  %bits.same = icmp eq i32 %differ, 0
  br i1 %bits.same, label %yes, label %no
function:
  store ptr %object, ptr %argument
  %answer = call ptr @PyObject_Vectorcall(ptr %compare, ptr %argument, i64 1, ptr null)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %no, label %answered
answered:
  %positive = icmp eq ptr %answer, @_Py_TrueStruct
  call void @Py_DecRef(ptr %answer)
  br i1 %positive, label %yes, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}"""

# The attributes of an object become items, which are held.
_FIELDS = """define i1 @functad_fields(ptr %object, ptr %names, i64 %count, ptr %items, i64 %first, ptr %held) {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %found ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %look, label %yes
look:
  %name.at = getelementptr ptr, ptr %names, i64 %k
  %name = load ptr, ptr %name.at
  %value = call ptr @PyObject_GetAttr(ptr %object, ptr %name)
  %missing = icmp eq ptr %value, null
  br i1 %missing, label %no, label %found
found:
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

# The result of the function that takes an object apart: kept in %seen for the entries that are asked next, so that it
# is called once, however many there are. The object is held, too, so that no other takes its address.
_TAKE_APART = f"""define internal ptr @functad_take_apart(ptr %object, ptr %function, ptr %seen) {{
entry:
  %argument = alloca ptr
  %none = icmp eq ptr %seen, null
  br i1 %none, label %call, label %count
count:
  %number = load i64, ptr %seen
  br label %next
next:
  %k = phi i64 [ 0, %count ], [ %k.next, %after ]
  %more = icmp slt i64 %k, %number
  br i1 %more, label %look, label %call
look:
  %object.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %k, i32 0
  %this = load ptr, ptr %object.at
  %function.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %k, i32 1
  %by = load ptr, ptr %function.at
  %same.object = icmp eq ptr %this, %object
  %same.function = icmp eq ptr %by, %function
  %same = and i1 %same.object, %same.function
  br i1 %same, label %found, label %after
after:
  %k.next = add i64 %k, 1
  br label %next
found:
  %kept.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %k, i32 2
  %kept = load ptr, ptr %kept.at
  call void @Py_IncRef(ptr %kept)
  ret ptr %kept
call:
  store ptr %object, ptr %argument
  %made = call ptr @PyObject_Vectorcall(ptr %function, ptr %argument, i64 1, ptr null)
  %failed = icmp eq ptr %made, null
  %done = or i1 %failed, %none
  br i1 %done, label %give, label %room
room:
  %at = load i64, ptr %seen
  %full = icmp sge i64 %at, {MOST_SEEN}
  br i1 %full, label %give, label %keep
keep:
  call void @Py_IncRef(ptr %object)
  call void @Py_IncRef(ptr %made)
  %new.object.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %at, i32 0
  store ptr %object, ptr %new.object.at
  %new.function.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %at, i32 1
  store ptr %function, ptr %new.function.at
  %new.made.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %at, i32 2
  store ptr %made, ptr %new.made.at
  %at.next = add i64 %at, 1
  store i64 %at.next, ptr %seen
  br label %give
give:
  ret ptr %made
}}

define internal void @functad_forget_seen(ptr %seen) {{
entry:
  %number = load i64, ptr %seen
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %drop ]
  %more = icmp slt i64 %k, %number
  br i1 %more, label %drop, label %done
drop:
  %object.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %k, i32 0
  %object = load ptr, ptr %object.at
  %made.at = getelementptr %functad.seen, ptr %seen, i64 0, i32 1, i64 %k, i32 2
  %made = load ptr, ptr %made.at
  call void @Py_DecRef(ptr %made)
  call void @Py_DecRef(ptr %object)
  %k.next = add i64 %k, 1
  br label %next
done:
  ret void
}}"""

# Calls the function that takes an object apart; the children that it gives become items, which are held. False
# where there is another number of them, or the rest of the object is not equal to %rest.
_FLATTEN = f"""define i1 @functad_flatten(
  ptr %object, ptr %function, ptr %rest, ptr %seen, i64 %count, ptr %items, i64 %first, ptr %held
) {{
entry:
  %pair = call ptr @functad_take_apart(ptr %object, ptr %function, ptr %seen)
  %failed = icmp eq ptr %pair, null
  br i1 %failed, label %no, label %made
made:
  %type.at = getelementptr i8, ptr %pair, i64 {abi.OB_TYPE}
  %type = load ptr, ptr %type.at
  %is.tuple = icmp eq ptr %type, @PyTuple_Type
  br i1 %is.tuple, label %sized, label %drop
sized:
  %size.at = getelementptr i8, ptr %pair, i64 {abi.VAR_SIZE}
  %size = load i64, ptr %size.at
  %two = icmp eq i64 %size, 2
  %three = icmp eq i64 %size, 3
  %size.ok = or i1 %two, %three
  br i1 %size.ok, label %compare, label %drop
compare:
  %children.at = getelementptr i8, ptr %pair, i64 {abi.TUPLE_ITEMS}
  %children = load ptr, ptr %children.at
  %own.at = getelementptr i8, ptr %pair, i64 {abi.TUPLE_ITEMS + 8}
  %own = load ptr, ptr %own.at
  %equals = call i32 @PyObject_RichCompareBool(ptr %own, ptr %rest, i32 {_EQUAL})
  %is.equal = icmp eq i32 %equals, 1
  br i1 %is.equal, label %open, label %drop
open:
  %tuple = call ptr @PySequence_Tuple(ptr %children)
  %no.sequence = icmp eq ptr %tuple, null
  br i1 %no.sequence, label %drop, label %counted
counted:
  %found = getelementptr i8, ptr %tuple, i64 {abi.TUPLE_ITEMS}
  %number.at = getelementptr i8, ptr %tuple, i64 {abi.VAR_SIZE}
  %number = load i64, ptr %number.at
  %number.ok = icmp eq i64 %number, %count
  br i1 %number.ok, label %hold, label %drop.tuple
hold:
  call void @functad_hold(ptr %found, i64 %count, ptr %items, i64 %first, ptr %held)
  call void @Py_DecRef(ptr %tuple)
  call void @Py_DecRef(ptr %pair)
  ret i1 true
drop.tuple:
  call void @Py_DecRef(ptr %tuple)
  br label %drop
drop:
  call void @Py_DecRef(ptr %pair)
  br label %no
no:
  ret i1 false
}}"""

OPENING_TEXT = "\n\n".join([_KEYWORDS, _SAME, _FIELDS])

OPENING = ("functad_keywords", "functad_same", "functad_fields")

TAKING_APART_TEXT = "\n\n".join([_TAKE_APART, _FLATTEN])

TAKING_APART = ("functad_flatten",)
