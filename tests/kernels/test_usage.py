"""Which slots are used least, beside NumPy's sort."""

import numpy as np
import pytest

from memagents.kernels.paper import Paper
from memagents.kernels.usage import TIE, by_usage


def ranked(usage):
    return by_usage(Paper(np.zeros(1, np.int64), np.empty(100, usage.dtype)), usage)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slots", [1, 2, 15, 64])
def test_slots_are_ranked_by_usage_and_equals_in_their_order(slots, dtype):
    usage = np.random.default_rng(0).random(slots).astype(dtype)
    usage[slots // 2 :] = 0.5
    counted = usage + (TIE * np.arange(slots)).astype(dtype)
    np.testing.assert_array_equal(ranked(usage), np.argsort(counted, kind="stable"))
    np.testing.assert_array_equal(ranked(np.full(slots, -np.inf, dtype)), np.arange(slots))


def test_every_slot_has_a_place_though_some_usage_is_undefined():
    usage = np.array([0.5, np.nan, 0.1, np.nan, 0.9, 0.0])
    assert sorted(ranked(usage)) == list(range(len(usage)))
    assert sorted(ranked(np.full(5, np.nan))) == list(range(5))
