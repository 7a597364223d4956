"""exp and log of many numbers, beside NumPy's in 64 bits."""

import numpy as np
import pytest

from memagents.kernels.exponentials import HIGHEST, LOWEST, exp_, log_

LARGEST_ERROR = {np.float32: 3e-7, np.float64: 1e-15}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_exp_is_as_near_as_it_says(kind):
    x = np.linspace(LOWEST, HIGHEST, 200_001).astype(kind)
    found = x.copy()
    exp_(found)
    expected = np.exp(x.astype(np.float64))
    assert np.abs(found / expected - 1).max() < LARGEST_ERROR[kind]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_log_is_as_near_as_it_says(kind):
    x = (10 ** np.linspace(-37, 38, 200_001)).astype(kind)
    found = x.copy()
    log_(found)
    expected = np.log(x.astype(np.float64))
    assert (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max() < LARGEST_ERROR[kind]


def test_exp_beyond_what_32_bits_hold_stays_finite_and_positive():
    x = np.array([-np.inf, -1000, 1000, np.inf], np.float32)
    exp_(x)
    np.testing.assert_allclose(x, np.exp([LOWEST, LOWEST, HIGHEST, HIGHEST], dtype=np.float64), rtol=3e-7)


@pytest.mark.parametrize("function", [exp_, log_])
def test_what_is_undefined_does_not_become_a_number(function):
    x = np.array([1, np.nan, 1], np.float32)
    function(x)
    assert np.isnan(x).tolist() == [False, True, False]
