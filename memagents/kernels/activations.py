"""tanh and σ of many numbers at once, each written over its argument.

In 32 bits both are a rational function, of which a processor computes as many at a time as its registers hold; the
functions of the C library are called for one number after the other, and torch's take several times as long too. It is
the continued fraction of Lambert (Mémoire sur quelques propriétés remarquables des quantités transcendentes, 1768),

    tanh x = x / (1 + x² / (3 + x² / (5 + ...)))    cut off after 13, at x/2, and doubled: tanh x = 2t / (1 + t²)

which is within 1.8e-7 of tanh, and never above 1. In 64 bits they are the C library's.
"""

import math

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import Array, Number, compiled
from memagents.kernels.exponentials import SHORT

ONE, HALF = np.float32(1), np.float32(0.5)

FLAT = np.float32(9.1)
"""tanh is 1 from here on, in 32 bits."""

P0, P1, P2 = (np.float32(number / 135135) for number in (17325, 378, 1))
Q0, Q1, Q2 = (np.float32(number / 135135) for number in (62370, 3150, 28))
"""The fraction's numerator and denominator, over x and 1: the factors of x², x⁴ and x⁶."""


@compiled
def rational(x: Number) -> Number:
    """tanh of a number of 32 bits."""
    within = FLAT if x > FLAT else -FLAT if x < -FLAT else x  # NaN is neither, and stays NaN
    half = HALF * within
    y = half * half
    above = half * (((P2 * y + P1) * y + P0) * y + ONE)
    below = ((Q2 * y + Q1) * y + Q0) * y + ONE
    whole = (above + above) * below / (above * above + below * below)  # 2t / (1 + t²) for t = above / below
    return ONE if whole > ONE else -ONE if whole < -ONE else whole


@compiled
def tanh_(x: Float[Array, " N"]) -> None:
    """tanh."""
    if x.itemsize == SHORT:
        for i in range(len(x)):
            x[i] = rational(x[i])
    else:
        for i in range(len(x)):
            x[i] = math.tanh(x[i])


@compiled
def sigmoid_(x: Float[Array, " N"]) -> None:
    """σ(x) = (1 + tanh(x/2)) / 2."""
    if x.itemsize == SHORT:
        for i in range(len(x)):
            x[i] = HALF * rational(HALF * x[i]) + HALF
    else:
        for i in range(len(x)):
            x[i] = 1 / (1 + math.exp(-x[i]))
