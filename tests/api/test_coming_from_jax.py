"""docs/coming_from_jax.md: every name on it exists, and what it says of JAX's signatures holds of functad's."""

from __future__ import annotations

import inspect
import re
from operator import attrgetter
from pathlib import Path

import pytest

import functad as fd

PAGE = (Path(__file__).parent.parent.parent / "docs" / "coming_from_jax.md").read_text()
NAMES = sorted(set(re.findall(r"\bfd\.([a-zA-Z_]+(?:\.[a-zA-Z_]+)*)", PAGE)))

SIGNATURES = {
    "vmap": "in_axes out_axes axis_name axis_size spmd_axis_name",
    "grad": "argnums has_aux holomorphic allow_int",
    "value_and_grad": "argnums has_aux holomorphic allow_int",
    "jacfwd": "argnums has_aux holomorphic",
    "jacrev": "argnums has_aux holomorphic allow_int",
    "hessian": "argnums has_aux holomorphic",
    "lax.all_gather": "axis_name axis tiled",
    "lax.psum_scatter": "axis_name scatter_dimension tiled",
    "lax.all_to_all": "axis_name split_axis concat_axis tiled",
    "lax.ppermute": "axis_name perm",
    "lax.dynamic_slice": "start_indices slice_sizes allow_negative_indices",
    "lax.dynamic_update_slice": "update start_indices allow_negative_indices",
    "lax.dynamic_slice_in_dim": "start_index slice_size axis allow_negative_indices",
    "lax.dynamic_index_in_dim": "index axis keepdims allow_negative_indices",
    "lax.top_k": "k axis",
    "lax.dot_general": "rhs dimension_numbers precision preferred_element_type",
    "lax.cumlogsumexp": "axis reverse",
    "nn.logsumexp": "axis b keepdims return_sign where",
    "nn.softmax": "axis where",
    "nn.leaky_relu": "negative_slope",
    "nn.one_hot": "num_classes dtype axis",
    "nn.initializers.variance_scaling": "mode distribution in_axis out_axis batch_axis dtype",
    "nn.initializers.truncated_normal": "dtype lower upper",
    "ops.segment_sum": "segment_ids num_segments indices_are_sorted unique_indices",
    "custom_jvp.defjvp": "rule symbolic_zeros",
    "custom_vjp.defvjp": "fwd bwd symbolic_zeros optimize_remat",
}
"""The parameters after the first, by JAX's names and in JAX's order."""


def test_names_are_found() -> None:
    assert len(NAMES) > 80


@pytest.mark.parametrize("name", NAMES)
def test_every_name_exists(name: str) -> None:
    assert attrgetter(name)(fd) is not None


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_jax(name: str) -> None:
    given = list(inspect.signature(attrgetter(name)(fd)).parameters)[1:]
    expected = SIGNATURES[name].split()
    assert [p for p in given if p in expected] == expected


def test_what_is_imported_late_is_listed() -> None:
    for module in (fd, fd.lax, fd.nn):
        for name in module.__all__:
            assert getattr(module, name) is not None
        with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
            module.nothing  # noqa: B018
