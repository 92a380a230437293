"""Directives that list what functad has of NumPy and of SciPy, from its tables of functions.

``{functions} numpy.linalg`` is the list of the functions of a module that take traced values, and a table of those
parameters of theirs that do not.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import functad.scipy
from functad.numpy.dispatch import CALLS, TABLE
from functad.numpy.families import FAMILIES, MODULE_OF

MEMORY = {"casting", "device", "like", "order", "subok", "overwrite_input", "out"}
"""Parameters about memory, which traced values have not, or that all functions take."""


def load_all() -> None:
    """Import what declares functions: families are imported when they are used."""
    for module in (*FAMILIES, *[f"functad.scipy.{m.name}" for m in pkgutil.iter_modules(functad.scipy.__path__)]):
        importlib.import_module(module)


def scipy_modules() -> list[str]:
    """The modules of SciPy of which functad has functions."""
    found = [m.name for m in pkgutil.iter_modules(functad.scipy.__path__)]
    return [f"scipy.{name}" for name in found if _exists(f"scipy.{name}")]


def _exists(module: str) -> bool:
    try:
        return bool(importlib.import_module(module).__name__)
    except ModuleNotFoundError:
        return False


def functions(module: str) -> dict[str, Any]:
    """What functad does in place of each function of a module that it has, by name."""
    load_all()
    theirs = importlib.import_module(module)
    ours = importlib.import_module(f"functad.{module}")
    found = {name: declared(theirs, ours, name) for name in names(theirs)}
    return {name: f for name, f in found.items() if f is not None}


def names(module: ModuleType) -> Iterator[str]:
    """Public names of functions."""
    for name in sorted(getattr(module, "__all__", dir(module)), key=str.lower):
        f = getattr(module, name, None)
        function = callable(f) and not isinstance(f, type)
        if not name.startswith("_") and (function or (module.__name__ == "numpy" and name in MODULE_OF)):
            yield name


def declared(theirs: ModuleType, ours: ModuleType, name: str) -> Any:
    """What stands for a function; None if functad does not have it, or refuses it."""
    plain = getattr(theirs, name)
    if theirs.__name__ == "numpy" and name in MODULE_OF:
        return getattr(ours, name)
    f = TABLE.get(plain) or CALLS.get(plain)
    if f is None:
        own = vars(ours).get(name)
        return own if callable(own) and own is not plain else None
    return None if isinstance(f, functools.partial) and f.func.__name__ == "_refuse" else f


def missing(plain: Any, f: Any) -> list[str]:
    """Parameters of a function that functad's does not have."""
    try:
        theirs, ours = inspect.signature(plain).parameters, inspect.signature(f).parameters
    except (TypeError, ValueError):
        return []
    if any(p.kind is p.VAR_KEYWORD for p in ours.values()):
        return []
    return [n for n, p in theirs.items() if n not in ours and n not in MEMORY and p.kind is not p.VAR_KEYWORD]


class Functions(SphinxDirective):
    """The functions of a module."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = self.arguments[0]
        found = functions(module)
        theirs = importlib.import_module(module)
        line = nodes.paragraph()
        for i, name in enumerate(found):
            line += nodes.Text(" " if i else "")
            line += nodes.literal("", name)
        lacking = {name: missing(getattr(theirs, name), f) for name, f in found.items()}
        lacking = {name: parameters for name, parameters in lacking.items() if parameters}
        count = nodes.paragraph("", f"{len(found)} functions:")
        return [count, line, *([self.table(lacking)] if lacking else [])]

    def table(self, lacking: dict[str, list[str]]) -> nodes.table:
        """Functions, and their parameters that traced values do not take."""
        rows = [("function", "parameters that traced values do not take")]
        rows += [(name, ", ".join(parameters)) for name, parameters in lacking.items()]
        group = nodes.tgroup(cols=2)
        group.extend([nodes.colspec(colwidth=w) for w in (30, 70)])
        head, body = nodes.thead(), nodes.tbody()
        for i, row in enumerate(rows):
            cells = nodes.row()
            for text in row:
                literal = i > 0 and text
                cells += nodes.entry(
                    "", nodes.paragraph("", "", nodes.literal("", text) if literal else nodes.Text(text))
                )
            (body if i else head).append(cells)
        group.extend([head, body])
        return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("functions", Functions)
    return {"parallel_read_safe": True}
