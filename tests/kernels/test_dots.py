"""Sums over numbers that stand side by side, beside NumPy's."""

import numpy as np
import pytest

from memagents.kernels.dots import ROWS, dots
from memagents.kernels.tiles import BYTES, REGISTER

LANES = REGISTER // min(BYTES.values())


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-12)])
@pytest.mark.parametrize("depth", [1, LANES - 1, LANES, 2 * LANES + 3])
@pytest.mark.parametrize("words", [0, 1, 5, 2 * LANES + 3])
@pytest.mark.parametrize("rows", [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS])
def test_a_dot_product_is_added_to_what_is_there_or_put_over_it(rows, words, depth, dtype, tolerance):
    draw = np.random.default_rng(0).normal
    a = draw(size=(rows, depth + 3)).astype(dtype)[:, 1:-2]  # cut out of something wider
    b, before = draw(size=(words, depth)).astype(dtype), draw(size=(rows, words)).astype(dtype)
    inside = slice(1, rows + 1), slice(1, words + 1)
    for kept in (0, 1):
        out = np.full((rows + 2, words + 2), np.nan, dtype)
        if kept:
            out[inside] = before
        dots(out[inside], a, b, kept)
        np.testing.assert_allclose(out[inside], a @ b.T + kept * before, atol=tolerance)
        out[inside] = np.nan
        assert np.isnan(out).all()  # nothing is written beside them


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", range(1, ROWS + 1))
def test_a_sum_is_the_same_to_the_last_bit_whatever_words_are_beside_it(rows, dtype):
    draw = np.random.default_rng(0).normal
    a, b = (draw(size=(number, 2 * LANES + 3)).astype(dtype) for number in (rows, 2 * LANES + 3))
    together, alone = np.empty((2, rows, len(b)), dtype)
    dots(together, a, b, 0)
    for word in range(len(b)):
        dots(alone[:, word : word + 1], a, b[word : word + 1], 0)
    np.testing.assert_array_equal(together, alone)


def test_what_is_undefined_in_a_word_stays_there():
    rows, words, out = np.ones((ROWS + 1, LANES)), np.ones((3, LANES)), np.empty((ROWS + 1, 3))
    words[1, LANES - 1] = np.nan
    dots(out, rows, words, 0)
    assert np.isnan(out[:, 1]).all()
    assert (out[:, [0, 2]] == LANES).all()
