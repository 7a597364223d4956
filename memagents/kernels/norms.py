"""LayerNorm of many rows, and its gradient.

Jimmy Lei Ba, Jamie Ryan Kiros, Geoffrey E. Hinton: Layer Normalization. arXiv:1607.06450, 2016, eq. 4:

    x̂ = (x - mean) / σ    y = w x̂ + b

Axes: N rows, H features.
"""

import math
from typing import Final

import numpy as np
from jaxtyping import Float

from memagents.kernels.compilation import Array, Number, compiled

ONE: Final = np.float32(1)

EPSILON: Final = 1e-5
"""Added to the variance, as torch does by default."""


@compiled
def moments(x: Float[Array, " H"]) -> tuple[Number, Number]:
    """The mean of a row, and one by its standard deviation."""
    size, total, squares = x.dtype.type(len(x)), x.dtype.type(0), x.dtype.type(0)
    for h in range(len(x)):
        total += x[h]
    mean = total / size
    for h in range(len(x)):
        squares += (x[h] - mean) * (x[h] - mean)
    return mean, ONE / math.sqrt(squares / size + x.dtype.type(EPSILON))


@compiled
def normalise(x: Float[Array, " H"], weight: Float[Array, " H"], bias: Float[Array, " H"], out: Array) -> None:
    """y, of one row."""
    mean, short = moments(x)
    for h in range(len(x)):
        out[h] = (x[h] - mean) * short * weight[h] + bias[h]


@compiled
def normalise_backward(
    x: Float[Array, " H"],
    weight: Float[Array, " H"],
    d_out: Float[Array, " H"],
    d_x: Float[Array, " H"],
    d_weight: Float[Array, " H"],
    d_bias: Float[Array, " H"],
) -> None:
    """Adds to the gradients of a row, of the weight and of the bias."""
    (mean, short), along, across = moments(x), x.dtype.type(0), x.dtype.type(0)
    for h in range(len(x)):
        along += d_out[h] * weight[h]
        across += d_out[h] * weight[h] * (x[h] - mean) * short
    along /= x.dtype.type(len(x))
    across /= x.dtype.type(len(x))
    for h in range(len(x)):
        d_x[h] += short * (d_out[h] * weight[h] - along - (x[h] - mean) * short * across)
    for h in range(len(x)):
        d_weight[h] += d_out[h] * (x[h] - mean) * short
    for h in range(len(x)):
        d_bias[h] += d_out[h]
