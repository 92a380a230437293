"""Python, as machine code calls it: functions of CPython's C API, and those made of them that hold on to exceptions.

An exception must not be lost, whenever it is raised: the handler of a signal runs, and may raise, wherever Python code
does. So machine code itself calls Python functions (ctypes would drop what is raised before a ``try`` begins), and
notes what they raise for the code that takes it (``kernel_ir/pending.py``).
"""

from __future__ import annotations

import ctypes

from functad.kernel_ir.codes import RAISED
from functad.kernel_ir.native import Address, NativeFunction, Origin, Text
from functad.kernel_ir.pending import EXCEPTION, OFFENDER

__all__ = ["API", "CALL_PYTHON", "NOTE_EXCEPTION", "NOTE_OFFENDER", "declared"]


def _api(name: str, signature: str) -> NativeFunction:
    def find() -> int:
        return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0

    return NativeFunction(name, Address(find), signature=signature, origin=Origin(__name__))


API = {
    name: _api(name, signature)
    for name, signature in (
        ("PyDict_SetItemString", "i32 (ptr, ptr, ptr)"),
        ("PyErr_CheckSignals", "i32 ()"),
        ("PyErr_Clear", "void ()"),
        ("PyErr_Fetch", "void (ptr, ptr, ptr)"),
        ("PyErr_NormalizeException", "void (ptr, ptr, ptr)"),
        ("PyEval_RestoreThread", "void (ptr)"),
        ("PyEval_SaveThread", "ptr ()"),
        ("PyException_SetTraceback", "i32 (ptr, ptr)"),
        ("PyGILState_Ensure", "i32 ()"),
        ("PyGILState_Release", "void (i32)"),
        ("PyLong_AsLong", "i64 (ptr)"),
        ("PyLong_FromLongLong", "ptr (i64)"),
        ("PyObject_Vectorcall", "ptr (ptr, ptr, i64, ptr)"),
        ("PyThreadState_GetDict", "ptr ()"),
        ("PyThread_get_thread_ident", "i64 ()"),
        ("Py_DecRef", "void (ptr)"),
    )
}
"""The functions of the C API, by name."""


def declared(*names: str) -> str:
    """The declarations of some functions of the C API."""
    return "\n".join([API[name].declaration for name in names])


def _string(name: str, text: str) -> str:
    return f'@{name} = internal constant [{len(text) + 1} x i8] c"{text}\\00"'


NOTE_EXCEPTION = NativeFunction(
    "functad_note_exception",
    Text(f"""
{declared("PyDict_SetItemString", "PyErr_Clear", "PyErr_Fetch", "PyErr_NormalizeException")}
{declared("PyException_SetTraceback", "PyThreadState_GetDict", "Py_DecRef")}
{_string("key", EXCEPTION)}

define void @functad_note_exception() {{
  %type.at = alloca ptr
  %value.at = alloca ptr
  %traceback.at = alloca ptr
  call void @PyErr_Fetch(ptr %type.at, ptr %value.at, ptr %traceback.at)
  call void @PyErr_NormalizeException(ptr %type.at, ptr %value.at, ptr %traceback.at)
  %type = load ptr, ptr %type.at
  %value = load ptr, ptr %value.at
  %traceback = load ptr, ptr %traceback.at
  %traced = icmp ne ptr %traceback, null
  br i1 %traced, label %trace, label %note

trace:
  %set = call i32 @PyException_SetTraceback(ptr %value, ptr %traceback)
  br label %note

note:
  %dict = call ptr @PyThreadState_GetDict()
  %there = icmp ne ptr %dict, null
  br i1 %there, label %store, label %done

store:
  %noted = call i32 @PyDict_SetItemString(ptr %dict, ptr @key, ptr %value)
  br label %done

done:
  call void @PyErr_Clear()
  call void @Py_DecRef(ptr %type)
  call void @Py_DecRef(ptr %value)
  call void @Py_DecRef(ptr %traceback) ; which takes null
  ret void
}}
"""),
    signature="void ()",
    origin=Origin(__name__),
)
"""Notes the exception that is set; is called with the GIL."""

NOTE_OFFENDER = NativeFunction(
    "functad_offender",
    Text(f"""
{declared("PyDict_SetItemString", "PyErr_Clear", "PyGILState_Ensure", "PyGILState_Release", "PyLong_FromLongLong")}
{declared("PyThreadState_GetDict", "Py_DecRef")}
{_string("key", OFFENDER)}

define void @functad_offender(i64 %value) {{
  %state = call i32 @PyGILState_Ensure()
  %object = call ptr @PyLong_FromLongLong(i64 %value)
  %made = icmp ne ptr %object, null
  br i1 %made, label %note, label %done

note:
  %dict = call ptr @PyThreadState_GetDict()
  %there = icmp ne ptr %dict, null
  br i1 %there, label %store, label %done

store:
  %noted = call i32 @PyDict_SetItemString(ptr %dict, ptr @key, ptr %object)
  br label %done

done:
  call void @Py_DecRef(ptr %object) ; which takes null
  call void @PyErr_Clear()
  call void @PyGILState_Release(i32 %state)
  ret void
}}
"""),
    signature="void (i64)",
    origin=Origin(__name__),
)
"""What a driver calls with the value that a check found, before it returns the code."""

CALL_PYTHON = NativeFunction(
    "functad_call_python",
    Text(f"""
{declared("PyGILState_Ensure", "PyGILState_Release", "PyLong_AsLong", "PyLong_FromLongLong", "PyObject_Vectorcall")}
{declared("Py_DecRef")}
{NOTE_EXCEPTION.declaration}

define i32 @functad_call_python(ptr %function, ptr %buffers, ptr %sizes) {{
entry:
  %arguments = alloca [2 x ptr]
  %second.at = getelementptr ptr, ptr %arguments, i64 1
  %state = call i32 @PyGILState_Ensure()
  %buffers.address = ptrtoint ptr %buffers to i64
  %sizes.address = ptrtoint ptr %sizes to i64
  %first = call ptr @PyLong_FromLongLong(i64 %buffers.address)
  %second = call ptr @PyLong_FromLongLong(i64 %sizes.address)
  store ptr %first, ptr %arguments
  store ptr %second, ptr %second.at
  %one = icmp ne ptr %first, null
  %other = icmp ne ptr %second, null
  %both = and i1 %one, %other
  br i1 %both, label %call, label %failed

call:
  %result = call ptr @PyObject_Vectorcall(ptr %function, ptr %arguments, i64 2, ptr null)
  %returned = icmp ne ptr %result, null
  br i1 %returned, label %succeeded, label %failed

succeeded:
  %number = call i64 @PyLong_AsLong(ptr %result)
  call void @Py_DecRef(ptr %result)
  %code = trunc i64 %number to i32
  br label %done

failed:
  call void @functad_note_exception()
  br label %done

done:
  %error = phi i32 [ %code, %succeeded ], [ {RAISED}, %failed ]
  call void @Py_DecRef(ptr %first)
  call void @Py_DecRef(ptr %second)
  call void @PyGILState_Release(i32 %state)
  ret i32 %error
}}
"""),
    signature="i32 (ptr, ptr, ptr)",
    origin=Origin(__name__),
)
"""Calls a Python function with two addresses, whether or not the thread has the GIL already, and gives the int that it
returns."""
