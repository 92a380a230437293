"""The Python source of a call, which Numba compiles: find the version, collect addresses, call, give the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optree import PyTreeKind

from functad.core.statics import merged
from functad.errors import UnsupportedError
from functad.ir.types import SeqType
from functad.lower.njit.table import Entry, Leaf, Table, Version
from functad.tree.containers import TreeDef

__all__ = ["source"]


def source(table: Table, parameters: str, places: Sequence[str], aligned: Sequence[bool]) -> tuple[str, dict[str, Any]]:
    """The text of ``call(parameters)``, and the names that it uses: those of dtypes and classes. The leaves of the
    arguments are at ``places``.
    """
    version, leaves = table.example, table.leaves
    scope: dict[str, Any] = {"np": np}
    lines, given, key = [], [], []
    for i, (leaf, place) in enumerate(zip(leaves, places, strict=True)):
        if leaf.scalar:
            number = _number(leaf.dtype, place)
            if i in version.fixed:
                continue
            lines.append(f"a{i} = address_of({number})")
            given.append(f"a{i}")
        else:
            copied = f"np.ascontiguousarray({place})" if leaf.ndim else place
            lines.append(f"a{i} = {copied if aligned[i] else f'{place}.copy()'}")
            given.append(f"a{i}.ctypes.data")
            key += [f"a{i}.shape[{axis}]" for axis in range(leaf.ndim)]
    key += [f"np.int64({places[i]})" for i in table.asked]
    lines += _found(key)
    words = Entry.HEAD + len(key)
    results, values = [], []
    for k, t in enumerate(version.program.out_types):
        if isinstance(t, SeqType):
            raise UnsupportedError(
                f"{table.callee.__name__} returns a sequence of run-time length, which Numba code cannot have"
            )
        if t.ndim:
            scope[f"dtype{k}"] = t.dtype
            shape = "".join([f"load(entry + {8 * (words + axis)}), " for axis in range(t.ndim)])
            lines.append(f"y{k} = np.empty(({shape}), dtype{k})")
            results.append(f"y{k}.ctypes.data")
            values.append(f"y{k}")
            words += t.ndim
        else:
            lines += [f"z{k} = {_number(t.dtype, '0')}", f"y{k} = address_of(z{k})"]
            results.append(f"y{k}")
            values.append(f"value_at(y{k}, z{k})")
    count = len(given)
    lines += [
        "more = load(entry + 24)",
        f"pointers = np.empty({count + len(results) or 1} + more, np.intp)",
        *[f"pointers[{i}] = {x}" for i, x in enumerate(given)],
        "for i in range(more):",
        f"    pointers[{count} + i] = load(load(entry + 32) + 8 * i)",
        *[f"pointers[{count + i} + more] = {x}" for i, x in enumerate(results)],
        "place = pointers.ctypes.data",
        f"code = invoke(load(entry + 8), place, place + 8 * ({count} + more), load(entry + 16))",
        # what is only known by its address must outlive the call
        f"if code != 0 or {' + '.join([*_arrays(leaves), 'pointers.size'])} < 0:",
        "    failed((entry, code))",
        f"return {_result(version, values, scope)}",
    ]
    return "\n".join([f"def call({parameters}):", *[f"    {line}" for line in lines]]) + "\n", scope


def _found(key: Sequence[str]) -> list[str]:
    """Find the entry for a key."""
    tests = [f"load(entry + {8 * (Entry.HEAD + k)}) == {x}" for k, x in enumerate(key)]
    return [
        "entry = first()",
        f"while entry != 0 and not ({' and '.join(tests) or 'True'}):",
        "    entry = load(entry)",
        "if entry == 0:",
        f"    entry = missing(({''.join([f'{x}, ' for x in key])}))",
    ]


def _arrays(leaves: Sequence[Leaf]) -> list[str]:
    return [f"a{i}.size" for i, leaf in enumerate(leaves) if not leaf.scalar]


def _number(dtype: np.dtype, place: str) -> str:
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}({place})"


def _result(version: Version, values: Sequence[str], scope: dict[str, Any]) -> str:
    """The expression of the result: its leaves in their containers."""
    static = {}
    for number, value in version.static.items():
        if not isinstance(value, bool | int | float | str):
            raise UnsupportedError(f"a {type(value).__name__} in a result cannot be given to Numba code")
        static[number] = repr(value)
    return _container(version.tree, iter(merged(static, list(values))), scope)


def _container(tree: TreeDef, leaves: Any, scope: dict[str, Any]) -> str:
    if tree.kind == PyTreeKind.LEAF:
        return str(next(leaves))
    if tree.kind == PyTreeKind.NONE:
        return "None"
    parts = [_container(child, leaves, scope) for child in tree.children()]
    if tree.kind == PyTreeKind.TUPLE:
        return f"({''.join([f'{part}, ' for part in parts])})"
    if tree.kind == PyTreeKind.NAMEDTUPLE:
        cls: Any = tree.type
        name = f"{cls.__name__}_{len(scope)}"
        scope[name] = cls
        return f"{name}({', '.join(parts)})"
    raise UnsupportedError(
        f"a result with a {getattr(tree.type, '__name__', tree.type)} cannot be given to Numba code: return arrays, "
        "numbers, tuples or namedtuples"
    )
