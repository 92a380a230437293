"""Functions as bytes, without Python code: what they compute as the text of a Program, and the elements of its arrays.

    "functad" 0 | version u32 | text u64 | elements u64 | digest, 32 bytes | text | elements

Numbers are little-endian; ``text`` and ``elements`` count bytes. The digest (BLAKE2b) is that of what stands before and
behind it: it tells damage, and is no signature. The text, UTF-8, says what the function takes and gives
(``structures.py``), and then the Program; the arrays whose elements it leaves out are in ``elements`` one after the
other, each as large as its type in the text says, so nothing is allocated that has not been sent.

Reading runs nothing of the bytes. Whatever they are, the result is a Program that its types fit, or a ``ParseError``;
the bytes decide what the function computes, though, and how long that takes.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from functad.api.arguments import name_of
from functad.api.jitted import Jitted
from functad.api.programs import program_of
from functad.core.statics import static_leaves
from functad.core.trace import type_name
from functad.errors import ParseError, StructureError, UnsupportedError
from functad.export.deserialized import Deserialized, argument_name
from functad.export.structures import classes_in, read_structure, structure_text
from functad.ir.program import frozen
from functad.ir.scanner import Scanner
from functad.ir.types import ArrayType
from functad.tree.containers import flatten, leaf_paths

__all__ = ["deserialize", "serialize"]

MAGIC = b"functad\0"
VERSION = 1
HEAD = struct.Struct("<8sIQQ")
DIGEST = 32


def serialize(f: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    """``f``, for arguments like these, as bytes that `deserialize` makes a function of, in another process, another
    year, where the code of ``f`` is not.

    What is stored is what ``f`` computes, traced for arguments of these shapes and dtypes: closed-over arrays are
    constants, as they are now; rules of ``custom_jvp`` and ``custom_vjp`` are traced, too. Nothing is pickled. The
    names of your files and the lines that equations come from are stored, for messages.

    Parameters
    ----------
    f
        A function; its derivative is ``fd.grad(f)`` and the like, but what is deserialised can be differentiated, too.
    args, kwargs
        Arguments to call it with: arrays, numbers, and dicts, lists, tuples, namedtuples, dataclasses of such.

    Returns
    -------
    bytes
        To be written to a file.

    Raises
    ------
    UnsupportedError
        Where ``f`` calls Python when it runs (``pure_callback``, ``io_callback``, ``fd.debug.print``, an exception
        raised under a traced condition), or has a rule of ``custom_vmap``: names it, and your line.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> data = fd.export.serialize(lambda x: np.sum(np.sin(x["a"]) * x["b"]), {"a": np.zeros(3), "b": 1.0})
    >>> f = fd.export.deserialize(data)
    >>> f({"a": np.zeros(3), "b": 2.0})
    np.float64(0.0)
    >>> fd.grad(f)({"a": np.zeros(3), "b": 2.0})
    {'a': array([2., 2., 2.]), 'b': np.float64(0.0)}
    """
    leaves, structure = flatten((args, kwargs))
    for number, x in static_leaves(leaves).items():
        raise UnsupportedError(
            f"export.serialize: {argument_name(leaf_paths(structure)[number])} is a {type_name(x)}, for which the "
            "function is traced; fix it with functools.partial, or a lambda around the function"
        )
    jitted = f if isinstance(f, Jitted) else None
    captured = Jitted(f if jitted is None else jitted._f, (), ()).captured(args, kwargs)
    name = name_of(f)
    if captured.captures:
        raise StructureError(f"export.serialize: {name} closes over traced values; make them arguments")
    if len(captured.program.inputs) != len(leaves):
        raise UnsupportedError(
            f"export.serialize: {name} asks for the value of an integer among its arguments, to decide what it does "
            "(a length, the number of something); fix it with functools.partial, or a lambda around the function"
        )
    arrays: list[np.ndarray] = []
    text = "\n".join([
        f"function {name!a} {'' if jitted is None else jitted._options.fastmath!a}",
        structure_text(structure),
        structure_text(captured.out_tree, captured.out_static, ordered=True),
        captured.program.text(arrays=arrays),
    ])  # fmt: skip
    data = _packed(text, arrays)
    deserialize(data, classes=[*classes_in(structure), *classes_in(captured.out_tree)])  # see that it can be read
    return data


def _packed(text: str, arrays: Iterable[np.ndarray]) -> bytes:
    content = text.encode()
    elements = b"".join([np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes() for a in arrays])
    head = HEAD.pack(MAGIC, VERSION, len(content), len(elements))
    return b"".join([head, _digest(head, content, elements), content, elements])


def _digest(*parts: Any) -> bytes:
    found = hashlib.blake2b(digest_size=DIGEST)
    for part in parts:
        found.update(part)
    return found.digest()


def deserialize(data: bytes, classes: Iterable[type] = ()) -> Deserialized:
    """The function that `serialize` has stored: of arguments of the same shapes and dtypes, in the same containers.

    It is called, differentiated, mapped, compiled (``fd.jit``), put into other functions, and serialised again as any
    function is; ``.program`` is what it computes, to be read.

    Parameters
    ----------
    data
        What `serialize` gave, of this version of functad or an older one.
    classes
        The dataclasses, and namedtuples, that arguments and results are made of, found by their names. A namedtuple
        that is not among them is made anew; arguments may be any namedtuple of that name and those fields.

    Raises
    ------
    ParseError
        Where ``data`` is damaged, of another format, or not what `serialize` writes. Nothing of it is executed.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> f = fd.export.deserialize(fd.export.serialize(lambda x: x * np.arange(3.0), 1.0))
    >>> f
    <functad.export.deserialize of <lambda>: f64[] -> f64[3]>
    >>> fd.export.deserialize(b"no such thing")
    Traceback (most recent call last):
        ...
    functad.errors.ParseError: deserialize: these bytes are not what export.serialize writes [functad E19]
    """
    text, elements = _unpacked(data)
    scanner = Scanner(text, "deserialize")
    try:
        return _function(scanner, _Elements(elements, scanner), {c.__name__: c for c in classes})
    except RecursionError:
        raise scanner.error("too much in one another for Python's limit of recursion") from None


def _function(scanner: Scanner, elements: _Elements, classes: dict[str, type]) -> Deserialized:
    scanner.expect("function")
    name, fastmath = scanner.string(), scanner.string()
    arguments = read_structure(scanner, classes)
    result = read_structure(scanner, classes)
    program = program_of(scanner, elements.take)
    elements.finish()
    return scanner.made(Deserialized, program, name, fastmath, arguments, result)  # type: ignore[no-any-return]


def _unpacked(data: bytes) -> tuple[str, memoryview]:
    """The text and the elements, undamaged."""
    whole = memoryview(data).cast("B")
    if len(whole) < HEAD.size + DIGEST or bytes(whole[: len(MAGIC)]) != MAGIC:
        raise ParseError("deserialize: these bytes are not what export.serialize writes")
    head = whole[: HEAD.size]
    _, version, text, elements = HEAD.unpack(head)
    if version != VERSION:
        raise ParseError(f"deserialize: these bytes are of version {version}; this functad reads version {VERSION}")
    start = HEAD.size + DIGEST
    if len(whole) != start + text + elements:
        raise ParseError(
            f"deserialize: these bytes are damaged: there are {len(whole)}, and said to be {start + text + elements}"
        )
    content, rest = whole[start : start + text], whole[start + text :]
    if _digest(head, content, rest) != bytes(whole[HEAD.size : start]):
        raise ParseError("deserialize: these bytes are damaged: their digest is another")
    try:
        return bytes(content).decode(), rest
    except UnicodeDecodeError as error:
        raise ParseError(f"deserialize: the text is no UTF-8: {error}") from None


class _Elements:
    """The elements of arrays, one after the other."""

    def __init__(self, content: memoryview, scanner: Scanner) -> None:
        self.content, self.scanner, self.used = content, scanner, 0

    def take(self, type: ArrayType) -> np.ndarray:
        """Those of the next array."""
        count = type.size * type.dtype.itemsize
        part = self.content[self.used : self.used + count]
        if len(part) != count:
            raise self.scanner.error(f"the elements of an {type} are missing")
        self.used += count
        if type.dtype.kind == "b" and np.any(np.frombuffer(part, np.uint8) > 1):
            raise self.scanner.error("a boolean is neither 0 nor 1")
        return frozen(np.frombuffer(part, type.dtype.newbyteorder("<")).reshape(type.shape))

    def finish(self) -> None:
        """See that there are no more."""
        if self.used != len(self.content):
            raise self.scanner.error("there are more elements than arrays")
