"""The persistent cache: what it loads is what was compiled, and nothing else is ever run.

Tests run with ``FUNCTAD_DEBUG=1``, under which Programs have no records, so these turn it off.
"""

from __future__ import annotations

import gc
import itertools
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import special

import functad as fd
from functad import config
from functad.core.primitive import REGISTRY
from functad.ir.program import Program
from functad.kernel_ir.native import NATIVE_FUNCTIONS, Address, NativeFunction, Text
from functad.lower.backends import execute
from functad.lower.compile import LoadedCode
from functad.lower.disk import environment as environments
from functad.lower.disk.directory import Directory
from functad.lower.disk.natives import declared_by, is_portable, named
from functad.lower.disk.objects import object_code
from functad.lower.disk.records import record_key
from functad.lower.llvm.target import Target
from functad.testing.rules import Case
from tests.lower.on_disk import X, first_call, loss


def assert_recalled(f, *args):
    """The first call compiles and the second loads; both give the same bits. Returns the result."""
    cold, made = first_call(f, *args)
    warm, found = first_call(f, *args)
    assert (made.compiled, made.loaded) == (1, 0) and (found.compiled, found.loaded) == (0, 1)
    assert "passes" not in found.stages and "fusion" not in found.stages and "LLVM" not in found.stages
    leaves = fd.tree.leaves(cold), fd.tree.leaves(warm)
    assert [np.asarray(x).tobytes() for x in leaves[0]] == [np.asarray(x).tobytes() for x in leaves[1]]
    return warm


# -- what is loaded ----------------------------------------------------------------------------------------------------


def up_to(x, limit):
    """A while loop whose derivative has a sequence."""
    return fd.lax.while_loop(lambda c: c[0] < limit, lambda c: (c[0] * 1.5 + np.sum(c[1]), c[1] * 0.9), (x, X))[0]


A = np.eye(5) * 3.0 + np.arange(25.0).reshape(5, 5) / 25
FUNCTIONS = {
    "elementwise": (fd.grad(loss), X),
    "libm": (lambda x: np.sum(special.erf(x) + special.gammaln(x)), X),
    "threads": (fd.grad(lambda x: np.sum(np.sin(x) ** 2)), np.ones(200_000)),
    "blas": (fd.grad(lambda a: np.sum(np.tanh(a @ a))), np.random.default_rng(0).normal(size=(64, 64))),
    "matvec": (fd.grad(lambda a: np.sum((a @ X) ** 2)), np.ones((30, 40))),
    "lapack": (fd.grad(lambda a: np.sum(np.linalg.solve(a, np.arange(5.0)))), A),
    "sort": (np.sort, X[::-1].copy()),
    "fourier": (lambda x: np.fft.rfft(x), X),
    "convolve": (lambda x: np.convolve(x, x), X),
    "scipy special": (lambda x: special.jv(1.5, x), X),
    "scipy ufunc": (lambda x: special.sici(x)[0], X),
    "sequence": (fd.grad(up_to), 1.0, 10.0),
    "loop": (fd.grad(lambda x: fd.lax.fori_loop(0, 50, lambda i, y: y * 0.9 + np.sin(y), x)), 0.3),
    "constants": (lambda x: x[:3] * np.array([0.1, 0.2, 0.3]) + np.arange(3.0) * 0.7, X),
    "closure": (lambda x: x + A[0, 0] * A.sum(), X),
    "containers": (lambda p: {"a": p["x"] * 2.5, "b": (p["y"], p["x"].sum())}, {"x": X, "y": 3.0}),
}


def mapped():
    """Where this process has memory, above what small numbers may be, as far as the system says it."""
    if not Path("/proc/self/maps").exists():
        return np.array([[id(X), id(X) + 1]], np.uint64)
    ranges = re.findall(r"^([0-9a-f]+)-([0-9a-f]+)", Path("/proc/self/maps").read_text(), re.MULTILINE)
    found = [(int(a, 16), int(b, 16)) for a, b in ranges]
    return np.array([r for r in found if r[0] > 2**32], np.uint64)


def addresses(content):
    """The words of some bytes, at any offset, that point into this process."""
    ranges = mapped()
    found = []
    for offset in range(8):
        words = np.frombuffer(content[offset : offset + (len(content) - offset) // 8 * 8], np.uint64)
        inside = np.searchsorted(ranges[:, 0], words, "right") - 1
        found += list(words[(inside >= 0) & (words < ranges[np.maximum(inside, 0), 1])])
    return found


@pytest.mark.one_in(16)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_loaded_computes_the_same_and_has_no_address_in_it(cache, name):
    f, *args = FUNCTIONS[name]
    assert_recalled(f, *args)
    files = Directory(str(cache)).files()
    assert len(files) > 2
    for file in files:
        assert not addresses(file.path.read_bytes()), file.label


def test_an_address_would_be_found():
    assert addresses(b"abc" + id(X).to_bytes(8, "little")) == [id(X)]


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(n for n, p in REGISTRY.items() if not p.effect))
def test_what_is_loaded_of_each_primitive(cache, name):
    primitive = REGISTRY[name]
    for number, sample in enumerate(itertools.islice(primitive.samples(), 3)):
        case, results = Case(primitive, sample, np.random.default_rng(number)), []
        for _ in range(2):
            fd.clear_caches()
            gc.collect()
            program = Program(case.program.inputs, case.program.eqns, case.program.outputs)  # nothing is kept on it
            try:
                results.append([np.asarray(x).tobytes() for x in execute(program, case.values)])
            except fd.errors.FunctadError as error:
                results.append([str(error)])
        assert results[0] == results[1], sample


@pytest.mark.deep
def test_another_size_shares_the_object_code(cache):
    first_call(loss, X)
    _, found = first_call(loss, np.ones(100))
    assert (found.compiled, found.loaded) == (0, 1) and "passes" in found.stages
    labels = sorted(file.label for file in Directory(str(cache)).files())
    assert labels.count("code") == 1 and "loss(f64[40])" in labels and "loss(f64[100])" in labels


@pytest.mark.deep
def test_errors_of_loaded_code_name_the_users_line(cache):
    def pick(x, i):
        return x[i] * 2.0

    messages = []
    for loaded in (False, True):
        result, found = first_call(pick, X, 3)
        assert result == X[3] * 2.0 and found.compiled == (not loaded)
        fd.clear_caches()
        with pytest.raises(IndexError) as error:
            fd.jit(pick)(X, 40)
        messages.append(str(error.value))
    line = pick.__code__.co_firstlineno + 1
    assert messages[0] == messages[1] and f"test_disk.py:{line}" in messages[0] and "40" in messages[0]


@pytest.mark.deep
def test_what_is_loaded_can_be_looked_at(cache):
    first_call(loss, X)
    fd.clear_caches()
    gc.collect()
    compiled = fd.jit(loss).lower(X).compile()
    assert isinstance(compiled._compiled.code, LoadedCode)
    assert compiled(X) == pytest.approx(loss(X)) and compiled.address
    assert "kernel" in compiled.kernel_ir and "define" in compiled.llvm and compiled.assembly


def test_stats_say_that_code_was_loaded(cache):
    first_call(loss, X)
    _, found = first_call(loss, X)
    assert "1 loaded" in str(found) and "load" in found.stages and "compiled" not in str(found)


def test_off_by_default_and_under_debug(tmp_path):
    assert config.first.values["FUNCTAD_CACHE_DIR"] == ""
    with config.debug(False):
        assert first_call(loss, X)[1].loaded == first_call(loss, X)[1].loaded == 0
    with config.debug(True), config.cache(str(tmp_path)):
        assert record_key(fd.make_ir(loss)(X), Target.host()) is None


# -- keys --------------------------------------------------------------------------------------------------------------


def test_keys_tell_programs_targets_and_flags_apart(cache):
    program, host = fd.make_ir(loss)(X), Target.host()
    keys = [
        record_key(program, host),
        record_key(fd.make_ir(loss)(np.ones(41)), host),
        record_key(fd.make_ir(lambda x: loss(x) + 1.25)(X), host),
        record_key(fd.make_ir(lambda x: loss(x) + 1.26)(X), host),
        record_key(program, replace(host, cpu="x86-64-v3")),
        record_key(program, replace(host, features=host.features + ",-avx512f")),
        record_key(program, replace(host, fastmath="contract")),
    ]
    assert None not in keys and len(set(keys)) == len(keys)


@pytest.mark.deep
def test_another_cpu_s_entry_is_not_loaded(cache):
    def f(x):
        return np.sum(np.cos(x) * 1.75)

    with config.cpu("x86-64"):
        assert first_call(f, X)[1].compiled == 1
    assert first_call(f, X)[1].compiled == 1
    assert first_call(f, X)[1].loaded == 1


def test_another_source_is_another_environment(tmp_path, monkeypatch):
    package = tmp_path / "functad"
    package.mkdir()
    (package / "a.py").write_text("x = 1\n")
    os.utime(package / "a.py", (1, 1))
    monkeypatch.setattr(environments, "PACKAGE", package)
    where = Directory(str(tmp_path / "cache"))
    find = environments.environment.__wrapped__
    first = find(where)
    assert first is not None and find(where) == first == find(Directory(str(tmp_path / "other")))
    (package / "a.py").write_text("x = 2\n")
    assert find(where) is None, "it was changed after this process had begun"
    os.utime(package / "a.py", (2, 2))
    assert find(where) not in (None, first)


@pytest.mark.deep
def test_programs_that_a_key_cannot_say_have_no_entries(cache, monkeypatch):
    shape = fd.ShapeDtypeStruct((40,), float)

    def calls_python(x):
        return fd.pure_callback(lambda a: a * 2.0, shape, x) + 1.0

    for _ in range(2):
        result, made = first_call(calls_python, X)
        np.testing.assert_array_equal(result, X * 2.0 + 1.0)
        assert made.loaded == 0 and made.compiled == 1
    assert not [f for f in Directory(str(cache)).files() if f.label.startswith(("code", "calls_python"))]
    monkeypatch.setattr(REGISTRY["sin"], "module", "users.own")
    assert record_key(fd.make_ir(np.sin)(X), Target.host()) is None


def test_primitives_know_who_declares_them():
    assert {p.module.partition(".")[0] for p in REGISTRY.values() if not p.name.startswith("example")} >= {"functad"}
    assert REGISTRY["sin"].module.startswith("functad.primitives.")


def test_native_functions_are_found_by_where_they_are_declared():
    portable = [f for f in list(NATIVE_FUNCTIONS.values()) if is_portable(f)]
    assert len(portable) > 20
    for function in portable:
        assert declared_by(named(function)) is function
    own = NativeFunction("test_disk_address", Address(lambda: 2**40))
    text = NativeFunction("test_disk_text", Text("define i32 @test_disk_text(ptr %a, ptr %b) { ret i32 0 }"))
    assert not is_portable(own) and not is_portable(text)
    assert declared_by(["test_disk_address", "os", "system", ["true"]]) is None


def test_text_with_an_address_is_not_kept(cache):
    text = "define i64 @f() {{\n  %x = load i64, ptr inttoptr (i64 {} to ptr)\n  ret i64 %x\n}}"
    assert object_code(text.format(id(X)), Target.host()).key is None
    assert object_code(text.format(1), Target.host()).key is not None
