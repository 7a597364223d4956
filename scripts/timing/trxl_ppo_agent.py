"""Beside the reference implementation of PPO with a gated Transformer-XL: TrXL-PPO on CartPole without velocities."""

import json
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium
from memagents_envs.wrappers import HideVelocities
from stable_baselines3.common.env_util import make_vec_env
from timing.answering import answering
from timing.pairings import Pairing, Work

from memagents import MemoryPPO

ENVS, STEPS, EPOCHS, MINIBATCHES = 16, 128, 4, 4
"""Environments, steps of each in a rollout, passes over it, and minibatches of a pass."""

BLOCKS, FEATURES, WINDOW = 4, 64, 32
"""Of the transformers: layers, their size, and how many steps they look back."""

TRANSFORMER = {
    "num_blocks": BLOCKS,
    "embed_dim": FEATURES,
    "num_heads": 1,
    "memory_length": WINDOW,
    "positional_encoding": "relative",
    "layer_norm": "pre",
    "gtrxl": True,
    "gtrxl_bias": 0.0,
}
"""As their configuration calls it."""


def trxl_agent(checkout: Path, threads: int, stack: ExitStack) -> Pairing:
    """An agent of the same sizes and the same PPO, learning end to end.

    Args:
        checkout: of MarcoMeter/episodic-transformer-memory-ppo.
        threads: of torch, on either side.
        stack: ends the peer.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[^ ]* *WARN: The environment CartPole-v0 is out of date")
        env = make_vec_env(lambda: HideVelocities(gymnasium.make("CartPole-v0")), ENVS, seed=0)
    model = MemoryPPO(
        "MlpPolicy",
        env,
        n_steps=STEPS,
        batch_size=ENVS * STEPS // MINIBATCHES,
        n_epochs=EPOCHS,
        normalize_advantage=True,
        device="cpu",
        memory="gtrxl",
        memory_kwargs={"hidden_size": FEATURES, "num_layers": BLOCKS, "num_heads": 1, "window": WINDOW},
        policy_kwargs={"net_arch": [FEATURES]},
    )

    def ours() -> None:
        model.learn(ENVS * STEPS, reset_num_timesteps=False)

    note = (
        f"end to end, a rollout of {ENVS} environments x {STEPS} steps and its update, {EPOCHS} epochs, {MINIBATCHES} "
        f"minibatches; {BLOCKS} blocks of {FEATURES}, one head, window {WINDOW}, heads of {FEATURES}. Either side as "
        "its users run it: theirs by its own trainer, each environment in a process, ours with SB3's DummyVecEnv. "
        "Gymnasium's CartPole-v0 stands in for gym's. Their feed-forward networks are one layer of 64, ours two, four "
        "times as wide in between; they clip their value loss, and write more statistics"
    )
    peer = theirs(checkout, threads, stack)
    return Pairing("gtrxl, PPO on CartPole without velocities", "TrXL-PPO (MarcoMeter)", 10, ours, peer, note)


def theirs(checkout: Path, threads: int, stack: ExitStack) -> Work:
    config = {
        "environment": {"type": "CartPoleMasked"},
        "gamma": 0.99,
        "lamda": 0.95,
        "updates": 1,
        "epochs": EPOCHS,
        "n_workers": ENVS,
        "worker_steps": STEPS,
        "n_mini_batch": MINIBATCHES,
        "value_loss_coefficient": 0.5,
        "hidden_layer_size": FEATURES,
        "max_grad_norm": 0.5,
        "transformer": TRANSFORMER,
        "learning_rate_schedule": constant(3e-4),
        "beta_schedule": constant(0.0),
        "clip_range_schedule": constant(0.2),
    }
    program = Path(__file__).with_name("trxl_ppo.py")
    command = [
        sys.executable,
        "-W",
        "ignore::DeprecationWarning",
        str(program),
        str(checkout.resolve()),
        str(threads),
        json.dumps(config),
    ]
    return answering("TrXL-PPO", command, stack)


def constant(value: float) -> dict[str, Any]:
    """A schedule that stays where it begins."""
    return {"initial": value, "final": value, "power": 1.0, "max_decay_steps": 1}
