"""What tests of native code share."""

from __future__ import annotations

import pytest

from functad import config


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A directory, and the flags to use it; even where somebody edits functad while tests run."""
    monkeypatch.setattr(config, "imported_at", 2**63)
    with config.debug(False), config.cache(str(tmp_path / "cache")):
        yield tmp_path / "cache"
