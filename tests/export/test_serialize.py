"""Functions as bytes: what comes back is the function, and whatever else the bytes are is an error."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest

import functad as fd
from functad import config
from functad.errors import DtypeError, FunctadError, ParseError, ShapeError, StructureError, UnsupportedError
from functad.export import serialized
from functad.tree.containers import flatten
from tests.corpus import CORPUS, Body, Point

TRACEABLE = [e for e in CORPUS if e.traceable]


def bits(tree: Any) -> list[tuple[np.dtype, bytes]]:
    """The leaves of a result, to the bit."""
    return [(np.asarray(x).dtype, np.asarray(x).tobytes()) for x in flatten(tree)[0]]


@pytest.mark.parametrize("entry", TRACEABLE, ids=str)
def test_the_corpus_comes_back(entry):
    f = fd.export.deserialize(fd.export.serialize(entry.function, *entry.args), classes=[Body, Point])
    for backend in ("evaluator", "native"):
        with config.backend(backend):
            expected = fd.jit(entry.function)(*entry.args)
            found = f(*entry.args)
        assert flatten(found)[1] == flatten(expected)[1]
        assert bits(found) == bits(expected)


def model(params, x, *, scale=2.0):
    return {"loss": np.sum(np.tanh(x @ params["w"]) ** 2) * scale, "kind": "squares", "rest": (x, [None])}


PARAMS, X = {"w": np.linspace(0.0, 1.0, 3)}, np.arange(6.0).reshape(2, 3)


def test_what_comes_back_is_transformed_further():
    f = fd.export.deserialize(fd.export.serialize(model, PARAMS, X, scale=1.0))
    assert repr(f) == "<functad.export.deserialize of model: (f64[3], f64[2,3], f64[]) -> (f64[], f64[2,3])>"
    result = f(PARAMS, X, scale=3)
    assert result["kind"] == "squares" and list(result) == ["loss", "kind", "rest"]

    def loss(g):
        return lambda w, x, s: g({"w": w}, x, scale=s)["loss"]

    mine, original = loss(f), loss(model)
    args = PARAMS["w"], X, 2.0
    for transform in (fd.grad, fd.hessian, lambda g: fd.jit(fd.grad(g)), lambda g: fd.grad(fd.jit(g))):
        np.testing.assert_allclose(transform(mine)(*args), transform(original)(*args), rtol=1e-14)
    many = np.stack([X, X + 1.0, X * 2.0])
    np.testing.assert_allclose(
        fd.vmap(mine, (None, 0, None))(PARAMS["w"], many, 2.0),
        [original(PARAMS["w"], x, 2.0) for x in many],
        rtol=1e-14,
    )
    again = fd.export.deserialize(fd.export.serialize(f, PARAMS, X, scale=1.0))
    assert bits(again(PARAMS, X, scale=3.0)) == bits(result)
    slope = fd.export.deserialize(fd.export.serialize(fd.grad(mine), *args))
    np.testing.assert_array_equal(slope(*args), fd.grad(mine)(*args))


def test_arguments_are_those_that_it_was_serialised_for():
    f = fd.export.deserialize(fd.export.serialize(model, PARAMS, X.astype(np.float64), scale=1.0))
    assert bits(f({"w": np.ones(3, np.float32)}, X, scale=1)) == bits(f({"w": np.ones(3)}, X, scale=1.0))
    for args, kwargs, error, message in (
        (
            ({"w": np.ones(4)}, X),
            {"scale": 1.0},
            ShapeError,
            r"model: argument 0\['w'\] has shape \(4,\), but .* f64\[3\]",
        ),
        (
            ({"w": np.ones(3) + 0j}, X),
            {"scale": 1.0},
            DtypeError,
            r"argument 0\['w'\] has dtype complex128, but .*astype",
        ),
        ((PARAMS, X), {}, StructureError, "was serialised for arguments .*'scale'.* and is called with"),
        ((PARAMS, X), {"scale": "x"}, StructureError, "model: argument 'scale' is a str"),
    ):
        with pytest.raises(error, match=message):
            f(*args, **kwargs)


def test_namedtuples_go_by_their_fields_and_dataclasses_by_what_is_given():
    class Other(NamedTuple):
        x: Any
        y: Any

    Other.__name__ = "Point"
    data = fd.export.serialize(lambda p: Point(p.y, p.x), Point(1.0, 2.0))
    found = fd.export.deserialize(data)(Other(3.0, 4.0))
    assert type(found).__name__ == "Point" and (found.x, found.y) == (4.0, 3.0) and type(found) is not Point
    assert type(fd.export.deserialize(data, classes=[Point])(Other(3.0, 4.0))) is Point
    data = fd.export.serialize(lambda b: dataclasses.replace(b, mass=2.0 * b.mass), Body(np.ones(2), 1.0, "moon"))
    with pytest.raises(ParseError, match="the dataclass Body is not among the classes that deserialize is given"):
        fd.export.deserialize(data)
    found = fd.export.deserialize(data, classes=[Body])(Body(np.ones(2), 3.0, "moon"))
    assert (type(found), found.mass, found.name) == (Body, 6.0, "moon")
    with pytest.raises(StructureError, match="name='moon'.* is called with .*name='sun'"):
        fd.export.deserialize(data, classes=[Body])(Body(np.ones(2), 3.0, "sun"))


def counted(n, x):
    return np.zeros(n) + x


def logged(x):
    fd.pure_callback(np.sin, x, x)
    return fd.io_callback(np.sin, x, x)


def raising(x):
    if x < 0:
        raise ValueError(f"negative: {x}")
    return x


def other_batching(x):
    return mapped(x)


@fd.custom_vmap
def mapped(x):
    return x * 2.0


@mapped.def_vmap
def rule_of_mapped(size, batched, x):
    return x * 2.0, batched[0]


@pytest.mark.parametrize(
    ("f", "args", "message"),
    [
        (logged, (1.0,), r"io_callback holds sin, which is Python's.*test_serialize.py:\d+"),
        (raising, (1.0,), r"check holds .*which is Python's.*test_serialize.py:\d+"),
        (other_batching, (1.0,), r"custom_vmap holds .*PythonRule.*test_serialize.py:\d+"),
        (counted, (3, 2.0), "counted asks for the value of an integer among its arguments"),
        (lambda x, mode: x, (1.0, "fast"), "argument 1 is a str, for which the function is traced"),
        (lambda d: d["a"], (OrderedDict(a=1.0),), "there is a OrderedDict among the arguments or results"),
        (lambda d: d[1.5, 2], ({(1.5, 2): 1.0},), r"\(1.5, 2\) is a key of a dict"),
    ],
    ids=["callback", "raise", "custom_vmap", "integer", "string", "OrderedDict", "key"],
)
def test_what_cannot_be_stored_is_named(f, args, message):
    with pytest.raises(UnsupportedError, match=message):
        fd.export.serialize(f, *args)


def small() -> bytes:
    """A small function with most of what bytes hold."""

    def f(p, x):
        y = fd.lax.scan(lambda c, v: (c * v + p.x, np.sin(c)), p.y, x)[1]
        return {"a": y * np.array([1.0, 2.0, 3.0]), 2: [np.array([True, False, True]) & (x > 0), "text", None]}

    return fd.export.serialize(f, Point(1.0, 2.0), np.ones(3))


def signed(text: bytes, elements: bytes) -> bytes:
    """Bytes with a right digest, whatever is in them: as somebody who means harm writes them."""
    head = serialized.HEAD.pack(serialized.MAGIC, serialized.VERSION, len(text), len(elements))
    return head + serialized._digest(head, text, elements) + text + elements


def parts(data: bytes) -> tuple[bytes, bytes]:
    """The text and the elements."""
    _, _, text, _ = serialized.HEAD.unpack(data[: serialized.HEAD.size])
    start = serialized.HEAD.size + serialized.DIGEST
    return data[start : start + text], data[start + text :]


def test_every_damaged_byte_is_seen():
    data = small()
    for place in range(len(data)):
        for change in (1, 0x80):
            with pytest.raises(ParseError, match="deserialize"):
                fd.export.deserialize(data[:place] + bytes([data[place] ^ change]) + data[place + 1 :])
    for cut in range(0, len(data), 7):
        for damaged in (data[:cut], data[:cut] + b"\0" + data[cut:], data[cut:]):
            if damaged != data:
                with pytest.raises(ParseError):
                    fd.export.deserialize(damaged)


@pytest.mark.parametrize("seed", range(3))
def test_what_somebody_has_signed_is_a_function_or_an_error(seed):
    """Changes below the digest: characters and words of the text, lines, elements."""
    assert_safe(seed, 150, "evaluator")


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3, 8))
def test_many_more_signed_changes_that_run_natively_too(seed):
    assert_safe(seed, 1000, "evaluator", "native")


WORDS = [
    b"-1", b"0", b"99999999999999999999", b"9223372036854775807", b"1e308", b"nan", b"None", b"True", b"'x'", b"@0",
    b"@0: ", b"(", b")", b"[", b"]", b"{ lambda", b"in", b"a", b"f64[3]", b"seq<f64[]>", b"array(f64[9999999999])",
    b"f64", b"loop", b"jit", b"gather", b"n0", b"?", b"#", b"\n", b"\0", b"\xff", b"__import__('os')", b"dataclass",
]  # fmt: skip


def assert_safe(seed: int, count: int, *backends: str) -> None:
    rng = np.random.default_rng(seed)
    text, elements = parts(small())
    words = text.split(b" ")
    read = 0
    for _ in range(count):
        kind, changed, rest = rng.integers(5), text, elements
        if kind == 0:
            place = rng.integers(len(text))
            changed = text[:place] + bytes([rng.integers(32, 127)]) + text[place + 1 :]
        elif kind == 1:
            place, word = rng.integers(len(words)), WORDS[rng.integers(len(WORDS))]
            changed = b" ".join([*words[:place], word, *words[place + rng.integers(2) :]])
        elif kind == 2:
            i, j = sorted(rng.integers(len(words), size=2))
            changed = b" ".join([*words[:i], words[j], *words[i + 1 : j], words[i], *words[j + 1 :]])
        elif kind == 3:
            lines = text.split(b"\n")
            place = rng.integers(len(lines))
            changed = b"\n".join([*lines[:place], *lines[place + rng.integers(2) * 2 - 1 :]])
        else:
            rest = bytes(rng.integers(0, 256, rng.integers(2 * len(elements)), np.uint8))
        try:
            f = fd.export.deserialize(signed(changed, rest))
        except ParseError as error:
            assert str(error).startswith("deserialize: ")
            continue
        read += 1
        for backend in backends:
            another = contextlib.suppress(FunctadError, ValueError, IndexError, ZeroDivisionError)  # function
            with config.backend(backend), np.errstate(all="ignore"), another:
                f(Point(1.0, 2.0), np.ones(3))
    assert 0 < read < count


def test_hostile_bytes_neither_run_nor_allocate():
    head = b"function 'f' ''\n((*,), {})\n*\n"
    for text, elements, message in (
        (b"function 'f' ''\n" + b"(" * 100_000, b"", "containers in one another"),
        (head + b"{ lambda a:f64[] .\n    b:f64[] = jit[program=" * 500, b"", "in one another"),
        (head + b"{ lambda a:f64[] .\n  in (array(f64[1000000000000])) }", b"", "elements of an .* are missing"),
        (head + b"{ lambda a:f64[] .\n  in (a) }", b"12345678", "more elements than arrays"),
        (head + b"{ lambda a:f64[] .\n  in (array(bool[2])) }", b"\1\2", "a boolean is neither 0 nor 1"),
        (head + b"{ lambda .\n  in (1.0) }", b"", "takes or gives more, or fewer, than its Program"),
        (b"function 'f' 'x }'\n((*,), {})\n*\n{ lambda a:f64[] .\n  in (a) }", b"", "no fastmath flag"),
        (b"function 'f' ''\n((Point(x=*, x=*),), {})\n*\n", b"", "a name or key is given twice"),
        (b"function 'f' ''\n((P('class'=*),), {})\n*\n", b"", "'class' is no name of Python's"),
        (b"function 'f' ''\n((P(_x=*),), {})\n*\n", b"", "cannot start with an underscore"),
        (b"function 'f' ''\n((dataclass Body(mass=*),), {})\n*\n", b"", "Body has other fields than mass"),
        (head + b"'__import__(\\'os\\')' { lambda a:f64[] .\n  in (a) }", b"", "is no name of a Program"),
        (b"\xff\xfe", b"", "no UTF-8"),
    ):
        with pytest.raises(ParseError, match=message):
            fd.export.deserialize(signed(text, elements), classes=[Body])
    with pytest.raises(ParseError, match="of version 99; this functad reads version 1"):
        fd.export.deserialize(serialized.HEAD.pack(serialized.MAGIC, 99, 0, 0) + bytes(32))


@pytest.mark.deep
def test_bytes_are_read_in_another_process(tmp_path):
    (tmp_path / "f").write_bytes(fd.export.serialize(lambda x: np.linalg.solve(np.eye(2) * x[0], x) + 1.0, np.ones(2)))
    code = (
        "import sys, functad as fd, numpy as np\n"
        "f = fd.export.deserialize(open(sys.argv[1], 'rb').read())\n"
        "print(f(np.array([2.0, 4.0])), fd.jacobian(f)(np.array([2.0, 4.0])).ravel())\n"
        "assert 'pickle' not in str(f.program)"
    )
    found = subprocess.run([sys.executable, "-c", code, tmp_path / "f"], capture_output=True, text=True, check=True)
    assert found.stdout == "[2. 3.] [ 0.   0.  -1.   0.5]\n"
