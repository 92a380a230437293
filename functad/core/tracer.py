"""``Tracer``: what a traced function sees in place of an array.

A tracer is a handle: a variable of a trace, and what kind of object the value would be in plain NumPy. Operators,
methods and the NumPy protocols are installed by ``functad.numpy``; here are only the handle itself and what Python asks
of every object.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from functad.core.demand import demand
from functad.core.location import here, leaves_operator, scipy_call
from functad.errors import TracerConversionError
from functad.ir.types import ArrayType
from functad.tree.containers import LEAVES

if TYPE_CHECKING:
    from functad.core.trace import Trace
    from functad.ir.program import Var

__all__ = ["ARRAY", "PLAIN_SCIPY", "PYTHON", "SCALAR", "Tracer", "Varying"]

PYTHON, SCALAR, ARRAY = 0, 1, 2
"""Kinds of tracer: a Python number (weak in promotion), a NumPy scalar, an array."""

PLAIN_SCIPY = (
    "this function of SciPy's takes plain values only. Those of scipy.linalg, most of scipy.special, and distributions "
    "of scipy.stats take traced ones, if the function that calls them has a source; else write in NumPy what it "
    "computes, or give it derivatives: fd.custom_jvp around fd.pure_callback"
)
"""What there is to say where SciPy asks a traced value for its elements."""


class Tracer:
    """A traced value. Use it as the array or number that it stands for.

    Its public attributes are those of an array, and ``at``: code that asks a value for other names (``x.type``,
    ``hasattr(x, "variable")``) finds on it what it finds on an array.
    """

    __slots__ = ("__weakref__", "_kind", "_memory", "_owner", "_variable")

    __array_priority__ = 1000.0
    __pandas_priority__ = 10_000  # pandas leaves operators to what has a higher one than a data frame's

    def __init__(self, var: Var, trace: Trace, kind: int) -> None:
        self._variable = var
        self._owner = trace
        self._kind = kind
        self._memory: Any = None  # what it shares memory with: an Owner or a View of ``core.handles``

    @property
    def _type(self) -> ArrayType:
        """The type in the IR."""
        return self._variable.type

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, as of an array."""
        return self._variable.type.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype, as of an array."""
        return self._variable.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._variable.type.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._variable.type.size

    @property
    def base(self) -> Tracer | None:
        """What the value is a view of, as of an array."""
        return getattr(self._memory, "root", None)

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return int(self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    def __len__(self) -> int:
        if not self._variable.type.shape:
            raise TypeError("len() of a traced value without axes")
        return self._variable.type.shape[0]

    def __repr__(self) -> str:
        value = self._owner.value(self._variable) if self._owner.open else None
        known = (
            f" = {np.array2string(np.asarray(value), threshold=8, precision=6)}"
            if isinstance(value, np.ndarray | np.generic)
            else ""
        )
        return f"Tracer({self._variable.type} under {self._owner.kind}{known})"

    # -- what Python may ask of a value --------------------------------------------------------------------------------

    def _scalar(self, asked: str) -> Any:
        if self.size != 1:
            raise TracerConversionError(
                f"{asked} of a traced {self._type}{here()}: only a value with one element can be converted; use "
                "np.any, np.all or an index"
            )
        value = self._owner.force(self._variable, asked)
        return value if isinstance(value, np.generic) else np.asarray(value).reshape(())[()]

    def __bool__(self) -> bool:
        return bool(self._scalar("the truth value"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TracerConversionError(
                f"a traced {self._type} was used as an index{here()}: only integers can be; use .astype(int)"
            )
        return operator.index(self._scalar("the integer value"))

    def __int__(self) -> int:
        if self._type.inexact and self._constant() is None:
            raise self._loses("int()", "np.floor(x) to stay traced, or fd.stop_gradient(x) for a plain value")
        return int(self._scalar("the integer value"))

    def __float__(self) -> float:
        if self._type.inexact and self._constant() is None:
            raise self._loses(
                "float()", "the traced value itself as a number, and NumPy's functions, not those of math"
            )
        return float(self._scalar("the value"))

    def __complex__(self) -> complex:
        raise self._loses("complex()", "the traced value itself, or x.astype(complex)")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if leaves_operator():
            held = np.empty((), object)
            held[()] = self
            return held
        constant = self._constant() if self._type.inexact else None
        if constant is not None:
            return np.array(constant, dtype)
        if self._type.inexact:
            raise self._loses(
                "np.asarray() (or writing it into a plain array)",
                "functad.numpy.asarray or np.stack, and np.zeros of functad.numpy for an array to write to; an array a "
                "of another library on the left of an operator asks for this: write np.asarray(a)",
            )
        value = self._owner.force(
            self._variable, "np.asarray() (write functad.numpy.asarray(table)[index] to index a plain array)"
        )
        return np.array(value, dtype)

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TracerConversionError(f"iteration over a traced {self._type}{here()}, which has no axes")
        return (self[i] for i in range(self.shape[0]))  # type: ignore[index]

    def __hash__(self) -> int:
        if self._kind == PYTHON and self._owner.open:
            demand(self._owner, self._variable)
        raise TypeError(
            f"a traced {self._type} cannot be hashed{here()}, as an array cannot; use id(x) or a static argument"
        )

    def _constant(self) -> Any:
        """The value, if it depends on nothing that is traced; else None."""
        if not self._owner.open:
            return None
        value = self._owner.known_constant(self._variable)
        return value if isinstance(value, np.ndarray | np.generic) else None

    def __reduce__(self) -> Any:
        raise TracerConversionError(
            f"a traced {self._type} cannot be pickled{here()}: it has a meaning only while the function under "
            f"{self._owner.kind} is traced; return it from that function, and pickle the result"
        )

    def _loses(self, what: str, instead: str) -> TracerConversionError:
        advice = f"; use {instead}" if scipy_call() is None else f": {PLAIN_SCIPY}"
        return TracerConversionError(
            f"{what} of a traced {self._type}{here()} would lose its derivative under {self._owner.kind}{advice}"
        )


class Varying:
    """The base of what stands for an array whose shape is traced (``numpy.ragged``): operators of tracers leave it to
    answer for itself.
    """

    __slots__ = ()

    def reflected(self, symbol: str, x: Any) -> Any:
        """``x symbol self``, of a traced array x."""
        raise NotImplementedError

    def like(self, value: Any, dtype: Any) -> Any:
        """A new array of this shape that holds one number, in this dtype or its own (None)."""
        raise NotImplementedError

    def as_array(self, what: str) -> Any:
        """The traced array that it is, if its shape is known; else an error that says what to write for ``what``."""
        raise NotImplementedError


LEAVES.add(Tracer)
