"""exp and log of many numbers at once, each written over its argument.

In 32 bits a processor computes as many at a time as its registers hold; the functions of the C library are called for
one number after the other, and take eight times as long. A number is taken apart into a power of two, which is its
exponent's bits, and a rest near 1, for which few terms of a series are enough:

    exp x = 2^k Σ r^i / i!    r = x - k ln 2, |r| <= ln 2 / 2, and terms until i = 7
    log x = k ln 2 + 2 Σ s^i / i    x = 2^k m, s = (m - 1) / (m + 1), |s| <= 0.172, and terms of i = 1, 3, ..., 9

Both are within 3e-7 of the value (of 1, for a log that is smaller). In 64 bits they are the C library's.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import compiled

SHORT = 4
"""Bytes of a number in 32 bits."""

ONE, TWO = np.float32(1), np.float32(2)

LOWEST, HIGHEST = np.float32(-87), np.float32(88)
"""Where exp stays, in 32 bits: 1.6e-38 and 1.7e38."""

PER_LN2 = np.float32(1 / math.log(2))

LN2 = np.float32(0.693359375)
"""In so few bits that products with whole numbers are exact."""

LN2_REST = np.float32(math.log(2) - 0.693359375)

E2, E3, E4, E5, E6, E7 = (np.float32(1 / math.factorial(i)) for i in range(2, 8))
L3, L5, L7, L9 = (np.float32(2 / i) for i in range(3, 10, 2))

FRACTION = np.int32(23)
"""Bits of a number that come after its exponent's."""

BIAS = np.int32(127)
"""The exponent's bits, of the number 1."""

ROUND_UP = np.float32(127.5)
"""The same and a half."""

HALF_ROOT = np.int32(0x3F3504F3)
"""The bits of sqrt(1/2), where m begins."""


@compiled
def exp(x: Any) -> Any:
    """e^x of a number of 32 bits."""
    within = LOWEST if x < LOWEST else HIGHEST if x > HIGHEST else x  # NaN is neither, and stays NaN
    biased = np.int32(within * PER_LN2 + ROUND_UP)  # k + BIAS, which is above 0, where this rounds down
    k = np.float32(np.int32(biased - BIAS))
    r = within - k * LN2 - k * LN2_REST
    series = ((((((E7 * r + E6) * r + E5) * r + E4) * r + E3) * r + E2) * r + ONE) * r + ONE
    return series * np.int32(biased << FRACTION).view(np.float32)


@compiled
def log(x: Any) -> Any:
    """The natural logarithm of a number of 32 bits, which is above 1e-38, or NaN."""
    bits = np.float32(x).view(np.int32)
    k = np.int32(bits - HALF_ROOT) >> FRACTION
    m = np.int32(bits - np.int32(k << FRACTION)).view(np.float32)
    s = (m - ONE) / (m + ONE)
    q = s * s
    series = s * (TWO + q * (L3 + q * (L5 + q * (L7 + q * L9))))
    return np.float32(k) * LN2 + (series + np.float32(k) * LN2_REST) if x == x else x  # NaN has no exponent


@compiled
def exp_(x: Float[np.ndarray, " N"]) -> None:
    """e^x."""
    if x.itemsize == SHORT:
        for i in range(len(x)):
            x[i] = exp(x[i])
    else:
        for i in range(len(x)):
            x[i] = math.exp(x[i])


@compiled
def log_(x: Float[np.ndarray, " N"]) -> None:
    """log x, for x above 1e-38."""
    if x.itemsize == SHORT:
        for i in range(len(x)):
            x[i] = log(x[i])
    else:
        for i in range(len(x)):
            x[i] = math.log(x[i])
