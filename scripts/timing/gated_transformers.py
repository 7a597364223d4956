"""Beside TrXL-PPO, the reference implementation of PPO with a gated Transformer-XL: the models, and whole training."""

import importlib
import json
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium
import torch
from gymnasium import spaces
from memagents_envs.wrappers import HideVelocities
from stable_baselines3.common.env_util import make_vec_env as sb3_make_vec_env
from stable_baselines3.common.vec_env import VecEnv
from timing.answering import answering
from timing.pairings import Pairing, Work, differentiating, learning
from torch import Tensor, nn

from memagents import MemoryPPO, make_vec_env
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.agents.sequences import Sequences

ENVS, STEPS, EPOCHS, MINIBATCHES = 16, 128, 4, 4
"""Environments, steps of each in a rollout, passes over it, and minibatches of a pass."""

ROLLOUTS = 3
"""Of a round, with their updates."""

BLOCKS, FEATURES, WINDOW = 4, 64, 32
"""Of the transformers: layers, their size, and how many steps they look back."""

VECTOR, ACTIONS = 8, 4
"""Numbers of an observation, and actions, where there is no environment."""

TWIN = "memagents_envs:MemAgents/OccludedCartPole-v0"
"""Without noise it has the rules of CartPole-v0, of which it shows positions alone."""

PEER = "TrXL-PPO (MarcoMeter)"

OURS = {
    "hidden_size": FEATURES,
    "num_layers": BLOCKS,
    "num_heads": 1,
    "window": WINDOW,
    "feedforward_size": FEATURES,
}
THEIRS = {
    "num_blocks": BLOCKS,
    "embed_dim": FEATURES,
    "num_heads": 1,
    "memory_length": WINDOW,
    "positional_encoding": "relative",
    "layer_norm": "pre",
    "gtrxl": True,
    "gtrxl_bias": 0.0,
}
"""The same, as either side calls it."""


NETWORKS = (
    f"Their feed-forward networks are one layer of {FEATURES}, ours, like the paper's, two: they have {FEATURES} "
    "features in between here"
)


def gated_transformers(checkout: Path, threads: int, stack: ExitStack) -> list[Pairing]:
    """The models alone, and whole training.

    Args:
        checkout: of MarcoMeter/episodic-transformer-memory-ppo.
        threads: of torch, on either side.
        stack: ends the peer.
    """
    their = their_agent(checkout, threads, stack)
    return [models(checkout), *(agents(name, env, their) for name, env in environments())]


def models(checkout: Path) -> Pairing:
    """The passes of an update, with the model of TrXL-PPO and the minibatches its trainer makes, beside our GTrXL."""
    note = (
        f"{EPOCHS} epochs of {ENVS} environments x {STEPS} steps in {MINIBATCHES} minibatches, {BLOCKS} blocks of "
        f"{FEATURES}, window {WINDOW}: the model's forward and backward pass alone, without PPO's loss, optimizer and "
        "trainer. Their minibatches are of single steps, each with a window of its own; gradients do not flow into it. "
        f"{NETWORKS}"
    )
    return Pairing("gtrxl, passes of an update", PEER, 10, our_passes(), their_passes(checkout), note)


def passes_of(minibatch: Work) -> Work:
    """As many minibatches as an update has."""

    def work() -> None:
        for _ in range(EPOCHS * MINIBATCHES):
            minibatch()

    return work


def our_passes() -> Work:
    observations, actions = spaces.Box(-1, 1, (VECTOR,)), spaces.Discrete(ACTIONS)
    policy = MemoryActorCriticPolicy(observations, actions, lambda _: 3e-4, memory="gtrxl", memory_kwargs=OURS)
    rows = ENVS // MINIBATCHES
    flat = torch.randn(STEPS * rows, VECTOR)
    chosen, starts = torch.randint(ACTIONS, (STEPS * rows,)), torch.rand(STEPS, rows) < 0.01

    def outputs() -> Tensor:
        state = policy.initial_state(rows)
        values, log_prob, _ = policy.evaluate_actions(Sequences(flat, starts, state), chosen)
        return values.flatten() + log_prob

    return passes_of(differentiating(policy, outputs))


def their_passes(checkout: Path) -> Work:
    sys.path.insert(0, str(checkout))
    # Theirs reads environments too, which want packages of their own.
    helpers = types.ModuleType("utils")
    helpers.Module = nn.Module  # type: ignore[attr-defined]
    sys.modules["utils"] = helpers
    config = {"hidden_layer_size": FEATURES, "transformer": THEIRS}
    model = importlib.import_module("model").ActorCriticModel(config, spaces.Box(-1, 1, (VECTOR,)), (ACTIONS,), STEPS)
    samples = ENVS * STEPS // MINIBATCHES
    flat, chosen = torch.randn(samples, VECTOR), torch.randint(ACTIONS, (samples,))
    episodes = torch.randn(samples, STEPS, BLOCKS, FEATURES)
    window = torch.randint(STEPS - WINDOW, (samples, 1)) + torch.arange(WINDOW)
    mask = torch.ones(samples, WINDOW, dtype=torch.bool)

    def outputs() -> Tensor:
        held = episodes.gather(1, window[..., None, None].expand(-1, -1, BLOCKS, FEATURES))
        branches, values, _ = model(flat, held, mask, window)
        log_prob: Tensor = branches[0].log_prob(chosen)
        return values + log_prob

    return passes_of(differentiating(model, outputs))


def environments() -> Iterator[tuple[str, VecEnv]]:
    """CartPole without velocities, as SB3's users run it, and natively batched."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[^ ]* *WARN: The environment CartPole-v0 is out of date")
        yield "SB3's DummyVecEnv", sb3_make_vec_env(lambda: HideVelocities(gymnasium.make("CartPole-v0")), ENVS, seed=0)
    yield "the batched twin", make_vec_env(TWIN, ENVS, 0, env_kwargs={"noise": 0.0}, vectorization="batched")


def agents(name: str, env: VecEnv, theirs: Work) -> Pairing:
    """An agent of the same sizes and the same PPO, learning end to end."""
    model = MemoryPPO(
        "MlpPolicy",
        env,
        n_steps=STEPS,
        batch_size=ENVS * STEPS // MINIBATCHES,
        n_epochs=EPOCHS,
        normalize_advantage=True,
        device="cpu",
        memory="gtrxl",
        memory_kwargs=OURS,
        policy_kwargs={"net_arch": [FEATURES]},
    )
    note = (
        f"end to end, {ROLLOUTS} rollouts of {ENVS} environments x {STEPS} steps, each with its update, {EPOCHS} "
        f"epochs, {MINIBATCHES} minibatches; {BLOCKS} blocks of {FEATURES}, one head, window {WINDOW}, heads of "
        f"{FEATURES}. Either side as its users run it: theirs by its own trainer, each environment in a process, ours "
        f"in {name}. Gymnasium's CartPole-v0 stands in for gym's. {NETWORKS}. They clip their value loss, and write "
        "more statistics"
    )
    return Pairing(
        f"gtrxl, PPO on CartPole without velocities, {name}",
        PEER,
        10,
        learning(model, ROLLOUTS * ENVS * STEPS),
        theirs,
        note,
    )


def their_agent(checkout: Path, threads: int, stack: ExitStack) -> Work:
    config = {
        "environment": {"type": "CartPoleMasked"},
        "gamma": 0.99,
        "lamda": 0.95,
        "updates": ROLLOUTS,
        "epochs": EPOCHS,
        "n_workers": ENVS,
        "worker_steps": STEPS,
        "n_mini_batch": MINIBATCHES,
        "value_loss_coefficient": 0.5,
        "hidden_layer_size": FEATURES,
        "max_grad_norm": 0.5,
        "transformer": THEIRS,
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
