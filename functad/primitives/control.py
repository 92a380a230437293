"""How a primitive of control flow is declared: by what it is made of, its evaluation, and its native form.

All rules follow from the description (``ir/regions.py``), as those of an elementwise primitive follow from
"elementwise": types, tangents, linear rules, transposition, batching, doubts. A kind of control flow that says what its
equations are made of is differentiated to any order, mapped, rewritten by the passes, and checkpointed with what is in
it, as ``loop``, ``while`` and ``cond`` are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from functad.core.primitive import Linear, Primitive, Sample
from functad.core.zeros import zeros, zeros_like
from functad.errors import LinearityError
from functad.ir.dependence import through
from functad.ir.masks import Mask, expand
from functad.ir.regions import Control
from functad.ir.types import SeqType
from functad.kernel_ir.rules import KernelRule
from functad.primitives.choice_rules import ChoiceRule
from functad.primitives.control_rules import control_batch, control_doubting, control_jvp, control_types
from functad.primitives.repeat_rules import RepeatRule
from functad.transforms.transpose import linear_variables

__all__ = ["control_primitive"]


def control_primitive(
    name: str,
    control: Control,
    *,
    evaluate: Callable[..., Any],
    kernel: KernelRule,
    samples: Callable[[], Iterable[Sample]] = tuple,
) -> Primitive:
    """Declare a kind of control flow; parameters are those of ``Primitive``."""
    made: Primitive

    def linear_rule(types: Any, params: Mapping[str, Any], mask: Mask) -> RepeatRule | ChoiceRule:
        repeats = control.regions(params).kind.repeats
        return RepeatRule(made, params, mask) if repeats else ChoiceRule(made, params, mask)

    made = Primitive(
        name,
        control=control,
        type_rule=lambda *types, **params: control_types(name, control.regions(params), types),
        evaluate=evaluate,
        multiple_results=True,
        jvp_call=lambda primals, tangents, **params: control_jvp(
            made, control.regions(params), primals, tangents, params
        ),
        linearize=linear_rule,
        doubting=lambda params, doubts: control_doubting(control, params, doubts),
        transpose=lambda cts, *operands, **params: _transpose(linear_rule, control, cts, operands, params),
        linear="jointly",
        batch=lambda size, batched, *operands, **params: control_batch(
            made, control.regions(params), size, batched, operands, params
        ),
        kernel=kernel,
        samples=samples,
    )
    return made


def _transpose(
    linear_rule: Callable[..., RepeatRule | ChoiceRule],
    control: Control,
    cts: Sequence[Any],
    operands: Sequence[Any],
    params: Mapping[str, Any],
) -> list[Any]:
    """What is linear in some operands is its own derivative in them: transpose that, at zero."""
    mask = tuple([type(x) is Linear for x in operands])
    form, rule = control.regions(params), linear_rule((), params, mask)
    found, flags = through(form, mask), form.operands(mask)
    if found is None:
        raise LinearityError("the condition of a while loop depends on values that the loop would have to be linear in")
    for region in form.steps:
        linear_variables(region.program, form.given(region, flags._replace(carry=found.carry)))  # raises
    _, residuals = rule.primal(None, [at_zero(x) if type(x) is Linear else x for x in operands], {})
    return expand(rule.backward(residuals, cts), mask)


def at_zero(x: Linear) -> Any:
    """Zeros for a linear operand."""
    return zeros_like(x.like()) if isinstance(x.type, SeqType) and x.like is not None else zeros(x.type)
