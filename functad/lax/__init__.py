"""Structured control flow that compiles to native loops and branches, and differentiates both ways; what is rarely
used is imported when it is.
"""

import importlib as _importlib
from typing import Any as _Any

from functad.lax import checkpoint_policies as checkpoint_policies
from functad.lax.callback import pure_callback
from functad.lax.checkpoint import checkpoint, checkpoint_name
from functad.lax.conditionals import cond, select, select_n, switch
from functad.lax.loops import associative_scan, fori_loop, map, scan, while_loop
from functad.lax.stops import stop_gradient

_LATE = {
    "functad.convolution.dimensions": """
        ConvDimensionNumbers conv_dimension_numbers padtype_to_pads
    """,
    "functad.convolution.general": """
        conv conv_general_dilated conv_transpose conv_with_general_padding
    """,
    "functad.convolution.windows": """
        reduce_window
    """,
    "functad.lax.collectives": """
        all_gather all_to_all axis_index axis_size pmax pmean pmin ppermute pshuffle psum psum_scatter pswapaxes
    """,
    "functad.lax.operators": """
        broadcast broadcast_in_dim broadcasted_iota clamp collapse concatenate cumlogsumexp cummax cummin cumprod cumsum
        dot_general expand_dims iota pad rev rsqrt sort_key_val squeeze top_k
    """,
    "functad.lax.slicing": """
        dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim dynamic_update_index_in_dim dynamic_update_slice
        dynamic_update_slice_in_dim index_in_dim slice slice_in_dim
    """,
}
"""The modules that are imported when one of their names is first used."""

_MODULE_OF = {name: module for module, names in _LATE.items() for name in names.split()}


def __getattr__(name: str) -> _Any:
    if name in _MODULE_OF:
        found = globals()[name] = getattr(_importlib.import_module(_MODULE_OF[name]), name)
        return found
    raise AttributeError(f"module 'functad.lax' has no attribute {name!r}")


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
    *_MODULE_OF,
]


def __dir__() -> list[str]:
    return sorted(__all__)
