"""Distributions of actions."""

from typing import Any

import torch
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import Tensor
from torch.distributions import Categorical

from memagents.errors import NonFiniteAction

UNDEFINED = (
    "no action can be chosen, for the network's outputs are NaN or infinite; no environment has seen one. Lower the "
    "learning_rate, and bring observations and rewards near 1"
)


class LeanCategoricalDistribution(CategoricalDistribution):
    """SB3's categorical distribution, by the same operations, without an object of torch's around them.

    That one checks every batch and prepares for any shape, which costs acting a tenth of its time. Undefined logits are
    still noticed: no action can be drawn from them.
    """

    def proba_distribution(self, action_logits: Tensor) -> "LeanCategoricalDistribution":
        """The distribution with these logits, `[S, actions]`."""
        self.logits = action_logits - action_logits.logsumexp(-1, keepdim=True)
        return self

    @property
    def distribution(self) -> Categorical:
        """Torch's distribution, for whoever wants to look into it."""
        return Categorical(logits=self.logits)

    @distribution.setter
    def distribution(self, value: Any) -> None:
        """Nothing is kept: SB3's constructor has none to set."""

    def sample(self) -> Tensor:
        """An action for each row, `[S]`.

        Raises:
            NonFiniteAction: if there is nothing to choose by.
        """
        try:
            return torch.multinomial(self.logits.softmax(-1), 1, replacement=True).squeeze(-1)
        except RuntimeError as error:
            raise NonFiniteAction(UNDEFINED) from error

    def mode(self) -> Tensor:
        """The likeliest action of each row, `[S]`."""
        return self.logits.argmax(-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities of actions, `[S]`."""
        return self.logits.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Entropy of each row, `[S]`."""
        return -(self.logits.clamp(min=torch.finfo(self.logits.dtype).min) * self.logits.softmax(-1)).sum(-1)
