"""Beside an agent that JAX compiles as a whole, environment and all: popjaxrl's PPO-GRU on RepeatPrevious."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from timing.answering import answering
from timing.pairings import Pairing, Work, learning
from torch import Tensor, nn

from memagents import MemoryPPO, make_vec_env

ROLLOUTS, ENVS, STEPS, EPOCHS, MINIBATCHES = 2, 64, 128, 4, 4
"""Rollouts of a round, environments, steps of each, passes over a rollout, and minibatches of a pass."""


class Encoder(BaseFeaturesExtractor):
    """The two layers of popjaxrl's network before its GRU."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__(observation_space, 256)
        size = get_flattened_obs_dim(observation_space)
        self.layers = nn.Sequential(nn.Linear(size, 128), nn.LeakyReLU(), nn.Linear(128, 256), nn.LeakyReLU())

    def forward(self, observations: Tensor) -> Tensor:
        layers: Tensor = self.layers(observations.flatten(1))
        return layers


def jax_agent(peer: list[str], threads: int, stack: ExitStack) -> Pairing:
    """An agent of the same layers and the same PPO, learning end to end.

    Args:
        peer: the Python that can run popjaxrl, and where its checkout is.
        threads: of torch, and of JAX if it is one.
        stack: ends the peer.
    """
    env = make_vec_env(
        "memagents_envs:MemAgents/RepeatPrevious-v0", ENVS, seed=0, env_kwargs={"k": 4}, last_action_reward=True
    )
    model = MemoryPPO(
        "MlpPolicy",
        env,
        n_steps=STEPS,
        batch_size=ENVS * STEPS // MINIBATCHES,
        n_epochs=EPOCHS,
        normalize_advantage=True,
        device="cpu",
        memory="gru",
        memory_kwargs={"hidden_size": 256},
        policy_kwargs={
            "features_extractor_class": Encoder,
            "net_arch": [128, 128],
            "activation_fn": nn.LeakyReLU,
        },
    )
    ours = learning(model, ROLLOUTS * ENVS * STEPS)
    note = (
        f"end to end, {ROLLOUTS} rollouts of {ENVS} environments x {STEPS} steps, {EPOCHS} epochs, {MINIBATCHES} "
        "minibatches; encoder 128-256, GRU of 256, two heads of 128-128. Theirs is compiled before the first round, "
        "which is not counted; it clips its value loss, and keeps fewer statistics. Its encoder reads the last action, "
        "and whether an episode begins, ours the last action and reward"
    )
    return Pairing("gru, PPO on RepeatPrevious", "popjaxrl", 1.3, ours, their_agent(peer, threads, stack), note)


def their_agent(peer: list[str], threads: int, stack: ExitStack) -> Work:
    python, checkout = peer
    settings = {
        "LR": 3e-4,
        "NUM_ENVS": ENVS,
        "NUM_STEPS": STEPS,
        "TOTAL_TIMESTEPS": ROLLOUTS * ENVS * STEPS,
        "UPDATE_EPOCHS": EPOCHS,
        "NUM_MINIBATCHES": MINIBATCHES,
        "GAMMA": 0.99,
        "GAE_LAMBDA": 0.95,
        "CLIP_EPS": 0.2,
        "ENT_COEF": 0.0,
        "VF_COEF": 0.5,
        "MAX_GRAD_NORM": 0.5,
    }
    script = Path(__file__).with_name("popjaxrl.py")
    command = [python, str(script), checkout, json.dumps(settings)]
    one_thread = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    return answering("popjaxrl", command, stack, {} if threads > 1 else one_thread)
