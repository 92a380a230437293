"""Writeable arrays that a jitted function closes over are hidden operands: read at each call, never copied, compared or
traced again.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import subprocess
import sys
import tracemalloc
import weakref

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.api.world.outside import MOST_BYTES
from functad.errors import IndexOutOfBoundsError
from functad.lower.entry.places import Unwritten

LARGE = MOST_BYTES // 8 + 100  # elements of an array that is not compared
X = np.linspace(0.5, 2.0, LARGE)


def counted(f):
    """A jitted function, and how often it has been traced."""
    traces = []

    def traced(*args):
        traces.append(len(args))
        return f(*args)

    return fd.jit(traced), traces


def the_only(f):
    """The one thing that a jitted function has been traced to."""
    ((traced,),) = f._traced.values()
    return traced


def compared(traced):
    """The arrays that are compared at each call."""
    return [g.array for g in traced.guards.guards if isinstance(g, Unwritten)]


@pytest.fixture(params=["native", "ctypes", "evaluator"], autouse=True)
def way(request):
    """Every test runs by both entries, and by the evaluator; not in debug mode, in which all arrays are compared."""
    flag = config.backend if request.param == "evaluator" else config.entry
    with flag(request.param), config.debug(False):
        yield request.param


def check_reads_anew(f, args, write, expected):
    """Results before and after writing are those of NumPy, and one trace does for both."""
    g, traces = counted(f)
    for _ in range(2):
        np.testing.assert_allclose(g(*args), expected(), rtol=1e-13)
    write()
    for _ in range(2):
        np.testing.assert_allclose(g(*args), expected(), rtol=1e-13)
    assert len(traces) == 1


def test_a_large_array_is_read_at_each_call():
    w = np.arange(1.0, LARGE + 1)
    check_reads_anew(lambda x: np.sum(np.sin(w * x) + w), (X,), lambda: w.fill(3.0), lambda: np.sum(np.sin(w * X) + w))


@pytest.mark.parametrize(
    ("shape", "view"),
    [
        ((LARGE,), lambda w: w[10:]),
        ((LARGE,), lambda w: w[::-1]),
        ((2 * LARGE,), lambda w: w[3::2]),
        ((LARGE, 2), lambda w: w.T),
        ((LARGE, 3), lambda w: w[:, 1]),
        ((3, LARGE, 2), lambda w: w.transpose(2, 0, 1)[1, ::-1, 5:-5:3]),
        ((LARGE,), lambda w: np.broadcast_to(w, (2, LARGE))),
        ((LARGE, 1), lambda w: np.broadcast_to(w[:, :, None], (LARGE, 3, 2))),
        ((LARGE, 2), lambda w: w.reshape(-1)[7:]),
        ((LARGE, 2), lambda w: w.reshape(2, -1)[::-1]),
        ((4, LARGE), lambda w: np.lib.stride_tricks.sliding_window_view(w, 2, 0)),
    ],
)
def test_views_made_inside_show_the_memory(shape, view):
    w = np.random.default_rng(0).normal(size=shape)
    check_reads_anew(
        lambda x: view(w) * x + 1.0,
        (2.0,),
        lambda: np.copyto(w, 5.0 + np.arange(w.size).reshape(shape)),
        lambda: view(w) * 2.0 + 1.0,
    )


def test_a_transposed_view_is_no_copy_at_each_call(way):
    w = np.asfortranarray(np.random.default_rng(0).normal(size=(300, 70)))
    f = fd.jit(lambda x: x @ w)
    np.testing.assert_allclose(f(np.ones(300)), np.ones(300) @ w)
    (operand,) = the_only(f).hidden
    assert operand.place.value.flags.c_contiguous and np.shares_memory(operand.place.value, w)


def test_arrays_without_axes():
    w = np.array(3.0)
    f = fd.jit(lambda x: x * w + w)
    assert f(2.0) == 9.0
    w[()] = 4.0
    assert f(2.0) == 12.0
    power = fd.jit(lambda x: x**w)
    assert power(2.0) == 16.0
    w[()] = 0.5
    assert power(4.0) == 2.0


def test_read_only_arrays_of_writeable_memory():
    w = np.ones(LARGE)
    locked, spread = w[:], np.broadcast_to(w, (2, LARGE))
    locked.flags.writeable = False
    check_reads_anew(lambda x: np.sum(locked * x), (X,), lambda: w.fill(2.0), lambda: np.sum(w * X))
    check_reads_anew(lambda x: np.sum(spread * x), (X,), lambda: w.fill(5.0), lambda: 2 * np.sum(w * X))
    owner = np.ones(LARGE)
    owner.flags.writeable = False

    def write():
        owner.flags.writeable = True
        owner.fill(7.0)
        owner.flags.writeable = False

    check_reads_anew(lambda x: np.sum(owner * x), (X,), write, lambda: np.sum(owner * X))


def test_what_nobody_can_write_to_is_a_constant():
    w = np.frombuffer(np.arange(LARGE, dtype=float).tobytes())
    f = fd.jit(lambda x: np.sum(w * x))
    np.testing.assert_allclose(f(X), np.sum(w * X))
    assert the_only(f).hidden == () and compared(the_only(f)) == []


def test_arrays_made_inside_are_constants():
    f = fd.jit(lambda x: np.sum(x * np.arange(1.0, 4.0)) + np.sum(x * np.arange(6.0).reshape(2, 3).T[:, 0]))
    assert f(np.ones(3)) == 9.0
    assert the_only(f).hidden == () and compared(the_only(f)) == []


def test_an_array_written_to_while_the_function_runs():
    def f(x):
        a = np.ones(3)
        y = x * a
        a[:] = 2.0
        return y + x * a

    assert fd.jit(f)(np.ones(3)).tolist() == [3.0, 3.0, 3.0]
    assert fd.jit(fd.grad(lambda x: np.sum(f(x))))(np.ones(3)).tolist() == [3.0, 3.0, 3.0]


def test_an_array_that_only_a_foreign_object_holds():
    class Model:
        __slots__ = ("w",)

    model = Model()
    model.w = np.ones(LARGE)
    check_reads_anew(lambda x: np.sum(model.w * x), (X,), lambda: model.w.fill(2.0), lambda: np.sum(model.w * X))


@pytest.mark.parametrize(
    "view",
    [lambda w: w[1:], lambda w: w.reshape(2, -1).T, lambda w: w[::-3], lambda w: np.broadcast_to(w, (2, w.size))],
)
def test_views_of_arrays_that_only_a_foreign_object_holds(view):
    class Model:
        __slots__ = ("w",)

    model = Model()
    model.w = np.arange(float(2 * LARGE))
    check_reads_anew(lambda x: view(model.w) * x, (2.0,), lambda: model.w.fill(3.0), lambda: view(model.w) * 2.0)


def test_one_operand_for_all_uses():
    w, v = np.ones(LARGE), np.ones(LARGE)
    inner = lambda x: np.sum(w * x)
    f = fd.jit(lambda x: inner(x) + np.sum(w + x) + np.sum(x * w[:] * v) + np.sum(np.minimum(w, x)))
    f(X)
    assert [h.place.value is a for h, a in zip(the_only(f).hidden, (w, v), strict=True)] == [True, True]


def test_no_use_copies_the_array():
    w = np.ones(1 << 20)
    f = fd.jit(lambda x: sum([np.sum(w * x * float(i)) for i in range(10)]))
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        f(2.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    if config.backend.value == "native":
        assert (
            peaks[0] < 3.2 * w.nbytes
        )  # one copy while the function is traced, to see whether it writes to the array itself
        assert peaks[1] < 1 << 16
    w[:] = 2.0
    assert f(1.0) == 2 * 45 * w.size


def test_argument_and_closed_over():
    w = np.arange(float(LARGE))
    check_reads_anew(lambda x: x + w, (w,), lambda: w.fill(3.0), lambda: w + w)


def test_results_do_not_alias():
    w = np.ones(LARGE)
    f = fd.jit(lambda x: (w, w[:5], w.T))
    for result in f(1.0):
        assert not np.shares_memory(result, w)
        result[0] = 7.0
    assert w[0] == 1.0


def test_another_shape_dtype_or_layout_in_place():
    w = np.arange(float(2 * LARGE))
    f = fd.jit(lambda x: w * x)
    np.testing.assert_array_equal(f(2.0), w * 2.0)
    w.shape = (2, LARGE)
    np.testing.assert_array_equal(f(2.0), w * 2.0)
    w.dtype = np.int64
    np.testing.assert_array_equal(f(2.0), w * 2.0)
    w.dtype = np.float64
    with (
        pytest.warns(DeprecationWarning) if np.lib.NumpyVersion(np.__version__) >= "2.4.0" else contextlib.nullcontext()
    ):
        w.strides = (8, 16)
    np.testing.assert_array_equal(f(2.0), w * 2.0)


def test_resized_in_place():
    w = np.arange(float(LARGE))
    f = fd.jit(lambda x: np.sum(w) * x + np.sum(w * x))
    f(2.0)
    w.resize(2 * LARGE, refcheck=False)
    w[:] = 1.0
    assert f(2.0) == 8 * LARGE


def test_byte_swapped_arrays():
    w = np.arange(1.0, LARGE + 1).astype(">f8")
    check_reads_anew(lambda x: np.sum(w * x), (X,), lambda: w.fill(3.0), lambda: np.sum(w * X))


def test_memory_mapped_and_other_subclasses(tmp_path):
    w = np.memmap(tmp_path / "w", np.float64, "w+", shape=(LARGE,))
    w[:] = 1.0
    check_reads_anew(lambda x: np.sum(w * x), (X,), lambda: w.fill(2.0), lambda: np.sum(np.asarray(w) * X))


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8, np.bool_, np.complex128])
def test_dtypes(dtype):
    w, x = np.ones(MOST_BYTES + 1, dtype), np.linspace(1.0, 2.0, MOST_BYTES + 1)
    check_reads_anew(
        lambda x: np.sum(np.where(w, x, 0.0) * w),
        (x,),
        lambda: w.__setitem__(slice(5), 0),
        lambda: np.sum(np.where(w, x, 0.0) * w),
    )


def test_closed_over_indices_are_checked_at_each_call():
    index = np.arange(LARGE) % 7
    x = np.arange(7.0)
    check_reads_anew(lambda x: x[index], (x,), lambda: index.__imul__(-1), lambda: x[index])
    f = fd.jit(lambda x: x[index])
    f(x)
    index[3] = 7
    with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
        f(x)
    with pytest.raises(IndexOutOfBoundsError, match="out of bounds"):
        fd.jit(lambda x: x[index] + 1.0)(x)


def test_closed_over_masks_decide_shapes():
    mask = np.arange(LARGE) % 2 == 0
    f = fd.jit(lambda x: np.sum(x[mask]))
    np.testing.assert_allclose(f(X), np.sum(X[mask]))
    mask[:] = False
    mask[:5] = True
    np.testing.assert_allclose(f(X), np.sum(X[:5]))
    inside_a_loop = fd.jit(lambda x: fd.lax.fori_loop(0, 3, lambda i, c: c + np.sum(x[mask]), 0.0))
    np.testing.assert_allclose(inside_a_loop(X), 3 * np.sum(X[:5]))


def test_updates_of_closed_over_arrays():
    w = np.zeros(LARGE)
    check_reads_anew(
        lambda x: np.sum(fd.at(w)[:3].add(2.0) * x),
        (X,),
        lambda: w.fill(1.0),
        lambda: np.sum(w * X) + 2 * np.sum(X[:3]),
    )


# -- transforms --------------------------------------------------------------------------------------------------------


def energy(w):
    return lambda x: np.sum(np.sin(w * x) * w)


def slope(w, x):
    return np.cos(w * x) * w * w


@pytest.mark.parametrize(
    "nested", [lambda f: fd.jit(fd.grad(f)), lambda f: fd.grad(fd.jit(f)), lambda f: fd.jit(fd.grad(fd.jit(f)))]
)
def test_gradients(nested):
    w = np.linspace(1.0, 2.0, LARGE)
    gradient = nested(energy(w))
    np.testing.assert_allclose(gradient(X), slope(w, X), rtol=1e-12)
    w[:] = np.linspace(2.0, 3.0, LARGE)
    np.testing.assert_allclose(gradient(X), slope(w, X), rtol=1e-12)


def test_second_derivatives():
    w = np.linspace(1.0, 2.0, LARGE)
    second = fd.jit(lambda x, v: fd.jvp(fd.grad(fd.jit(energy(w))), (x,), (v,))[1])
    for _ in range(2):
        np.testing.assert_allclose(second(X, X), -np.sin(w * X) * w**3 * X, rtol=1e-12)
        w += 1.0


@pytest.mark.parametrize(
    "nested", [lambda f: fd.jit(fd.vmap(f)), lambda f: fd.vmap(fd.jit(f)), lambda f: fd.jit(fd.vmap(fd.jit(f)))]
)
def test_mapped(nested):
    w = np.linspace(1.0, 2.0, LARGE)
    mapped = nested(lambda s: np.sum(w * s))
    for _ in range(2):
        np.testing.assert_allclose(mapped(np.arange(3.0)), np.sum(w) * np.arange(3.0), rtol=1e-12)
        w += 1.0


def test_mapped_over_the_array_itself():
    w = np.arange(2.0 * LARGE).reshape(LARGE, 2)
    f = fd.jit(lambda s: fd.vmap(lambda row: np.sum(row) * s)(w))
    for _ in range(2):
        np.testing.assert_allclose(f(2.0), 2 * np.sum(w, 1))
        w += 1.0


def test_differentiated_with_respect_to_the_array():
    """Python may ask for the values of a closed-over array that is an argument of a transform: then the Program depends
    on them.
    """
    w = np.linspace(1.0, 2.0, LARGE)

    def loss(v):
        return np.sum(v * v) if np.sum(v) > 0 else np.sum(v * v * v)

    f = fd.jit(lambda x: x * fd.grad(loss)(w))
    np.testing.assert_allclose(f(1.0), 2 * w)
    w *= -1.0
    np.testing.assert_allclose(f(1.0), 3 * w * w)
    straight = fd.jit(lambda x: x * fd.grad(lambda v: np.sum(v * v))(w))
    for _ in range(2):
        np.testing.assert_allclose(straight(1.0), 2 * w)
        w += 1.0


def test_control_flow():
    w = np.linspace(1.0, 2.0, LARGE)
    rows = np.arange(3.0 * 4).reshape(3, 4)

    def f(x):
        total = fd.lax.fori_loop(0, 3, lambda i, c: c + np.sum(w * x), 0.0)
        _, ys = fd.lax.scan(lambda c, row: (c + np.sum(row), c), 0.0, rows)
        return total + np.sum(ys) + fd.lax.cond(np.sum(x) > 0, lambda v: np.sum(v * w), lambda v: np.sum(v), x)

    compiled, derivative = fd.jit(f), fd.jit(fd.grad(f))
    for _ in range(2):
        sums = np.cumsum(np.sum(rows, 1))
        np.testing.assert_allclose(compiled(X), 4 * np.sum(w * X) + sums[0] + sums[1], rtol=1e-12)
        np.testing.assert_allclose(derivative(X), 4 * w, rtol=1e-12)
        w += 1.0
        rows *= 2.0


def test_custom_rules():
    w = np.linspace(1.0, 2.0, LARGE)

    @fd.custom_vjp
    def scaled(x):
        return np.sum(w * x)

    scaled.defvjp(lambda x: (np.sum(w * x), None), lambda _, ct: (ct * w,))
    f, derivative = fd.jit(lambda x: scaled(x)), fd.jit(fd.grad(lambda x: scaled(x)))
    for _ in range(2):
        np.testing.assert_allclose(f(X), np.sum(w * X), rtol=1e-12)
        np.testing.assert_allclose(derivative(X), w, rtol=1e-12)
        w += 1.0


def test_functions_that_call_jitted_functions():
    w = np.linspace(1.0, 2.0, LARGE)
    inner = fd.jit(lambda x: np.sum(w * x))
    outer, outermost = fd.jit(lambda x: inner(x) + inner(2 * x)), fd.jit(lambda x: fd.jit(lambda y: inner(y) * 2)(x))
    for _ in range(2):
        np.testing.assert_allclose(outer(X), 3 * np.sum(w * X), rtol=1e-12)
        np.testing.assert_allclose(outermost(X), 2 * np.sum(w * X), rtol=1e-12)
        assert len(the_only(outer).hidden) == len(the_only(outermost).hidden) == 1
        w += 1.0


# -- how they show -----------------------------------------------------------------------------------------------------


def test_the_stages_show_them_as_further_inputs():
    w = np.ones(LARGE)
    lowered = fd.jit(lambda x: x * w).lower(2.0)
    assert str(lowered.ir).startswith(f"{{ lambda a:f64[] b:f64[{LARGE}] .")
    assert [h is w for h in lowered.hidden] == [True]
    compiled = lowered.compile()
    assert compiled.hidden[0] is w
    np.testing.assert_array_equal(compiled(3.0), 3.0 * w)
    w[:] = 2.0
    np.testing.assert_array_equal(compiled(3.0), 3.0 * w)
    assert "lambda a:f64[] ." in str(fd.make_ir(lambda x: x * w)(2.0))


def test_numba_code_reads_them(way):
    numba = pytest.importorskip("numba")
    w = np.arange(float(LARGE))
    compiled = fd.jit(lambda x: np.sum(x * w)).lower(2.0).compile()

    @numba.njit
    def twice(x):
        return 2 * compiled(x)

    for _ in range(2):
        np.testing.assert_allclose(twice(3.0), 6 * np.sum(w))
        w += 1.0


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.one_in(3)
@pytest.mark.filterwarnings("ignore::functad.errors.RetraceWarning")
def test_versions_are_bounded_and_freed():
    w = np.zeros(3)
    f = fd.jit(lambda x: np.sum(x) / 3 * len(range(int(w[0]))))
    programs = []
    for i in range(20):
        w[0] = i
        assert f(np.ones(3)) == i
        programs.append(weakref.ref(next(iter(f._traced.values()))[0]))
    gc.collect()
    assert len({id(p()) for p in programs if p() is not None}) == 8
    w[0] = 19
    assert f(np.ones(3)) == 19


def test_small_arrays_are_compared():
    w = np.ones(3)
    f = fd.jit(lambda x: np.sum(2 * w) * x + w[0] + np.sqrt(w)[1])
    assert f(2.0) == 14.0
    w[:] = 4.0
    assert f(2.0) == 54.0
    (array,) = compared(the_only_newest(f))
    assert array is w


def the_only_newest(f):
    (versions,) = f._traced.values()
    return versions[0]


def test_lists_of_arrays_and_other_ways_into_functions():
    rows = [np.ones(LARGE), np.arange(float(LARGE))]
    b = np.ones(LARGE)
    cases = [
        (lambda x: np.sum(x * fd.numpy.asarray(rows)[1]), lambda: np.sum(X * rows[1])),
        (lambda x: np.sum(np.add(x, rows)), lambda: np.sum(np.add(X, rows))),
        (lambda x: np.sum(fd.lax.associative_scan(np.add, b)) * x[0], lambda: np.sum(np.cumsum(b)) * X[0]),
        (lambda x: fd.nn.logsumexp(x, b=b), lambda: np.log(np.sum(b * np.exp(X)))),
    ]
    compiled = [(fd.jit(f), expected) for f, expected in cases]
    for _ in range(2):
        for f, expected in compiled:
            np.testing.assert_allclose(f(X), expected(), rtol=1e-12)
        rows[1] += 1.0
        b[: LARGE // 2] = 0.0


def test_arrays_that_decide_shapes():
    counts, cuts, widths = np.array([1, 2, 0]), np.array([1, 2]), np.array([[1, 1]])
    x = np.arange(3.0)

    def f(x):
        return np.concatenate(
            [np.repeat(x, counts), *np.split(x, cuts), np.pad(x, widths), x[np.array(0, ndmin=0)] + x[:1]]
        )

    g = fd.jit(f)
    for _ in range(2):
        np.testing.assert_array_equal(g(x), f(x))
        counts[:], cuts[:], widths[:] = [2, 1, 3], [0, 3], 2


def test_what_is_not_seen():
    """What NumPy makes of a large array before functad sees it; debug mode sees it."""
    w = np.ones(LARGE)
    f = fd.jit(lambda x: np.sum((2 * w) * x))
    assert f(1.0) == 2 * LARGE
    w[:] = 2.0
    assert f(1.0) == 2 * LARGE
    with config.debug(True):
        assert f(1.0) == 4 * LARGE
        w[:] = 3.0
        assert f(1.0) == 6 * LARGE


@pytest.mark.parametrize("number", range(10))
def test_where_arrays_are_found(number):
    w = np.ones(3)
    f = list(FOUND.values())[number](w)
    for _ in range(2):
        assert f(2.0) == 2.0 * w[0] + np.sum(2 * w)
        w += 1.0


def use(x, w):
    return x * w[0] + np.sum(2 * w)


class Model:
    def __init__(self, w):
        self.layers = [{"w": w}]

    def call(self, x):
        return use(x, self.layers[0]["w"])

    __call__ = call


def helper_of(w):
    def helper(x):
        return use(x, w)

    return helper


def with_keyword(w):
    def f(x, *, w=w):
        return use(x, w)

    return f


FOUND = {
    "cell": lambda w: fd.jit(lambda x: use(x, w)),
    "default": lambda w: fd.jit(lambda x, w=w: use(x, w)),
    "keyword default": lambda w: fd.jit(with_keyword(w)),
    "partial": lambda w: fd.jit(functools.partial(use, w=w)),
    "method": lambda w: fd.jit(Model(w).call),
    "container": lambda w: (lambda held: fd.jit(lambda x: use(x, held["a"][0])))({"a": (w, 1)}),
    "helper": lambda w: (lambda helper: fd.jit(lambda x: helper(x)))(helper_of(w)),
    "jitted helper": lambda w: (lambda helper: fd.jit(lambda x: helper(x) + 0.0))(fd.jit(helper_of(w))),
    "static": lambda w: (lambda f, model: lambda x: f(model, x))(
        fd.jit(lambda model, x: model.call(x), static_argnums=0), Model(w)
    ),
    "callable": lambda w: fd.jit(Model(w)),
}


def test_a_change_that_makes_no_difference_compiles_nothing():
    """The comparison of a small array fails, and the function is traced again; its Program is the one that has been
    compiled.
    """
    w, bias = np.ones(3), np.zeros(2)
    f, traces = counted(lambda x: np.sum(w * x) + (1.0 if bias[0] > 0 else 2.0))
    f(X[:3])
    w[:] = 2.0
    np.testing.assert_allclose(f(X[:3]), 2 * np.sum(X[:3]) + 2.0)
    (versions,) = f._traced.values()
    assert len(traces) == len(versions) == 2 and len({id(v.program) for v in versions}) == 1
    bias[0] = 1.0
    np.testing.assert_allclose(f(X[:3]), 2 * np.sum(X[:3]) + 1.0)
    assert len(versions) == 3 and versions[0].program is not versions[1].program
    for i in range(3, 9):  # from now on it is not compared
        w[:] = i
        np.testing.assert_allclose(f(X[:3]), i * np.sum(X[:3]) + 1.0)
    assert len(traces) == 4 and len(versions) == 1


def test_guards_of_a_called_function_are_the_callers_too():
    class Foreign:
        __slots__ = ("f",)

    w = np.ones(3)
    foreign = Foreign()
    foreign.f = fd.jit(lambda x: np.sum(2 * w) * x)
    outer = fd.jit(lambda x: foreign.f(x) + 1.0)
    assert outer(1.0) == 7.0
    w[:] = 2.0
    assert outer(1.0) == 13.0


@pytest.mark.parametrize("warm", [False, True])
def test_a_compiled_function_called_with_constants_is_part_of_the_program(warm):
    """Its result is no constant of the caller, not even where a native entry would have computed it at once."""

    class Foreign:
        __slots__ = ("f", "w")

    foreign = Foreign()
    foreign.w = np.ones(LARGE)
    foreign.f = fd.jit(lambda x: np.sum(foreign.w * x))
    if warm:
        foreign.f(2.0)
    outer = fd.jit(lambda x: x * foreign.f(2.0))
    for _ in range(2):
        np.testing.assert_allclose(outer(3.0), 6.0 * np.sum(foreign.w))
        foreign.w += 1.0


@pytest.mark.one_in(3)
def test_threads_that_call_and_write_at_once():
    """What one thread writes while another traces is seen by the next call, at the latest."""
    script = """
import random, threading
import numpy as np, functad as fd
from functad import config
w, large, x = np.ones(50), np.ones(20_000), np.ones(50)
f = fd.jit(lambda x: np.sum(x) * w[0] + np.sum(large[:50] * x))
failures = []
def work(k):
    r = random.Random(k)
    for _ in range(60):
        try:
            with config.threads(r.choice([1, 2])):
                f(x)
            with config.backend(r.choice(["native", "evaluator"])):
                f(x)
            if r.random() < 0.2:
                w[0] = r.random()
        except Exception as e:
            failures.append(repr(e))
workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
for t in workers: t.start()
for t in workers: t.join()
assert not failures, failures
for value in (1.0, 3.0, 1.0):
    w[0] = value
    assert f(x) == 50 * value + 50
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FUNCTAD")}
    subprocess.run([sys.executable, "-X", "faulthandler", "-c", script], env=environment, check=True)


def test_an_array_that_the_function_writes_to_itself():
    """It is traced at each call, as Python would run it at each call."""
    calls = np.zeros(1)

    def f(x):
        calls[0] += 1
        return x + calls[0]

    g = fd.jit(f)
    assert [g(1.0), g(1.0), g(1.0)] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("size", [3, LARGE])
@pytest.mark.parametrize("foreign", [False, True])
def test_a_buffer_that_the_function_fills_between_uses(size, foreign):
    """Each use is of what the buffer held then."""

    class Holder:
        __slots__ = ("buffer",)

    holder = Holder()
    holder.buffer = buffer = np.zeros(size)
    base = np.arange(float(size))

    def f(x):
        b = holder.buffer if foreign else buffer
        total = x * b
        for k in range(1, 4):
            np.multiply(base, k, out=b)
            total = total + x * b
        b[:] = 7.0
        return total

    g = fd.jit(f)
    for scale in (1.0, 2.0, 3.0):
        buffer[:] = scale
        expected = f(2.0)
        for again in range(3):
            buffer[:] = scale if again < 2 else 7.0
            expected = 2.0 * buffer + 2.0 * base * 6
            np.testing.assert_allclose(g(2.0), expected)
