"""The entry in plain Python: the same contract as the emitted one, at about 5 us a call, on every platform that has
ctypes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from functad.lower.emit.clock import Caller
from functad.lower.entry.signature import Container, Driver, Leaf, Signature, Spec, Static
from functad.lower.native.threads import configure
from functad.recycled import allocator

__all__ = ["make_ctypes_entry"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]

_PYTHON_TYPES = {"python_int": int, "python_float": float, "python_complex": complex, "python_bool": bool}
_CONTAINER_TYPES = {"tuple": tuple, "list": list, "dict": dict}


class _Mismatch(Exception):
    """The arguments do not fit the signature."""


def make_ctypes_entry(
    signature: Signature, driver: Driver, slow_path: Function, raise_error: Callable[[int], None], release_gil: bool
) -> Function:
    """See ``functad.lower.entry.make.make_entry``."""
    prototype = ctypes.CFUNCTYPE if release_gil else ctypes.PYFUNCTYPE
    types = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    run: Any = prototype(ctypes.c_int32, *types)(driver.address)
    run.driver = driver  # what is known by its address lives as long as this
    caller = Caller.WITHOUT_GIL if release_gil else Caller.WITH_GIL
    sizes = (ctypes.c_int64 * max(1, len(driver.sizes)))(*driver.sizes)
    constants = _addresses(driver.constants)
    allocators = [(allocator(leaf.shape, leaf.dtype), leaf) for leaf in signature.outputs]

    def entry(*args: Any, **kwargs: Any) -> Any:
        try:
            if kwargs or len(args) != len(signature.args):
                raise _Mismatch
            inputs = [array for spec, arg in zip(signature.args, args, strict=True) for array in _unpack(spec, arg)]
            _require(all([check.holds() for check in signature.checks]))
            inputs += [array for hidden in signature.hidden for array in _unpack(hidden.leaf, hidden.place.get())]
        except _Mismatch:
            inputs = None
        if inputs is None:  # outside of the handler, which would show in the slow path's tracebacks
            return slow_path(*args, **kwargs)
        outputs = [make() if make else np.empty(leaf.shape, leaf.dtype) for make, leaf in allocators]
        configure()
        status = run(_pointers([*_addresses(inputs), *constants]), _pointers(_addresses(outputs)), sizes, caller)
        return raise_error(status) if status else _pack(signature.result, iter(outputs))

    return entry


def _unpack(spec: Spec, value: Any) -> Iterator[Array]:
    """The leaves of an argument, as arrays, which keep their memory alive."""
    match spec:
        case Static():
            _require(value is spec.value)
        case Leaf(kind="array"):
            _require(type(value) is np.ndarray and value.dtype == spec.dtype and value.shape == spec.shape)
            _require(value.flags.c_contiguous and value.flags.aligned)
            yield value
        case Leaf():
            yield _scalar(spec, value)
        case Container():
            _require(type(value) is _CONTAINER_TYPES[spec.kind] and len(value) == len(spec.children))
            for child, item in zip(spec.children, _items(spec, value), strict=True):
                yield from _unpack(child, item)


def _items(spec: Container, value: Any) -> list[Any]:
    if spec.kind != "dict":
        return list(value)
    _require(not spec.has_int_keys or all([type(key) is int for key in value]))
    try:
        return [value[key] for key in spec.keys]
    except Exception:  # also what __eq__ of a foreign key raises; the slow path meets it again
        raise _Mismatch from None


def _scalar(leaf: Leaf, value: Any) -> Array:
    _require(type(value) is _PYTHON_TYPES.get(leaf.kind, leaf.dtype.type))
    try:
        return np.array(value, leaf.dtype)
    except OverflowError:  # an int that does not fit
        raise _Mismatch from None


def _require(condition: bool) -> None:
    if not condition:
        raise _Mismatch


def _pack(spec: Spec, outputs: Iterator[Array]) -> Any:
    match spec:
        case Static():
            return spec.value
        case Leaf():
            array = next(outputs)
            return array if spec.kind == "array" else array[()] if spec.kind == "numpy_scalar" else array.item()
        case Container():
            children = [_pack(child, outputs) for child in spec.children]
            if spec.kind == "dict":
                return dict(zip(spec.keys, children, strict=True))
            return children if spec.kind == "list" else tuple(children)


def _addresses(arrays: Sequence[Array]) -> list[int]:
    return [array.ctypes.data for array in arrays]


def _pointers(addresses: list[int]) -> ctypes.Array[Any]:
    return (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
