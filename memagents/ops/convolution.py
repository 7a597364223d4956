"""Causal dilated convolution over sequences with episode starts inside, and a queue of inputs before them.

    y_t = b + Σ_j W_j x_{t-(k-1-j)d}    j = 0..k-1, of kernel size k and dilation d (van den Oord et al. 2016,
                                        arXiv:1609.03499, section 2.1; torch's order of taps, the last is the newest)

What lies before the first input of an episode is zero. A queue holds the last Q = (k-1)d inputs of the episode, oldest
first, after as many zeros as are missing (Le Paine et al. 2016, arXiv:1611.09482, generate sound with such queues).

Everything here has time last, as torch's convolutions do: T steps, B batch rows, C channels in, O channels out,
K taps, Q inputs in the queue.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.ops.episodes import episode_time

VERY_MANY = 2**60
"""Steps since the start of an episode that began before the sequence: further back than any tap reaches."""


def steps_since_start(episode_starts: Bool[Tensor, "T B"]) -> Int[Tensor, "B 1 T"] | None:
    """How many steps ago the episode began that each input belongs to, if that was in this sequence; else very many.

    None if no episode begins after the first step, so that nothing need be masked: a start at the first step is the
    caller's to handle, who holds the queues.
    """
    if not episode_starts[1:].any():
        return None
    before = torch.full_like(episode_starts[0], VERY_MANY, dtype=torch.int64)
    return episode_time(episode_starts, before)[:, None]


def causal_convolution(
    inputs: Float[Tensor, "B C T"],
    queue: Float[Tensor, "B C Q"],
    weight: Float[Tensor, "O C K"],
    bias: Float[Tensor, " O"],
    dilation: int,
    since_start: Int[Tensor, "B 1 T"] | None,
) -> tuple[Float[Tensor, "B O T"], Float[Tensor, "B C Q"]]:
    """Convolves a sequence.

    With episode starts inside, what each tap reads over time is cut out, with zeros where it reaches into another
    episode, and all taps together are the channels of a 1x1 convolution.

    Args:
        inputs: the sequence.
        queue: the inputs before it, (K-1) * dilation of them.
        weight: of every tap, the oldest first.
        bias: of every output channel.
        dilation: steps from one tap to the next.
        since_start: what `steps_since_start` says of the sequence.

    Returns:
        The outputs, and the queue after the last input.
    """
    num_steps, reach = inputs.shape[-1], queue.shape[-1]
    history = torch.cat([queue, inputs], -1)
    last = history[..., num_steps:]
    if since_start is None:
        return F.conv1d(history, weight, bias, dilation=dilation), last
    earlier = [
        torch.where(since_start >= offset, history[..., reach - offset : reach - offset + num_steps], 0)
        for offset in range(reach, 0, -dilation)
    ]
    taps = torch.stack([*earlier, inputs], 2)
    outputs = F.conv1d(taps.flatten(1, 2), weight.flatten(1)[..., None], bias)
    ages = torch.arange(reach - 1, -1, -1, device=last.device)
    return outputs, torch.where(since_start[..., -1:] >= ages, last, 0)


def causal_convolution_step(
    x: Float[Tensor, "B C"],
    queue: Float[Tensor, "B C Q"],
    weight: Float[Tensor, "O C K"],
    bias: Float[Tensor, " O"],
    dilation: int,
) -> tuple[Float[Tensor, "B O"], Float[Tensor, "B C Q"]]:
    """One step of `causal_convolution`: the output of one input, and the queue after it."""
    newest = x[..., None]
    taps = torch.cat([queue[..., ::dilation], newest], -1)
    return F.linear(taps.flatten(1), weight.flatten(1), bias), torch.cat([queue, newest], -1)[..., 1:]


def pointwise(inputs: Float[Tensor, "B C T"], layer: nn.Linear) -> Float[Tensor, "B O T"]:
    """A 1x1 convolution: `layer` applied at every step."""
    return F.conv1d(inputs, layer.weight[..., None], layer.bias)
