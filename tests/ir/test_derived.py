"""What is made of a Program is kept on it."""

from __future__ import annotations

import gc
import weakref

import functad as fd
from functad.ir.derived import derived
from functad.ir.program import Program


class Made:
    """Something that can be watched."""


calls: list[tuple[int, bool]] = []


@derived
def made_of(program: Program, n: int, flag: bool = False) -> Made | None:
    calls.append((n, flag))
    return Made() if n else None


def program_of_a_sine() -> Program:
    return fd.make_ir(lambda x: x * x)(0.5)


def test_it_is_made_once_for_each_program_and_arguments():
    calls.clear()
    program, other = program_of_a_sine(), program_of_a_sine()
    assert made_of(program, 1) is made_of(program, 1)
    assert made_of(program, 1) is not made_of(program, 2) and made_of(program, 1) is not made_of(other, 1)
    assert made_of(program, 1, flag=True) is not made_of(program, 1)
    assert made_of(program, 0) is None and made_of(program, 0) is None  # nothing is a result, too
    assert calls == [(1, False), (2, False), (1, False), (1, True), (0, False)]


def test_two_functions_keep_apart():
    first, second = [derived(lambda program, made=made: made) for made in (Made(), Made())]
    program = program_of_a_sine()
    assert first(program) is not second(program) and first(program) is first(program)


def test_it_dies_with_the_program():
    program = program_of_a_sine()
    alive = weakref.ref(made_of(program, 3))
    assert alive() is not None
    del program
    gc.collect()
    assert alive() is None
