"""Tools for testing derivatives: of functions (`check_grads`), of primitives (`check_rule`), and random Programs."""

from functad.testing.gradients import check_grads
from functad.testing.rules import CHECKS, check_rule

__all__ = ["CHECKS", "check_grads", "check_rule"]
