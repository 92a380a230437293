"""Costs against counts by hand, memory, stages and pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import functad as fd
from functad.inspect.aligned import changed_lines
from functad.ir.program import Eqn, Program

X, Y = np.ones(1000), np.full(1000, 0.5)
A, B = np.ones((30, 20)), np.ones((20, 50))

COUNTS = {  # operations, elementary functions: counted by hand
    "axpy": (lambda x, y: 2.5 * x + y, (X, Y), 2000, 0),
    "dot": (lambda x, y: np.sum(x * y), (X, Y), 2000, 0),
    "product": (lambda a, b: a @ b, (A, B), 2 * 30 * 20 * 50, 0),
    "softmax": (lambda x: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))), (X,), 1000 + 1000 + 1000 + 1000, 1000),
    "gradient": (fd.grad(lambda x: np.sum(np.sin(x) ** 2)), (X,), 2000, 2000),  # 2 sin x cos x
    "loop": (lambda x: fd.lax.fori_loop(0, 50, lambda i, x: x * 0.9 + 0.1, x), (X,), 50 * 2000, 0),
    "complex": (lambda x: x * x, (X + 1j,), 6000, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_operations(name: str) -> None:
    f, args, operations, functions = COUNTS[name]
    found = fd.inspect.cost(f)(*args)
    assert (found.operations, found.functions) == (operations, functions), found


def test_bytes_are_those_of_kernels() -> None:
    assert fd.inspect.cost(lambda x, y: np.sin(x) * y + x)(X, Y).bytes == 3 * 8000  # one kernel: two read, one written
    outer = fd.inspect.cost(lambda x: np.sum(np.outer(x, x), axis=0))(X)
    assert outer.bytes == 2 * 8000  # the outer product is never stored


def test_lines_are_the_users() -> None:
    def f(x):
        y = np.sin(x)
        z = y * y + 1.0
        return z @ z

    found = fd.inspect.cost(f)(X)
    first = f.__code__.co_firstlineno
    assert [int(line.location.rpartition(":")[2]) - first for line in found.lines] == [1, 2, 3]
    assert [(line.operations, line.functions) for line in found.lines] == [(0, 1000), (2000, 0), (2000, 0)]
    text = str(found)
    assert text.startswith("f: 4 k operations, 1 k elementary functions, ") and "test_inspect.py:" in text
    assert found.least_seconds > 0


def test_what_is_not_counted_is_named() -> None:
    found = fd.inspect.cost(lambda a: np.linalg.cholesky(a))(np.eye(30))
    assert found.unknown == ("cholesky",) and "not counted: cholesky" in str(found)


def test_memory() -> None:
    found = fd.inspect.memory(lambda x, a: np.sum((a @ (a @ x)) ** 2))(X[:100], np.ones((100, 100)))
    assert (found.inputs, found.outputs) == (800 + 80000, 0)
    assert found.peak == 1600  # the inner product is read while the outer is written
    assert "1.6 kB of temporary arrays at most" in str(found)
    loop = fd.inspect.memory(lambda x: fd.lax.fori_loop(0, 9, lambda i, x: np.sin(np.roll(x, 1)), x))(X)
    assert [m.depth for m in loop.moments if m.name == "loop"] == [0]


def test_indices_are_printed_as_indices() -> None:
    def lines(f, *args):
        return [line.strip() for line in str(fd.inspect.readable(f)(*args)).splitlines()[1:-1]]

    table, i = np.ones((4, 3)), np.array([1, 0])
    assert lines(lambda a: a[2], table) == ["c:f64[3] = a[2]"]
    assert lines(lambda a: a[2, 1], table) == ["c:f64[] = a[2, 1]"]
    assert lines(lambda a: a[:, 1], table) == ["c:f64[4] = a[:, 1]"]
    assert lines(lambda a: a[1:3, ::2], table) == ["b:f64[2,2] = a[1:3, ::2]"]
    assert lines(lambda a, i: a[i], table, i) == ["d:f64[2,3] = a[b]"]
    assert lines(lambda a, i: a[i, i], table, i)[-1].endswith(" = a[b, b]")
    # a slice that is read by itself keeps its line
    both = lines(lambda a: (lambda row: (row, np.reshape(row, 3)))(a[0:1]), table)
    assert both == ["b:f64[1,3] = a[:1]", "c:f64[3] = reshape[shape=(3,)] b"]
    inner = lines(lambda x: fd.lax.fori_loop(0, 3, lambda k, c: c + x[k], 0.0), np.ones(3))
    assert any(line.endswith(("= b[a]", "= a[b]")) for line in inner)


def test_diffs_show_what_a_pass_has_done_and_no_more() -> None:
    program = fd.make_ir(lambda x: np.sum(np.sin(x) * 2.0 + x) * 3.0)(X)
    for number, line in enumerate(("c:f64[1000] = mul b 2.0  # c is b", "d:f64[1000] = add c a  # d is c"), 1):
        gone = program.eqns[number]  # its users read its operand
        eqns = [
            Eqn(e.primitive, tuple([gone.inputs[0] if a is gone.outputs[0] else a for a in e.inputs]), *rest)
            for e in program.eqns
            if e is not gone
            for rest in [(e.params, e.outputs, None)]
        ]
        after = Program(program.inputs, eqns, program.outputs)
        for made in (after, fd.parse_ir(str(after))):  # with the same variables, or with others
            assert changed_lines(program, made) == ["-     " + line]
    assert changed_lines(program, fd.parse_ir(str(program))) == []


def test_diffs_of_what_is_new_and_of_loops() -> None:
    def changes(f, g):
        return changed_lines(fd.make_ir(f)(X), fd.make_ir(g)(X))

    assert changes(lambda x: np.exp(np.sin(x)) + 1.0, lambda x: np.exp(np.cos(x)) + 1.0) == [
        "-     b:f64[1000] = sin a", "+     b:f64[1000] = cos a",
    ]  # fmt: skip
    assert changes(lambda x: np.exp(x) + 1.0, lambda x: np.exp(x * 2.0) + 1.0) == [
        "+     d:f64[1000] = mul a 2.0", "-     b:f64[1000] = exp a", "+     b:f64[1000] = exp d",
    ]  # fmt: skip

    def loop(step):
        return lambda x: fd.lax.fori_loop(0, 10, lambda i, c: step(np.sin(c)) + c, x)

    inner = "-             e:f64[1000] = mul d 2.0  # e is d"
    assert changes(loop(lambda s: s * 2.0), loop(lambda s: s)) == [inner]


def test_stages() -> None:
    found = fd.inspect.stages(lambda x: np.sum(x * 1.0 + 0.0))(X)
    assert [e.primitive.name for e in found.trace.eqns] == ["mul", "add", "sum"]
    assert [e.primitive.name for e in found.program.eqns] == ["add", "sum"]  # -0.0 + 0.0 is 0.0
    assert found.passes[0].name == "simplify" and found.passes[0].diff == "-     b:f64[1000] = mul a 1.0  # b is a"
    assert "kernel sum" in found.kernels and "@njit" in found.numba
    assert "double" in found.llvm and found.assembly
    assert "-- simplify" in repr(found) and "<details" in found._repr_html_()
    assert fd.inspect.stages(np.sin)(X).passes == []


def test_graph() -> None:
    found = fd.inspect.graph(fd.value_and_grad(lambda x, a: np.sum(np.tanh(a @ x) ** 2)))(X[:20], A)
    kernels = {n.label.split()[0]: n.kernel for n in found.nodes if n.kind == "equation"}
    assert kernels["tanh"] == kernels["square"] == kernels["sum"] != kernels["dot_general"]
    assert len([n for n in found.nodes if n.kind == "output"]) == 2
    keys = {n.key for n in found.nodes}
    assert all(a in keys and b in keys for a, b, _ in found.edges)
    assert found.dot.startswith("digraph {") and 'label="tanh"' in found.dot
    picture = ElementTree.fromstring(found.plain_svg)  # is well-formed
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}rect")) == len(found.nodes)


def test_boxes_do_not_overlap(tmp_path) -> None:
    found = fd.inspect.graph(lambda x: np.stack([np.sin(x) * k for k in range(6)]))(X)
    places = [
        tuple(float(r.get(k)) for k in ("x", "y", "width"))
        for r in ElementTree.fromstring(found.plain_svg).iter("{http://www.w3.org/2000/svg}rect")
    ]
    for i, (x, y, w) in enumerate(places):
        assert all(y != other or x + w <= left or left + wide <= x for left, other, wide in places[i + 1 :])
    found.save(str(tmp_path / "graph.svg"))
    assert (tmp_path / "graph.svg").read_text().startswith("<svg")
