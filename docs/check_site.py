"""Check a built site: ``python docs/check_site.py docs/_build/html``.

Links between its pages lead to pages, files and anchors that are there; nothing is loaded from elsewhere; the search
finds functions; code can be copied; and the sources of notebooks open as notebooks.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}


class Page(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(value for key in ("id", "name") if (value := given.get(key)))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif tag in LOADED and given.get(LOADED[tag]):
            self.loaded.append(str(given[LOADED[tag]]))


def broken(site: Path) -> list[str]:
    """Links that lead nowhere, and what is loaded from elsewhere."""
    pages = {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    found.append(f"{name} loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                found.append(f"{name} links to {link}, which does not exist")
            elif "_modules" in (*name.parts, *Path(parts.path).parts):
                continue  # Sphinx thinks that all functions of a file are of one public module
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name} links to {link}; there is no such place")
    return found


def unfit(site: Path) -> list[str]:
    """What else is wrong."""
    found = []
    index = (site / "searchindex.js").read_text()
    found += [f"the search does not know {word}" for word in ("value_and_grad", "while_loop") if word not in index]
    if "copybutton" not in (site / "quickstart.html").read_text():
        found.append("code has no copy button")
    sources = [path for path in (site / "_sources").rglob("*.md") if "{code-cell}" in path.read_text()]
    for path in sources:
        cells = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
        if len(cells) != len(re.findall(r"^```\{code-cell\}", path.read_text(), re.MULTILINE)):
            found.append(f"{path.name} does not open as a notebook")
    return found if sources else [*found, "there are no notebooks"]


if __name__ == "__main__":
    directory = Path(sys.argv[1]).resolve()
    problems = [*broken(directory), *unfit(directory)]
    print("\n".join(problems) or f"{directory}: all links lead somewhere")
    sys.exit(bool(problems))
