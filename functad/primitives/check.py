"""The ``check`` equation: raises an exception of the user's, unless a boolean is true.

``raise`` in a branch on a traced condition is ``check False`` in the branch, which is taken where the check fails:

    check(ok, failure, *operands)      =      cond(ok, { check[failure] False operands }, {})

So nothing is computed for it where all is well, and what holds of branches holds of checks: one that is not reached
raises nothing, and under ``vmap`` each lane decides for itself. A branch that may raise is never dropped, nor moved out
of what it stands in (``may_raise``).

What is raised is made when it is: a `Failure` is a Python function of the values that its message shows.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from functad.core.primitive import Primitive, Sample, type_of
from functad.errors import DtypeError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.native import NativeFunction, reads
from functad.kernel_ir.rules import Statements
from functad.primitives.cond import cond_p
from functad.primitives.convert import convert
from functad.primitives.lanes import map_over_lanes
from functad.transforms.programs import trace_program

__all__ = ["Failure", "check", "check_p"]

Form = tuple[tuple[np.dtype, int], ...]


class Failure:
    """What a failed check raises: ``make(*values)`` of NumPy's arrays and scalars; equal where ``identity`` is."""

    def __init__(self, make: Callable[..., BaseException], identity: Hashable = None) -> None:
        self.make = make
        self.identity = make if identity is None else identity
        self.derived: dict[Any, Any] = {}
        self._native: dict[Form, NativeFunction] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Failure, (self.make,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        return getattr(self.make, "__name__", type(self.make).__name__)

    def __call__(self, ok: Any, *operands: Any) -> None:
        """Raise it, unless all is well; the function gets copies."""
        if not ok:
            raise self.make(*[np.array(x)[()] for x in operands])

    def native(self, form: Form) -> NativeFunction:
        """What native code calls for operands of this form."""
        if form not in self._native:
            symbol = f"functad_failure_{next(_numbers)}"
            self._native[form] = NativeFunction(symbol, operands=tuple([reads(*k) for k in form]), evaluate=self)
        return self._native[form]


_numbers = itertools.count()


def check(ok: Any, failure: Failure, *operands: Any) -> None:
    """Raise an exception of these values, unless a traced boolean is true."""
    types = [type_of(x) for x in operands]
    fails = trace_program(functools.partial(_fails, failure), types)
    cond_p.bind(convert(ok, dtype=np.dtype(np.int64)), *operands, branches=(fails, trace_program(lambda *_: [], types)))


def _fails(failure: Failure, *operands: Any) -> list[Any]:
    check_p.bind(np.False_, *operands, failure=failure)
    return []


def _type_rule(ok: ArrayType, *types: ArrayType, failure: Failure) -> tuple[ArrayType, ...]:
    if ok is not array_type((), np.bool_):
        raise DtypeError(f"check: expected a boolean, got {ok}")
    return ()


def _evaluate(ok: Any, *operands: Any, failure: Failure) -> tuple[Any, ...]:
    failure(ok, *operands)
    return ()


def _native(ctx: Any, in_types: Any, out_types: Any, *, failure: Failure) -> None:
    function = failure.native(tuple([(t.dtype, t.ndim) for t in in_types]))
    ctx.call(function, *[ctx.input(k) for k in range(len(in_types))])


def _batch(size: int, batched: Sequence[Any], *operands: Any, failure: Failure) -> tuple[Sequence[Any], Sequence[Any]]:
    return map_over_lanes(check_p, size, batched, operands, {"failure": failure})


def _sample_error(x: Any, n: Any) -> BaseException:
    return ValueError(f"x is {x}, n is {n}")


def _samples() -> list[Sample]:
    return [Sample((np.True_, np.arange(3.0), np.int64(2)), {"failure": Failure(_sample_error)})]


check_p = Primitive(
    "check",
    type_rule=_type_rule,
    evaluate=_evaluate,
    multiple_results=True,
    may_raise=True,
    of_python=True,
    batch=_batch,
    kernel=Statements(_native),
    samples=_samples,
)
