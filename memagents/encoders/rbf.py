"""Radial basis function network.

D. S. Broomhead, David Lowe: Multivariable Functional Interpolation and Adaptive Networks. Complex Systems 2, 1988.
John Moody, Christian J. Darken: Fast Learning in Networks of Locally-Tuned Processing Units. Neural Computation 1(2),
1989.
"""

from typing import Any

import torch
from gymnasium import spaces
from jaxtyping import Float
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from memagents.encoders.registry import register_encoder
from memagents.ops.recurrence import check_positive


@register_encoder("rbf")
class RadialBasisFunctions(BaseFeaturesExtractor):
    """Radial basis function network: units that each respond near a centre of their own (Broomhead and Lowe 1988).

        φ_i = exp(-β_i ‖x - c_i‖²)
        y = W φ + b

    Centres are drawn from the unit normal distribution; all β_i begin at 1/D, so that no unit is silent at first. W is
    drawn as SB3 draws those of all linear layers, orthogonal with gain sqrt(2).

    Args:
        observation_space: of observations that can be flattened to D features.
        features_dim: features of an output, H.
        num_centers: units, N.

    Deviations from the papers: centres and widths are learned by gradient descent together with the read-out, where
    Moody and Darken find them first, by clustering data which an agent has not got yet. β_i is kept positive as the
    exponential of what is learned.
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 64, num_centers: int = 64) -> None:
        check_positive(features_dim=features_dim, num_centers=num_centers)
        super().__init__(observation_space, features_dim)
        input_size = get_flattened_obs_dim(observation_space)
        self.centers = nn.Parameter(torch.randn(num_centers, input_size))
        self.log_beta = nn.Parameter(torch.full((num_centers,), 1 / input_size).log())
        self.linear = nn.Linear(num_centers, features_dim)

    def forward(self, observations: Float[Tensor, "B ..."]) -> Float[Tensor, "B H"]:
        x = observations.flatten(1)
        # ‖x‖² - 2 x·c + ‖c‖², by one product of matrices; rounding can take a distance of nearly nothing below zero.
        distance = x.square().sum(1, keepdim=True) - 2 * x @ self.centers.T + self.centers.square().sum(1)
        phi = torch.exp(-self.log_beta.exp() * distance.clamp(min=0))
        features: Tensor = self.linear(phi)
        return features
