"""Room for a separator before every episode start inside a batch, so that a gated kernel can reset itself there.

Where `packed` lays the parts of a row side by side, here a row stays one sequence and grows by a step for each
episode start inside it. What the kernel must do at such a step (forget everything) and in the padding of rows that grew
less (hold what it has) is told to it by two extra input features.

Axes: T time, B batch rows, L steps of the grown rows, D features.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from memagents.ops.placement import pick, spread


@dataclass(frozen=True)
class Separated:
    """A batch whose rows have grown.

    Attributes:
        places: where each element went, in the flat `[L * B]` layout.
        separator: true at the step before each episode start.
        padding: true after the end of a row.
    """

    places: Int[Tensor, "T B"]
    separator: Bool[Tensor, "L B"]
    padding: Bool[Tensor, "L B"]

    def spread(self, inputs: Float[Tensor, "T B D"]) -> Float[Tensor, "L B D"]:
        """`inputs` with zeros at separators and in the padding."""
        return spread(inputs, self.places, self.padding.numel()).view(*self.padding.shape, -1)

    def pick(self, outputs: Float[Tensor, "L B D"]) -> Float[Tensor, "T B D"]:
        """Undoes `spread`."""
        return pick(outputs.flatten(0, 1), self.places)

    def last(self, outputs: Float[Tensor, "L B D"]) -> Float[Tensor, "B D"]:
        """The last element of every row."""
        return outputs.flatten(0, 1)[self.places[-1]]


def separate(episode_starts: Bool[Tensor, "T B"]) -> Separated:
    """Makes room before every episode start but those at time 0, where the state can be selected instead."""
    num_steps, num_rows = episode_starts.shape
    device = episode_starts.device
    inside = episode_starts.clone()
    inside[0] = False
    before = inside.cumsum(0)
    grown_time = torch.arange(num_steps, device=device)[:, None] + before
    length = num_steps + int(before[-1].max())
    places = grown_time * num_rows + torch.arange(num_rows, device=device)
    padding = torch.arange(length, device=device)[:, None] > grown_time[-1]
    separator = ~padding
    separator.view(-1)[places] = False
    return Separated(places, separator, padding)
