"""Pages of the docs: links lead somewhere, notebooks open as notebooks.

The site itself is built, and what was built is checked, by the gate (``docs/check_site.py``).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if DOCS / "_build" not in p.parents)
WITH_LINKS = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *PAGES]
CODE = re.compile(r"^(`{3,}).*?^\1`*$", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", CODE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """What the headings of a page can be linked to by."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", WITH_LINKS, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue  # elsewhere: nothing is fetched by tests
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name(page)} links to {link}, which does not exist"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}; {target.name} has no such heading"


NOTEBOOKS = [p for p in PAGES if "{code-cell}" in p.read_text()]


@pytest.mark.parametrize("page", NOTEBOOKS, ids=name)
def test_notebooks_open_as_notebooks(page: Path) -> None:
    """The head is what jupytext and MyST-NB look for; all code is in cells, which the build of the site runs."""
    head, _, body = page.read_text().removeprefix("---\n").partition("\n---\n")
    assert "format_name: myst" in head and "kernelspec:" in head and "name: python3" in head
    assert "```python" not in body
