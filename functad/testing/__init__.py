"""Tools for testing: derivatives (`check_grads`), compiled and mapped functions (`check_jit`, `check_vmap`), primitives
(`check_rule`), and random Programs.
"""

from functad.testing.comparisons import check_jit, check_vmap
from functad.testing.gradients import check_grads
from functad.testing.rules import CHECKS, check_rule

__all__ = ["CHECKS", "check_grads", "check_jit", "check_rule", "check_vmap"]


def __dir__() -> list[str]:
    return sorted(__all__)
