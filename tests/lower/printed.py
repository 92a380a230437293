"""Running printed modules in tests: compiled by Numba, or by Python as they stand."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from functad.kernel_ir.nodes import KernelProgram
from functad.kernel_ir.ops import NUMPY
from functad.lower.llvm.target import Target
from functad.lower.numba.compiled import define, load
from functad.lower.numba.module import DRIVER, print_module
from tests.lower.native import shape_of

__all__ = ["Printed"]


class Printed:
    """The driver of a program's module; without ``compiled`` Python runs it, which says whether the text is right."""

    def __init__(self, program: KernelProgram, compiled: bool = True) -> None:
        printed = print_module(program)
        self.program, self.text, self.compiled = program, printed.text, compiled
        if compiled:
            self.scope = load(self.text)
            self.kept = [define(name, f, self.scope, Target.host()) for name, f in printed.natives.items()]
        else:
            plain = re.sub(
                r"^import.*|^from.*|^@njit.*|^@intrinsic\n(.+\n)+?\n(.+\n)+?\n(.+\n)", "", self.text, flags=re.M
            )
            # the module math raises where Numba's functions, as NumPy's, give NaN or an infinity
            functions = SimpleNamespace(erf=math.erf, erfc=math.erfc, lgamma=NUMPY.lgamma)
            self.scope = {"np": np, "math": functions, "fma": NUMPY.fma}
            self.scope |= {name: lambda *arrays, f=f: f.run(arrays) for name, f in printed.natives.items()}
            exec(compile(plain, "<printed>", "exec"), self.scope)

    def __call__(self, inputs: Sequence[Any], symbols: Sequence[int] = ()) -> tuple[list[np.ndarray], int]:
        arrays = [np.ascontiguousarray(x).reshape(np.shape(x)) for x in inputs]
        before = [x.tobytes() for x in arrays]
        outputs = [
            np.full(shape_of(b, symbols), True if b.dtype.kind == "b" else 0x55, b.dtype) for b in self.program.outputs
        ]
        status = np.zeros(2, np.int64)
        with np.errstate(all="ignore"):
            self.scope[DRIVER](*arrays, *outputs, *symbols, status)
        assert [x.tobytes() for x in arrays] == before, "an input was written to"
        return outputs, int(status[0])
