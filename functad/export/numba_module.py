"""A function, or a derivative, as a standalone module of Numba code.

The public function of the module checks the shapes of what it is given, makes the results, and calls the driver that
the Numba backend prints.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from functad.api.arguments import name_of
from functad.errors import ArgumentError, UnsupportedError
from functad.export.sizes import Open, fixed_lengths, open_lengths, sizes_of
from functad.ir.program import Program
from functad.ir.types import ArrayType, Symbol
from functad.kernel_ir.nodes import CheckInfo
from functad.lower.kernels import fused_kernels
from functad.lower.numba.compiled import refuse_half
from functad.lower.numba.module import DRIVER, Printed, print_module
from functad.lower.numba.names import Names
from functad.lower.numba.operations import constant, dtype_text
from functad.tree.containers import flatten_with_paths

__all__ = ["numba", "parameter_names"]

LARGEST = 1000
"""Constants with more elements are no text to keep in a module."""


def numba(
    f: Callable[..., Any], *args: Any, path: str | Path | None = None, sizes: Literal["examples", "any"] = "examples"
) -> str:
    """The source of a module with ``f`` as an ``@njit`` function, for arguments like these; it imports numpy and numba
    alone.

    The function takes the arrays and numbers of the arguments, one after the other, containers taken apart, and returns
    its result, or a tuple of what its results hold. Dtypes are those of the examples.

    Parameters
    ----------
    f
        A function; for its derivative give ``fd.grad(f)`` and the like.
    args
        Arguments to call it with.
    path
        Where to write the module; None: nowhere.
    sizes
        ``"examples"``: calls have the shapes of the examples. ``"any"``: axes longer than 4 are as long as in each
        call; where the examples have equal lengths, so must calls. The function is traced at two more sets of lengths,
        to see that what it computes of them follows: what Python decides by other lengths than these is not seen.

    Returns
    -------
    str
        The text of the module.

    Raises
    ------
    UnsupportedError
        Where the function calls what cannot leave the process, LAPACK or a Python function say; where it closes over a
        large array; where it uses float16; where lengths cannot be left open.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> text = fd.export.numba(lambda x, y: np.mean(x * y), np.ones(100), np.ones(100), sizes="any")
    >>> names = {}
    >>> exec(text, names)
    >>> names["f"](np.arange(5.0), np.ones(5))
    2.0
    """
    if sizes not in ("examples", "any"):
        raise ArgumentError(f'export.numba: sizes is "examples" or "any", got {sizes!r}')
    made = open_lengths(f, args) if sizes == "any" else fixed_lengths(f, args)
    kernels = fused_kernels(made.found).program
    refuse_half(kernels)
    name = name_of(f)
    printed = print_module(kernels)
    if printed.natives:
        raise UnsupportedError(
            f"export.numba: {name} calls {', '.join(sorted(printed.natives))}, native code that cannot leave this "
            "process: keep that part out of the function (solve, sort, fft, callbacks and raised exceptions are such)"
        )
    public = name if name.isidentifier() else "f"
    names = Names({DRIVER, public, "np", "njit", "status"})
    parameters = [names.new(p) for p in parameter_names(f, args)]
    text = _module(printed, made, kernels.checks, public, parameters)
    if path is not None:
        Path(path).write_text(text)
    return text


def parameter_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """Names of the leaves of the arguments."""
    try:
        given = list(inspect.signature(f).bind(*args).arguments)
    except (TypeError, ValueError):
        given = [f"x{k}" for k in range(len(args))]
    if len(given) != len(args):  # f takes *args
        given = [f"x{k}" for k in range(len(args))]
    return [f"{name}{path}" for name, x in zip(given, args, strict=True) for path in _paths(x)]


def _paths(x: Any) -> list[str]:
    return [path for path, _ in flatten_with_paths(x)[0]]


def _module(printed: Printed, made: Open, checks: Sequence[CheckInfo], name: str, parameters: Sequence[str]) -> str:
    program = made.found.program
    inputs, outputs = program.in_types[: len(parameters)], program.out_types
    arrays = [f"in{k}" for k in range(len(program.inputs))]
    results = [f"out{k}" for k in range(len(outputs))]
    numbers = list(zip(arrays[len(parameters) :], made.numbers, program.in_types[len(parameters) :], strict=True))
    lines = [
        f'"""{_doc(made.program, parameters)}"""',
        *_sizes(inputs, parameters, made.lengths),
        *[f"{a} = {_given(p, t)}" for a, p, t in zip(arrays, parameters, inputs, strict=False)],
        *[f"{a} = {_given(value, t)}" for a, value, t in numbers if isinstance(value, str)],
        *[f"{r} = {_empty(t)}" for r, t in zip(results, outputs, strict=True)],
        "status = np.zeros(2, np.int64)",
        f"{DRIVER}({', '.join([*arrays, *results, *[f'n{k}' for k in range(len(made.lengths))], 'status'])})",
        *_errors(checks),
    ]
    values = [_value(r, t) for r, t in zip(results, outputs, strict=True)]
    lines.append(f"return {values[0] if len(values) == 1 else _tuple(values)}")
    constants = [f"{a} = {_constant(value)}" for a, value, _ in numbers if not isinstance(value, str)]
    function = ['@njit(error_model="numpy")', f"def {name}({', '.join(parameters)}):", *[f"    {x}" for x in lines]]
    parts = [f'"""{name}: generated code, standalone."""', printed.text.strip(), *constants, "\n".join(function)]
    return "\n\n\n".join(parts) + "\n"


def _tuple(values: Sequence[str]) -> str:
    return f"({', '.join(values)}{',' * (len(values) == 1)})"


# -- the pieces of the public function ---------------------------------------------------------------------------------


def _doc(program: Program, parameters: Sequence[str]) -> str:
    given = ", ".join([f"{p}: {t}" for p, t in zip(parameters, program.in_types, strict=False)])
    return f"For arguments like ({given}): {', '.join(map(str, program.out_types))}."


def _sizes(inputs: Sequence[ArrayType], parameters: Sequence[str], lengths: Sequence[str | None]) -> list[str]:
    """The sizes, each from the first axis that has it unless it is known, and checks of all other axes."""
    lines: list[str] = []
    known: set[int] = set()
    for parameter, type in zip(parameters, inputs, strict=True):
        if type.ndim:
            lines += [f"if {parameter}.ndim != {type.ndim}:", _refusal(parameter, f"{type.ndim} axes")]
        for axis, size in enumerate(sizes_of(type)):
            if isinstance(size, Symbol) and lengths[size.index] is None and size.index not in known:
                known.add(size.index)
                lines.append(f"n{size.index} = {parameter}.shape[{axis}]")
                continue
            wanted = (lengths[size.index] or f"n{size.index}") if isinstance(size, Symbol) else str(size)
            lines.append(f"if {parameter}.shape[{axis}] != {wanted}:")
            lines.append(_refusal(parameter, f"length {wanted} along axis {axis}"))
    return lines + [f"n{k} = {length}" for k, length in enumerate(lengths) if length is not None]


def _refusal(parameter: str, expected: str) -> str:
    return f'    raise ValueError("{parameter}: expected {expected}")'


def _given(parameter: str, type: ArrayType) -> str:
    """An argument as the driver takes it."""
    dtype = dtype_text(type.dtype)
    if not type.ndim:
        array = f"np.full(1, {parameter}, {dtype})"
        return f"{array}.view({_part(type)})" if type.dtype.kind == "c" else f"{array}.reshape(())"
    array = f"np.ascontiguousarray({parameter}).astype({dtype})"
    if type.dtype.kind != "c":
        return array
    return f"{array}.reshape(-1).view({_part(type)}).reshape({_shape(type, '2')})"


def _empty(type: ArrayType) -> str:
    """Memory for a result."""
    if type.dtype.kind == "c":
        return f"np.empty({_shape(type, '2')}, {_part(type)})"
    return f"np.empty({_shape(type)}, {dtype_text(type.dtype)})"


def _value(result: str, type: ArrayType) -> str:
    """What is given back for a result."""
    if type.dtype.kind == "c":
        whole = f"{result}.reshape(-1).view({dtype_text(type.dtype)})"
        return f"{whole}.reshape({_shape(type)})" if type.ndim else f"{whole}[0]"
    return result if type.ndim else f"{result}[()]"


def _part(type: ArrayType) -> str:
    return dtype_text(np.empty(0, type.dtype).real.dtype)


def _shape(type: ArrayType, *more: str) -> str:
    sizes = [*[f"n{n.index}" if isinstance(n, Symbol) else str(n) for n in sizes_of(type)], *more]
    return _tuple(sizes)


def _constant(value: np.ndarray) -> str:
    """A constant as text."""
    if value.size > LARGEST:
        raise UnsupportedError(
            f"export.numba: the function closes over an array of shape {value.shape}, which is no text to keep in a "
            f"module (more than {LARGEST} numbers); make it an argument"
        )
    pairs = value.reshape(-1).view(value.real.dtype) if value.dtype.kind == "c" else value
    shape = (*value.shape, 2) if value.dtype.kind == "c" else value.shape
    numbers = ", ".join([constant(x, pairs.dtype).text for x in pairs.ravel()])
    return f"np.array([{numbers}], {dtype_text(pairs.dtype)}).reshape({shape!r})"


def _errors(checks: Sequence[CheckInfo]) -> list[str]:
    """What the driver's error codes raise."""
    lines = []
    for code, check in enumerate(checks, 1):
        error = {"IndexOutOfBoundsError": "IndexError", "InternalError": "RuntimeError"}.get(check.error, "ValueError")
        sizes = [f"{{{size!r}}}" for size in check.sizes]
        message = check.message.format(*sizes, value="{status[1]}").replace('"', "'")
        prefix = "f" if "{" in message else ""
        lines += [f"if status[0] == {code}:", f'    raise {error}({prefix}"{message}")']
    return lines
