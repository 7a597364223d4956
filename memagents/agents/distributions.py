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
    """SB3's categorical distribution by as few operations as it takes: the same draws, and the same numbers but for
    their last digit.

    The object of torch's that SB3 puts around it checks every batch, prepares for any shape, and draws by a function
    that prepares for any number of draws, which costs acting a tenth of its time.
    """

    def proba_distribution(self, action_logits: Tensor) -> "LeanCategoricalDistribution":
        """The distribution with these logits, `[S, actions]`."""
        self.logits = action_logits.log_softmax(-1)
        return self

    @property
    def distribution(self) -> Categorical:
        """Torch's distribution, for whoever wants to look into it."""
        return Categorical(logits=self.logits)

    @distribution.setter
    def distribution(self, value: Any) -> None:
        """Nothing is kept: SB3's constructor has none to set."""

    def sample(self) -> Tensor:
        """An action for each row, `[S]`: the one whose alarm rings first, of exponential clocks with these rates.

        It is how `torch.multinomial` draws one.

        Raises:
            NonFiniteAction: if there is nothing to choose by.
        """
        if self.logits.sum().isnan():
            raise NonFiniteAction(UNDEFINED)
        rates = self.logits.exp()
        return (rates / torch.empty_like(rates).exponential_()).argmax(-1)

    def mode(self) -> Tensor:
        """The likeliest action of each row, `[S]`."""
        return self.logits.argmax(-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log-probabilities of actions, `[S]`."""
        return self.logits.gather(-1, actions.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """Entropy of each row, `[S]`."""
        return -(self.logits.clamp(min=torch.finfo(self.logits.dtype).min) * self.logits.exp()).sum(-1)
