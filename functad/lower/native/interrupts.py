"""What native code calls when its budget of work is spent (``lower/emit/clock.py``): it gives the GIL away, and lets
handlers of signals run, where a handler may raise.

Signals are Python's: its C handler notes them, and those set with ``signal.signal`` run in the main thread, when
``PyErr_CheckSignals`` is called with the GIL. That may wait for another thread to let go of the GIL (some ms), so it is
done every 50 ms, and not in other threads. What a handler raises is noted until native code has come back.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time

from functad.kernel_ir.codes import RAISED
from functad.kernel_ir.native import NativeFunction, Origin, Text
from functad.lower.native.c_library import CLOCK_GETTIME
from functad.lower.native.frame import BUDGET, BUDGET_AT, DEADLINE_AT, GIL_AT
from functad.lower.native.python import NOTE_EXCEPTION, declared

__all__ = ["TICK", "clock"]


class Clock(ctypes.Structure):
    """What ``TICK`` reads, one for the process: the main thread, and the nanoseconds between two looks at signals."""

    _fields_ = [("main_thread", ctypes.c_int64), ("interval", ctypes.c_int64)]


clock = Clock(threading.main_thread().ident or 0, 50_000_000)


def _tick(target: object) -> str:
    return f"""
@functad_clock = external global {{ i64, i64 }}
{CLOCK_GETTIME.declaration}
{declared("PyEval_SaveThread", "PyThread_get_thread_ident", "PyGILState_Ensure", "PyGILState_Release")}
{declared("PyErr_CheckSignals")}
{NOTE_EXCEPTION.declaration}

define i32 @functad_tick(ptr %sizes) {{
entry:
  %time = alloca {{ i64, i64 }}
  %budget.at = getelementptr i8, ptr %sizes, i64 {BUDGET_AT}
  %gil.at = getelementptr i8, ptr %sizes, i64 {GIL_AT}
  %deadline.at = getelementptr i8, ptr %sizes, i64 {DEADLINE_AT}
  store i64 {BUDGET}, ptr %budget.at
  %gil = load i64, ptr %gil.at
  %held = icmp eq i64 %gil, 1
  br i1 %held, label %give, label %given

give:
  %state = call ptr @PyEval_SaveThread()
  store ptr %state, ptr %gil.at
  br label %given

given:
  %here = call i64 @PyThread_get_thread_ident()
  %main = load i64, ptr @functad_clock
  %is.main = icmp eq i64 %here, %main
  br i1 %is.main, label %look, label %go

look:
  %known = call i32 @clock_gettime(i32 {time.CLOCK_MONOTONIC}, ptr %time)
  %seconds = load i64, ptr %time
  %rest.at = getelementptr i8, ptr %time, i64 8
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %deadline = load i64, ptr %deadline.at
  %late = icmp sge i64 %now, %deadline
  br i1 %late, label %next, label %go

next:
  %interval.at = getelementptr i64, ptr @functad_clock, i64 1
  %interval = load i64, ptr %interval.at
  %until = add i64 %now, %interval
  store i64 %until, ptr %deadline.at
  %first = icmp eq i64 %deadline, 0
  br i1 %first, label %go, label %check

check:
  %ensured = call i32 @PyGILState_Ensure()
  %failed = call i32 @PyErr_CheckSignals()
  %raised = icmp ne i32 %failed, 0
  br i1 %raised, label %keep, label %checked

keep:
  call void @functad_note_exception()
  br label %checked

checked:
  %error = phi i32 [ 0, %check ], [ {RAISED}, %keep ]
  call void @PyGILState_Release(i32 %ensured)
  ret i32 %error

go:
  ret i32 0
}}
"""


TICK = NativeFunction(
    "functad_tick",
    Text(_tick, lambda: {"functad_clock": ctypes.addressof(clock)}),
    signature="i32 (ptr) cold nounwind",
    origin=Origin(__name__),
)
"""Takes the sizes of the frame, fills the budget, and gives an error code, or 0."""


def _after_fork() -> None:
    clock.main_thread = threading.get_ident()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
