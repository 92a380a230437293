"""Lower layers never import upper ones, no imports go in circles, and ``import functad`` imports no compiler."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import functad

PACKAGE = Path(functad.__file__).parent

LAYERS = [
    ["caches", "config", "errors", "identity", "recycled", "timing", "tree", "version"],
    ["ir"],
    ["kernel_ir"],
    ["core"],
    ["transforms"],
    ["primitives"],
    ["passes"],
    ["lower"],
    ["numpy", "scipy", "nn", "convolution"],
    ["front"],
    ["lax"],
    ["api"],
    ["debug", "export", "inspect", "ops", "random"],
    ["testing"],
    ["commands", "examples", "__init__", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))

HEAVY = {"numba", "llvmlite", "scipy", "opt_einsum", "hypothesis", "matplotlib"}
"""What takes so long to import that it waits until it is needed."""

LATE = {
    *("functad.core.parser", "functad.ir.scanner"),
    *("functad.passes.pipeline", "functad.lower.kernels", "functad.lower.numba.module"),
    *("functad.front.definitions", "functad.front.number_checks", "functad.front.staged", "functad.front.valued"),
}
"""What is imported with the first function that is rewritten or compiled, or text that is read: ``import functad`` does
without.
"""


def module_name(path: Path) -> str:
    """The module that a file is."""
    return ".".join(("functad", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


def layer(path: Path) -> str:
    """The layer that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


HOLDERS = ast.stmt | ast.ExceptHandler | ast.match_case
"""What imports may be in: expressions hold none."""


def statements(path: Path) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """The imports of a file and whether each is in a function; imports for type checking alone do not count."""
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text()), False)]
    for node, inside in waiting:  # grows
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, inside
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        waiting += [(child, inside) for child in ast.iter_child_nodes(node) if isinstance(child, HOLDERS)]


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules that an import needs."""
    if isinstance(node, ast.Import):
        yield from [alias.name for alias in node.names]
        return
    assert node.module and not node.level, "imports are absolute"
    for alias in node.names:
        name = f"{node.module}.{alias.name}"
        yield name if name in MODULES else node.module


@functools.cache
def imports() -> dict[str, list[tuple[str, bool]]]:
    """What each module imports, and whether inside a function; read when the first test asks."""
    return {
        name: [(m, inside) for node, inside in statements(path) for m in imported(node)]
        for name, path in MODULES.items()
    }


def circle(graph: dict[str, Iterable[str]]) -> list[str]:
    """Modules each of which imports the next, and the last the first; empty if there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1][::-1]  # type: ignore[no-any-return]
    return []


def loads(module: str, seen: set[str]) -> set[str]:
    """The packages other than this one that importing a module imports."""
    if module not in MODULES:
        return {module.partition(".")[0]}
    if module in seen:
        return set()
    seen.add(module)
    return {found for m, inside in imports()[module] if not inside for found in loads(m, seen)}


def test_layers_are_those_that_there_are() -> None:
    assert sorted(RANK) == sorted({layer(path) for path in FILES})


def test_no_import_of_an_upper_layer() -> None:
    for path in FILES:
        own = layer(path)
        for name, _ in imports()[module_name(path)]:
            parts = name.split(".")
            if parts[0] == "functad" and len(parts) > 1:
                assert RANK[parts[1]] <= RANK[own], f"{path.relative_to(PACKAGE)} (layer {own}) imports {name}"


def test_no_imports_go_in_circles() -> None:
    """Those inside functions included."""
    found = circle({name: [m for m, _ in found if m in MODULES] for name, found in imports().items()})
    assert not found, " imports ".join(found)


def test_a_circle_is_found() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": ["d"]}) == []
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"]}) in (["b", "c", "b"], ["c", "b", "c"])


def test_imports_are_at_the_top_unless_they_defer_something_heavy() -> None:
    for name, found in imports().items():
        for m, inside in found:
            late = not inside or m in LATE or loads(m, set()) & HEAVY
            assert late, f"{name} imports {m} inside a function"


def test_only_the_backend_imports_numba() -> None:
    for name, found in imports().items():
        if layer(MODULES[name]) != "lower":
            assert not {m for m, _ in found if m.split(".")[0] in ("numba", "llvmlite")}, name


def test_import_is_light() -> None:
    code = (
        f"import sys, functad; print([m for m in ('numba', 'llvmlite', 'scipy.linalg', 'opt_einsum', *{sorted(LATE)}) "
        "if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
