"""Products of few rows with weights that stay the same from step to step.

A library of products puts weights into another order at every call, so that those which are needed one after the other
stand side by side, and for few rows this takes as long as multiplying. Here a thread does it once for all steps: a
panel holds a few columns of the weights, as many as a tile has.
"""

from typing import Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled, compiled_apart, stand_apart
from memagents.kernels.threads import all_threads, in_team, in_threads, share, this_thread
from memagents.kernels.tiles import REGISTER, ROWS, VECTORS, tile

DEPTH: Final = 256
"""Rows of a panel, where there are many: with these it stays in the cache that is nearest to the processor."""


@compiled
def width_of(b: Array) -> int:
    """Columns of a panel."""
    width: int = VECTORS * REGISTER // b.itemsize
    return width


@compiled
def share_of_columns(b: Float[Array, "K N"], thread: int, team: int) -> tuple[int, int]:
    """The first column that is a thread's, and the first that is not any more; no panel is cut."""
    width, number = width_of(b), b.shape[1]
    first, stop = share((number + width - 1) // width, thread, team)
    return min(first * width, number), min(stop * width, number)


@compiled
def in_panels(b: Float[Array, "K N"]) -> Float[Array, "P K W"]:
    """Weights in the order in which they are multiplied, W columns in each panel; zeros beside the last."""
    panels = np.empty((panels_for(b), len(b), width_of(b)), b.dtype)
    lay(b, panels, 0, len(panels))
    return panels


@compiled
def panels_for(b: Float[Array, "K N"]) -> int:
    """How many there are."""
    width = width_of(b)
    number: int = (b.shape[1] + width - 1) // width
    return number


@compiled_apart
def lay(b: Float[Array, "K N"], panels: Float[Array, "P K W"], start: int, stop: int) -> None:
    """Writes some of the panels."""
    stand_apart()
    (depth, number), width = b.shape, panels.shape[2]
    for p in range(start, stop):
        first = p * width
        for k in range(depth):
            if first + width <= number:
                for n in range(width):
                    panels[p, k, n] = b[k, first + n]
            else:
                panels[p, k] = 0
                for n in range(number - first):
                    panels[p, k, n] = b[k, first + n]


@compiled_apart
def multiply(out: Float[Array, "M N"], a: Float[Array, "M K"], panels: Float[Array, "P K W"], kept: int) -> None:
    """out = kept out + a b, in all columns of out; of what out held, all is kept (1) or nothing (0). K is not 0."""
    stand_apart()
    out, a, panels, width = borrowed(out), borrowed(a), borrowed(panels), panels.shape[2]
    for p in range(len(panels)):
        columns = out[:, p * width : (p + 1) * width]
        if columns.shape[1] == width:
            multiply_panel(columns, a, panels[p], kept)
        else:
            multiply_narrow(columns, a, panels[p], 0, kept)


@compiled_apart
def multiply_once(out: Float[Array, "M N"], a: Float[Array, "M K"], b: Float[Array, "K N"], kept: int) -> None:
    """`multiply` by what is not put in order for it, as it is needed but once."""
    stand_apart()
    out, a, b = borrowed(out), borrowed(a), borrowed(b)
    width, number = width_of(b), b.shape[1]
    for first in range(0, number, width):
        if first + width <= number:
            multiply_panel(out[:, first:], a, b[:, first:], kept)
        else:
            multiply_narrow(out[:, first:], a, in_panels(b[:, first:])[0], 0, kept)


@compiled_apart
def multiply_columns(
    out: Float[Array, "M N"], a: Float[Array, "M K"], b: Float[Array, "K L"], left: int, kept: int
) -> None:
    """`multiply_once` by some columns of b, as many as out has. Where they are fewer than a tile has, it takes some of
    those before them as well, if there are: to put them in order, beside zeros, would take longer."""
    stand_apart()
    out, a, b = borrowed(out), borrowed(a), borrowed(b)
    width, number = width_of(b), out.shape[1]
    for first in range(0, number, width):
        begin = left + number - width
        if first + width <= number:
            multiply_panel(out[:, first:], a, b[:, left + first :], kept)
        elif begin >= 0:
            multiply_narrow(out[:, first:], a, b[:, begin:], left + first - begin, kept)
        else:
            multiply_narrow(out[:, first:], a, in_panels(b[:, left + first : left + number])[0], 0, kept)


@compiled
def multiply_panel(out: Float[Array, "M N"], a: Float[Array, "M K"], b: Float[Array, "K N"], kept: int) -> None:
    """`multiply` in as many columns as a tile has, tile by tile, which all have about as many rows."""
    number = (len(out) + ROWS - 1) // ROWS
    for n in range(number):
        m, stop = share(len(out), n, number)
        tile(out[m:], a[m:], b, stop - m, kept)


@compiled
def multiply_narrow(
    out: Float[Array, "M N"], a: Float[Array, "M K"], panel: Float[Array, "K W"], left: int, kept: int
) -> None:
    """`multiply` by a panel that is wider than what is wanted, which begins there."""
    wide = np.empty((ROWS, width_of(panel)), out.dtype)
    for m in range(0, len(out), ROWS):
        rows = min(ROWS, len(out) - m)
        tile(wide, a[m:], panel, rows, 0)
        for row in range(rows):
            for n in range(out.shape[1]):
                found = wide[row, left + n]
                out[m + row, n] = found + out[m + row, n] if kept else found


def product(a: Float[Tensor, "M K"], b: Float[Tensor, "K N"]) -> Float[Tensor, "M N"]:
    """a b, of many rows, by a team of threads; it has no gradient.

    Raises:
        ValueError: unless a has as many columns as b has rows: a kernel would read what lies beside them.
    """
    if a.shape[1] != len(b):
        raise ValueError(f"a product needs as many columns on the left as rows on the right, got {a.shape} {b.shape}")
    out = a.new_empty(len(a), b.shape[1])
    in_team(_product, (out.numpy(), a.detach().numpy(), b.detach().numpy()), 2 * out.numel() * len(b))
    return out


def product_over_rows(a: Float[Tensor, "M K"], b: Float[Tensor, "M N"]) -> Float[Tensor, "K N"]:
    """a^T b, of many rows, by a team of threads: as the gradient of weights is made. It has no gradient itself.

    Raises:
        ValueError: unless both have as many rows.
    """
    if len(a) != len(b):
        raise ValueError(f"a product over rows needs as many of both, got {len(a)} and {len(b)}")
    out = a.new_empty(a.shape[1], b.shape[1])
    in_team(_product_over_rows, (out.numpy(), a.detach().numpy(), b.detach().numpy()), 2 * out.numel() * len(b))
    return out


@compiled_apart
def _product(team: int, out: Float[Array, "M N"], a: Float[Array, "M K"], b: Float[Array, "K N"]) -> None:
    """A thread takes some rows."""
    if in_threads(team):
        return
    out, a, b = borrowed(out), borrowed(a), borrowed(b)
    first, stop = share(len(a), this_thread(), all_threads())
    multiply(out[first:stop], a[first:stop], in_panels(b), 0)


@compiled_apart
def _product_over_rows(team: int, out: Float[Array, "K N"], a: Float[Array, "M K"], b: Float[Array, "M N"]) -> None:
    """A thread takes some columns."""
    if in_threads(team):
        return
    out, a, b = borrowed(out), borrowed(a), borrowed(b)
    first, stop = share_of_columns(b, this_thread(), all_threads())
    for top in range(0, len(b), DEPTH):
        rows = slice(top, top + DEPTH)
        multiply(out[:, first:stop], a[rows].T, in_panels(b[rows, first:stop]), min(top, 1))
