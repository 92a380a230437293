"""Settings for all tests: the IR checker runs after every pass and transform, and hypothesis draws the same examples
each time.
"""

from __future__ import annotations

import os

os.environ.setdefault("FUNCTAD_DEBUG", "1")  # before functad is imported: flags read the environment then

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
