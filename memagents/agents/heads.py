"""The heads of a policy: what an actor and a critic answer to what is remembered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import torch
from stable_baselines3.common.torch_layers import MlpExtractor
from torch import Tensor, nn

from memagents.kernels.perceptron_layers import IDENTITY, INPUTS, RELU, TANH
from memagents.kernels.perceptrons import Layer, Perceptrons
from memagents.ops.linear import Linear

BENDS: Final[dict[type | None, int]] = {nn.Tanh: TANH, nn.ReLU: RELU}
"""Activation functions that kernels know."""

LINEAR: Final = (Linear, nn.Linear)

HOOKS: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where torch keeps what somebody wants to be called when a layer computes."""


class Heads(MlpExtractor):
    """SB3's heads, with weights drawn and named as SB3's, that answer the same but sooner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for layer in (*self.policy_net, *self.value_net):
            # What an activation function of the user's is made of stays as it is.
            layer.__class__ = Linear if type(layer) is nn.Linear else type(layer)
        self._known: list[Perceptrons] | None = None

    def answer(
        self, for_actor: Tensor, for_critic: Tensor, action_net: nn.Module, value_net: nn.Module
    ) -> tuple[Tensor, Tensor] | None:
        """What `action_net` says of the actor's hidden features, and `value_net` of the critic's, by kernels.

        None, if they are not such that kernels can take them.
        """
        inputs = (for_actor,) if for_actor is for_critic else (for_actor, for_critic)
        each = self._known
        if each is None or torch.is_grad_enabled() or not all(map(Perceptrons.hold, each)):
            each = self._look_up(action_net, value_net, together=len(inputs) == 1)
        if each is None or not all(map(Perceptrons.can_read, each, inputs)):
            return None
        told, values = chain.from_iterable(map(Perceptrons.read, each, inputs))
        return told, values

    def __getstate__(self) -> dict[str, Any]:
        """Of a copy, or what is written to a file: parameters lie elsewhere there."""
        return {**vars(self), "_known": None}

    @contextmanager
    def at_rest(self, action_net: nn.Module, value_net: nn.Module, together: bool) -> Iterator[None]:
        """Meanwhile layers stay the ones they are, and acting has to look them up but once.

        Args:
            action_net: as for `answer`, and so is `value_net`.
            together: whether actor and critic read the same.
        """
        self._known = self._look_up(action_net, value_net, together)
        try:
            yield
        finally:
            self._known = None

    def _look_up(self, action_net: nn.Module, value_net: nn.Module, together: bool) -> list[Perceptrons] | None:
        actor, critic = (*self.policy_net, action_net), (*self.value_net, value_net)
        found = [plain_layers(each) for each in ([[actor, critic]] if together else [[actor], [critic]])]
        if any(layers is None for layers in found):
            return None
        told = [Perceptrons(layers) for layers in found if layers is not None]
        return told if all(each.told_whole() for each in told) else None


def plain_layers(perceptrons: Sequence[Sequence[nn.Module]]) -> list[Layer] | None:
    """The layers of perceptrons that read the same inputs; None, unless all are plain ones, into which nobody looks."""
    layers: list[Layer] = []
    for modules in perceptrons:
        source, kinds = INPUTS, [type(module) for module in modules]
        for module, kind, before, after in zip(modules, kinds, (None, *kinds), (*kinds[1:], None), strict=False):
            if any(hooks for hooks in map(vars(module).get, HOOKS)):
                return None
            if isinstance(module, nn.Linear) and kind in LINEAR and module.bias is not None:
                layers.append(Layer(module.weight, module.bias, source, BENDS.get(after, IDENTITY)))
                source = len(layers) - 1
            elif not (kind in BENDS and before in LINEAR):
                return None
    return layers
