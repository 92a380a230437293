"""What stands around a driver in a C library: the public functions, as LLVM text, and the header that declares them.

A number is given as a C number, an array by the address of its elements, in row-major order. Results are written to
memory of the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functad.ir.types import ArrayType
from functad.kernel_ir.codes import OUT_OF_MEMORY, SIZE_OVERFLOW
from functad.lower.native.standalone import VALUE

__all__ = ["DRIVER", "Function", "header", "public_names", "wrapper"]

DRIVER = "functad_driver"

C_TYPES = {
    "bool": "bool", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "uint8": "uint8_t",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "float16": "uint16_t", "float32": "float",
    "float64": "double", "complex64": "float", "complex128": "double",
}  # fmt: skip
"""The C type of an element: for float16 of its bits, for complex numbers of each of two parts."""

LLVM_TYPES = {"f4": "float", "f8": "double"}

CODES = {
    OUT_OF_MEMORY: "no memory for temporary arrays",
    SIZE_OVERFLOW: "a matrix has more rows or columns than BLAS can count",
}


@dataclass(frozen=True)
class Function:
    """What a library offers: a function's name, its parameters and results by name, what error codes from 1 on mean,
    and for whom it is compiled.
    """

    name: str
    inputs: tuple[tuple[str, ArrayType], ...]
    outputs: tuple[tuple[str, ArrayType], ...]
    messages: tuple[str, ...]
    sizes: tuple[int, ...]
    constants: tuple[np.ndarray, ...]
    cpu: str
    needs: tuple[str, ...]  # what a program is to be linked with
    multiplies: bool  # calls BLAS

    @property
    def codes(self) -> dict[int, str]:
        """What all error codes mean."""
        own = {code: text for code, text in CODES.items() if code != SIZE_OVERFLOW or self.multiplies}
        return {**dict(enumerate(self.messages, 1)), **own}


def public_names(name: str) -> tuple[str, str, str]:
    """The functions of a library: the one that computes, and those that tell what went wrong."""
    return name, f"{name}_message", f"{name}_value"


# -- LLVM --------------------------------------------------------------------------------------------------------------


def wrapper(function: Function) -> str:
    """The module of the public functions."""
    compute, message, value = public_names(function.name)
    parameters, lines = [], []
    for k, (_, type) in enumerate(function.inputs):
        given = _by_value(type)
        parameters.append(f"{given or 'ptr'} %in{k}")
        if given:
            lines += [f"  %cell{k} = alloca {given}, align 8", f"  store {given} %in{k}, ptr %cell{k}"]
    addresses = [f"%cell{k}" if _by_value(type) else f"%in{k}" for k, (_, type) in enumerate(function.inputs)]
    addresses += [f"@constant{k}" for k in range(len(function.constants))]
    parameters += [f"ptr %out{k}" for k in range(len(function.outputs))]
    labels = {code: f"code{code & 0xFFFFFFFF}" for code in function.codes}
    ways = " ".join([f"i32 {code}, label %{label}" for code, label in labels.items()])
    constants = [_bytes(c.tobytes()) for c in function.constants]
    lines += _array("inputs", addresses)
    lines += _array("outputs", [f"%out{k}" for k in range(len(function.outputs))])
    sizes = ", ".join([f"i64 {n}" for n in function.sizes or (0,)])
    return "\n".join([
        f"@{VALUE} = thread_local global i64 0",
        f"@sizes = internal constant [{len(function.sizes or (0,))} x i64] [{sizes}]",
        *[f"@constant{k} = internal constant {content}, align 64" for k, content in enumerate(constants)],
        '@no.message = internal constant [1 x i8] zeroinitializer',
        *[f"@{labels[code]} = internal constant {_bytes(text.encode() + bytes(1))}"
          for code, text in function.codes.items()],
        f"declare i32 @{DRIVER}(ptr, ptr, ptr)",
        "",
        f"define i32 @{compute}({', '.join(parameters)}) {{",
        *lines,
        f"  %error = call i32 @{DRIVER}(ptr %inputs, ptr %outputs, ptr @sizes)",
        "  ret i32 %error",
        "}",
        "",
        f"define ptr @{message}(i32 %code) {{",
        f"  switch i32 %code, label %unknown [{ways}]",
        "unknown:",
        "  ret ptr @no.message",
        *[f"{label}:\n  ret ptr @{label}" for label in labels.values()],
        "}",
        "",
        f"define i64 @{value}() {{",
        f"  %value = load i64, ptr @{VALUE}",
        "  ret i64 %value",
        "}",
        "",
    ])  # fmt: skip


def _by_value(type: ArrayType) -> str:
    """The LLVM type of a parameter; empty for one that is given by address."""
    if type.ndim or type.dtype.kind == "c" or type.dtype.str[1:] == "f2":
        return ""
    return LLVM_TYPES.get(type.dtype.str[1:], f"i{8 * type.dtype.itemsize}")


def _array(name: str, addresses: Sequence[str]) -> list[str]:
    """Addresses, one after the other, in memory."""
    lines = [f"  %{name} = alloca [{max(1, len(addresses))} x ptr], align 8"]
    for k, address in enumerate(addresses):
        at = f"%{name}.{k}"
        lines += [f"  {at} = getelementptr ptr, ptr %{name}, i64 {k}", f"  store ptr {address}, ptr {at}"]
    return lines


def _bytes(content: bytes) -> str:
    if not any(content):
        return f"[{len(content)} x i8] zeroinitializer"
    escaped = "".join([chr(92) + f"{byte:02x}" for byte in content])
    return f'[{len(content)} x i8] c"{escaped}"'


# -- C -----------------------------------------------------------------------------------------------------------------


def header(function: Function) -> str:
    """The header."""
    compute, message, value = public_names(function.name)
    guard = f"{compute.upper()}_H"
    declared = [*[_parameter(n, t, "const ") for n, t in function.inputs]]
    declared += [_parameter(n, t, "", result=True) for n, t in function.outputs]
    return "\n".join([
        f"/* {compute}: compiled by functad for {function.cpu}. Link with: {', '.join(function.needs)}.",
        "",
        "   Arguments:",
        *[f"     {_described(n, t)}" for n, t in function.inputs],
        "   Results, written to memory of the caller's that overlaps with nothing else here:",
        *[f"     {_described(n, t)}" for n, t in function.outputs],
        "",
        "   Arrays are contiguous, in row-major order, and aligned as their elements are; a complex number is its real",
        "   and its imaginary part, a float16 its bits. Any number of threads may call at once.",
        "",
        "   Returns 0, or, where results are undefined,",
        *[f"     {code:2d}  {_plain(text)}" for code, text in function.codes.items()],
        "*/",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <stdbool.h>",
        "#include <stdint.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        f"int32_t {compute}({', '.join(declared) or 'void'});",
        "",
        "/* What a code means; \"{value}\" in it is what the function below gives. */",
        f"const char *{message}(int32_t code);",
        "",
        "/* What the check found that failed last in this thread. */",
        f"int64_t {value}(void);",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
        "",
    ])  # fmt: skip


def _parameter(name: str, type: ArrayType, const: str, result: bool = False) -> str:
    element = C_TYPES[type.dtype.name]
    return f"{element} {name}" if _by_value(type) and not result else f"{const}{element} *{name}"


def _described(name: str, type: ArrayType) -> str:
    """A parameter's dtype, shape, and strides in bytes."""
    if not type.ndim:
        return f"{name}: {type.dtype.name}"
    strides = [type.dtype.itemsize * int(np.prod(type.shape[k + 1 :], dtype=np.int64)) for k in range(type.ndim)]
    shape = ", ".join(map(str, type.shape))
    return f"{name}: {type.dtype.name}, shape ({shape}), strides {', '.join(map(str, strides))} bytes"


def _plain(text: str) -> str:
    """Text that ends no comment."""
    return text.replace("*/", "* /").replace("\n", " ")
