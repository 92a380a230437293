"""Settings for all tests: the IR checker runs after every pass and transform, hypothesis draws the same examples each
time, and of a sweep over many cases some are quick.
"""

from __future__ import annotations

import os
from collections import Counter

os.environ.setdefault("FUNCTAD_DEBUG", "1")  # before functad is imported: flags read the environment then
os.environ.pop("FUNCTAD_CACHE_DIR", None)  # tests of the persistent cache make their own

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "functad",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("functad")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test that is marked ``one_in(n)`` every n-th runs always; half of the others are deep, and half
    of them deeper.
    """
    seen: Counter[str] = Counter()
    for item in items:
        mark = item.get_closest_marker("one_in")
        if mark is not None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % mark.args[0]:
                item.add_marker("deep" if seen[test] % 2 else "deeper")
            seen[test] += 1
