"""Products inside of kernels beside NumPy's."""

import numba
import numpy as np
import pytest

from memagents.kernels.products import FEW_ROWS, multiply, set_threads


@numba.njit
def in_machine_code(out, a, b, transposed, first, stop, kept):
    multiply(out, a, b, transposed, first, stop, kept)


@numba.njit
def threads_set_one_after_the_other(first, second):
    before = set_threads(first)
    between = set_threads(second)
    return between, set_threads(before)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (FEW_ROWS, 4, 5), (17, 2, 9), (9, 0, 3), (0, 4, 3)])
@pytest.mark.parametrize(("first", "fewer"), [(0, 0), (0, 1), (1, 0)])
def test_a_product_is_added_to_some_columns_or_put_into_them(m, k, n, first, fewer, transposed, dtype, tolerance):
    drawn, columns = np.random.default_rng(0), slice(first, n - fewer)
    a, b, out = (drawn.normal(size=shape).astype(dtype) for shape in ((m, k), (n, k) if transposed else (k, n), (m, n)))
    product = (a @ (b.T if transposed else b))[:, columns]
    for function in (in_machine_code, multiply):
        for kept in (0, 1):
            given, expected = out.copy(), out.copy()
            given[:, columns] = out[:, columns] if kept else np.nan
            expected[:, columns] = out[:, columns] * kept + product
            function(given, a, b, transposed, first, n - fewer, kept)
            np.testing.assert_allclose(given, expected, atol=tolerance)


def test_threads_are_set_for_the_thread_that_sets_them():
    assert threads_set_one_after_the_other(1, 2) == (1, 2)
