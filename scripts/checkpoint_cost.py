"""What do checkpoints cost?

    python scripts/checkpoint_cost.py

Trains small runs with a checkpoint every 10 rollouts, and holds the time that training stood still for them, and what a
thread works for them meanwhile, against the time that the training took. Runs go to `runs/checkpoint_cost`, the page to
`results/robustness`: `checkpoints.md` and `checkpoints.csv`.
"""

import csv
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time
from typing import Any
from unittest.mock import patch

import tyro
from pages import origin, origin_list, table

from memagents.runs import checkpoints
from memagents.runs.checkpoints import Checkpoints
from memagents.runs.config import TrainConfig
from memagents.runs.training import train

RUNS = Path("runs/checkpoint_cost")
T_MAZE = "memagents_envs:MemAgents/TMaze-v0"
REPEAT_PREVIOUS = "memagents_envs:MemAgents/RepeatPrevious-v0"
CASES = {
    "PPO, lstm, T-maze": TrainConfig(env=T_MAZE),
    "PPO, gtrxl, T-maze": TrainConfig(env=T_MAZE, memory="gtrxl"),
    "PPO, lstm, RepeatPrevious, 64 environments": TrainConfig(
        env=REPEAT_PREVIOUS, n_envs=64, algo_kwargs={"n_epochs": 4, "batch_size": 2048}
    ),
    "PPO, lstm, CartPole one by one, 8 environments": TrainConfig(env="CartPole-v1", n_envs=8),
    "A2C, lstm, T-maze": TrainConfig(env=T_MAZE, algo="a2c"),
}
N_STEPS = {"ppo": 128, "a2c": 16}
ROLLOUTS = 10

PAGE = """\
# The cost of checkpoints

What does a checkpoint every {rollouts} rollouts cost? `scripts/checkpoint_cost.py` wrote this page and
[checkpoints.csv](checkpoints.csv), which holds every run.

{origin}
- seeds: 0 to {last_seed}, one a run

How long training stands still for one, until its file has its name, for the last one until the system says that it is
on the disk; how much the processor works in the thread that sees to that for the others; and the time that training
stood still as a share of all the time that it took, in the last column with the thread's work, as if there were no
second core for it. Medians over {repeats} runs, and the range; a run has {rollouts} rollouts of PPO for each of
{checkpoints} checkpoints, or of A2C, whose rollouts are shorter, for each of {a2c_checkpoints}. Package defaults where
nothing else is said: 16 environments; PPO with rollouts of 128 steps and 10 epochs, A2C with rollouts of 16 steps.

{table}

What this does not show: network file systems and slow disks, memories of other sizes, and a GPU, from which parameters
must be copied first.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    repeats: int = 3
    """Runs of each case."""

    checkpoints: int = 5
    """Checkpoints in a run of PPO; one of A2C has more, for about as many steps."""

    folder: Path = Path("results/robustness")
    """Where the page goes."""

    def checkpoints_of(self, algo: str) -> int:
        """Checkpoints in a run of an algorithm."""
        return self.checkpoints * N_STEPS["ppo"] // N_STEPS[algo]


@dataclass(frozen=True)
class Cost:
    """Of the checkpoints of one run, in seconds."""

    case: str
    seed: int
    bytes: int
    training_seconds: float
    seconds: tuple[float, ...]
    thread_seconds: tuple[float, ...]

    @property
    def still(self) -> float:
        """The share of the time in which training stood still."""
        return sum(self.seconds) / self.training_seconds

    @property
    def with_thread(self) -> float:
        """The same, and the thread's work."""
        return (sum(self.seconds) + sum(self.thread_seconds)) / self.training_seconds


def measure(case: str, seed: int, options: Options) -> Cost:
    """Trains one run, with a stopwatch at its checkpoints and one in their thread."""
    write, wait, note = Checkpoints.write, Checkpoints.wait, checkpoints.note_latest
    seconds, thread_seconds = [], []

    def timed_write(callback: Checkpoints, name: str) -> None:
        begin = perf_counter()
        write(callback, name)
        if name == "final":
            wait(callback)
        seconds.append(perf_counter() - begin)

    def timed_note(*arguments: Any) -> None:
        begin = thread_time()
        note(*arguments)
        thread_seconds.append(thread_time() - begin)

    config = CASES[case]
    every = ROLLOUTS * N_STEPS[config.algo] * config.n_envs
    number = options.checkpoints_of(config.algo)
    length = {"timesteps": number * every, "checkpoint_every": every, "eval_episodes": 1}
    shutil.rmtree(RUNS, ignore_errors=True)
    with patch.object(Checkpoints, "write", timed_write), patch.object(checkpoints, "note_latest", timed_note):
        run = train(replace(config, **length, seed=seed, threads=1, folder=RUNS), bar=False)
    assert len(seconds) == number
    size = (RUNS / "checkpoints" / "final.zip").stat().st_size
    return Cost(case, seed, size, run.record["seconds"], tuple(seconds), tuple(thread_seconds))


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def row(costs: list[Cost]) -> list[str]:
    """A case in the table."""
    return [
        costs[0].case,
        f"{median(cost.bytes for cost in costs) / 2**20:.1f}",
        spread([1000 * one for cost in costs for one in cost.seconds], ".1f"),
        spread([1000 * one for cost in costs for one in cost.thread_seconds], ".1f"),
        spread([cost.still for cost in costs], ".2%"),
        spread([cost.with_thread for cost in costs], ".2%"),
    ]


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    load_before = os.getloadavg()[0]
    costs = []
    for seed in range(options.repeats):
        for case in CASES:
            costs.append(measure(case, seed, options))
            print(costs[-1], flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "checkpoints.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(costs[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, costs))
    head = ("run", "size (MiB)", "one takes (ms)", "in the thread (ms)", "share of the time", "with the thread's")
    rows = [row([cost for cost in costs if cost.case == case]) for case in CASES]
    page = PAGE.format(
        rollouts=ROLLOUTS,
        origin=origin_list(origin(load_before)),
        last_seed=options.repeats - 1,
        repeats=options.repeats,
        checkpoints=options.checkpoints_of("ppo"),
        a2c_checkpoints=options.checkpoints_of("a2c"),
        table=table(head, rows, words=1),
    )
    (options.folder / "checkpoints.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
