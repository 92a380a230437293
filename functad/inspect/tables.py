"""Tables of text, and numbers in them."""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["html_table", "quantity", "table"]


def quantity(value: float) -> str:
    """A number with three digits and a prefix.

    Examples
    --------
    >>> quantity(12), quantity(1234), quantity(5_670_000)
    ('12 ', '1.23 k', '5.67 M')
    """
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.3g} "


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first to the left, numbers to the right.

    Examples
    --------
    >>> print(table(["line", "calls"], [["a.py:3", "12"], ["b.py:17", "4"]]))
    line     calls
    a.py:3      12
    b.py:17      4
    """
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]
    lines = []
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0]), *[c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same for a notebook.

    Examples
    --------
    >>> html_table(["line", "calls"], [["<lambda>", "12"]])
    '<table><tr><th>line</th><th>calls</th></tr><tr><td>&lt;lambda&gt;</td><td>12</td></tr></table>'
    """
    lines = [("th", heads), *[("td", row) for row in rows]]
    cells = ["".join([f"<{tag}>{_spaced(cell)}</{tag}>" for cell in row]) for tag, row in lines]
    return f"<table>{''.join([f'<tr>{row}</tr>' for row in cells])}</table>"


def _spaced(cell: str) -> str:
    inner = cell.lstrip(" ")
    return "&nbsp;" * (len(cell) - len(inner)) + html.escape(inner)
