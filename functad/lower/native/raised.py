"""Machine code that keeps an exception which has just been raised (``core/raised.py``)."""

from __future__ import annotations

from functad.core.raised import KEY

__all__ = ["KEEP", "KEEP_TEXT"]

KEEP = "functad_keep_raised"
"""Takes nothing; is called with the GIL, with an exception set."""

KEEP_TEXT = f"""
@functad_raised_key = internal constant [{len(KEY) + 1} x i8] c"{KEY}\\00"
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_NormalizeException(ptr, ptr, ptr)
declare i32 @PyException_SetTraceback(ptr, ptr)
declare ptr @PyThreadState_GetDict()
declare i32 @PyDict_SetItemString(ptr, ptr, ptr)
declare void @Py_DecRef(ptr)

define internal void @{KEEP}() {{
  %type.at = alloca ptr
  %value.at = alloca ptr
  %traceback.at = alloca ptr
  call void @PyErr_Fetch(ptr %type.at, ptr %value.at, ptr %traceback.at)
  call void @PyErr_NormalizeException(ptr %type.at, ptr %value.at, ptr %traceback.at)
  %type = load ptr, ptr %type.at
  %value = load ptr, ptr %value.at
  %traceback = load ptr, ptr %traceback.at
  %traced = icmp ne ptr %traceback, null
  br i1 %traced, label %trace, label %store

trace:
  %set = call i32 @PyException_SetTraceback(ptr %value, ptr %traceback)
  br label %store

store:
  %dict = call ptr @PyThreadState_GetDict()
  %kept = call i32 @PyDict_SetItemString(ptr %dict, ptr @functad_raised_key, ptr %value)
  call void @Py_DecRef(ptr %type)
  call void @Py_DecRef(ptr %value)
  call void @Py_DecRef(ptr %traceback) ; which takes null
  ret void
}}
"""
