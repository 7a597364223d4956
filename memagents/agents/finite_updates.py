"""Nothing undefined is learned or kept: what is looked at before an optimizer, and before a file, takes it."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from memagents.errors import NonFiniteUpdate


def refuse_non_finite_updates(policy: nn.Module, optimizer: Optimizer) -> RemovableHandle:
    """From here on a step of `optimizer` raises NonFiniteUpdate, and changes nothing, if a gradient is not finite.

    SB3 clips gradients right before the step. That makes NaN of infinity, which is found, and zero of finite gradients
    whose norm overflows, which changes nothing. One norm of all gradients is computed and read for each step: on a GPU
    that is one wait.
    """

    def check(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        gradients = [weight.grad for group in optimizer.param_groups for weight in group["params"]]
        if gradients and not torch.isfinite(get_total_norm(grad for grad in gradients if grad is not None)):
            raise refused(policy)

    return optimizer.register_step_pre_hook(check)


def refused(policy: nn.Module) -> NonFiniteUpdate:
    """What is wrong with the gradients of an update, none of which was made."""
    gradients = ((name, weight.grad) for name, weight in policy.named_parameters())
    return NonFiniteUpdate(
        f"the update was refused: {describe(gradients)}. The parameters are those before it. Lower the learning_rate "
        "or max_grad_norm, and bring rewards and observations near 1"
    )


def check_returns(returns: Float[np.ndarray, "T B"], values: Float[np.ndarray, "T B"]) -> None:
    """Raises NonFiniteUpdate if the critic's mean squared error on a rollout is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        loss = np.square(returns - values).mean()
    if not np.isfinite(loss):
        raise NonFiniteUpdate(
            f"the value loss of this rollout is {loss}: its returns reach {np.abs(returns).max():.3g}, the critic's "
            f"values {np.abs(values).max():.3g}. Bring rewards near 1, as VecNormalize does, or lower the learning_rate"
        )


def check_parameters(state: Mapping[str, Tensor]) -> None:
    """Raises NonFiniteUpdate if a parameter or a running statistic, in a policy's state dict, is not finite."""
    tensors = [(name, value) for name, value in state.items() if value.is_floating_point()]
    # One sum of all is quick. A finite model whose sum overflows is told apart by looking at every number.
    numbers = torch.cat([value.flatten() for _, value in tensors])
    if not torch.isfinite(numbers.sum()) and not torch.isfinite(numbers).all():
        raise NonFiniteUpdate(
            f"the model was not saved: {describe(tensors)}. Go on from an earlier one, with a lower learning_rate"
        )


def describe(tensors: Iterable[tuple[str, Tensor | None]]) -> str:
    """How many of these are not finite, and the first of them."""
    named = [(name, value) for name, value in tensors if value is not None]
    wrong = [name for name, value in named if not torch.isfinite(value).all()]
    if not wrong:
        return f"the norm of {len(named)} tensors is too large for a float"
    return f"{len(wrong)} of {len(named)} tensors hold NaN or infinity, the first of them {wrong[0]}"
