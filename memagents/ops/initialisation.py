"""Linear maps that carry a signal from the start."""

from torch import nn

from memagents.ops.linear import Linear


def linear(input_size: int, output_size: int, bias: bool = True, gain: float = 1.0) -> nn.Linear:
    """A linear map whose outputs have gain² the variance of its inputs: weights N(0, gain²/input_size), biases zero.

    LeCun et al. 1998. Torch's own weights have a third of that variance, and a bias as large as they are.
    """
    layer = Linear(input_size, output_size, bias=bias)
    nn.init.normal_(layer.weight, std=gain * input_size**-0.5)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
