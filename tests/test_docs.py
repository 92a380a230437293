"""The code in README and docs runs as it stands. (That of notebooks runs when the site is built.)"""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import functad

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if DOCS / "_build" not in p.parents)]
WITH_CODE = [page for page in PAGES if "```python\n" in page.read_text()]
DEEP = {
    *("index.md", "sharp_bits.md", "numba.md"),
    *[f"coming_from_{name}.md" for name in ("autograd", "casadi", "numba", "pytorch")],
}
"""Pages that repeat in other words what tests and other pages have, or take long."""
MODULES = [m.name for m in pkgutil.walk_packages(functad.__path__, "functad.") if not m.name.endswith("__main__")]
COMPILING = ("functad.export.numba_module", "functad.random.", "functad.testing.rules")
"""Modules whose examples compile much: what they show has quick tests, and pages of the docs."""
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=pytest.mark.deep if p.name in DEEP else (), id=p.name) for p in WITH_CODE]
)
def test_code_blocks_run(page: Path) -> None:
    text = page.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    scripts = [b for b in blocks if not b.lstrip().startswith(">>>")]
    if scripts:  # in a process of its own: pages declare primitives
        done = subprocess.run([sys.executable, "-c", "\n".join(scripts)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    if ">>>" in text:
        failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS)
        assert failed == 0


@pytest.mark.parametrize(
    "name", [pytest.param(m, marks=pytest.mark.deep if m.startswith(COMPILING) else ()) for m in MODULES]
)
def test_docstring_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert failed == 0


def test_updates_are_shown_as_they_work_on_plain_arrays_too() -> None:
    """``fd.at(x)[index]``: plain arrays have no attribute ``at``. (The page for JAX's users shows what they write.)"""
    sources = [*PAGES, *sorted(Path(functad.__file__).parent.rglob("*.py"))]
    found = [p.name for p in sources if ".at[" in p.read_text()]
    assert set(found) <= {"coming_from_jax.md"}
