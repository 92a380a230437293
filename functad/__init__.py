"""functad: JIT-compiled functional transforms for NumPy code on CPUs.

>>> import functad as fd, numpy as np
>>> fd.grad(lambda x: np.sum(np.sin(x) ** 2))(np.array([0.0, 0.5]))
array([0.        , 0.84147098])
"""

import importlib as _importlib
from typing import Any as _Any

from functad import config as config
from functad import errors as errors
from functad import front as front
from functad import lax as lax
from functad import nn as nn
from functad import numpy as numpy
from functad import primitives as primitives
from functad import tree as tree
from functad.api.callbacks import io_callback
from functad.api.custom import custom_jvp, custom_vjp
from functad.api.explain import explain
from functad.api.gradients import grad, value_and_grad
from functad.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev, vhp
from functad.api.jit import jit
from functad.api.linear import jvp, linear_transpose, linearize, vjp
from functad.api.programs import eval_shape, make_ir, parse_ir
from functad.api.vectorize import vmap
from functad.caches import clear_caches
from functad.ir.types import ShapeDtypeStruct
from functad.lax.callback import pure_callback
from functad.lax.checkpoint import checkpoint, checkpoint_name
from functad.lax.stops import stop_gradient
from functad.numpy.updates import at
from functad.tree.flat import ravel as ravel_tree
from functad.tree.mapping import map as tree_map
from functad.version import VERSION

__version__ = VERSION
remat = checkpoint


# what is rarely used is imported when it is
_LATE_MODULES = ("debug", "export", "inspect", "ops", "random", "scipy", "testing")
_MODULE_OF = {
    "as_ufunc": "api.c_callables",
    "low_level_callable": "api.c_callables",
    "CustomVJPPrimal": "api.symbolic_zeros",
    "SymbolicZero": "api.symbolic_zeros",
    "closure_convert": "api.closures",
    "custom_gradient": "api.closures",
    "custom_vmap": "api.custom_batching",
    "from_numba": "api.opaque",
    "print_saved_residuals": "api.residuals",
    "profile": "inspect.profile",
    "saved_residuals": "api.residuals",
    "sequential_vmap": "api.custom_batching",
}


def __getattr__(name: str) -> _Any:
    if name in _LATE_MODULES:
        return _importlib.import_module(f"functad.{name}")
    if name in _MODULE_OF:
        found = globals()[name] = getattr(_importlib.import_module(f"functad.{_MODULE_OF[name]}"), name)
        return found
    raise AttributeError(f"module 'functad' has no attribute {name!r}")


def __dir__() -> list[str]:
    modules = ("config", "errors", "front", "lax", "nn", "numpy", "tree")
    return sorted(["__version__", *__all__, *modules, *_LATE_MODULES])


__all__ = [
    "CustomVJPPrimal",
    "ShapeDtypeStruct",
    "SymbolicZero",
    "as_ufunc",
    "at",
    "checkpoint",
    "checkpoint_name",
    "clear_caches",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "custom_vmap",
    "eval_shape",
    "explain",
    "from_numba",
    "grad",
    "hessian",
    "hvp",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "low_level_callable",
    "make_ir",
    "parse_ir",
    "print_saved_residuals",
    "profile",
    "pure_callback",
    "remat",
    "saved_residuals",
    "sequential_vmap",
    "ravel_tree",
    "stop_gradient",
    "tree_map",
    "value_and_grad",
    "vhp",
    "vjp",
    "vmap",
]
