"""Literals: what holds their values, and who can write to it."""

from __future__ import annotations

import numpy as np
import pytest

from functad.ir.program import SMALL_BYTES, frozen, is_frozen


@pytest.mark.parametrize("size", [0, 3, SMALL_BYTES])
@pytest.mark.parametrize("dtype", ["f8", ">f8", "c16", "?", "i2"])
def test_frozen_copies(size, dtype):
    array = np.arange(2 * size).astype(dtype).reshape(2, size).T
    copy = frozen(array)
    np.testing.assert_array_equal(copy, array)
    assert (
        copy.dtype == array.dtype.newbyteorder("=")
        and copy.flags.c_contiguous
        and copy.flags.aligned
        and copy.shape == array.shape
    )
    for shown in (copy, copy[1:], copy.T):
        assert is_frozen(shown)
        with pytest.raises(ValueError, match="WRITEABLE"):
            shown.flags.writeable = True


def test_what_is_not_frozen():
    owner = np.ones(3)
    view = owner[:]
    view.flags.writeable = False
    assert not is_frozen(owner) and not is_frozen(view) and not is_frozen(np.broadcast_to(owner, (2, 3)))
    owner.flags.writeable = False
    assert not is_frozen(owner)  # the flag can be set back
    assert not is_frozen(np.frombuffer(bytearray(16))) and is_frozen(np.frombuffer(bytes(16)))
