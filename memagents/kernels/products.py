"""Products of few rows with weights that stay the same from step to step.

A library of products puts weights into another order at every call, so that those which are needed one after the other
stand side by side, and for few rows this takes as long as multiplying. Here a thread does it once for all steps: a
panel holds a few columns of the weights, as many as a tile has.
"""

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled
from memagents.kernels.parts import Array
from memagents.kernels.threads import share
from memagents.kernels.tiles import REGISTER, ROWS, VECTORS, tile


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
    (depth, number), width = b.shape, width_of(b)
    panels = np.empty(((number + width - 1) // width, depth, width), b.dtype)
    for p in range(len(panels)):
        first = p * width
        for k in range(depth):
            if first + width <= number:
                for n in range(width):
                    panels[p, k, n] = b[k, first + n]
            else:
                panels[p, k] = 0
                for n in range(number - first):
                    panels[p, k, n] = b[k, first + n]
    return panels


@compiled
def multiply(out: Float[Array, "M N"], a: Float[Array, "M K"], panels: Float[Array, "P K W"], kept: int) -> None:
    """out = kept out + a b, in all columns of out; of what out held, all is kept (1) or nothing (0). K is not 0."""
    width = panels.shape[2]
    for p in range(len(panels)):
        columns = out[:, p * width : (p + 1) * width]
        if columns.shape[1] == width:
            for m in range(0, len(out), ROWS):
                tile(columns[m:], a[m:], panels[p], min(ROWS, len(out) - m), kept)
        else:
            multiply_narrow(columns, a, panels[p], kept)


@compiled
def multiply_narrow(out: Float[Array, "M N"], a: Float[Array, "M K"], panel: Float[Array, "K W"], kept: int) -> None:
    """`multiply` by a panel that is wider than what is wanted."""
    wide = np.zeros((ROWS, panel.shape[1]), out.dtype)
    for m in range(0, len(out), ROWS):
        rows = min(ROWS, len(out) - m)
        tile(wide, a[m:], panel, rows, 0)
        for row in range(rows):
            for n in range(out.shape[1]):
                out[m + row, n] = wide[row, n] + out[m + row, n] if kept else wide[row, n]
