"""What somebody new meets: completion, reprs, tracebacks, flags with a typing error, benchmarks without peers."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize

import functad as fd
from functad.errors import ArgumentError, FunctadError, TracerConversionError, UnsupportedError

X = np.ones(3)


def script(code, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FUNCTAD")}
    return subprocess.run([sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize(
    "name", ["nn", "lax", "random", "tree", "errors", "inspect", "testing", "debug", "ops", "export"]
)
def test_completion_shows_public_names(name):
    module = getattr(fd, name)
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, n) for n in dir(module))


def test_completion_of_the_package_and_of_flags():
    shown = dir(fd)
    assert set(fd.__all__) <= set(shown)
    modules = {n for n in shown if n not in fd.__all__}
    assert {"numpy", "scipy", "nn", "lax", "random", "testing", "inspect", "config", "errors"} <= modules
    assert not {"ir", "core", "lower", "api", "passes", "kernel_ir", "recycled"} & modules
    assert all(hasattr(fd, n) for n in shown)
    assert all(isinstance(getattr(fd.config, n), fd.config.Flag) for n in dir(fd.config)) and "threads" in dir(
        fd.config
    )
    assert {"special", "stats", "linalg"} <= set(dir(fd.scipy)) and "routines" not in dir(fd.scipy)
    assert {"sin", "at", "linalg"} <= set(dir(fd.numpy)) and "ragged" not in dir(fd.numpy)


def test_reprs_say_what_things_are():
    square = fd.jit(lambda x: x * x)
    shown = [
        (fd.vjp(np.sin, X)[1], "<functad pullback of sin: (f64[3]) -> (f64[3])>"),
        (fd.linearize(np.sin, 1.0)[1], "<functad derivative of sin: (f64[]) -> (f64[])>"),
        (square.lower(X), "<functad: a function lowered, (f64[3]) -> (f64[3]); .ir, .compile()>"),
        (square.lower(X).compile(), "<functad: native code of a function, (f64[3]) -> (f64[3])>"),
        (fd.custom_jvp(np.sin), "<functad.custom_jvp of sin>"),
        (fd.custom_vjp(np.sin), "<functad.custom_vjp of sin>"),
        (fd.make_ir(square)(X).eqns[0], "<square f64[3] -> f64[3]>"),
    ]
    assert [repr(x) for x, _ in shown] == [text for _, text in shown]


def indexed(x):
    return np.sum(x[7])


def files(error):
    return [Path(frame.filename).name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.parametrize("transform", [fd.grad, fd.jit, lambda f: fd.vmap(f, axis_size=2, in_axes=None)])
def test_tracebacks_have_no_frames_of_the_library(transform):
    with pytest.raises(IndexError) as caught:
        transform(indexed)(X)
    assert files(caught.value)[0] == files(caught.value)[-1] == "test_manners.py" and len(files(caught.value)) == 3
    with fd.config.traceback("full"), pytest.raises(IndexError) as caught:
        transform(indexed)(X)
    assert len(files(caught.value)) > 8


def test_an_error_of_the_users_own_is_shown_so_too():
    def f(x):
        raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        fd.grad(f)(1.0)
    assert len(files(caught.value)) == 3


def test_flags_with_a_typing_error():
    expected = "FUNCTAD_DUMP has the word kernels; expected all, asm, ir, kernel, llvm, p"
    with pytest.raises(ArgumentError, match=expected), fd.config.dump({"kernels"}):
        pass
    expected = "FUNCTAD_TRACEBACK has the word all; expected full, short"
    with pytest.raises(ArgumentError, match=expected), fd.config.traceback("all"):
        pass
    done = script("import functad", FUNCTAD_DUMP="ir,irr")
    assert done.returncode == 1 and "FUNCTAD_DUMP has the word irr; expected" in done.stderr
    done = script("import functad", FUNCTAD_THREADS="many")
    assert done.returncode == 1 and "FUNCTAD_THREADS is 'many'; expected int" in done.stderr


def test_benchmarks_without_the_peers():
    code = "import sys; sys.modules['jax'] = None; import runpy; runpy.run_module('benchmarks', run_name='__main__')"
    done = script(code, PYTHONPATH=str(Path(fd.__file__).parent.parent))
    assert done.returncode == 1 and done.stderr == "the benchmarks need jax: pip install '.[bench]'\n"


def test_formats_are_told_debug_print():
    expected = r"has no value at .*: .*; print with fd.debug.print\(\"\{:.3f\}\", x\)"
    with pytest.raises(TracerConversionError, match=expected):
        fd.jit(lambda x: (f"{x:.3f}", x)[1])(1.0)


def test_a_float_as_an_index_is_told_astype():
    with pytest.raises(IndexError, match=r"got an array of dtype float64 at .*; convert it with .astype\(int\)"):
        fd.jit(lambda x, t: x[t])(X, 1.5)
    assert fd.jit(lambda x, t: x[t.astype(int)])(X, np.float64(1.5)) == 1.0


def test_errors_in_scipy_name_the_users_line():
    def root(c):
        return scipy.optimize.brentq(lambda t: t**2 - c, 0, 10)  # here

    line = f"{__file__}:{root.__code__.co_firstlineno + 1}"
    for f in (fd.grad(root), fd.jit(root)):
        with pytest.raises(UnsupportedError, match=f"scipy.optimize.brentq at {line} calls a function that depends on"):
            f(2.0)
    inner = fd.jit(lambda t: t[5])
    with pytest.raises(FunctadError, match=rf"index 5 is out of bounds .*, at {__file__}:\d+"):
        scipy.optimize.minimize(lambda t: inner(t), X)
