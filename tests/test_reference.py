"""Every public function is in the reference, with a docstring whose example runs."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
PUBLIC = re.compile(r"^\.\. public:: (\S+)\n((?:   .*\n|\n(?=   ))*)", re.MULTILINE)
MODULES = [
    "functad",
    "functad.lax",
    "functad.lax.checkpoint_policies",
    "functad.nn",
    "functad.random",
    "functad.random.initializers",
    "functad.tree",
    "functad.ops",
    "functad.debug",
    "functad.inspect",
    "functad.export",
    "functad.testing",
]

TYPES = {"TreeDef", "Initializer"}
"""Names for annotations, which others define."""


def documented() -> dict[str, set[str]]:
    """The names that the reference documents, by module; ``:rest:`` stands for all others of ``__all__``."""
    found: dict[str, set[str]] = {}
    for page in sorted(REFERENCE.glob("*.md")):
        for module, body in PUBLIC.findall(page.read_text()):
            names = found.setdefault(module, set())
            names.update(importlib.import_module(module).__all__ if ":rest:" in body else body.split())
    return found


def functions() -> list[tuple[str, str]]:
    """Public functions and classes, by module and name."""
    found = []
    for module in MODULES:
        loaded = importlib.import_module(module)
        found += [(module, name) for name in loaded.__all__ if callable(getattr(loaded, name)) and name not in TYPES]
    return found


@pytest.mark.parametrize("module", [*MODULES, "functad.errors"])
def test_every_public_name_is_in_the_reference(module: str) -> None:
    assert documented()[module] == set(importlib.import_module(module).__all__)


@pytest.mark.parametrize("module, name", functions())
def test_every_public_function_has_an_example(module: str, name: str) -> None:
    """It is run by ``test_docs.py``, which goes through the module where the function is defined."""
    f: Any = getattr(importlib.import_module(module), name)
    found = doctest.DocTestFinder(recurse=False).find(f, name, module=False)
    assert any(test.examples for test in found), f"{module}.{name} has no example in its docstring"
    assert f.__module__.startswith("functad."), "an example is run where the function is defined"


@pytest.mark.deep
def test_modules_are_attributes() -> None:
    """Of those that are imported when they are used, too; in a process in which nothing else has imported them."""
    code = """
import functad as fd
fd.numpy.sin, fd.nn.relu, fd.tree.map, fd.random.key, fd.inspect.cost, fd.nn.initializers.zeros
assert dir(fd.scipy) == ["fft", "interpolate", "linalg", "ndimage", "signal", "special", "stats"]
for name in dir(fd.scipy):
    assert getattr(fd.scipy, name).__name__ == "functad.scipy." + name
try:
    fd.scipy.optimize
except AttributeError as error:
    assert "it has fft, interpolate" in str(error)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
