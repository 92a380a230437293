"""``fd.debug`` and ``io_callback``: what they do is done once where it stands, in order."""

from __future__ import annotations

import numpy as np
import pytest

import functad as fd
from functad.errors import ArgumentError, DtypeError, StructureError


def twice(x):
    fd.debug.print("first {}", x)
    y = np.sin(x)
    fd.debug.print("second {y:.3f} of {name}", y=y, name="sine")
    fd.debug.print("first {}", x)
    return y * x


LINES = ["first 2.0", "second 0.909 of sine", "first 2.0"]

FORMS = {
    "plain": lambda f: f,
    "jit": fd.jit,
    "grad": fd.grad,
    "jit of grad": lambda f: fd.jit(fd.grad(f)),
    "grad of jit": lambda f: fd.grad(fd.jit(f)),
    "second derivative": lambda f: fd.grad(fd.grad(f)),
    "jit of second derivative": lambda f: fd.jit(fd.grad(fd.grad(f))),
    "jvp": lambda f: lambda x: fd.jvp(f, (x,), (1.0,)),
    "linearize": lambda f: lambda x: fd.linearize(f, x),
    "jacfwd": fd.jacfwd,
    "checkpoint": lambda f: fd.grad(fd.checkpoint(f)),
    "jit of checkpoint": lambda f: fd.jit(fd.grad(fd.checkpoint(f))),
}


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", FORMS)
def test_each_line_is_printed_once_and_in_order(name, capsys):
    f = FORMS[name](twice)
    for _ in range(3):
        f(2.0)
        assert capsys.readouterr().out.splitlines() == LINES


def test_elements_of_a_mapped_axis(capsys):
    for f in (fd.vmap(twice), fd.jit(fd.vmap(twice)), fd.vmap(fd.grad(twice))):
        f(np.array([1.0, 2.0]))
        lines = ["first 1.0", "first 2.0", "second 0.841 of sine", "second 0.909 of sine", "first 1.0", "first 2.0"]
        assert capsys.readouterr().out.splitlines() == lines


def test_steps_of_loops_and_branches(capsys):
    def f(x):
        for k in range(3):
            x = x / 2
            if x < 1:
                fd.debug.print("step {}: {} is small", k, x)
            else:
                fd.debug.print("step {}: {}", k, x)
        while x > 0.2:
            fd.debug.print("while {}", x)
            x = x / 2
        return x

    lines = ["step 0: 2.0", "step 1: 1.0", "step 2: 0.5 is small", "while 0.5", "while 0.25"]
    for g in (f, fd.jit(f), fd.grad(f), fd.jit(fd.grad(f))):
        g(4.0)
        assert capsys.readouterr().out.splitlines() == lines


def test_what_is_the_same_in_every_step_is_printed_in_every_step(capsys):
    def f(x):
        def step(c, t):
            fd.debug.print("{}", x)
            return c * np.sin(x) * t, None

        return fd.lax.scan(step, x, np.ones(3))[0]

    for g in (f, fd.jit(f), fd.grad(f), fd.jit(fd.grad(f)), fd.jit(fd.hessian(f))):
        g(2.0)
        assert capsys.readouterr().out.splitlines() == ["2.0"] * 3


def test_two_equal_loops_are_two(capsys):
    @fd.jit
    def f(x):
        first = fd.lax.fori_loop(0, 2, lambda i, c: (fd.debug.print("{}", i), c + x)[1], 0.0)
        second = fd.lax.fori_loop(0, 2, lambda i, c: (fd.debug.print("{}", i), c + x)[1], 0.0)
        return first + second

    assert f(1.0) == 4.0
    assert capsys.readouterr().out.split() == ["0", "1", "0", "1"]


def test_a_callback_gets_copies_and_its_errors_come_through():
    seen = []

    def keep(tree, mode, scale):
        seen.append((tree["a"], tree["b"][0], mode, scale))
        tree["a"][:] = 7.0

    def f(x):
        fd.debug.callback(keep, {"a": x, "b": (np.sum(x),)}, "fast", scale=2)
        return x + 1.0

    for g in (f, fd.jit(f)):
        x = np.ones(2)
        np.testing.assert_array_equal(g(x), [2.0, 2.0])
        np.testing.assert_array_equal(x, [1.0, 1.0])
        array, total, mode, scale = seen.pop()
        assert (array.tolist(), total, mode, scale) == ([7.0, 7.0], 2.0, "fast", 2)

    def fail(x):
        raise KeyError(float(x))

    def g(x):
        fd.debug.callback(fail, x)
        return x

    for h in (g, fd.jit(g), fd.grad(g)):
        with pytest.raises(KeyError, match=r"3\.0"):
            h(3.0)


def test_equal_code_is_compiled_once():
    def make():
        def f(x):
            fd.debug.print("{}", x)
            return x

        return f

    first, second = fd.jit(make()), fd.jit(make())
    first(1.0), second(1.0)
    assert "no code compiled" in repr(second.stats())


def test_io_callback_is_run_though_nobody_reads_it():
    calls = []

    def tell(x):
        calls.append(float(x))
        return np.float64(len(calls))

    def f(x):
        x_now = fd.stop_gradient(x)
        fd.io_callback(tell, fd.ShapeDtypeStruct((), float), x_now)
        return x + fd.io_callback(tell, 0.0, 2 * x_now)

    assert fd.jit(f)(1.0) == 3.0 and calls == [1.0, 2.0]
    assert fd.grad(f)(3.0) == 1.0 and calls[2:] == [3.0, 6.0]
    assert fd.jit(fd.grad(f))(3.0) == 1.0 and calls[4:] == [3.0, 6.0]
    np.testing.assert_array_equal(fd.vmap(f)(np.array([1.0, 2.0])), [10.0, 12.0])
    assert calls[6:] == [1.0, 2.0, 2.0, 4.0]


def test_errors():
    with pytest.raises(ArgumentError, match=r"debug.print at .*test_debug.py:\d+: .* asks for z, which is not given"):
        fd.debug.print("{} {z}", 1.0)
    with pytest.raises(ArgumentError, match="does not use 1; it is a plain string"):
        fd.debug.print("{}", 1.0, 2.0)
    with pytest.raises(ArgumentError, match="is no format string .* write {{ and }} for braces"):
        fd.debug.print("{", 1.0)
    with pytest.raises(DtypeError, match="io_callback: <lambda> returned int64, but result_types says float64"):
        fd.jit(lambda x: fd.io_callback(lambda y: np.int64(1), x, x))(1.0)
    with pytest.raises(StructureError, match="io_callback: result_types is str; expected a container"):
        fd.io_callback(lambda: 1.0, "float")
    with pytest.raises(StructureError, match="io_callback: f is a Python function .* it has no derivative"):

        def f(x):
            return x

        fd.grad(lambda x: fd.io_callback(f, x, x))(1.0)


def test_format_fields(capsys):
    fd.debug.print("{0} {x[0]:{width}.1f} {{}} {0}", 1, x=np.array([2.0]), width=5)
    assert capsys.readouterr().out == "1   2.0 {} 1\n"


def test_types_stand_for_arguments():
    x = fd.ShapeDtypeStruct((3, 2), np.float32)
    assert fd.make_ir(lambda x: x @ x.T)(x).out_types == (fd.ShapeDtypeStruct((3, 3), np.float32),)
    f = fd.jit(lambda x: 2 * x)
    compiled = f.lower(x).compile()
    np.testing.assert_array_equal(compiled(np.ones((3, 2), np.float32)), np.full((3, 2), 2.0, np.float32))
    np.testing.assert_array_equal(f(np.ones((3, 2), np.float32)), np.full((3, 2), 2.0, np.float32))
    shape = fd.eval_shape(lambda x: np.sum(x, axis=0), x)
    assert isinstance(shape, fd.ShapeDtypeStruct) and shape == fd.ShapeDtypeStruct((2,), "float32")
    assert not isinstance(np.ones(2), fd.ShapeDtypeStruct)
