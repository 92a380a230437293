"""Any view made of slices, permutations and broadcasts is recognised as one of contiguous memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functad.api.world.views import is_plain, view_of


@st.composite
def views(draw):
    """An array that owns its memory or not, and a view of it made in a few steps."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    flat = np.arange(float(np.prod(shape)))
    array = draw(
        st.sampled_from([flat.reshape(shape), np.array(flat.reshape(shape)), np.asfortranarray(flat.reshape(shape))])
    )
    view = array
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from(["slice", "transpose", "integer", "broadcast", "new axis"]))
        if step == "slice" and view.ndim:
            index = tuple(
                [
                    slice(draw(st.integers(-3, 3)), None, draw(st.sampled_from([1, 2, 3, -1, -2])))
                    for _ in range(view.ndim)
                ]
            )
            view = view[index] if view[index].size else view
        elif step == "transpose":
            view = view.transpose(draw(st.permutations(range(view.ndim))))
        elif step == "integer" and view.ndim:
            view = view[draw(st.integers(0, len(view) - 1)), ...]
        elif step == "broadcast":
            view = np.broadcast_to(view, (2, *view.shape))
        else:
            view = view[..., None]
    return array, np.asarray(view)


@pytest.mark.deep
@settings(max_examples=400, deadline=None)
@given(views())
def test_views_show_what_they_show(pair) -> None:
    array, view = pair
    for others in ([], [array]):
        found = view_of(view, others)
        if found is not None:
            assert is_plain(found.base) and np.shares_memory(found.base, array)
            np.testing.assert_array_equal(found.of(found.base), view)
    if is_plain(array):
        assert view_of(view, [array]) is not None


W = np.arange(24.0).reshape(4, 6)


@pytest.mark.parametrize(
    "view",
    [
        W.T,
        W[:, 1],
        W[::-1],
        W[1:, :3].T,
        np.broadcast_to(W[:, :1], (4, 6)),
        W.reshape(2, 2, 6).transpose(1, 0, 2),
        W[:, ::2],
    ],
)
def test_views_of_unknown_arrays(view) -> None:
    """Without the array that they are of: all that is known is the flat memory."""
    found = view_of(view)
    assert found is not None
    np.testing.assert_array_equal(found.of(found.base), view)


def test_what_is_no_view_of_native_memory() -> None:
    assert view_of(np.zeros((0, 3)).T) is None
    assert view_of(np.arange(6.0).astype(">f8")[::-1]) is None
    assert view_of(np.zeros(17, np.int8)[1:].view(np.float64)[::-1]) is None
    assert view_of(np.arange(6.0).reshape(2, 3).view(np.int64).T) is None
    assert view_of(np.lib.stride_tricks.sliding_window_view(np.arange(6.0), 2)) is None
