"""What do the checks between an agent and its environments cost?

    python scripts/boundary_cost.py

Trains an agent with a stopwatch at every check, and holds their time against that of the training. (Two agents that
take turns, one without checks, differ by more than the checks take: by where their memory happens to lie.) Checks of
single observations are too short for a stopwatch: environments with them and without take turns. Writes
`results/robustness/boundaries.md` and `boundaries.csv`.
"""

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial, wraps
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

import gymnasium as gym
import numpy as np
import torch
import tyro
from pages import origin, origin_list, table
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.vec_env import VecEnv

from memagents import MemoryPPO, make_vec_env
from memagents.agents import rollouts
from memagents.agents.boundaries import Boundary

ENV = "memagents_envs:MemAgents/RepeatPrevious-v0"
KINDS = {"batched": "batched", "one by one": "dummy"}
PAIRS, TURN = 201, 20

PAGE = """\
# The cost of the boundary checks

What do the checks between an agent and its environments cost? `scripts/boundary_cost.py` wrote this page and
[boundaries.csv](boundaries.csv), which holds every round.

{origin}
- seed: {seed}

MemoryPPO with an lstm of {hidden_size} in RepeatPrevious, {n_envs} environments x {n_steps} steps, {n_epochs} epochs
over minibatches of {batch_size} steps, on the CPU. Time spent in the checks as a share of the time that the training
took: the median over {repeats} rounds of {rollouts} rollouts with their updates, after one to warm up, and the range.

{table}

*Batched* environments are one object without a Python call for each; what is checked is every batch of observations,
rewards and actions, the gradients before each step of the optimizer, and the value loss of each rollout. *One by one*
is `vectorization="dummy"`, and adds to that the name and the shape of every single observation: {each:.2f}
microseconds, by which `make_vec_env`'s environments are slower than SB3's `DummyVecEnv` (the median difference over
{pairs} turns of {turn} steps each).

What this does not show: larger observations such as images, environments in processes of their own, a GPU (on which
reading the norm of the gradients is one wait for each step of the optimizer), or environments that take time
themselves, beside which the checks cost less.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    repeats: int = 7
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
    """How long the training took, and its checks; round 0 is the warm-up."""

    number: int
    environments: str
    seconds: float
    checks_seconds: float

    @property
    def share(self) -> float:
        """Of the checks in the time."""
        return self.checks_seconds / self.seconds


class Stopwatch:
    """Adds up the time spent in some functions, but not in others that these call."""

    def __init__(self) -> None:
        self.seconds, self._running_since = 0.0, 0.0

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time added; inside another one that counts, its time is counted there."""

        @wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            if self._running_since:
                return function(*arguments, **options)
            self._running_since = perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += perf_counter() - self._running_since
                self._running_since = 0.0

        return run

    def left_out(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with the clock standing still."""

        @wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            if not self._running_since:
                return function(*arguments, **options)
            self.seconds += perf_counter() - self._running_since
            self._running_since = 0.0
            try:
                return function(*arguments, **options)
            finally:
                self._running_since = perf_counter()

        return run


@contextmanager
def watched(watch: Stopwatch, model: MemoryPPO) -> Iterator[None]:
    """A stopwatch at all checks of an agent."""
    hooks = model.policy.optimizer._optimizer_step_pre_hooks
    assert len(hooks) == 1, "there is a hook of the optimizer that this does not know"
    checks = [(Boundary, name) for name in ("step", "check_observations", "check_terminal")]
    checks.append((rollouts, "check_returns"))
    with ExitStack() as stack:
        for owner, name in checks:
            stack.enter_context(patch.object(owner, name, watch.counted(getattr(owner, name))))
        stack.enter_context(patch.object(VecEnv, "step", watch.left_out(VecEnv.step)))
        stack.enter_context(patch.dict(hooks, {key: watch.counted(hook) for key, hook in hooks.items()}))
        yield


def measure(environments: str, options: Options, each: float) -> list[Round]:
    """All rounds in one kind of environments, where the check of a single observation takes `each` seconds."""
    model = MemoryPPO(
        "MlpPolicy",
        make_vec_env(ENV, options.n_envs, options.seed, vectorization=KINDS[environments]),
        n_steps=options.n_steps,
        batch_size=options.batch_size,
        n_epochs=options.n_epochs,
        memory="lstm",
        memory_kwargs={"hidden_size": options.hidden_size},
        seed=options.seed,
        device="cpu",
    )
    rounds = []
    for number in range(options.repeats + 1):
        watch, begin = Stopwatch(), perf_counter()
        with watched(watch, model):
            steps = options.rollouts * options.n_envs * options.n_steps
            model.learn(steps, reset_num_timesteps=number == 0)
        rounds.append(Round(number, environments, perf_counter() - begin, watch.seconds + steps * each))
        print(rounds[-1], flush=True)
    return rounds


def seconds_each(options: Options) -> float:
    """How much longer a step of one environment takes with the checks of single observations."""
    ours = make_vec_env(ENV, options.n_envs, options.seed, vectorization="dummy")
    theirs = make_sb3_vec_env(partial(gym.make, ENV), options.n_envs, options.seed)
    actions = np.zeros(options.n_envs, np.int64)

    def seconds(env: VecEnv) -> float:
        begin = perf_counter()
        for _ in range(TURN):
            env.step(actions)
        return perf_counter() - begin

    for env in (ours, theirs):
        env.reset()
        seconds(env)
    differences = [seconds(ours) - seconds(theirs) for _ in range(PAIRS)]
    return median(differences) / (TURN * options.n_envs)


def row(rounds: list[Round]) -> list[str]:
    """A kind of environments in the table."""
    shares = [done.share for done in rounds if done.number > 0]
    return [rounds[0].environments, f"{median(shares):.2%} ({min(shares):.2%} to {max(shares):.2%})"]


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    load_before = os.getloadavg()[0]
    each = seconds_each(options)
    measured = [measure("batched", options, 0.0), measure("one by one", options, each)]
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "boundaries.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(measured[0][0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(done) for rounds in measured for done in rounds)
    head = ("environments", "share of the time")
    shown = table(head, [row(rounds) for rounds in measured], words=1)
    page = PAGE.format(
        each=1e6 * each, pairs=PAIRS, turn=TURN, origin=origin_list(origin(load_before)), table=shown, **asdict(options)
    )
    (options.folder / "boundaries.md").write_text(page, encoding="utf-8")
    print(f"\n{shown}\n\n{options.folder / 'boundaries.md'}")


if __name__ == "__main__":
    main()
