"""What reverse mode keeps of a function's run forward, and where it comes from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from functad.api.differentiated import Differentiated
from functad.api.wanted import Wanted
from functad.core.capture import capture
from functad.ir.program import Eqn, Literal, Program
from functad.ir.regions import Kind, regions_of
from functad.ir.types import ArrayType
from functad.transforms.programs import linearized
from functad.tree.containers import leaf_paths
from functad.tree.partition import is_inexact

__all__ = ["print_saved_residuals", "saved_residuals"]


def saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> list[tuple[ArrayType, str]]:
    """What reverse mode of ``f`` at these arguments keeps for its way back: types, and where the values come from.

    It is what compiled code keeps; what costs less to compute again is not kept. Floating-point values among the
    positional arguments are differentiated. `checkpoint` changes what is kept.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.saved_residuals(lambda w, x: np.sum(np.tanh(w @ x)), np.ones((2, 3)), np.ones(3))
    [(f64[3], 'the argument x'), (f64[2,3], 'the argument w'), (f64[2], 'the result of tanh_slope at ...:1')]
    """
    inputs = Differentiated(f, args, kwargs, Wanted(tuple(range(len(args))), None, is_inexact), "saved_residuals")
    captured = capture(inputs.call, inputs.leaves, "grad", concrete=True)
    closed_over = len(captured.captures)
    names = ["a value that is closed over"] * closed_over + _names(f, inputs)
    mask = tuple([k >= closed_over for k in range(len(names))])
    forward = linearized(captured.program, mask).forward
    kept = forward.outputs[len(captured.program.outputs) :]
    return [(atom.type, _origin(forward, atom, names)) for atom in kept]


def print_saved_residuals(f: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what `saved_residuals` returns, a line for each.

    Examples
    --------
    >>> import functad as fd, numpy as np
    >>> fd.print_saved_residuals(fd.checkpoint(lambda x: np.sum(np.sin(np.sin(x)))), np.ones(3))
    f64[3] from the argument x
    """
    for type, origin in saved_residuals(f, *args, **kwargs):
        print(f"{type} from {origin}")


def _names(f: Callable[..., Any], inputs: Differentiated) -> list[str]:
    """What the differentiated leaves are called."""
    try:
        parameters = [p.name for p in inspect.signature(f).parameters.values() if p.kind < p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        parameters = []
    found = []
    for number, part in enumerate(inputs.parts):
        name = parameters[number] if number < len(parameters) else f"number {number}"
        paths = leaf_paths(part.structure)
        found += [f"the argument {name}{path}" for i, path in enumerate(paths) if i not in part.others]
    return found


def _origin(program: Program, atom: Any, names: Sequence[str]) -> str:
    """Where a value comes from; ``names`` are those of the inputs."""
    if isinstance(atom, Literal):
        return "a constant"
    if atom in program.inputs:
        return names[program.inputs.index(atom)]
    eqn = next(e for e in program.eqns if atom in e.outputs)
    form = regions_of(eqn)
    if form is not None:
        inside = _inside(eqn, form, atom, [_origin(program, a, names) for a in eqn.inputs])
        if inside is not None:
            return inside
    where = f" at {eqn.loc}" if eqn.loc else ""
    return f"the result of {eqn.primitive.name}{where}"


def _inside(eqn: Eqn, form: Any, atom: Any, origins: Sequence[str]) -> str | None:
    """Where the result of a call, a loop or a branch comes from, in what it runs."""
    region, number = form.steps[0], eqn.outputs.index(atom)
    if form.kind is Kind.CALL:
        return _origin(region.program, region.program.outputs[number], origins)
    if form.kind is Kind.CHOICE or number < form.carry + form.own:
        return None
    given = form.inputs(region, form.given(region, form.operands(list(origins))))
    names = [*given.consts, *["what the loop carries"] * form.carry, *[f"elements of {x}" for x in given.elements]]
    written = form.outputs(region, region.program.outputs).written[number - form.carry - form.own]
    return f"each step of a loop: {_origin(region.program, written, names)}"
