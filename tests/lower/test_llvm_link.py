"""Compiling LLVM text and linking it: targets, error messages, symbols, memory."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import subprocess
import sys
import threading

import pytest

from functad import config
from functad.errors import InternalError
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, assembly, emit_object

ADD_ONE = "define double @add_one(double %x) {\n  %y = fadd double %x, 1.0\n  ret double %y\n}\n"
VECTORS = "define <16 x float> @f(<16 x float> %x) {\n  %y = fadd <16 x float> %x, %x\n  ret <16 x float> %y\n}\n"


def function(library, name):
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library.address(name))


def linked(text, name, symbols=None):
    return link(emit_object(text, Target.host()), symbols or {}, [name])


def test_compile_link_call():
    library = linked(ADD_ONE, "add_one")
    assert function(library, "add_one")(1.5) == 2.5


@pytest.mark.parametrize("opt_level", [0, 1, 2, 3])
def test_every_level(opt_level):
    code = emit_object(ADD_ONE, dataclasses.replace(Target.host(), opt_level=opt_level))
    library = link(code, {}, ["add_one"])
    assert function(library, "add_one")(1.5) == 2.5


def test_lanes():
    target = dataclasses.replace(Target.host(), vector_bits=256)
    assert [target.lanes(size) for size in (1, 2, 4, 8, 16, 64)] == [32, 16, 8, 4, 2, 1]


def test_host_vectors_exist():
    target = Target.host()
    assert target.vector_bits in (128, 256, 512)
    if target.triple.startswith("x86_64"):
        assert (target.vector_bits == 512) == ("+avx512f" in target.features.split(","))
        register = {128: "xmm", 256: "ymm", 512: "zmm"}[target.vector_bits]
        assert register in assembly(VECTORS, target)


def test_flags_choose_the_target():
    with config.vector_bits(256):
        assert Target.host().vector_bits == 256
    with config.cpu("generic"):
        assert (Target.host().cpu, Target.host().features, Target.host().vector_bits) == ("generic", "", 128)
    with config.cpu("x86-64-v3"), config.vector_bits(512):
        assert Target.host().vector_bits == 512
    with config.cpu("x86-64-v3"):
        assert Target.host().vector_bits == 256


@pytest.mark.skipif(not Target.host().triple.startswith("x86_64"), reason="names registers of x86-64")
def test_code_is_for_the_target_that_is_asked_for():
    with config.cpu("x86-64-v3"):
        listing = assembly(VECTORS, Target.host())
    assert "ymm" in listing and "zmm" not in listing


def test_passes_run_in_the_order_given():
    text = (
        "define internal double @g(double %x) alwaysinline {\n  %p = alloca double\n  store double %x, ptr %p\n  %y = "
        "load double, ptr %p\n"
        "  ret double %y\n}\ndefine double @f(double %x) {\n  %y = call double @g(double %x)\n  ret double %y\n}\n"
    )
    target = Target.host()
    assert "call" in assembly(text, target)
    assert "call" not in assembly(text, target, passes=("always_inliner", "sroa", "instruction_combine"))
    library = link(emit_object(text, target, passes=("always_inliner", "sroa")), {}, ["f"])
    assert function(library, "f")(1.5) == 1.5


def test_parse_error_shows_the_line():
    with pytest.raises(InternalError) as caught:
        emit_object(ADD_ONE.replace("fadd double %x", "fadd float %x"), Target.host())
    message = str(caught.value)
    assert "invalid LLVM text: '%x' defined with type 'double' but expected 'float' (line 2)" in message
    assert ">     2 |   %y = fadd float %x, 1.0" in message and "      3 |   ret double %y" in message


def test_verifier_error_names_the_instruction():
    text = (
        "define i32 @f(i1 %p) {\nentry:\n  br i1 %p, label %a, label %b\na:\n  %y = add i32 1, 1\n  br label "
        "%b\nb:\n  ret i32 %y\n}\n"
    )
    with pytest.raises(InternalError, match=r"does not dominate(.|\n)*%y = add i32 1, 1"):
        emit_object(text, Target.host())


CALLS = (
    "declare double @other(double)\ndefine double @f(double %x) {\n  %y = call double @other(double %x)\n  ret "
    "double %y\n}\n"
)


def test_symbols_by_address():
    twice = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(lambda x: 2 * x)
    address = ctypes.cast(twice, ctypes.c_void_p).value
    assert function(linked(CALLS, "f", {"other": address}), "f")(1.5) == 3.0


def test_a_variable_anywhere_in_memory():
    text = (
        "@there = external global double\ndefine double @f(double %x) {\n  %y = load double, ptr @there\n  ret "
        "double %y\n}\n"
    )
    value = ctypes.c_double(2.5)
    f = linked(text, "f", {"there": ctypes.addressof(value)})
    assert function(f, "f")(0.0) == 2.5
    value.value = 3.5
    assert function(f, "f")(0.0) == 3.5


def test_the_c_library_is_there():
    library = linked(CALLS.replace("other", "tgamma"), "f")
    assert function(library, "f")(5.0) == pytest.approx(24.0, rel=1e-14)


def test_undefined_symbol_is_an_internal_error(capfd):
    with pytest.raises(InternalError, match="does not link"):
        linked(CALLS.replace("other", "functad_no_such_function"), "f")
    assert "functad_no_such_function" in capfd.readouterr().err


def test_missing_export_is_an_internal_error():
    with pytest.raises(InternalError, match="missing"):
        linked(ADD_ONE, "missing")


def test_equal_names_in_two_libraries_do_not_meet():
    one, two = linked(ADD_ONE, "add_one"), linked(ADD_ONE.replace("1.0", "2.0"), "add_one")
    assert function(one, "add_one")(0.0) == 1.0 and function(two, "add_one")(0.0) == 2.0
    del one
    gc.collect()
    assert function(two, "add_one")(0.0) == 2.0


@pytest.mark.deep
def test_memory_is_freed_with_the_library():
    script = f"""
from functad.lower.llvm.link import link
from functad.lower.llvm.target import Target, emit_object

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4

code = emit_object({ADD_ONE!r}, Target.host())
for _ in range(200):
    link(code, {{}}, ["add_one"])
before = resident()
for _ in range(1000):
    link(code, {{}}, ["add_one"])
print(resident() - before)
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    grown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 2_000  # KB; bookkeeping that stayed would take 9 KB each, code 4


def test_four_threads_compile_and_link():
    results = {}

    def work(k):
        for n in range(10):
            library = linked(ADD_ONE.replace("1.0", f"{k}.{n}"), "add_one")
            results[k, n] = function(library, "add_one")(0.0)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {(k, n): float(f"{k}.{n}") for k in range(4) for n in range(10)}
