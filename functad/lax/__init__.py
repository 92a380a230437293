"""Structured control flow that compiles to native loops and branches, and differentiates both ways."""

from functad.lax import checkpoint_policies as checkpoint_policies
from functad.lax.callback import pure_callback
from functad.lax.checkpoint import checkpoint, checkpoint_name
from functad.lax.conditionals import cond, select, select_n, switch
from functad.lax.loops import associative_scan, fori_loop, map, scan, while_loop
from functad.lax.stops import stop_gradient

__all__ = [
    "associative_scan",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "cond",
    "fori_loop",
    "map",
    "pure_callback",
    "scan",
    "select",
    "select_n",
    "stop_gradient",
    "switch",
    "while_loop",
]
