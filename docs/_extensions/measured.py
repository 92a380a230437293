"""Directive for comparisons of speed: rows of a table that ``python -m benchmarks`` printed into a file.

``{measured} file.txt`` with the beginnings of cases in its body, one a line, is a table of these rows; without a body,
of all. The first line of the file, the machine and its versions, is below it.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

COLUMNS = ("case", "functad", "peer", "its time", "times as fast")


def rows_of(text: str) -> list[list[str]]:
    """The rows of a table that the benchmarks printed, without its head."""
    table = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")][: len(COLUMNS)] for line in table[2:]]


class Measured(SphinxDirective):
    """A table of measurements."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        text = Path(path).read_text()
        wanted = tuple(line for line in self.content if line.strip()) or ("",)
        rows = [row for row in rows_of(text) if row[0].startswith(wanted)]
        if not rows:
            raise self.error(f"{self.arguments[0]} has no row that begins with {' or '.join(wanted)}")
        machine = nodes.emphasis("", text.splitlines()[0])
        return [self.table(rows), nodes.paragraph("", "", machine)]

    def table(self, rows: list[list[str]]) -> nodes.table:
        """Of these rows, under a head."""
        group = nodes.tgroup(cols=len(COLUMNS))
        group.extend([nodes.colspec(colwidth=w) for w in (40, 12, 20, 12, 16)])
        head, body = nodes.thead(), nodes.tbody()
        for part, lines in ((head, [list(COLUMNS)]), (body, rows)):
            for line in lines:
                part += nodes.row("", *[nodes.entry("", nodes.paragraph("", "", nodes.Text(text))) for text in line])
        group.extend([head, body])
        return nodes.table("", group)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
