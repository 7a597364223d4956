"""CartPole without velocities, with the settings of sb3-contrib's own performance test of RecurrentPPO.

The agent sees the positions of cart and pole alone. sb3-contrib's test (tests/test_lstm.py, test_ppo_lstm_performance)
asks for a mean return of 450 of 500 after 50,000 steps; a policy without memory gets about 50 there. Here every memory
named is trained on several seeds. Writes `results/cartpole_without_velocities/`.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from gymnasium import spaces
from pages import origin, origin_list
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from memagents import MemoryPPO
from memagents.studies.statistics import mean_interval

WANTED = 450
SETTINGS: dict[str, Any] = {
    "n_steps": 128,
    "batch_size": 256,
    "learning_rate": 7e-4,
    "n_epochs": 10,
    "gae_lambda": 0.98,
    "max_grad_norm": 1,
    "normalize_advantage": True,
    "critic_memory": "separate",
    "policy_kwargs": {"net_arch": {"pi": [], "vf": [64]}, "ortho_init": False},
}


@dataclass(frozen=True)
class Options:
    """What is trained."""

    memories: tuple[str, ...] = ("none", "lstm", "gru")
    """Names of memories."""

    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Seeds; that of sb3-contrib's test is 1."""

    timesteps: int = 50_000
    """Environment steps for each agent."""

    n_envs: int = 8
    """Environments in parallel."""

    hidden_size: int = 64
    """Features of the hidden vector."""

    eval_episodes: int = 100
    """Episodes of the evaluation, which decides by the last model."""

    threads: int = 1
    """Torch threads: minibatches this small gain nothing from more, and lose where the cores are shared."""

    folder: Path = Path("results/cartpole_without_velocities")
    """Where the table goes."""


class Positions(gym.ObservationWrapper[Any, Any, Any]):
    """CartPole's observation without its two velocities."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        box = env.observation_space
        assert isinstance(box, spaces.Box)
        self.observation_space = spaces.Box(box.low[[0, 2]], box.high[[0, 2]], dtype=np.float32)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return observation[[0, 2]]


def environments(n_envs: int, seed: int, **normalisation: Any) -> VecNormalize:
    return VecNormalize(make_vec_env(lambda: Positions(gym.make("CartPole-v1")), n_envs, seed), **normalisation)


def run(memory: str, seed: int, options: Options) -> dict[str, Any]:
    """Trains one agent and evaluates its last model on other seeds, as it was normalised in training."""
    env = environments(options.n_envs, seed)
    memory_kwargs = {} if memory == "none" else {"hidden_size": options.hidden_size}
    model = MemoryPPO("MlpPolicy", env, memory=memory, memory_kwargs=memory_kwargs, seed=seed, **SETTINGS)
    model.learn(options.timesteps)
    evaluation = environments(options.n_envs, seed + 1_000_000, training=False, norm_reward=False)
    evaluation.obs_rms = env.obs_rms
    mean, deviation = evaluate_policy(model, evaluation, options.eval_episodes)
    print(f"{memory} seed {seed}: {mean:.1f} ± {deviation:.1f}", flush=True)
    return {"memory": memory, "seed": seed, "mean_return": round(float(mean), 2), "episodes": options.eval_episodes}


def report(rows: list[dict[str, Any]], options: Options) -> str:
    """The table, and all that is needed to produce it again."""
    lines = [
        "# CartPole without velocities",
        "",
        "*Does an agent with memory reach what sb3-contrib's own performance test asks of RecurrentPPO: a mean return "
        f"of {WANTED} of 500 within {options.timesteps:,} steps?*",
        "",
        "| memory | mean return [95 %] | every seed | seeds at or above the mark |",
        "|:--|--:|:--|--:|",
    ]
    for memory in options.memories:
        scores = np.array([row["mean_return"] for row in rows if row["memory"] == memory])
        interval = mean_interval(scores)
        bounds = "fewer than 3 seeds" if interval is None else f"{interval[0]:.1f}, {interval[1]:.1f}"
        each = " ".join(f"{score:.1f}" for score in scores)
        lines.append(
            f"| {memory} | {scores.mean():.1f} [{bounds}] | {each} | {(scores >= WANTED).sum()} of {len(scores)} |"
        )
    settings = {**SETTINGS, "n_envs": options.n_envs, "hidden_size": options.hidden_size}
    return "\n".join(
        [
            *lines,
            "",
            f"The last model of each run (never the best), over {options.eval_episodes} episodes on other seeds; the "
            "interval is the 95 % percentile bootstrap of the mean over seeds. Observations and rewards are normalised "
            "by VecNormalize, as in the test.",
            "",
            "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".",
            "",
            "What this does not show: long memory. Two observations are enough to know the velocities.",
            "",
            origin_list(origin() | {"torch_threads": options.threads}),
            f"- seeds: {', '.join(map(str, options.seeds))}",
            "",
        ]
    )


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = [run(memory, seed, options) for memory in options.memories for seed in options.seeds]
    with (options.folder / "runs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (options.folder / "README.md").write_text(report(rows, options))
    print(f"\n{options.folder / 'README.md'}")


if __name__ == "__main__":
    main()
