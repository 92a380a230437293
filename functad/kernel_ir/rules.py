"""How a primitive states its native form: one of a few kinds of rule, each in terms of the kernel IR.

Rules are written against a ``Builder`` ``b`` (``kernel_ir.builder``): ``b.add(x, y)``, ``b.exp(x)``, ``b.select(p, x,
y)``, ``b.const(2.0, dtype)``, ``b.cast(x, dtype)``, ``b.axis(affine) -> int64 Value``. Operands are ``Value``s, or
``Complex`` pairs of them where the dtype is complex: the builder's operations take both. Sizes in types and params may
be ``Symbol``s, on which only ``==`` works: ``poly(size)`` makes arithmetic possible, and a rule must be right whatever
their values are (sizes up to ``lower.abstract.STATIC`` stay ints).

Inside a rule ``b.require(ok, "IndexOutOfBoundsError", "index {value} ... of size {0}", size, value=index)`` makes the
whole call raise that error of ``functad.errors``, at the user's location, where the bool Value ``ok`` is false; sizes
are put into the message when it is raised, and so is the int64 ``value``, if one is given, at the first point that
fails. The kernel may run on: clamp what was wrong.

A rule may be run several times (first to see what it reads), so it keeps no state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Alias", "Contraction", "KernelRule", "Pointwise", "Pull", "Reduction", "Statements"]


class KernelRule:
    """How a primitive becomes kernel code.

    ``static`` names the params whose ints are no sizes (exponents, orders): they stay numbers and are part of the
    code's key.
    """

    static: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pointwise(KernelRule):
    """``out[i] = fn(b, x[i], y[i], ..., **params)``; rank-0 operands broadcast.

    ``divisors`` are the operands that integers are divided by. Constants there are part of the code, which divides by
    a known number in a tenth of the time: it multiplies and shifts.
    """

    fn: Callable[..., Any]
    static: tuple[str, ...] = ()
    divisors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pull(KernelRule):
    """``out[index] = fn(b, index, reads, eqn_in_types, eqn_out_type, **params)``: any rule that says what one element
    of the result is.

    ``index`` is a tuple of ``Affine`` (one an axis of the result); ``reads[k](index_k, mask=None, fill=0)`` gives the
    element of operand k at an index of it, or ``fill`` where the boolean Value ``mask`` is false (its index may then
    lie outside). Broadcasting, slices, transposition, flip, pad, iota, gather and where are of this kind; nothing is
    stored, so they fuse into whatever reads them. ``random_access`` says that operand 0 is read at data-dependent
    indices: it must then be in memory. ``in_memory`` is the better way to compute the result where it has to be stored
    whole.
    """

    fn: Callable[..., Any]
    random_access: bool = False
    static: tuple[str, ...] = ()
    in_memory: Statements | None = None


@dataclass(frozen=True)
class Alias(KernelRule):
    """The result is the operand's memory under the result's shape, in row-major order (reshape)."""


@dataclass(frozen=True)
class Reduction(KernelRule):
    """``out = op over params['axes'] of fn(b, x)``; op is sum, prod, max, min, any or all; the result lacks the reduced
    axes.
    """

    op: str
    fn: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Contraction(KernelRule):
    """``dot_general(x, y, contract=(axes of x, axes of y), batch=(axes of x, axes of y))``; result axes: batch, free of
    x, free of y.
    """


@dataclass(frozen=True)
class Statements(KernelRule):
    """``fn(ctx, in_types, out_types, **params)`` appends, in order of execution, statements that fill the results'
    buffers.

    ``ctx.kernel(axes, fn, name)``
        A loop nest over ``axes`` (sizes, outermost first). ``fn(b, index)`` builds its body; ``index`` holds
        ``Affine.axis(i)`` of every axis.
    ``ctx.read(k)``
        ``read(index, mask=None, fill=0)``, for use inside the ``fn`` of a kernel: the element of operand k, as in a
        ``Pull`` rule. What computes the operand fuses into the kernel; it is not stored for this.
    ``ctx.input(k)``
        The ``Buffer`` of operand k, which is then in memory; never write to it.
    ``ctx.output(k=0)``
        The ``Buffer`` of result k. Its contents are undefined before; every element must be written.
    ``ctx.temp(shape, dtype)``
        A temporary ``Buffer``.
    ``ctx.spare(k)``
        A temporary ``Buffer`` of the type of result k.
    ``ctx.program(number, program)``
        The kernel program of a sub-Program of the equation; ``number`` counts them as ``ir.program.sub_programs`` does.
    ``ctx.append(statement)``
        Any other statement, a ``Product`` say.
    ``ctx.call(function, *buffers)``
        A call of a ``NativeFunction`` (``native.py``).
    ``ctx.check(error, message, *sizes)``
        An error code, for statements that take one; inside kernels use ``b.require``.

    Inside a kernel ``b.load(buffer, index)``, ``b.store(buffer, index, value)``, ``b.reduce(buffer, index, op, value)``
    and ``b.scatter(buffer, index, op, value)`` take the buffers above. The buffer of a complex array has a real dtype
    and a trailing axis of length 2; with an index for all axes but that one they move a ``Complex`` pair, so that rules
    need not distinguish. For example concatenation along axis 0::

        def concatenate(ctx, in_types, out_types):
            offset = poly(0)
            for k, t in enumerate(in_types):
                def part(b, index, k=k, offset=offset):
                    b.store(ctx.output(), (index[0] + offset, *index[1:]), ctx.read(k)(index))
                ctx.kernel(t.shape, part, "concatenate")
                offset = offset + t.shape[0]

    ``updates`` says that the result is operand 0, copied and then changed in a few places. The copy is left out where
    nothing reads the operand afterwards; so what is computed from the operand is then stored before.
    """

    fn: Callable[..., Any]
    static: tuple[str, ...] = ()
    updates: bool = False
