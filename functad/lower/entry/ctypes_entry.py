"""The entry in plain Python: the same contract as the emitted one, at about 5 us a call, on every platform that has
ctypes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from functad.lower.emit.clock import Caller
from functad.lower.entry.signature import Container, Driver, Leaf, Signature, Spec, Static, statics_of
from functad.lower.entry.statics import Plan, plan_of, same_as_plan
from functad.lower.native.threads import configure
from functad.recycled import allocator

__all__ = ["make_ctypes_entry"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]
Plans = dict[Static, Plan]

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

    given = _as_arrays(signature.result)
    compared = (*signature.specs, *([given] if signature.gives_out else []))
    plans = {static: plan_of(static.value) for spec in compared for static in statics_of(spec)}

    def entry(*args: Any, **kwargs: Any) -> Any:
        outputs: list[Array] | None = None
        try:
            inputs = _inputs(signature, plans, args, kwargs)
            if signature.gives_out:
                outputs = list(_unpack(given, kwargs["out"], plans, "written"))
                _require(_are_apart(outputs, inputs))
        except _Mismatch:
            inputs = None
        if inputs is None:  # outside of the handler, which would show in the slow path's tracebacks
            return slow_path(*args, **kwargs)
        if outputs is None:
            outputs = [make() if make else np.empty(leaf.shape, leaf.dtype) for make, leaf in allocators]
        configure()
        status = run(_pointers([*_addresses(inputs), *constants]), _pointers(_addresses(outputs)), sizes, caller)
        if status:
            return raise_error(status)
        return kwargs["out"] if signature.gives_out else _pack(signature.result, iter(outputs))

    return entry


def _inputs(signature: Signature, plans: Plans, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Array]:
    """The arguments' leaves, then the hidden ones."""
    _require(len(args) == len(signature.args) and kwargs.keys() == set(signature.names))
    role = "read" if signature.gives_out else "copied"  # what is written to could overlap with the original
    values = (*args, *[kwargs[name] for name, _ in signature.keywords])
    inputs = [
        array
        for spec, value in zip(signature.specs, values, strict=True)
        for array in _unpack(spec, value, plans, role)
    ]
    _require(all([check.holds() for check in signature.checks]))
    inputs += [array for hidden in signature.hidden for array in _unpack(hidden.leaf, hidden.place.get(), plans, role)]
    return inputs


def _as_arrays(spec: Spec) -> Spec:
    """The same container with an array for each leaf."""
    match spec:
        case Leaf():
            return Leaf("array", spec.dtype, spec.shape)
        case Container():
            return Container(spec.kind, tuple([_as_arrays(child) for child in spec.children]), spec.parts)
    return spec


def _are_apart(outputs: list[Array], inputs: list[Array]) -> bool:
    """Whether no output shares memory with another, or with an input."""
    return not any([np.may_share_memory(x, y) for n, x in enumerate(outputs) for y in (*inputs, *outputs[:n])])


def _unpack(spec: Spec, value: Any, plans: Plans, role: str) -> Iterator[Array]:
    """The leaves of an argument, as arrays, which keep their memory alive: "written" to, "read" where they are, or
    "copied" if need be.
    """
    match spec:
        case Static():
            _require(same_as_plan(value, plans[spec]))
        case Leaf(kind="array"):
            _require(type(value) is np.ndarray and value.shape == spec.shape and type(value.dtype) is type(spec.dtype))
            fits = value.flags.c_contiguous and value.flags.aligned and value.dtype.isnative
            _require(role == "copied" or (fits and (role == "read" or value.flags.writeable)))
            yield value if fits else np.array(value, spec.dtype, order="C")
        case Leaf():
            yield _scalar(spec, value)
        case Container():
            for child, item in zip(spec.children, _children(spec, value), strict=True):
                yield from _unpack(child, item, plans, role)


def _children(spec: Container, value: Any) -> Sequence[Any]:
    """What is in a container that has as much in it as it should."""
    cls = _CONTAINER_TYPES[spec.kind] if spec.kind in _CONTAINER_TYPES else spec.parts[0]
    _require(type(value) is cls)
    try:
        children = _items(spec, value)
    except Exception:  # also what __eq__ of a foreign key raises; the slow path meets it again
        raise _Mismatch from None
    _require(children is not None and len(children) == len(spec.children))
    return children or ()


def _items(spec: Container, value: Any) -> Sequence[Any] | None:
    match spec.kind:
        case "dict":
            _require(len(value) == len(spec.children))
            _require(not spec.has_int_keys or all([type(key) is int for key in value]))
            return [value[key] for key in spec.parts]
        case "fields":
            return [getattr(value, name) for name in spec.parts[1:]]
        case "custom":
            _, flatten, _, rest = spec.parts
            children, own, *_ = flatten(value)
            return list(children) if own == rest else None
    return list(tuple.__iter__(value) if spec.kind == "namedtuple" else value)


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
            return _container(spec, children)


def _container(spec: Container, children: list[Any]) -> Any:
    match spec.kind:
        case "dict":
            order = spec.order or range(len(children))
            return {spec.parts[n]: children[n] for n in order}
        case "list":
            return children
        case "namedtuple":
            return spec.parts[0](*children)
        case "fields":
            made = object.__new__(spec.parts[0])
            for name, child in zip(spec.parts[1:], children, strict=True):
                object.__setattr__(made, name, child)
            return made
        case "custom":
            _, _, put_together, rest = spec.parts
            return put_together(rest, tuple(children))
    return tuple(children)


def _addresses(arrays: Sequence[Array]) -> list[int]:
    return [array.ctypes.data for array in arrays]


def _pointers(addresses: list[int]) -> ctypes.Array[Any]:
    return (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
