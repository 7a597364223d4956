"""Products inside of kernels beside NumPy's."""

import numba
import numpy as np
import pytest

from memagents.kernels.products import add_product, set_threads


@numba.njit
def add(out, a, b, transposed):
    add_product(out, a, b, transposed)


@numba.njit
def threads_set_one_after_the_other(first, second):
    before = set_threads(first)
    between = set_threads(second)
    return between, set_threads(before)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (3, 4, 5), (17, 2, 9), (4, 0, 3), (0, 4, 3)])
def test_a_product_is_added(m, k, n, transposed, dtype, tolerance):
    drawn = np.random.default_rng(0)
    a, b, out = (drawn.normal(size=shape).astype(dtype) for shape in ((m, k), (n, k) if transposed else (k, n), (m, n)))
    expected = out.copy()
    add_product(expected, a, b, transposed)
    np.testing.assert_allclose(expected, out + a @ (b.T if transposed else b), atol=tolerance)
    add(out, a, b, transposed)
    np.testing.assert_allclose(out, expected, atol=tolerance)


def test_threads_are_set_for_the_thread_that_sets_them():
    assert threads_set_one_after_the_other(1, 2) == (1, 2)
