"""Fusion: from a Program to the fewest loop nests that compute it."""

from functad.lower.fuse.body import Path
from functad.lower.fuse.build import Fused, fuse

__all__ = ["Fused", "Path", "fuse"]
