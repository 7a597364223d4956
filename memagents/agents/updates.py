"""PPO's update once more, by fewer operations than SB3's `PPO.train` takes, which of small networks were a third of it.

A minibatch goes through the policy as it does there. What comes after, the objective and the step of the optimizer, is
a kernel each. `tests/agents/test_updates.py` holds both updates beside each other.
"""

from math import inf
from typing import Final

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Float
from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from memagents.agents.steps import clip_and_step, forget_gradients
from memagents.kernels.objective import Coefficients, Measured, Rollout, clipped_objective

TOO_FAR: Final = 1.5
"""Times `target_kl`, from where on SB3 ends an update early."""


def update(model: PPO) -> None:
    """Learns from a rollout as `PPO.train` does, on a CPU: `n_epochs` times all of it, a minibatch at a time."""
    model.policy.set_training_mode(True)
    model._update_learning_rate(model.policy.optimizer)
    coefficients, measured, ended = coefficients_of(model), list[list[Measured]](), False
    for epoch in range(model.n_epochs):
        measured.append([])
        for minibatch in model.rollout_buffer.get(model.batch_size):
            objective, of_minibatch = objective_of(model, minibatch, coefficients)
            measured[-1].append(of_minibatch)
            ended = model.target_kl is not None and of_minibatch.approx_kl > TOO_FAR * model.target_kl
            if ended:
                if model.verbose >= 1:
                    print(f"Early stopping at step {epoch} due to reaching max kl: {of_minibatch.approx_kl:.2f}")
                break
            forget_gradients(model.policy)
            torch.autograd.backward(objective)
            clip_and_step(model.policy, model.max_grad_norm)
        model._n_updates += 1
        if ended:
            break
    log(model, measured, coefficients)


def coefficients_of(model: PPO) -> Coefficients:
    """What the objective is made with at this point of training."""
    progress = model._current_progress_remaining
    reach = inf if model.clip_range_vf is None else model.clip_range_vf(progress)  # type: ignore[operator]
    clip_range = model.clip_range(progress)  # type: ignore[operator]
    return Coefficients(clip_range, reach, model.vf_coef, model.ent_coef, model.normalize_advantage)


def objective_of(
    model: PPO, minibatch: RolloutBufferSamples, coefficients: Coefficients
) -> tuple[Float[Tensor, ""], Measured]:
    """PPO's objective for a minibatch, and what is said of it."""
    actions = minibatch.actions
    if isinstance(model.action_space, spaces.Discrete):
        actions = actions.long().flatten()
    values, log_prob, entropy = model.policy.evaluate_actions(minibatch.observations, actions)
    known = Rollout(minibatch.old_log_prob, minibatch.old_values, minibatch.advantages, minibatch.returns)
    return clipped_objective(log_prob, values.flatten(), entropy, known, coefficients)


def log(model: PPO, measured: list[list[Measured]], coefficients: Coefficients) -> None:
    """Says of an update what SB3 does, under its names."""
    means = Measured(*np.mean([each for epoch in measured for each in epoch], axis=0))
    last_epoch = np.mean([each.approx_kl for each in measured[-1]])
    said = means._asdict() | {"approx_kl": last_epoch, "loss": measured[-1][-1].loss}
    buffer = model.rollout_buffer
    said["explained_variance"] = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
    if hasattr(model.policy, "log_std"):
        said["std"] = torch.exp(model.policy.log_std).mean().item()
    for name, value in said.items():
        model.logger.record(f"train/{name}", value)
    model.logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    model.logger.record("train/clip_range", coefficients.clip_range)
    if model.clip_range_vf is not None:
        model.logger.record("train/clip_range_vf", coefficients.clip_range_vf)
