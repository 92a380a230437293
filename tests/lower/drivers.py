"""Drivers written by hand in LLVM text, for tests of what calls them."""

from __future__ import annotations

import functools
import math

from functad.lower.entry.signature import Driver, Leaf, Signature
from functad.lower.llvm.link import Library, link
from functad.lower.llvm.target import Target, emit_object

_HEAD = "define i32 @run(ptr %inputs, ptr %outputs, ptr %sizes) {\nentry:\n"


@functools.cache
def code(text: str) -> Library:
    """The linked module that defines ``run``."""
    return link(emit_object(text, Target.host()), {}, ["run"])


def driver(text: str, **fields) -> Driver:
    """A driver from the text of ``run``."""
    library = code(text)
    return Driver(library.address("run"), keep=library, **fields)


def copier(leaves: tuple[Leaf, ...]) -> str:
    """Copies input k to output k."""
    lines = []
    for k, leaf in enumerate(leaves):
        lines += [
            f"  %from{k}.at = getelementptr ptr, ptr %inputs, i64 {k}",
            f"  %to{k}.at = getelementptr ptr, ptr %outputs, i64 {k}",
            f"  %from{k} = load ptr, ptr %from{k}.at",
            f"  %to{k} = load ptr, ptr %to{k}.at",
            f"  call void @llvm.memcpy(ptr %to{k}, ptr %from{k}, i64 {leaf.dtype.itemsize * math.prod(leaf.shape)}, "
            "i1 false)",
        ]
    body = "\n".join([*lines, "  ret i32 0"])
    return f"declare void @llvm.memcpy(ptr, ptr, i64, i1)\n{_HEAD}{body}\n}}"


def identity(signature: Signature, **fields) -> Driver:
    """A driver that copies its inputs to its outputs."""
    return driver(copier(signature.inputs), **fields)


# (x: float64[n], s: float64) -> (sum(x), s * x), with n = sizes[0].
SUM_SCALE = (
    _HEAD
    + """
  %x = load ptr, ptr %inputs
  %s.at = getelementptr ptr, ptr %inputs, i64 1
  %s.input = load ptr, ptr %s.at
  %s = load double, ptr %s.input
  %sum.at = load ptr, ptr %outputs
  %scaled.at = getelementptr ptr, ptr %outputs, i64 1
  %scaled = load ptr, ptr %scaled.at
  %n = load i64, ptr %sizes
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
  %sum = phi double [ 0.0, %entry ], [ %more, %body ]
  %going = icmp slt i64 %i, %n
  br i1 %going, label %body, label %done
body:
  %at = getelementptr double, ptr %x, i64 %i
  %element = load double, ptr %at
  %more = fadd double %sum, %element
  %product = fmul double %element, %s
  %to = getelementptr double, ptr %scaled, i64 %i
  store double %product, ptr %to
  %next = add i64 %i, 1
  br label %test
done:
  store double %sum, ptr %sum.at
  ret i32 0
}
"""
)


# The same after 50 ms of sleep.
SLOW_SUM_SCALE = "declare i32 @usleep(i32)\n" + SUM_SCALE.replace("entry:\n", "entry:\n  call i32 @usleep(i32 50000)\n")

# (code: int64, ...) -> error code
FAIL = (
    _HEAD
    + """
  %code.at = load ptr, ptr %inputs
  %code = load i64, ptr %code.at
  %status = trunc i64 %code to i32
  ret i32 %status
}
"""
)
