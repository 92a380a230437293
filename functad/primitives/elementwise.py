"""The declaration of an elementwise primitive: one call gives all its rules.

Operands have one dtype and one shape, or rank 0: a rank-0 operand broadcasts, all other broadcasting is an equation of
its own. With tangents ``t_k`` of operands ``x_k`` the tangent of ``y = f(x_0, x_1, ...)`` is the sum over k of
``jvp[k](t_k, y, x_0, x_1, ...)``, each term linear in ``t_k``.

Rules are differentiated again for higher orders, so they are written in primitives whose own derivatives are right at
the same points. A rule whose factors may be infinite is that of a ``singular`` primitive: a zero tangent stays zero
there (``transforms/strong.py``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functad.core.location import here
from functad.core.primitive import Linear, Primitive, Sample, Singular, type_of
from functad.core.zeros import add
from functad.errors import DtypeError, ShapeError, UnsupportedError
from functad.ir.types import ArrayType, array_type
from functad.kernel_ir.ops import NUMPY, in_single
from functad.kernel_ir.rules import KernelRule, Pointwise
from functad.primitives.broadcasting import broadcast, sum_all

__all__ = ["Op", "Unknown", "elementwise", "formula", "of_complex", "single_rounding", "unbroadcast"]

TangentRule = Callable[..., Any]


@dataclass(frozen=True)
class Unknown:
    """In place of a rule, for an operand in which the derivative is not known: an error that names both."""

    function: str
    argument: str

    def __call__(self, t: Any, *operands: Any, **params: Any) -> Any:
        raise UnsupportedError(
            f"{self.function}{here()}: its derivative in the argument {self.argument!r} is not known; keep "
            f"{self.argument!r} out of what is differentiated (fd.stop_gradient takes that derivative for 0)"
        )


ResultDtype = Callable[..., np.dtype]

DTYPES: dict[str, tuple[type, ...]] = {
    "f": (np.float64, np.float32),
    "c": (np.complex128, np.complex64),
    "i": (np.int64, np.int32),
    "u": (np.uint8,),
    "b": (np.bool_,),
}
"""The dtypes that samples of each kind are drawn from."""

KIND_NAMES = {"f": "floating", "c": "complex", "i": "integer", "u": "unsigned", "b": "bool"}

PYTHON_NUMBERS = frozenset((int, float, complex))


class Op:
    """A strict primitive as a function; Python numbers take the dtype of the first array operand."""

    def __init__(self, primitive: Primitive, doc: str) -> None:
        self.primitive = primitive
        self.__doc__ = doc

    def __call__(self, *args: Any, **params: Any) -> Any:
        for a in args:
            if type(a) in PYTHON_NUMBERS:
                scalar = next(b for b in args if type(b) not in PYTHON_NUMBERS).dtype.type
                args = tuple([scalar(b) if type(b) in PYTHON_NUMBERS else b for b in args])
                break
        return self.primitive.bind(*args, **params)

    def __repr__(self) -> str:
        return f"<strict function {self.primitive.name}>"


def elementwise(
    name: str,
    evaluate: Callable[..., Any],
    *,
    kinds: str,
    jvp: Sequence[TangentRule | None] | TangentRule | None = None,
    kernel: str | Callable[..., Any] | KernelRule | None = None,
    scalar_kernel: Callable[..., Any] | KernelRule | None = None,
    operands: int = 1,
    result: ResultDtype | None = None,
    linear: str | tuple[int, ...] | None = None,
    transpose: Callable[..., Any] | None = None,
    low: float = -2.0,
    high: float = 2.0,
    smooth: bool = True,
    params: Sequence[Mapping[str, Any]] = ({},),
    may_raise: bool = False,
    cheap: bool = False,
    singular: Singular | Callable[..., Singular] = False,
    ufunc: Callable[..., Any] | None = None,
    infix: Callable[..., Any] | None = None,
    samples: Callable[[], Iterable[Sample]] | None = None,
    doc: str | None = None,
) -> Op:
    """Declare an elementwise primitive.

    If it has params, every rule takes them as keywords.

    Parameters
    ----------
    kinds
        NumPy kinds of dtype that it takes, of ``"fciub"``.
    jvp
        A rule an operand, ``rule(t, y, *xs)``; it gives None, or is None, where the derivative is zero, and is
        ``Unknown`` where that is not known.
    kernel
        The operation of the kernel IR (default: of the same name), or ``fn(b, *values)``.
    scalar_kernel
        The same for operands all of rank 0, where NumPy computes these otherwise than arrays.
    result
        The result's dtype from the operands' (default: the same).
    low, high, smooth
        Bounds of the samples, and whether finite differences may be compared there.
    params
        The params of the samples.
    samples
        In place of samples of every dtype, of edge shapes, with rank-0 operands in every position.
    ufunc, infix
        See ``Primitive``; ``evaluate`` where that is a ufunc.
    singular
        Whether its value, or a factor of its derivative, may be infinite or NaN where the operands are finite; see
        ``Primitive``.
    """
    rules = [jvp] if callable(jvp) else list(jvp or ())

    def type_rule(*types: ArrayType, **params: Any) -> ArrayType:
        out = broadcast_type(name, types)
        if out.dtype.kind not in kinds:
            raise DtypeError(
                f"{name} takes {' or '.join(KIND_NAMES[k] for k in kinds)} operands, got {out}; convert with .astype"
            )
        return out if result is None else out.with_dtype(result(out.dtype, **params))

    def jvp_rule(tangents: Sequence[Any], primals: Sequence[Any], out: Any, **params: Any) -> Any:
        total = None
        for t, rule in zip(tangents, rules, strict=True):
            if t is not None and rule is not None:
                total = add(total, rule(t, out, *primals, **params))
        return total if total is None else broadcast_like(total, out)

    rule = _kernel_rule(kernel or name)
    scalar_rule = None if scalar_kernel is None else _kernel_rule(scalar_kernel)
    primitive = Primitive(
        name,
        type_rule=type_rule,
        evaluate=evaluate,
        jvp=jvp_rule if any(rules) else None,
        transpose=transpose,
        linear=linear,
        batch=lambda size, batched, *xs, **params: (primitive.bind(*align_batched(size, batched, xs), **params), True),
        kernel=rule if scalar_rule is None else lambda types, _: rule if any(t.ndim for t in types) else scalar_rule,
        may_raise=may_raise,
        cheap=cheap,
        singular=singular,
        ufunc=evaluate if isinstance(evaluate, np.ufunc) else ufunc,
        infix=infix,
        undifferentiated=tuple([k for k, rule in enumerate(rules) if isinstance(rule, Unknown)]),
        samples=samples or (lambda: elementwise_samples(operands, kinds, low, high, smooth, params)),
    )
    return Op(primitive, doc or f"{name} of each element.")


def _kernel_rule(op: str | Callable[..., Any] | KernelRule) -> KernelRule:
    """What may be given as a kernel, as a rule."""
    if isinstance(op, KernelRule):
        return op
    return Pointwise(single_rounding(op) if callable(op) else (lambda b, *xs: getattr(b, op)(*xs)))


def of_complex(types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Whether an operation is one of complex numbers: some functions have their only poles off the real line."""
    return types[0].dtype.kind == "c"


def single_rounding(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of several operations, for float16 too: in float32, and rounded once (what ``in_single`` is to an
    evaluation).
    """

    def wide(b: Any, *xs: Any, **params: Any) -> Any:
        if xs[0].dtype != np.float16:
            return kernel(b, *xs, **params)
        y = kernel(b, *[b.cast(x, np.float32) for x in xs], **params)
        return b.cast(y, np.float16) if y.dtype == np.float32 else y

    return wide


def formula(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The NumPy evaluation of a function that is written once, in operations of the kernel IR.

    Branches that are not taken raise no warnings.
    """

    @in_single
    def evaluate(*xs: Any, **params: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(NUMPY, *xs, **params)[()]

    return evaluate


def broadcast_type(name: str, types: Sequence[ArrayType]) -> ArrayType:
    """The type of a strict elementwise operation on operands of these types."""
    out = types[0]
    for t in types[1:]:
        if t.dtype != out.dtype:
            raise DtypeError(f"{name} takes operands of one dtype, got {' and '.join(str(t) for t in types)}")
        if t.ndim and out.ndim and t.shape != out.shape:
            raise ShapeError(f"{name} takes operands of one shape, got {' and '.join(str(t) for t in types)}")
        out = out if out.ndim else t
    return out


def broadcast_like(value: Any, like: Any) -> Any:
    """A rank-0 value spread over the shape of another; anything else as it is."""
    shape = type_of(like).shape
    return broadcast(value, shape, ()) if shape and not type_of(value).ndim else value


def unbroadcast(ct: Any, operand: Linear) -> Any:
    """The cotangent of an operand that may have been broadcast from rank 0."""
    return sum_all(ct) if type_of(ct).ndim and not operand.type.ndim else ct


def align_batched(size: int, batched: Sequence[bool], operands: Sequence[Any]) -> list[Any]:
    """Operands of one rank for an elementwise primitive; unbatched rank-0 ones stay as they are."""
    shapes = [type_of(x).shape[1:] if flag else type_of(x).shape for x, flag in zip(operands, batched, strict=True)]
    common = max(shapes, key=len)
    if all([len(s) == len(common) if flag else not s for s, flag in zip(shapes, batched, strict=True)]):
        return list(operands)
    aligned = []
    for x, flag, shape in zip(operands, batched, shapes, strict=True):
        if len(shape) == len(common):
            aligned.append(x if flag or not shape else broadcast(x, (size, *shape), range(1, 1 + len(shape))))
        else:  # rank 0 among arrays
            aligned.append(broadcast(x, (size, *common), (0,)) if flag else x)
    return aligned


def elementwise_samples(
    operands: int, kinds: str, low: float, high: float, smooth: bool, params: Sequence[Mapping[str, Any]]
) -> Iterable[Sample]:
    """Every dtype at edge shapes, and rank-0 operands in every position."""
    for kind, shape, param in itertools.product(kinds, ((), (3,), (2, 1, 3), (0,)), params):
        for dtype in DTYPES[kind]:
            yield Sample((array_type(shape, dtype),) * operands, dict(param), low, high, smooth)
    first = DTYPES[kinds[0]][0]
    if operands > 1:
        for scalar in range(operands):
            yield Sample(
                tuple(array_type(() if i == scalar else (3,), first) for i in range(operands)),
                dict(params[0]),
                low,
                high,
                smooth,
            )
