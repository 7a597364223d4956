"""Scratch paper: where a step of an external memory puts down what it needs until it ends.

All of it is one array, from which parts are taken one after the other. To make an array of its own for each, and to
count for how long it is needed, took a fifth of a step's time.
"""

from typing import NamedTuple

from jaxtyping import Float, Int

from memagents.kernels.borrowing import borrowed
from memagents.kernels.compilation import Array, compiled


class Paper(NamedTuple):
    """Numbers, and how many of them are taken."""

    numbers: Float[Array, " P"]
    taken: Int[Array, " 1"]


@compiled
def room_for(settings: Array, interface: Float[Array, " I"]) -> int:
    """More numbers than a step puts down: the settings begin with how many heads, slots and features of a word it has.

    There is none for links between slots, of which a step needs no copies.
    """
    heads, slots, size = int(settings[0]), int(settings[1]), int(settings[2])
    return (heads + 2) * (slots * size + 32 * (slots + size)) + 4 * len(interface)


@compiled
def line(paper: Paper, length: int) -> Float[Array, " N"]:
    """So many numbers, which are any. They belong to the paper's owner."""
    first = paper.taken[0]
    paper.taken[0] = first + length
    numbers: Array = borrowed(paper.numbers)[first : first + length]
    return numbers


@compiled
def sheet(paper: Paper, rows: int, columns: int) -> Float[Array, "M N"]:
    """Lines below each other."""
    return line(paper, rows * columns).reshape(rows, columns)


@compiled
def copied(paper: Paper, numbers: Float[Array, " N"]) -> Float[Array, " N"]:
    """The same numbers once more."""
    copy = line(paper, len(numbers))
    for n in range(len(numbers)):
        copy[n] = numbers[n]
    return copy
