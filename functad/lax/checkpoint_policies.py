"""Policies of ``fd.checkpoint``: which results are saved for reverse mode; all others are computed again.

A policy is a function of an equation (the name of its primitive, the types of its operands, its params), as
``fd.make_ir`` prints them; it returns whether to save the equation's results. It is asked about the equations in the
bodies of loops, in branches, and in jitted functions, but not about these as such: what it accepts in a loop's body is
saved at each step. `checkpoint_name` gives a value a name that a policy can go by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functad.errors import StructureError
from functad.ir.forms import Form, declare_form, declare_name
from functad.ir.types import ArrayType
from functad.primitives.saving import Policy

__all__ = [
    "dots_saveable",
    "dots_with_no_batch_dims_saveable",
    "everything_saveable",
    "nothing_saveable",
    "save_any_names_but_these",
    "save_anything_except_these_names",
    "save_from_both_policies",
    "save_only_these_names",
]


def nothing_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save the arguments alone: least memory.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> policies.nothing_saveable("sin", (), {})
    False
    """
    return False


def everything_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save all that the derivative needs, as without ``checkpoint``.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> policies.everything_saveable("sin", (), {})
    True
    """
    return True


def dots_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save the results of matrix products, which cost much and are small for what they cost; compute the rest again.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> [policies.dots_saveable(primitive, (), {}) for primitive in ("dot_general", "sin")]
    [True, False]
    """
    return primitive == "dot_general"


def dots_with_no_batch_dims_saveable(primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
    """Save the results of matrix products without batch axes (those with weights), but not of batches of products (such
    as attention's scores).

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> params = {"batch": ((0,), (0,)), "contract": ((2,), (1,))}
    >>> policies.dots_with_no_batch_dims_saveable("dot_general", (), params)
    False
    """
    return primitive == "dot_general" and params["batch"] == ((), ())


@dataclass(frozen=True)
class Names:
    """Decides by name: the verdict on the names listed, on other names, and on all else. Equal ones are the same policy
    to a cache.
    """

    names: tuple[str, ...]
    listed: bool
    others: bool
    unnamed: bool

    def __call__(self, primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
        if primitive != "name":
            return self.unnamed
        return self.listed if params["name"] in self.names else self.others


def _names(policy: str, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str):
            raise StructureError(
                f"{policy} takes names as strings, one by one, got {name!r}; expected such as {policy}('a', 'b')"
            )
    return tuple(sorted(set(names)))


def save_only_these_names(*names: str) -> Policy:
    """Save the values with these names (see `checkpoint_name`), and nothing else.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> policy = policies.save_only_these_names("hidden")
    >>> policy("name", (), {"name": "hidden"}), policy("name", (), {"name": "output"}), policy("sin", (), {})
    (True, False, False)
    """
    return Names(_names("save_only_these_names", names), listed=True, others=False, unnamed=False)


def save_any_names_but_these(*names: str) -> Policy:
    """Save the values with a name, except these names.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> policy = policies.save_any_names_but_these("hidden")
    >>> policy("name", (), {"name": "hidden"}), policy("name", (), {"name": "output"}), policy("sin", (), {})
    (False, True, False)
    """
    return Names(_names("save_any_names_but_these", names), listed=False, others=True, unnamed=False)


def save_anything_except_these_names(*names: str) -> Policy:
    """Save everything, named or not, except the values with these names.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> policy = policies.save_anything_except_these_names("hidden")
    >>> policy("name", (), {"name": "hidden"}), policy("name", (), {"name": "output"}), policy("sin", (), {})
    (False, True, True)
    """
    return Names(_names("save_anything_except_these_names", names), listed=False, others=True, unnamed=True)


@dataclass(frozen=True)
class Either:
    """Accepts what one of two policies accepts."""

    one: Policy
    other: Policy

    def __call__(self, primitive: str, in_types: Sequence[ArrayType], params: Mapping[str, Any]) -> bool:
        return self.one(primitive, in_types, params) or self.other(primitive, in_types, params)


def save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """Save what either of two policies saves.

    Examples
    --------
    >>> from functad.lax import checkpoint_policies as policies
    >>> hidden = policies.save_only_these_names("hidden")
    >>> policy = policies.save_from_both_policies(policies.dots_saveable, hidden)
    >>> policy("dot_general", (), {}), policy("name", (), {"name": "hidden"}), policy("sin", (), {})
    (True, True, False)
    """
    return Either(policy_1, policy_2)


def _decided(names: object, *verdicts: object) -> Names:
    """A policy by names that has been stored."""
    strings = type(names) is tuple and all(type(n) is str for n in names)
    if not strings or len(verdicts) != 3 or not all(type(v) is bool for v in verdicts):
        raise StructureError("a policy by names is names and three verdicts")
    return Names(names, *verdicts)  # type: ignore[arg-type]


def _either(one: Policy, other: Policy) -> Either:
    """A policy of two that has been stored."""
    if not callable(one) or not callable(other):
        raise StructureError("a policy of two is two policies")
    return Either(one, other)


for _policy in (nothing_saveable, everything_saveable, dots_saveable, dots_with_no_batch_dims_saveable):
    declare_name(_policy)
declare_form(Form("Names", Names, lambda p: (p.names, p.listed, p.others, p.unnamed), _decided))
declare_form(Form("Either", Either, lambda p: (p.one, p.other), _either))
