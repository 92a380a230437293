"""Functions of neural networks, under JAX's names; initialisers of weights are in ``fd.nn.initializers``."""

import importlib as _importlib
from typing import Any as _Any

from functad.nn.activations import elu, gelu, leaky_relu, one_hot, relu, sigmoid, silu, softplus
from functad.nn.exponentials import log_softmax, logmeanexp, logsumexp, softmax
from functad.nn.operands import floating as floating

swish = silu

# what is rarely used is imported when it is; initialisers draw random numbers, which are made of all that is below
_MODULE_OF = {
    "dot_product_attention": "functad.nn.attention",
    "standardize": "functad.nn.attention",
    **dict.fromkeys(
        [
            *("celu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity", "mish"),
            *(
                "log1mexp",
                "log_sigmoid",
                "relu6",
                "selu",
                "soft_sign",
                "sparse_plus",
                "sparse_sigmoid",
                "squareplus",
                "tanh",
            ),
        ],
        "functad.nn.more_activations",
    ),
    **dict.fromkeys(["conv", "conv_transpose"], "functad.convolution.layers"),
    **dict.fromkeys(["avg_pool", "max_pool", "min_pool"], "functad.convolution.windows"),
}


def __getattr__(name: str) -> _Any:
    if name == "initializers":
        found: _Any = _importlib.import_module("functad.random.initializers")
    elif name in _MODULE_OF:
        found = getattr(_importlib.import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'functad.nn' has no attribute {name!r}")
    globals()[name] = found
    return found


__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "logmeanexp",
    "logsumexp",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "swish",
    *_MODULE_OF,
]


def __dir__() -> list[str]:
    return sorted(__all__)
