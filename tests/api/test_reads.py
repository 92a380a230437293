"""Names that code reads, against the standard library's disassembler."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
from types import CodeType, FunctionType

import pytest

import functad as fd
from functad.api import jit
from functad.api.world import reach, watch
from functad.api.world.reach import Reach
from functad.api.world.reads import reads_of
from functad.core import trace


def by_dis(code: CodeType) -> tuple[set[str], set[str]]:
    """Globals that are read, and names that are written, by code and the functions in it."""
    read, written = set(), set()
    for i in dis.get_instructions(code):
        if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(i.argval)
        if i.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (
            i.opname in ("STORE_DEREF", "DELETE_DEREF") and i.argval in code.co_freevars
        ):
            written.add(i.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            more_read, more_written = by_dis(constant)
            read |= more_read
            written |= {n for n in more_written if n in code.co_freevars or n not in constant.co_freevars}
    return read, written


FUNCTIONS = [
    f
    for module in (jit, reach, watch, trace, fd, ast, inspect, functools)
    for f in vars(module).values()
    if isinstance(f, FunctionType)
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__qualname__)
def test_names(f) -> None:
    reads = reads_of(f.__code__)
    read, written = by_dis(f.__code__)
    assert {p[0] for p in reads.globals} == read
    assert reads.written == written


def test_paths() -> None:
    free = fd
    cell = 0

    def f(x):
        nonlocal cell
        cell = fd.config.debug.value
        return free.numpy.sin(x) + ast.unparse(x) + [fd.lax.cond for _ in x].pop()

    reads = reads_of(f.__code__)
    assert {("fd", "config", "debug", "value"), ("ast", "unparse"), ("fd", "lax", "cond")} == set(reads.globals)
    assert reads.attributes == (("free", "numpy", "sin"),)
    assert reads.written == {"cell"}


def test_many_names() -> None:
    """More than 256 of them need longer instructions."""
    names = [f"name{k}" for k in range(700)]
    space: dict = {}
    exec("def f():\n    return " + " + ".join(f"{n}.attribute{k}" for k, n in enumerate(names)), space)
    assert reads_of(space["f"].__code__).globals == tuple([(n, f"attribute{k}") for k, n in enumerate(names)])


def test_foreign_code_is_not_followed() -> None:
    """NumPy, the standard library and functad itself stay as they are; what functad wraps is found."""

    def f(x):
        return ast.unparse(x)

    found = [source.name for source in Reach(fd.vmap(fd.grad(f))).sources.values()]
    assert found == [f.__qualname__, "ast"]


def test_methods_are_followed_where_their_name_is_mentioned() -> None:
    """What an object can do besides, and what it reads for that, is nobody's business."""
    seen, unseen, hidden = 1.0, 2.0, 3.0

    class Model:
        def loss(self, x):
            return self.forward(x) + self.constant

        def forward(self, x):
            return self.activation(x) * hidden

        def train(self):
            return unseen

        @property
        def constant(self):
            return seen

    model = Model()
    model.activation = lambda x: seen * x
    model.other = lambda x: unseen * x
    for f in (model.loss, lambda x: model.loss(x), Model.loss):
        names = {source.name for source in Reach(f).sources.values()}
        assert "unseen" not in names
        assert ("hidden" in names and "seen" in names) is (f is not Model.loss)


def test_objects_that_run_code_when_they_are_looked_at() -> None:
    class Strange:
        def __getattribute__(self, name):
            raise AssertionError(name)

    strange = Strange()
    assert {s.name for s in Reach(lambda x: strange).sources.values()} >= {"strange"}
