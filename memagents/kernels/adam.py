"""A step of Adam after clipping, by a kernel, for all parameters at once.

Kingma, Ba: Adam: A Method for Stochastic Optimization. ICLR 2015, arXiv:1412.6980, algorithm 1:

    m = β1 m + (1 - β1) g    v = β2 v + (1 - β2) g²    θ = θ - α / (1 - β1^t) m / (√(v / (1 - β2^t)) + ε)

Gradients that are longer than a norm, all of them together, are shortened to it first.

Axes: P tensors, G threads.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.graph import increment_version

from memagents.kernels.borrowing import matrix_at
from memagents.kernels.compilation import Array, compiled, compiled_apart
from memagents.kernels.threads import all_threads, in_team, in_threads, share, this_thread, wait

OPERATIONS: Final = 20
"""About how many a number takes."""

BARELY: Final = 1e-6
"""What torch adds to a norm before it divides by it."""

STEPS, ITSELF, GRADIENT, FIRST, SECOND = range(5)
"""What an address is that of."""


class Moving(NamedTuple):
    """A parameter on its way: the number of steps it has taken, itself, its gradient, and both moments, m and v.

    The number is of 32 bits, as torch counts; the others are of one kind and size, and each lies in one piece.
    """

    steps: Float[Tensor, ""]
    itself: Float[Tensor, "..."]
    gradient: Float[Tensor, "..."]
    first: Float[Tensor, "..."]
    second: Float[Tensor, "..."]


COUNTED: Final = np.empty(0, np.float32)
"""The kind of numbers in which torch counts steps."""

NAMES: Final = {torch.float32: np.float32, torch.float64: np.float64}


class Settings(NamedTuple):
    """α, β1, β2, ε, and the norm to which gradients are clipped."""

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    max_norm: float


def step(parameters: list[Moving], settings: Settings) -> float:
    """Takes a step, in place, unless a gradient is not finite: then nothing is changed.

    Returns:
        The norm of all gradients.
    """
    addresses = np.array([[each.data_ptr() for each in moving] for moving in parameters])
    sizes = np.array([moving.itself.numel() for moving in parameters])
    like = np.empty(0, NAMES[parameters[0].itself.dtype])
    squares = np.zeros(torch.get_num_threads())
    in_team(step_all, (addresses, sizes, np.array(settings), like, squares), OPERATIONS * int(sizes.sum()))
    # So that torch refuses gradients which would be made of weights that have changed meanwhile.
    increment_version([each for moving in parameters for each in (moving.itself, moving.first, moving.second)])
    return math.sqrt(squares.sum())


@compiled_apart
def step_all(
    team: int,
    addresses: Int[Array, "P 5"],
    sizes: Int[Array, " P"],
    settings: Float[Array, " 5"],
    like: Array,
    squares: Float[Array, " G"],
) -> None:
    """A thread takes some numbers of all tensors together, for their norm and then for the step."""
    if in_threads(team):
        return
    thread, team = this_thread(), all_threads()
    first, stop = share(sizes.sum(), thread, team)
    begin = 0
    for tensor in range(len(sizes)):
        low, high = max(first - begin, 0), min(stop - begin, sizes[tensor])
        if low < high:
            squares[thread] += square(numbers_at(addresses[tensor, GRADIENT], low, high, like))
        begin += sizes[tensor]
    wait(team)
    norm, begin = math.sqrt(squares.sum()), 0
    if not math.isfinite(norm):
        return
    shortened = min(settings[4] / (norm + BARELY), 1.0)
    for tensor in range(len(sizes)):
        low, high = max(first - begin, 0), min(stop - begin, sizes[tensor])
        if low < high:
            parameter = numbers_at(addresses[tensor, ITSELF], low, high, like)
            gradient = numbers_at(addresses[tensor, GRADIENT], low, high, like)
            moment = numbers_at(addresses[tensor, FIRST], low, high, like)
            variance = numbers_at(addresses[tensor, SECOND], low, high, like)
            number = numbers_at(addresses[tensor, STEPS], 0, 1, COUNTED)[0] + 1
            move(parameter, gradient, moment, variance, number, shortened, settings)
        begin += sizes[tensor]
    wait(team)
    if thread == 0:
        for tensor in range(len(sizes)):
            numbers_at(addresses[tensor, STEPS], 0, 1, COUNTED)[0] += 1


@compiled
def numbers_at(address: int, low: int, high: int, like: Array) -> Float[Array, " N"]:
    """Some of the numbers that lie there."""
    numbers: Array = matrix_at(address + low * like.itemsize, 1, high - low, like)[0]
    return numbers


@compiled
def square(x: Float[Array, " N"]) -> float:
    """The sum of squares, in 64 bits: it is finite wherever all numbers are."""
    total = 0.0
    for n in range(len(x)):
        total += np.float64(x[n]) * np.float64(x[n])
    return total


@compiled
def move(
    parameter: Float[Array, " N"],
    gradient: Float[Array, " N"],
    moment: Float[Array, " N"],
    variance: Float[Array, " N"],
    number: float,
    shortened: float,
    settings: Float[Array, " 5"],
) -> None:
    """The step of some numbers. Gradients stay as they are."""
    kind, rate, beta1, beta2 = parameter.dtype.type, settings[0], settings[1], settings[2]
    shorter, new, new_square = kind(shortened), kind(1 - beta1), kind(1 - beta2)
    length = kind(rate / (1 - beta1**number))
    root, epsilon = kind(1 / math.sqrt(1 - beta2**number)), kind(settings[3])
    for n in range(len(parameter)):
        g = gradient[n] * shorter
        moment[n] += new * (g - moment[n])
        variance[n] += new_square * (g * g - variance[n])
        parameter[n] -= length * moment[n] / (math.sqrt(variance[n]) * root + epsilon)
