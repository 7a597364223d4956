"""A step of the optimizer after gradients were clipped: by one kernel, where torch takes a dozen operations."""

import math
from typing import Final

from stable_baselines3.common.policies import BasePolicy
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from memagents.agents.finite_updates import refused
from memagents.kernels import adam
from memagents.kernels.adam import Moving
from memagents.kernels.unroll import NUMBERS

PLAIN: Final = {"fused": True, "weight_decay": 0, "amsgrad": False, "maximize": False, "differentiable": False}
"""Options of Adam of which the kernel knows no others."""


def forget_gradients(policy: BasePolicy) -> None:
    """What `optimizer.zero_grad()` does, which first tells a profiler of it."""
    for group in policy.optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = None


def clip_and_step(policy: BasePolicy, max_norm: float) -> None:
    """What SB3 does once a loss has gradients: shortens them to `max_norm`, and lets the optimizer take a step.

    Raises:
        NonFiniteUpdate: if a gradient is not finite. Nothing is changed then.
    """
    optimizer = policy.optimizer
    parameters = plain_parameters(optimizer)
    if parameters is None:
        nn.utils.clip_grad_norm_(policy.parameters(), max_norm)
        optimizer.step()
        return
    (options,) = optimizer.param_groups
    beta1, beta2 = options["betas"]
    norm = adam.step(parameters, adam.Settings(options["lr"], beta1, beta2, options["eps"], max_norm))
    if not math.isfinite(norm):
        raise refused(policy)


def plain_parameters(optimizer: Optimizer) -> list[Moving] | None:
    """What `adam.step` takes of each parameter that has a gradient, or None if it would not be this optimizer's step.

    Its first step is torch's, which begins the moments.
    """
    if type(optimizer) is not Adam or len(optimizer.param_groups) > 1:
        return None
    (group,) = optimizer.param_groups
    if any(group[option] != value for option, value in PLAIN.items()) or isinstance(group["lr"], Tensor):
        return None
    parameters = list[Moving]()
    for weight in group["params"]:
        state, gradient = optimizer.state.get(weight), weight.grad
        if gradient is None:
            continue
        if not state:
            return None
        parameters.append(Moving(state["step"], weight, gradient, state["exp_avg"], state["exp_avg_sq"]))
    kind = parameters[0].itself.dtype if parameters else None
    fits = kind in NUMBERS and all(
        each.dtype is kind and each.is_cpu and each.is_contiguous() for moving in parameters for each in moving[1:]
    )
    return parameters if fits else None
