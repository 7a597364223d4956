"""Perceptron.

Frank Rosenblatt: The Perceptron: a Probabilistic Model for Information Storage and Organization in the Brain.
Psychological Review 65(6), 1958.
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


@register_encoder("perceptron")
class Perceptron(BaseFeaturesExtractor):
    """Perceptron: one layer of threshold units, with a smooth threshold (Rosenblatt 1958).

        y = σ(W x + b)

    Weights are drawn as SB3 draws those of all linear layers, orthogonal with gain sqrt(2).

    Args:
        observation_space: of observations that can be flattened to D features.
        features_dim: units, H.

    Deviations from the paper: the logistic function in place of a step, which has no gradient, and gradient descent
    in place of the perceptron rule; all weights learn, where the paper wires its first layer at random.
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 64) -> None:
        check_positive(features_dim=features_dim)
        super().__init__(observation_space, features_dim)
        self.linear = nn.Linear(get_flattened_obs_dim(observation_space), features_dim)

    def forward(self, observations: Float[Tensor, "B ..."]) -> Float[Tensor, "B H"]:
        return torch.sigmoid(self.linear(observations.flatten(1)))
