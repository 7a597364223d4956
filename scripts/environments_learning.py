"""Is every family what it says: solved by who sees the hidden state, out of reach without memory, learned with one?

    python scripts/environments_learning.py --jobs 2

On the Easy grade of every family: the oracle and random actions over many episodes, and two agents of PPO, one without
memory and one with. Runs are kept in `runs/environments` and not repeated; the result, one row for each agent and
seed, is `results/environments/learning.csv`, which `gallery.py` shows.
"""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from memagents_envs import FAMILIES, BatchedEnv

from memagents.runs.config import TrainConfig
from memagents.runs.provenance import provenance
from memagents.runs.results import RunResult
from memagents.studies.backends import local
from memagents.studies.comparison import train_cells

SETTINGS: dict[str, Any] = {"learning_rate": 1e-3}
"""Of PPO: with many environments there are few updates, so each goes a little further."""

OTHER_SETTINGS: dict[str, dict[str, Any]] = {
    # Rewards answer a pull at once, and most of them are luck: short sight and a common scale help.
    "Bandit": {"learning_rate": 2e-3, "gamma": 0.9, "gae_lambda": 0.8, "normalize_advantage": True, "ent_coef": 0.003},
    # With 1e-3 an agent that had learned it lost it again in one update.
    "PixelMaze": {"learning_rate": 5e-4, "target_kl": 0.05},
}
"""Of both agents, in families where the others do not lead anywhere in time."""

ORIGIN = ("command", "commit", "modified", "versions", "hardware")
"""Of a row: the run's own, or of who measured it here."""

STEPS_WITHOUT = 200_000
"""Of an agent without memory."""

STEPS_WITH = {"Bandit": 1_000_000, "Concentration": 1_000_000, "PixelMaze": 150_000}
"""Of an agent with a memory, where it is not `--timesteps`."""

N_ENVS = {"PixelMaze": 16}
"""Environments in parallel, where it is not `--n-envs`: images are slow to learn from, so rollouts are shorter."""


@dataclass(frozen=True)
class Options:
    """What is tried."""

    families: tuple[str, ...] = tuple(FAMILIES)
    """Names of families."""

    memory: str = "lstm"
    """The memory of the agent that has one."""

    timesteps: int = 500_000
    """Environment steps that it trains for; the one without memory takes 200,000."""

    n_envs: int = 64
    """Environments in parallel."""

    seeds: int = 3
    """How many agents of each."""

    episodes: int = 4_000
    """Of the oracle and of random actions."""

    jobs: int = 1
    """Runs at a time."""

    runs: Path = Path("runs/environments")
    """Where runs are kept."""

    folder: Path = Path("results/environments")
    """Where learning.csv goes."""


def env_id(family: str) -> str:
    return f"memagents_envs:MemAgents/{family}Easy-v0"


def cells(options: Options) -> list[TrainConfig]:
    """The agents, a seed of all families at a time."""
    return [
        TrainConfig(
            env=env_id(family),
            memory=memory,
            seed=seed,
            n_envs=N_ENVS.get(family, options.n_envs),
            timesteps=STEPS_WITHOUT if memory == "none" else STEPS_WITH.get(family, options.timesteps),
            algo_kwargs=OTHER_SETTINGS.get(family, SETTINGS),
            eval_episodes=500,
            threads=1,
            folder=options.runs / f"{family}-{memory}-seed{seed}",
        )
        for seed in range(options.seeds)
        for family in options.families
        for memory in ("none", options.memory)
    ]


def play(env: BatchedEnv, policy: Callable[[], np.ndarray], episodes: int) -> np.ndarray:
    """Returns of the first episodes of every row, as many of each, so that short ones are not favoured."""
    each = -(-episodes // env.num_envs)
    returns: list[list[float]] = [[] for _ in range(env.num_envs)]
    running = np.zeros(env.num_envs)
    env.reset(seed=12345)
    while min(map(len, returns)) < each:
        _, rewards, terminated, truncated, _ = env.step(policy())
        running += rewards
        for row in np.flatnonzero(terminated | truncated):
            returns[row].append(float(running[row]))
            running[row] = 0.0
    return np.array([row[:each] for row in returns]).ravel()


def without_learning(family: str, episodes: int) -> list[dict[str, Any]]:
    """What the oracle and random actions get, and the two figures that the family declares."""
    env: Any = gym.make_vec(env_id(family), num_envs=200, vectorization_mode="vector_entry_point")
    env.action_space.seed(0)
    players = {"oracle": env.oracle, "random": env.action_space.sample}
    declared = {"best": env.best_return, "memoryless_bound": env.memoryless_return}
    rows = []
    for name, policy in players.items():
        returns = play(env, policy, episodes)
        error = returns.std() / len(returns) ** 0.5
        rows.append({"agent": name, "episodes": len(returns), "mean_return": returns.mean(), "standard_error": error})
    return [{"family": family, **declared, **row} for row in rows]


def of_run(run: RunResult, declared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row of a trained agent: its last model, in environments it has not seen."""
    family = run.config.env.rpartition("/")[2].removesuffix("Easy-v0")
    returns = np.array(run.evaluation.returns)
    return {
        **{name: declared[family][name] for name in ("family", "best", "memoryless_bound")},
        "agent": run.config.memory,
        "seed": run.config.seed,
        "timesteps": run.record["timesteps"],
        "steps_per_second": run.record["steps_per_second"],
        "episodes": len(returns),
        "mean_return": returns.mean(),
        "standard_error": returns.std() / len(returns) ** 0.5,
        "settings": json.dumps(run.config.algo_kwargs),
        # A run that is kept may be older than the script that gathers it.
        **{name: str(run.record[name]) for name in ORIGIN},
    }


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    """What does not hold; nothing if all does. Three standard errors are allowed for."""
    wrong = []
    for row in rows:
        slack = 3 * row["standard_error"]
        off = {
            "oracle": abs(row["mean_return"] - row["best"]) > max(0.01 * abs(row["best"]), slack),
            "random": row["mean_return"] > row["memoryless_bound"] + slack,
            "none": row["mean_return"] > row["memoryless_bound"] + slack,
        }.get(row["agent"], row["mean_return"] < row["memoryless_bound"] + slack)
        if off:
            wrong.append(
                f"{row['family']}: {row['agent']} {row['mean_return']:.3f}, bound {row['memoryless_bound']:.3f}"
            )
    return wrong


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    rows = [row for family in options.families for row in without_learning(family, options.episodes)]
    declared = {row["family"]: row for row in rows}
    study = train_cells(cells(options), options.runs, local(options.jobs))
    rows += [of_run(run, declared) for run in study.runs]
    about = {name: str(value) for name, value in provenance().items()}
    names = list(dict.fromkeys(name for row in rows for name in row if name not in ORIGIN))
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "learning.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*names, *about])
        writer.writeheader()
        writer.writerows(about | row for row in rows)
    print("\n".join(verdicts(rows)) or "every family is what it says")
    return 1 if study.failures else 0


if __name__ == "__main__":
    sys.exit(main())
