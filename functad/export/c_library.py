"""A function, or a derivative, as object code for C: without Python, NumPy or functad."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from functad.api.arguments import leaf_or_type, name_of
from functad.api.jitted import Jitted
from functad.core.capture import Captured
from functad.errors import ArgumentError, InternalError, StructureError, UnsupportedError
from functad.export.c_text import DRIVER, Function, header, public_names, wrapper
from functad.export.numba_module import parameter_names
from functad.kernel_ir.nodes import CheckInfo
from functad.lower.abstract.abstract import abstract
from functad.lower.kernels import fused_kernels
from functad.lower.numba.names import Names
from functad.passes.pipeline import optimize
from functad.tree.containers import leaf_paths

__all__ = ["Exported", "c"]

KEYWORDS = frozenset({
    "auto", "bool", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "false", "float", "for", "goto", "if", "inline", "int", "long", "main", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "true", "typedef", "typeof", "union",
    "unsigned", "void", "volatile", "while", "alignas", "alignof", "and", "asm", "catch", "class", "complex",
    "delete", "explicit", "export", "friend", "mutable", "namespace", "new", "not", "operator", "or", "private",
    "protected", "public", "template", "this", "throw", "try", "using", "virtual", "xor",
})  # fmt: skip
"""Words that C or C++ has taken."""

LARGEST = 2**24
"""Bytes of constants that an object file may hold."""


@dataclass(frozen=True)
class Exported:
    """The files that were written.

    Attributes
    ----------
    header, object
        The C header and the object file.
    library
        The shared library; None where this machine has no C compiler to link it.

    Examples
    --------
    >>> import tempfile
    >>> import functad as fd, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> made = fd.export.c(np.sinc, 0.5, path=folder.name + "/sinc")
    >>> made.header.name, made.object.name
    ('sinc.h', 'sinc.o')
    """

    header: Path
    object: Path
    library: Path | None


def c(f: Callable[..., Any], *args: Any, path: str | Path, name: str | None = None, openmp: bool = False) -> Exported:
    """Write ``f`` as an object file, a C header, and a shared library, for arguments of the shapes and dtypes of these.

    What is written needs neither Python nor NumPy nor functad, and can be called from any number of threads. Arrays
    that ``f`` closes over are in it, as they are now.

    Parameters
    ----------
    f
        A function; for its derivative give ``fd.grad(f)`` and the like.
    args
        Arguments to call it with, or types (`ShapeDtypeStruct`).
    path
        Where to write: ``path.h``, ``path.o`` and ``path.so``.
    name
        What the function is called in C; None: as it is in Python.
    openmp
        Whether large loops run on OpenMP's threads; programs are then linked with ``-fopenmp``.

    Returns
    -------
    Exported
        The files. The function returns an error code: 0 where all went well; the header says what others mean.

    Raises
    ------
    UnsupportedError
        Where the function calls what is SciPy's, NumPy's, Numba's or Python's (LAPACK, sorts, callbacks); BLAS may be
        called, and the header says so. Where it closes over very large arrays.

    Examples
    --------
    >>> import ctypes, tempfile
    >>> import functad as fd, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> made = fd.export.c(fd.grad(lambda x: np.sum(x**3)), np.zeros(3), path=folder.name + "/slope", name="slope")
    >>> print(made.header.read_text())
    /* slope: compiled by functad for ... Link with: -lm.
    <BLANKLINE>
       Arguments:
         x: float64, shape (3), strides 8 bytes
    ...
    int32_t slope(const double *x, double *out);
    ...
    """
    from functad.lower.emit.module import emit_module
    from functad.lower.llvm.target import Target, emit_linked
    from functad.lower.native.standalone import standalone

    traced = _traced(f, args)
    program = optimize(traced.program)
    found = abstract(program)
    kernels = fused_kernels(found).program
    target = Target.host(f._options.fastmath if isinstance(f, Jitted) else "")
    module = emit_module(kernels, target, DRIVER, threads=openmp)
    natives = standalone(module.calls, target, openmp)
    _refuse(f, natives.refused, found.constants)
    public = _identifier(f, name)
    inputs, outputs = _names(f, args, traced, public)
    function = Function(
        public,
        tuple(zip(inputs, program.in_types, strict=True)),
        tuple(zip(outputs, program.out_types, strict=True)),
        tuple([_message(check, found.symbols) for check in kernels.checks]),
        found.symbols,
        found.constants,
        target.cpu,
        ("-lm", *("-fopenmp",) * openmp, *("BLAS (as -lblas)",) * bool(natives.blas)),
        bool(natives.blas),
    )
    others = [*natives.texts, *((module.apart,) if module.apart else ()), wrapper(function)]
    texts = [natives.named_as_in_c(text) for text in (module.text, *others)]
    code = emit_linked(texts[0], target, module.passes, texts[1:], public_names(public))
    return _written(Path(path), header(function), code, openmp)


def _traced(f: Callable[..., Any], args: Sequence[Any]) -> Captured:
    traced = Jitted(f._f if isinstance(f, Jitted) else f, (), ()).captured(tuple(args), {}, leaf_or_type)
    if traced.captures:
        raise StructureError(f"export.c: {name_of(f)} closes over traced values; make them arguments")
    return traced


def _refuse(f: Callable[..., Any], refused: Sequence[tuple[str, str]], constants: Sequence[np.ndarray]) -> None:
    """Raise if something cannot go into a file."""
    if refused:
        called = ", ".join([f"{library} ({what})" for library, what in refused])
        raise UnsupportedError(
            f"export.c: {name_of(f)} calls {called}, which C programs do not have; keep that part out of the function"
        )
    size = sum([constant.nbytes for constant in constants])
    if size > LARGEST:
        raise UnsupportedError(
            f"export.c: {name_of(f)} closes over arrays of {size} bytes, more than an object file is "
            "made to hold; make them arguments"
        )


def _message(check: CheckInfo, sizes: Sequence[int]) -> str:
    return check.message.format(*[size.evaluate(sizes) for size in check.sizes], value="{value}")


def _identifier(f: Callable[..., Any], name: str | None) -> str:
    """What the function is called in C."""
    if name is None:
        found = re.sub(r"\W+", "_", name_of(f), flags=re.ASCII).strip("_")
        name = "f" if found in ("", "lambda") else found
        name = f"{name}_" if name in KEYWORDS or name[0].isdigit() else name
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in KEYWORDS:
        raise ArgumentError(f"export.c: name is to be one that C can have, got {name!r}")
    return name


def _names(
    f: Callable[..., Any], args: Sequence[Any], traced: Captured, public: str
) -> tuple[Sequence[str], Sequence[str]]:
    """The names of parameters and results."""
    names = Names(KEYWORDS | set(public_names(public)))
    wanted = parameter_names(f, args)
    if len(wanted) != len(traced.program.in_types):
        raise ArgumentError(
            f"export.c: {name_of(f)} is given {len(wanted) - len(traced.program.in_types)} arguments that are static, "
            "as strings and Python's bools are; bind them, say with functools.partial"
        )
    paths = [p for k, p in enumerate(leaf_paths(traced.out_tree)) if k not in traced.out_static]
    return [names.new(_in_name(n)) for n in wanted], [names.new(f"out{_in_name(path)}") for path in paths]


def _in_name(path: str) -> str:
    """A path as a part of a name: ``['a'][0]`` is ``_a_0``."""
    return re.sub(r"_+", "_", re.sub(r"\W+", "_", path)).rstrip("_")


def _written(path: Path, text: str, code: bytes, openmp: bool) -> Exported:
    head, object, library = [path.with_name(f"{path.name}{suffix}") for suffix in (".h", ".o", ".so")]
    head.write_text(text)
    object.write_bytes(code)
    command = [*shlex.split(os.environ.get("CC") or "cc"), "-shared", "-o", str(library), str(object), "-lm"]
    try:
        done = subprocess.run([*command, *["-fopenmp"] * openmp], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return Exported(head, object, None)
    if done.returncode:
        raise InternalError(f"export.c: {shlex.join(command)} fails: {done.stderr.strip()}")
    return Exported(head, object, library)
