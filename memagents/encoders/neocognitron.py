"""Neocognitron.

Kunihiko Fukushima: Neocognitron: a Self-organizing Neural Network Model for a Mechanism of Pattern Recognition
Unaffected by Shift in Position. Biological Cybernetics 36, 1980.
"""

from typing import Any

import torch
from gymnasium import spaces
from jaxtyping import Float
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.encoders.registry import register_encoder
from memagents.ops.recurrence import check_positive

AREA = 5
"""Cells on a side of the area that an S-cell or a C-cell reads."""

SELECTIVITY = 4.0, 1.5, 1.5
"""r of the three layers, as in the paper."""

ALPHA = 0.5
"""What halves a C-cell's distance from saturation, alpha of the paper."""

SMALLEST = 8
"""Pixels on a side of the smallest image: three layers that halve it leave one cell."""

AT_ONCE = 64
"""Images that pass through the layers together: their cells stay in the processor's cache, which halves the time."""

EPSILON = 1e-8
"""Keeps the gradient of a root finite where all is dark."""


class Layer(nn.Module):
    """S-cells, each for a pattern in a small area, and C-cells, for which it may be anywhere in a small area.

    Args:
        input_size: planes of C-cells below, K'.
        num_planes: planes of S-cells and of C-cells, K.
        selectivity: r.
    """

    c: Tensor
    d: Tensor

    def __init__(self, input_size: int, num_planes: int, selectivity: float) -> None:
        super().__init__()
        self.r = selectivity
        near = torch.exp(-0.5 * torch.linspace(-2, 2, AREA).square())
        near = torch.outer(near, near) / near.sum().square()
        self.register_buffer("c", (near / input_size).repeat(1, input_size, 1, 1), persistent=False)
        self.register_buffer("d", near.repeat(num_planes, 1, 1, 1), persistent=False)
        a = 64 * self.c * torch.randn(num_planes, input_size, AREA, AREA).exp()
        # With a factor of 1/2 a cell would respond where the cosine between the area and its pattern a/c exceeds
        # r / (1 + r), as cells do which have learned a pattern. To begin with all have to respond to something.
        b = 0.15 * (a.square() / self.c).sum((1, 2, 3)).sqrt()
        self.log_a = nn.Parameter(a.log())
        self.log_b = nn.Parameter(b.log())

    def forward(self, below: Float[Tensor, "B J H W"]) -> Float[Tensor, "B K h w"]:
        return self.c_cells(self.s_cells(below))

    def s_cells(self, below: Float[Tensor, "B J H W"]) -> Float[Tensor, "B K H W"]:
        """How well each area matches the pattern of each plane."""
        excitation = F.conv2d(below, self.log_a.exp(), padding=AREA // 2)
        v_c = torch.sqrt(F.conv2d(below.square(), self.c, padding=AREA // 2) + EPSILON)
        inhibition = 2 * self.r / (1 + self.r) * self.log_b.exp()[:, None, None] * v_c
        # φ[(1 + e) / (1 + h) - 1], in fewer passes over the cells.
        return self.r * F.relu(excitation - inhibition) / (1 + inhibition)

    def c_cells(self, u_s: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K h w"]:
        """Whether a pattern is somewhere in an area, more than others are; one cell for 2 x 2 S-cells."""
        excitation = F.conv2d(u_s, self.d, stride=2, padding=AREA // 2, groups=len(self.d))
        v_s = excitation.mean(1, keepdim=True)
        # ψ of φ(e - v) / (1 + v), with one division.
        above = F.relu(excitation - v_s)
        return above / (ALPHA * (1 + v_s) + above)


@register_encoder("neocognitron")
class Neocognitron(BaseFeaturesExtractor):
    """Neocognitron: layers of S-cells that find patterns and C-cells that tolerate shifts, for images (Fukushima 1980).

    Three layers; with φ(x) = max(x, 0), sums over an area of 5 x 5 cells, for every plane k of K:

        u_S(k) = r φ[(1 + Σ a(k', k) u_C(k')) / (1 + 2r/(1+r) b(k) v_C) - 1]     S-cell, over all K' planes below
        v_C = sqrt(Σ c u_C(k')²)                                                 its inhibition
        u_C(k) = ψ[(1 + Σ d u_S(k)) / (1 + v_S) - 1], ψ(x) = φ(x) / (α + φ(x))   C-cell, one for 2 x 2 S-cells
        v_S = 1/K Σ_k Σ d u_S(k)                                                 its inhibition
        y = W u_C + b                                                            features, from the last layer

    c and d are fixed and fall off from the middle of the area as a Gaussian; c sums to 1 over all planes, d over one.
    a and b are positive, being exponentials of what is learned: a is drawn log-normally, and b so that S-cells respond
    to many patterns at first. W is drawn as SB3 draws those of all linear layers, orthogonal with gain sqrt(2).

    Args:
        observation_space: images `[C, H, W]` or `[H, W, C]`, of 8 x 8 pixels or more; the shorter of first and last
            axis holds the channels. They are scaled to the range from 0 to 1 by the bounds of the space.
        features_dim: features of an output, H.
        num_planes: planes of each layer, K.

    Raises:
        ValueError: for a space of anything but bounded images, or of too small ones, and for a size below 1.

    Deviations from the paper: a and b are learned by gradient descent through the read-out, where the paper reinforces
    the cell that responds most; a linear read-out of the last layer, which keeps places, where the paper has one cell
    for each class; areas of one size, with dark surroundings; ε = 1e-8 under the root, for its gradient.
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 64, num_planes: int = 24) -> None:
        check_positive(features_dim=features_dim, num_planes=num_planes)
        super().__init__(observation_space, features_dim)
        image = check_image(observation_space)
        # SB3 has divided by 255 what it takes for an image.
        self.low, self.high = (0.0, 1.0) if is_image_space(image) else (float(image.low.min()), float(image.high.max()))
        self.channels_last = image.shape[2] < image.shape[0]
        channels, *sides = (image.shape[2], *image.shape[:2]) if self.channels_last else image.shape
        self.layers = nn.Sequential()
        for r in SELECTIVITY:
            self.layers.append(Layer(channels, num_planes, r))
            channels, sides = num_planes, [-(-side // 2) for side in sides]
        self.linear = nn.Linear(num_planes * sides[0] * sides[1], features_dim)

    def forward(self, observations: Float[Tensor, "B I J K"]) -> Float[Tensor, "B H"]:
        images = observations.permute(0, 3, 1, 2) if self.channels_last else observations
        light = (images - self.low) / (self.high - self.low)
        cells = torch.cat([self.layers(some) for some in torch.split(light, AT_ONCE)])
        features: Tensor = self.linear(cells.flatten(1))
        return features


def check_image(space: spaces.Space[Any]) -> spaces.Box:
    """The space, if it holds bounded images of sufficient size; else raises ValueError."""
    if not (isinstance(space, spaces.Box) and len(space.shape) == 3):
        raise ValueError(f"a neocognitron reads images, spaces of 3 axes; got {space}")
    if sorted(space.shape)[1] < SMALLEST:
        raise ValueError(f"images must have at least {SMALLEST} x {SMALLEST} pixels, got shape {space.shape}")
    if not space.is_bounded():
        raise ValueError(f"images need finite bounds, by which they are scaled to the range from 0 to 1; got {space}")
    return space
