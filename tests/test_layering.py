"""Lower layers never import upper ones, and ``import functad`` imports no compiler."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import functad

PACKAGE = Path(functad.__file__).parent

LAYERS = [
    ["caches", "config", "errors", "identity", "recycled", "tree", "version"],
    ["ir"],
    ["kernel_ir"],
    ["core"],
    ["transforms"],
    ["primitives"],
    ["passes"],
    ["lower"],
    ["numpy", "scipy", "lax", "nn", "random"],
    ["api"],
    ["testing", "inspect"],
    ["examples", "__init__", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    """The layer that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; imports for type checking alone do not count."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_import_of_an_upper_layer(path: Path) -> None:
    own = layer(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "functad" and len(parts) > 1 and parts[1] in RANK:
            assert RANK[parts[1]] <= RANK[own], f"{path.relative_to(PACKAGE)} (layer {own}) imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_backend_imports_numba(path: Path) -> None:
    if layer(path) != "lower":
        assert not {n for n in imports(path) if n.split(".")[0] in ("numba", "llvmlite")}


def test_import_is_light() -> None:
    code = (
        "import sys, functad; print([m for m in ('numba', 'llvmlite', 'scipy.linalg', 'opt_einsum') if m in "
        "sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
