"""The source of a function as a syntax tree: of that very function, or nothing.

A file is parsed once, and its functions are found by what a code object says of where it begins: the first line of a
``def`` (its first decorator's), the place of a lambda's body. What was found is compiled, and counts only if that gives
the code in question: a file that was edited after it had been imported must not be taken for what runs.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from functad.core.parsed import parsed
from functad.identity import identity_key

__all__ = ["Definition", "definition"]

MOST_FILES = 64
"""So many files' functions are kept; those looked at longest ago are forgotten first."""

FLAGS = 0x1FF0000
"""Bits of ``co_flags`` that stand for ``from __future__`` imports: what compiles a part of a file needs them."""


@dataclass(frozen=True)
class Definition:
    """A function in a file, as it is compiled: within which class, whose private names (``__x``) it sees, and after
    which imports.
    """

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    owner: str | None
    imports: tuple[str, ...]

    def compile(self, code: CodeType, extra: tuple[str, ...] = ()) -> CodeType | None:
        """The code of the function where ``code`` stands: with the same closed-over variables, and ``extra`` ones.

        None where it cannot be compiled by itself.
        """
        inner: ast.stmt = self.node if isinstance(self.node, ast.stmt) else ast.Expr(self.node)
        if self.owner is not None:
            inner = ast.ClassDef(self.owner, [], [], [inner], [])
        variables = [ast.arg(name) for name in dict.fromkeys((*code.co_freevars, *extra))]
        bound = getattr(inner, "name", None)  # by the definition: in what it refers to, it is no variable of ours
        outer: list[ast.stmt] = [] if bound is None or bound in code.co_freevars else [ast.Global([bound])]
        around = ast.FunctionDef("around", ast.arguments([], variables, None, [], [], None, []), [*outer, inner], [])
        for node in (inner, around):  # Python 3.12 and later want to know
            if not isinstance(node, ast.Expr):
                node.type_params = []  # type: ignore[attr-defined]
        # methods of modules are loaded otherwise than those of objects
        modules = [ast.Import([ast.alias(name) for name in self.imports])] if self.imports else []
        module = ast.fix_missing_locations(ast.Module([*modules, around], []))
        try:
            made = compile(module, code.co_filename, "exec", code.co_flags & FLAGS, dont_inherit=True)
        except (SyntaxError, ValueError):
            return None
        for _ in range(1 if self.owner is None else 2):
            made = next(c for c in made.co_consts if isinstance(c, CodeType))
        found = [c for c in made.co_consts if isinstance(c, CodeType) and c.co_name == code.co_name]
        return found[-1] if found else None  # before it stand lambdas among its decorators and defaults


Key = tuple[str, int, int]
_files: dict[str, tuple[list[str], dict[Key, list[Definition]]]] = {}


def definition(code: CodeType, names: dict[str, Any], trusted: bool = False) -> Definition | None:
    """The definition of a function with this code and these globals; None where its source cannot be had.

    Code that is ``trusted`` was made of the definition at its place, and is another.
    """
    key = _key(code)
    if key is None:
        return None
    for found in _functions(code.co_filename, names).get(key, ()):
        if trusted or _same(found.compile(code), code):
            return found
    return None


def _key(code: CodeType) -> Key | None:
    """What finds a function in its file."""
    if code.co_name != "<lambda>":
        return code.co_name, code.co_firstlineno, 0
    places = [
        (line, column)
        for line, _, column, end in code.co_positions()
        if line is not None and column is not None and end is not None and end > 0
    ]
    return ("<lambda>", *min(places)) if places else None


def _functions(filename: str, names: dict[str, Any]) -> dict[Key, list[Definition]]:
    """The functions of a file by key."""
    lines = linecache.getlines(filename, names)
    known = _files.pop(filename, None)
    if known is None or known[0] is not lines:
        known = lines, _parse("".join(lines))
    _files[filename] = known
    for old in list(_files)[:-MOST_FILES]:  # other threads look at files meanwhile
        _files.pop(old, None)
    return known[1]


def _parse(text: str) -> dict[Key, list[Definition]]:
    found: dict[Key, list[Definition]] = {}
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):  # it has been edited, or is not Python: a notebook's magic commands
        return found
    imports = tuple(_imports(tree))
    for node, owner in _definitions(tree, None):
        if isinstance(node, ast.Lambda):
            key = ("<lambda>", node.body.lineno, node.body.col_offset)
        else:
            key = (node.name, min(n.lineno for n in (node, *node.decorator_list)), 0)
        found.setdefault(key, []).append(Definition(node, owner, imports))
    return found


def _definitions(tree: ast.AST, owner: str | None) -> Iterator[tuple[Any, str | None]]:
    """All functions in a tree, each with the class around it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node, owner
        yield from _definitions(node, node.name if isinstance(node, ast.ClassDef) else owner)


def _imports(tree: ast.AST) -> Iterator[str]:
    """The names that a module's own import statements bind."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from [(a.asname or a.name).partition(".")[0] for a in node.names if a.name != "*"]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
            yield from _imports(node)


def _same(made: CodeType | None, code: CodeType) -> bool:
    """Whether two code objects do the same.

    pytest rewrites ``assert`` statements where a module is imported: then the function's own names must do.
    """
    if made is None or made.co_varnames[: made.co_argcount] != code.co_varnames[: code.co_argcount]:
        return False
    if "@pytest_ar" in code.co_names:
        return set(made.co_names) <= {*code.co_names, "AssertionError"} and made.co_freevars == code.co_freevars
    return _parts(made) == _parts(code)


def _parts(code: CodeType) -> tuple[Any, ...]:
    consts = tuple([_parts(c) if isinstance(c, CodeType) else identity_key(c) for c in code.co_consts])
    return code.co_code, code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars, consts
