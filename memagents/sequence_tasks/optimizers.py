"""RMSProp as the Neural Turing Machine was trained with, which is not torch's.

Alex Graves: Generating Sequences With Recurrent Neural Networks. 2013, arXiv:1308.0850, eqs. 38 to 41.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class GravesRMSprop(Optimizer):
    """RMSProp with the gradient's mean taken away, momentum, and the damping under the root (Graves 2013).

        n = ρ n + (1 - ρ) g²              (eq. 38)
        m = ρ m + (1 - ρ) g               (eq. 39)
        Δ = μ Δ - η g / sqrt(n - m² + ε)  (eq. 40)
        w = w + Δ                         (eq. 41)

    Torch's adds ε outside the root, so that a weight whose gradient hardly varies makes steps of full size.

    Args:
        parameters: what is trained.
        learning_rate: η.
        decay: ρ.
        momentum: μ.
        damping: ε.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 1e-4,
        decay: float = 0.95,
        momentum: float = 0.9,
        damping: float = 1e-4,
    ) -> None:
        defaults = {"lr": learning_rate, "decay": decay, "momentum": momentum, "damping": damping}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes one update; parameters without a gradient stay as they are. There is no closure."""
        for group in self.param_groups:
            decay = group["decay"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state.update((name, torch.zeros_like(weight)) for name in ("square", "mean", "change"))
                state["square"].mul_(decay).addcmul_(weight.grad, weight.grad, value=1 - decay)
                state["mean"].lerp_(weight.grad, 1 - decay)
                root = (state["square"] - state["mean"].square() + group["damping"]).sqrt_()
                state["change"].mul_(group["momentum"]).addcdiv_(weight.grad, root, value=-group["lr"])
                weight += state["change"]
