"""A kernel program as the text of a Python module of ``@njit`` functions: one for each kernel with loops, and a driver.

    driver(inputs..., outputs..., sizes..., status)

Arrays are C-contiguous; a scalar is an array of rank 0, a complex array one of real pairs with a trailing axis of
length 2. ``status`` are two int64: an error code, 0 where all is well, and what the check with that code found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from functad.errors import UnsupportedError
from functad.kernel_ir.control import SequenceBuffer
from functad.kernel_ir.native import NativeFunction
from functad.kernel_ir.nodes import KernelProgram
from functad.lower.numba.memory import Module
from functad.lower.numba.names import Names
from functad.lower.numba.shown import NOTHING, Shown
from functad.lower.numba.statements import write_driver
from functad.lower.numba.support import FUNCTIONS, INTRINSICS, sources

__all__ = ["DRIVER", "Printed", "Shown", "print_module"]

DRIVER = "driver"


@dataclass(frozen=True)
class Printed:
    """The text of a module, and the native functions that it calls by name without defining them."""

    text: str
    natives: dict[str, NativeFunction]


def print_module(program: KernelProgram, doc: str = "", shown: Shown = NOTHING) -> Printed:
    """The module of a program, with what is ``shown`` of the user's code.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> from functad.lower.kernels import kernels_of
    >>> _, fused, _ = kernels_of(fd.make_ir(lambda x: np.sin(x) ** 2)(np.zeros(100)))
    >>> print(print_module(fused.program).text.partition("def driver")[2])
    (in0, out0, n0, status):
        square(in0, out0, n0)
    <BLANKLINE>
    """
    for buffer in (*program.inputs, *program.outputs):
        if isinstance(buffer, SequenceBuffer):
            raise UnsupportedError(
                "the Numba backend takes and gives no sequences of run-time length; use the native one"
            )
    names = Names({DRIVER, "math", "np", "njit", "intrinsic", *FUNCTIONS, *INTRINSICS})
    outputs = [names.new(f"out{k}") for k in range(len(program.outputs))]
    names.taken |= {"status", *[f"n{k}" for k in range(program.symbols)]}
    inputs = [names.new(re.sub(r"\W+", "_", name).strip("_")) for name in shown.inputs[: len(program.inputs)]]
    inputs += [names.new(f"in{k}") for k in range(len(inputs), len(program.inputs))]
    module = Module(names=names, shown=shown)
    lines = write_driver(program, module, inputs, outputs)
    head = ", ".join([*inputs, *outputs, *[f"n{k}" for k in range(program.symbols)], "status"])
    driver = "\n".join([
        '@njit(error_model="numpy")', f"def {DRIVER}({head}):", *[f"    {line}" for line in lines or ["return"]]
    ])  # fmt: skip
    support = sources(sorted(module.support))
    imports = "from numba import njit"
    if any(text.startswith("@intrinsic") for text in support):
        imports += "\nfrom numba.extending import intrinsic"
    parts = [f"import math\n\nimport numpy as np\n{imports}", *support, *module.functions, driver]
    return Printed("\n\n\n".join(([f'"""{doc}"""'] if doc else []) + parts) + "\n", module.natives)
