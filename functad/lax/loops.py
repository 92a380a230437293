"""``scan``, ``while_loop``, ``fori_loop``, ``map`` and ``associative_scan``."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from functad.core.capture import Leaf, as_leaf
from functad.core.tracer import Tracer
from functad.core.zeros import repeated
from functad.errors import AxisError, DtypeError, ShapeError, StructureError
from functad.front.calls import twin
from functad.lax.bodies import (
    Body,
    abstract,
    check_boolean,
    check_carry,
    leaves_and_tree,
    promoted,
    reused,
    trace_body,
    wrap,
)
from functad.lax.chunks import map_in_chunks, positive
from functad.lax.segments import run_blocks, run_checkpointed, scan_blocks
from functad.numpy import concatenate
from functad.primitives.convert import convert
from functad.primitives.loop_body import bind_loop
from functad.primitives.while_loop import bind_while
from functad.tree.containers import TreeDef, flatten, unflatten
from functad.tree.mapping import map as tree_map

__all__ = ["associative_scan", "fori_loop", "map", "scan", "while_loop"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    checkpoint: Literal["sqrt", "binomial"] | int | None = None,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` over the first axis of ``xs``, and return the last carry and all ``y`` along a new
    first axis.

    Parameters
    ----------
    f
        Takes the carry and one element of ``xs``, each a container; returns the next carry, of the same structure and
        types, and a container (or None).
    init
        The first carry.
    xs
        A container of arrays with equal first axes, or None.
    length
        The number of steps, needed where ``xs`` is None.
    reverse
        Whether to run from the last element to the first.
    unroll
        How many steps native code makes in a turn; True: all of them, so that no loop is left. It pays where a step is
        a few elementwise operations on arrays, which then go through memory once a turn (Horner's rule for 1000 points
        at once: three times as fast with 4), and where there are a few steps on scalars. The loop by itself costs next
        to nothing, and compilation takes longer. The steps are the same operations in the same order; only how native
        code groups long sums may depend on it.
    checkpoint
        How reverse mode saves memory. ``"sqrt"`` or an integer, the number of carries that are held: only the carry at
        the start of each of so many segments is saved, and the residuals of one segment at a time; every step is
        computed twice. With n steps and ``"sqrt"``, about 2 sqrt(n) of them are in memory at once. ``"binomial"``:
        segments within segments, 16 to each. At most 31 (1 + log16 n) carries and the residuals of 31 steps are in
        memory at once, and each step is computed at most 1 + log16 n times: for a million steps 89 carries, and 5 times
        (that memory and repetitions can both be logarithmic: Griewank and Walther, "Algorithm 799: revolve", ACM TOMS
        26 (2000)).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.scan(lambda c, x: (c + x, c * x), 0.0, np.array([1.0, 2.0, 3.0]))
    (np.float64(6.0), array([0., 2., 9.]))
    """
    items, x_tree = leaves_and_tree(xs, "xs of scan")
    n = scan_length(items, length)
    blocks = None if checkpoint is None else scan_blocks(checkpoint, n)
    k = steps_in_turn("scan", unroll, n)
    elements = [abstract(leaf.type.with_shape(leaf.type.shape[1:])) for leaf in items]

    def step(carry_tree: TreeDef, count: int, values: Sequence[Any]) -> Any:
        result = twin(f)(unflatten(carry_tree, values[:count]), unflatten(x_tree, values[count:]))
        if not (isinstance(result, tuple | list) and len(result) == 2):
            raise StructureError(
                f"scan: the body must return a pair (carry, y), got {type(result).__name__}; return (carry, None) for "
                "no y"
            )
        return result

    carry, body, tree = trace_carry("scan", init, elements, step, lambda t: t.child(0))
    start, elements_of = [c.value for c in carry], [x.value for x in items]
    if blocks is None:
        state, ys = bind_loop(body.program, body.consts, start, elements_of, length=n, reverse=reverse, unroll=k)
    else:
        state, ys = run_blocks(body.program, body.consts, start, elements_of, blocks, reverse, k)
    return wrap(state, tree), wrap(ys, body.tree.child(1))


def scan_length(items: Sequence[Leaf], length: int | None) -> int:
    """The number of steps of a scan."""
    sizes = set()
    for leaf in items:
        if not leaf.type.ndim:
            raise ShapeError(
                f"scan runs over the first axis of xs, but one of its leaves is {leaf.type}; close over it instead"
            )
        sizes.add(leaf.type.shape[0])
    if length is not None:
        sizes.add(_length(length))
    if not sizes:
        raise StructureError("scan: without xs the number of steps must be given: length=n")
    if len(sizes) > 1:
        raise ShapeError(f"scan: the first axes of xs (and length) must agree, got {sorted(sizes)}")
    return int(sizes.pop())


def _length(length: Any) -> int:
    try:
        n = operator.index(length)
    except TypeError:
        n = -1
    if n < 0:
        raise StructureError(f"scan: length={length!r}; expected the number of steps, an integer that is not negative")
    return n


def steps_in_turn(what: str, unroll: Any, n: int) -> int:
    """The number of steps that are to be made in a turn of a loop of n."""
    if isinstance(unroll, bool | np.bool_):
        return max(n, 1) if unroll else 1
    return positive(what, "unroll", unroll, "steps in a turn, or True for all of them")


def trace_carry(
    what: str, init: Any, elements: Sequence[Leaf], step: Callable[..., Any], carry_part: Callable[[TreeDef], TreeDef]
) -> tuple[list[Leaf], Body, TreeDef]:
    """Trace a body until the carry that it gives is the one that it takes; Python numbers in the first carry follow the
    body's dtypes.
    """
    carry, tree = leaves_and_tree(init, f"the carry of {what}")
    while True:
        start = [abstract(c.type, c.kind) for c in carry]
        body = trace_body(functools.partial(step, tree, len(carry)), [*start, *elements], what)
        out_tree = carry_part(body.tree)
        types = body.program.out_types[: out_tree.num_leaves]
        larger = promoted(carry, types) if out_tree == tree else None
        if larger is None:
            check_carry(what, carry, tree, types, out_tree)
            return carry, reused(body), tree
        carry = larger


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    checkpoint: Literal["sqrt", "binomial"] | int | None = None,
) -> Any:
    """``val = init_val``, then ``val = body_fun(val)`` while ``cond_fun(val)``.

    It is differentiated in reverse mode too, with no bound on the number of steps.

    Parameters
    ----------
    cond_fun
        Returns a scalar boolean.
    body_fun
        Returns a container of the structure and types of its argument.
    checkpoint
        How reverse mode saves memory, at the price of computing steps again. ``"binomial"`` (or an integer: see below)
        holds 100 carries and the residuals of 16 steps, however many steps there turn out to be. Each step is computed
        at most 2 + t times, t being 1 up to 20,800 steps, 2 up to 551,200, 3 up to 9.9 million, and 4 up to 136
        million. With ``"sqrt"``, each step is computed twice; segments grow by one step each time, so after n steps
        about sqrt(2 n) carries, and the residuals of as many steps, are in memory at once. An integer is the number of
        carries that are held, as in `scan`.

    Notes
    -----
    The sweep forward does not know how far it will go, so it keeps carries at equal distances, of 16 steps at first, in
    half of the slots: k of s, an even number or one. When these are full, every second carry goes, and distances
    double; they stay below 2 n / k after n steps. On the way back the length between two carries is known, and c = s -
    k + 1 slots, or more, are there for it; b(c, t) = binomial(c + t, t) blocks of 16 steps need then at most t
    repetitions of each (Griewank and Walther, "Algorithm 799: revolve", ACM TOMS 26 (2000)). So t is the least number
    with b(c, t) >= n / (8 k); each step is computed once more on the sweep forward, and once more with its residuals.
    (Carries kept on the way to an unknown end: Heuveline and Walther, Euro-Par 2006; Wang, Moin and Iaccarino, SIAM J.
    Sci. Comput. 31 (2009); Stumm and Walther, SIAM J. Sci. Comput. 32 (2010). Those schedules need a repetition less
    for some n, and store a carry at nearly every step.)

    Of a carry only those parts are held that the recomputation of other steps needs: neither sums nor results that are
    only written to. Higher derivatives, forward over reverse or reverse over reverse, hold no more; but with `vmap`
    between two reverse modes (`jacrev` of `jacrev`), residuals of all steps are held.

    Examples
    --------
    >>> import functad as fd
    >>> fd.grad(lambda x: fd.lax.while_loop(lambda v: v < 100.0, lambda v: v * v, x))(3.0)
    np.float64(17496.0)

    A hundred thousand steps in the memory of a hundred:

    >>> def step(v):
    ...     return v[0] + 1, v[1] - 1e-5 * v[1] ** 2
    >>> def decay(y):
    ...     return fd.lax.while_loop(lambda v: v[0] < 100_000, step, (0, y), checkpoint="binomial")[1]
    >>> round(fd.jit(fd.grad(decay))(1.0), 6)
    np.float64(0.249997)
    """
    carry, body, tree = trace_carry(
        "while_loop", init_val, (), lambda t, _, xs: twin(body_fun)(unflatten(t, xs)), lambda t: t
    )
    leaves = [abstract(c.type) for c in carry]
    test = reused(trace_body(lambda xs: twin(cond_fun)(unflatten(tree, xs)), leaves, "while_loop"))
    types = test.program.out_types
    if test.tree.num_nodes != 1 or not types:
        raise DtypeError(f"while_loop: the condition must return a scalar boolean, got {test.tree}")
    check_boolean("while_loop", "the condition must return", types[0])
    start = [c.value for c in carry]
    if checkpoint is None:
        state, _, _ = bind_while(test.program, body.program, test.consts, body.consts, start)
    else:
        state = run_checkpointed(test.program, body.program, test.consts, body.consts, start, checkpoint)
    return wrap(state, tree)


def fori_loop(
    lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any, *, unroll: int | bool | None = None
) -> Any:
    """``val = body_fun(i, val)`` for i from ``lower`` to ``upper - 1``; the bounds may be traced integers.

    Parameters
    ----------
    unroll
        How many steps native code makes in a turn, as for `scan`; only where the bounds are not traced.

    Examples
    --------
    >>> import functad as fd
    >>> fd.grad(lambda x: fd.lax.fori_loop(0, 3, lambda i, v: v * x, 1.0))(2.0)
    np.float64(12.0)
    """
    bounds = [as_leaf(b, lambda: "a bound of fori_loop") for b in (lower, upper)]
    for b in bounds:
        if b.type.shape != () or b.type.dtype.kind not in "iu":
            raise DtypeError(f"fori_loop takes integer bounds, got {b.type}")
    first, last = [b.value if b.type.dtype == np.int64 else convert(b.value, np.dtype(np.int64)) for b in bounds]

    def step(tree: TreeDef, count: int, xs: Sequence[Any]) -> Any:
        i, value = unflatten(tree, xs)
        return i + 1, twin(body_fun)(i, value)

    carry, body, tree = trace_carry("fori_loop", (first, init_val), (), step, lambda t: t)
    static = not isinstance(first, Tracer) and not isinstance(last, Tracer)
    values = [c.value for c in carry]
    if static:
        n = max(int(last) - int(first), 0)
        state, _ = bind_loop(
            body.program,
            body.consts,
            values,
            (),
            length=n,
            unroll=steps_in_turn("fori_loop", 1 if unroll is None else unroll, n),
        )
    elif unroll in (None, False, 1):
        state, _ = bind_loop(body.program, body.consts, values, (), length=None, steps=[np.maximum(last - first, 0)])
    else:
        raise StructureError(
            f"fori_loop: unroll={unroll!r} needs bounds that are known when it is traced, but they are traced values; "
            "leave it out"
        )
    return wrap(state, tree)[1]


def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """``f`` of each element along the first axis of ``xs``, one after the other (`vmap` does all at once).

    Parameters
    ----------
    batch_size
        So many elements at a time go through a ``vmap`` of ``f``, and what remains at the end in one more: as fast as
        that where ``f`` is a few operations, in the memory of one batch.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.map(np.sin, np.zeros(3))
    array([0., 0., 0.])
    """
    if batch_size is None:
        return scan(lambda _, x: (None, twin(f)(x)), None, xs)[1]
    size = positive("map", "batch_size", batch_size, "elements at a time")
    items, tree = leaves_and_tree(xs, "xs of map")
    n = scan_length(items, None)
    body = trace_body(
        lambda xs: twin(f)(unflatten(tree, xs)), [abstract(x.type.with_shape(x.type.shape[1:])) for x in items], "map"
    )
    args, batched = [*body.consts, *[x.value for x in items]], [False] * len(body.consts) + [True] * len(items)
    outs, flags = map_in_chunks(body.program, n, size, args, batched)
    return wrap([y if flag else repeated(y, n) for y, flag in zip(outs, flags, strict=True)], body.tree)


def associative_scan(fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """All prefixes of an associative operation along an axis: ``[e0, fn(e0, e1), fn(fn(e0, e1), e2), ...]``.

    ``fn`` takes and returns containers of arrays and is applied to whole slices, about ``2 log2 n`` times (Blelloch,
    "Prefix sums and their applications", CMU-CS-90-190, 1990).

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.lax.associative_scan(np.multiply, np.array([1.0, 2.0, 3.0, 4.0]))
    array([ 1.,  2.,  6., 24.])
    """
    items, tree = leaves_and_tree(elems, "elems of associative_scan")
    for leaf in items:
        if not -leaf.type.ndim <= axis < leaf.type.ndim:
            raise AxisError(f"associative_scan runs along axis {axis}, but one of the leaves of elems is {leaf.type}")
    if len(sizes := sorted({leaf.type.shape[axis] for leaf in items})) > 1:
        raise ShapeError(f"associative_scan: the leaves of elems must have one length along axis {axis}, got {sizes}")
    if not items:
        return elems
    moved = tree_map(lambda x: np.moveaxis(x, axis, 0), tree.unflatten([leaf.value for leaf in items]))
    if reverse:
        moved = tree_map(lambda x: np.flip(x, 0), moved)
    result = _prefixes(fn, moved)
    if reverse:
        result = tree_map(lambda x: np.flip(x, 0), result)
    return tree_map(lambda x: np.moveaxis(x, 0, axis), result)


def _prefixes(fn: Callable[[Any, Any], Any], elems: Any) -> Any:
    leaves, structure = flatten(elems)
    n = leaves[0].shape[0]
    if n < 2:
        return elems
    # pairs e0 e1, e2 e3, ...: their prefixes are every second one; the others are one element more
    pairs = fn(tree_map(lambda x: x[: n - 1 : 2], elems), tree_map(lambda x: x[1::2], elems))
    if flatten(pairs)[1] != structure:
        raise StructureError(
            f"associative_scan: fn takes two containers of structure {structure} and returns one of structure "
            f"{flatten(pairs)[1]}"
        )
    odd = _prefixes(fn, pairs)
    until = n // 2 if n % 2 else n // 2 - 1
    rest = fn(tree_map(lambda x: x[:until], odd), tree_map(lambda x: x[2::2], elems))
    even = tree_map(lambda x, r: concatenate([x[:1], r]), elems, rest)
    return tree_map(_interleave, even, odd)


def _interleave(even: Any, odd: Any) -> Any:
    n = odd.shape[0]
    both = np.stack([even[:n], odd], 1).reshape((2 * n, *odd.shape[1:]))
    return both if even.shape[0] == n else concatenate([both, even[n:]])
