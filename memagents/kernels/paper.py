"""Scratch paper: where a step of an external memory puts down what it needs until it ends.

All of it is one array, from which parts are taken one after the other. To make an array of its own for each, and to
count for how long it is needed, took a fifth of a step's time.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from memagents.kernels.borrowing import borrowed, matrix
from memagents.kernels.compilation import Array, compiled

CACHE_LINE: Final = 64
"""Bytes that come from the memory together. What lies across two is fetched twice, so lines of paper begin with one."""


class Paper(NamedTuple):
    """How many numbers are taken, and all of them."""

    taken: Int[Array, " 1"]
    numbers: Float[Array, " P"]


@compiled
def room_for(settings: Array, interface_size: int) -> int:
    """More numbers than a step puts down: the settings begin with how many heads, slots and features of a word it has.

    There is none for links between slots, of which a step needs no copies.
    """
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    return (heads + 2) * (slots * size + 32 * (slots + size) + 256) + 4 * interface_size


@compiled
def paper_for(settings: Array, interface: Float[Array, "T B I"]) -> Paper:
    """Enough for a step of the memory with these settings, and for the next when that has ended."""
    per_line = CACHE_LINE // interface.itemsize
    owner = np.empty(room_for(settings, interface.shape[2]) + per_line, interface.dtype)
    return Paper(np.zeros(1, np.int64), owner[-(owner.ctypes.data // owner.itemsize) % per_line :])


@compiled
def blank(taken: Int[Array, " 1"], numbers: Float[Array, " P"]) -> Paper:
    """The same paper, of which nothing is taken; it belongs to the caller."""
    taken[0] = 0
    return Paper(borrowed(taken), borrowed(numbers))


@compiled
def line(paper: Paper, length: int) -> Float[Array, " N"]:
    """So many numbers, which are any."""
    first, per_line = paper.taken[0], CACHE_LINE // paper.numbers.itemsize
    paper.taken[0] = first + (length + per_line - 1) // per_line * per_line
    numbers: Array = borrowed(paper.numbers)[first : first + length]
    return numbers


@compiled
def sheet(paper: Paper, rows: int, columns: int) -> Float[Array, "M N"]:
    """Lines below each other."""
    numbers: Array = matrix(line(paper, rows * columns), rows, columns)
    return numbers


@compiled
def copied(paper: Paper, numbers: Float[Array, " N"]) -> Float[Array, " N"]:
    """The same numbers once more."""
    copy = line(paper, len(numbers))
    for n in range(len(numbers)):
        copy[n] = numbers[n]
    return copy
