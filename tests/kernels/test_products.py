"""Products inside of kernels beside NumPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.kernels.products import in_panels, multiply, share_of_columns, width_of
from memagents.kernels.tiles import ROWS

DTYPES = [(np.float32, 1e-5), (np.float64, 1e-13)]
WIDTH = width_of(np.empty(0, np.float32))


def drawn(*shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("columns", [1, WIDTH - 1, WIDTH, 2 * WIDTH + 3])
@pytest.mark.parametrize("rows", [0, *range(1, ROWS + 2), 3 * ROWS - 1])
@pytest.mark.parametrize("depth", [1, 7])
def test_a_product_is_added_to_what_is_there_or_put_over_it(rows, depth, columns, dtype, tolerance):
    a, b, before = (drawn(*shape).astype(dtype) for shape in ((rows, depth), (depth, columns), (rows, columns)))
    inside = slice(1, columns + 1)
    for kept in (0, 1):
        out = np.full((rows + 1, columns + 2), np.nan, dtype)
        if kept:
            out[:rows, inside] = before
        multiply(out[:rows, inside], a, in_panels(b), kept)
        np.testing.assert_allclose(out[:rows, inside], a @ b + kept * before, atol=tolerance)
        out[:rows, inside] = np.nan
        assert np.isnan(out).all()  # nothing is written beside the product


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_is_the_same_to_the_last_bit_whichever_rows_stand_beside_it(dtype):
    a, panels = drawn(4 * ROWS, 9).astype(dtype), in_panels(drawn(9, WIDTH + 5).astype(dtype))
    together = np.empty((len(a), WIDTH + 5), dtype)
    multiply(together, a, panels, 0)
    for rows in range(1, 2 * ROWS):
        some = np.empty_like(together[:rows])
        multiply(some, a[:rows], panels, 0)
        assert np.array_equal(some, together[:rows])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_are_in_the_order_in_which_they_are_multiplied(dtype):
    weights = drawn(2 * WIDTH - 1, 3).astype(dtype)
    panels = in_panels(weights.T)
    width = width_of(weights)
    assert panels.shape == (-(-len(weights) // width), 3, width)
    beside = np.swapaxes(panels, 1, 2).reshape(-1, 3)
    assert np.array_equal(beside[: len(weights)], weights)
    assert not beside[len(weights) :].any()


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 100), st.integers(1, 7))
def test_each_column_is_one_threads_and_no_panel_is_cut(number, team):
    weights = np.empty((2, number), np.float32)
    shares = [share_of_columns(weights, thread, team) for thread in range(team)]
    assert [n for first, stop in shares for n in range(first, stop)] == list(range(number))
    assert all(first % WIDTH == 0 for first, _ in shares if first < number)
