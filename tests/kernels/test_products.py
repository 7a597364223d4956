"""Products inside of kernels beside NumPy's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memagents.kernels import threads
from memagents.kernels.products import (
    DEPTH,
    in_panels,
    multiply,
    multiply_once,
    product,
    product_over_rows,
    share_of_columns,
    width_of,
)
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


@pytest.mark.parametrize(("dtype", "tolerance"), DTYPES)
@pytest.mark.parametrize("columns", [1, WIDTH - 1, WIDTH, 2 * WIDTH + 3])
@pytest.mark.parametrize("rows", [1, ROWS + 2])
def test_weights_that_are_in_no_order_do_as_well(rows, columns, dtype, tolerance):
    a, b, before = (drawn(*shape).astype(dtype) for shape in ((5, rows), (5, columns + 4), (rows, columns)))
    for kept in (0, 1):
        out = np.full((rows + 1, columns + 2), np.nan, dtype)
        out[:rows, 1:-1] = before
        multiply_once(out[:rows, 1:-1], a.T, b[:, 1:-3], kept)
        np.testing.assert_allclose(out[:rows, 1:-1], a.T @ b[:, 1:-3] + kept * before, atol=tolerance)
        out[:rows, 1:-1] = np.nan
        assert np.isnan(out).all()


@pytest.mark.parametrize("team", [1, 3])
@pytest.mark.parametrize("rows", [1, 2 * ROWS + 1, DEPTH, 2 * DEPTH + 3])
@pytest.mark.parametrize(("features", "columns"), [(1, 1), (5, WIDTH + 1), (ROWS + 3, 3 * WIDTH)])
def test_large_products_are_torchs(rows, features, columns, team, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "FEWEST_OPERATIONS", 1)
    torch.set_num_threads(team)
    try:
        a, b = torch.from_numpy(drawn(rows, features)), torch.from_numpy(drawn(features, columns))
        torch.testing.assert_close(product(a, b), a @ b, atol=1e-11, rtol=1e-11)
        torch.testing.assert_close(product(a, b.t().contiguous().t()), a @ b, atol=1e-11, rtol=1e-11)
        c = product(a, b)
        torch.testing.assert_close(product_over_rows(a, c), a.t() @ c, atol=1e-10, rtol=1e-10)
    finally:
        torch.set_num_threads(before)


def test_products_of_sizes_that_do_not_fit_are_refused(unchecked):
    a = torch.zeros(5, 4)
    with pytest.raises(ValueError, match="as many columns on the left as rows on the right"):
        product(a, torch.zeros(3, 2))
    with pytest.raises(ValueError, match="as many of both, got 5 and 6"):
        product_over_rows(a, torch.zeros(6, 2))


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
