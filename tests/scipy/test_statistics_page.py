"""docs/statistics.md lists what there is: its tables are those that the declarations give."""

from __future__ import annotations

from pathlib import Path

from functad.scipy import stats
from functad.scipy.stats.distribution import DECLARED
from functad.scipy.stats.multivariate import Multivariate
from functad.scipy.stats.univariate import Univariate

PAGE = (Path(__file__).parent.parent.parent / "docs" / "statistics.md").read_text()

GROUPS = {
    "`logpdf` `pdf`, `logpmf` `pmf`": ({"logpdf", "pdf"}, {"logpmf", "pmf"}),
    "`cdf` `sf` `logcdf` `logsf`": ({"cdf", "sf", "logcdf", "logsf"},),
    "`ppf` `isf`": ({"ppf", "isf"},),
    "`entropy`": ({"entropy"},),
    "`mean` `var` `std`": ({"mean", "var", "std"},),
}
"""Methods that are there together."""


def row(cells):
    return f"| {' | '.join(cells)} |"


def of_numbers():
    """The table of distributions of numbers."""
    yield row(["distribution", "shape parameters", *GROUPS])
    yield "|---" * (len(GROUPS) + 2) + "|"
    for d in sorted([d for d in DECLARED.values() if isinstance(d, Univariate)], key=lambda d: d.name):
        there = set(d.methods())
        cells = ["yes" if any(group <= there for group in groups) else "" for groups in GROUPS.values()]
        shapes = [p for p in d.parameters if p not in ("loc", "scale")]
        yield row([f"`{d.name}`", ", ".join([f"`{s}`" for s in shapes]), *cells])


def of_arrays():
    """The table of distributions of arrays."""
    yield row(["distribution", "methods"])
    yield "|---|---|"
    for d in sorted([d for d in DECLARED.values() if isinstance(d, Multivariate)], key=lambda d: d.name):
        yield row([f"`{d.name}`", " ".join([f"`{m}`" for m in d.methods()])])


def test_tables_are_what_there_is():
    for table in (of_numbers(), of_arrays()):
        text = "\n".join(table)
        assert text in PAGE, f"docs/statistics.md should have this table:\n\n{text}\n"


def test_methods_that_go_together():
    """No distribution has a part of a group: the table would not say so."""
    for d in DECLARED.values():
        if isinstance(d, Univariate):
            for groups in GROUPS.values():
                assert all(group <= set(d.methods()) or not group & set(d.methods()) for group in groups), d.name


def test_all_are_public():
    assert all(getattr(stats, d.name) is d for d in DECLARED.values())
