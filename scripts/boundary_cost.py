"""What do the checks between an agent and its environments cost?

    python scripts/boundary_cost.py

Trains two agents of the same seed in one process, one with the checks and one without; they take turns, and at the end
their parameters must be bit for bit the same. Writes `results/robustness/boundaries.md` and `boundaries.csv`.
"""

import csv
import os
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import torch
import tyro
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.vec_env import VecEnv
from throughput_page import origin, origin_list, table

from memagents import MemoryPPO, make_vec_env
from memagents.agents import rollouts
from memagents.agents.boundaries import Boundary

ENV = "memagents_envs:MemAgents/RepeatPrevious-v0"

PAGE = """\
# The cost of the boundary checks

What do the checks between an agent and its environments cost? `scripts/boundary_cost.py` wrote this page and
[boundaries.csv](boundaries.csv), which holds every round.

{origin}
- seed: {seed}, of both agents

MemoryPPO with an lstm of {hidden_size} in RepeatPrevious, {n_envs} environments x {n_steps} steps, {n_epochs} epochs
over minibatches of {batch_size} steps, on the CPU. Two agents of the same seed take turns in one process, {rollouts}
rollouts with their updates in a round, {repeats} rounds after one to warm up: one agent with the checks, one without.
Their parameters were bit for bit the same at the end. The ratio is time with the checks over time without, in each
round; then the median over the rounds, and the range. Processor time is that of the process, and hears less of others
on the machine.

{table}

*Batched* environments are one object without a Python call for each; what is checked is every batch of observations,
rewards and actions, the gradients before each step of the optimizer, and the value loss of each rollout. *One by one*
is `backend="dummy"` beside SB3's own `DummyVecEnv`, and adds to that the name and the shape of every single
observation.

What this does not show: larger observations such as images, environments in processes of their own, a GPU (on which
reading the norm of the gradients is one wait for each step of the optimizer), or environments that take time
themselves, beside which the checks cost less.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    repeats: int = 11
    """Rounds that count; one more comes before them, to warm up."""

    rollouts: int = 2
    """Rollouts in a round, each with its update."""

    n_envs: int = 64
    """Environments stepped in parallel."""

    n_steps: int = 128
    """Steps of each environment in a rollout."""

    n_epochs: int = 4
    """Passes over a rollout in an update."""

    batch_size: int = 2048
    """Steps in a minibatch."""

    hidden_size: int = 128
    """Features of the lstm."""

    threads: int = 1
    """Threads torch computes with."""

    seed: int = 0
    """Seed of the parameters, the actions and the environments."""

    folder: Path = Path("results/robustness")
    """Where the page goes."""


@dataclass(frozen=True)
class Round:
    """How long one agent took; round 0 is the warm-up. Rollouts are what is not an update."""

    number: int
    environments: str
    checks: bool
    seconds: float
    processor_seconds: float
    rollout_processor_seconds: float


class Unchecked(Boundary):
    """A boundary that lets everything pass."""

    def step(self, env: VecEnv, actions: np.ndarray, step: int) -> Any:
        return env.step(actions)

    def check_observations(self, *_: Any) -> None:
        """Looks at nothing."""

    def check_terminal(self, *_: Any) -> None:
        """Looks at nothing."""


class Runner:
    """An agent with a stopwatch."""

    def __init__(self, environments: str, checks: bool, options: Options) -> None:
        self.environments, self.checks, self.options = environments, checks, options
        self.model = MemoryPPO(
            "MlpPolicy",
            make_envs(environments, checks, options),
            n_steps=options.n_steps,
            batch_size=options.batch_size,
            n_epochs=options.n_epochs,
            memory="lstm",
            memory_kwargs={"hidden_size": options.hidden_size},
            seed=options.seed,
            device="cpu",
        )
        if not checks:
            self.model._boundary = Unchecked(self.model.observation_space)
            self.model.policy.optimizer._optimizer_step_pre_hooks.clear()
        self.random_state: Any = None

    def run(self, number: int) -> Round:
        """Trains on for one round, on random numbers of its own."""
        if self.random_state is not None:
            torch.set_rng_state(self.random_state[0])
            np.random.set_state(self.random_state[1])
        update_seconds, train = 0.0, type(self.model).train

        def timed(model: MemoryPPO) -> None:
            nonlocal update_seconds
            begin = process_time()
            train(model)
            update_seconds += process_time() - begin

        off = nullcontext() if self.checks else patch.object(rollouts, "check_returns", lambda *_: None)
        steps = self.options.rollouts * self.options.n_envs * self.options.n_steps
        with off, patch.object(MemoryPPO, "train", timed):
            begin, processor_begin = perf_counter(), process_time()
            self.model.learn(steps, reset_num_timesteps=number == 0)
            seconds, processor_seconds = perf_counter() - begin, process_time() - processor_begin
        self.random_state = torch.get_rng_state(), np.random.get_state()
        rest = processor_seconds - update_seconds
        return Round(number, self.environments, self.checks, seconds, processor_seconds, rest)


def make_envs(environments: str, checks: bool, options: Options) -> VecEnv:
    """RepeatPrevious; one by one without checks are SB3's own."""
    if environments == "batched":
        return make_vec_env(ENV, options.n_envs, options.seed, backend="batched")
    if checks:
        return make_vec_env(ENV, options.n_envs, options.seed, backend="dummy")
    return make_sb3_vec_env(partial(gym.make, ENV), options.n_envs, options.seed)


def measure(environments: str, options: Options) -> list[Round]:
    """All rounds in one kind of environments; who begins changes from round to round."""
    runners = []
    for checks in (True, False):
        runners.append(Runner(environments, checks, options))
        runners[-1].random_state = torch.get_rng_state(), np.random.get_state()
    rounds = []
    for number in range(options.repeats + 1):
        for runner in runners if number % 2 else runners[::-1]:
            rounds.append(runner.run(number))
            print(rounds[-1], flush=True)
    checked, unchecked = (runner.model.policy.state_dict() for runner in runners)
    assert all(torch.equal(checked[name], unchecked[name]) for name in checked), "the checks changed what was learned"
    return rounds


def ratios(rounds: list[Round], environments: str, clock: str) -> str:
    """Time with checks over time without, as a cell of the table."""
    counted = [done for done in rounds if done.environments == environments and done.number > 0]
    on, off = (
        {done.number: getattr(done, clock) for done in counted if done.checks is checks} for checks in (True, False)
    )
    values = [on[number] / off[number] for number in on]
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    load_before = os.getloadavg()[0]
    kinds = ("batched", "one by one")
    rounds = [done for kind in kinds for done in measure(kind, options)]
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "boundaries.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rounds[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(done) for done in rounds)
    clocks = ("processor_seconds", "rollout_processor_seconds", "seconds")
    head = ("environments", "training, processor time", "rollouts alone, processor time", "training, wall time")
    shown = table(head, [[kind, *(ratios(rounds, kind, clock) for clock in clocks)] for kind in kinds], words=1)
    page = PAGE.format(origin=origin_list(origin(load_before)), table=shown, **asdict(options))
    (options.folder / "boundaries.md").write_text(page, encoding="utf-8")
    print(f"\n{shown}\n\n{options.folder / 'boundaries.md'}")


if __name__ == "__main__":
    main()
